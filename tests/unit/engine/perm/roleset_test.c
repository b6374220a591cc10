/* Goal: equal members share an id, different ones never do, and the bitmaps say what resolving each member says.
 * Method: random guilds whose members are asked both ways; a table driven full, emptied and grown. */
#include "engine/perm/roleset.h"

#include "engine/base/prng.h"
#include "engine/perm/resolve.h"

#include "tests/lib/check.h"

#include <stdlib.h>

enum { GUILD = 1000, MEMBERS = 60, ROLES = 9, CHANNELS = 6, OVERWRITES = 10 };

static struct perm_roleset_key key_of(const uint64_t *role_ids, size_t count)
{
    return (struct perm_roleset_key){.role_ids = role_ids, .role_ids_count = count};
}

static struct perm_roleset_table table_of(void **memory, uint32_t capacity)
{
    struct perm_roleset_table table;
    *memory = malloc(perm_roleset_memory_size(capacity));
    CHECK(*memory != NULL, "memory");
    perm_roleset_init(&table, *memory, capacity, 42);
    return table;
}

TEST(roleset, shares_ids_between_equal_keys_only)
{
    void *memory;
    struct perm_roleset_table table = table_of(&memory, 64);
    const uint64_t ids[] = {1, 2, 3};
    struct perm_roleset_key keys[] = {key_of(NULL, 0),    key_of(ids, 1), key_of(ids, 2),
                                      key_of(ids + 1, 1), key_of(ids, 3), key_of(ids, 1),
                                      key_of(ids, 1),     key_of(ids, 1), key_of(ids, 1)};
    keys[5].user_id = 1;
    keys[6].is_owner = true;
    keys[7].is_timed_out = true;
    keys[8].user_id = 2;
    enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
    uint32_t found[KEYS];
    for (int i = 0; i < KEYS; i++) {
        CHECK(perm_roleset_find(&table, &keys[i]) == PERM_ROLESET_NONE, "key %d before", i);
        CHECK(perm_roleset_intern(&table, &keys[i], &found[i]) == NX_OK, "key %d", i);
        for (int k = 0; k < i; k++) {
            CHECK(found[k] != found[i], "keys %d and %d share", k, i);
        }
        uint32_t again;
        CHECK(perm_roleset_intern(&table, &keys[i], &again) == NX_OK && again == found[i], "key %d again", i);
        CHECK(perm_roleset_find(&table, &keys[i]) == found[i], "key %d found", i);
    }
    for (int i = 0; i < KEYS; i++) {
        perm_roleset_hold(&table, found[i]);
        CHECK(!perm_roleset_drop(&table, found[i]) && !perm_roleset_drop(&table, found[i]),
              "key %d still held", i);
        CHECK(perm_roleset_drop(&table, found[i]), "key %d last", i);
        CHECK(perm_roleset_get(&table, found[i]) == NULL, "key %d gone", i);
        CHECK(perm_roleset_find(&table, &keys[i]) == PERM_ROLESET_NONE, "key %d gone", i);
    }
    CHECK(table.count == 0, "empty");
    free(memory);
}

TEST(roleset, refuses_keys_that_are_not_sets)
{
    void *memory;
    struct perm_roleset_table table = table_of(&memory, 4);
    uint64_t ids[PERM_ROLES_PER_MEMBER_MAX + 1];
    for (size_t i = 0; i <= PERM_ROLES_PER_MEMBER_MAX; i++) {
        ids[i] = i + 1;
    }
    uint32_t id = 77;
    struct perm_roleset_key key = key_of(ids, PERM_ROLES_PER_MEMBER_MAX + 1);
    CHECK(perm_roleset_intern(&table, &key, &id) == NX_E_MALFORMED && id == 77, "65 roles");
    CHECK(perm_roleset_find(&table, &key) == PERM_ROLESET_NONE, "65 roles");
    key.role_ids_count--;
    CHECK(perm_roleset_intern(&table, &key, &id) == NX_OK, "64 roles");
    ids[3] = ids[2];
    CHECK(perm_roleset_intern(&table, &key, &id) == NX_E_MALFORMED, "a role twice");
    ids[3] = ids[2] - 1;
    CHECK(perm_roleset_intern(&table, &key, &id) == NX_E_MALFORMED, "descending");
    free(memory);
}

