#include "control/node/seed.h"

#include "control/core/apply.h"
#include "engine/base/assert.h"
#include "engine/crypto/random.h"
#include "engine/crypto/token.h"
#include "engine/perm/preset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEED_WINDOW = 512,
    SEED_USERS_MAX = 1000000,
    SEED_OUTPUT_PENDING_MAX = 4 << 20, /* bytes of output that may wait for the tool */
    TOKEN_VALID_S = 24 * 3600
};

/* First all guild owners and users, then the guilds, then the other members, then the lines. */
enum phase { USERS, GUILDS, MEMBERS, LINES };

struct guild {
    uint64_t guild_id;
    uint64_t channel_id;
};

struct item {
    struct store_request store;
    struct ctld_admin *admin;
    char name[32];
    char key[32];
    uint32_t index;
};

struct ctld_seed {
    uint32_t users_count, guilds_count;
    uint64_t *users; /* ids */
    struct guild *guilds;
    enum phase phase;
    uint32_t next;    /* index of the next question of this phase */
    uint32_t pending; /* questions in flight */
    enum nx_err failure;
    char tag[8]; /* makes the names of this run its own */
    bool is_stopped;
};

static void seed_free(struct ctld_admin *admin)
{
    struct ctld_seed *seed = admin->seed;
    admin->seed = NULL;
    free(seed->users);
    free(seed->guilds);
    free(seed);
}

static uint32_t phase_count(const struct ctld_seed *seed)
{
    return seed->phase == GUILDS ? seed->guilds_count : seed->users_count;
}

/* ---- answers ---- */

static void applied(struct ctld_seed *seed, enum nx_err err)
{
    if (err != NX_OK && seed->failure == NX_OK) {
        seed->failure = err;
    }
}

static void on_answered(struct store_request *store)
{
    struct item *item = NX_LIST_ITEM(store, struct item, store);
    struct ctld_admin *admin = item->admin;
    struct ctld_seed *seed = admin->seed;
    struct ctl_world *world = &admin->node->world;
    struct ctl_question *question = &store->question;
    admin->node->busy_count--;
    seed->pending--;
    if (store->answer.verdict != NX_OK) {
        applied(seed, store->answer.verdict);
    } else if (question->kind == CTL_ASK_USER_CREATE) {
        question->user_create.user.id = store->answer.user.id;
        seed->users[item->index] = store->answer.user.id;
        applied(seed, ctl_apply_user(world, &question->user_create.user));
    } else if (question->kind == CTL_ASK_GUILD_CREATE) {
        applied(seed, ctl_apply_guild_created(
                          world, &question->guild_create.guild, &question->guild_create.everyone,
                          &question->guild_create.channel, question->guild_create.joined_ms));
    } else {
        applied(seed, ctl_apply_member_added(world, &question->member_add));
    }
    free(item);
    ctld_seed_go_on(admin);
}

/* ---- questions ---- */

static void user_fill(struct ctld_seed *seed, struct item *item, int64_t wall_ms, uint64_t id)
{
    struct ctl_user_row *user = &item->store.question.user_create.user;
    item->store.question.kind = CTL_ASK_USER_CREATE;
    snprintf(item->name, sizeof(item->name), "load-%s-%u", seed->tag, item->index);
    memcpy(item->key, item->name, sizeof(item->key));
    user->id = id;
    user->username = nx_bytes_text(item->name);
    user->name_key = nx_bytes_text(item->key);
    user->password_hash = nx_bytes_text("!");
    user->flags = CTL_USER_LOAD_TEST;
    user->created_ms = wall_ms;
}

static void guild_fill(struct ctld_admin *admin, struct item *item, int64_t wall_ms)
{
    struct ctld_seed *seed = admin->seed;
    struct ctl_question *question = &item->store.question;
    struct guild *guild = &seed->guilds[item->index];
    guild->guild_id = ctl_world_id(&admin->node->world, wall_ms);
    guild->channel_id = ctl_world_id(&admin->node->world, wall_ms);
    question->kind = CTL_ASK_GUILD_CREATE;
    snprintf(item->name, sizeof(item->name), "Load %s %u", seed->tag, item->index);
    question->guild_create.guild = (struct ctl_guild_row){
        .id = guild->guild_id, .owner_id = seed->users[item->index], .name = nx_bytes_text(item->name)};
    question->guild_create.everyone = (struct ctl_role_row){.id = guild->guild_id,
                                                            .guild_id = guild->guild_id,
                                                            .name = nx_bytes_text("@everyone"),
                                                            .permissions = PERM_PRESET_EVERYONE};
    question->guild_create.channel = (struct ctl_channel_row){
        .id = guild->channel_id, .guild_id = guild->guild_id, .name = nx_bytes_text("general")};
    question->guild_create.joined_ms = wall_ms;
}

static bool question_send(struct ctld_admin *admin, uint32_t index)
{
    struct ctld_seed *seed = admin->seed;
    const int64_t wall_ms = nx_loop_wall_ms(admin->node->loop);
    struct item *item = calloc(1, sizeof(*item));
    if (item == NULL) {
        seed->failure = NX_E_NO_MEMORY;
        return false;
    }
    item->admin = admin;
    item->index = index;
    item->store.answered = on_answered;
    item->store.question.now_ms = wall_ms;
    if (seed->phase == USERS) {
        user_fill(seed, item, wall_ms, ctl_world_id(&admin->node->world, wall_ms));
    } else if (seed->phase == GUILDS) {
        guild_fill(admin, item, wall_ms);
    } else {
        NX_ASSERT(seed->guilds_count != 0); /* checked when the command began */
        item->store.question.kind = CTL_ASK_MEMBER_ADD;
        item->store.question.member_add =
            (struct ctl_member_row){.guild_id = seed->guilds[index % seed->guilds_count].guild_id,
                                    .user_id = seed->users[index],
                                    .joined_ms = wall_ms};
    }
    if (store_ask(admin->node->store, &item->store) != NX_OK) {
        free(item);
        return false; /* the next answer tries again */
    }
    admin->node->busy_count++;
    seed->pending++;
    return true;
}

