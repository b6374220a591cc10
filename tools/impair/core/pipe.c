#include "tools/impair/core/pipe.h"

#include "tools/impair/core/limits.h"

enum { BLOCK_BITS = IMPAIR_BLOCK_SIZE * 8 };

void impair_pipe_init(struct impair_pipe *pipe, uint64_t key)
{
    *pipe = (struct impair_pipe){.key = key};
}

/* Flips the bits of block `block` that lie in the run. */
static void block_flip(const struct impair_setting *setting, struct impair_dice *dice, uint64_t block_start,
                       uint64_t start, uint8_t *bytes, size_t size, struct impair_pipe_fate *fate)
{
    uint64_t taken[IMPAIR_BITS_MAX];
    uint32_t flipped = 0;
    for (uint32_t i = 0; i < setting->bits; i++) {
        uint64_t bit = impair_dice_below(dice, BLOCK_BITS);
        for (uint32_t j = 0; j < i; j++) {
            if (taken[j] == bit) {
                bit = (bit + 1) % BLOCK_BITS;
                j = UINT32_MAX; /* from the start again */
            }
        }
        taken[i] = bit;
        const uint64_t at = block_start + bit / 8;
        if (at >= start && at - start < size) {
            bytes[at - start] ^= (uint8_t)(1U << bit % 8);
            flipped++;
        }
    }
    fate->bits_flipped += flipped;
    fate->blocks_flipped += flipped != 0;
}

/* Harms the run block by block; a reset shortens it. */
static void harm(struct impair_pipe *pipe, const struct impair_setting *setting, uint8_t *bytes,
                 struct impair_pipe_fate *fate)
{
    const uint64_t start = pipe->taken;
    if (setting->reset_after != 0 && start < setting->reset_after &&
        fate->size >= setting->reset_after - start) {
        fate->size = (size_t)(setting->reset_after - start);
        fate->is_reset = true;
    }
    if (setting->flip == 0 && setting->reset == 0) {
        return;
    }
    for (uint64_t block = start / IMPAIR_BLOCK_SIZE; block * IMPAIR_BLOCK_SIZE < start + fate->size;
         block++) {
        struct impair_dice dice;
        impair_dice_init(&dice, pipe->key, IMPAIR_DICE_BLOCK, block);
        const bool resets = impair_dice_chance(&dice, setting->reset);
        const uint64_t reset_at = block * IMPAIR_BLOCK_SIZE + impair_dice_below(&dice, IMPAIR_BLOCK_SIZE);
        if (resets && reset_at >= start && reset_at - start < fate->size) {
            fate->size = (size_t)(reset_at - start);
            fate->is_reset = true;
        }
        if (impair_dice_chance(&dice, setting->flip)) {
            block_flip(setting, &dice, block * IMPAIR_BLOCK_SIZE, start, bytes, fate->size, fate);
        }
    }
}

/* Nothing overtakes in a stream, whatever the jitter says. */
static nx_time in_order(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time leaves)
{
    struct impair_dice dice;
    impair_dice_init(&dice, pipe->key, IMPAIR_DICE_SEGMENT, pipe->segments++);
    const nx_time due = nx_time_add_ns(leaves, impair_setting_draw_delay_ns(setting, &dice));
    if (nx_time_before(pipe->last_due, due)) {
        pipe->last_due = due;
    }
    return pipe->last_due;
}

void impair_pipe_take(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                      uint8_t *bytes, size_t size, struct impair_pipe_fate *fate)
{
    nx_time leaves = now;
    *fate = (struct impair_pipe_fate){.size = size};
    harm(pipe, setting, bytes, fate);
    (void)impair_shape_take(&pipe->shape, setting, NULL, now, fate->size, &leaves);
    fate->due = in_order(pipe, setting, leaves);
    pipe->taken += fate->size;
}

nx_time impair_pipe_end(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now)
{
    return in_order(pipe, setting, now);
}

size_t impair_pipe_piece(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                         size_t size, nx_time *not_before)
{
    if (impair_setting_is_dark(setting, now)) {
        *not_before = setting->dark_until;
        return 0;
    }
    if (setting->chunk.max == 0) {
        pipe->chunk_left = 0;
        return size;
    }
    if (nx_time_before(now, pipe->paused_until)) {
        *not_before = pipe->paused_until;
        return 0;
    }
    if (pipe->chunk_left == 0) {
        struct impair_dice dice;
        impair_dice_init(&dice, pipe->key, IMPAIR_DICE_CHUNK, pipe->chunks++);
        const uint32_t spread = setting->chunk.max - setting->chunk.min;
        pipe->chunk_left = setting->chunk.min + (uint32_t)impair_dice_below(&dice, (uint64_t)spread + 1);
    }
    return size < pipe->chunk_left ? size : pipe->chunk_left;
}

void impair_pipe_given(struct impair_pipe *pipe, const struct impair_setting *setting, nx_time now,
                       size_t size)
{
    if (pipe->chunk_left == 0) {
        return;
    }
    pipe->chunk_left -= size < pipe->chunk_left ? (uint32_t)size : pipe->chunk_left;
    if (pipe->chunk_left == 0) {
        pipe->paused_until = nx_time_add_ns(now, setting->pause_ns);
    }
}
