/* Goal: a stream is delayed, cut and harmed as set, in order, and by offset alone however reads cut it. */
#include "tools/impair/core/pipe.h"

#include "engine/base/prng.h"
#include "tests/lib/check.h"
#include "tools/impair/core/limits.h"

#include <string.h>

enum { STREAM = 1 << 20 };

static struct impair_setting plain(void)
{
    struct impair_setting s;
    impair_setting_init(&s);
    return s;
}

/* Takes a stream of zeros, cut by `cut_seed`, into `out`. Returns how many bytes pass before a reset or the end. */
static size_t taken(const struct impair_setting *s, uint64_t key, uint64_t cut_seed, uint8_t *out)
{
    struct impair_pipe pipe;
    struct nx_prng prng;
    size_t at = 0;
    nx_prng_init(&prng, cut_seed);
    impair_pipe_init(&pipe, key);
    memset(out, 0, STREAM);
    while (at < STREAM) {
        struct impair_pipe_fate fate;
        size_t size = 1 + (size_t)nx_prng_below(&prng, cut_seed == 0 ? STREAM : 3000);
        size = size < STREAM - at ? size : STREAM - at;
        impair_pipe_take(&pipe, s, (nx_time){0}, out + at, size, &fate);
        at += fate.size;
        if (fate.is_reset) {
            break;
        }
        CHECK(fate.size == size, "shortened without a reset");
    }
    return at;
}

TEST(pipe, nothing_set_passes_everything_at_once)
{
    const struct impair_setting s = plain();
    struct impair_pipe pipe;
    struct impair_pipe_fate fate;
    uint8_t bytes[3] = {1, 2, 3};
    nx_time not_before = {0};
    impair_pipe_init(&pipe, 1);
    impair_pipe_take(&pipe, &s, (nx_time){5}, bytes, 3, &fate);
    CHECK(fate.size == 3 && fate.due.ns == 5 && !fate.is_reset && bytes[0] == 1 && bytes[2] == 3, "fate");
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){5}, 3, &not_before) == 3, "piece");
    impair_pipe_given(&pipe, &s, (nx_time){5}, 3);
    CHECK(impair_pipe_end(&pipe, &s, (nx_time){6}).ns == 6, "end");
}

TEST(pipe, jitter_never_lets_bytes_overtake)
{
    struct impair_setting s = plain();
    struct impair_pipe pipe;
    nx_time last = {0};
    s.delay_ns = 10000000;
    s.jitter_ns = 9000000;
    s.is_unordered = true;
    impair_pipe_init(&pipe, 1);
    for (int64_t i = 0; i < 10000; i++) {
        struct impair_pipe_fate fate;
        uint8_t byte = 0;
        impair_pipe_take(&pipe, &s, (nx_time){i * 100000}, &byte, 1, &fate);
        CHECK(fate.due.ns >= last.ns && fate.due.ns >= i * 100000 + 1000000, "segment %lld", (long long)i);
        last = fate.due;
    }
    CHECK(impair_pipe_end(&pipe, &s, (nx_time){0}).ns >= last.ns, "the end overtakes");
}

TEST(pipe, flips_are_at_the_same_offsets_however_reads_cut_the_stream)
{
    static uint8_t a[STREAM];
    static uint8_t b[STREAM];
    struct impair_setting s = plain();
    s.flip = 100000000;
    s.bits = 3;
    CHECK(taken(&s, 77, 1, a) == STREAM && taken(&s, 77, 2, b) == STREAM, "all passes");
    CHECK(memcmp(a, b, STREAM) == 0, "two cuts differ");
    int flipped = 0;
    for (size_t i = 0; i < STREAM; i++) {
        flipped += __builtin_popcount(a[i]);
    }
    const double blocks = (double)STREAM / IMPAIR_BLOCK_SIZE;
    const double off = flipped / 3.0 - 0.1 * blocks;
    CHECK(off * off < 16 * blocks * 0.09, "%d bits", flipped);
    CHECK(taken(&s, 78, 1, b) == STREAM && memcmp(a, b, STREAM) != 0, "another key flips the same");
}

