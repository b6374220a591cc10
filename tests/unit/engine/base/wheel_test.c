/* Goal: the wheel fires exactly the timers a plain array of deadlines would, in tick order, never early, at most one
 * tick late, and its deadline never lies beyond the true one.
 * Method: 10^5 random sets, moves, cancels and steps of time from nanoseconds to months, seeded. */
#include "engine/base/prng.h"
#include "engine/base/wheel.h"
#include "tests/lib/check.h"

#include <stdlib.h>

enum { TIMERS = 300 };

struct owner {
    struct nx_wheel_timer timer;
    int64_t tick; /* -1 when not set. */
};

static int64_t tick_of(int64_t ns)
{
    return ns / NX_WHEEL_TICK_NS + (ns % NX_WHEEL_TICK_NS != 0);
}

/* Durations of all magnitudes: 1 ns to about 3 years. */
static int64_t any_duration(struct nx_prng *prng)
{
    return (int64_t)nx_prng_below(prng, 2ULL << nx_prng_below(prng, 56));
}

static int64_t earliest(const struct owner *owners)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        least = owners[i].tick >= 0 && owners[i].tick < least ? owners[i].tick : least;
    }
    return least;
}

static void expire(struct nx_wheel *wheel, struct owner *owners, nx_time now, uint32_t *set_count)
{
    int64_t before = 0;
    struct nx_wheel_timer *timer;
    while ((timer = nx_wheel_pop(wheel, now)) != NULL) {
        struct owner *owner = NX_LIST_ITEM(timer, struct owner, timer);
        CHECK(owner->tick >= 0 && owner->tick <= now.ns / NX_WHEEL_TICK_NS, "not early and not cancelled");
        CHECK(owner->tick >= before, "in order of ticks");
        CHECK(owner->tick == earliest(owners), "the earliest first");
        CHECK(!nx_wheel_is_set(timer), "popped is not set");
        before = owner->tick;
        owner->tick = -1;
        --*set_count;
    }
    CHECK(earliest(owners) > now.ns / NX_WHEEL_TICK_NS, "none is forgotten");
}

static void run_against_array(uint64_t seed, int steps, int64_t start_ns)
{
    struct nx_prng prng;
    nx_prng_init(&prng, seed);
    struct nx_wheel *wheel = malloc(sizeof(*wheel));
    nx_time now = {start_ns};
    nx_wheel_init(wheel, now);
    static struct owner owners[TIMERS];
    uint32_t set_count = 0;
    for (int i = 0; i < TIMERS; i++) {
        owners[i] = (struct owner){.tick = -1};
    }
    for (int step = 0; step < steps; step++) {
        struct owner *owner = &owners[nx_prng_below(&prng, TIMERS)];
        const uint64_t choice = nx_prng_below(&prng, 10);
        if (choice < 6) {
            const nx_time deadline = nx_time_add_ns(now, any_duration(&prng));
            nx_wheel_set(wheel, &owner->timer, deadline);
            set_count += owner->tick < 0;
            owner->tick = tick_of(deadline.ns);
        } else if (choice < 8) {
            if (choice == 6) {
                nx_wheel_cancel(wheel, &owner->timer);
            } else {
                nx_wheel_set(wheel, &owner->timer, NX_TIME_NEVER);
            }
            set_count -= owner->tick >= 0;
            owner->tick = -1;
        } else {
            const int64_t least = earliest(owners);
            const nx_time bound = nx_wheel_deadline(wheel);
            CHECK(least == INT64_MAX ? bound.ns == INT64_MAX : bound.ns <= least * NX_WHEEL_TICK_NS,
                  "a lower bound");
            /* Half of the steps go just where the wheel asks to be woken. */
            now = choice == 8 && bound.ns != INT64_MAX && bound.ns > now.ns
                      ? bound
                      : nx_time_add_ns(now, any_duration(&prng) >> 6);
            expire(wheel, owners, now, &set_count);
            CHECK(nx_time_before(now, nx_wheel_deadline(wheel)), "the bound rises, so nobody spins");
        }
        CHECK(nx_wheel_is_set(&owner->timer) == (owner->tick >= 0), "is_set at %d", step);
        CHECK(nx_wheel_count(wheel) == set_count, "count at %d", step);
    }
    free(wheel);
}

