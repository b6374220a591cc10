#include "control/core/gateway.h"

#include "control/core/apply.h"
#include "control/core/event.h"
#include "control/core/guild.h"
#include "control/core/message.h"
#include "control/core/presence.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"

enum {
    CLOSE_UNKNOWN = 4000,
    CLOSE_AUTH = 4004,
    CLOSE_TIMED_OUT = 4009,
    CLOSE_DISABLED = 4103,
    READY_SIZE = CTL_TAIL_SIZE_MAX + 4,
    OPEN_ARENA = 256 * 1024,                 /* rows of 1,000 read states or logins */
    SEND_ARENA = CTL_CONTENT_MAX * 4 + 1024, /* the first message of a repeated nonce */
};

/** An open that waits for its turn. */
struct ctl_gateway_open {
    struct nx_bus_session_open message;
    uint32_t link;
    bool is_cancelled;
};

enum nx_err ctl_gateway_init(struct ctl_gateway *gateway, struct ctl_world *world)
{
    *gateway = (struct ctl_gateway){.world = world};
    gateway->waiting = ctl_memory_take(&world->memory, CTL_OPENS_WAITING_MAX * sizeof(*gateway->waiting));
    gateway->ready = world->memory.take(world->memory.context, READY_SIZE);
    if (gateway->waiting == NULL || gateway->ready == NULL) {
        ctl_gateway_fini(gateway);
        return NX_E_NO_MEMORY;
    }
    return NX_OK;
}

void ctl_gateway_fini(struct ctl_gateway *gateway)
{
    NX_ASSERT(gateway->opens == 0 && gateway->sends == 0);
    ctl_memory_give(&gateway->world->memory, gateway->waiting,
                    CTL_OPENS_WAITING_MAX * sizeof(*gateway->waiting));
    ctl_memory_give(&gateway->world->memory, gateway->ready, READY_SIZE);
    gateway->waiting = NULL;
    gateway->ready = NULL;
}

/* ---- links ---- */

void ctl_gateway_link_open(struct ctl_gateway *gateway, uint32_t link, uint16_t node, uint16_t shard,
                           int64_t wall_ms)
{
    struct ctl_world *world = gateway->world;
    ctl_session_registry_link_open(world->sessions, link, node, shard);
    uint32_t cursor = 0;
    struct ctl_login_revoked one;
    while (ctl_login_revoked_next(&world->logins, wall_ms, &cursor, &one)) {
        const struct nx_bus_revoke message = {
            .user_id = one.user_id, .sid = one.sid, .close_code = CLOSE_AUTH};
        world->sink.revoke(world->sink.context, link, &message);
    }
}

static void drop_session(struct ctl_gateway *gateway, struct ctl_session *session, bool has_link)
{
    struct ctl_world *world = gateway->world;
    struct ctl_user *user = session->user;
    const uint32_t link = session->link;
    ctl_session_registry_remove(world->sessions, &world->directory, session);
    for (const struct ctl_member *member = user->members; member != NULL && has_link; member = member->next) {
        if (member->guild->link_sessions[link] == 0) {
            const struct nx_bus_guild_gone message = {.guild_id = member->guild->id};
            world->sink.guild_gone(world->sink.context, link, &message);
        }
    }
    ctl_presence_refresh(world, user);
}

void ctl_gateway_link_closed(struct ctl_gateway *gateway, uint32_t link)
{
    struct ctl_link *l = &gateway->world->sessions->links[link];
    l->is_open = false;
    for (uint32_t i = 0; i < gateway->opens; i++) {
        gateway->opening[i]->is_cancelled =
            gateway->opening[i]->is_cancelled || gateway->opening[i]->link == link;
    }
    for (uint32_t i = 0; i < gateway->waiting_count; i++) {
        struct ctl_gateway_open *one =
            &gateway->waiting[(gateway->waiting_first + i) % CTL_OPENS_WAITING_MAX];
        one->is_cancelled = one->is_cancelled || one->link == link;
    }
    while (l->sessions.count != 0) {
        drop_session(gateway, l->sessions.entries[l->sessions.count - 1].item, false);
    }
    ctl_table_fini(&l->sessions, &gateway->world->memory);
}

