/* hub.h - all that one shard of the gateway knows, and what it does about what happens: the core behind the sockets.
 *
 * Spec:    protocol.md sections 3 and 4, engine/wire/bus_msg.def
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  gatewayd/core/limits.h
 * Idiom:   connect, input, ping, disconnect and timeout tell it what happened at the sockets (hub.c, hub_input.c),
 *          gw_hub_bus_input what control says (hub_bus.c). Each gives at most one verdict: a message for control. What
 *          clients shall hear is pulled: gw_fanout_next() on hub->fanout, then gw_output_write() on hub->output.
 */
#ifndef GW_CORE_HUB_H
#define GW_CORE_HUB_H

#include "engine/base/metric.h"
#include "engine/crypto/token.h"
#include "engine/wire/bus.h"
#include "gatewayd/core/addr_guard.h"
#include "gatewayd/core/fanout.h"
#include "gatewayd/core/op.h"
#include "gatewayd/core/output.h"
#include "gatewayd/core/revoke.h"

enum { GW_HUB_URL_MAX = 256 };

/** Counters of a shard. */
struct gw_metrics {
#define NX_METRIC(kind, name, unit, help) NX_METRIC_FIELD_##kind(name)
#include "gatewayd/core/metrics.def"
#undef NX_METRIC
};

/** What a shard is made of; zero means the default of limits.h. */
struct gw_hub_config {
    struct gw_memory memory;
    uint64_t seed;        /**< of the tables' hashes; secret */
    size_t framelog_size; /**< bytes */
    uint32_t sessions_max;
    uint32_t heartbeat_ms;
    uint32_t identify_ms;
    uint32_t resume_ms;
    uint16_t node;
    uint16_t shard;
    uint16_t shards;        /**< of the node */
    bool has_rate_limits;   /**< until SETTINGS says otherwise */
    const char *public_url; /**< http(s)://host[:port]; used while SETTINGS has none; borrowed at init only */
};

enum gw_verdict_kind {
    GW_VERDICT_NONE,
    GW_VERDICT_OPEN,    /**< send `open` to control */
    GW_VERDICT_CLOSE,   /**< send `close` */
    GW_VERDICT_STATUS,  /**< send `status` */
    GW_VERDICT_MESSAGE, /**< send `message` */
    GW_VERDICT_MEMBERS, /**< send `members` */
    GW_VERDICT_EXPORT,  /**< gw_hub_move_export() `session` to `new_session` on `new_shard` */
};

/** What is to be done now; texts are borrowed from the input. */
struct gw_verdict {
    enum gw_verdict_kind kind;
    union {
        struct nx_bus_session_open open;
        struct nx_bus_session_close close;
        struct nx_bus_session_status status;
        struct nx_bus_message_send message;
        struct nx_bus_members_request members;
    } as;
    struct gw_session
        *session; /**< input: whom the connection belongs to from now on; EXPORT: what to export, NULL
                                     when it is gone */
    struct gw_session
        *ousted;        /**< input: a session that now belongs to the connection in its `conn`, NULL: none */
    uint16_t new_shard; /**< EXPORT */
    uint64_t new_session;                    /**< EXPORT */
    uint8_t user_ids[GW_MEMBER_IDS_MAX * 8]; /**< MEMBERS: what `as.members.user_ids` points to */
};

/** Channels that have news for those who do not look. */
struct gw_hub_unread {
    uint64_t *channels; /**< owned ring of GW_UNREAD_CHANNELS_MAX ids that are due later; NULL: none yet */
    uint32_t first, next;
    uint64_t intents; /**< that their messages needed */
};

