/* id.h - 64-bit ids that sort by time, readable by every client library that knows snowflakes.
 *
 * Spec:    bits 63..22 milliseconds since 2015-01-01T00:00:00Z, 21..12 node, 11..0 counter; in JSON a
 *          decimal string
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard; a node number belongs to one mint at a time
 * Limits:  4096 ids per millisecond before the mint runs ahead of the clock; ids stay below 2^63 until the
 *          year 2084
 */
#ifndef NX_BASE_ID_H
#define NX_BASE_ID_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/base/writer.h"

#define NX_ID_EPOCH_MS 1420070400000LL /**< Unix milliseconds of 2015-01-01T00:00:00Z */

enum { NX_ID_NODE_MAX = 1023 };

/** What makes ids; each is larger than the one before. */
struct nx_id_mint {
    uint64_t last; /**< last id made, 0 before the first */
    uint16_t node; /**< given: 0..NX_ID_NODE_MAX */
};

/**
 * Starts a mint for `node`. `last` is the largest id this node may have made before (0 for none), so that a
 * clock set back during a restart repeats nothing.
 */
void nx_id_init(struct nx_id_mint *mint, uint16_t node, uint64_t last);

/**
 * Makes the next id at `wall_ms` (Unix milliseconds). While the clock is behind the last id its millisecond
 * is held; when 4096 ids were made in one millisecond the next one is used early.
 */
uint64_t nx_id_next(struct nx_id_mint *mint, int64_t wall_ms);

/** Returns the Unix millisecond `id` was made in. */
int64_t nx_id_ms(uint64_t id);

/** Returns the smallest id of the Unix millisecond `wall_ms` (0 before 2015), for "everything since". */
uint64_t nx_id_from_ms(int64_t wall_ms);

/**
 * Parses a decimal id, 1..2^63-1, digits only and no leading zero.
 *
 * Returns NX_E_MALFORMED for anything else.
 */
NX_MUST_USE enum nx_err nx_id_parse(struct nx_bytes text, uint64_t *out);

/** Writes `id` in decimal, at most 20 digits (NX_ID_TEXT_SIZE_MAX for ids that parse), without quotes. */
void nx_id_format(uint64_t id, struct nx_writer *out);

#endif
