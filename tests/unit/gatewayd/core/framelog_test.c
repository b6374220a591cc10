/* Goal: a position is good exactly as long as the log has not come round, at every size and across the end. */
#include "gatewayd/core/framelog.h"
#include "gatewayd/core/limits.h"
#include "tests/lib/check.h"

#include <stdlib.h>

static void *take(void *context, size_t size)
{
    (void)context;
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(memory, 0, (size + 63) / 64 * 64);
    return memory;
}

static void give(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static const struct gw_memory memory = {.take = take, .give = give};

TEST(framelog, keeps_the_newest_and_forgets_the_oldest)
{
    struct gw_framelog log;
    CHECK(gw_framelog_init(&log, &memory, GW_FRAMELOG_SIZE_MIN, 1) == NX_OK, "init");
    enum { FRAMES = 60000 };
    static uint32_t positions[FRAMES];
    static uint8_t tail[4096];
    srand(3);
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        const size_t size = 4 + (size_t)rand() % (i % 100 == 0 ? 4000 : 300);
        memset(tail, (int)(i & 0xff), size);
        memcpy(tail, &i, sizeof(i));
        CHECK(gw_framelog_append(&log, &(struct gw_frame_info){.guild_id = i}, nx_bytes_of(tail, size),
                                 &positions[i]) == NX_OK,
              "append");
        CHECK(positions[i] != GW_FRAMELOG_NONE && gw_framelog_has(&log, positions[i]),
              "there is the new one");
        while (!gw_framelog_has(&log, positions[oldest])) {
            oldest++;
        }
        const uint32_t some = oldest + (uint32_t)rand() % (i - oldest + 1);
        const struct gw_frame *frame = gw_framelog_at(&log, positions[some]);
        CHECK(frame->guild_id == some && memcmp(frame + 1, &some, sizeof(some)) == 0, "frame %u intact",
              some);
        CHECK(i < 2000 || i - oldest > 1000, "most of the log is in use");
    }
    CHECK(oldest > 50000, "it came round: %u", oldest);
    gw_framelog_fini(&log);
}

TEST(framelog, positions_wrap_and_skip_none)
{
    struct gw_framelog log;
    CHECK(gw_framelog_init(&log, &memory, GW_FRAMELOG_SIZE_MIN, 1) == NX_OK, "init");
    log.head = (UINT64_C(1) << 32) - 3;
    log.tail = log.head;
    uint32_t before = 0;
    for (int i = 0; i < 10; i++) {
        uint32_t position;
        CHECK(gw_framelog_append(&log, &(struct gw_frame_info){0}, nx_bytes_text("x"), &position) == NX_OK,
              "append");
        CHECK(position != GW_FRAMELOG_NONE && gw_framelog_has(&log, position), "position %u", position);
        CHECK(before == 0 || gw_framelog_has(&log, before), "across the wrap");
        before = position;
    }
    gw_framelog_fini(&log);
}

TEST(framelog, a_newer_frame_with_the_same_key_voids_the_older)
{
    struct gw_framelog log;
    CHECK(gw_framelog_init(&log, &memory, GW_FRAMELOG_SIZE_MIN, 1) == NX_OK, "init");
    uint32_t a;
    uint32_t b;
    uint32_t c;
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){.guild_id = 1, .key = 9}, nx_bytes_text("a"),
                             &a) == NX_OK,
          "a");
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){.guild_id = 2, .key = 9}, nx_bytes_text("b"),
                             &b) == NX_OK,
          "b");
    CHECK((gw_framelog_at(&log, a)->flags & GW_FRAME_VOID) == 0, "another guild's key is another");
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){.guild_id = 2, .key = 9}, nx_bytes_text("c"),
                             &c) == NX_OK,
          "c");
    CHECK((gw_framelog_at(&log, b)->flags & GW_FRAME_VOID) != 0, "b is void");
    CHECK((gw_framelog_at(&log, c)->flags & GW_FRAME_VOID) == 0, "c is not");
    gw_framelog_fini(&log);
}

TEST(framelog, a_tail_longer_than_an_eighth_is_refused)
{
    struct gw_framelog log;
    CHECK(gw_framelog_init(&log, &memory, GW_FRAMELOG_SIZE_MIN, 1) == NX_OK, "init");
    static uint8_t tail[GW_FRAMELOG_SIZE_MIN / 8 + 1];
    uint32_t position = 77;
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){0}, nx_bytes_of(tail, sizeof(tail)), &position) ==
              NX_E_FULL,
          "full");
    CHECK(position == 77, "untouched");
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){0}, nx_bytes_of(tail, sizeof(tail) - 1),
                             &position) == NX_OK,
          "fits");
    gw_framelog_fini(&log);
}

TEST(framelog, compresses_once_and_only_when_it_pays)
{
    struct gw_framelog log;
    CHECK(gw_framelog_init(&log, &memory, GW_FRAMELOG_SIZE_MIN, 1) == NX_OK, "init");
    static char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    uint32_t position;
    uint32_t tiny;
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){0}, nx_bytes_text(text), &position) == NX_OK,
          "append");
    CHECK(gw_framelog_append(&log, &(struct gw_frame_info){0}, nx_bytes_text("\"t\""), &tiny) == NX_OK,
          "append");
    const struct nx_bytes first = gw_framelog_deflated(&log, position);
    const struct nx_bytes again = gw_framelog_deflated(&log, position);
    CHECK(first.size > 0 && first.size < 100 && first.at == again.at && log.deflated_count == 1, "once, %zu",
          first.size);
    CHECK(gw_framelog_deflated(&log, tiny).size == 0 && gw_framelog_deflated(&log, tiny).size == 0,
          "does not pay");
    CHECK(log.deflated_count == 1, "and is not tried twice");
    gw_framelog_fini(&log);
}
