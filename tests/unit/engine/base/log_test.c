/* Goal: what is recorded is what is printed, one line; floods are cut and counted; nothing private can be in a record. */
#include "engine/base/log.h"
#include "tests/lib/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static struct nx_log *make(void **memory, uint32_t records)
{
    struct nx_log *log =
        aligned_alloc(NX_LINE_SIZE, (sizeof(struct nx_log) + NX_LINE_SIZE - 1) / NX_LINE_SIZE * NX_LINE_SIZE);
    *memory = malloc(nx_log_size_needed(records));
    nx_log_init(log, *memory, records, NX_LOG_LEVEL_INFO);
    nx_log_now(log, (nx_time){0}, 1767323045678LL);
    return log;
}

static const char *line_of(struct nx_log *log)
{
    static char line[NX_LOG_LINE_SIZE_MAX + 1];
    struct nx_log_record record;
    if (!nx_log_take(log, &record)) {
        return "(none)";
    }
    struct nx_writer out = nx_writer_init(line, NX_LOG_LINE_SIZE_MAX);
    nx_log_format(&record, &out);
    CHECK(nx_writer_ok(&out), "fits");
    line[out.size] = '\0';
    return line;
}

TEST(log, every_kind_is_printed)
{
    void *memory;
    struct nx_log *log = make(&memory, 8);
    struct nx_addr v4 = {0};
    struct nx_addr v6 = {0};
    CHECK(nx_addr_parse(nx_bytes_text("203.0.113.77:4711"), &v4) == NX_OK, "v4");
    CHECK(nx_addr_parse(nx_bytes_text("[2001:db8:1:2::77]:4711"), &v6) == NX_OK, "v6");
    NX_LOG(log, INFO, "conn.opened");
    NX_LOG(log, WARN, "conn.closed", NX_LOG_U64("session", UINT64_MAX), NX_LOG_I64("left", INT64_MIN),
           NX_LOG_TEXT("reason", "timeout"), NX_LOG_ERR("err", NX_E_FULL), NX_LOG_DURATION("age", 1234567890),
           NX_LOG_DURATION("skew", -1500), NX_LOG_ADDR("peer", &v4), NX_LOG_ADDR("via", &v6));
    NX_LOG(log, ERROR, "odd.text", NX_LOG_TEXT("a", "say \"hi\"\n"), NX_LOG_TEXT("b", ""),
           NX_LOG_TEXT("c", "x=y"));
    NX_LOG(log, DEBUG, "not.kept", NX_LOG_U64("n", 1));
    NX_LOG((struct nx_log *)NULL, ERROR, "nowhere");
    const char *line = line_of(log);
    CHECK(strcmp(line, "2026-01-02T03:04:05.678Z INFO conn.opened") == 0, "%s", line);
    line = line_of(log);
    CHECK(
        strcmp(line,
               "2026-01-02T03:04:05.678Z WARN conn.closed session=18446744073709551615 "
               "left=-9223372036854775808 "
               "reason=timeout err=\"a fixed limit is reached\" age=1234.567ms skew=-0.001ms peer=203.0.x.x "
               "via=2001:db8:x") == 0,
        "%s", line);
    line = line_of(log);
    CHECK(strcmp(line,
                 "2026-01-02T03:04:05.678Z ERROR odd.text a=\"say \\\"hi\\\"\\x0a\" b=\"\" c=\"x=y\"") == 0,
          "%s", line);
    CHECK(strcmp(line_of(log), "(none)") == 0, "below the level");
    free(memory);
    free(log);
}

TEST(log, an_address_never_enters_a_record)
{
    struct nx_addr addr = {0};
    CHECK(nx_addr_parse(nx_bytes_text("203.0.113.77:4711"), &addr) == NX_OK, "v4");
    const struct nx_log_field a = NX_LOG_ADDR("peer", &addr);
    addr.ip[2] = 9;
    addr.ip[3] = 9;
    addr.port = 9;
    const struct nx_log_field b = NX_LOG_ADDR("peer", &addr);
    CHECK(a.value.number == b.value.number, "only the first 16 bits make a difference");
    CHECK(nx_addr_parse(nx_bytes_text("::ffff:203.0.1.2"), &addr) == NX_OK, "mapped");
    CHECK(NX_LOG_ADDR("peer", &addr).value.number == a.value.number, "mapped is IPv4");
}