TEST(pipe, a_reset_is_at_the_same_offset_however_reads_cut_the_stream)
{
    static uint8_t bytes[STREAM];
    struct impair_setting s = plain();
    double mean = 0;
    s.reset = 10000000;
    for (uint64_t key = 0; key < 400; key++) {
        const size_t at = taken(&s, key * 1000003, 1, bytes);
        CHECK(at == taken(&s, key * 1000003, 2, bytes), "key %llu", (unsigned long long)key);
        mean += (double)at / 400;
    }
    /* 1 % in each KiB: a reset after about 100 KiB. */
    CHECK(mean > 80 * 1024 && mean < 120 * 1024, "mean %f", mean);
    s = plain();
    s.reset_after = 12345;
    CHECK(taken(&s, 1, 1, bytes) == 12345 && taken(&s, 1, 0, bytes) == 12345, "reset-after");
}

TEST(pipe, pieces_have_the_sizes_set_by_offset_alone)
{
    struct impair_setting s = plain();
    size_t starts[2][200];
    s.chunk = (struct impair_setting_range){1, 7};
    for (int cut = 0; cut < 2; cut++) {
        struct impair_pipe pipe;
        size_t at = 0;
        size_t segment_left = 0;
        int pieces = 0;
        bool is_new = true;
        impair_pipe_init(&pipe, 9);
        while (pieces < 200) {
            nx_time not_before;
            segment_left = segment_left != 0 ? segment_left : (cut == 0 ? 1000 : 3);
            const size_t piece = impair_pipe_piece(&pipe, &s, (nx_time){0}, segment_left, &not_before);
            CHECK(piece >= 1 && piece <= 7 && piece <= segment_left, "piece of %zu", piece);
            if (is_new) {
                starts[cut][pieces++] = at;
            }
            impair_pipe_given(&pipe, &s, (nx_time){0}, piece);
            is_new = pipe.chunk_left == 0;
            at += piece;
            segment_left -= piece;
        }
    }
    CHECK(memcmp(starts[0], starts[1], sizeof(starts[0])) == 0, "pieces begin elsewhere");
    CHECK(starts[0][199] > 199 * 3 && starts[0][199] < 199 * 5, "mean piece of %f",
          (double)starts[0][199] / 199);
}

TEST(pipe, one_byte_pieces_and_their_pause)
{
    struct impair_setting s = plain();
    struct impair_pipe pipe;
    nx_time not_before = {0};
    s.chunk = (struct impair_setting_range){1, 1};
    s.pause_ns = 1000;
    impair_pipe_init(&pipe, 9);
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){50}, 10, &not_before) == 1, "first byte");
    impair_pipe_given(&pipe, &s, (nx_time){50}, 1);
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){60}, 9, &not_before) == 0 && not_before.ns == 1050, "pause");
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){1050}, 9, &not_before) == 1, "second byte");
    s.chunk = (struct impair_setting_range){0, 0};
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){1050}, 9, &not_before) == 9, "switched off");
}

TEST(pipe, a_blackout_makes_everything_wait_for_its_end)
{
    struct impair_setting s = plain();
    struct impair_pipe pipe;
    nx_time not_before = {0};
    s.dark_from = (nx_time){10};
    s.dark_until = (nx_time){20};
    impair_pipe_init(&pipe, 9);
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){15}, 10, &not_before) == 0 && not_before.ns == 20, "dark");
    CHECK(impair_pipe_piece(&pipe, &s, (nx_time){20}, 10, &not_before) == 10, "light");
}

TEST(pipe, a_rate_limit_spreads_the_stream)
{
    struct impair_setting s = plain();
    struct impair_pipe pipe;
    struct impair_pipe_fate fate = {0};
    uint8_t bytes[1000] = {0};
    s.rate_bps = 8000000;
    s.bucket_size = 1000;
    impair_pipe_init(&pipe, 9);
    for (int i = 0; i < 1001; i++) {
        impair_pipe_take(&pipe, &s, (nx_time){0}, bytes, sizeof(bytes), &fate);
    }
    CHECK(fate.due.ns == NX_TIME_NS_PER_S, "a megabyte at a megabyte per second: %lld",
          (long long)fate.due.ns);
}
