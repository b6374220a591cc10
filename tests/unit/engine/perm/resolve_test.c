/* Goal: permissions come out as Discord's documented order has them.
 * Method: documented cases by name, a second implementation that follows the eight steps literally over random guilds, and
 * golden vectors (tests/golden/perm/resolve.json), which mirrors in other languages test themselves with. Run with
 * NEXUS_GOLDEN_WRITE set to write the file anew; the diff is the review. */
#include "engine/perm/resolve.h"

#include "engine/base/prng.h"

#include "tests/lib/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { GUILD = 100, USER = 7, ROLES_MAX = 12, OVERWRITES_MAX = 12, GOLDEN_RANDOM = 60 };

/* A guild, a channel and somebody, all in one, so that it can be made at random and printed. */
struct world {
    char name[64];
    struct perm_role roles[ROLES_MAX];
    struct perm_overwrite overwrites[OVERWRITES_MAX];
    uint64_t role_ids[ROLES_MAX];
    struct perm_guild guild;
    struct perm_channel channel;
    struct perm_subject subject;
};

static void add_role(struct world *w, uint64_t id, uint64_t permissions, bool is_held)
{
    w->roles[w->guild.roles_count++] = (struct perm_role){id, permissions, (int32_t)w->guild.roles_count};
    if (is_held) {
        w->role_ids[w->subject.role_ids_count++] = id;
    }
    w->guild.roles = w->roles;
    w->subject.role_ids = w->role_ids;
}

static void add_overwrite(struct world *w, enum perm_target target, uint64_t id, uint64_t deny,
                          uint64_t allow)
{
    w->overwrites[w->channel.overwrites_count++] =
        (struct perm_overwrite){.target_id = id, .allow = allow, .deny = deny, .target = target};
    w->channel.overwrites = w->overwrites;
}

static void start(struct world *w, const char *name, uint64_t everyone)
{
    *w = (struct world){.guild.id = GUILD, .subject = {.user_id = USER, .is_member = true}};
    snprintf(w->name, sizeof(w->name), "%s", name);
    add_role(w, GUILD, everyone, false);
}

static uint64_t in_channel(const struct world *w)
{
    return perm_resolve_channel(&w->guild, &w->channel, &w->subject);
}

/* The eight steps, one statement each, bit by bit where the product works on whole words. */
static uint64_t literal(const struct world *w)
{
    if (!w->subject.is_member) {
        return 0;
    }
    uint64_t p = 0;
    for (size_t i = 0; i < w->guild.roles_count; i++) { /* 1 and 2 */
        bool counts = w->roles[i].id == GUILD;
        for (size_t k = 0; k < w->subject.role_ids_count; k++) {
            counts |= w->role_ids[k] == w->roles[i].id;
        }
        p |= counts ? w->roles[i].permissions : 0;
    }
    if (w->subject.is_owner || (p & PERM_ADMINISTRATOR) != 0) {
        return PERM_ALL;
    }
    for (int step = 3; step <= 8; step++) {
        for (size_t i = 0; i < w->channel.overwrites_count; i++) {
            const struct perm_overwrite *o = &w->overwrites[i];
            bool held = false;
            for (size_t k = 0; k < w->subject.role_ids_count; k++) {
                held |= w->role_ids[k] == o->target_id;
            }
            const bool is_role = o->target == PERM_TARGET_ROLE;
            const int tier = is_role && o->target_id == GUILD                 ? 3
                             : is_role && held                                ? 5
                             : !is_role && o->target_id == w->subject.user_id ? 7
                                                                              : 0;
            if (tier == step) {
                p &= ~o->deny;
            } else if (tier != 0 && tier + 1 == step) {
                p |= o->allow;
            }
        }
    }
    p &= PERM_ALL & ~PERM_ADMINISTRATOR;
    if ((p & PERM_VIEW_CHANNEL) == 0) {
        return 0;
    }
    if (w->subject.is_timed_out) {
        return p & (PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY);
    }
    if ((p & PERM_SEND_MESSAGES) == 0) {
        p &= ~(PERM_MENTION_EVERYONE | PERM_SEND_TTS_MESSAGES | PERM_ATTACH_FILES | PERM_EMBED_LINKS);
    }
    return p;
}