/* ---- lines ---- */

static void line_print(struct ctld_admin *admin, uint32_t index)
{
    struct ctld_seed *seed = admin->seed;
    const struct guild *guild = &seed->guilds[index % seed->guilds_count];
    const uint64_t now_s = (uint64_t)nx_loop_wall_ms(admin->node->loop) / 1000;
    const struct nx_token_claims claims = {
        .user_id = seed->users[index],
        .token_id = seed->users[index],
        .issued_s = now_s,
        .expires_s = now_s + TOKEN_VALID_S,
        .kind = NX_TOKEN_LOAD,
    };
    char token[NX_TOKEN_MINTED_MAX + 1];
    struct nx_writer w = nx_writer_init(token, sizeof(token) - 1);
    if (nx_token_sign(&admin->node->ring, &claims, &w) != NX_OK) {
        seed->failure = NX_E_AUTH;
        return;
    }
    token[w.size] = '\0';
    ctld_admin_print(
        admin,
        "{\"user_id\":\"%llu\",\"username\":\"load-%s-%u\",\"token\":\"%s\",\"guild_id\":\"%llu\","
        "\"channel_id\":\"%llu\"}\n",
        (unsigned long long)seed->users[index], seed->tag, index, token, (unsigned long long)guild->guild_id,
        (unsigned long long)guild->channel_id);
}

/* ---- progress ---- */

static enum ctld_admin_next finish(struct ctld_admin *admin)
{
    struct ctld_seed *seed = admin->seed;
    const enum nx_err failure = seed->failure;
    seed_free(admin);
    if (admin->conn == NULL) {
        ctld_admin_free(admin);
        return CTLD_ADMIN_ENDED;
    }
    return failure == NX_OK ? ctld_admin_end(admin, 0, "")
                            : ctld_admin_fail(admin, "seeding failed", failure);
}

static bool output_full(const struct ctld_admin *admin)
{
    return admin->conn == NULL || nx_link_pending(&admin->conn->link) > SEED_OUTPUT_PENDING_MAX;
}

static void lines_run(struct ctld_admin *admin)
{
    struct ctld_seed *seed = admin->seed;
    while (seed->next < seed->users_count && seed->failure == NX_OK) {
        if (output_full(admin)) {
            admin->conn->link.wants_room = true;
            return;
        }
        line_print(admin, seed->next++);
    }
    (void)finish(admin);
}

void ctld_seed_go_on(struct ctld_admin *admin)
{
    struct ctld_seed *seed = admin->seed;
    const bool is_over = seed->failure != NX_OK || seed->is_stopped;
    if (is_over) {
        if (seed->pending == 0) {
            (void)finish(admin);
        }
        return;
    }
    if (seed->phase == LINES) {
        lines_run(admin);
        return;
    }
    while (seed->pending < SEED_WINDOW && seed->next < phase_count(seed)) {
        /* The first users own the guilds and are members of them already. */
        if (seed->phase == MEMBERS && seed->next < seed->guilds_count) {
            seed->next = seed->guilds_count;
            continue;
        }
        if (!question_send(admin, seed->next)) {
            break;
        }
        seed->next++;
    }
    if (seed->pending == 0 && seed->next >= phase_count(seed)) {
        seed->phase++;
        seed->next = 0;
        ctld_seed_go_on(admin);
    } else if (seed->pending == 0 && seed->failure == NX_OK) {
        seed->failure = NX_E_UNAVAILABLE;
        (void)finish(admin);
    }
}

static uint32_t number(const struct ctld_admin *admin, const char *name)
{
    for (uint32_t i = 1; i + 1 < admin->arguments_count; i++) {
        if (strcmp(admin->arguments[i], name) == 0) {
            const unsigned long value = strtoul(admin->arguments[i + 1], NULL, 10);
            return value <= SEED_USERS_MAX ? (uint32_t)value : 0;
        }
    }
    return 0;
}

enum ctld_admin_next ctld_seed_run(struct ctld_admin *admin)
{
    const uint32_t users = number(admin, "--users");
    const uint32_t guilds = number(admin, "--guilds");
    if (users == 0 || guilds == 0 || guilds > users) {
        return ctld_admin_end(admin, 64, "seed needs --users N and --guilds G with 1 <= G <= N <= 1000000\n");
    }
    struct ctld_seed *seed = calloc(1, sizeof(*seed));
    uint32_t random = 0;
    if (seed == NULL || nx_random_fill(&random, sizeof(random)) != NX_OK) {
        free(seed);
        return ctld_admin_end(admin, 1, "out of memory\n");
    }
    admin->seed = seed;
    seed->users_count = users;
    seed->guilds_count = guilds;
    seed->users = calloc(users, sizeof(*seed->users));
    seed->guilds = calloc(guilds, sizeof(*seed->guilds));
    snprintf(seed->tag, sizeof(seed->tag), "%06x", random & 0xffffff);
    if (seed->users == NULL || seed->guilds == NULL) {
        seed->failure = NX_E_NO_MEMORY;
    }
    ctld_seed_go_on(admin);
    return CTLD_ADMIN_WAIT;
}

void ctld_seed_stop(struct ctld_admin *admin)
{
    admin->seed->is_stopped = true;
    ctld_seed_go_on(admin);
}
