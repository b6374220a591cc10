/* Every behaviour of question.h, asked of the stores on disk, in PostgreSQL and in RAM: what one does the others do. */
#include "control/store/memory.h"
#include "tests/unit/control/store/fixture.h"

/* ---- what both stores do ---- */

static void users_are_kept(struct fixture *f)
{
    make_user(f, 0, "dave");
    CHECK(f->answer.user.id != 0 && f->answer.user.created_ms == NOW, "minted");
    const uint64_t dave = f->answer.user.id;
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_USER_CREATE,
        .user_create.user = {.username = text("D"), .name_key = text("dave")});
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_USER_CREATE,
        .user_create.user = {.id = dave, .name_key = text("other")});
    ASK(f, NX_OK, .kind = CTL_ASK_USER_BY_NAME, .user_by_name.name_key = text("dave"));
    CHECK(f->answer.user.id == dave && nx_bytes_is(f->answer.user.password_hash, "hash"), "by name");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_BY_NAME, .user_by_name.name_key = text("dav"));
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_GET, .user_get.user_id = 99);
    make_user(f, ALICE, "alice");
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_USER_UPDATE,
        .user_update = {.user = {.id = ALICE, .username = text("Dave"), .name_key = text("dave")},
                        .fields = CTL_USER_FIELD_USERNAME});
    ASK(f, NX_OK, .kind = CTL_ASK_USER_UPDATE,
        .user_update = {
            .user = {.id = ALICE, .email = text("a@b"), .global_name = text("A"), .flags = CTL_USER_ADMIN},
            .fields = CTL_USER_FIELD_EMAIL | CTL_USER_FIELD_FLAGS});
    CHECK(nx_bytes_is(f->answer.user.username, "alice") && f->answer.user.global_name.size == 0,
          "others stay");
    ASK(f, NX_OK, .kind = CTL_ASK_USER_UPDATE,
        .user_update = {.user = {.id = ALICE, .username = text("Alicia"), .name_key = text("alicia")},
                        .fields = CTL_USER_FIELD_USERNAME});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_BY_NAME, .user_by_name.name_key = text("alice"));
    ASK(f, NX_OK, .kind = CTL_ASK_USER_BY_NAME, .user_by_name.name_key = text("alicia"));
    CHECK(nx_bytes_is(f->answer.user.email, "a@b") && f->answer.user.flags == CTL_USER_ADMIN, "updated");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_UPDATE,
        .user_update = {.user = {.id = 99}, .fields = CTL_USER_FIELD_FLAGS});
    ASK(f, NX_OK, .kind = CTL_ASK_USERS_LIST, .users_list = {.after_id = 0, .limit = 1});
    CHECK(f->answer.list.rows_count == 1 && ((const struct ctl_user_row *)f->answer.list.rows)->id == ALICE,
          "first");
    ASK(f, NX_OK, .kind = CTL_ASK_USERS_LIST, .users_list = {.after_id = ALICE, .limit = 5000});
    CHECK(f->answer.list.rows_count == 1 && ((const struct ctl_user_row *)f->answer.list.rows)->id == dave,
          "second");
}

static void make_login(struct fixture *f, uint64_t sid, uint64_t user_id, uint8_t hash)
{
    struct ctl_question question = {.kind = CTL_ASK_LOGIN_CREATE,
                                    .now_ms = NOW,
                                    .login_create.login = {.sid = sid,
                                                           .user_id = user_id,
                                                           .created_ms = NOW,
                                                           .expires_ms = NOW + 1000000,
                                                           .agent = text("agent")}};
    fill_hash(question.login_create.refresh_hash, hash);
    CHECK(ask(f, question) == NX_OK, "login");
}

static enum nx_err rotate(struct fixture *f, uint8_t from, uint8_t to, int64_t at_ms)
{
    struct ctl_question question = {.kind = CTL_ASK_LOGIN_ROTATE,
                                    .now_ms = at_ms,
                                    .login_rotate = {.expires_ms = at_ms + 1000000, .grace_ms = 10000}};
    fill_hash(question.login_rotate.old_hash, from);
    fill_hash(question.login_rotate.new_hash, to);
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
    return ask(f, question);
}

static uint32_t logins_of(struct fixture *f, uint64_t user_id)
{
    ASK(f, NX_OK, .kind = CTL_ASK_LOGINS_LIST, .logins_list.user_id = user_id);
    return f->answer.list.rows_count;
}

static void logins_rotate_and_reuse_ends_the_family(struct fixture *f)
{
    make_world(f);
    make_login(f, 501, ALICE, 1);
    make_login(f, 502, ALICE, 50);
    CHECK(rotate(f, 1, 2, NOW) == NX_OK && f->answer.login.sid == 501 && f->answer.login.user_id == ALICE,
          "first rotation");
    CHECK(nx_bytes_is(f->answer.login.agent, "agent"), "agent");
    CHECK(rotate(f, 1, 3, NOW + 9000) == NX_OK, "the answer was lost: within grace the old one rotates");
    CHECK(rotate(f, 3, 50, NOW + 9000) == NX_E_CONFLICT, "a hash that exists");
    CHECK(rotate(f, 3, 4, NOW + 9500) == NX_OK, "a refused rotation changed nothing");
    CHECK(rotate(f, 77, 78, NOW) == NX_E_AUTH && f->answer.login.sid == 0, "unknown");
    CHECK(rotate(f, 1, 5, NOW + 10001) == NX_E_AUTH && f->answer.login.sid == 501 &&
              f->answer.login.user_id == ALICE,
          "reuse");
    CHECK(rotate(f, 4, 6, NOW + 10002) == NX_E_AUTH && f->answer.login.sid == 0,
          "the family has ended for good");
    CHECK(logins_of(f, ALICE) == 1, "the other family lives");
    CHECK(rotate(f, 50, 51, NOW + 1000000) == NX_E_EXPIRED, "expired");
    CHECK(rotate(f, 50, 51, NOW + 999999) == NX_OK, "not yet expired");
}

