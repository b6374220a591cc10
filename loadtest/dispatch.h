/* dispatch.h - takes the few numbers that a history needs out of a dispatch without parsing it.
 *
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  keys as our server writes them, without spaces; contents without escapes
 * Idiom:   as load_stamp_find(): first where it stood in the last one, so that a delivery costs a few comparisons.
 */
#ifndef LOAD_DISPATCH_H
#define LOAD_DISPATCH_H

#include "loadtest/history.h"

/** Where the fields of the last message stood. */
struct load_dispatch_hints {
    size_t id;
    size_t channel;
    size_t seq;
};

/**
 * Finds the first `key` (with quotes and colon, and the quote of a string) in `text`, trying offset `*hint` first and
 * leaving there where it was, and reads the digits behind it. Returns false without a key or a digit.
 */
bool load_dispatch_number(struct nx_bytes text, const char *key, size_t *hint, uint64_t *out);

/** Returns a record of `kind` with the ids and the seq of the message in `text`; what is not there is 0. */
struct load_history_record load_dispatch_message(struct load_dispatch_hints *hints,
                                                 enum load_history_kind kind, struct nx_bytes text);

/** Returns the hash of the content that begins at `at` and ends before the next quote. */
uint64_t load_dispatch_content_hash(struct nx_bytes text, size_t at);

#endif
