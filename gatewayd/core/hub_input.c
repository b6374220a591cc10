/* What a client's payload does, by state (– closes with the code named):
 *
 *              HELLO              OPENING, RESUMING   READY
 *   heartbeat  ACK                ACK                 ACK
 *   identify   opens              4005                4005
 *   resume     attaches or opens  4005                4005
 *   others     4003               4003                done
 *   unknown    4001               4001                4001
 *   no JSON    4002               4002                4002
 *
 * A doomed session hears nothing; a detached one has no connection to hear from. */
#include "engine/base/assert.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/equal.h"
#include "engine/crypto/seal.h"
#include "engine/wire/json_out.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub_parts.h"
#include "gatewayd/core/intent.h"

static void refuse(struct gw_hub *hub, struct gw_session *session, uint16_t code, const char *reason)
{
    gw_fanout_doom(&hub->fanout, session, code, reason);
}

static void invalid(struct gw_hub *hub, struct gw_session *session)
{
    hub->metrics.resumes_refused_total++;
    session->owed |= GW_OWED_INVALID;
    gw_fanout_mark_urgent(&hub->fanout, session);
}

enum nx_err gw_hub_input_session_id(struct gw_hub *hub, const struct gw_session *session, int64_t wall_ms,
                                    struct nx_writer *out)
{
    const struct nx_seal seal = {.node = hub->config.node,
                                 .shard = hub->config.shard,
                                 .slot = session->index,
                                 .generation = session->generation,
                                 .user_id = session->user_id,
                                 .session_id = session->sid,
                                 .issued_s = (uint64_t)(wall_ms / 1000)};
    const enum nx_err err = nx_seal_sign(&hub->keys, &seal, out);
    if (err == NX_OK) {
        nx_writer_u8(out, '.');
        nx_writer_decimal(out, session->intents);
        nx_writer_u8(out, '.');
        nx_writer_decimal(out, session->capabilities);
    }
    return err;
}

/* Reads "seal.intents.capabilities". What follows the seal is the client's own free choice and needs no signature. */
static bool read_session_id(struct gw_hub *hub, struct nx_bytes text, struct nx_seal *seal, uint64_t *intents,
                            uint32_t *capabilities)
{
    if (nx_seal_open(&hub->keys, nx_bytes_slice(text, 0, NX_SEAL_TEXT_SIZE), seal) != NX_OK) {
        return false;
    }
    uint64_t numbers[2] = {0, 0};
    int count = -1;
    for (size_t i = NX_SEAL_TEXT_SIZE; i < text.size; i++) {
        const uint8_t c = text.at[i];
        if (c == '.' && count < 1) {
            count++;
        } else if (c >= '0' && c <= '9' && count >= 0 && numbers[count] < UINT64_MAX / 16) {
            numbers[count] = numbers[count] * 10 + (uint64_t)(c - '0');
        } else {
            return false;
        }
    }
    *intents = numbers[0];
    *capabilities = (uint32_t)numbers[1];
    return true;
}

/* Verifies a person's token; expired ones only count as good for a resume. */
static bool check_token(struct gw_hub *hub, const struct gw_session *session, const struct gw_op *op,
                        int64_t wall_ms, struct nx_token_claims *claims)
{
    const enum nx_err err = nx_token_verify(&hub->keys, op->token, (uint64_t)(wall_ms / 1000), claims);
    if (err != NX_OK && !(err == NX_E_EXPIRED && op->op == GW_OP_RESUME)) {
        return false;
    }
    if (claims->kind != NX_TOKEN_ACCESS && !(claims->kind == NX_TOKEN_LOAD && session->is_loopback)) {
        return false;
    }
    return !gw_revoke_has(&hub->revoke, claims->user_id, claims->session_id, claims->issued_s);
}

static bool bot_key(const struct gw_op *op, uint8_t key[GW_SESSION_BOT_KEY_SIZE])
{
    uint8_t digest[NX_DIGEST_SHA256_SIZE];
    if (nx_digest_sha256(op->token.at, op->token.size, digest) != NX_OK) {
        return false;
    }
    memcpy(key, digest, GW_SESSION_BOT_KEY_SIZE);
    return true;
}