static void old_tokens_are_forgotten_at_the_limit(struct fixture *f)
{
    make_world(f);
    make_login(f, 501, ALICE, 1);
    for (uint8_t i = 1; i <= STORE_LOGIN_HASHES_MAX; i++) {
        CHECK(rotate(f, i, (uint8_t)(i + 1), NOW) == NX_OK, "rotation %u", i);
    }
    CHECK(rotate(f, 1, 200, NOW + 20000) == NX_E_AUTH && f->answer.login.sid == 0, "too old to be known");
    CHECK(rotate(f, 2, 200, NOW + 20000) == NX_E_AUTH && f->answer.login.sid == 501,
          "known, and ends the family");
}

static void logins_are_listed_and_revoked(struct fixture *f)
{
    make_world(f);
    make_login(f, 501, ALICE, 1);
    make_login(f, 502, ALICE, 2);
    make_login(f, 503, ALICE, 3);
    make_login(f, 504, BOB, 4);
    struct ctl_question again = {
        .kind = CTL_ASK_LOGIN_CREATE, .now_ms = NOW, .login_create.login = {.sid = 501, .user_id = BOB}};
    CHECK(ask(f, again) == NX_E_CONFLICT, "sid taken");
    again.login_create.login = (struct ctl_login_row){.sid = 600, .user_id = 99};
    fill_hash(again.login_create.refresh_hash, 60);
    CHECK(ask(f, again) == NX_E_NOT_FOUND, "no such user");
    again.login_create.login.user_id = BOB;
    fill_hash(again.login_create.refresh_hash, 4);
    CHECK(ask(f, again) == NX_E_CONFLICT && logins_of(f, BOB) == 1, "hash taken: nothing is left of it");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_LOGIN_REVOKE, .login_revoke = {.user_id = BOB, .sid = 501});
    ASK(f, NX_OK, .kind = CTL_ASK_LOGIN_REVOKE, .login_revoke = {.user_id = ALICE, .sid = 501});
    CHECK(logins_of(f, ALICE) == 2 && rotate(f, 1, 9, NOW) == NX_E_AUTH, "revoked");
    ASK(f, NX_OK, .kind = CTL_ASK_USER_PASSWORD,
        .user_password = {.user_id = ALICE, .password_hash = text("new"), .keep_sid = 503});
    CHECK(logins_of(f, ALICE) == 1 && rotate(f, 3, 8, NOW) == NX_OK && rotate(f, 2, 9, NOW) == NX_E_AUTH,
          "one is kept");
    ASK(f, NX_OK, .kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE);
    CHECK(nx_bytes_is(f->answer.user.password_hash, "new"), "password");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_PASSWORD, .user_password = {.user_id = 99});
    ASK(f, NX_OK, .kind = CTL_ASK_LOGIN_REVOKE, .login_revoke = {.user_id = ALICE});
    CHECK(logins_of(f, ALICE) == 0 && logins_of(f, BOB) == 1, "all of one user");
}

static uint64_t logins_stored(struct fixture *f)
{
    ASK(f, NX_OK, .kind = CTL_ASK_STATS);
    return f->answer.stats.logins;
}

static void logins_do_not_pile_up(struct fixture *f)
{
    make_world(f);
    make_login(f, 501, ALICE, 1);
    make_login(f, 502, BOB, 2);
    struct ctl_question later = {
        .kind = CTL_ASK_LOGIN_CREATE,
        .now_ms = NOW + 1000000,
        .login_create.login = {.sid = 503, .user_id = ALICE, .expires_ms = INT64_MAX}};
    fill_hash(later.login_create.refresh_hash, 3);
    CHECK(ask(f, later) == NX_OK && logins_stored(f) == 2, "the expired one goes, the other user's stays");
    for (uint32_t i = 0; i < STORE_LOGINS_MAX; i++) {
        later.login_create.login.sid = 1000 + i;
        memcpy(later.login_create.refresh_hash, &i, sizeof(i));
        memset(later.login_create.refresh_hash + 4, 7, 4);
        CHECK(ask(f, later) == NX_OK, "login %u", i);
    }
    CHECK(logins_stored(f) == STORE_LOGINS_MAX + 1, "%llu", (unsigned long long)logins_stored(f));
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
    ASK(f, NX_OK, .kind = CTL_ASK_LOGINS_LIST, .now_ms = NOW + 1000000, .logins_list.user_id = ALICE);
    const struct ctl_login_row *rows = f->answer.list.rows;
    CHECK(f->answer.list.rows_count == STORE_LOGINS_MAX && rows[0].sid == 1000, "the oldest has ended");
}

static void user_create_is_whole_or_nothing(struct fixture *f)
{
    make_world(f);
    make_login(f, 501, ALICE, 1);
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_USER_CREATE,
        .user_create = {.user = {.id = 70, .name_key = text("erin")}, .login = {.sid = 501}});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_USER_GET, .user_get.user_id = 70);
    ASK(f, NX_OK, .kind = CTL_ASK_USER_CREATE,
        .user_create = {.user = {.id = 70, .name_key = text("erin")},
                        .login = {.sid = 570, .expires_ms = NOW + 5},
                        .refresh_hash = {7}});
    CHECK(logins_of(f, 70) == 1, "its first login");
}

