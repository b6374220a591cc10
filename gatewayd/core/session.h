/* session.h - the sessions of one shard: slots with generations, their rings of frame positions, and who is whose.
 *
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  GW_SESSIONS_MAX slots in slabs; a ring of 64 to 4096 positions, of GW_REPLAY_MIN once so many were sent; 320
 *          bytes per slot
 * Idiom:   the first cache line of a slot is all that a delivery touches. s, the number of a dispatch, is the index in the
 *          ring: [tail .. sent) was taken by the kernel and can be replayed, [sent .. head) is unsent.
 *
 * States and what moves between them (everything not named closes the connection, see hub_input.c):
 *   HELLO        IDENTIFY -> OPENING          RESUME of a session here -> that session, READY
 *                RESUME of another shard or after a crash -> OPENING
 *   OPENING      SESSION_OPENED -> READY (identify) or RESUMING (waits for the export of the old shard)
 *   RESUMING     the export arrived -> READY
 *   READY        connection lost -> DETACHED; closed 1000 or 1001 -> gone
 *   DETACHED     RESUME -> READY; 120 s -> gone
 */
#ifndef GW_CORE_SESSION_H
#define GW_CORE_SESSION_H

#include "engine/base/bytes.h"
#include "engine/base/pool.h"
#include "engine/base/quota.h"
#include "engine/base/wheel.h"
#include "gatewayd/core/index.h"
#include "gatewayd/core/slab.h"

#define GW_SESSION_NONE UINT32_MAX

enum gw_session_state {
    GW_SESSION_FREE,
    GW_SESSION_HELLO,
    GW_SESSION_OPENING,
    GW_SESSION_RESUMING,
    GW_SESSION_READY,
    GW_SESSION_DETACHED,
};

enum gw_session_flag {
    GW_SESSION_DIRTY = 1,      /**< on the list of sessions to be flushed */
    GW_SESSION_URGENT = 2,     /**< on the list of sessions that are flushed first */
    GW_SESSION_COMPRESSED = 4, /**< permessage-deflate was agreed */
    GW_SESSION_BLOCKED = 8,    /**< the socket takes nothing until it says writable */
    GW_SESSION_HOLD = 16,      /**< live dispatches wait until the first ones are complete */
    GW_SESSION_DOOMED = 32,    /**< a close frame is owed or sent; nothing else leaves any more */
    GW_SESSION_COMMITTED = 64, /**< a write is under way; `commit_*` describe it */
    GW_SESSION_ABORT = 128, /**< cut inside a frame it does not own any more: drop the connection at once */
};

/** What a session owes its client beside dispatches, in the order it is sent. */
enum gw_owed {
    GW_OWED_HELLO = 1,
    GW_OWED_ACK = 2,
    GW_OWED_PONG = 4,
    GW_OWED_PING = 8,
    GW_OWED_INVALID = 16,      /**< op 9, d:false */
    GW_OWED_INVALID_TRUE = 32, /**< op 9, d:true: the same session may be resumed a little later */
    GW_OWED_RECONNECT = 64,    /**< op 7 */
    GW_OWED_CLOSE = 128,       /**< the close frame; last */
};

/** What the first unsent bytes belong to, when a write ended inside an item. */
enum gw_cut { GW_CUT_NONE, GW_CUT_OWED, GW_CUT_BURST, GW_CUT_FRAME };

/** A guild that a session is in. */
struct gw_ref {
    uint32_t guild;  /**< slot */
    uint32_t member; /**< index in the guild's members */
};

/** The first dispatches of a session, waiting to be sent: per dispatch a u32 size in host order, then the tail. */
struct gw_burst {
    uint8_t *bytes;      /**< owned */
    size_t room;         /**< bytes allocated */
    size_t size;         /**< bytes filled */
    size_t start;        /**< bytes of dispatches that were taken by the kernel */
    size_t commit_start; /**< start once the write under way is taken whole */
    uint32_t first_s;    /**< s of the dispatch at `start` */
    uint32_t commit_s;   /**< first_s once the write under way is taken whole */
    bool is_complete;    /**< the last one is there */
};

enum { GW_SESSION_REFS_INLINE = 2, GW_SESSION_BOT_KEY_SIZE = 16 };