/* Few bits, so that they meet often. */
static uint64_t some_bits(struct nx_prng *prng)
{
    const uint64_t bits = nx_prng_u64(prng) & nx_prng_u64(prng) & nx_prng_u64(prng);
    return nx_prng_below(prng, 12) == 0 ? bits : bits & ~PERM_ADMINISTRATOR;
}

/* One draw per statement: compilers differ in the order of arguments, and the golden file must not. */
static void randomise(struct world *w, struct nx_prng *prng)
{
    const uint64_t common = nx_prng_below(prng, 4) != 0 ? PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES : 0;
    start(w, "random", common);
    w->roles[0].permissions |= some_bits(prng);
    const uint64_t roles_count = nx_prng_below(prng, ROLES_MAX - 1);
    for (uint64_t i = 1; i <= roles_count; i++) {
        const uint64_t permissions = some_bits(prng);
        add_role(w, GUILD + i, permissions, nx_prng_below(prng, 2) == 0);
    }
    if (nx_prng_below(prng, 8) == 0) {
        w->role_ids[w->subject.role_ids_count++] = 9999; /* a role that is gone */
    }
    const uint64_t overwrites_count = nx_prng_below(prng, OVERWRITES_MAX);
    for (uint64_t i = 0; i < overwrites_count; i++) {
        const uint64_t deny = some_bits(prng);
        const uint64_t allow = some_bits(prng) & ~deny;
        if (nx_prng_below(prng, 4) == 0) {
            add_overwrite(w, PERM_TARGET_MEMBER, USER + nx_prng_below(prng, 2), deny, allow);
        } else { /* also ids that are a member's number, to tell the kinds apart */
            const bool is_number = nx_prng_below(prng, 8) == 0;
            const uint64_t id = GUILD + nx_prng_below(prng, roles_count + 1);
            add_overwrite(w, PERM_TARGET_ROLE, is_number ? USER : id, deny, allow);
        }
    }
    w->subject.is_owner = nx_prng_below(prng, 20) == 0;
    w->subject.is_timed_out = nx_prng_below(prng, 8) == 0;
    w->subject.is_member = nx_prng_below(prng, 30) != 0;
}

static void reverse(struct world *w)
{
    for (size_t i = 0; i < w->channel.overwrites_count / 2; i++) {
        const struct perm_overwrite swapped = w->overwrites[i];
        w->overwrites[i] = w->overwrites[w->channel.overwrites_count - 1 - i];
        w->overwrites[w->channel.overwrites_count - 1 - i] = swapped;
    }
    for (size_t i = 0; i < w->subject.role_ids_count / 2; i++) {
        const uint64_t swapped = w->role_ids[i];
        w->role_ids[i] = w->role_ids[w->subject.role_ids_count - 1 - i];
        w->role_ids[w->subject.role_ids_count - 1 - i] = swapped;
    }
}

TEST(resolve, agrees_with_the_eight_steps_over_random_guilds)
{
    struct nx_prng prng;
    nx_prng_init(&prng, 11);
    for (int round = 0; round < 20000; round++) {
        struct world w;
        randomise(&w, &prng);
        const uint64_t found = in_channel(&w);
        CHECK(found == literal(&w), "round %d: %llx", round, (unsigned long long)found);
        CHECK((found & ~PERM_ALL) == 0, "round %d: an unnamed bit", round);
        reverse(&w);
        CHECK(in_channel(&w) == found, "round %d: the order of roles or overwrites matters", round);
        w.subject.is_owner = true;
        CHECK(in_channel(&w) == (w.subject.is_member ? PERM_ALL : 0), "round %d: owner", round);
        w.subject.is_owner = false;
        w.roles[0].permissions |= PERM_ADMINISTRATOR;
        CHECK(in_channel(&w) == (w.subject.is_member ? PERM_ALL : 0), "round %d: administrator", round);
    }
}

