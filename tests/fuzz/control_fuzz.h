/* control_fuzz.h - a small world for the fuzz targets of control: two people, two guilds, a store whose answers come from
 * the input, and a sink that checks what is said.
 *
 * Layer:   tests
 */
#ifndef TESTS_FUZZ_CONTROL_H
#define TESTS_FUZZ_CONTROL_H

#include "control/core/doubt.h"
#include "control/core/gateway.h"
#include "engine/wire/json.h"

#include <stdio.h>
#include <stdlib.h>

#pragma GCC diagnostic ignored "-Wunused-function"

enum { ADA = 11, BOB = 12, PLACE = 100, OTHER = 200, SID = 5, WALL_MS_S = 1767225600 };
#define WALL_MS (WALL_MS_S * 1000LL)

static struct {
    struct ctl_world world;
    struct ctl_gateway gateway;
    struct nx_token_ring ring;
    struct ctl_op *ops[CTL_SENDS_MAX + CTL_OPENS_MAX + CTL_DOUBTS_MAX];
    size_t ops_count;
    size_t out;                        /* bytes of world memory taken */
    size_t at_start;                   /* of them by the world itself */
    struct nx_bytes input;             /* what is left to decide with */
    char tokens[2][NX_TOKEN_SIZE_MAX]; /* of Ada and Bob */
    size_t token_sizes[2];
} fz;

static void fz_check(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "property broken: %s\n", what);
        abort();
    }
}

static uint8_t fz_byte(void)
{
    if (fz.input.size == 0) {
        return 0;
    }
    const uint8_t byte = fz.input.at[0];
    fz.input = nx_bytes_slice(fz.input, 1, fz.input.size);
    return byte;
}

static void *fz_take(void *context, size_t size)
{
    (void)context;
    fz.out += size;
    return malloc(size == 0 ? 1 : size);
}

static void fz_give(void *context, void *memory, size_t size)
{
    (void)context;
    fz.out -= size;
    free(memory);
}

/* A tail with the brace that opens the frame is JSON. */
static void fz_tail(struct nx_bytes tail)
{
    struct nx_json root;
    uint8_t *text = malloc(tail.size + 1);
    text[0] = '{';
    memcpy(text + 1, tail.at, tail.size);
    fz_check(nx_json_open(nx_bytes_of(text, tail.size + 1), &root) == NX_OK && root.kind == NX_JSON_OBJECT,
             "tail is JSON");
    free(text);
}