static void ask_open(struct gw_hub *hub, nx_time now, struct gw_session *session, const struct gw_op *op,
                     enum nx_bus_open reason, const struct nx_seal *seal, struct gw_verdict *out)
{
    if (!gw_hub_is_ready(hub, now)) {
        refuse(hub, session, GW_CLOSE_UNKNOWN, "unavailable");
        return;
    }
    session->reason = (uint8_t)reason;
    session->origin =
        seal == NULL ? 0 : nx_handle_pack((nx_handle){.index = seal->slot, .generation = seal->generation});
    session->origin_shard = seal == NULL ? 0 : seal->shard;
    session->is_open = true;
    session->told_status = session->status;
    gw_session_state_set(&hub->sessions, session, GW_SESSION_OPENING);
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, GW_OPEN_MS));
    out->kind = GW_VERDICT_OPEN;
    out->as.open = (struct nx_bus_session_open){.session = gw_session_handle(session),
                                                .reason = (uint8_t)reason,
                                                .user_id = session->is_bot ? 0 : session->user_id,
                                                .sid = session->sid,
                                                .intents = session->intents,
                                                .capabilities = session->capabilities,
                                                .status = session->status,
                                                .old_session = session->origin,
                                                .old_shard = session->origin_shard};
    if (session->is_bot) {
        out->as.open.bot_token = op->token;
    }
}

static void identify(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct gw_session *session,
                     const struct gw_op *op, struct gw_verdict *out)
{
    struct nx_token_claims claims = {0};
    if ((op->intents & ~GW_INTENTS_ALL) != 0) {
        refuse(hub, session, GW_CLOSE_INVALID_INTENTS, "invalid intents");
        return;
    }
    if (!gw_hub_is_ready(hub, now)) {
        refuse(hub, session, GW_CLOSE_UNKNOWN, "unavailable");
        return;
    }
    if (op->is_bot) {
        if (op->token.size > GW_BOT_TOKEN_MAX || !bot_key(op, session->bot_key)) {
            refuse(hub, session, GW_CLOSE_AUTH_FAILED, "authentication failed");
            return;
        }
    } else if (!check_token(hub, session, op, wall_ms, &claims)) {
        hub->metrics.auth_failures_total++;
        refuse(hub, session, GW_CLOSE_AUTH_FAILED, "authentication failed");
        return;
    }
    hub->metrics.identifies_total++;
    session->is_bot = op->is_bot;
    session->user_id = claims.user_id;
    session->sid = claims.session_id;
    session->intents = op->intents;
    session->capabilities = op->capabilities;
    session->status = op->status;
    ask_open(hub, now, session, op, NX_BUS_OPEN_IDENTIFY, NULL, out);
}