#define BASE (PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES | PERM_READ_MESSAGE_HISTORY)

/* The documented cases; `wanted` is what the channel gives. Returns false when `index` is past the last. */
static bool documented(size_t index, struct world *w, uint64_t *wanted)
{
    *wanted = BASE;
    switch (index) {
    case 0:
        start(w, "everyone only", BASE);
        return true;
    case 1:
        start(w, "roles add up", PERM_VIEW_CHANNEL);
        add_role(w, 101, PERM_SEND_MESSAGES, true);
        add_role(w, 102, PERM_READ_MESSAGE_HISTORY, true);
        add_role(w, 103, PERM_BAN_MEMBERS, false);
        return true;
    case 2:
        start(w, "owner passes a deny", 0);
        add_overwrite(w, PERM_TARGET_ROLE, GUILD, PERM_VIEW_CHANNEL, 0);
        w->subject.is_owner = true;
        *wanted = PERM_ALL;
        return true;
    case 3:
        start(w, "administrator passes a member deny", 0);
        add_role(w, 101, PERM_ADMINISTRATOR, true);
        add_overwrite(w, PERM_TARGET_MEMBER, USER, PERM_ALL, 0);
        *wanted = PERM_ALL;
        return true;
    case 4:
        start(w, "role allow beats everyone deny", BASE);
        add_role(w, 101, 0, true);
        add_overwrite(w, PERM_TARGET_ROLE, 101, 0, PERM_SEND_MESSAGES);
        add_overwrite(w, PERM_TARGET_ROLE, GUILD, PERM_SEND_MESSAGES, 0);
        return true;
    case 5:
        start(w, "role deny beats everyone allow", BASE & ~PERM_SEND_MESSAGES);
        add_role(w, 101, 0, true);
        add_overwrite(w, PERM_TARGET_ROLE, GUILD, 0, PERM_SEND_MESSAGES);
        add_overwrite(w, PERM_TARGET_ROLE, 101, PERM_SEND_MESSAGES, 0);
        *wanted = BASE & ~PERM_SEND_MESSAGES;
        return true;
    case 6:
        start(w, "one role allows what another denies", BASE);
        add_role(w, 101, 0, true);
        add_role(w, 102, 0, true);
        add_overwrite(w, PERM_TARGET_ROLE, 101, 0, PERM_SEND_MESSAGES);
        add_overwrite(w, PERM_TARGET_ROLE, 102, PERM_SEND_MESSAGES, 0);
        return true;
    case 7:
        start(w, "member deny beats role allow", BASE);
        add_role(w, 101, 0, true);
        add_overwrite(w, PERM_TARGET_MEMBER, USER, PERM_SEND_MESSAGES, 0);
        add_overwrite(w, PERM_TARGET_ROLE, 101, 0, PERM_SEND_MESSAGES);
        *wanted = BASE & ~PERM_SEND_MESSAGES;
        return true;
    case 8:
        start(w, "member allow beats role deny", BASE);
        add_role(w, 101, 0, true);
        add_overwrite(w, PERM_TARGET_MEMBER, USER, 0, PERM_SEND_MESSAGES);
        add_overwrite(w, PERM_TARGET_ROLE, 101, PERM_SEND_MESSAGES, 0);
        return true;
    case 9:
        start(w, "without view nothing is left", BASE | PERM_MANAGE_MESSAGES);
        add_overwrite(w, PERM_TARGET_ROLE, GUILD, PERM_VIEW_CHANNEL, 0);
        *wanted = 0;
        return true;
    case 10:
        start(w, "without sending no mention, speech, file or embed",
              BASE | PERM_MENTION_EVERYONE | PERM_SEND_TTS_MESSAGES | PERM_ATTACH_FILES | PERM_EMBED_LINKS);
        add_overwrite(w, PERM_TARGET_ROLE, GUILD, PERM_SEND_MESSAGES, 0);
        *wanted = BASE & ~PERM_SEND_MESSAGES;
        return true;
    case 11:
        start(w, "timed out", BASE | PERM_ADD_REACTIONS | PERM_CONNECT);
        add_overwrite(w, PERM_TARGET_MEMBER, USER, 0, PERM_SPEAK);
        w->subject.is_timed_out = true;
        *wanted = PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY;
        return true;
    case 12:
        start(w, "timed out administrator", PERM_ADMINISTRATOR);
        w->subject.is_timed_out = true;
        *wanted = PERM_ALL;
        return true;
    case 13:
        start(w, "not a member", PERM_ALL);
        w->subject.is_member = false;
        *wanted = 0;
        return true;
    case 14:
        start(w, "overwrites of others", BASE);
        add_role(w, 101, 0, false);
        add_overwrite(w, PERM_TARGET_ROLE, 101, PERM_ALL, 0);
        add_overwrite(w, PERM_TARGET_MEMBER, USER + 1, PERM_ALL, 0);
        add_overwrite(w, PERM_TARGET_ROLE, USER, PERM_ALL, 0);
        return true;
    case 15:
        start(w, "an overwrite makes no administrator", BASE);
        add_overwrite(w, PERM_TARGET_MEMBER, USER, 0, PERM_ADMINISTRATOR);
        return true;
    default:
        return false;
    }
}