/* ---- ops ---- */

static struct ctl_op *op_take(struct ctl_gateway *gateway, enum ctl_op_kind kind, uint32_t link, size_t room)
{
    const size_t size = sizeof(struct ctl_op) + room;
    struct ctl_op *op = gateway->world->memory.take(gateway->world->memory.context, size);
    if (op != NULL) {
        *op = (struct ctl_op){.kind = kind, .link = link, .size = size};
        nx_arena_init(&op->arena, op + 1, room);
    }
    return op;
}

static void op_ask(struct ctl_gateway *gateway, struct ctl_op *op, enum ctl_question_kind kind,
                   int64_t wall_ms)
{
    op->question.kind = kind;
    op->question.now_ms = wall_ms;
    gateway->world->sink.ask(gateway->world->sink.context, op);
}

/* ---- opening ---- */

static void refuse(struct ctl_gateway *gateway, uint32_t link, uint64_t session, uint16_t close_code)
{
    const struct nx_bus_session_opened message = {.session = session, .close_code = close_code};
    gateway->refused_opens++;
    gateway->world->sink.session_opened(gateway->world->sink.context, link, &message);
}

/* Tails on their way to one session: whole tails are gathered up to a chunk. */
struct ready {
    struct ctl_world *world;
    uint8_t *buffer; /* READY_SIZE */
    struct nx_writer w;
    uint64_t session;
    uint32_t link;
};

static void ready_flush(struct ready *ready, bool is_last)
{
    const struct nx_bus_session_ready message = {
        .session = ready->session, .is_last = is_last, .tails = nx_writer_bytes(&ready->w)};
    ready->world->sink.session_ready(ready->world->sink.context, ready->link, &message);
    ready->w = nx_writer_init(ready->buffer, READY_SIZE);
}

static void ready_add(struct ready *ready, struct nx_bytes tail)
{
    if (ready->w.size != 0 && ready->w.size + 4 + tail.size > NX_BUS_CHUNK_MAX) {
        ready_flush(ready, false);
    }
    nx_writer_u32(&ready->w, (uint32_t)tail.size);
    nx_writer_bytes_put(&ready->w, tail);
}

static struct nx_bytes tail_ready(struct ctl_world *world, const struct ctl_user *user,
                                  const struct ctl_read_state_row *states, uint32_t states_count)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "READY");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "v");
    nx_json_out_u64(&out, 1);
    nx_json_out_key(&out, "user");
    ctl_object_self(&out, user, nx_bytes_of(NULL, 0));
    nx_json_out_key(&out, "guilds");
    nx_json_out_array(&out);
    for (const struct ctl_member *member = user->members; member != NULL; member = member->next) {
        nx_json_out_object(&out);
        nx_json_out_key(&out, "id");
        nx_json_out_id(&out, member->guild->id);
        nx_json_out_key(&out, "unavailable");
        nx_json_out_bool(&out, true);
        nx_json_out_object_end(&out);
    }
    nx_json_out_array_end(&out);
    nx_json_out_key(&out, "read_states");
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < states_count; i++) {
        ctl_object_read_state(&out, &states[i]);
    }
    nx_json_out_array_end(&out);
    nx_json_out_key(&out, "private_channels");
    nx_json_out_array(&out);
    nx_json_out_array_end(&out);
    nx_json_out_key(&out, "application");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "id");
    nx_json_out_id(&out, user->id);
    nx_json_out_key(&out, "flags");
    nx_json_out_u64(&out, 0);
    nx_json_out_object_end(&out);
    nx_json_out_object_end(&out);
    return ctl_event_end(&w, &out) ? nx_writer_bytes(&w) : nx_bytes_of(NULL, 0);
}

static struct nx_bytes tail_guild(struct ctl_world *world, const struct ctl_member *member, uint64_t intents)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_CREATE");
    ctl_object_guild_create(&out, member->guild, member, intents);
    return ctl_event_end(&w, &out) ? nx_writer_bytes(&w) : nx_bytes_of(NULL, 0);
}

