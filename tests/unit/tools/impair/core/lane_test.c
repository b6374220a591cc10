/* Goal: each impairment happens as often as it is set to, and the n-th packet's fate is the seed's alone.
 * Method: lanes driven in virtual time through an agenda, what comes out compared with what went in. */
#include "tools/impair/core/lane.h"

#include "tests/lib/check.h"
#include "tools/impair/core/limits.h"

#include <math.h>
#include <string.h>

enum { PACKETS = 100000, SIZE = 200, RATE_NS = 1000000 };

/* What came out of a lane. */
struct result {
    int ends[IMPAIR_LANE_QUEUE + 1];
    int sent;
    int doubles;
    int reordered;
    int flipped;
    int64_t delay_min_ns;
    int64_t delay_max_ns;
    double delay_mean_ns;
    double loss_run_mean; /* packets lost in a row */
    int displaced_max;    /* places that a packet came too late */
};

struct sent {
    struct impair_parcel parcel;
    nx_time came;
};

static struct sent parcels[2 * PACKETS];
static struct impair_item *room[2 * PACKETS];

static void drain(struct impair_agenda *agenda, struct impair_lane *lane, nx_time now, struct result *r,
                  uint64_t *expected)
{
    struct impair_item *item;
    while ((item = impair_agenda_pop(agenda, now)) != NULL) {
        struct sent *one = NX_LIST_ITEM(item, struct sent, parcel.item);
        const int64_t delay_ns = nx_time_since_ns(item->due, one->came);
        r->sent++;
        r->reordered += impair_lane_sent(lane, &one->parcel);
        r->delay_min_ns = delay_ns < r->delay_min_ns ? delay_ns : r->delay_min_ns;
        r->delay_max_ns = delay_ns > r->delay_max_ns ? delay_ns : r->delay_max_ns;
        r->delay_mean_ns += (double)delay_ns;
        if (one->parcel.number >= *expected) {
            *expected = one->parcel.number + 1;
        } else if ((int)(*expected - one->parcel.number - 1) > r->displaced_max) {
            r->displaced_max = (int)(*expected - one->parcel.number - 1);
        }
    }
}

static struct result run(const struct impair_setting *setting, uint64_t seed)
{
    struct result r = {.delay_min_ns = INT64_MAX};
    struct impair_agenda agenda;
    struct impair_lane lane;
    size_t used = 0;
    uint64_t expected = 0;
    int runs = 0;
    int lost = 0;
    bool was_lost = false;
    memset(parcels, 0, sizeof(parcels));
    impair_agenda_init(&agenda, room, 2 * PACKETS);
    impair_lane_init(&lane, impair_dice_key(seed, 0, 0, 0));
    for (int64_t i = 0; i < PACKETS; i++) {
        const nx_time now = {i * RATE_NS};
        struct impair_lane_fate fate;
        drain(&agenda, &lane, now, &r, &expected);
        impair_lane_decide(&lane, setting, now, SIZE, &fate);
        r.ends[fate.end]++;
        r.doubles += fate.copies == 2;
        const bool is_lost = fate.end != IMPAIR_LANE_PASSES;
        lost += is_lost;
        runs += is_lost && !was_lost;
        was_lost = is_lost;
        for (uint32_t copy = 0; copy < fate.copies; copy++) {
            uint8_t bytes[SIZE] = {0};
            struct sent *one = &parcels[used++];
            r.flipped += impair_lane_flip(&fate, copy, bytes, SIZE) != 0;
            one->came = now;
            impair_lane_schedule(&lane, &agenda, &fate, copy + 1 == fate.copies, &one->parcel);
        }
    }
    drain(&agenda, &lane, NX_TIME_NEVER, &r, &expected);
    CHECK(nx_list_is_empty(&lane.held), "a packet is still held");
    r.delay_mean_ns /= r.sent != 0 ? r.sent : 1;
    r.loss_run_mean = runs != 0 ? (double)lost / runs : 0;
    return r;
}

static struct impair_setting plain(void)
{
    struct impair_setting s;
    impair_setting_init(&s);
    return s;
}