TEST(resolve, gives_the_documented_results)
{
    struct world w;
    uint64_t wanted;
    size_t count = 0;
    for (; documented(count, &w, &wanted); count++) {
        CHECK(in_channel(&w) == wanted, "%s: %llx", w.name, (unsigned long long)in_channel(&w));
        CHECK(literal(&w) == wanted, "%s: the literal steps differ", w.name);
    }
    CHECK(count == 16, "%zu cases", count);
}

TEST(resolve, guild_permissions_ignore_channels)
{
    struct world w;
    start(&w, "", PERM_VIEW_CHANNEL | PERM_KICK_MEMBERS);
    CHECK(perm_resolve_guild(&w.guild, &w.subject) == (PERM_VIEW_CHANNEL | PERM_KICK_MEMBERS), "everyone");
    w.subject.is_timed_out = true;
    CHECK(perm_resolve_guild(&w.guild, &w.subject) == PERM_VIEW_CHANNEL, "timed out");
    w.subject.is_owner = true;
    CHECK(perm_resolve_guild(&w.guild, &w.subject) == PERM_ALL, "owner");
    w.subject.is_member = false;
    CHECK(perm_resolve_guild(&w.guild, &w.subject) == 0, "not a member");
    const struct perm_role roles[2] = {{1, PERM_SPEAK, 1}, {2, PERM_STREAM | UINT64_C(1) << 63, 2}};
    CHECK(perm_resolve_base(PERM_CONNECT, roles, 2, false) == (PERM_CONNECT | PERM_SPEAK | PERM_STREAM),
          "base");
    CHECK(perm_resolve_base(0, NULL, 0, true) == PERM_ALL, "base of an owner");
}

TEST(resolve, finds_roles_and_the_top)
{
    struct world w;
    start(&w, "", 0);
    CHECK(perm_resolve_top(&w.guild, &w.subject) == 0, "no role");
    for (uint64_t id = 102; id < 112; id += 2) {
        add_role(&w, id, 0, id != 110);
    }
    for (uint64_t id = 95; id < 120; id++) {
        const struct perm_role *role = perm_resolve_role(&w.guild, id);
        CHECK((role != NULL) == (id >= 100 && id <= 110 && id % 2 == 0), "role %d", (int)id);
        CHECK(role == NULL || role->id == id, "role %d", (int)id);
    }
    CHECK(perm_resolve_top(&w.guild, &w.subject) == w.roles[4].position, "the highest that is held");
    const struct perm_guild none = {.id = GUILD};
    CHECK(perm_resolve_role(&none, GUILD) == NULL && perm_resolve_guild(&none, &w.subject) == 0,
          "no roles at all");
}