static struct nx_bytes tail_resync(struct ctl_world *world, const struct ctl_channel *channel)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "NEXUS_RESYNC");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, channel->id);
    nx_json_out_key(&out, "last_seq");
    nx_json_out_u64(&out, channel->last_seq);
    nx_json_out_object_end(&out);
    return ctl_event_end(&w, &out) ? nx_writer_bytes(&w) : nx_bytes_of(NULL, 0);
}

static bool is_resynced(const struct ctl_member *member, struct ctl_channel *channel)
{
    return channel->type != 4 && ctl_guild_may_view(member, channel);
}

static uint32_t count_resyncs(const struct ctl_user *user)
{
    uint32_t count = 0;
    for (const struct ctl_member *member = user->members; member != NULL; member = member->next) {
        for (uint32_t i = 0; i < member->guild->channels_count; i++) {
            count += is_resynced(member, member->guild->channels[i]);
        }
    }
    return count;
}

/* SESSION_READY carries what SESSION_OPENED promised, tail by tail in the same order. */
static void send_ready(struct ctl_gateway *gateway, const struct ctl_session *session, uint8_t reason,
                       const struct ctl_read_state_row *states, uint32_t states_count)
{
    struct ctl_world *world = gateway->world;
    struct ready ready = {.world = world, .session = session->handle, .link = session->link};
    ready.buffer = gateway->ready;
    ready.w = nx_writer_init(ready.buffer, READY_SIZE);
    if (reason == NX_BUS_OPEN_IDENTIFY) {
        ready_add(&ready, tail_ready(world, session->user, states, states_count));
    }
    for (const struct ctl_member *m = session->user->members; m != NULL; m = m->next) {
        if (reason == NX_BUS_OPEN_IDENTIFY) {
            ready_add(&ready, tail_guild(world, m, session->intents));
            continue;
        }
        for (uint32_t i = 0; i < m->guild->channels_count; i++) {
            if (is_resynced(m, m->guild->channels[i])) {
                ready_add(&ready, tail_resync(world, m->guild->channels[i]));
            }
        }
    }
    ready_flush(&ready, true);
}

static void send_opened(struct ctl_gateway *gateway, const struct ctl_session *session, uint32_t dispatches)
{
    uint8_t guilds[CTL_GUILDS_PER_USER_MAX * NX_BUS_GUILD_ENTRY_SIZE];
    struct nx_writer w = nx_writer_init(guilds, sizeof(guilds));
    for (const struct ctl_member *member = session->user->members; member != NULL; member = member->next) {
        nx_writer_u64(&w, member->guild->id);
        nx_writer_u32(&w, member->roleset);
    }
    const struct nx_bus_session_opened message = {.session = session->handle,
                                                  .user_id = session->user->id,
                                                  .sid = session->sid,
                                                  .dispatches = dispatches,
                                                  .guilds = nx_writer_bytes(&w)};
    gateway->world->sink.session_opened(gateway->world->sink.context, session->link, &message);
}

/* The session that a move leaves behind, or NULL. */
static struct ctl_session *moved_from(const struct ctl_gateway *gateway, uint32_t link,
                                      const struct nx_bus_session_open *open)
{
    const struct ctl_session_registry *registry = gateway->world->sessions;
    const int32_t old = ctl_session_registry_link_of(registry, registry->links[link].node, open->old_shard);
    struct ctl_session *session =
        old < 0 ? NULL : ctl_session_registry_find(registry, (uint32_t)old, open->old_session);
    return session != NULL && session->user->id == open->user_id && session->sid == open->sid ? session
                                                                                              : NULL;
}

