/* stamp.h - the mark in every message of a load test: who sent it, which one it is, and when.
 *
 * Spec:    40 characters that no JSON writer escapes: "~~", then lower-case hex: run 4, stream 6, number 8,
 *          nanoseconds 16, check 4
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  2^24 streams, 2^32 - 1 messages each
 * Idiom:   a receiver looks for the mark in the raw bytes of a delivery, first where it stood in the last one.
 */
#ifndef LOAD_STAMP_H
#define LOAD_STAMP_H

#include "engine/base/bytes.h"

enum { LOAD_STAMP_SIZE = 40 };

/** One mark. */
struct load_stamp {
    uint16_t run;    /**< tells this run from others on the same server */
    uint32_t stream; /**< publisher or room, below 2^24 */
    uint32_t number; /**< 1 for the first message of the stream */
    int64_t ns;      /**< monotonic instant at which it was to be sent */
};

/** Writes `stamp` as its 40 characters. */
void load_stamp_put(uint8_t out[LOAD_STAMP_SIZE], const struct load_stamp *stamp);

/**
 * Finds the first mark in `text`, trying offset `*hint` first and leaving there where it was found. Characters that look
 * like a mark but fail its check are passed over. Returns false when there is none. Cost: linear, constant when the hint
 * is right.
 */
bool load_stamp_find(struct nx_bytes text, size_t *hint, struct load_stamp *out);

#endif
