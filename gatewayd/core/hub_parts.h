/* hub_parts.h - what the files of the hub need of each other; for hub*.c only.
 *
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Idiom:   hub_bus.c takes a message of control and hands it to the part that it is about: sessions (hub_open.c), guilds and
 *          rights (hub_guild.c)
 */
#ifndef GW_CORE_HUB_PARTS_H
#define GW_CORE_HUB_PARTS_H

#include "gatewayd/core/hub.h"

/* Decodes into `message` or counts; an early return keeps the handlers flat. */
#define GW_HUB_DECODE(name)                                                                                  \
    struct nx_bus_##name message;                                                                            \
    if (nx_bus_##name##_get(payload, &message) != NX_OK) {                                                   \
        hub->metrics.bus_malformed_total++;                                                                  \
        return NX_E_MALFORMED;                                                                               \
    }

/* Messages of control about sessions. Each returns NX_OK, or NX_E_MALFORMED when it does not decode. */

/** SESSION_OPENED: the session is joined to its guilds, or refused. */
enum nx_err gw_hub_open_opened(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload,
                               struct gw_verdict *out);

/** SESSION_READY: the first dispatches. */
enum nx_err gw_hub_open_ready(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload);

/** SESSION_MOVE: the session is to be exported. */
enum nx_err gw_hub_open_move(struct gw_hub *hub, struct nx_bytes payload, struct gw_verdict *out);

/** SESSION_END: control has let go of the session. */
enum nx_err gw_hub_open_end(struct gw_hub *hub, nx_time now, struct nx_bytes payload);

/** A session cannot be continued (op 9), but its client may identify on the same connection. */
void gw_hub_open_refuse(struct gw_hub *hub, nx_time now, struct gw_session *session);

/* Messages of control about guilds and rights, as above. */

/** GUILD_STATE. */
enum nx_err gw_hub_guild_state(struct gw_hub *hub, struct nx_bytes payload);

/** CHANNEL_STATE. */
enum nx_err gw_hub_guild_channel_state(struct gw_hub *hub, struct nx_bytes payload);

/** CHANNEL_GONE. */
enum nx_err gw_hub_guild_channel_gone(struct gw_hub *hub, struct nx_bytes payload);

/** GUILD_GONE. */
enum nx_err gw_hub_guild_gone(struct gw_hub *hub, struct nx_bytes payload);

/** ROLESET_VIEW. */
enum nx_err gw_hub_guild_roleset_view(struct gw_hub *hub, struct nx_bytes payload);

/** MEMBER_ROLESET. */
enum nx_err gw_hub_guild_member(struct gw_hub *hub, struct nx_bytes payload);

/** Answers the SUBSCRIBE of a member whose rights were not known when it asked, if it did. */
void gw_hub_input_subscribed(struct gw_hub *hub, struct gw_session *session, const struct gw_ref *ref);

/** Returns whether a message of `session` has to wait: control is away or does not know the session, or others wait. */
bool gw_hub_send_must_wait(const struct gw_hub *hub, nx_time now, const struct gw_session *session);

/** Lets a message wait, or refuses it when too many do. */
void gw_hub_send_wait(struct gw_hub *hub, nx_time now, const struct nx_bus_message_send *message);

/** Numbers a message that goes to control now and must be answered until `until`; false when too many are not answered. */
bool gw_hub_send_track(struct gw_hub *hub, nx_time until, struct nx_bus_message_send *message);

/** Control has answered the message `number`, or never got it. Returns whether somebody still waits for that. */
bool gw_hub_send_answered(struct gw_hub *hub, uint64_t number);

/** Control is gone with what it had: that is refused, and may be sent again. */
void gw_hub_send_lost(struct gw_hub *hub);

/** Gives the memory of what waits back. */
void gw_hub_send_fini(struct gw_hub *hub);

/** The channel in `slot` has a new message, which needs one of `intents`. */
void gw_hub_unread_note(struct gw_hub *hub, nx_time now, uint32_t slot, uint64_t intents);

/** Tells at once what is due later in the guild in `slot`: one of its members leaves, or will look at something else. */
void gw_hub_unread_flush(struct gw_hub *hub, nx_time now, uint32_t slot);

/** Gives the memory of what is due back. */
void gw_hub_unread_fini(struct gw_hub *hub);

/** Returns what control should know of the session's presence. */
static inline uint8_t gw_hub_status_of(const struct gw_session *session)
{
    return session->state == GW_SESSION_DETACHED ? (uint8_t)NX_BUS_STATUS_OFFLINE : session->status;
}

#endif