/** One shard. */
struct gw_hub {
    struct gw_hub_config config; /**< given; defaults filled in */
    struct gw_framelog log;
    struct gw_sessions sessions;
    struct gw_guilds guilds;
    struct gw_fanout fanout;
    struct gw_output output;
    struct gw_revoke revoke;
    struct gw_addr_guard guard;
    struct nx_token_ring keys; /**< from control */
    struct nx_wheel wheel;     /**< one timer per session */
    struct gw_metrics metrics;
    struct nx_quota_rule ops_rule;
    nx_time tick_at; /**< last sign of life of control */
    struct gw_hub_unread unread;
    struct gw_hub_send *sends;      /**< owned: op 67 that wait for control, oldest first */
    struct gw_hub_send *send_taken; /**< owned: what gw_hub_send_next() gave last */
    struct gw_hub_sent *
        sent; /**< owned ring of GW_SENDS_OUT_MAX: op 67 that control has and did not answer; NULL: none yet */
    uint64_t sent_first, sent_next; /**< numbers; the first of all is 1 */
    uint32_t sends_count;
    size_t sends_size;
    bool is_synced; /**< keys, settings and revocations are complete */
    bool has_rate_limits;
    bool is_draining;
    uint32_t evict_at;               /**< slot of the session looked at last for one to end */
    bool has_statuses_owed;          /**< control may not have heard of a session's status */
    char resume_url[GW_HUB_URL_MAX]; /**< ws(s)://host/gateway; empty: none */
    uint8_t scratch[GW_PAYLOAD_MAX]; /**< for escaped strings of one payload */
};

/** Makes an empty shard. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_hub_init(struct gw_hub *hub, const struct gw_hub_config *config, nx_time now);

/** Gives all memory back. */
void gw_hub_fini(struct gw_hub *hub);

/** A WebSocket was opened: the node's connection `conn`. It is owed HELLO. Returns NULL at the cap of sessions. */
struct gw_session *gw_hub_connect(struct gw_hub *hub, nx_time now, uint32_t conn, bool is_compressed,
                                  bool is_loopback);

/** The client sent a text or binary message. `wall_ms` is Unix time, for tokens. */
void gw_hub_input(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct gw_session *session,
                  struct nx_bytes payload, struct gw_verdict *out);

/** The client sent a WebSocket ping (at most 125 bytes): a pong is owed, or it is closed for flooding. */
void gw_hub_ping(struct gw_hub *hub, nx_time now, struct gw_session *session, struct nx_bytes payload);

/** The connection is gone; `code` is that of the client's close frame, or 0. The session is detached or given back. */
void gw_hub_disconnect(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code,
                       struct gw_verdict *out);

/** The node could not send a verdict's message to control: it waits, or what waits for it is told so. */
void gw_hub_undelivered(struct gw_hub *hub, nx_time now, const struct gw_verdict *verdict);

/** Gives the next message that has waited for control and can go now; borrowed until the next call. False when none can. */
bool gw_hub_send_next(struct gw_hub *hub, nx_time now, struct nx_bus_message_send *out);

/** Refuses what has waited for control, or for its answer, too long. */
void gw_hub_send_expire(struct gw_hub *hub, nx_time now);

/** Tells what is unread where that is due; several times a second. */
void gw_hub_unread_tick(struct gw_hub *hub, nx_time now);

/** Refuses one message of the session `handle`: NEXUS_MESSAGE_REFUSED with code 130000, it may be sent again. */
void gw_hub_send_refuse(struct gw_hub *hub, uint64_t handle, struct nx_bytes nonce);

/** Takes one timer that is due; false when none is. `out` may be of kind NONE. */
bool gw_hub_timeout(struct gw_hub *hub, nx_time now, struct gw_verdict *out);

/** Returns when gw_hub_timeout() is to be called. */
nx_time gw_hub_deadline(const struct gw_hub *hub);

/** Closes one more connection for a drain: op 7, then 4100. Start with `*cursor` 0; false when all were told. */
bool gw_hub_drain_next(struct gw_hub *hub, uint32_t *cursor);

/** The realtime link is gone: no new sessions until SYNCED. Sessions go on. */
void gw_hub_bus_down(struct gw_hub *hub);

