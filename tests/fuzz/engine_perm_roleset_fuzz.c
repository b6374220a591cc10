/* Goal: the table of role sets never loses, mixes up or leaks an id, whatever the order of interning, dropping and growing.
 * Method: bytes choose operations on a small table; a plain list of what is held is the oracle. */
#include "engine/perm/roleset.h"

#include <stdlib.h>

enum { CAPACITY_MAX = 16, HELD_MAX = 64 };

static uint64_t rooms[2][(CAPACITY_MAX * sizeof(struct perm_roleset_entry) + 64 * sizeof(uint16_t)) / 8 + 1];

struct held {
    uint64_t role_ids[8];
    struct perm_roleset_key key;
    uint32_t id;
};

static struct perm_roleset_key key_from(const uint8_t *bytes, uint64_t role_ids[8])
{
    struct perm_roleset_key key = {.role_ids = role_ids, .user_id = bytes[1] % 3};
    key.is_owner = (bytes[1] & 64) != 0;
    key.is_timed_out = (bytes[1] & 128) != 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        if ((bytes[0] >> bit & 1) != 0) {
            role_ids[key.role_ids_count++] = bit + 1;
        }
    }
    return key;
}

static bool is_same(const struct perm_roleset_key *a, const struct perm_roleset_key *b)
{
    return a->user_id == b->user_id && a->is_owner == b->is_owner && a->is_timed_out == b->is_timed_out &&
           a->role_ids_count == b->role_ids_count &&
           memcmp(a->role_ids, b->role_ids, a->role_ids_count * sizeof(uint64_t)) == 0;
}

static void check_all(const struct perm_roleset_table *table, const struct held *held, size_t held_count)
{
    uint32_t holders = 0;
    for (uint32_t id = 0; id < table->capacity; id++) {
        const struct perm_roleset_entry *entry = perm_roleset_get(table, id);
        holders += entry != NULL ? entry->holders : 0;
    }
    if (holders != held_count) {
        abort();
    }
    for (size_t i = 0; i < held_count; i++) {
        if (perm_roleset_find(table, &held[i].key) != held[i].id) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct held held[HELD_MAX];
    size_t held_count = 0;
    struct perm_roleset_table table;
    unsigned room = 0;
    if (size == 0 || perm_roleset_memory_size(CAPACITY_MAX) > sizeof(rooms[0])) {
        return 0;
    }
    perm_roleset_init(&table, rooms[room], 1 + data[0] % 4, data[0]);
    for (size_t at = 1; at + 3 <= size; at += 3) {
        const uint8_t what = data[at] % 4;
        if (what < 2 && held_count < HELD_MAX) {
            struct held *one = &held[held_count];
            one->key = key_from(data + at + 1, one->role_ids);
            const uint32_t before = perm_roleset_find(&table, &one->key);
            const enum nx_err err = perm_roleset_intern(&table, &one->key, &one->id);
            if (err != NX_OK &&
                (err != NX_E_FULL || table.count != table.capacity || before != PERM_ROLESET_NONE)) {
                abort();
            }
            if (err == NX_OK && before != PERM_ROLESET_NONE && before != one->id) {
                abort();
            }
            held_count += err == NX_OK;
        } else if (what == 2 && held_count != 0) {
            const size_t which = data[at + 1] % held_count;
            bool is_last = true;
            for (size_t i = 0; i < held_count; i++) {
                is_last &= i == which || !is_same(&held[i].key, &held[which].key);
            }
            if (perm_roleset_drop(&table, held[which].id) != is_last) {
                abort();
            }
            held[which] = held[--held_count];
            held[which].key.role_ids = held[which].role_ids;
        } else if (what == 3 && table.capacity < CAPACITY_MAX) {
            room ^= 1;
            perm_roleset_grow(&table, rooms[room],
                              table.capacity + 1 + data[at + 1] % (CAPACITY_MAX - table.capacity));
        }
        check_all(&table, held, held_count);
    }
    return 0;
}
