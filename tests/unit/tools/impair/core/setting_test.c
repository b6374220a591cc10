/* Goal: each key takes what its kind allows and nothing else, and a mask changes just its keys. */
#include "tools/impair/core/setting.h"

#include "tests/lib/check.h"
#include "tools/impair/core/limits.h"

#include <string.h>

static enum nx_err parse(const char *word, struct impair_setting *setting)
{
    uint32_t mask = 0;
    impair_setting_init(setting);
    return impair_setting_parse(nx_bytes_text(word), IMPAIR_SETTING_BOTH, setting, &mask);
}

TEST(setting, values_of_each_kind_are_understood)
{
    struct impair_setting s;
    CHECK(parse("loss=5%", &s) == NX_OK && s.loss == 50000000, "loss %u", s.loss);
    CHECK(parse("loss=0.05", &s) == NX_OK && s.loss == 50000000, "loss %u", s.loss);
    CHECK(parse("loss=0.0000001%", &s) == NX_OK && s.loss == 1, "loss %u", s.loss);
    CHECK(parse("loss=100%", &s) == NX_OK && s.loss == IMPAIR_DICE_CERTAIN, "loss %u", s.loss);
    CHECK(parse("loss=1", &s) == NX_OK && s.loss == IMPAIR_DICE_CERTAIN, "loss %u", s.loss);
    CHECK(parse("burst=1%,25%", &s) == NX_OK && s.burst.enter == 10000000 && s.burst.leave == 250000000 &&
              s.burst.bad_loss == IMPAIR_DICE_CERTAIN && s.burst.good_loss == 0,
          "burst of two");
    CHECK(parse("burst=1%,25%,50%,0.1%", &s) == NX_OK && s.burst.bad_loss == 500000000 &&
              s.burst.good_loss == 1000000,
          "burst of four");
    CHECK(parse("delay=1.5ms", &s) == NX_OK && s.delay_ns == 1500000, "delay");
    CHECK(parse("delay=0", &s) == NX_OK && s.delay_ns == 0, "delay");
    CHECK(parse("delay=24h", &s) == NX_OK && s.delay_ns == 86400LL * NX_TIME_NS_PER_S, "delay");
    CHECK(parse("jitter=250us", &s) == NX_OK && s.jitter_ns == 250000, "jitter");
    CHECK(parse("curve=exponential", &s) == NX_OK && s.curve == IMPAIR_SETTING_EXPONENTIAL, "curve");
    CHECK(parse("order=free", &s) == NX_OK && s.is_unordered, "order");
    CHECK(parse("gap=1024", &s) == NX_OK && s.gap == 1024, "gap");
    CHECK(parse("bits=64", &s) == NX_OK && s.bits == 64, "bits");
    CHECK(parse("rate=2.5mbit", &s) == NX_OK && s.rate_bps == 2500000, "rate");
    CHECK(parse("rate=1000gbit", &s) == NX_OK && s.rate_bps == 1000000000000, "rate");
    CHECK(parse("bucket=1.5KiB", &s) == NX_OK && s.bucket_size == 1536, "bucket");
    CHECK(parse("queue=64KiB", &s) == NX_OK && s.queue.size == 65536 && s.queue.wait_ns == 0, "queue");
    CHECK(parse("queue=50ms", &s) == NX_OK && s.queue.size == 0 && s.queue.wait_ns == 50000000, "queue");
    CHECK(parse("chunk=1", &s) == NX_OK && s.chunk.min == 1 && s.chunk.max == 1, "chunk");
    CHECK(parse("chunk=1-7", &s) == NX_OK && s.chunk.min == 1 && s.chunk.max == 7, "chunk");
    CHECK(parse("reset-after=1MiB", &s) == NX_OK && s.reset_after == 1 << 20, "reset-after");
}