static void open_now(struct ctl_gateway *gateway, uint32_t link, const struct nx_bus_session_open *open,
                     const struct ctl_read_state_row *states, uint32_t states_count)
{
    struct ctl_world *world = gateway->world;
    struct ctl_user *user = ctl_directory_user(&world->directory, open->user_id);
    if (user == NULL || (user->flags & CTL_USER_DISABLED) != 0) {
        refuse(gateway, link, open->session, user == NULL ? CLOSE_AUTH : CLOSE_DISABLED);
        return;
    }
    struct ctl_session *old = NULL;
    if (open->reason == NX_BUS_OPEN_MOVE) {
        old = moved_from(gateway, link, open);
        if (old == NULL) {
            refuse(gateway, link, open->session, CLOSE_TIMED_OUT);
            return;
        }
    }
    uint64_t known[(CTL_GUILDS_PER_USER_MAX + 63) / 64] = {0};
    uint32_t n = 0;
    for (const struct ctl_member *m = user->members; m != NULL && n < CTL_GUILDS_PER_USER_MAX;
         m = m->next, n++) {
        known[n / 64] |= (m->guild->links >> link & 1) << (n % 64);
    }
    struct ctl_session *session;
    const struct ctl_session made = {.handle = open->session,
                                     .sid = open->sid,
                                     .intents = open->intents,
                                     .capabilities = open->capabilities,
                                     .status = open->status <= NX_BUS_STATUS_INVISIBLE ? open->status
                                                                                       : NX_BUS_STATUS_ONLINE,
                                     .user = user};
    if (ctl_session_registry_add(world->sessions, &world->directory, link, &made, &session) != NX_OK) {
        refuse(gateway, link, open->session, CLOSE_UNKNOWN);
        return;
    }
    n = 0;
    for (const struct ctl_member *m = user->members; m != NULL && n < CTL_GUILDS_PER_USER_MAX;
         m = m->next, n++) {
        if ((known[n / 64] >> (n % 64) & 1) == 0) {
            ctl_event_guild_state(world, link, m->guild);
        }
    }
    const uint32_t dispatches = open->reason == NX_BUS_OPEN_IDENTIFY  ? 1 + user->members_count
                                : open->reason == NX_BUS_OPEN_RESTORE ? count_resyncs(user)
                                                                      : 0;
    send_opened(gateway, session, dispatches);
    if (old != NULL) {
        const struct nx_bus_session_move move = {.session = old->handle,
                                                 .new_shard = world->sessions->links[link].shard,
                                                 .new_session = open->session};
        world->sink.session_move(world->sink.context, old->link, &move);
        drop_session(gateway, old, true);
    } else {
        send_ready(gateway, session, open->reason, states, states_count);
    }
    ctl_presence_refresh(world, user);
}

static void opening_remove(struct ctl_gateway *gateway, const struct ctl_op *op)
{
    for (uint32_t i = 0; i < gateway->opens; i++) {
        if (gateway->opening[i] == op) {
            gateway->opening[i] = gateway->opening[--gateway->opens];
            return;
        }
    }
}

static void open_ask(struct ctl_gateway *gateway, struct ctl_op *op, enum ctl_op_kind kind, int64_t wall_ms)
{
    op->kind = kind;
    op->epoch = gateway->world->logins.epoch;
    nx_arena_init(&op->arena, op + 1, op->size - sizeof(*op));
    if (kind == CTL_OP_LOGIN) {
        op->question.logins_list.user_id = op->open.user_id;
        op_ask(gateway, op, CTL_ASK_LOGINS_LIST, wall_ms);
    } else {
        op->question.read_states_list.user_id = op->open.user_id;
        op_ask(gateway, op, CTL_ASK_READ_STATES_LIST, wall_ms);
    }
}

/* Whether the login of a session must be looked up before it is believed. Load-test tokens have none. */
static bool needs_login(const struct ctl_world *world, const struct ctl_user *user, uint64_t sid)
{
    const bool is_load = world->settings.is_loopback && (user->flags & CTL_USER_LOAD_TEST) != 0;
    return !is_load && !ctl_login_is_alive(&world->logins, sid);
}

static void open_start(struct ctl_gateway *gateway, uint32_t link, const struct nx_bus_session_open *open,
                       int64_t wall_ms)
{
    const struct ctl_user *user = ctl_directory_user(&gateway->world->directory, open->user_id);
    if (user == NULL || (user->flags & CTL_USER_DISABLED) != 0) {
        refuse(gateway, link, open->session, user == NULL ? CLOSE_AUTH : CLOSE_DISABLED);
        return;
    }
    const bool has_login_step = needs_login(gateway->world, user, open->sid);
    if (!has_login_step && open->reason != NX_BUS_OPEN_IDENTIFY) {
        open_now(gateway, link, open, NULL, 0);
        return;
    }
    struct ctl_op *op = op_take(gateway, CTL_OP_OPEN, link, OPEN_ARENA);
    if (op == NULL) {
        refuse(gateway, link, open->session, CLOSE_UNKNOWN);
        return;
    }
    op->open = *open;
    gateway->opening[gateway->opens++] = op;
    open_ask(gateway, op, has_login_step ? CTL_OP_LOGIN : CTL_OP_OPEN, wall_ms);
}

