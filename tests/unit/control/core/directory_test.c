/* directory_test.c - the model of truth: random changes against rights resolved from scratch; memory that runs out; size.
 *
 * Layer:   tests
 */
#include "control/core/directory.h"

#include "control/core/guild.h"
#include "engine/base/prng.h"
#include "tests/lib/check.h"
#include "tests/unit/control/core/memory_for_tests.h"

enum { GUILD = 100, USERS = 24, ROLES = 8, CHANNELS = 6 };

static void must(enum nx_err err)
{
    CHECK(err == NX_OK, "%s", nx_err_text(err));
}

static enum nx_err populate(struct ctl_directory *d)
{
    enum nx_err err = NX_OK;
    for (uint64_t u = 1; u <= USERS && err == NX_OK; u++) {
        err = ctl_directory_load_user(d,
                                      &(struct ctl_user_row){.id = u, .username = nx_bytes_text("somebody")});
    }
    if (err == NX_OK) {
        err = ctl_directory_load_guild(
            d, &(struct ctl_guild_row){.id = GUILD, .owner_id = 1, .name = nx_bytes_text("g")});
    }
    if (err == NX_OK) {
        err = ctl_directory_load_role(d, &(struct ctl_role_row){.id = GUILD,
                                                                .guild_id = GUILD,
                                                                .name = nx_bytes_text("@everyone"),
                                                                .permissions = PERM_VIEW_CHANNEL});
    }
    for (uint64_t c = 0; c < CHANNELS && err == NX_OK; c++) {
        err = ctl_directory_load_channel(
            d, &(struct ctl_channel_row){
                   .id = 500 + c, .guild_id = GUILD, .name = nx_bytes_text("c"), .last_seq = 7});
    }
    return err;
}

/* Every bitmap that claims to be up to date says what resolving from scratch says. */
static void check_views(struct ctl_directory *d, struct ctl_guild *guild)
{
    uint32_t holders = 0;
    for (uint32_t m = 0; m < guild->members.count; m++) {
        const struct ctl_member *member = guild->members.entries[m].item;
        for (uint32_t c = 0; c < guild->channels_count; c++) {
            struct ctl_channel *channel = guild->channels[c];
            const bool want = (ctl_guild_permissions(member, channel, 0) & PERM_VIEW_CHANNEL) != 0;
            CHECK(ctl_guild_may_view(member, channel) == want, "user %lu channel %lu: fresh %d want %d",
                  (unsigned long)member->user->id, (unsigned long)channel->id, channel->view_is_fresh, want);
        }
    }
    for (uint32_t id = 0; guild->rolesets_memory != NULL && id < guild->rolesets.high; id++) {
        const struct perm_roleset_entry *entry = perm_roleset_get(&guild->rolesets, id);
        holders += entry == NULL ? 0 : entry->holders;
    }
    CHECK(holders == guild->members.count, "%u holders of %u members", holders, guild->members.count);
    (void)d;
}

static void random_member(struct ctl_directory *d, struct nx_prng *prng, struct ctl_guild *guild)
{
    const uint64_t user = 1 + nx_prng_below(prng, USERS);
    struct ctl_member *member = ctl_guild_member(guild, user);
    if (member != NULL && nx_prng_below(prng, 4) == 0) {
        ctl_directory_drop_member(d, member);
        return;
    }
    uint64_t roles[ROLES];
    uint32_t count = 0;
    for (uint64_t r = 1; r <= ROLES; r++) {
        if (nx_prng_below(prng, 3) == 0) {
            roles[count++] = GUILD + r;
        }
    }
    must(ctl_directory_load_member(
        d,
        &(struct ctl_member_row){.guild_id = GUILD, .user_id = user, .roles = roles, .roles_count = count}));
}

static void random_change(struct ctl_directory *d, struct nx_prng *prng)
{
    struct ctl_guild *guild = ctl_directory_guild(d, GUILD);
    const uint64_t role = GUILD + nx_prng_below(prng, ROLES + 1);
    struct ctl_channel *channel = ctl_directory_channel(d, 500 + nx_prng_below(prng, CHANNELS));
    const uint64_t bits = nx_prng_below(prng, 2) * PERM_VIEW_CHANNEL;
    switch (nx_prng_below(prng, 8)) {
    case 0:
        must(ctl_directory_load_role(
            d, &(struct ctl_role_row){.id = role, .guild_id = GUILD, .permissions = bits, .position = 1}));
        break;
    case 1:
        if (role != GUILD && ctl_guild_role_index(guild, role) >= 0) {
            must(ctl_directory_drop_role(d, guild, role));
        }
        break;
    case 2: {
        const bool is_member = nx_prng_below(prng, 2) != 0;
        const uint64_t target = is_member ? 1 + nx_prng_below(prng, USERS) : role;
        must(ctl_directory_load_overwrite(d, &(struct ctl_overwrite_row){.channel_id = channel->id,
                                                                         .target_id = target,
                                                                         .type = is_member,
                                                                         .allow = bits,
                                                                         .deny = PERM_VIEW_CHANNEL & ~bits}));
        break;
    }
    case 3:
        if (channel->overwrites_count != 0) {
            must(ctl_directory_drop_overwrite(
                d, channel, channel->overwrites[nx_prng_below(prng, channel->overwrites_count)].target_id));
        }
        break;
    case 4:
        CHECK(ctl_guild_view_refresh(&d->memory, channel), "memory");
        break;
    case 5:
        must(ctl_directory_load_guild(
            d, &(struct ctl_guild_row){.id = GUILD, .owner_id = 1 + nx_prng_below(prng, 3)}));
        break;
    default:
        random_member(d, prng, guild);
        break;
    }
}

