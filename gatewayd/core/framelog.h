/* framelog.h - the event frames of one shard, each encoded once, in one circular log.
 *
 * Spec:    protocol.md section 3: a dispatch is {"op":0,"s":N, + a tail that all receivers share
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  a power of two of bytes, GW_FRAMELOG_SIZE by default; one tail is at most an eighth of it
 * Idiom:   a position names a frame for as long as the log has not come round: there are no references to count. What
 *          still wants a frame that is gone was too slow. Positions count units of 16 bytes and wrap at 2^32 (64 GiB
 *          of events): holders must look at what they hold more often than that.
 */
#ifndef GW_CORE_FRAMELOG_H
#define GW_CORE_FRAMELOG_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/wire/deflate.h"
#include "gatewayd/core/index.h"

enum { GW_FRAMELOG_UNIT = 16, GW_FRAMELOG_NONE = 0 }; /* no frame is at position 0 */

enum gw_frame_flag {
    GW_FRAME_VOID = 1,        /**< a newer frame replaces it: not sent any more */
    GW_FRAME_REPLACEABLE = 2, /**< typing, presence: dropped first when a session is behind */
    GW_FRAME_MEMBERS = 4,     /**< in large guilds only for those who look at the members */
    GW_FRAME_PLAIN_ONLY = 8,  /**< compressing it does not pay */
    GW_FRAME_UNREAD = 32,     /**< for those only who do not look at the channel */
    GW_FRAME_FILLER = 16,     /**< no frame: the room before the end of the log, or compressed bytes */
};

/** The head of one frame; its tail follows in the log. 64 bytes. */
struct gw_frame {
    uint32_t size;           /**< bytes of the tail */
    uint32_t units;          /**< of the whole record */
    uint64_t guild_id;       /**< 0: not an event of a guild */
    uint64_t channel_id;     /**< 0: the whole guild */
    uint64_t intents;        /**< one of these is needed; 0: none */
    uint64_t except_user_id; /**< 0: nobody */
    uint64_t key;            /**< 0: not replaceable */
    uint32_t next;           /**< position of the next frame waiting in the same guild; NONE: last */
    uint32_t deflated;       /**< position of the compressed tail; NONE: not made yet */
    uint32_t deflated_size;  /**< bytes */
    uint32_t flags;          /**< enum gw_frame_flag */
};

_Static_assert(sizeof(struct gw_frame) == 64, "a frame's head is four units");

/** What is known of a frame when it is appended. */
struct gw_frame_info {
    uint64_t guild_id;
    uint64_t channel_id;
    uint64_t intents;
    uint64_t except_user_id;
    uint64_t key;
    uint32_t flags; /**< GW_FRAME_MEMBERS, GW_FRAME_UNREAD or 0 */
};

/** The log of one shard. */
struct gw_framelog {
    struct gw_memory memory;              /**< given */
    uint8_t *bytes;                       /**< owned */
    size_t size;                          /**< bytes, a power of two */
    uint64_t units;                       /**< size / 16 */
    uint64_t head;                        /**< unit behind the newest record, counted for ever */
    uint64_t tail;                        /**< unit of the oldest record */
    struct gw_index keys;                 /**< newest position of a replaceable key */
    struct nx_deflate_deflater *deflater; /**< owned; NULL until the first compressed receiver */
    void *deflater_block;                 /**< owned */
    uint64_t frames_count;                /**< appended, ever */
    uint64_t void_count;                  /**< made void, ever */
    uint64_t deflated_count;              /**< compressed, ever */
};

enum {
    GW_FRAMELOG_WINDOW_BITS = 12, /**< compressed tails refer back no further than 4 KiB */
    GW_FRAMELOG_LEVEL = 1,        /**< zlib's; one event hardly shrinks more at higher levels */
};

/** Makes an empty log of `size` bytes (rounded down to a power of two, at least GW_FRAMELOG_SIZE_MIN). Returns NX_OK;
 *  NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_framelog_init(struct gw_framelog *log, const struct gw_memory *memory, size_t size,
                                         uint64_t seed);

/** Gives the memory back. */
void gw_framelog_fini(struct gw_framelog *log);

/**
 * Appends a frame and names it in `position`; the oldest records make room. A key that is not 0 makes the frame
 * replaceable, and void the one that had this key before.
 * Returns NX_OK; NX_E_FULL when the tail is longer than an eighth of the log.
 */
NX_MUST_USE enum nx_err gw_framelog_append(struct gw_framelog *log, const struct gw_frame_info *info,
                                           struct nx_bytes tail, uint32_t *position);

/**
 * Returns the compressed tail of the live frame at `position`, made now when it is not there yet (which appends, so
 * that old records go and pointers into them die). Empty when compressing does not pay.
 */
struct nx_bytes gw_framelog_deflated(struct gw_framelog *log, uint32_t position);

/** Returns whether `position` still is in the log. */
static inline bool gw_framelog_has(const struct gw_framelog *log, uint32_t position)
{
    const uint32_t age = (uint32_t)log->head - position;
    return age != 0 && age <= (uint32_t)(log->head - log->tail);
}

/** Returns the frame at `position`, which is in the log; borrowed until something is appended. */
static inline struct gw_frame *gw_framelog_at(const struct gw_framelog *log, uint32_t position)
{
    return (struct gw_frame *)(void *)(log->bytes + (size_t)(position & (log->units - 1)) * GW_FRAMELOG_UNIT);
}

/** Returns the tail of `frame`. */
static inline struct nx_bytes gw_framelog_tail(const struct gw_frame *frame)
{
    return nx_bytes_of(frame + 1, frame->size);
}

/** Returns the bytes that may be appended before the record at `position` (which is in the log) is gone. */
static inline size_t gw_framelog_slack(const struct gw_framelog *log, uint32_t position)
{
    return log->size - (size_t)((uint32_t)log->head - position) * GW_FRAMELOG_UNIT;
}

#endif
