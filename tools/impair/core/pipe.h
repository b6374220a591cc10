/* pipe.h - one direction of one TCP connection: when what was read is written, in which pieces, and how it is harmed.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 * Limits:  chances are per block of IMPAIR_BLOCK_SIZE bytes of the stream, wherever reads cut it: flips, resets and the
 *          sizes of pieces depend on the seed and the offset alone
 * Idiom:   impair_pipe_take() for each run of bytes that was read; when it is due, impair_pipe_piece() says how much
 *          may be written at once, impair_pipe_given() tells what was. Nothing is lost and nothing overtakes.
 */
#ifndef TOOLS_IMPAIR_CORE_PIPE_H
#define TOOLS_IMPAIR_CORE_PIPE_H

#include "tools/impair/core/shape.h"

/** One direction of one connection. */
struct impair_pipe {
    uint64_t key;
    uint64_t taken;       /**< bytes of the stream taken */
    uint64_t segments;    /**< runs taken */
    uint64_t chunks;      /**< pieces begun */
    uint32_t chunk_left;  /**< bytes left of the piece */
    nx_time paused_until; /**< the next piece does not go before */
    nx_time last_due;
    struct impair_shape shape;
};

/** What becomes of a run of bytes. */
struct impair_pipe_fate {
    size_t size;             /**< bytes of it that go on; fewer only when the connection is reset then */
    nx_time due;             /**< when they may be written */
    bool is_reset;           /**< after them both sides get a reset */
    uint32_t blocks_flipped; /**< blocks of which a bit was flipped in this run */
    uint32_t bits_flipped;
};

/** Starts a pipe with the key of its connection and direction. */
void impair_pipe_init(struct impair_pipe *pipe, uint64_t key);

/** Decides about the next `size` bytes of the stream, 1 or more, read at `now`, and flips bits in them. */
void impair_pipe_take(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                      uint8_t *bytes, size_t size, struct impair_pipe_fate *fate);

/** Returns when the end of the stream, seen at `now`, is passed on: with the delay, after everything taken. */
nx_time impair_pipe_end(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now);

/** Returns how many of `size` bytes (1 or more) that are due may be written at once; 0 when none before
 * `*not_before`, which is set then. */
size_t impair_pipe_piece(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                         size_t size, nx_time *not_before);

/** Tells that `size` bytes of the last piece were written at `now`. */
void impair_pipe_given(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                       size_t size);

#endif