/* Gives the connection of `session` to `target`, and a live connection that `target` had to `session`, which closes it. */
static void attach(struct gw_hub *hub, struct gw_session *session, struct gw_session *target,
                   struct gw_verdict *out)
{
    const uint32_t old_conn = target->conn;
    const uint8_t of_conn = GW_SESSION_COMPRESSED | GW_SESSION_BLOCKED | GW_SESSION_COMMITTED;
    const uint8_t old_flags = target->flags & of_conn;
    const bool was_cut = target->cut != GW_CUT_NONE;
    target->conn = session->conn;
    target->flags =
        (uint8_t)((target->flags & (GW_SESSION_HOLD | GW_SESSION_LISTED)) | (session->flags & of_conn));
    target->is_guarded = session->is_guarded;
    target->addr_key = session->addr_key;
    target->is_loopback = session->is_loopback;
    target->ops = session->ops;
    /* HELLO may still be on its way out of this connection, even half. */
    target->owed = session->owed;
    target->commit_owed = session->commit_owed;
    target->cut = session->cut;
    target->cut_owed = session->cut_owed;
    const uint32_t cut_size = session->cut_size;
    const uint32_t commit_size = target->commit_size;
    target->commit_size = session->commit_size;
    target->commit_cut = session->commit_cut;
    target->commit_cut_owed = session->commit_cut_owed;
    target->commit_cut_size = session->commit_cut_size;
    target->commit_head = target->sent;
    target->commit_tails = 0;
    target->cut_size = cut_size;
    target->acks_count = session->acks_count;
    uint8_t *pong = target->pong;
    target->pong = session->pong;
    session->pong = pong;
    session->is_guarded = false;
    session->conn = old_conn;
    out->session = target;
    if (old_conn != GW_SESSION_NONE) {
        session->flags = (uint8_t)((session->flags & GW_SESSION_LISTED) | old_flags);
        session->owed = 0;
        session->cut = GW_CUT_NONE;
        session->commit_size = commit_size;
        if (was_cut || (old_flags & GW_SESSION_COMMITTED) != 0) {
            session->flags |= GW_SESSION_ABORT; /* It stopped inside a frame that it cannot finish. */
        }
        session->is_over = true;
        gw_fanout_doom(&hub->fanout, session, GW_CLOSE_REPLACED, "replaced");
        out->ousted = session;
    } else {
        nx_wheel_cancel(&hub->wheel, &session->timer);
        gw_session_give(&hub->sessions, session);
    }
}

/* The session is not what the client hopes for: told so, or restored with the client catching up by itself. */
static void not_here(struct gw_hub *hub, nx_time now, struct gw_session *session, const struct gw_op *op,
                     const struct nx_seal *seal, struct gw_verdict *out)
{
    if ((session->capabilities & NX_BUS_CAPABILITY_RESYNC) != 0 && op->seq < UINT32_MAX / 2) {
        hub->metrics.restores_total++;
        ask_open(hub, now, session, op, NX_BUS_OPEN_RESTORE, seal, out);
    } else {
        invalid(hub, session);
    }
}

static void resume_here(struct gw_hub *hub, nx_time now, struct gw_session *session,
                        struct gw_session *target, const struct gw_op *op, const struct nx_seal *seal,
                        struct gw_verdict *out)
{
    const uint8_t cut = target->cut;
    if (target->is_bot && !nx_equal(target->bot_key, session->bot_key, GW_SESSION_BOT_KEY_SIZE)) {
        refuse(hub, session, GW_CLOSE_AUTH_FAILED, "authentication failed");
        return;
    }
    const enum nx_err err = gw_hub_rewind(hub, target, op->seq);
    /* One that control has not taken back yet may have been restored on another shard, where the client heard more. */
    if (err == NX_E_MALFORMED && !(target->is_rejoining && hub->config.shards > 1)) {
        hub->metrics.resumes_refused_total++;
        refuse(hub, session, GW_CLOSE_INVALID_SEQ, "invalid seq");
        return;
    }
    if (err != NX_OK) {
        gw_hub_end(hub, now, target, GW_CLOSE_REPLACED, "replaced");
        not_here(hub, now, session, op, seal, out);
        return;
    }
    target->cut = cut; /* attach() must know whether the old connection was inside a frame. */
    attach(hub, session, target, out);
    hub->metrics.resumes_total++;
    gw_hub_resumed(hub, now, target);
    gw_hub_status(target, out);
}

static bool is_attachable(const struct gw_session *session, const struct nx_seal *seal)
{
    return !session->is_over &&
           (session->state == GW_SESSION_READY || session->state == GW_SESSION_DETACHED) &&
           session->user_id == seal->user_id && session->sid == seal->session_id;
}

/* The session on this shard that the client knows by `seal`, or NULL. */
static struct gw_session *find_named(struct gw_hub *hub, const struct nx_seal *seal)
{
    const uint64_t handle = nx_handle_pack((nx_handle){.index = seal->slot, .generation = seal->generation});
    if (seal->shard == hub->config.shard) {
        struct gw_session *target = gw_session_find(&hub->sessions, handle);
        if (target != NULL && target->origin == 0 && is_attachable(target, seal)) {
            return target;
        }
    }
    struct gw_session *target = gw_session_user_first(&hub->sessions, seal->user_id);
    while (target != NULL && (target->origin != handle || target->origin_shard != seal->shard ||
                              !is_attachable(target, seal))) {
        target = gw_session_user_next(&hub->sessions, target);
    }
    return target;
}