/* Appends printf text to the golden file in memory. */
__attribute__((format(printf, 2, 3))) static void say(struct nx_writer *w, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    nx_writer_put(w, text, (size_t)size);
}

static void say_world(struct nx_writer *out, const struct world *w)
{
    say(out, "{\"name\":\"%s\",\"guild_id\":\"%d\",\"roles\":[", w->name, GUILD);
    for (size_t i = 0; i < w->guild.roles_count; i++) {
        say(out, "%s{\"id\":\"%llu\",\"permissions\":\"%llu\"}", i != 0 ? "," : "",
            (unsigned long long)w->roles[i].id, (unsigned long long)w->roles[i].permissions);
    }
    say(out, "],\"permission_overwrites\":[");
    for (size_t i = 0; i < w->channel.overwrites_count; i++) {
        const struct perm_overwrite *o = &w->overwrites[i];
        say(out, "%s{\"id\":\"%llu\",\"type\":%d,\"allow\":\"%llu\",\"deny\":\"%llu\"}", i != 0 ? "," : "",
            (unsigned long long)o->target_id, (int)o->target, (unsigned long long)o->allow,
            (unsigned long long)o->deny);
    }
    say(out, "],\"member\":{\"user_id\":\"%d\",\"roles\":[", USER);
    for (size_t i = 0; i < w->subject.role_ids_count; i++) {
        say(out, "%s\"%llu\"", i != 0 ? "," : "", (unsigned long long)w->role_ids[i]);
    }
    say(out, "],\"is_member\":%s,\"is_owner\":%s,\"is_timed_out\":%s}",
        w->subject.is_member ? "true" : "false", w->subject.is_owner ? "true" : "false",
        w->subject.is_timed_out ? "true" : "false");
    say(out, ",\"guild_permissions\":\"%llu\",\"channel_permissions\":\"%llu\"}",
        (unsigned long long)perm_resolve_guild(&w->guild, &w->subject), (unsigned long long)in_channel(w));
}

/* The source tree is found from this file's own path, because tests run in the build folder. */
static void golden_path(const char *name, char path[1024])
{
    const char *here = __FILE__;
    const char *tests = strstr(here, "tests/unit/");
    CHECK(tests != NULL, "%s", here);
    snprintf(path, 1024, "%.*stests/golden/perm/%s", (int)(tests - here), here, name);
}

static void check_golden(const char *name, const struct nx_writer *out)
{
    static uint8_t kept[1 << 18];
    char path[1024];
    golden_path(name, path);
    CHECK(nx_writer_ok(out), "%s is too large", name);
    if (getenv("NEXUS_GOLDEN_WRITE") != NULL) {
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL && fwrite(out->start, 1, out->size, file) == out->size && fclose(file) == 0, "%s",
              path);
    }
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL, "%s", path);
    const size_t size = fread(kept, 1, sizeof(kept), file);
    fclose(file);
    CHECK(nx_bytes_equal(nx_bytes_of(kept, size), nx_writer_bytes(out)), "%s differs from what the code says",
          name);
}

TEST(resolve, still_says_what_the_golden_file_says)
{
    static uint8_t room[1 << 18];
    struct nx_writer out = nx_writer_init(room, sizeof(room));
    struct world w;
    uint64_t wanted;
    say(&out, "[\n");
    for (size_t i = 0; documented(i, &w, &wanted); i++) {
        say_world(&out, &w);
        say(&out, ",\n");
    }
    struct nx_prng prng;
    nx_prng_init(&prng, 12);
    for (int i = 0; i < GOLDEN_RANDOM; i++) {
        randomise(&w, &prng);
        snprintf(w.name, sizeof(w.name), "random %d", i);
        say_world(&out, &w);
        say(&out, i + 1 < GOLDEN_RANDOM ? ",\n" : "\n]\n");
    }
    check_golden("resolve.json", &out);
}
