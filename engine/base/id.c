#include "engine/base/id.h"

#include "engine/base/assert.h"

enum { COUNTER_BITS = 12, MS_SHIFT = 22 };

static const uint64_t COUNTER_MAX = (1U << COUNTER_BITS) - 1;
static const uint64_t MS_MAX = (1ULL << 41) - 1; /* Of the 42 bits, what keeps an id positive as int64_t. */

void nx_id_init(struct nx_id_mint *mint, uint16_t node, uint64_t last)
{
    NX_ASSERT(node <= NX_ID_NODE_MAX);
    *mint = (struct nx_id_mint){.last = last, .node = node};
}

uint64_t nx_id_next(struct nx_id_mint *mint, int64_t wall_ms)
{
    const uint64_t clock_ms = nx_id_from_ms(wall_ms) >> MS_SHIFT;
    uint64_t ms = mint->last >> MS_SHIFT;
    uint64_t counter = (mint->last & COUNTER_MAX) + 1;
    if (clock_ms > ms) {
        ms = clock_ms;
        counter = 0;
    } else if (counter > COUNTER_MAX) {
        ms++;
        counter = 0;
    }
    mint->last = ms << MS_SHIFT | (uint64_t)mint->node << COUNTER_BITS | counter;
    return mint->last;
}

int64_t nx_id_ms(uint64_t id)
{
    return (int64_t)(id >> MS_SHIFT) + NX_ID_EPOCH_MS;
}

uint64_t nx_id_from_ms(int64_t wall_ms)
{
    if (wall_ms <= NX_ID_EPOCH_MS) {
        return 0;
    }
    const uint64_t ms = (uint64_t)(wall_ms - NX_ID_EPOCH_MS);
    return (ms < MS_MAX ? ms : MS_MAX) << MS_SHIFT;
}

enum nx_err nx_id_parse(struct nx_bytes text, uint64_t *out)
{
    if (text.size == 0 || text.size > NX_ID_TEXT_SIZE_MAX || text.at[0] == '0') {
        return NX_E_MALFORMED;
    }
    uint64_t id = 0; /* 19 digits stay below 2^64. */
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return NX_E_MALFORMED;
        }
        id = id * 10 + (uint64_t)(text.at[i] - '0');
    }
    if (id > INT64_MAX) {
        return NX_E_MALFORMED;
    }
    *out = id;
    return NX_OK;
}

void nx_id_format(uint64_t id, struct nx_writer *out)
{
    nx_writer_decimal(out, id);
}
