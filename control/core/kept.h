/* kept.h - answers kept for who asks again with the same Idempotency-Key.
 *
 * Spec:    protocol.md section 8
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_KEPT_MAX answers and CTL_KEPT_SIZE_MAX bytes together, the oldest go first; a day; not over a restart
 * Idiom:   ctl_kept_begin() before the work; NEW: then ctl_kept_end() with the answer, or ctl_kept_drop() when it failed
 */
#ifndef CTL_CORE_KEPT_H
#define CTL_CORE_KEPT_H

#include "control/core/memory.h"
#include "control/core/table.h"
#include "engine/base/list.h"

/** What a key was used for. */
struct ctl_kept_answer {
    struct nx_list_link member;
    uint64_t key, request;
    int64_t until_ms;
    struct nx_bytes body; /**< owned */
    uint16_t status;      /**< 0: the work is under way */
};

/** All of them; ctl_kept_init() makes it usable. */
struct ctl_kept {
    struct ctl_table table; /**< key to struct ctl_kept_answer */
    struct nx_list order;   /**< oldest first */
    size_t size;            /**< bytes of bodies */
};

/** What ctl_kept_begin() found. */
enum ctl_kept_verdict {
    CTL_KEPT_NEW,     /**< nobody used the key: do the work */
    CTL_KEPT_BUSY,    /**< the first request is still under way */
    CTL_KEPT_ANSWER,  /**< there it is */
    CTL_KEPT_OTHER,   /**< the key was used for another request */
    CTL_KEPT_NO_ROOM, /**< too many are under way, or no memory: do not begin */
};

/** Makes it empty. */
void ctl_kept_init(struct ctl_kept *kept);

/** Gives everything back. */
void ctl_kept_fini(struct ctl_kept *kept, const struct ctl_memory *memory);

/** Looks `key` up at `wall_ms` for a request whose hash is `request`; `*out` is set with ANSWER, borrowed until the next call. */
enum ctl_kept_verdict ctl_kept_begin(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t seed,
                                     uint64_t key, uint64_t request, int64_t wall_ms,
                                     const struct ctl_kept_answer **out);

/** Keeps the answer of `key`; without memory for it the key is forgotten. */
void ctl_kept_end(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t key, uint16_t status,
                  struct nx_bytes body);

/** Forgets `key`. */
void ctl_kept_drop(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t key);

#endif