void ctl_gateway_session_open(struct ctl_gateway *gateway, uint32_t link,
                              const struct nx_bus_session_open *message, int64_t wall_ms)
{
    struct nx_bus_session_open open = *message;
    open.bot_token = nx_bytes_of(NULL, 0);
    if (gateway->opens < CTL_OPENS_MAX) {
        open_start(gateway, link, &open, wall_ms);
    } else if (gateway->waiting_count < CTL_OPENS_WAITING_MAX) {
        gateway->waiting[(gateway->waiting_first + gateway->waiting_count++) % CTL_OPENS_WAITING_MAX] =
            (struct ctl_gateway_open){.message = open, .link = link};
    } else {
        refuse(gateway, link, open.session, CLOSE_UNKNOWN);
    }
}

static void open_waiting(struct ctl_gateway *gateway, int64_t wall_ms)
{
    while (gateway->waiting_count != 0 && gateway->opens < CTL_OPENS_MAX) {
        const struct ctl_gateway_open one = gateway->waiting[gateway->waiting_first];
        gateway->waiting_first = (gateway->waiting_first + 1) % CTL_OPENS_WAITING_MAX;
        gateway->waiting_count--;
        if (!one.is_cancelled) {
            open_start(gateway, one.link, &one.message, wall_ms);
        }
    }
}

/* Returns whether the op goes on with another question. */
static bool open_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                          int64_t wall_ms)
{
    struct ctl_world *world = gateway->world;
    const uint64_t session = op->open.session;
    if (op->is_cancelled) {
        return false;
    }
    if (answer->verdict != NX_OK) {
        refuse(gateway, op->link, session, CLOSE_UNKNOWN);
        return false;
    }
    if (op->kind == CTL_OP_LOGIN) {
        if (op->epoch != world->logins.epoch) {
            open_ask(gateway, op, CTL_OP_LOGIN, wall_ms);
            return true;
        }
        const struct ctl_login_row *rows = answer->list.rows;
        bool is_alive = false;
        for (uint32_t i = 0; i < answer->list.rows_count; i++) {
            is_alive = is_alive || (rows[i].sid == op->open.sid && rows[i].expires_ms > wall_ms);
        }
        if (!is_alive) {
            refuse(gateway, op->link, session, CLOSE_AUTH);
            return false;
        }
        ctl_login_note(&world->logins, op->open.sid);
        if (op->open.reason == NX_BUS_OPEN_IDENTIFY) {
            open_ask(gateway, op, CTL_OP_OPEN, wall_ms);
            return true;
        }
        open_now(gateway, op->link, &op->open, NULL, 0);
        return false;
    }
    const struct ctl_user *user = ctl_directory_user(&world->directory, op->open.user_id);
    if (user != NULL && needs_login(world, user, op->open.sid)) {
        open_ask(gateway, op, CTL_OP_LOGIN,
                 wall_ms); /* revoked, perhaps, while the read states were on their way */
        return true;
    }
    open_now(gateway, op->link, &op->open, answer->list.rows, answer->list.rows_count);
    return false;
}

/* ---- closing, presence ---- */

void ctl_gateway_session_close(struct ctl_gateway *gateway, uint32_t link,
                               const struct nx_bus_session_close *message)
{
    struct ctl_session *session = ctl_session_registry_find(gateway->world->sessions, link, message->session);
    if (session != NULL) {
        drop_session(gateway, session, true);
        return;
    }
    for (uint32_t i = 0; i < gateway->opens; i++) {
        struct ctl_op *op = gateway->opening[i];
        op->is_cancelled = op->is_cancelled || (op->link == link && op->open.session == message->session);
    }
    for (uint32_t i = 0; i < gateway->waiting_count; i++) {
        struct ctl_gateway_open *one =
            &gateway->waiting[(gateway->waiting_first + i) % CTL_OPENS_WAITING_MAX];
        one->is_cancelled =
            one->is_cancelled || (one->link == link && one->message.session == message->session);
    }
}