TEST(setting, anything_else_is_malformed_and_changes_nothing)
{
    static const char *const words[] = {
        "loss=",
        "loss=101%",
        "loss=1.1",
        "loss=-1%",
        "loss=5 %",
        "loss=.5",
        "loss=5.",
        "loss=5.%",
        "loss=0.0000000001",
        "loss=%",
        "burst=1%",
        "burst=1%,",
        "burst=1%,2%,",
        "burst=,1%",
        "burst=1%,2%,3%,4%,5%",
        "delay=5",
        "delay=5m",
        "delay=-5ms",
        "delay=25h",
        "delay=99999999999h",
        "delay=1e3ms",
        "curve=bell",
        "curve=",
        "order=1",
        "gap=0",
        "gap=1025",
        "gap=1.5",
        "bits=0",
        "bits=65",
        "rate=5",
        "rate=5mbps",
        "rate=2000gbit",
        "bucket=5ms",
        "queue=5x",
        "chunk=0",
        "chunk=7-1",
        "chunk=1-",
        "chunk=-7",
        "chunk=5000000000",
        "reset-after=-1",
        "loss",
        "loss=99999999999999999999%",
    };
    struct impair_setting before;
    impair_setting_init(&before);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct impair_setting s;
        memset(&s, 0, sizeof(s));
        memcpy(&s, &before, sizeof(s));
        uint32_t mask = 0;
        CHECK(impair_setting_parse(nx_bytes_text(words[i]), IMPAIR_SETTING_BOTH, &s, &mask) == NX_E_MALFORMED,
              "%s", words[i]);
        CHECK(mask == 0 && memcmp(&s, &before, sizeof(s)) == 0, "%s changed something", words[i]);
    }
    struct impair_setting s;
    CHECK(parse("los=5%", &s) == NX_E_NOT_FOUND && parse("=5%", &s) == NX_E_NOT_FOUND &&
              parse("", &s) == NX_E_NOT_FOUND,
          "unknown keys");
}

TEST(setting, a_key_without_a_meaning_for_the_protocol_is_refused)
{
    struct impair_setting s;
    uint32_t mask = 0;
    impair_setting_init(&s);
    CHECK(impair_setting_parse(nx_bytes_text("loss=1%"), IMPAIR_SETTING_TCP, &s, &mask) == NX_E_UNSUPPORTED,
          "loss");
    CHECK(impair_setting_parse(nx_bytes_text("chunk=1"), IMPAIR_SETTING_UDP, &s, &mask) == NX_E_UNSUPPORTED,
          "chunk");
    CHECK(impair_setting_parse(nx_bytes_text("delay=1s"), IMPAIR_SETTING_TCP, &s, &mask) == NX_OK, "delay");
    CHECK(mask == 1U << IMPAIR_SETTING_KEY_DELAY, "mask %x", mask);
}

TEST(setting, off_is_what_was_before_and_a_mask_changes_only_its_keys)
{
    struct impair_setting s;
    struct impair_setting change;
    uint32_t mask = 0;
    impair_setting_init(&s);
    impair_setting_init(&change);
    s.gap = 9;
    s.loss = 5;
    s.dark_until = (nx_time){77};
    CHECK(impair_setting_parse(nx_bytes_text("gap=off"), IMPAIR_SETTING_BOTH, &change, &mask) == NX_OK,
          "gap=off");
    CHECK(impair_setting_parse(nx_bytes_text("delay=1s"), IMPAIR_SETTING_BOTH, &change, &mask) == NX_OK,
          "delay");
    impair_setting_merge(&s, &change, mask);
    CHECK(s.gap == 3 && s.delay_ns == NX_TIME_NS_PER_S && s.loss == 5 && s.dark_until.ns == 77,
          "gap %u loss %u", s.gap, s.loss);
}

TEST(setting, a_delay_is_never_negative)
{
    struct impair_setting s;
    impair_setting_init(&s);
    s.delay_ns = 1000;
    s.jitter_ns = 100000;
    for (enum impair_setting_curve curve = IMPAIR_SETTING_UNIFORM; curve <= IMPAIR_SETTING_EXPONENTIAL;
         curve++) {
        s.curve = curve;
        for (uint64_t n = 0; n < 1000; n++) {
            struct impair_dice dice;
            impair_dice_init(&dice, 1, IMPAIR_DICE_PACKET, n);
            CHECK(impair_setting_draw_delay_ns(&s, &dice) >= 0, "curve %d", (int)curve);
        }
    }
}

TEST(setting, a_blackout_begins_with_its_first_instant_and_ends_before_its_last)
{
    struct impair_setting s;
    impair_setting_init(&s);
    CHECK(!impair_setting_is_dark(&s, (nx_time){0}), "dark without a blackout");
    s.dark_from = (nx_time){10};
    s.dark_until = (nx_time){20};
    CHECK(!impair_setting_is_dark(&s, (nx_time){9}) && impair_setting_is_dark(&s, (nx_time){10}) &&
              impair_setting_is_dark(&s, (nx_time){19}) && !impair_setting_is_dark(&s, (nx_time){20}),
          "window");
}
