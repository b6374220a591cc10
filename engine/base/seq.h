/* seq.h - arithmetic on counters that wrap: which is newer, how far apart, which 64-bit number was meant.
 *
 * Spec:    RFC 1982 section 3 (serial numbers), RFC 3550 appendix A.1 (extended sequence numbers)
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; values
 * Limits:  numbers exactly half the range apart have no order: neither is before the other
 * Idiom:   extend once at the border with a struct nx_seq, then calculate with uint64_t.
 */
#ifndef NX_BASE_SEQ_H
#define NX_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/** Returns the signed distance from `b` to `a`, -32768..32767; negative when `a` is older. */
static inline int32_t nx_seq_diff16(uint16_t a, uint16_t b)
{
    const uint32_t up = (uint16_t)(a - b);
    return up < 0x8000 ? (int32_t)up : (int32_t)up - 0x10000;
}

/** Returns the signed distance from `b` to `a`, -2^31..2^31-1; negative when `a` is older. */
static inline int64_t nx_seq_diff32(uint32_t a, uint32_t b)
{
    const uint32_t up = a - b;
    return up < 0x80000000U ? (int64_t)up : (int64_t)up - 0x100000000LL;
}

/** Returns whether `a` comes before `b`; false when they are equal or exactly 2^15 apart. */
static inline bool nx_seq_before16(uint16_t a, uint16_t b)
{
    const uint16_t up = (uint16_t)(b - a);
    return up != 0 && up < 0x8000;
}

/** Returns whether `a` comes before `b`; false when they are equal or exactly 2^31 apart. */
static inline bool nx_seq_before32(uint32_t a, uint32_t b)
{
    const uint32_t up = b - a;
    return up != 0 && up < 0x80000000U;
}

/** Remembers the newest number seen, to extend the next ones; all zero before the first. Use one for one
 * width. */
struct nx_seq {
    uint64_t newest; /**< highest extended number so far */
    bool has_newest; /**< false before the first number */
};

/**
 * Returns the 64-bit number that `value` stands for: the one nearest to the newest so far.
 *
 * The first value becomes 2^16 + value, so that packets older than the first still have a number >= 0.
 * A gap of 2^15 or more cannot be told from reordering.
 */
static inline uint64_t nx_seq_extend16(struct nx_seq *seq, uint16_t value)
{
    if (!seq->has_newest) {
        *seq = (struct nx_seq){.newest = 0x10000ULL + value, .has_newest = true};
        return seq->newest;
    }
    const int64_t step = nx_seq_diff16(value, (uint16_t)seq->newest);
    if (step < 0 && seq->newest < (uint64_t)-step) {
        return value; /* Older than everything numbered: the lowest number that has these bits. */
    }
    const uint64_t full = seq->newest + (uint64_t)step;
    if (step > 0) {
        seq->newest = full;
    }
    return full;
}

/** As nx_seq_extend16() for 32-bit values (RTP timestamps); the first becomes 2^32 + value. */
static inline uint64_t nx_seq_extend32(struct nx_seq *seq, uint32_t value)
{
    if (!seq->has_newest) {
        *seq = (struct nx_seq){.newest = 0x100000000ULL + value, .has_newest = true};
        return seq->newest;
    }
    const int64_t step = nx_seq_diff32(value, (uint32_t)seq->newest);
    if (step < 0 && seq->newest < (uint64_t)-step) {
        return value;
    }
    const uint64_t full = seq->newest + (uint64_t)step;
    if (step > 0) {
        seq->newest = full;
    }
    return full;
}

#endif