static void guilds_have_roles_channels_and_overwrites(struct fixture *f)
{
    make_world(f);
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = GUILD, .owner_id = ALICE}, .channel.id = 1});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = 7, .owner_id = 99}, .channel.id = 1});
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = 7, .owner_id = BOB}, .channel.id = CHANNEL});
    struct seen seen = load(f);
    CHECK(seen.guilds == 1 && seen.roles == 1 && seen.channels == 1 && seen.members == 1, "whole or nothing");
    make_guild(f, 7, BOB, 70);
    ASK(f, NX_OK, .kind = CTL_ASK_GUILD_UPDATE,
        .guild_update = {.id = 7, .owner_id = CAROL, .name = text("n"), .description = text("d")});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_GUILD_UPDATE, .guild_update = {.id = 8, .owner_id = CAROL});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_GUILD_UPDATE, .guild_update = {.id = 7, .owner_id = 99});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT,
        .role_put = {.id = 300, .guild_id = GUILD, .name = text("mod"), .permissions = 1ULL << 63});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT,
        .role_put = {.id = 300, .guild_id = GUILD, .name = text("mod"), .permissions = 1ULL << 62});
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 300, .guild_id = 7});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 301, .guild_id = 8});
    ASK(f, NX_OK, .kind = CTL_ASK_OVERWRITE_PUT,
        .overwrite_put = {.channel_id = CHANNEL, .target_id = 300, .allow = 4});
    ASK(f, NX_OK, .kind = CTL_ASK_OVERWRITE_PUT,
        .overwrite_put = {.channel_id = CHANNEL, .target_id = 300, .allow = 5});
    ASK(f, NX_OK, .kind = CTL_ASK_OVERWRITE_PUT,
        .overwrite_put = {.channel_id = CHANNEL, .target_id = BOB, .type = 1, .allow = 16});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_OVERWRITE_PUT,
        .overwrite_put = {.channel_id = 1, .target_id = 300});
    seen = load(f);
    CHECK(seen.overwrites == 2 && seen.allow == 21 && seen.permissions == 1ULL << 62, "put replaces");
    ASK(f, NX_OK, .kind = CTL_ASK_OVERWRITE_DELETE,
        .overwrite_delete = {.channel_id = CHANNEL, .target_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_OVERWRITE_DELETE,
        .overwrite_delete = {.channel_id = CHANNEL, .target_id = BOB});
    const uint64_t role = 300;
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD,
        .member_add = {.guild_id = GUILD, .user_id = BOB, .roles = &role, .roles_count = 1});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_ROLE_DELETE, .role_delete = {.guild_id = 7, .role_id = 300});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_DELETE, .role_delete = {.guild_id = GUILD, .role_id = 300});
    seen = load(f);
    CHECK(seen.overwrites == 0 && seen.member_roles == 0 && seen.members == 3,
          "a role takes its overwrites and wearers along");
}

static void channels_keep_their_messages_when_changed(struct fixture *f)
{
    make_world(f);
    const uint64_t id = say(f, "one");
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT,
        .channel_put = {.id = 50, .guild_id = GUILD, .type = 4, .name = text("category")});
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT,
        .channel_put = {.id = CHANNEL,
                        .guild_id = GUILD,
                        .name = text("renamed"),
                        .parent_id = 50,
                        .last_seq = 77,
                        .last_message_id = 77});
    struct seen seen = load(f);
    CHECK(seen.last_seq == 1 && seen.last_message_id == id && seen.parent == 50, "put leaves the head alone");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = {.id = 51, .guild_id = 8});
    make_guild(f, 7, BOB, 70);
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = {.id = CHANNEL, .guild_id = 7});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_CHANNEL_DELETE,
        .channel_delete = {.guild_id = 7, .channel_id = CHANNEL});
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_DELETE, .channel_delete = {.guild_id = GUILD, .channel_id = 50});
    seen = load(f);
    CHECK(seen.parent == 0 && seen.channels == 2, "children of a deleted category go up");
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {
            .channel_id = CHANNEL, .author_id = ALICE, .content = text("x"), .nonce = text("n")});
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = CHANNEL, .message_id = id});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("c"), .guild_id = GUILD, .channel_id = CHANNEL});
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_DELETE,
        .channel_delete = {.guild_id = GUILD, .channel_id = CHANNEL});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {
            .channel_id = CHANNEL, .author_id = ALICE, .content = text("x"), .nonce = text("n")});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_GET,
        .message_get = {.channel_id = CHANNEL, .message_id = id});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGES_LIST,
        .messages_list = {.channel_id = CHANNEL, .limit = 5});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_GET, .invite_get.code = text("c"));
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATES_LIST, .read_states_list.user_id = BOB);
    CHECK(f->answer.list.rows_count == 0, "read states go with the channel");
}

static void positions_move_all_or_none(struct fixture *f)
{
    make_world(f);
    make_guild(f, 7, BOB, 70);
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 300, .guild_id = GUILD});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 301, .guild_id = 7});
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = {.id = 50, .guild_id = GUILD, .type = 4});
    const struct ctl_position_row channels[] = {{.id = 50, .position = 4},
                                                {.id = CHANNEL, .parent_id = 50, .position = 8},
                                                {.id = 70, .position = 16}};
    const struct ctl_position_row roles[] = {{.id = 300, .position = 5}, {.id = 301, .position = 6}};
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_CHANNELS_MOVE,
        .channels_move = {.guild_id = GUILD, .rows = channels, .rows_count = 3});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_ROLES_MOVE,
        .roles_move = {.guild_id = GUILD, .rows = roles, .rows_count = 2});
    struct seen seen = load(f);
    CHECK(seen.channel_position == 0 && seen.role_position == 0 && seen.parent == 0, "a foreign one: none");
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNELS_MOVE,
        .channels_move = {.guild_id = GUILD, .rows = channels, .rows_count = 2});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLES_MOVE,
        .roles_move = {.guild_id = GUILD, .rows = roles, .rows_count = 1});
    seen = load(f);
    CHECK(seen.channel_position == 12 && seen.role_position == 5 && seen.parent == 50, "all");
    CHECK(seen.channels == 3 && seen.roles == 4, "nothing was made");
}

static void a_channel_comes_with_its_overwrites(struct fixture *f)
{
    make_world(f);
    make_guild(f, 7, BOB, 70);
    const struct ctl_channel_row made = {.id = 50, .guild_id = GUILD, .name = text("made")};
    const struct ctl_overwrite_row two[] = {{.target_id = GUILD, .allow = 1},
                                            {.target_id = BOB, .type = 1, .allow = 2}};
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = made,
        .channel_overwrites = {.is_given = true, .rows = two, .rows_count = 2});
    struct seen seen = load(f);
    CHECK(seen.channels == 3 && seen.overwrites == 2 && seen.allow == 3, "made with both");
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = made);
    CHECK(load(f).overwrites == 2, "a put without overwrites leaves them");
    const struct ctl_overwrite_row one = {.target_id = ALICE, .type = 1, .allow = 8};
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = {.id = 50, .guild_id = 7},
        .channel_overwrites = {.is_given = true, .rows = &one, .rows_count = 1});
    CHECK(load(f).allow == 3, "refused whole");
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = made,
        .channel_overwrites = {.is_given = true, .rows = &one, .rows_count = 1});
    seen = load(f);
    CHECK(seen.overwrites == 1 && seen.allow == 8, "replaced");
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_PUT, .channel_put = made, .channel_overwrites.is_given = true);
    CHECK(load(f).overwrites == 0, "an empty set takes all away");
}