TEST(roleset, fills_grows_and_reuses)
{
    void *memory;
    struct perm_roleset_table table = table_of(&memory, 1);
    uint32_t ids[PERM_ROLESETS_PER_GUILD_MAX];
    for (uint64_t i = 0; i < PERM_ROLESETS_PER_GUILD_MAX; i++) {
        const struct perm_roleset_key key = key_of(&i, 1);
        enum nx_err err = perm_roleset_intern(&table, &key, &ids[i]);
        if (err == NX_E_FULL) {
            void *larger = malloc(perm_roleset_memory_size(table.capacity * 2));
            perm_roleset_grow(&table, larger, table.capacity * 2);
            free(memory);
            memory = larger;
            err = perm_roleset_intern(&table, &key, &ids[i]);
        }
        CHECK(err == NX_OK, "set %d", (int)i);
    }
    const uint64_t more = UINT64_MAX;
    const struct perm_roleset_key extra = key_of(&more, 1);
    uint32_t id;
    CHECK(table.capacity == PERM_ROLESETS_PER_GUILD_MAX &&
              perm_roleset_intern(&table, &extra, &id) == NX_E_FULL,
          "the cap");
    for (uint64_t i = 0; i < PERM_ROLESETS_PER_GUILD_MAX; i++) {
        const struct perm_roleset_key key = key_of(&i, 1);
        CHECK(perm_roleset_find(&table, &key) == ids[i], "set %d after growing", (int)i);
        CHECK(i % 3 != 0 || perm_roleset_drop(&table, ids[i]), "drop %d", (int)i);
    }
    for (uint64_t i = 0; i < PERM_ROLESETS_PER_GUILD_MAX; i++) {
        const struct perm_roleset_key key = key_of(&i, 1);
        CHECK(perm_roleset_find(&table, &key) == (i % 3 == 0 ? PERM_ROLESET_NONE : ids[i]),
              "set %d after drops", (int)i);
    }
    CHECK(perm_roleset_intern(&table, &extra, &id) == NX_OK && id < table.capacity,
          "a dropped id is used again");
    free(memory);
}

/* One random guild with members and channels. */
struct world {
    struct perm_role roles[ROLES + 1];
    struct perm_guild guild;
    struct perm_overwrite overwrites[CHANNELS][OVERWRITES];
    struct perm_channel channels[CHANNELS];
    uint64_t role_ids[MEMBERS][ROLES];
    struct perm_subject members[MEMBERS];
    bool is_named[MEMBERS]; /* by an overwrite of some channel */
};

static void randomise(struct world *w, struct nx_prng *prng)
{
    *w = (struct world){.guild = {.id = GUILD, .roles_count = ROLES + 1}};
    w->guild.roles = w->roles;
    for (unsigned i = 0; i <= ROLES; i++) {
        w->roles[i] = (struct perm_role){GUILD + i, nx_prng_u64(prng) & nx_prng_u64(prng), (int32_t)i};
        if (nx_prng_below(prng, 10) != 0) {
            w->roles[i].permissions &= ~PERM_ADMINISTRATOR;
        }
    }
    for (unsigned c = 0; c < CHANNELS; c++) {
        w->channels[c].overwrites = w->overwrites[c];
        w->channels[c].overwrites_count = nx_prng_below(prng, OVERWRITES);
        for (size_t i = 0; i < w->channels[c].overwrites_count; i++) {
            struct perm_overwrite *o = &w->overwrites[c][i];
            *o = (struct perm_overwrite){.target_id = GUILD + nx_prng_below(prng, ROLES + 1),
                                         .allow = nx_prng_u64(prng) & nx_prng_u64(prng),
                                         .deny = nx_prng_u64(prng) & nx_prng_u64(prng)};
            if (nx_prng_below(prng, 5) == 0) {
                const uint64_t m = nx_prng_below(prng, MEMBERS);
                o->target = PERM_TARGET_MEMBER;
                o->target_id = m + 1;
                w->is_named[m] = true;
            }
        }
    }
    for (unsigned m = 0; m < MEMBERS; m++) {
        w->members[m] = (struct perm_subject){.user_id = m + 1,
                                              .role_ids = w->role_ids[m],
                                              .is_member = true,
                                              .is_owner = m == 0,
                                              .is_timed_out = nx_prng_below(prng, 10) == 0};
        const uint64_t held = nx_prng_u64(prng) & nx_prng_u64(prng);
        for (unsigned i = 1; i <= ROLES; i++) {
            if ((held >> i & 1) != 0) {
                w->role_ids[m][w->members[m].role_ids_count++] = GUILD + i;
            }
        }
    }
}