static void fz_opened(void *c, uint32_t link, const struct nx_bus_session_opened *m)
{
    (void)c;
    (void)link;
    fz_check(m->guilds.size % NX_BUS_GUILD_ENTRY_SIZE == 0, "guild entries");
}
static void fz_ready(void *c, uint32_t link, const struct nx_bus_session_ready *m)
{
    (void)c;
    (void)link;
    for (size_t at = 0; at < m->tails.size;) {
        const uint8_t *p = m->tails.at + at;
        fz_check(m->tails.size - at >= 4, "size of a tail");
        const size_t size = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        fz_check(m->tails.size - at - 4 >= size, "tails are whole");
        fz_tail(nx_bytes_of(p + 4, size));
        at += 4 + size;
    }
}
static void fz_move(void *c, uint32_t link, const struct nx_bus_session_move *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_session_end(void *c, uint32_t link, const struct nx_bus_session_end *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_revoke(void *c, uint32_t link, const struct nx_bus_revoke *m)
{
    (void)c;
    (void)link;
    fz_check(m->user_id != 0, "revoke of nobody");
}
static void fz_guild_state(void *c, uint32_t link, const struct nx_bus_guild_state *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_channel_state(void *c, uint32_t link, const struct nx_bus_channel_state *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_channel_gone(void *c, uint32_t link, const struct nx_bus_channel_gone *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_guild_gone(void *c, uint32_t link, const struct nx_bus_guild_gone *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_roleset_view(void *c, uint32_t link, const struct nx_bus_roleset_view *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_member_roleset(void *c, uint32_t link, const struct nx_bus_member_roleset *m)
{
    (void)c;
    (void)link;
    (void)m;
}
static void fz_event(void *c, uint32_t link, const struct nx_bus_event *m)
{
    (void)c;
    (void)link;
    fz_tail(m->tail);
}
static void fz_user_event(void *c, uint32_t link, const struct nx_bus_user_event *m)
{
    (void)c;
    (void)link;
    fz_tail(m->tail);
}
static void fz_session_event(void *c, uint32_t link, const struct nx_bus_session_event *m)
{
    (void)c;
    (void)link;
    fz_tail(m->tail);
}
static void fz_ask(void *c, struct ctl_op *op)
{
    (void)c;
    fz.ops[fz.ops_count++] = op;
}

static void fz_must(enum nx_err err)
{
    fz_check(err == NX_OK, nx_err_text(err));
}

static void fz_guild(uint64_t id, uint64_t owner)
{
    struct ctl_directory *d = &fz.world.directory;
    fz_must(ctl_directory_load_guild(
        d, &(struct ctl_guild_row){.id = id, .owner_id = owner, .name = nx_bytes_text("g")}));
    fz_must(ctl_directory_load_role(
        d, &(struct ctl_role_row){
               .id = id, .guild_id = id, .name = nx_bytes_text("@everyone"), .permissions = 0x7f7}));
    fz_must(ctl_directory_load_role(d, &(struct ctl_role_row){.id = id + 1,
                                                              .guild_id = id,
                                                              .name = nx_bytes_text("r"),
                                                              .permissions = ~0ULL >> 1,
                                                              .position = 3}));
    fz_must(ctl_directory_load_channel(
        d, &(struct ctl_channel_row){.id = id + 2, .guild_id = id, .name = nx_bytes_text("c")}));
    fz_must(ctl_directory_load_member(
        d, &(struct ctl_member_row){.guild_id = id, .user_id = owner, .joined_ms = 1}));
}

/* The big tables are made once; what an input can change is put back by fz_close(). */
static void fz_start(void)
{
    const struct nx_token_key key = {.kid = 1, .secret = {9}};
    nx_token_ring_init(&fz.ring);
    fz_must(nx_token_ring_add(&fz.ring, &key));
    const struct ctl_world_config config = {.memory = {fz_take, fz_give, NULL},
                                            .sink = {.session_opened = fz_opened,
                                                     .session_ready = fz_ready,
                                                     .session_move = fz_move,
                                                     .session_end = fz_session_end,
                                                     .revoke = fz_revoke,
                                                     .guild_state = fz_guild_state,
                                                     .channel_state = fz_channel_state,
                                                     .channel_gone = fz_channel_gone,
                                                     .guild_gone = fz_guild_gone,
                                                     .roleset_view = fz_roleset_view,
                                                     .member_roleset = fz_member_roleset,
                                                     .event = fz_event,
                                                     .user_event = fz_user_event,
                                                     .session_event = fz_session_event,
                                                     .ask = fz_ask},
                                            .settings = {.has_registration = true},
                                            .ring = &fz.ring,
                                            .seed = 1};
    fz_must(ctl_world_init(&fz.world, &config));
    fz_must(ctl_gateway_init(&fz.gateway, &fz.world));
    fz.at_start = fz.out;
    for (size_t i = 0; i < 2; i++) {
        const struct nx_token_claims claims = {.user_id = i == 0 ? ADA : BOB,
                                               .session_id = SID,
                                               .token_id = 1,
                                               .issued_s = WALL_MS_S,
                                               .expires_s = WALL_MS_S + 900};
        struct nx_writer w = nx_writer_init(fz.tokens[i], sizeof(fz.tokens[i]));
        fz_must(nx_token_sign(&fz.ring, &claims, &w));
        fz.token_sizes[i] = w.size;
    }
}

static void fz_open(struct nx_bytes input)
{
    if (fz.token_sizes[0] == 0) {
        fz_start();
    }
    fz.input = input;
    fz.ops_count = 0;
    nx_id_init(&fz.world.mint, 0, 0);
    fz_must(ctl_directory_load_user(&fz.world.directory,
                                    &(struct ctl_user_row){.id = ADA, .username = nx_bytes_text("ada")}));
    fz_must(ctl_directory_load_user(&fz.world.directory,
                                    &(struct ctl_user_row){.id = BOB, .username = nx_bytes_text("bob")}));
    fz_guild(PLACE, ADA);
    fz_guild(OTHER, BOB);
    fz_must(ctl_directory_load_member(&fz.world.directory,
                                      &(struct ctl_member_row){.guild_id = PLACE, .user_id = BOB}));
    ctl_login_note(&fz.world.logins, SID);
    ctl_gateway_link_open(&fz.gateway, 0, 0, 0, WALL_MS);
    ctl_gateway_link_open(&fz.gateway, 1, 0, 1, WALL_MS);
}

/* An answer that a store could give, decided by the input. */
static void fz_answer(const struct ctl_question *q, struct ctl_answer *answer)
{
    static const enum nx_err verdicts[] = {
        NX_OK,     NX_OK,        NX_OK,     NX_E_NOT_FOUND,   NX_E_CONFLICT,
        NX_E_AUTH, NX_E_EXPIRED, NX_E_FULL, NX_E_UNAVAILABLE, NX_E_NO_MEMORY};
    static const struct ctl_login_row login = {.sid = SID, .user_id = ADA, .expires_ms = INT64_MAX};
    static struct ctl_message_row message;
    const uint8_t choice = fz_byte();
    *answer = (struct ctl_answer){.verdict = verdicts[choice % (sizeof(verdicts) / sizeof(*verdicts))]};
    message = (struct ctl_message_row){.id = 777,
                                       .channel_id = PLACE + 2,
                                       .seq = 1u + choice,
                                       .author_id = choice & 16 ? ADA : BOB,
                                       .is_deleted = (choice & 32) != 0,
                                       .content = nx_bytes_text("\x01\"")};
    switch (q->kind) {
    case CTL_ASK_USER_BY_NAME:
    case CTL_ASK_USER_GET:
    case CTL_ASK_USER_UPDATE:
        answer->user = (struct ctl_user_row){.id = ADA, .password_hash = nx_bytes_text("hash")};
        break;
    case CTL_ASK_LOGIN_ROTATE:
        answer->login = login;
        break;
    case CTL_ASK_INVITE_GET:
    case CTL_ASK_INVITE_USE:
    case CTL_ASK_INVITE_DELETE:
        answer->invite = (struct ctl_invite_row){.code = nx_bytes_text("code"),
                                                 .guild_id = choice & 16 ? PLACE : OTHER,
                                                 .channel_id = OTHER + 2,
                                                 .inviter_id = BOB};
        break;
    case CTL_ASK_MESSAGE_CREATE:
    case CTL_ASK_MESSAGE_EDIT:
    case CTL_ASK_MESSAGE_DELETE:
    case CTL_ASK_MESSAGE_GET:
        answer->message.id = message.id;
        answer->message.seq = message.seq;
        answer->message.is_duplicate = (choice & 64) != 0;
        answer->message.row = message;
        break;
    case CTL_ASK_MESSAGES_LIST:
        if (q->messages_list.page == CTL_PAGE_AFTER_SEQ) {
            message.seq = q->messages_list.anchor + 1 + choice % 4;
        }
        answer->list.rows = &message;
        answer->list.rows_count = choice & 128 ? 0 : 1;
        break;
    case CTL_ASK_LOGINS_LIST:
        answer->list.rows = &login;
        answer->list.rows_count = choice & 16 ? 1 : 0;
        break;
    default:
        break;
    }
}

static void fz_close(void)
{
    ctl_gateway_hold(&fz.gateway, false, WALL_MS);
    while (fz.ops_count != 0) {
        const struct ctl_answer down = {.verdict = NX_E_UNAVAILABLE};
        ctl_gateway_answered(&fz.gateway, fz.ops[--fz.ops_count], &down, WALL_MS, (nx_time){0});
    }
    fz_check(fz.gateway.opens == 0 && fz.gateway.sends == 0, "nothing is on its way");
    ctl_gateway_link_closed(&fz.gateway, 0);
    ctl_gateway_link_closed(&fz.gateway, 1);
    fz_check(fz.world.sessions->sessions_count == 0, "no session is left");
    fz_check(fz.world.busy.count == 0, "nothing is held");
    ctl_table_fini(&fz.world.busy, &fz.world.memory);
    ctl_doubt_fini(&fz.world);
    ctl_directory_fini(&fz.world.directory);
    ctl_kept_fini(&fz.world.kept, &fz.world.memory);
    ctl_kept_init(&fz.world.kept);
    fz_check(fz.out == fz.at_start, "all memory came back");
    ctl_directory_init(&fz.world.directory, fz.world.memory, 1);
    if (nx_map_count(&fz.world.logins.alive) != 1 || !ctl_login_is_alive(&fz.world.logins, SID)) {
        nx_map_clear(&fz.world.logins.alive);
    }
    fz.world.logins.revoked_count = 0;
    fz.world.logins.revoked_next = 0;
    fz.world.logins.epoch = 0;
    if (fz.world.settings.has_rate_limits) {
        memset(fz.world.quotas.slots, 0, CTL_QUOTA_SLOTS * sizeof(*fz.world.quotas.slots));
    }
    fz.world.settings.has_rate_limits = false;
}

#endif