TEST(log, fields_beyond_the_cap_are_cut)
{
    void *memory;
    struct nx_log *log = make(&memory, 8);
    struct nx_log_field fields[NX_LOG_FIELDS_MAX + 3];
    for (size_t i = 0; i < NX_LOG_FIELDS_MAX + 2; i++) {
        fields[i] = NX_LOG_U64("n", i);
    }
    fields[NX_LOG_FIELDS_MAX + 2] = (struct nx_log_field){.kind = NX_LOG_KIND_END};
    nx_log_event(log, NX_LOG_LEVEL_INFO, "many", fields);
    struct nx_log_record record;
    CHECK(nx_log_take(log, &record) && record.fields_count == NX_LOG_FIELDS_MAX, "cut");
    free(memory);
    free(log);
}

TEST(log, floods_of_one_event_are_kept_back_and_told)
{
    void *memory;
    struct nx_log *log = make(&memory, 64);
    char name[] = "flood"; /* The same name at another address counts together. */
    const struct nx_log_field none = {.kind = NX_LOG_KIND_END};
    for (int i = 0; i < 25; i++) {
        if (i % 2 == 0) {
            NX_LOG(log, INFO, "flood");
        } else {
            nx_log_event(log, NX_LOG_LEVEL_INFO, name, &none);
        }
    }
    NX_LOG(log, INFO, "other");
    for (int i = 0; i < NX_LOG_RATE_PER_S_MAX; i++) {
        CHECK(strcmp(line_of(log), "2026-01-02T03:04:05.678Z INFO flood") == 0, "flood %d", i);
    }
    CHECK(strcmp(line_of(log), "2026-01-02T03:04:05.678Z INFO other") == 0, "others are not touched");
    CHECK(strcmp(line_of(log), "(none)") == 0 && nx_log_suppressed(log) == 15, "15 kept back");
    nx_log_now(log, (nx_time){NX_TIME_NS_PER_S}, 1767323046678LL);
    NX_LOG(log, INFO, "flood");
    NX_LOG(log, INFO, "flood");
    CHECK(strcmp(line_of(log), "2026-01-02T03:04:06.678Z INFO flood suppressed=15") == 0,
          "told with the next");
    CHECK(strcmp(line_of(log), "2026-01-02T03:04:06.678Z INFO flood") == 0, "and only once");
    free(memory);
    free(log);
}

TEST(log, a_full_ring_drops_and_counts)
{
    void *memory;
    struct nx_log *log = make(&memory, 4);
    for (int i = 0; i < 7; i++) {
        NX_LOG(log, INFO, "event", NX_LOG_I64("i", i));
    }
    CHECK(nx_log_dropped(log) == 3, "dropped %llu", (unsigned long long)nx_log_dropped(log));
    CHECK(strcmp(line_of(log), "2026-01-02T03:04:05.678Z INFO event i=0") == 0, "the oldest stays");
    free(memory);
    free(log);
}

TEST(log, more_event_names_than_places_share_one)
{
    void *memory;
    struct nx_log *log = make(&memory, 1024);
    static char names[NX_LOG_EVENTS_MAX + 50][8];
    const struct nx_log_field none = {.kind = NX_LOG_KIND_END};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < NX_LOG_EVENTS_MAX + 50; i++) {
            snprintf(names[i], sizeof(names[i]), "e%d", i);
            nx_log_event(log, NX_LOG_LEVEL_INFO, names[i], &none);
        }
    }
    CHECK(nx_spsc_count(&log->ring) >= 2 * NX_LOG_EVENTS_MAX, "names with a place are all recorded");
    free(memory);
    free(log);
}

static void *write_events(void *argument)
{
    struct nx_log *log = argument;
    for (int64_t i = 0; i < 20000; i++) {
        nx_log_now(log, (nx_time){i * NX_TIME_NS_PER_S}, i);
        NX_LOG(log, INFO, "event", NX_LOG_I64("i", i), NX_LOG_TEXT("t", "x"));
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

TEST(log, one_thread_writes_and_another_reads)
{
    void *memory;
    struct nx_log *log = make(&memory, 16);
    pthread_t writer;
    CHECK(pthread_create(&writer, NULL, write_events, log) == 0, "thread");
    uint64_t taken = 0;
    int64_t last = -1;
    while (taken + nx_log_dropped(log) < 20000) {
        struct nx_log_record record;
        if (!nx_log_take(log, &record)) {
            sched_yield();
            continue;
        }
        CHECK(record.fields[0].value.integer > last && record.wall_ms == record.fields[0].value.integer,
              "in order and whole");
        last = record.fields[0].value.integer;
        taken++;
    }
    pthread_join(writer, NULL);
    free(memory);
    free(log);
}