/** One slot. */
struct gw_session {
    /* hot: all that a delivery touches */
    uint32_t *ring;         /**< owned; NULL until it is opened */
    struct gw_burst *burst; /**< owned; NULL when there is none */
    uint32_t ring_mask;     /**< positions of the ring, less one */
    uint32_t head;          /**< s of the next dispatch */
    uint32_t sent;          /**< s of the first dispatch that the kernel has not taken whole */
    uint32_t tail;          /**< s of the oldest dispatch that the ring still has */
    uint32_t unsent_size;   /**< bytes of the tails of [sent .. head) */
    uint32_t commit_head;   /**< s of the first unsent dispatch once the write under way is taken whole */
    uint32_t cut_size;      /**< bytes of the first unsent item that were taken already */
    uint32_t next_dirty;    /**< next session of the same list; GW_SESSION_NONE: last */
    uint32_t conn;          /**< the node's connection; GW_SESSION_NONE when detached */
    uint8_t state;          /**< enum gw_session_state */
    uint8_t flags;          /**< enum gw_session_flag */
    uint8_t owed;           /**< enum gw_owed */
    uint8_t commit_owed;    /**< which of them the write under way holds */
    uint8_t cut;            /**< enum gw_cut */
    uint8_t cut_owed;       /**< which one, when cut is OWED */
    uint16_t close_code;    /**< what the close frame says */

    /* of the write under way, beside commit_head and commit_owed */
    uint32_t commit_size;     /**< bytes */
    uint32_t commit_tails;    /**< unsent_size falls by this */
    uint32_t commit_cut_size; /**< cut_size afterwards */
    uint8_t commit_cut;       /**< cut afterwards */
    uint8_t commit_cut_owed;  /**< cut_owed afterwards */
    uint16_t commit_voids;    /**< low bits of the log's void_count when it was made */

    /* cold */
    uint32_t next_urgent;  /**< next session of the list that is flushed first; GW_SESSION_NONE: last */
    uint32_t unsent_limit; /**< bytes unsent that make it a slow consumer */
    uint32_t index;
    uint32_t generation; /**< never 0 while taken */
    uint64_t user_id;
    uint64_t sid;
    uint64_t intents;
    uint32_t capabilities;    /**< NX_BUS_CAPABILITY_* */
    uint32_t next_of_user;    /**< next session of the same user */
    uint32_t want_seq;        /**< RESUMING: the last s the client has */
    struct gw_ref *refs;      /**< owned when refs_room > GW_SESSION_REFS_INLINE, else refs_inline */
    uint32_t *channels;       /**< owned: subscribed channels' slots, by guild in no order */
    uint8_t *pong;            /**< owned: size, then the payload to be echoed */
    const char *close_reason; /**< static or the hub's; NULL: none */
    uint16_t refs_count;
    uint16_t refs_room;
    uint16_t channels_count;
    uint16_t channels_room;
    uint16_t sends_waiting; /**< op 67 that wait for control */
    uint16_t origin_shard;  /**< with origin */
    uint64_t origin; /**< handle in the session id that its client holds, when it began on another shard or in
                                 another life of this one; 0: its own */
    uint64_t addr_key;   /**< of the peer, for addr_guard */
    struct nx_quota ops; /**< of gateway payloads */
    nx_time heard_at;    /**< last heartbeat, or what began the present wait */
    struct nx_wheel_timer timer;
    struct gw_ref refs_inline[GW_SESSION_REFS_INLINE];
    uint8_t bot_key[GW_SESSION_BOT_KEY_SIZE]; /**< start of the SHA-256 of a bot's token; zero for people */
    uint8_t reason;                           /**< enum nx_bus_open that opened it */
    uint8_t status;                           /**< enum nx_bus_status the client asked for */
    uint8_t told_status;                      /**< enum nx_bus_status that control was told last */
    uint8_t acks_count;                       /**< heartbeats not acknowledged yet */
    uint8_t pings_count;                      /**< pings since heard_at, for the flood limit */
    bool is_guarded;                          /**< counted by addr_guard under addr_key */
    bool is_over;                             /**< the end of the connection is the end of the session */
    bool is_rejoining;                        /**< SESSION_OPEN was sent again after control came back */
    bool is_status_owed;                      /**< control's link was full when it was to be told */
    bool is_open;                             /**< control knows it: SESSION_OPEN was sent */
    bool is_loopback;                         /**< the peer is on this machine: load-test tokens are taken */
    bool is_bot;
};

_Static_assert(offsetof(struct gw_session, commit_size) <= 64,
               "a delivery touches one cache line of a session");

/** Being on a list outlives the connection, and even the session: whoever takes a session off one looks again. */
enum { GW_SESSION_LISTED = GW_SESSION_DIRTY | GW_SESSION_URGENT };

/** The sessions of a shard. */
struct gw_sessions {
    struct gw_memory memory;        /**< given */
    struct gw_session *slabs[1024]; /**< owned */
    uint32_t slabs_count;
    uint32_t capacity_max;                    /**< given: sessions there may be */
    uint32_t free_first;                      /**< linked by next_of_user */
    uint32_t count;                           /**< slots taken */
    uint32_t counts[GW_SESSION_DETACHED + 1]; /**< per state */
    uint32_t generation_first; /**< of every slot: no name of an earlier life means anybody here */
    struct gw_index users;     /**< user id -> first session */
    struct gw_slab rings[4];   /**< owned: rings of 64, 256, 1024 and 4096 positions */
    struct gw_slab pongs;      /**< owned: pong payloads */
};

