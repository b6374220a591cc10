#include "tools/impair/core/lane.h"

#include "tools/impair/core/limits.h"

void impair_lane_init(struct impair_lane *lane, uint64_t key)
{
    *lane = (struct impair_lane){.key = key};
    nx_list_init(&lane->held);
}

/* Moves the state of the Gilbert-Elliott model and returns whether it loses this packet. */
static bool burst_loses(struct impair_lane *lane, const struct impair_setting_burst *burst,
                        struct impair_dice *dice)
{
    const bool changes = impair_dice_chance(dice, lane->is_bad ? burst->leave : burst->enter);
    if (burst->enter == 0 && burst->good_loss == 0) {
        lane->is_bad = false;
    } else if (changes) {
        lane->is_bad = !lane->is_bad;
    }
    return impair_dice_chance(dice, lane->is_bad ? burst->bad_loss : burst->good_loss);
}

void impair_lane_decide(struct impair_lane *lane, const struct impair_setting *setting, nx_time now,
                        size_t size, struct impair_lane_fate *fate)
{
    struct impair_dice dice;
    *fate = (struct impair_lane_fate){.number = lane->count++, .due = now};
    impair_dice_init(&dice, lane->key, IMPAIR_DICE_PACKET, fate->number);
    /* The draws come in one order, each drawn whatever the others say: a packet that is lost today still has the
     * jitter it would have had. Jitter comes last, for it takes a varying number of draws. */
    const bool burst = burst_loses(lane, &setting->burst, &dice);
    const bool is_lost = impair_dice_chance(&dice, setting->loss);
    const bool is_double = impair_dice_chance(&dice, setting->duplicate);
    const bool is_held = impair_dice_chance(&dice, setting->reorder);
    for (uint32_t i = 0; i < IMPAIR_LANE_COPIES_MAX; i++) {
        fate->bits[i] = impair_dice_chance(&dice, setting->flip) ? setting->bits : 0;
        fate->bits_seed[i] = nx_prng_u64(&dice.prng);
    }
    if (impair_setting_is_dark(setting, now)) {
        fate->end = IMPAIR_LANE_DARK;
        return;
    }
    nx_time leaves;
    if (!impair_shape_take(&lane->shape, setting, &setting->queue, now, size, &leaves)) {
        fate->end = IMPAIR_LANE_QUEUE;
        return;
    }
    if (burst || is_lost) {
        fate->end = burst ? IMPAIR_LANE_BURST : IMPAIR_LANE_LOST;
        return;
    }
    fate->copies = is_double ? 2 : 1;
    fate->due = nx_time_add_ns(leaves, impair_setting_draw_delay_ns(setting, &dice));
    if (!setting->is_unordered && nx_time_before(fate->due, lane->last_due)) {
        fate->due = lane->last_due;
    }
    if (is_held) {
        fate->is_held = true;
        fate->gap = setting->gap;
        fate->due = nx_time_add_ns(fate->due, setting->hold_ns);
    } else if (nx_time_before(lane->last_due, fate->due)) {
        lane->last_due = fate->due;
    }
}

uint32_t impair_lane_flip(const struct impair_lane_fate *fate, uint32_t copy, uint8_t *bytes, size_t size)
{
    const uint64_t room = (uint64_t)size * 8;
    const uint32_t count = fate->bits[copy] < room ? fate->bits[copy] : (uint32_t)room;
    uint64_t taken[IMPAIR_BITS_MAX];
    struct nx_prng prng;
    nx_prng_init(&prng, fate->bits_seed[copy]);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = nx_prng_below(&prng, room);
        /* A bit flipped twice would be none: the next free one is taken. */
        for (uint32_t j = 0; j < i; j++) {
            if (taken[j] == bit) {
                bit = (bit + 1) % room;
                j = UINT32_MAX; /* from the start again */
            }
        }
        taken[i] = bit;
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    return count;
}

void impair_lane_schedule(struct impair_lane *lane, struct impair_agenda *agenda,
                          const struct impair_lane_fate *fate, bool is_last, struct impair_parcel *parcel)
{
    parcel->number = fate->number;
    impair_agenda_set(agenda, &parcel->item, fate->due);
    if (fate->is_held) {
        parcel->gap_left = fate->gap;
        nx_list_push_back(&lane->held, &parcel->held);
        return;
    }
    if (!is_last) {
        return;
    }
    NX_LIST_EACH(link, &lane->held)
    {
        struct impair_parcel *held = NX_LIST_ITEM(link, struct impair_parcel, held);
        if (--held->gap_left == 0) {
            nx_list_remove(link);
            if (nx_time_before(fate->due, held->item.due)) {
                impair_agenda_set(agenda, &held->item, fate->due);
            }
        }
    }
}

bool impair_lane_sent(struct impair_lane *lane, struct impair_parcel *parcel)
{
    nx_list_remove(&parcel->held);
    const bool is_late = parcel->number + 1 < lane->newest;
    if (!is_late) {
        lane->newest = parcel->number + 1;
    }
    return is_late;
}