void ctl_gateway_session_status(struct ctl_gateway *gateway, uint32_t link,
                                const struct nx_bus_session_status *message)
{
    struct ctl_session *session = ctl_session_registry_find(gateway->world->sessions, link, message->session);
    if (session != NULL && message->status <= NX_BUS_STATUS_INVISIBLE) {
        session->status = message->status;
        ctl_presence_refresh(gateway->world, session->user);
    }
}

/* ---- sending ---- */

static void session_tail(struct ctl_gateway *gateway, uint32_t link, uint64_t session, struct nx_writer *w,
                         struct nx_json_out *out)
{
    if (ctl_event_end(w, out)) {
        const struct nx_bus_session_event message = {.session = session, .tail = nx_writer_bytes(w)};
        gateway->world->sink.session_event(gateway->world->sink.context, link, &message);
    }
}

static void send_refused(struct ctl_gateway *gateway, uint32_t link, uint64_t session, struct nx_bytes nonce,
                         enum ctl_code code, int64_t retry_ms)
{
    struct nx_writer w = ctl_event_scratch(gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "NEXUS_MESSAGE_REFUSED");
    gateway->refused_sends++;
    nx_json_out_object(&out);
    nx_json_out_key(&out, "nonce");
    nx_json_out_string(&out, nonce);
    nx_json_out_key(&out, "code");
    nx_json_out_u64(&out, code);
    nx_json_out_key(&out, "message");
    nx_json_out_text(&out, ctl_message_code_text(code));
    if (retry_ms != 0) {
        nx_json_out_key(&out, "retry_after");
        nx_json_out_milli(&out, retry_ms);
    }
    nx_json_out_object_end(&out);
    session_tail(gateway, link, session, &w, &out);
}

static void send_acked(struct ctl_gateway *gateway, const struct ctl_op *op, uint64_t id, uint64_t seq)
{
    struct nx_writer w = ctl_event_scratch(gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "NEXUS_MESSAGE_ACK");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "nonce");
    nx_json_out_string(&out, op->question.message_create.nonce);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, op->question.message_create.channel_id);
    nx_json_out_key(&out, "id");
    nx_json_out_id(&out, id);
    nx_json_out_key(&out, "seq");
    nx_json_out_u64(&out, seq);
    nx_json_out_object_end(&out);
    session_tail(gateway, op->link, op->session, &w, &out);
}

void ctl_gateway_message_send(struct ctl_gateway *gateway, uint32_t link,
                              const struct nx_bus_message_send *message, int64_t wall_ms, nx_time now)
{
    struct ctl_world *world = gateway->world;
    const struct ctl_session *session = ctl_session_registry_find(world->sessions, link, message->session);
    if (session == NULL) {
        return;
    }
    const bool has_nonce =
        message->nonce.size <= CTL_NONCE_MAX && nx_text_is_utf8(message->nonce) &&
        (message->nonce.size == 0 || memchr(message->nonce.at, 0, message->nonce.size) == NULL);
    if (!has_nonce) {
        send_refused(gateway, link, message->session, nx_bytes_of(NULL, 0), CTL_CODE_INVALID_FORM, 0);
        return;
    }
    struct ctl_op *op = NULL;
    struct ctl_channel *channel;
    int64_t retry_ms = 0;
    enum ctl_code code = gateway->sends >= CTL_SENDS_MAX ? CTL_CODE_OVERLOADED : CTL_CODE_OK;
    if (code == CTL_CODE_OK) {
        code = ctl_message_may_post(world, session->user->id, message->channel_id, message->content, wall_ms,
                                    now, &channel, &retry_ms);
    }
    if (code == CTL_CODE_OK) {
        op = op_take(gateway, CTL_OP_SEND, link, SEND_ARENA + message->content.size + CTL_NONCE_MAX);
        code = op == NULL ? CTL_CODE_OVERLOADED : CTL_CODE_OK;
    }
    if (code != CTL_CODE_OK) {
        send_refused(gateway, link, message->session, message->nonce, code, retry_ms);
        return;
    }
    op->session = message->session;
    op->user_id = session->user->id;
    op->question.message_create.channel_id = message->channel_id;
    op->question.message_create.author_id = op->user_id;
    const enum nx_err content =
        nx_arena_copy(&op->arena, message->content, &op->question.message_create.content);
    const enum nx_err nonce = nx_arena_copy(&op->arena, message->nonce, &op->question.message_create.nonce);
    NX_ASSERT(content == NX_OK && nonce == NX_OK);
    gateway->sends++;
    op_ask(gateway, op, CTL_ASK_MESSAGE_CREATE, wall_ms);
}