/* Whether `count` of PACKETS is within four deviations of chance `p`. */
static bool is_near(int count, double p)
{
    const double off = count - p * PACKETS;
    return off * off <= 16 * PACKETS * p * (1 - p) + 1;
}

TEST(lane, nothing_set_passes_everything_at_once)
{
    const struct impair_setting s = plain();
    const struct result r = run(&s, 1);
    CHECK(r.ends[IMPAIR_LANE_PASSES] == PACKETS && r.sent == PACKETS && r.delay_max_ns == 0 &&
              r.reordered == 0 && r.flipped == 0,
          "sent %d", r.sent);
}

TEST(lane, random_loss_is_as_often_as_set)
{
    struct impair_setting s = plain();
    s.loss = 50000000;
    const struct result r = run(&s, 1);
    CHECK(is_near(r.ends[IMPAIR_LANE_LOST], 0.05) && r.sent == PACKETS - r.ends[IMPAIR_LANE_LOST], "lost %d",
          r.ends[IMPAIR_LANE_LOST]);
    s.loss = IMPAIR_DICE_CERTAIN;
    CHECK(run(&s, 1).sent == 0, "something passed");
}

TEST(lane, bursts_have_the_stationary_loss_and_length_of_gilbert_and_elliott)
{
    struct impair_setting s = plain();
    s.burst = (struct impair_setting_burst){10000000, 250000000, IMPAIR_DICE_CERTAIN, 0};
    struct result r = run(&s, 1);
    const double stationary = 0.01 / (0.01 + 0.25);
    CHECK(fabs(r.ends[IMPAIR_LANE_BURST] / (double)PACKETS - stationary) < 0.004, "lost %d",
          r.ends[IMPAIR_LANE_BURST]);
    CHECK(fabs(r.loss_run_mean - 1 / 0.25) < 0.3, "%f in a row", r.loss_run_mean);
    s.burst = (struct impair_setting_burst){20000000, 100000000, 600000000, 10000000};
    r = run(&s, 2);
    const double bad = 0.02 / 0.12;
    CHECK(fabs(r.ends[IMPAIR_LANE_BURST] / (double)PACKETS - (bad * 0.6 + (1 - bad) * 0.01)) < 0.008,
          "lost %d", r.ends[IMPAIR_LANE_BURST]);
    s.burst = (struct impair_setting_burst){0, 0, IMPAIR_DICE_CERTAIN, 0};
    CHECK(run(&s, 1).sent == PACKETS, "off, and something is lost");
}

TEST(lane, delay_and_jitter_stay_in_their_range_and_keep_the_order)
{
    struct impair_setting s = plain();
    s.delay_ns = 20000000;
    CHECK(run(&s, 1).delay_min_ns == 20000000 && run(&s, 1).delay_max_ns == 20000000, "delay");
    s.jitter_ns = 5000000;
    struct result r = run(&s, 1);
    CHECK(r.delay_min_ns >= 15000000 && r.delay_max_ns <= 25000000, "%lld..%lld", (long long)r.delay_min_ns,
          (long long)r.delay_max_ns);
    CHECK(r.reordered == 0 && r.sent == PACKETS, "reordered %d", r.reordered);
    s.is_unordered = true;
    r = run(&s, 1);
    CHECK(r.reordered > PACKETS / 10 && r.displaced_max <= 10, "reordered %d, by %d", r.reordered,
          r.displaced_max);
    CHECK(r.delay_min_ns < 15100000 && r.delay_max_ns > 24900000 && fabs(r.delay_mean_ns - 20e6) < 0.1e6,
          "%lld..%lld", (long long)r.delay_min_ns, (long long)r.delay_max_ns);
    s.curve = IMPAIR_SETTING_EXPONENTIAL;
    r = run(&s, 1);
    CHECK(r.delay_min_ns >= 20000000 && fabs(r.delay_mean_ns - 25e6) < 0.1e6, "mean %f", r.delay_mean_ns);
}

