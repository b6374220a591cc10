/* Goal: what was sent and did not arrive, arrived twice or late is counted, and a message is complete exactly once. */
#include "loadtest/limits.h"
#include "loadtest/tally.h"
#include "tests/lib/check.h"

enum { RECEIVERS = 3, RUN = 9 };

static struct load_tally tally;
static struct load_check checks[RECEIVERS];

static struct load_stamp begin(void)
{
    struct load_stamp stamp;
    CHECK(load_tally_open(&tally, 2, RUN) == NX_OK, "open");
    for (int i = 0; i < RECEIVERS; i++) {
        checks[i] = (struct load_check){0};
    }
    tally.streams[1].receivers_count = RECEIVERS;
    load_tally_measure(&tally, true);
    load_tally_publish(&tally, 1, 1000, &stamp);
    CHECK(stamp.run == RUN && stamp.stream == 1 && stamp.number == 1 && stamp.ns == 1000, "stamp");
    return stamp;
}

TEST(tally, the_last_receiver_completes_a_message)
{
    const struct load_stamp stamp = begin();
    CHECK(load_tally_missing(&tally) == RECEIVERS && tally.outstanding == 1, "before");
    CHECK(!load_tally_delivered(&tally, &checks[0], &stamp, 2000), "first");
    CHECK(!load_tally_delivered(&tally, &checks[1], &stamp, 3000), "second");
    CHECK(load_tally_delivered(&tally, &checks[2], &stamp, 4000), "third");
    CHECK(load_tally_missing(&tally) == 0 && tally.outstanding == 0 && tally.completed == 1, "after");
    CHECK(tally.latency_ns.count == 3 && tally.latency_ns.max == 3000 && tally.last_ns.count == 1,
          "latencies");
    load_tally_fini(&tally);
}

TEST(tally, a_repetition_completes_nothing)
{
    const struct load_stamp stamp = begin();
    for (int i = 0; i < 5; i++) {
        CHECK(!load_tally_delivered(&tally, &checks[0], &stamp, 2000), "%d", i);
    }
    CHECK(tally.duplicates == 4 && load_tally_missing(&tally) == 2 && tally.deliveries == 5, "counts");
    CHECK(tally.measured.deliveries == 1, "repetitions are no deliveries");
    load_tally_fini(&tally);
}

TEST(tally, foreign_marks_change_nothing)
{
    const struct load_stamp stamp = begin();
    struct load_stamp others[] = {stamp, stamp, stamp, stamp};
    others[0].run++;
    others[1].stream = 2;
    others[2].number = 2;
    others[3].number = 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK(!load_tally_delivered(&tally, &checks[0], &others[i], 2000), "delivered %zu", i);
        load_tally_acked(&tally, &others[i], 2000);
        load_tally_refused(&tally, &others[i]);
    }
    CHECK(!load_tally_delivered(&tally, NULL, &stamp, 2000), "a receiver that should not get it");
    CHECK(tally.foreign == 13 && load_tally_missing(&tally) == RECEIVERS && tally.ack_ns.count == 0,
          "counts");
    load_tally_fini(&tally);
}

TEST(tally, refused_messages_are_not_missing)
{
    const struct load_stamp stamp = begin();
    load_tally_refused(&tally, &stamp);
    CHECK(load_tally_missing(&tally) == 0 && tally.outstanding == 0 && tally.refused == 1, "counts");
    load_tally_fini(&tally);
}

TEST(tally, late_is_counted_and_not_lost)
{
    const struct load_stamp first = begin();
    struct load_stamp second;
    load_tally_publish(&tally, 1, 1500, &second);
    CHECK(!load_tally_delivered(&tally, &checks[0], &second, 2000), "second first");
    CHECK(!load_tally_delivered(&tally, &checks[0], &first, 2000), "then the first");
    CHECK(tally.reordered == 1 && load_tally_missing(&tally) == 4, "counts");
    load_tally_fini(&tally);
}

TEST(tally, a_ring_that_goes_round_forgets_completions_not_losses)
{
    struct load_stamp stamp = begin();
    const struct load_stamp first = stamp;
    for (uint32_t i = 0; i < tally.ring_size; i++) {
        load_tally_publish(&tally, 1, 1000, &stamp);
    }
    CHECK(tally.outstanding == tally.ring_size, "the first is not waited for");
    for (int i = 0; i < RECEIVERS; i++) {
        CHECK(!load_tally_delivered(&tally, &checks[i], &first, 2000), "receiver %d", i);
    }
    CHECK(load_tally_missing(&tally) == (uint64_t)tally.ring_size * RECEIVERS, "missing");
    load_tally_fini(&tally);
}

TEST(tally, measuring_begins_at_nothing)
{
    const struct load_stamp stamp = begin();
    (void)load_tally_delivered(&tally, &checks[0], &stamp, 2000);
    load_tally_measure(&tally, true);
    CHECK(tally.latency_ns.count == 0 && tally.measured.deliveries == 0 && tally.deliveries == 1, "start");
    load_tally_measure(&tally, false);
    (void)load_tally_delivered(&tally, &checks[1], &stamp, 2000);
    CHECK(tally.latency_ns.count == 0 && tally.deliveries == 2, "stopped");
    load_tally_fini(&tally);
}

TEST(tally, too_many_streams_are_refused)
{
    CHECK(load_tally_open(&tally, 0, 1) == NX_E_FULL, "none");
    CHECK(load_tally_open(&tally, LOAD_STREAMS_MAX + 1, 1) == NX_E_FULL, "too many");
    CHECK(load_tally_open(&tally, LOAD_STREAMS_MAX, 1) == NX_OK && tally.ring_size == LOAD_RING_MIN,
          "the most");
    load_tally_fini(&tally);
}