static void send_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer)
{
    struct ctl_world *world = gateway->world;
    gateway->sends--;
    const struct ctl_session *session = ctl_session_registry_find(world->sessions, op->link, op->session);
    /* The link may have become another shard's meanwhile; only the same session of the same user is told. */
    const bool is_heard = session != NULL && session->user->id == op->user_id;
    if (answer->verdict != NX_OK) {
        if (!is_heard) {
            return;
        }
        send_refused(gateway, op->link, op->session, op->question.message_create.nonce,
                     answer->verdict == NX_E_NOT_FOUND ? CTL_CODE_UNKNOWN_CHANNEL : CTL_CODE_OVERLOADED, 0);
        return;
    }
    if (is_heard) {
        send_acked(gateway, op, answer->message.id, answer->message.seq);
    }
    struct ctl_channel *channel =
        ctl_directory_channel(&world->directory, op->question.message_create.channel_id);
    if (!answer->message.is_duplicate && channel != NULL) {
        const struct ctl_message_row row = {.id = answer->message.id,
                                            .channel_id = channel->id,
                                            .seq = answer->message.seq,
                                            .author_id = op->user_id,
                                            .content = op->question.message_create.content};
        ctl_apply_message_created(world, channel, &row, op->question.message_create.nonce);
    }
}

void ctl_gateway_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                          int64_t wall_ms, nx_time now)
{
    (void)now;
    if (op->kind == CTL_OP_SEND) {
        send_answered(gateway, op, answer);
    } else {
        if (open_answered(gateway, op, answer, wall_ms)) {
            return;
        }
        opening_remove(gateway, op);
    }
    ctl_memory_give(&gateway->world->memory, op, op->size);
    open_waiting(gateway, wall_ms);
}

/* ---- member lists ---- */

static bool starts_with(struct nx_bytes text, struct nx_bytes start)
{
    for (size_t i = 0; i < start.size; i++) {
        const uint8_t a = i < text.size ? text.at[i] : 0;
        const uint8_t b = start.at[i];
        const uint8_t a_low = a >= 'A' && a <= 'Z' ? (uint8_t)(a + 32) : a;
        const uint8_t b_low = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
        if (i >= text.size || a_low != b_low) {
            return false;
        }
    }
    return true;
}

static bool is_asked(const struct ctl_member *member, struct nx_bytes query)
{
    return starts_with(member->user->username, query) || starts_with(member->nick, query) ||
           starts_with(member->user->global_name, query);
}

/* What one op 8 asks for, and where its chunks stand. */
struct chunks {
    struct ctl_gateway *gateway;
    const struct nx_bus_members_request *message;
    struct ctl_guild *guild;
    const struct ctl_member **found;
    const uint64_t *missing;
    uint32_t found_count, missing_count;
    uint32_t link;
};

