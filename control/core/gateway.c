#include "control/core/gateway.h"

#include "control/core/doubt.h"
#include "control/core/event.h"
#include "control/core/gateway_parts.h"
#include "control/core/guild.h"
#include "control/core/presence.h"
#include "engine/base/assert.h"

enum {
    CLOSE_UNKNOWN = 4000,
    CLOSE_AUTH = 4004,
    CLOSE_TIMED_OUT = 4009,
    CLOSE_DISABLED = 4103,
    READY_SIZE = CTL_TAIL_SIZE_MAX + 4,
    OPEN_ARENA = 256 * 1024, /* rows of 1,000 read states or logins */
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
    nx_list_init(&gateway->unanswered);
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
        const struct nx_bus_revoke message = {.user_id = one.user_id,
                                              .sid = one.sid,
                                              .close_code = CLOSE_AUTH,
                                              .at_ms = (uint64_t)(one.until_ms - CTL_ACCESS_TOKEN_S * 1000LL),
                                              .up_to = one.up_to};
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

struct ctl_op *ctl_gateway_op_take(struct ctl_gateway *gateway, enum ctl_op_kind kind, uint32_t link,
                                   size_t room)
{
    const size_t size = sizeof(struct ctl_op) + room;
    struct ctl_op *op = gateway->world->memory.take(gateway->world->memory.context, size);
    if (op != NULL) {
        *op = (struct ctl_op){.kind = kind, .link = link, .size = size};
        nx_arena_init(&op->arena, op + 1, room);
    }
    return op;
}

void ctl_gateway_op_give(struct ctl_gateway *gateway, struct ctl_op *op)
{
    ctl_memory_give(&gateway->world->memory, op, op->size);
}

void ctl_gateway_op_ask(struct ctl_gateway *gateway, struct ctl_op *op, enum ctl_question_kind kind,
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
    size_t size; /* of all tails so far */
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
    ready->size += tail.size;
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

/* Beyond what a session takes at once the guilds are told as unavailable: the number of tails is promised. */
static struct nx_bytes tail_guild(struct ready *ready, const struct ctl_member *member, uint64_t intents)
{
    struct nx_writer w;
    struct nx_json_out out = ready->size < CTL_READY_SIZE_MAX
                                 ? ctl_event_guild_create(ready->world, member, intents, &w)
                                 : ctl_event_guild_unavailable(ready->world, member->guild, &w);
    const bool is_whole = ctl_event_end(&w, &out);
    NX_ASSERT(is_whole);
    return nx_writer_bytes(&w);
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
            ready_add(&ready, tail_guild(&ready, m, session->intents));
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

/* The session that the same client knows by the same name, wherever on its node it is by now, or NULL. */
static struct ctl_session *find_named(const struct ctl_gateway *gateway, uint32_t link,
                                      const struct ctl_user *user, const struct nx_bus_session_open *open)
{
    const struct ctl_link *links = gateway->world->sessions->links;
    struct ctl_session *session = user->sessions;
    while (session != NULL &&
           (session->origin != open->old_session || session->origin_shard != open->old_shard ||
            session->sid != open->sid || links[session->link].node != links[link].node)) {
        session = session->next;
    }
    return session;
}

/* A client has one session: when it was restored elsewhere while control was away, only one of the two may live, and never
 * the one that has no client. Returns false when that is the one to be opened. */
static bool outlives_namesake(struct ctl_gateway *gateway, uint32_t link, const struct ctl_user *user,
                              const struct nx_bus_session_open *open)
{
    struct ctl_session *other = find_named(gateway, link, user, open);
    if (other == NULL || open->old_session == 0) {
        return true;
    }
    if (open->status == NX_BUS_STATUS_OFFLINE && other->status != NX_BUS_STATUS_OFFLINE) {
        return false;
    }
    const struct nx_bus_session_end message = {.session = other->handle};
    gateway->world->sink.session_end(gateway->world->sink.context, other->link, &message);
    drop_session(gateway, other, true);
    return true;
}

/* A client that is gone must not keep the user from coming back with a new one: the session that has waited longest for
 * its client makes room. Returns whether there is room. */
static bool make_room(struct ctl_gateway *gateway, const struct ctl_user *user)
{
    if (user->sessions_count < CTL_SESSIONS_PER_USER_MAX) {
        return true;
    }
    struct ctl_session *oldest = ctl_session_registry_oldest_detached(user);
    if (oldest == NULL) {
        return false;
    }
    const struct nx_bus_session_end message = {.session = oldest->handle};
    gateway->world->sink.session_end(gateway->world->sink.context, oldest->link, &message);
    drop_session(gateway, oldest, true);
    return true;
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
        old = find_named(gateway, link, user, open);
        if (old == NULL || old->link == link) {
            refuse(gateway, link, open->session, CLOSE_TIMED_OUT);
            return;
        }
    }
    if (open->reason == NX_BUS_OPEN_RESTORE && !outlives_namesake(gateway, link, user, open)) {
        refuse(gateway, link, open->session, CLOSE_TIMED_OUT);
        return;
    }
    if (old == NULL && !make_room(gateway, user)) {
        refuse(gateway, link, open->session, CLOSE_UNKNOWN);
        return;
    }
    uint64_t known[(CTL_GUILDS_PER_USER_MAX + 63) / 64] = {0};
    uint32_t n = 0;
    for (const struct ctl_member *m = user->members; m != NULL && n < CTL_GUILDS_PER_USER_MAX;
         m = m->next, n++) {
        known[n / 64] |= (m->guild->links >> link & 1) << (n % 64);
    }
    struct ctl_session *session;
    const bool is_named = open->reason != NX_BUS_OPEN_IDENTIFY && open->old_session != 0;
    const struct ctl_session made = {
        .handle = open->session,
        .origin = is_named ? open->old_session : open->session,
        .origin_shard = is_named ? open->old_shard : world->sessions->links[link].shard,
        .sid = open->sid,
        .intents = open->intents,
        .capabilities = open->capabilities,
        .status = open->status <= NX_BUS_STATUS_INVISIBLE ? open->status : NX_BUS_STATUS_ONLINE,
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
        ctl_gateway_op_ask(gateway, op, CTL_ASK_LOGINS_LIST, wall_ms);
    } else {
        op->question.read_states_list.user_id = op->open.user_id;
        ctl_gateway_op_ask(gateway, op, CTL_ASK_READ_STATES_LIST, wall_ms);
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
    struct ctl_op *op = ctl_gateway_op_take(gateway, CTL_OP_OPEN, link, OPEN_ARENA);
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
    if (gateway->opens < CTL_OPENS_MAX && !gateway->is_held) {
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
    while (gateway->waiting_count != 0 && gateway->opens < CTL_OPENS_MAX && !gateway->is_held) {
        const struct ctl_gateway_open one = gateway->waiting[gateway->waiting_first];
        gateway->waiting_first = (gateway->waiting_first + 1) % CTL_OPENS_WAITING_MAX;
        gateway->waiting_count--;
        if (!one.is_cancelled) {
            open_start(gateway, one.link, &one.message, wall_ms);
        }
    }
}

void ctl_gateway_hold(struct ctl_gateway *gateway, bool is_held, int64_t wall_ms)
{
    gateway->is_held = is_held;
    open_waiting(gateway, wall_ms);
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
        ctl_session_registry_status_set(gateway->world->sessions, session, message->status);
        ctl_presence_refresh(gateway->world, session->user);
    }
}

void ctl_gateway_tell(struct ctl_gateway *gateway, uint32_t link, uint64_t session, uint64_t number,
                      struct nx_writer *w, struct nx_json_out *out)
{
    if (ctl_event_end(w, out)) {
        const struct nx_bus_session_event message = {
            .session = session, .tail = nx_writer_bytes(w), .number = number};
        gateway->world->sink.session_event(gateway->world->sink.context, link, &message);
    }
}

void ctl_gateway_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                          int64_t wall_ms, nx_time now)
{
    bool is_over = true;
    switch (op->kind) {
    case CTL_OP_SEND:
        is_over = ctl_gateway_message_answered(gateway, op, answer, wall_ms);
        break;
    case CTL_OP_DOUBT:
        ctl_doubt_answered(gateway, op, answer, wall_ms, now);
        break;
    case CTL_OP_LOGIN:
    case CTL_OP_OPEN:
        is_over = !open_answered(gateway, op, answer, wall_ms);
        if (is_over) {
            opening_remove(gateway, op);
        }
        break;
    }
    if (is_over) {
        ctl_gateway_op_give(gateway, op);
        open_waiting(gateway, wall_ms);
    }
}

void ctl_gateway_tick(struct ctl_gateway *gateway, int64_t wall_ms, nx_time now)
{
    ctl_gateway_message_tick(gateway, now);
    ctl_doubt_tick(gateway->world, wall_ms, now);
}