static void guild_delete_takes_everything(struct fixture *f)
{
    make_world(f);
    make_guild(f, 7, BOB, 70);
    say(f, "one");
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT, .ban_put = {.guild_id = GUILD, .user_id = CAROL});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("c"), .guild_id = GUILD, .channel_id = CHANNEL});
    ASK(f, NX_OK, .kind = CTL_ASK_GUILD_DELETE, .guild_delete.guild_id = GUILD);
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_GUILD_DELETE, .guild_delete.guild_id = GUILD);
    const struct seen seen = load(f);
    CHECK(seen.guilds == 1 && seen.roles == 1 && seen.channels == 1 && seen.members == 1 && seen.users == 3,
          "only the other");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_GET, .invite_get.code = text("c"));
    ASK(f, NX_OK, .kind = CTL_ASK_BANS_LIST, .bans_list = {.guild_id = GUILD, .limit = 10});
    CHECK(f->answer.list.rows_count == 0, "bans");
    ASK(f, NX_OK, .kind = CTL_ASK_STATS);
    CHECK(f->answer.stats.guilds == 1 && f->answer.stats.users == 3 && f->answer.stats.messages == 0,
          "stats");
}

static void members_join_change_and_leave(struct fixture *f)
{
    make_world(f);
    const uint64_t roles[] = {300, 301};
    const struct ctl_member_row bob = {
        .guild_id = GUILD, .user_id = BOB, .nick = text("bobby"), .roles = roles, .roles_count = 2};
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_ADD, .member_add = bob);
    CHECK(load(f).members == 1, "an unknown role refuses the whole");
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 300, .guild_id = GUILD});
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT, .role_put = {.id = 301, .guild_id = GUILD});
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD, .member_add = bob);
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_MEMBER_ADD, .member_add = bob);
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = 8, .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = GUILD, .user_id = 99});
    struct seen seen = load(f);
    CHECK(seen.members == 2 && seen.member_roles == 2, "with its roles");
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_UPDATE,
        .member_update = {
            .guild_id = GUILD, .user_id = BOB, .timeout_until_ms = 5, .roles = roles + 1, .roles_count = 1});
    const uint64_t foreign = 12345;
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_UPDATE,
        .member_update = {
            .guild_id = GUILD, .user_id = BOB, .timeout_until_ms = 9, .roles = &foreign, .roles_count = 1});
    seen = load(f);
    CHECK(seen.member_roles == 1 && seen.timeout == 5, "the whole role list, or nothing");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_UPDATE,
        .member_update = {.guild_id = GUILD, .user_id = CAROL});
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_REMOVE, .member_remove = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MEMBER_REMOVE,
        .member_remove = {.guild_id = GUILD, .user_id = BOB});
    seen = load(f);
    CHECK(seen.members == 1 && seen.member_roles == 0, "gone with its roles");
}

static void bans_remove_and_keep_out(struct fixture *f)
{
    make_world(f);
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT,
        .ban_put = {.guild_id = GUILD, .user_id = BOB, .reason = text("spam")});
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT,
        .ban_put = {.guild_id = GUILD, .user_id = BOB, .reason = text("more spam")});
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT, .ban_put = {.guild_id = GUILD, .user_id = CAROL});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_BAN_PUT, .ban_put = {.guild_id = 8, .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_BAN_PUT, .ban_put = {.guild_id = GUILD, .user_id = 99});
    CHECK(load(f).members == 1, "membership ended");
    ASK(f, NX_E_AUTH, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_OK, .kind = CTL_ASK_BANS_LIST, .bans_list = {.guild_id = GUILD, .limit = 1});
    CHECK(f->answer.list.rows_count == 1, "limit");
    CHECK(nx_bytes_is(((const struct ctl_ban_row *)f->answer.list.rows)->reason, "more spam"), "reason");
    ASK(f, NX_OK, .kind = CTL_ASK_BANS_LIST,
        .bans_list = {.guild_id = GUILD, .after_user_id = BOB, .limit = 100});
    CHECK(f->answer.list.rows_count == 1 &&
              ((const struct ctl_ban_row *)f->answer.list.rows)->user_id == CAROL,
          "page");
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_DELETE, .ban_delete = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_BAN_DELETE, .ban_delete = {.guild_id = GUILD, .user_id = BOB});
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD, .member_add = {.guild_id = GUILD, .user_id = BOB});
}

static void invites_have_every_verdict(struct fixture *f)
{
    make_world(f);
    const struct ctl_invite_row one = {.code = text("one"),
                                       .guild_id = GUILD,
                                       .channel_id = CHANNEL,
                                       .inviter_id = ALICE,
                                       .uses_max = 1,
                                       .uses = 1};
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("x"), .guild_id = 8, .channel_id = CHANNEL});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("x"), .guild_id = GUILD, .channel_id = 9});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE, .invite_create = one);
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_INVITE_CREATE, .invite_create = one);
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {
            .code = text("brief"), .guild_id = GUILD, .channel_id = CHANNEL, .expires_ms = NOW + 1});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_GET, .invite_get.code = text("one"));
    CHECK(f->answer.invite.uses == 0 && f->answer.invite.uses_max == 1 &&
              f->answer.invite.inviter_id == ALICE,
          "fresh");
    CHECK(nx_bytes_is(f->answer.invite.code, "one"), "code");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_GET, .invite_get.code = text("ONE"));
    ASK(f, NX_OK, .kind = CTL_ASK_INVITES_LIST, .invites_list.guild_id = GUILD);
    CHECK(f->answer.list.rows_count == 2 &&
              nx_bytes_is(((const struct ctl_invite_row *)f->answer.list.rows)->code, "brief"),
          "list");
    ASK(f, NX_OK, .kind = CTL_ASK_INVITES_LIST, .now_ms = NOW + 1, .invites_list.channel_id = CHANNEL);
    CHECK(f->answer.list.rows_count == 1, "expired ones are not listed");
    ASK(f, NX_E_EXPIRED, .kind = CTL_ASK_INVITE_GET, .now_ms = NOW + 1, .invite_get.code = text("brief"));
    ASK(f, NX_E_EXPIRED, .kind = CTL_ASK_INVITE_USE, .now_ms = NOW + 1,
        .invite_use = {.code = text("brief"), .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("none"), .user_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("one"), .user_id = 99});
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("one"), .user_id = ALICE});
    CHECK(f->answer.invite.guild_id == GUILD, "who is in already learns where");
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("one"), .user_id = BOB});
    CHECK(f->answer.invite.uses == 1 && f->answer.invite.channel_id == CHANNEL, "used");
    ASK(f, NX_E_CONFLICT, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("one"), .user_id = BOB});
    ASK(f, NX_E_FULL, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("one"), .user_id = CAROL});
    CHECK(load(f).members == 2, "one came in");
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT, .ban_put = {.guild_id = GUILD, .user_id = CAROL});
    ASK(f, NX_E_AUTH, .kind = CTL_ASK_INVITE_USE, .invite_use = {.code = text("brief"), .user_id = CAROL});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_DELETE, .invite_delete.code = text("one"));
    CHECK(f->answer.invite.guild_id == GUILD && nx_bytes_is(f->answer.invite.code, "one"), "which it was");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_INVITE_DELETE, .invite_delete.code = text("one"));
}