static void send_chunk(const struct chunks *c, uint32_t index, uint32_t count)
{
    const uint32_t first = index * CTL_MEMBERS_CHUNK;
    const uint32_t end =
        first + CTL_MEMBERS_CHUNK < c->found_count ? first + CTL_MEMBERS_CHUNK : c->found_count;
    struct nx_writer w = ctl_event_scratch(c->gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_MEMBERS_CHUNK");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, c->guild->id);
    nx_json_out_key(&out, "members");
    nx_json_out_array(&out);
    for (uint32_t i = first; i < end; i++) {
        ctl_object_member(&out, c->found[i], false);
    }
    nx_json_out_array_end(&out);
    nx_json_out_key(&out, "chunk_index");
    nx_json_out_u64(&out, index);
    nx_json_out_key(&out, "chunk_count");
    nx_json_out_u64(&out, count);
    if (c->missing_count != 0) {
        nx_json_out_key(&out, "not_found");
        nx_json_out_array(&out);
        for (uint32_t i = 0; i < c->missing_count; i++) {
            nx_json_out_id(&out, c->missing[i]);
        }
        nx_json_out_array_end(&out);
    }
    if (c->message->presences != 0) {
        nx_json_out_key(&out, "presences");
        nx_json_out_array(&out);
        for (uint32_t i = first; i < end; i++) {
            if (c->found[i]->user->status != NX_BUS_STATUS_OFFLINE) {
                ctl_object_presence(&out, c->found[i]->user, 0);
            }
        }
        nx_json_out_array_end(&out);
    }
    if (c->message->nonce.size != 0 && c->message->nonce.size <= CTL_NONCE_MAX &&
        nx_text_is_utf8(c->message->nonce)) {
        nx_json_out_key(&out, "nonce");
        nx_json_out_string(&out, c->message->nonce);
    }
    nx_json_out_object_end(&out);
    session_tail(c->gateway, c->link, c->message->session, &w, &out);
}

static void find_named(struct chunks *c, uint32_t limit, uint64_t missing[CTL_MEMBERS_QUERY_IDS_MAX])
{
    const size_t ids = c->message->user_ids.size / 8;
    if (ids == 0) {
        for (uint32_t i = 0; i < c->guild->members.count && c->found_count < limit; i++) {
            const struct ctl_member *one = c->guild->members.entries[i].item;
            if (is_asked(one, c->message->query)) {
                c->found[c->found_count++] = one;
            }
        }
        return;
    }
    for (size_t i = 0; i < ids && i < CTL_MEMBERS_QUERY_IDS_MAX; i++) {
        uint64_t id = 0;
        for (size_t k = 0; k < 8; k++) {
            id = id << 8 | c->message->user_ids.at[i * 8 + k];
        }
        const struct ctl_member *one = ctl_guild_member(c->guild, id);
        if (one == NULL) {
            missing[c->missing_count++] = id;
        } else if (c->found_count < limit) {
            c->found[c->found_count++] = one;
        }
    }
}

void ctl_gateway_members_request(struct ctl_gateway *gateway, uint32_t link,
                                 const struct nx_bus_members_request *message, int64_t wall_ms)
{
    (void)wall_ms;
    struct ctl_world *world = gateway->world;
    const struct ctl_session *session = ctl_session_registry_find(world->sessions, link, message->session);
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, message->guild_id);
    if (session == NULL || guild == NULL || ctl_guild_member(guild, session->user->id) == NULL) {
        return;
    }
    /* Everybody at once is for those whose intents say so; a search answers at most a hundred. */
    const bool is_all = message->query.size == 0 && message->user_ids.size == 0;
    uint32_t limit = message->limit != 0 && message->limit < CTL_MEMBERS_QUERY_IDS_MAX
                         ? message->limit
                         : CTL_MEMBERS_QUERY_IDS_MAX;
    if (is_all && message->limit == 0 && (session->intents & CTL_INTENT_GUILD_MEMBERS) != 0) {
        limit = guild->members.count;
    }
    const size_t size =
        ((size_t)guild->members.count + CTL_MEMBERS_QUERY_IDS_MAX) * sizeof(struct ctl_member *);
    uint64_t missing[CTL_MEMBERS_QUERY_IDS_MAX];
    struct chunks c = {
        .gateway = gateway, .message = message, .guild = guild, .missing = missing, .link = link};
    c.found = world->memory.take(world->memory.context, size);
    if (c.found == NULL) {
        return;
    }
    find_named(&c, limit, missing);
    const uint32_t count =
        c.found_count == 0 ? 1 : (c.found_count + CTL_MEMBERS_CHUNK - 1) / CTL_MEMBERS_CHUNK;
    for (uint32_t i = 0; i < count; i++) {
        send_chunk(&c, i, count);
    }
    ctl_memory_give(&world->memory, c.found, size);
}