TEST(lane, a_held_packet_is_overtaken_by_just_the_gap)
{
    struct impair_setting s = plain();
    s.reorder = 20000000;
    for (uint32_t gap = 1; gap <= 5; gap += 2) {
        s.gap = gap;
        const struct result r = run(&s, 1);
        CHECK(is_near(r.reordered, 0.02) && r.sent == PACKETS, "gap %u: reordered %d", gap, r.reordered);
        /* Another held packet in between does not count, so a few are displaced by more. */
        CHECK(r.displaced_max >= (int)gap && r.displaced_max <= (int)gap + 4, "gap %u: by %d", gap,
              r.displaced_max);
        CHECK(r.delay_max_ns <= (gap + 4) * (int64_t)RATE_NS, "gap %u: %lld ns", gap,
              (long long)r.delay_max_ns);
    }
}

TEST(lane, a_held_packet_goes_right_behind_the_last_that_overtakes_it)
{
    struct impair_setting s = plain();
    struct impair_item *items[6];
    struct impair_parcel six[6] = {0};
    struct impair_agenda agenda;
    struct impair_lane lane;
    s.gap = 3;
    impair_agenda_init(&agenda, items, 6);
    impair_lane_init(&lane, 1);
    for (int64_t i = 0; i < 6; i++) {
        struct impair_lane_fate fate;
        s.reorder = i == 0 ? IMPAIR_DICE_CERTAIN : 0;
        impair_lane_decide(&lane, &s, (nx_time){i}, SIZE, &fate);
        impair_lane_schedule(&lane, &agenda, &fate, true, &six[i]);
    }
    const int order[] = {1, 2, 3, 0, 4, 5};
    for (size_t i = 0; i < 6; i++) {
        CHECK(impair_agenda_pop(&agenda, (nx_time){5}) == &six[order[i]].item, "place %zu", i);
        CHECK(impair_lane_sent(&lane, &six[order[i]]) == (order[i] == 0), "place %zu", i);
    }
}

TEST(lane, a_held_packet_that_nothing_follows_goes_after_the_hold)
{
    struct impair_setting s = plain();
    struct impair_item *items[1];
    struct impair_parcel parcel = {0};
    struct impair_agenda agenda;
    struct impair_lane lane;
    struct impair_lane_fate fate;
    s.reorder = IMPAIR_DICE_CERTAIN;
    s.hold_ns = 7000000;
    impair_agenda_init(&agenda, items, 1);
    impair_lane_init(&lane, 1);
    impair_lane_decide(&lane, &s, (nx_time){0}, SIZE, &fate);
    impair_lane_schedule(&lane, &agenda, &fate, true, &parcel);
    CHECK(impair_agenda_deadline(&agenda).ns == 7000000, "deadline");
    CHECK(impair_agenda_pop(&agenda, (nx_time){7000000}) == &parcel.item, "pop");
    CHECK(!impair_lane_sent(&lane, &parcel) && nx_list_is_empty(&lane.held), "still held");
}

TEST(lane, duplicates_and_flips_are_as_often_as_set)
{
    struct impair_setting s = plain();
    s.duplicate = 30000000;
    struct result r = run(&s, 1);
    CHECK(is_near(r.doubles, 0.03) && r.sent == PACKETS + r.doubles && r.reordered == 0, "doubles %d",
          r.doubles);
    s = plain();
    s.flip = 10000000;
    r = run(&s, 1);
    CHECK(is_near(r.flipped, 0.01), "flipped %d", r.flipped);
}

TEST(lane, just_as_many_bits_are_flipped_as_set)
{
    for (uint32_t bits = 1; bits <= IMPAIR_BITS_MAX; bits++) {
        for (size_t size = 0; size <= 9; size++) {
            uint8_t bytes[9] = {0};
            struct impair_lane_fate fate = {.bits = {bits}, .bits_seed = {bits * 31 + size}};
            const uint32_t expected = bits < size * 8 ? bits : (uint32_t)size * 8;
            uint32_t count = 0;
            CHECK(impair_lane_flip(&fate, 0, bytes, size) == expected, "%u of %zu bytes", bits, size);
            for (size_t i = 0; i < 9; i++) {
                count += (uint32_t)__builtin_popcount(bytes[i]);
            }
            CHECK(count == expected, "%u of %zu bytes: %u", bits, size, count);
        }
    }
}