TEST(roleset, bitmaps_say_what_resolving_each_member_says)
{
    static const uint64_t questions[] = {PERM_VIEW_CHANNEL, PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES,
                                         PERM_CONNECT | PERM_SPEAK, PERM_ADMINISTRATOR, 0};
    static struct world w;
    struct nx_prng prng;
    nx_prng_init(&prng, 13);
    for (int round = 0; round < 150; round++) {
        randomise(&w, &prng);
        void *memory;
        struct perm_roleset_table table = table_of(&memory, 128);
        uint32_t ids[MEMBERS];
        for (unsigned m = 0; m < MEMBERS; m++) {
            const struct perm_roleset_key key = {.role_ids = w.role_ids[m],
                                                 .role_ids_count = w.members[m].role_ids_count,
                                                 .user_id = w.is_named[m] ? m + 1 : 0,
                                                 .is_owner = w.members[m].is_owner,
                                                 .is_timed_out = w.members[m].is_timed_out};
            CHECK(perm_roleset_intern(&table, &key, &ids[m]) == NX_OK, "member %u", m);
        }
        CHECK(table.count < MEMBERS, "nobody shares a set in round %d", round);
        for (unsigned c = 0; c <= CHANNELS; c++) { /* the last is the guild itself */
            const struct perm_channel *channel = c < CHANNELS ? &w.channels[c] : NULL;
            for (size_t q = 0; q < sizeof(questions) / sizeof(questions[0]); q++) {
                uint64_t words[PERM_BITMAP_WORDS(128)];
                struct perm_bitmap map = {.words = words, .words_count = PERM_BITMAP_WORDS(128)};
                memset(words, 0xff, sizeof(words));
                perm_roleset_map(&table, &w.guild, channel, questions[q], &map);
                for (unsigned m = 0; m < MEMBERS; m++) {
                    const uint64_t direct = channel != NULL
                                                ? perm_resolve_channel(&w.guild, channel, &w.members[m])
                                                : perm_resolve_guild(&w.guild, &w.members[m]);
                    CHECK(perm_roleset_permissions(&table, ids[m], &w.guild, channel) == direct, "member %u",
                          m);
                    CHECK(perm_bitmap_get(&map, ids[m]) == ((questions[q] & ~direct) == 0),
                          "round %d channel %u question %zu member %u", round, c, q, m);
                }
                for (uint32_t id = table.high; id < 200; id++) {
                    CHECK(!perm_bitmap_get(&map, id), "id %u is nobody's", id);
                }
            }
        }
        free(memory);
    }
}

TEST(bitmap, sets_gets_and_clears)
{
    uint64_t words[4];
    memset(words, 0xff, sizeof(words));
    struct perm_bitmap set = perm_bitmap_init(words, 3);
    CHECK(words[3] == UINT64_MAX, "only its own words");
    for (uint32_t id = 0; id < 300; id++) {
        CHECK(!perm_bitmap_get(&set, id), "id %u", id);
    }
    for (uint32_t id = 0; id < 192; id += 7) {
        perm_bitmap_set(&set, id);
    }
    for (uint32_t id = 0; id < 192; id++) {
        CHECK(perm_bitmap_get(&set, id) == (id % 7 == 0), "id %u", id);
    }
    perm_bitmap_clear(&set, 7);
    perm_bitmap_clear(&set, 8);
    perm_bitmap_clear(&set, 5000);
    CHECK(!perm_bitmap_get(&set, 7) && !perm_bitmap_get(&set, 8) && perm_bitmap_get(&set, 14), "cleared");
    CHECK(PERM_BITMAP_WORDS(1) == 1 && PERM_BITMAP_WORDS(64) == 1 && PERM_BITMAP_WORDS(65) == 2, "words");
}
