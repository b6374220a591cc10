#include "gatewayd/core/framelog.h"

#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "gatewayd/core/limits.h"

enum { HEAD_UNITS = sizeof(struct gw_frame) / GW_FRAMELOG_UNIT };

enum nx_err gw_framelog_init(struct gw_framelog *log, const struct gw_memory *memory, size_t size,
                             uint64_t seed)
{
    size_t rounded = GW_FRAMELOG_SIZE_MIN;
    while (rounded * 2 <= size && rounded < ((size_t)1 << 34)) {
        rounded *= 2;
    }
    uint8_t *bytes = gw_memory_take(memory, rounded);
    if (bytes == NULL) {
        return NX_E_NO_MEMORY;
    }
    *log = (struct gw_framelog){
        .memory = *memory, .bytes = bytes, .size = rounded, .units = rounded / GW_FRAMELOG_UNIT};
    log->head = log->units; /* Position 0 is GW_FRAMELOG_NONE. */
    log->tail = log->head;
    gw_index_init(&log->keys, memory, seed, GW_KEYS_MAX);
    return NX_OK;
}

void gw_framelog_fini(struct gw_framelog *log)
{
    gw_index_fini(&log->keys);
    gw_memory_give(&log->memory, log->deflater_block, NX_DEFLATE_DEFLATER_SIZE);
    gw_memory_give(&log->memory, log->bytes, log->size);
    *log = (struct gw_framelog){0};
}

static struct gw_frame *at_unit(const struct gw_framelog *log, uint64_t unit)
{
    return gw_framelog_at(log, (uint32_t)unit);
}

/* Moves the tail on until `units` fit at the head without touching a record that counts as present. */
static void evict(struct gw_framelog *log, uint64_t units)
{
    while (log->head + units - log->tail > log->units) {
        log->tail += at_unit(log, log->tail)->units;
    }
}

static void filler(struct gw_framelog *log, uint64_t units)
{
    /* The room before the end may be less than a head: only the two first fields are ever read of a filler, and a
     * unit has room for them. */
    uint8_t *at = log->bytes + (size_t)(log->head & (log->units - 1)) * GW_FRAMELOG_UNIT;
    evict(log, units);
    const uint32_t fields[2] = {0, (uint32_t)units};
    memcpy(at, fields, sizeof(fields));
    log->head += units;
}

/* Makes room for a record of `units` in one piece. */
static struct gw_frame *claim(struct gw_framelog *log, uint64_t units)
{
    const uint64_t left = log->units - (log->head & (log->units - 1));
    if (left < units) {
        filler(log, left);
    }
    if ((uint32_t)log->head == GW_FRAMELOG_NONE) {
        filler(log, HEAD_UNITS);
    }
    evict(log, units);
    struct gw_frame *frame = at_unit(log, log->head);
    frame->units = (uint32_t)units;
    return frame;
}

static uint64_t units_for(size_t size)
{
    return HEAD_UNITS + (size + GW_FRAMELOG_UNIT - 1) / GW_FRAMELOG_UNIT;
}

static void remember_key(struct gw_framelog *log, uint64_t key, uint32_t position)
{
    uint32_t old;
    if (gw_index_get(&log->keys, key, &old) && old != position && gw_framelog_has(log, old)) {
        struct gw_frame *frame = gw_framelog_at(log, old);
        /* A key of another guild that meets this one must not silence it. */
        if (frame->key == key && frame->guild_id == at_unit(log, position)->guild_id) {
            frame->flags |= GW_FRAME_VOID;
            log->void_count++;
        }
    }
    if (gw_index_put(&log->keys, key, position) != NX_OK) {
        gw_index_clear(&log->keys); /* Costs a few deliveries that could have been spared, nothing more. */
        if (gw_index_put(&log->keys, key, position) != NX_OK) {
            return;
        }
    }
}

enum nx_err gw_framelog_append(struct gw_framelog *log, const struct gw_frame_info *info,
                               struct nx_bytes tail, uint32_t *position)
{
    if (tail.size > log->size / 8) {
        return NX_E_FULL;
    }
    const uint64_t units = units_for(tail.size);
    struct gw_frame *frame = claim(log, units);
    *frame = (struct gw_frame){.size = (uint32_t)tail.size,
                               .units = (uint32_t)units,
                               .guild_id = info->guild_id,
                               .channel_id = info->channel_id,
                               .intents = info->intents,
                               .except_user_id = info->except_user_id,
                               .key = info->key,
                               .flags = info->flags | (info->key != 0 ? GW_FRAME_REPLACEABLE : 0U)};
    if (tail.size != 0) {
        memcpy(frame + 1, tail.at, tail.size);
    }
    const uint32_t at = (uint32_t)log->head;
    log->head += units;
    log->frames_count++;
    if (info->key != 0) {
        remember_key(log, info->key, at);
    }
    *position = at;
    return NX_OK;
}

static bool has_deflater(struct gw_framelog *log)
{
    if (log->deflater == NULL) {
        void *block = gw_memory_take(&log->memory, NX_DEFLATE_DEFLATER_SIZE);
        if (block == NULL) {
            return false;
        }
        if (nx_deflate_deflater_init(block, NX_DEFLATE_DEFLATER_SIZE, GW_FRAMELOG_WINDOW_BITS,
                                     GW_FRAMELOG_LEVEL, &log->deflater) != NX_OK) {
            gw_memory_give(&log->memory, block, NX_DEFLATE_DEFLATER_SIZE);
            return false;
        }
        log->deflater_block = block;
    }
    return true;
}

struct nx_bytes gw_framelog_deflated(struct gw_framelog *log, uint32_t position)
{
    struct gw_frame *frame = gw_framelog_at(log, position);
    if ((frame->flags & GW_FRAME_PLAIN_ONLY) == 0 && frame->deflated == GW_FRAMELOG_NONE) {
        const size_t room = nx_deflate_tail_size_max(frame->size);
        const uint64_t units = units_for(room);
        /* A record so old that the room for its compressed bytes would push it out stays as it is, for good: how long
         * a frame is on the wire must not change between two writes. */
        if (room > log->size / 4 ||
            gw_framelog_slack(log, position) < 2 * room + 4 * sizeof(struct gw_frame) || !has_deflater(log)) {
            frame->flags |= GW_FRAME_PLAIN_ONLY;
            return (struct nx_bytes){0};
        }
        struct gw_frame *target = claim(log, units);
        if (!gw_framelog_has(log, position)) {
            return (struct nx_bytes){0};
        }
        struct nx_writer w = nx_writer_init(target + 1, room);
        if (nx_deflate_tail(log->deflater, gw_framelog_tail(frame), &w) != NX_OK ||
            w.size + NX_DEFLATE_PREFIX_OVERHEAD >= frame->size) {
            frame->flags |= GW_FRAME_PLAIN_ONLY;
        } else {
            const uint64_t used = units_for(w.size);
            *target = (struct gw_frame){
                .size = (uint32_t)w.size, .units = (uint32_t)used, .flags = GW_FRAME_FILLER};
            frame->deflated = (uint32_t)log->head;
            frame->deflated_size = (uint32_t)w.size;
            log->head += used;
            log->deflated_count++;
        }
    }
    if (frame->deflated == GW_FRAMELOG_NONE || !gw_framelog_has(log, frame->deflated)) {
        return (struct nx_bytes){0};
    }
    return nx_bytes_of(gw_framelog_at(log, frame->deflated) + 1, frame->deflated_size);
}