static void messages_are_made_edited_and_deleted(struct fixture *f)
{
    make_world(f);
    uint64_t last = 0;
    uint64_t ids[5];
    for (int i = 0; i < 5; i++) {
        ids[i] = say(f, "hello");
        CHECK(ids[i] > last && f->answer.message.seq == (uint64_t)i + 1 && !f->answer.message.is_duplicate,
              "order of id is order of seq");
        CHECK(f->answer.message.row.author_id == ALICE && nx_bytes_is(f->answer.message.row.content, "hello"),
              "row");
        last = ids[i];
    }
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {.channel_id = 9, .author_id = ALICE});
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE, .now_ms = NOW - 60000,
        .message_create = {.channel_id = CHANNEL, .author_id = BOB, .type = 7});
    CHECK(f->answer.message.id > last && f->answer.message.seq == 6, "a clock set back changes no order");
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_EDIT,
        .message_edit = {
            .channel_id = CHANNEL, .message_id = ids[1], .author_id = ALICE, .content = text("better")});
    CHECK(f->answer.message.seq == 2 && f->answer.message.row.edited_ms == NOW, "edited");
    ASK(f, NX_E_AUTH, .kind = CTL_ASK_MESSAGE_EDIT,
        .message_edit = {.channel_id = CHANNEL, .message_id = ids[1], .author_id = BOB});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_EDIT,
        .message_edit = {.channel_id = 9, .message_id = ids[1], .author_id = ALICE});
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_GET, .message_get = {.channel_id = CHANNEL, .message_id = ids[1]});
    CHECK(nx_bytes_is(f->answer.message.row.content, "better") && f->answer.message.row.type == 0,
          "read back");
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = CHANNEL, .message_id = ids[1]});
    CHECK(f->answer.message.seq == 2 && f->answer.message.row.is_deleted, "deleted");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = CHANNEL, .message_id = ids[1]});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = 9, .message_id = ids[0]});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_GET,
        .message_get = {.channel_id = CHANNEL, .message_id = ids[1]});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_MESSAGE_EDIT,
        .message_edit = {.channel_id = CHANNEL, .message_id = ids[1], .author_id = ALICE});
    const struct seen seen = load(f);
    CHECK(seen.last_seq == 6, "the tombstone counts");
}

static void nonces_give_the_first_message(struct fixture *f)
{
    make_world(f);
    struct ctl_question question = {
        .kind = CTL_ASK_MESSAGE_CREATE,
        .now_ms = NOW,
        .message_create = {
            .channel_id = CHANNEL, .author_id = ALICE, .content = text("first"), .nonce = text("n1")}};
    CHECK(ask(f, question) == NX_OK && !f->answer.message.is_duplicate, "first");
    const uint64_t id = f->answer.message.id;
    question.message_create.content = text("second");
    question.now_ms = NOW + STORE_NONCE_MS - 1;
    CHECK(ask(f, question) == NX_OK && f->answer.message.is_duplicate && f->answer.message.id == id &&
              f->answer.message.seq == 1,
          "same");
    CHECK(nx_bytes_is(f->answer.message.row.content, "first") &&
              nx_bytes_is(f->answer.message.row.nonce, "n1"),
          "content of the first");
    question.message_create.author_id = BOB;
    CHECK(ask(f, question) == NX_OK && !f->answer.message.is_duplicate && f->answer.message.seq == 2,
          "another author's");
    question.message_create.author_id = ALICE;
    question.message_create.nonce = text("n2");
    CHECK(ask(f, question) == NX_OK && f->answer.message.seq == 3, "another nonce");
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = CHANNEL, .message_id = id});
    question.message_create.nonce = text("n1");
    CHECK(ask(f, question) == NX_OK && f->answer.message.is_duplicate && f->answer.message.row.is_deleted,
          "deleted is not said again");
    question.now_ms = NOW + STORE_NONCE_MS;
    CHECK(ask(f, question) == NX_OK && !f->answer.message.is_duplicate && f->answer.message.seq == 4,
          "after a day it is new");
    CHECK(ask(f, question) == NX_OK && f->answer.message.is_duplicate && f->answer.message.seq == 4,
          "and known again");
}

static void check_page(struct fixture *f, int page, uint64_t anchor, uint32_t limit, const char *expected)
{
    struct ctl_question question = {
        .kind = CTL_ASK_MESSAGES_LIST,
        .now_ms = NOW,
        .messages_list = {.channel_id = CHANNEL, .anchor = anchor, .limit = limit}};
    question.messages_list.page = (unsigned)page;
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
    CHECK(ask(f, question) == NX_OK, "page");
    char found[512] = "";
    size_t used = 0;
    const struct ctl_message_row *rows = f->answer.list.rows;
    for (uint32_t i = 0; i < f->answer.list.rows_count && used < sizeof found - 8; i++) {
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%lu%s", i == 0 ? "" : " ",
                                 (unsigned long)rows[i].seq, rows[i].is_deleted ? "x" : "");
    }
    CHECK(strcmp(found, expected) == 0, "page %d anchor %lu limit %u: %s instead of %s", page,
          (unsigned long)anchor, limit, found, expected);
}