/** Control is back: until it says anew which role sets the sessions have, none may view a channel. Sessions that it was
 *  still opening are closed with 4000. */
void gw_hub_bus_up(struct gw_hub *hub, nx_time now);

/** After SYNCED: gives the next session that control must be told about again; false when there is none. Start with
 *  `*cursor` 0. */
bool gw_hub_bus_reopen(struct gw_hub *hub, uint32_t *cursor, struct nx_bus_session_open *out);

/**
 * Takes a message of control. REST messages, HELLO and CREDIT are not for us.
 * Returns NX_OK; NX_E_UNSUPPORTED when the number is none of ours; NX_E_MALFORMED when it does not decode (counted and
 * ignored).
 */
NX_MUST_USE enum nx_err gw_hub_bus_input(struct gw_hub *hub, nx_time now, int64_t wall_ms,
                                         const struct nx_bus_frame *frame, struct gw_verdict *out);

/** Returns whether new sessions may be opened: control is there and not silent for GW_BUS_STALE_MS. */
bool gw_hub_is_ready(const struct gw_hub *hub, nx_time now);

/** Ends a session wherever it is: closes its connection with `code`, or lets a detached one expire now. */
void gw_hub_end(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code,
                const char *reason);

/** Takes `session` out of every guild, handing out what is pending before. */
void gw_hub_leave_all(struct gw_hub *hub, struct gw_session *session);

/** Continues `session` at `seq`: what follows is unsent again. Returns NX_OK; NX_E_NOT_FOUND when a dispatch after `seq`
 *  is gone; NX_E_MALFORMED when `seq` is from the future. */
NX_MUST_USE enum nx_err gw_hub_rewind(struct gw_hub *hub, struct gw_session *session, uint64_t seq);

/** Makes a session READY: its client is there, and its heartbeats count from now. */
void gw_hub_live(struct gw_hub *hub, nx_time now, struct gw_session *session);

/** Tells a session RESUMED, behind all that it has missed, and makes it READY. */
void gw_hub_resumed(struct gw_hub *hub, nx_time now, struct gw_session *session);

/** A session as bytes for another shard, from gw_memory; NULL `session` or no memory gives an export that says "gone".
 *  The session is given back, its connection closed with 4102. Returns the bytes, or NULL without memory. */
uint8_t *gw_hub_move_export(struct gw_hub *hub, nx_time now, struct gw_session *session, size_t *size);

/** The client of the session `handle` was restored on another shard while control did not know this one: it is over, for a
 *  later resume must not find it under the same name with other numbers. */
void gw_hub_move_forget(struct gw_hub *hub, nx_time now, uint64_t handle, uint64_t user_id, uint64_t sid);

/**
 * The export of the old shard arrived for the session `handle`; `bytes` are borrowed. What it does not have any more is
 * fetched by a client that can (RESUMED, NEXUS_RESYNC); others get op 9, and `out` tells control that the session is over.
 */
void gw_hub_move_import(struct gw_hub *hub, nx_time now, uint64_t handle, struct nx_bytes bytes,
                        struct gw_verdict *out);

/** Gives the next status that control has not heard of because its link was full; false when there is none. Start with
 *  `*cursor` 0, when hub->has_statuses_owed. */
bool gw_hub_status_next(struct gw_hub *hub, uint32_t *cursor, struct nx_bus_session_status *out);

/** Fills `out` with what control should know of the session's presence now, or with nothing while it does not know the
 *  session. */
void gw_hub_status(struct gw_session *session, struct gw_verdict *out);

/** Writes the text of a session id: the seal, then intents and capabilities. Returns NX_OK; NX_E_AUTH without keys. */
NX_MUST_USE enum nx_err gw_hub_input_session_id(struct gw_hub *hub, const struct gw_session *session,
                                                int64_t wall_ms, struct nx_writer *out);

/** Returns the rows that describe struct gw_metrics; `count` receives how many. */
const struct nx_metric_info *gw_hub_metrics(size_t *count);

#endif