/** Prepares an empty set of at most `capacity_max` sessions. */
void gw_session_table_init(struct gw_sessions *sessions, const struct gw_memory *memory,
                           uint32_t capacity_max, uint64_t seed);

/** Gives all memory back. */
void gw_session_table_fini(struct gw_sessions *sessions);

/** Takes a slot in state HELLO. Returns NULL at the cap or without memory. */
struct gw_session *gw_session_take(struct gw_sessions *sessions);

/** Gives a slot and all it owns back; it is in no guild any more. */
void gw_session_give(struct gw_sessions *sessions, struct gw_session *session);

/** Returns the slot `index`, taken or not, which must exist. */
static inline struct gw_session *gw_session_at(const struct gw_sessions *sessions, uint32_t index)
{
    return &sessions->slabs[index >> 10][index & 1023];
}

/** Returns the session that a packed nx_handle names, or NULL. */
struct gw_session *gw_session_find(const struct gw_sessions *sessions, uint64_t handle);

/** Returns the packed nx_handle of `session`, as control knows it. */
uint64_t gw_session_handle(const struct gw_session *session);

/** Changes the state, keeping count. */
void gw_session_state_set(struct gw_sessions *sessions, struct gw_session *session,
                          enum gw_session_state state);

/** Enters `session` under its user_id. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_user_add(struct gw_sessions *sessions, struct gw_session *session);

/** Takes it out again; nothing happens when it is not there. */
void gw_session_user_remove(struct gw_sessions *sessions, struct gw_session *session);

/** Returns the first session of a user, or NULL; the others follow by gw_session_user_next(). */
struct gw_session *gw_session_user_first(const struct gw_sessions *sessions, uint64_t user_id);

/** Returns the next session of the same user, or NULL. */
struct gw_session *gw_session_user_next(const struct gw_sessions *sessions, const struct gw_session *session);

/** Gives the session its first ring, with `next_s` as the number of its first dispatch. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_ring_open(struct gw_sessions *sessions, struct gw_session *session,
                                             uint32_t next_s);

/** Makes a full ring larger, or when it may not grow lets go of the oldest dispatch that was sent.
 *  Returns whether there is room for one more now. */
bool gw_session_ring_room(struct gw_sessions *sessions, struct gw_session *session);

/** Returns the dispatches unsent in the ring. */
static inline uint32_t gw_session_unsent(const struct gw_session *session)
{
    return session->head - session->sent;
}

/** Appends the position of a frame with a tail of `size` bytes as the next dispatch; false when the ring is full of
 *  unsent ones: a slow consumer. */
static inline bool gw_session_push(struct gw_sessions *sessions, struct gw_session *session,
                                   uint32_t position, uint32_t size)
{
    if (session->head - session->tail > session->ring_mask && !gw_session_ring_room(sessions, session)) {
        return false;
    }
    session->ring[session->head & session->ring_mask] = position;
    session->head++;
    session->unsent_size += size;
    return true;
}

/** Adds `guild` to the session's list; `member` is the index in it. Returns NX_OK; NX_E_FULL; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_ref_add(struct gw_sessions *sessions, struct gw_session *session,
                                           uint32_t guild, uint32_t member);

/** Returns the session's entry for `guild`, or NULL. Cost: linear in its guilds. */
struct gw_ref *gw_session_ref(struct gw_session *session, uint32_t guild);

/** Removes the entry for `guild`, if there is one. */
void gw_session_ref_remove(struct gw_session *session, uint32_t guild);

/** Adds a channel to what the session looks at. Returns NX_OK; NX_E_FULL past 65535; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_channel_add(struct gw_sessions *sessions, struct gw_session *session,
                                               uint32_t channel);

/** Removes a channel, if it is there. */
void gw_session_channel_remove(struct gw_session *session, uint32_t channel);

/** Returns whether the session looks at the channel. Cost: linear. */
bool gw_session_channel_has(const struct gw_session *session, uint32_t channel);

/** Opens the burst of a session, empty; `first_s` numbers its first dispatch. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_burst_open(struct gw_sessions *sessions, struct gw_session *session,
                                              uint32_t first_s);

/** Appends one dispatch: `size` bytes of tail in up to three parts. Returns NX_OK; NX_E_FULL past GW_BURST_SIZE_MAX;
 *  NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_session_burst_add(struct gw_sessions *sessions, struct gw_session *session,
                                             const struct nx_bytes *parts, uint32_t parts_count);

/** Gives back a burst that was taken out of its session. */
void gw_session_burst_free(struct gw_sessions *sessions, struct gw_burst *burst);

/** Gives the burst's memory back. */
void gw_session_burst_close(struct gw_sessions *sessions, struct gw_session *session);

/** Returns the bytes that the table, rings, indexes and pongs hold. */
uint64_t gw_session_bytes(const struct gw_sessions *sessions);

#endif