static void history_has_pages(struct fixture *f)
{
    make_world(f);
    uint64_t ids[13] = {0};
    check_page(f, CTL_PAGE_LATEST, 0, 5, "");
    check_page(f, CTL_PAGE_AROUND, 77, 5, "");
    for (int i = 1; i <= 12; i++) {
        ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE, .now_ms = NOW + i * 10,
            .message_create = {.channel_id = CHANNEL, .author_id = ALICE, .content = text("m")});
        ids[i] = f->answer.message.id;
        make_user(f, (uint64_t)(100 + i), (char[]){'u', (char)('a' + i), 0});
    }
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = CHANNEL, .message_id = ids[5]});
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_DELETE,
        .message_delete = {.channel_id = CHANNEL, .message_id = ids[12]});
    check_page(f, CTL_PAGE_LATEST, 0, 3, "11 10 9");
    check_page(f, CTL_PAGE_LATEST, 0, 100, "11 10 9 8 7 6 4 3 2 1");
    check_page(f, CTL_PAGE_LATEST, 0, 4000, "11 10 9 8 7 6 4 3 2 1");
    check_page(f, CTL_PAGE_LATEST, 0, 0, "11");
    check_page(f, CTL_PAGE_BEFORE, ids[7], 3, "6 4 3");
    check_page(f, CTL_PAGE_BEFORE, ids[5], 2, "4 3");
    check_page(f, CTL_PAGE_BEFORE, ids[5] + 1, 2, "4 3");
    check_page(f, CTL_PAGE_BEFORE, ids[1], 2, "");
    check_page(f, CTL_PAGE_BEFORE, 0, 2, "");
    check_page(f, CTL_PAGE_BEFORE, UINT64_MAX, 2, "11 10");
    check_page(f, CTL_PAGE_AFTER, ids[4], 3, "8 7 6");
    check_page(f, CTL_PAGE_AFTER, ids[4] - 1, 3, "7 6 4");
    check_page(f, CTL_PAGE_AFTER, 0, 2, "2 1");
    check_page(f, CTL_PAGE_AFTER, ids[11], 2, "");
    check_page(f, CTL_PAGE_AFTER, UINT64_MAX, 2, "");
    check_page(f, CTL_PAGE_AROUND, ids[7], 5, "9 8 7 6 4");
    check_page(f, CTL_PAGE_AROUND, ids[7], 4, "9 8 7 6");
    check_page(f, CTL_PAGE_AROUND, ids[7], 1, "7");
    check_page(f, CTL_PAGE_AROUND, ids[5], 5, "7 6 4 3 2");
    check_page(f, CTL_PAGE_AROUND, ids[7] + 1, 4, "9 8 7 6");
    check_page(f, CTL_PAGE_AFTER_SEQ, 3, 4, "4 5x 6 7");
    check_page(f, CTL_PAGE_AFTER_SEQ, 10, 100, "11 12x");
    check_page(f, CTL_PAGE_AFTER_SEQ, 12, 100, "");
    check_page(f, CTL_PAGE_AFTER_SEQ, UINT64_MAX, 100, "");
    check_page(f, CTL_PAGE_AFTER_SEQ, 0, 2, "1 2");
}

static void read_states_never_go_back(struct fixture *f)
{
    make_world(f);
    const uint64_t first = say(f, "1");
    const uint64_t second = say(f, "2");
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = CHANNEL, .message_id = second});
    CHECK(f->answer.read_state.last_message_id == second, "forward");
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = CHANNEL, .message_id = first});
    CHECK(f->answer.read_state.last_message_id == second, "not back");
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = CHANNEL, .message_id = UINT64_MAX / 4});
    CHECK(f->answer.read_state.last_message_id == second, "not beyond the last message");
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = 9, .message_id = 1});
    ASK(f, NX_E_NOT_FOUND, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = 99, .channel_id = CHANNEL, .message_id = 1});
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATES_LIST, .read_states_list.user_id = BOB);
    const struct ctl_read_state_row *rows = f->answer.list.rows;
    CHECK(f->answer.list.rows_count == 1 && rows->channel_id == CHANNEL && rows->last_message_id == second,
          "list");
}

static void an_answer_that_does_not_fit_changes_nothing(struct fixture *f)
{
    make_world(f);
    const uint64_t id = say(f, "a text of some size that the arena cannot take");
    uint8_t little[8];
    struct nx_arena arena;
    nx_arena_init(&arena, little, sizeof little);
    struct store_request request = {
        .arena = &arena,
        .question = {.kind = CTL_ASK_MESSAGE_GET, .message_get = {.channel_id = CHANNEL, .message_id = id}}};
    CHECK(store_ask_now(f->store, &request) == NX_E_NO_MEMORY && arena.used == 0, "read");
    request.question = (struct ctl_question){
        .kind = CTL_ASK_USER_UPDATE,
        .user_update = {.user = {.id = ALICE, .email = text("0123456789")}, .fields = CTL_USER_FIELD_EMAIL}};
    CHECK(store_ask_now(f->store, &request) == NX_E_NO_MEMORY && arena.used == 0, "write");
    ASK(f, NX_OK, .kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE);
    CHECK(f->answer.user.email.size == 0, "unchanged");
}

/* ---- many at once ---- */

/* Hostile input 47: the same message from fifty connections at once. */
static void one_nonce_from_many_is_one_message(struct fixture *f)
{
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    make_world(f);
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question = (struct ctl_question){
            .kind = CTL_ASK_MESSAGE_CREATE,
            .now_ms = NOW + i,
            .message_create = {
                .channel_id = CHANNEL, .author_id = ALICE, .content = text("once"), .nonce = text("same")}};
    }
    ask_crowd(f, &crowd);
    uint32_t duplicates = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        CHECK(crowd.requests[i].answer.verdict == NX_OK && crowd.requests[i].answer.message.seq == 1, "seq");
        CHECK(crowd.requests[i].answer.message.id == crowd.requests[0].answer.message.id, "id");
        duplicates += crowd.requests[i].answer.message.is_duplicate;
    }
    CHECK(duplicates == ASKERS - 1, "%u duplicates", duplicates);
    CHECK(load(f).last_seq == 1, "one message");
}