TEST(directory, bitmaps_agree_with_rights_resolved_from_scratch)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct counted counted = {.fail_after = -1};
        struct ctl_directory d;
        struct nx_prng prng;
        nx_prng_init(&prng, seed);
        ctl_directory_init(&d, counted_memory(&counted), seed);
        must(populate(&d));
        for (int i = 0; i < 300; i++) {
            random_change(&d, &prng);
            check_views(&d, ctl_directory_guild(&d, GUILD));
        }
        ctl_directory_fini(&d);
        CHECK(counted.out == 0, "%zu bytes lost", counted.out);
    }
}

TEST(directory, running_out_of_memory_anywhere_loses_nothing)
{
    enum nx_err err = NX_E_NO_MEMORY;
    for (long n = 0; err != NX_OK; n++) {
        struct counted counted = {.fail_after = n};
        struct ctl_directory d;
        ctl_directory_init(&d, counted_memory(&counted), 1);
        err = populate(&d);
        for (uint64_t u = 1; u <= USERS && err == NX_OK; u++) {
            const uint64_t role = GUILD;
            err = ctl_directory_load_member(
                &d,
                &(struct ctl_member_row){.guild_id = GUILD, .user_id = u, .roles = &role, .roles_count = 1});
        }
        if (err == NX_OK) {
            err = ctl_directory_load_overwrite(
                &d, &(struct ctl_overwrite_row){
                        .channel_id = 500, .target_id = 3, .type = 1, .deny = PERM_VIEW_CHANNEL});
        }
        CHECK(err == NX_OK || err == NX_E_NO_MEMORY, "%s", nx_err_text(err));
        ctl_directory_fini(&d);
        CHECK(counted.out == 0, "%zu bytes lost after %ld", counted.out, n);
        CHECK(n < 1000, "never enough");
    }
}

TEST(directory, rows_without_their_place_are_refused_and_reloading_keeps_the_sequence)
{
    struct counted counted = {.fail_after = -1};
    struct ctl_directory d;
    ctl_directory_init(&d, counted_memory(&counted), 1);
    must(populate(&d));
    CHECK(ctl_directory_load_channel(&d, &(struct ctl_channel_row){.id = 9, .guild_id = 9}) == NX_E_NOT_FOUND,
          "channel");
    CHECK(ctl_directory_load_role(&d, &(struct ctl_role_row){.id = 9, .guild_id = 9}) == NX_E_NOT_FOUND,
          "role");
    CHECK(ctl_directory_load_member(&d, &(struct ctl_member_row){.guild_id = GUILD, .user_id = 999}) ==
              NX_E_NOT_FOUND,
          "user");
    CHECK(ctl_directory_load_overwrite(&d, &(struct ctl_overwrite_row){.channel_id = 9}) == NX_E_NOT_FOUND,
          "overwrite");
    must(ctl_directory_load_channel(&d,
                                    &(struct ctl_channel_row){.id = 500, .guild_id = GUILD, .last_seq = 1}));
    CHECK(ctl_directory_channel(&d, 500)->last_seq == 7, "a replaced row moved the sequence");
    ctl_directory_fini(&d);
    CHECK(counted.out == 0, "lost");
}

TEST(directory, hundred_thousand_users_with_a_million_memberships_fit)
{
    struct counted counted = {.fail_after = -1};
    struct ctl_directory d;
    char name[16];
    ctl_directory_init(&d, counted_memory(&counted), 1);
    for (uint64_t u = 1; u <= 100000; u++) {
        for (int i = 0; i < 8; i++) {
            name[i] = (char)('a' + (u >> (4 * i)) % 16);
        }
        must(ctl_directory_load_user(&d, &(struct ctl_user_row){.id = u, .username = nx_bytes_of(name, 8)}));
    }
    for (uint64_t g = 1; g <= 100; g++) {
        const uint64_t id = 1000000 + g;
        must(ctl_directory_load_guild(&d, &(struct ctl_guild_row){.id = id, .owner_id = g}));
        must(ctl_directory_load_role(&d, &(struct ctl_role_row){.id = id, .guild_id = id}));
        for (uint64_t m = 0; m < 10000; m++) {
            must(ctl_directory_load_member(
                &d, &(struct ctl_member_row){.guild_id = id, .user_id = 1 + (g * 1000 + m) % 100000}));
        }
    }
    CHECK(d.members_count == 1000000 && counted.out < 300u << 20, "%zu MiB", counted.out >> 20);
    ctl_directory_fini(&d);
    CHECK(counted.out == 0, "lost");
}