TEST(wheel, agrees_with_an_array_of_deadlines)
{
    run_against_array(1, 50000, 0);
    run_against_array(2, 25000, 999999);
    run_against_array(3, 25000, 64LL * 64 * 64 * NX_TIME_NS_PER_MS - 1);
}

TEST(wheel, fires_at_the_tick_and_not_before)
{
    struct nx_wheel wheel;
    nx_wheel_init(&wheel, (nx_time){0});
    const int64_t deadlines_ms[] = {1, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, 1LL << 24, 1LL << 36};
    for (size_t i = 0; i < sizeof(deadlines_ms) / sizeof(deadlines_ms[0]); i++) {
        const nx_time deadline = {deadlines_ms[i] * NX_TIME_NS_PER_MS};
        struct nx_wheel_timer timer = {0};
        nx_wheel_set(&wheel, &timer, deadline);
        CHECK(nx_wheel_pop(&wheel, (nx_time){deadline.ns - 1}) == NULL, "early %lld",
              (long long)deadlines_ms[i]);
        CHECK(nx_wheel_pop(&wheel, deadline) == &timer, "due %lld", (long long)deadlines_ms[i]);
        CHECK(nx_wheel_deadline(&wheel).ns == NX_TIME_NEVER.ns, "none left");
    }
}

TEST(wheel, past_deadlines_are_due_at_once_and_time_does_not_go_back)
{
    struct nx_wheel wheel;
    nx_wheel_init(&wheel, (nx_time){5LL * NX_TIME_NS_PER_S});
    struct nx_wheel_timer past = {0};
    struct nx_wheel_timer soon = {0};
    nx_wheel_set(&wheel, &past, (nx_time){-7});
    nx_wheel_set(&wheel, &soon, (nx_time){5LL * NX_TIME_NS_PER_S + 1});
    CHECK(nx_wheel_deadline(&wheel).ns <= 5LL * NX_TIME_NS_PER_S, "due now");
    CHECK(nx_wheel_pop(&wheel, (nx_time){0}) == &past, "due although time went back");
    CHECK(nx_wheel_pop(&wheel, (nx_time){0}) == NULL && nx_wheel_count(&wheel) == 1, "soon waits");
    nx_wheel_cancel(&wheel, &soon);
    CHECK(nx_wheel_deadline(&wheel).ns == INT64_MAX, "nothing to wait for after the last cancel");
    CHECK(nx_wheel_pop(&wheel, (nx_time){INT64_MAX - 1}) == NULL, "cancelled");
    nx_wheel_set(&wheel, &soon, (nx_time){INT64_MAX - 1});
    CHECK(nx_wheel_is_set(&soon) && nx_wheel_pop(&wheel, (nx_time){INT64_MAX - 1}) == NULL,
          "later than its time reaches");
}

TEST(wheel, a_timer_may_cancel_its_neighbour_that_is_due)
{
    struct nx_wheel wheel;
    nx_wheel_init(&wheel, (nx_time){0});
    struct nx_wheel_timer a = {0};
    struct nx_wheel_timer b = {0};
    nx_wheel_set(&wheel, &a, (nx_time){NX_TIME_NS_PER_MS});
    nx_wheel_set(&wheel, &b, (nx_time){NX_TIME_NS_PER_MS});
    const nx_time now = {2 * NX_TIME_NS_PER_MS};
    struct nx_wheel_timer *first = nx_wheel_pop(&wheel, now);
    struct nx_wheel_timer *other = first == &a ? &b : &a;
    nx_wheel_cancel(&wheel, other);
    CHECK(nx_wheel_pop(&wheel, now) == NULL && nx_wheel_count(&wheel) == 0, "the neighbour is gone");
}