static void resume(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct gw_session *session,
                   const struct gw_op *op, struct gw_verdict *out)
{
    struct nx_token_claims claims = {0};
    struct nx_seal seal;
    uint64_t intents;
    uint32_t capabilities;
    session->is_bot = op->is_bot;
    if (hub->keys.keys_count == 0) { /* A fresh process that control has not told anything yet. */
        refuse(hub, session, GW_CLOSE_UNKNOWN, "unavailable");
        return;
    }
    if (op->is_bot ? op->token.size > GW_BOT_TOKEN_MAX || !bot_key(op, session->bot_key)
                   : !check_token(hub, session, op, wall_ms, &claims)) {
        hub->metrics.auth_failures_total++;
        refuse(hub, session, GW_CLOSE_AUTH_FAILED, "authentication failed");
        return;
    }
    if (!read_session_id(hub, op->session_id, &seal, &intents, &capabilities)) {
        invalid(hub, session);
        return;
    }
    if (!op->is_bot && (seal.user_id != claims.user_id || seal.session_id != claims.session_id)) {
        hub->metrics.resumes_refused_total++;
        refuse(hub, session, GW_CLOSE_INVALID_SEQ, "not your session");
        return;
    }
    if (op->seq >= UINT32_MAX / 2) {
        hub->metrics.resumes_refused_total++;
        refuse(hub, session, GW_CLOSE_INVALID_SEQ, "invalid seq");
        return;
    }
    session->user_id = seal.user_id;
    session->sid = seal.session_id;
    session->intents = intents & GW_INTENTS_ALL;
    session->capabilities = capabilities;
    session->status = NX_BUS_STATUS_ONLINE;
    session->want_seq = (uint32_t)op->seq;
    if (seal.node != hub->config.node) {
        not_here(hub, now, session, op, &seal, out);
        return;
    }
    struct gw_session *target = find_named(hub, &seal);
    if (target != NULL) {
        resume_here(hub, now, session, target, op, &seal, out);
    } else if (hub->config.shards > 1) {
        ask_open(hub, now, session, op, NX_BUS_OPEN_MOVE, &seal, out);
    } else {
        not_here(hub, now, session, op, &seal, out);
    }
}

static void heartbeat(struct gw_hub *hub, nx_time now, struct gw_session *session, const struct gw_op *op)
{
    /* While a RESUME is under way the number is of the session that is to be continued. */
    const uint32_t next = session->want_seq < session->head ? session->head : session->want_seq + 1;
    if (op->seq >= next && op->seq != 0) {
        refuse(hub, session, GW_CLOSE_INVALID_SEQ, "invalid seq");
        return;
    }
    hub->metrics.heartbeats_total++;
    if (session->state == GW_SESSION_READY) {
        session->heard_at = now;
    }
    session->pings_count = 0;
    session->acks_count = session->acks_count < UINT8_MAX ? (uint8_t)(session->acks_count + 1) : UINT8_MAX;
    session->owed |= GW_OWED_ACK;
    gw_fanout_mark_urgent(&hub->fanout, session);
}