/* Hostile input 91: fifty uses of an invite for one. */
static void one_invite_has_one_winner(struct fixture *f)
{
    static struct crowd crowd;
    static char names[ASKERS][8];
    memset(&crowd, 0, sizeof crowd);
    make_world(f);
    for (uint32_t i = 0; i < ASKERS; i++) {
        snprintf(names[i], sizeof names[i], "u%u", i);
        make_user(f, 100 + i, names[i]);
        crowd.requests[i].question =
            (struct ctl_question){.kind = CTL_ASK_INVITE_USE,
                                  .now_ms = NOW + i,
                                  .invite_use = {.code = text("once"), .user_id = 100 + i}};
    }
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("once"), .guild_id = GUILD, .channel_id = CHANNEL, .uses_max = 1});
    ask_crowd(f, &crowd);
    CHECK(count_verdicts(&crowd, NX_OK) == 1 && count_verdicts(&crowd, NX_E_FULL) == ASKERS - 1,
          "one winner");
    CHECK(load(f).members == 2, "one more member");
}

/* Hostile input 90: fifty refreshes with one token at once, then once more after the grace. */
static void one_refresh_token_rotates_in_order(struct fixture *f)
{
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    make_world(f);
    make_login(f, 501, ALICE, 1);
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question =
            (struct ctl_question){.kind = CTL_ASK_LOGIN_ROTATE,
                                  .now_ms = NOW + i,
                                  .login_rotate = {.expires_ms = NOW + 1000000, .grace_ms = 0}};
        fill_hash(crowd.requests[i].question.login_rotate.old_hash, 1);
        fill_hash(crowd.requests[i].question.login_rotate.new_hash, (uint8_t)(100 + i));
    }
    ask_crowd(f, &crowd);
    CHECK(count_verdicts(&crowd, NX_OK) == 1 && count_verdicts(&crowd, NX_E_AUTH) == ASKERS - 1, "one wins");
    CHECK(logins_of(f, ALICE) == 0, "and the family has ended: somebody had a copy");
}

/** Writing questions are answered in the order asked, and what each creates carries that order. */
static void answers_come_in_the_order_asked(struct fixture *f)
{
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    make_world(f);
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question = (struct ctl_question){
            .kind = CTL_ASK_MESSAGE_CREATE,
            .now_ms = i,
            .message_create = {.channel_id = CHANNEL, .author_id = ALICE, .content = text("x")}};
    }
    /* A refusal in the middle of a batch takes back nothing but itself. */
    crowd.requests[20].question.kind = CTL_ASK_GUILD_CREATE;
    crowd.requests[20].question.guild_create.guild = (struct ctl_guild_row){.id = 77, .owner_id = BOB};
    crowd.requests[20].question.guild_create.everyone = (struct ctl_role_row){.id = 0};
    crowd.requests[20].question.guild_create.channel = (struct ctl_channel_row){.id = CHANNEL};
    ask_crowd(f, &crowd);
    CHECK(crowd.requests[20].answer.verdict == NX_E_CONFLICT, "refused");
    uint64_t seq = 0;
    uint64_t id = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        CHECK(f->loop == NULL || crowd_order[i] == i, "order");
        if (i != 20) {
            CHECK(crowd.requests[i].answer.verdict == NX_OK && crowd.requests[i].answer.message.seq == ++seq,
                  "seq %u", i);
            CHECK(crowd.requests[i].answer.message.id > id, "id");
            id = crowd.requests[i].answer.message.id;
        }
    }
    const struct seen seen = load(f);
    CHECK(seen.guilds == 1 && seen.last_seq == ASKERS - 1, "nothing of the refused guild");
}

/** Reading questions among writing ones see a whole state, never more than was asked. */
static void readers_see_whole_states(struct fixture *f)
{
    static struct crowd crowd;
    static uint8_t memory[ASKERS][16384];
    static struct nx_arena arenas[ASKERS];
    memset(&crowd, 0, sizeof crowd);
    make_world(f);
    for (uint32_t i = 0; i < ASKERS; i++) {
        struct ctl_question *question = &crowd.requests[i].question;
        question->now_ms = NOW;
        nx_arena_init(&arenas[i], memory[i], sizeof memory[i]);
        crowd.requests[i].arena = &arenas[i];
        if (i % 2 == 0) {
            question->kind = CTL_ASK_MESSAGE_CREATE;
            question->message_create.channel_id = CHANNEL;
            question->message_create.author_id = ALICE;
        } else {
            question->kind = CTL_ASK_MESSAGES_LIST;
            question->messages_list.channel_id = CHANNEL;
            question->messages_list.page = CTL_PAGE_AFTER_SEQ;
            question->messages_list.limit = 100;
        }
    }
    ask_crowd(f, &crowd);
    for (uint32_t i = 1; i < ASKERS; i += 2) {
        const struct ctl_message_row *rows = crowd.requests[i].answer.list.rows;
        CHECK(crowd.requests[i].answer.verdict == NX_OK, "read");
        for (uint32_t k = 0; k < crowd.requests[i].answer.list.rows_count; k++) {
            CHECK(rows[k].seq == k + 1, "gap");
        }
    }
}

/* ---- the table: every behaviour on every store ---- */

typedef void (*behaviour)(struct fixture *f);

static void on_memory(behaviour run, bool with_loop)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    f.loop = with_loop ? fake_loop_open() : NULL;
    snprintf(f.url, sizeof f.url, "memory:");
    open_store(&f);
    run(&f);
    store_close(f.store);
    if (with_loop) {
        fake_loop_close(f.loop);
    }
}

static void on_sqlite(behaviour run, bool with_loop)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    f.loop = with_loop ? fake_loop_open() : NULL;
    open_store(&f);
    run(&f);
    store_close(f.store);
    if (with_loop) {
        fake_loop_close(f.loop);
    }
    remove_folder(&f);
}