TEST(lane, a_blackout_loses_what_comes_in_it)
{
    struct impair_setting s = plain();
    s.dark_from = (nx_time){1000LL * RATE_NS};
    s.dark_until = (nx_time){1500LL * RATE_NS};
    const struct result r = run(&s, 1);
    CHECK(r.ends[IMPAIR_LANE_DARK] == 500 && r.sent == PACKETS - 500, "lost %d", r.ends[IMPAIR_LANE_DARK]);
}

TEST(lane, a_rate_limit_delays_and_then_drops)
{
    struct impair_setting s = plain();
    /* 200 bytes a millisecond come: 1.6 Mbit/s. Half of it passes. */
    s.rate_bps = 800000;
    s.queue.wait_ns = 30000000;
    const struct result r = run(&s, 1);
    CHECK(fabs(r.ends[IMPAIR_LANE_QUEUE] / (double)PACKETS - 0.5) < 0.01, "dropped %d",
          r.ends[IMPAIR_LANE_QUEUE]);
    CHECK(r.delay_max_ns <= 30000000 && r.delay_max_ns > 25000000, "%lld", (long long)r.delay_max_ns);
}

/* The fates of the first packets of one flow. */
static void fates_of(const struct impair_setting *s, uint64_t seed, uint32_t flow,
                     struct impair_lane_fate *fates, int count)
{
    struct impair_lane lane;
    impair_lane_init(&lane, impair_dice_key(seed, 0, flow, 0));
    for (int i = 0; i < count; i++) {
        impair_lane_decide(&lane, s, (nx_time){i * 1000}, SIZE, &fates[i]);
    }
}

TEST(lane, the_same_seed_decides_the_same_and_others_do_not)
{
    enum { COUNT = 5000 };
    static struct impair_lane_fate a[COUNT];
    static struct impair_lane_fate b[COUNT];
    struct impair_setting s = plain();
    s.loss = 100000000;
    s.burst = (struct impair_setting_burst){50000000, 300000000, IMPAIR_DICE_CERTAIN, 0};
    s.delay_ns = 1000000;
    s.jitter_ns = 500000;
    s.curve = IMPAIR_SETTING_EXPONENTIAL;
    s.is_unordered = true;
    s.duplicate = 100000000;
    s.reorder = 100000000;
    s.flip = 100000000;
    fates_of(&s, 5, 3, a, COUNT);
    fates_of(&s, 5, 3, b, COUNT);
    CHECK(memcmp(a, b, sizeof(a)) == 0, "two runs differ");
    for (int other = 0; other < 2; other++) {
        fates_of(&s, other == 0 ? 6 : 5, other == 0 ? 3 : 4, b, COUNT);
        int same = 0;
        for (int i = 0; i < COUNT; i++) {
            same += (a[i].end == IMPAIR_LANE_PASSES) == (b[i].end == IMPAIR_LANE_PASSES);
        }
        CHECK(same < COUNT * 8 / 10, "another seed or flow loses the same: %d of %d", same, COUNT);
    }
}

TEST(lane, a_packet_that_is_not_lost_keeps_its_jitter_when_loss_is_set)
{
    enum { COUNT = 2000 };
    static struct impair_lane_fate without[COUNT];
    static struct impair_lane_fate with[COUNT];
    struct impair_setting s = plain();
    s.delay_ns = 10000000;
    s.jitter_ns = 5000000;
    s.is_unordered = true;
    fates_of(&s, 5, 0, without, COUNT);
    s.loss = 300000000;
    s.flip = 500000000;
    fates_of(&s, 5, 0, with, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK(with[i].end != IMPAIR_LANE_PASSES || with[i].due.ns == without[i].due.ns, "packet %d", i);
    }
}