static void answer_subscribed(struct gw_hub *hub, struct gw_session *session, uint64_t guild_id,
                              const uint32_t *channels, uint32_t channels_count)
{
    /* An entry is {"id":"20 digits","last_seq":20 digits}, */
    uint8_t tail[128 + GW_SUBSCRIPTIONS_MAX * 64];
    struct nx_writer w = nx_writer_init(tail, sizeof(tail));
    nx_writer_text(&w, "\"t\":\"NEXUS_SUBSCRIBED\",\"d\":");
    struct nx_json_out json = nx_json_out_init(&w);
    nx_json_out_object(&json);
    nx_json_out_key(&json, "guild_id");
    nx_json_out_id(&json, guild_id);
    nx_json_out_key(&json, "channels");
    nx_json_out_array(&json);
    for (uint32_t i = 0; i < channels_count; i++) {
        const struct gw_channel *channel = gw_guild_channel_at(&hub->guilds, channels[i]);
        nx_json_out_object(&json);
        nx_json_out_key(&json, "id");
        nx_json_out_id(&json, channel->id);
        nx_json_out_key(&json, "last_seq");
        nx_json_out_u64(&json, channel->last_seq);
        nx_json_out_object_end(&json);
    }
    nx_json_out_array_end(&json);
    nx_json_out_object_end(&json);
    nx_writer_u8(&w, '}');
    NX_ASSERT(nx_writer_ok(&w));
    if (gw_fanout_private(&hub->fanout, session, nx_writer_bytes(&w)) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
}

static void subscribe(struct gw_hub *hub, nx_time now, struct gw_session *session, const struct gw_op *op)
{
    const uint32_t slot = gw_guild_find(&hub->guilds, op->guild_id);
    const struct gw_ref *ref = slot == GW_GUILD_NONE ? NULL : gw_session_ref(session, slot);
    uint32_t channels[GW_SUBSCRIPTIONS_MAX];
    uint32_t count = 0;
    bool has_rights = true;
    if (ref != NULL) {
        /* What is pending is older than the last_seq that is answered. */
        gw_hub_unread_flush(hub, now, slot);
        gw_fanout_catch_up(&hub->fanout, slot, ref->member);
        const struct gw_member *member = &gw_guild_at(&hub->guilds, slot)->members[ref->member];
        /* While control comes back its rights are not known: they count at each delivery, and the answer waits for them. */
        has_rights = member->roleset != NX_BUS_ROLESET_NONE;
        for (uint32_t i = 0; i < op->ids_count; i++) {
            const uint32_t channel = gw_guild_channel_find(&hub->guilds, slot, op->ids[i]);
            bool is_known = channel == GW_GUILD_NONE;
            for (uint32_t k = 0; k < count && !is_known; k++) {
                is_known = channels[k] == channel;
            }
            if (!is_known && (!has_rights || gw_guild_may_view(gw_guild_channel_at(&hub->guilds, channel),
                                                               member->roleset))) {
                channels[count++] = channel;
            }
        }
        if (gw_guild_subscribe(&hub->guilds, &hub->sessions, slot, ref->member,
                               op->has_channels ? channels : NULL, count, op->wants_members) != NX_OK) {
            hub->metrics.no_memory_total++;
        }
        if (!has_rights) {
            gw_guild_at(&hub->guilds, slot)->members[ref->member].flags |= GW_MEMBER_ASKED;
            return;
        }
    }
    /* A guild that it is not in is answered like an empty one: nobody learns what exists. */
    answer_subscribed(hub, session, op->guild_id, channels, count);
}

void gw_hub_input_subscribed(struct gw_hub *hub, struct gw_session *session, const struct gw_ref *ref)
{
    const struct gw_guild *guild = gw_guild_at(&hub->guilds, ref->guild);
    struct gw_member *member = &guild->members[ref->member];
    uint32_t channels[GW_SUBSCRIPTIONS_MAX];
    uint32_t count = 0;
    if ((member->flags & GW_MEMBER_ASKED) == 0) {
        return;
    }
    member->flags &= ~(uint32_t)GW_MEMBER_ASKED;
    for (uint32_t i = 0; i < session->channels_count && count < GW_SUBSCRIPTIONS_MAX; i++) {
        const struct gw_channel *channel = gw_guild_channel_at(&hub->guilds, session->channels[i]);
        if (channel->guild == ref->guild && gw_guild_may_view(channel, member->roleset)) {
            channels[count++] = session->channels[i];
        }
    }
    answer_subscribed(hub, session, guild->id, channels, count);
}

static void members(struct gw_session *session, const struct gw_op *op, struct gw_verdict *out)
{
    struct nx_writer ids = nx_writer_init(out->user_ids, sizeof(out->user_ids));
    for (uint32_t i = 0; i < op->ids_count; i++) {
        nx_writer_u64(&ids, op->ids[i]);
    }
    out->kind = GW_VERDICT_MEMBERS;
    out->as.members = (struct nx_bus_members_request){.session = gw_session_handle(session),
                                                      .guild_id = op->guild_id,
                                                      .query = op->query,
                                                      .user_ids = nx_writer_bytes(&ids),
                                                      .limit = op->limit,
                                                      .nonce = op->nonce,
                                                      .presences = op->wants_presences ? 1 : 0};
}

static void ready_op(struct gw_hub *hub, nx_time now, struct gw_session *session, const struct gw_op *op,
                     struct gw_verdict *out)
{
    switch (op->op) {
    case GW_OP_PRESENCE:
        session->status = op->status;
        gw_hub_status(session, out);
        break;
    case GW_OP_MEMBERS:
        members(session, op, out);
        break;
    case GW_OP_SUBSCRIBE:
        subscribe(hub, now, session, op);
        break;
    case GW_OP_SEND_MESSAGE:
        out->kind = GW_VERDICT_MESSAGE;
        out->as.message = (struct nx_bus_message_send){.session = gw_session_handle(session),
                                                       .channel_id = op->channel_id,
                                                       .nonce = op->nonce,
                                                       .content = op->content};
        if (gw_hub_send_must_wait(hub, now, session) ||
            !gw_hub_send_track(hub, nx_time_add_ms(now, GW_SEND_WAIT_MS + GW_SEND_ANSWER_MS),
                               &out->as.message)) {
            gw_hub_send_wait(hub, now, &out->as.message);
            out->kind = GW_VERDICT_NONE;
        }
        break;
    default:
        break; /* Voice states have no home here yet. */
    }
}

static void bad_payload(struct gw_hub *hub, struct gw_session *session, enum nx_err err)
{
    hub->metrics.payloads_bad_total++;
    if (err == NX_E_UNSUPPORTED) {
        refuse(hub, session, GW_CLOSE_UNKNOWN_OP, "unknown opcode");
    } else {
        refuse(hub, session, GW_CLOSE_DECODE, err == NX_E_FULL ? "list too long" : "decode error");
    }
}

void gw_hub_input(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct gw_session *session,
                  struct nx_bytes payload, struct gw_verdict *out)
{
    out->kind = GW_VERDICT_NONE;
    out->session = session;
    out->ousted = NULL;
    if ((session->flags & GW_SESSION_DOOMED) != 0) {
        return;
    }
    hub->metrics.payloads_total++;
    if (hub->has_rate_limits && !nx_quota_take(&session->ops, &hub->ops_rule, now, 1)) {
        hub->metrics.rate_limited_total++;
        refuse(hub, session, GW_CLOSE_RATE_LIMITED, "rate limited");
        return;
    }
    struct nx_writer scratch = nx_writer_init(hub->scratch, sizeof(hub->scratch));
    struct gw_op op;
    const enum nx_err err = gw_op_parse(payload, &scratch, &op);
    if (err != NX_OK) {
        bad_payload(hub, session, err);
        return;
    }
    if (op.op == GW_OP_HEARTBEAT) {
        heartbeat(hub, now, session, &op);
        return;
    }
    const bool is_auth = op.op == GW_OP_IDENTIFY || op.op == GW_OP_RESUME;
    if (session->state != GW_SESSION_HELLO && is_auth) {
        refuse(hub, session, GW_CLOSE_ALREADY, "already authenticated");
    } else if (session->state == GW_SESSION_HELLO && op.op == GW_OP_IDENTIFY) {
        identify(hub, now, wall_ms, session, &op, out);
    } else if (session->state == GW_SESSION_HELLO && op.op == GW_OP_RESUME) {
        resume(hub, now, wall_ms, session, &op, out);
    } else if (session->state != GW_SESSION_READY) {
        refuse(hub, session, GW_CLOSE_NOT_AUTHENTICATED, "not authenticated");
    } else {
        ready_op(hub, now, session, &op, out);
    }
}