static void on_postgres(behaviour run, bool with_loop)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_database(&f);
    f.loop = with_loop ? fake_loop_open() : NULL;
    open_store(&f);
    run(&f);
    store_close(f.store);
    if (with_loop) {
        fake_loop_close(f.loop);
    }
    drop_database(&f);
}

#define ON_EVERY_STORE(run)                                                                                  \
    TEST(memory, run)                                                                                        \
    {                                                                                                        \
        on_memory(run, false);                                                                               \
        on_memory(run, true);                                                                                \
    }                                                                                                        \
    TEST(sqlite, run)                                                                                        \
    {                                                                                                        \
        on_sqlite(run, false);                                                                               \
        on_sqlite(run, true);                                                                                \
    }                                                                                                        \
    TEST(postgres, run)                                                                                      \
    {                                                                                                        \
        on_postgres(run, false);                                                                             \
        on_postgres(run, true);                                                                              \
    }

ON_EVERY_STORE(users_are_kept)
ON_EVERY_STORE(logins_rotate_and_reuse_ends_the_family)
ON_EVERY_STORE(old_tokens_are_forgotten_at_the_limit)
ON_EVERY_STORE(logins_are_listed_and_revoked)
ON_EVERY_STORE(logins_do_not_pile_up)
ON_EVERY_STORE(user_create_is_whole_or_nothing)
ON_EVERY_STORE(guilds_have_roles_channels_and_overwrites)
ON_EVERY_STORE(channels_keep_their_messages_when_changed)
ON_EVERY_STORE(positions_move_all_or_none)
ON_EVERY_STORE(a_channel_comes_with_its_overwrites)
ON_EVERY_STORE(guild_delete_takes_everything)
ON_EVERY_STORE(members_join_change_and_leave)
ON_EVERY_STORE(bans_remove_and_keep_out)
ON_EVERY_STORE(invites_have_every_verdict)
ON_EVERY_STORE(messages_are_made_edited_and_deleted)
ON_EVERY_STORE(nonces_give_the_first_message)
ON_EVERY_STORE(history_has_pages)
ON_EVERY_STORE(read_states_never_go_back)
ON_EVERY_STORE(an_answer_that_does_not_fit_changes_nothing)
ON_EVERY_STORE(one_nonce_from_many_is_one_message)
ON_EVERY_STORE(one_invite_has_one_winner)
ON_EVERY_STORE(one_refresh_token_rotates_in_order)
ON_EVERY_STORE(answers_come_in_the_order_asked)
ON_EVERY_STORE(readers_see_whole_states)

/* ---- only in RAM ---- */

TEST(memory, lost_and_ambiguous_commits_are_healed_by_the_nonce)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    snprintf(f.url, sizeof f.url, "memory:");
    open_store(&f);
    make_world(&f);
    const struct ctl_question question = {
        .kind = CTL_ASK_MESSAGE_CREATE,
        .now_ms = NOW,
        .message_create = {
            .channel_id = CHANNEL, .author_id = ALICE, .content = text("x"), .nonce = text("n")}};
    store_memory_fail(f.store, STORE_MEMORY_FAULT_LOST, 1);
    CHECK(ask(&f, question) == NX_E_UNAVAILABLE && load(&f).last_seq == 0, "lost");
    store_memory_fail(f.store, STORE_MEMORY_FAULT_AMBIGUOUS, 1);
    CHECK(ask(&f, question) == NX_E_UNAVAILABLE && load(&f).last_seq == 1, "ambiguous");
    CHECK(ask(&f, question) == NX_OK && f.answer.message.is_duplicate && f.answer.message.seq == 1, "healed");
    CHECK(store_stats(f.store).failures == 2, "counted");
    store_close(f.store);
}

static uint64_t run_seed(uint64_t seed)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    f.loop = fake_loop_open();
    char why[STORE_WHY_SIZE];
    CHECK(store_open(&f.store,
                     &(struct store_config){.url = "memory:", .loop = f.loop, .node = 1, .seed = seed},
                     why) == NX_OK,
          "open");
    uint64_t trace = 0;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < ASKERS; i++) {
            crowd.requests[i].question = (struct ctl_question){
                .kind = CTL_ASK_USER_CREATE,
                .now_ms = NOW,
                .user_create.user = {.name_key = nx_bytes_of(&crowd.requests[i].question.now_ms, 1)}};
            crowd.requests[i].question.user_create.user.name_key = nx_bytes_of(&round, sizeof round);
        }
        ask_crowd(&f, &crowd);
        trace = trace * 31 + count_verdicts(&crowd, NX_E_UNAVAILABLE) + (uint64_t)f.loop->now_ms;
    }
    trace = trace * 31 + store_stats(f.store).failures;
    store_close(f.store);
    fake_loop_close(f.loop);
    return trace;
}

TEST(memory, the_same_seed_gives_the_same_faults)
{
    CHECK(run_seed(7) == run_seed(7), "same");
    CHECK(run_seed(7) != run_seed(8), "other");
}

TEST(store, too_many_questions_are_refused)
{
    static struct fixture f;
    static struct store_request requests[STORE_QUESTIONS_MAX + 1];
    memset(&f, 0, sizeof f);
    f.loop = fake_loop_open();
    snprintf(f.url, sizeof f.url, "memory:");
    open_store(&f);
    crowd_left = 0;
    for (uint32_t i = 0; i < STORE_QUESTIONS_MAX; i++) {
        requests[i] = (struct store_request){.question.kind = CTL_ASK_STATS, .answered = crowd_done};
        CHECK(store_ask(f.store, &requests[i]) == NX_OK, "room");
    }
    requests[STORE_QUESTIONS_MAX] =
        (struct store_request){.question.kind = CTL_ASK_STATS, .answered = crowd_done};
    CHECK(store_ask(f.store, &requests[STORE_QUESTIONS_MAX]) == NX_E_FULL, "full");
    CHECK(store_stats(f.store).waiting == STORE_QUESTIONS_MAX, "waiting");
    while (store_stats(f.store).waiting > 0) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    store_close(f.store);
    fake_loop_close(f.loop);
}
