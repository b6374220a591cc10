#include "control/core/kept.h"

#include "control/core/limits.h"

void ctl_kept_init(struct ctl_kept *kept)
{
    *kept = (struct ctl_kept){.size = 0};
    nx_list_init(&kept->order);
}

static void forget(struct ctl_kept *kept, const struct ctl_memory *memory, struct ctl_kept_answer *answer)
{
    (void)ctl_table_remove(&kept->table, answer->key);
    nx_list_remove(&answer->member);
    kept->size -= answer->body.size;
    ctl_memory_text_drop(memory, &answer->body);
    ctl_memory_give(memory, answer, sizeof(*answer));
}

void ctl_kept_fini(struct ctl_kept *kept, const struct ctl_memory *memory)
{
    NX_LIST_EACH(at, &kept->order)
    {
        forget(kept, memory, NX_LIST_ITEM(at, struct ctl_kept_answer, member));
    }
    ctl_table_fini(&kept->table, memory);
}

/* Lets the oldest go until there is room for one more with `size` bytes; what is under way stays. False without room. */
static bool make_room(struct ctl_kept *kept, const struct ctl_memory *memory, uint32_t more, size_t size)
{
    NX_LIST_EACH(at, &kept->order)
    {
        struct ctl_kept_answer *oldest = NX_LIST_ITEM(at, struct ctl_kept_answer, member);
        if (kept->table.count + more <= CTL_KEPT_MAX && kept->size + size <= CTL_KEPT_SIZE_MAX) {
            break;
        }
        if (oldest->status != 0) {
            forget(kept, memory, oldest);
        }
    }
    return kept->table.count + more <= CTL_KEPT_MAX && kept->size + size <= CTL_KEPT_SIZE_MAX;
}

enum ctl_kept_verdict ctl_kept_begin(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t seed,
                                     uint64_t key, uint64_t request, int64_t wall_ms,
                                     const struct ctl_kept_answer **out)
{
    struct ctl_kept_answer *answer = ctl_table_get(&kept->table, key);
    if (answer != NULL && answer->status != 0 && answer->until_ms <= wall_ms) {
        forget(kept, memory, answer);
        answer = NULL;
    }
    if (answer != NULL) {
        *out = answer;
        return answer->request != request ? CTL_KEPT_OTHER
               : answer->status == 0      ? CTL_KEPT_BUSY
                                          : CTL_KEPT_ANSWER;
    }
    answer = make_room(kept, memory, 1, 0) ? ctl_memory_take(memory, sizeof(*answer)) : NULL;
    if (answer == NULL) {
        return CTL_KEPT_NO_ROOM;
    }
    answer->key = key;
    answer->request = request;
    answer->until_ms = wall_ms + CTL_KEPT_MS;
    if (ctl_table_put(&kept->table, memory, seed, key, answer) != NX_OK) {
        ctl_memory_give(memory, answer, sizeof(*answer));
        return CTL_KEPT_NO_ROOM;
    }
    nx_list_push_back(&kept->order, &answer->member);
    return CTL_KEPT_NEW;
}

void ctl_kept_end(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t key, uint16_t status,
                  struct nx_bytes body)
{
    struct ctl_kept_answer *answer = ctl_table_get(&kept->table, key);
    if (answer == NULL) {
        return;
    }
    if (!make_room(kept, memory, 0, body.size) || !ctl_memory_text_set(memory, &answer->body, body)) {
        forget(kept, memory, answer);
        return;
    }
    kept->size += body.size;
    answer->status = status;
}

void ctl_kept_drop(struct ctl_kept *kept, const struct ctl_memory *memory, uint64_t key)
{
    struct ctl_kept_answer *answer = ctl_table_get(&kept->table, key);
    if (answer != NULL) {
        forget(kept, memory, answer);
    }
}
