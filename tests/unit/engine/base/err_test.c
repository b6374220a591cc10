/* Goal: the vocabulary's smallest values: every error has a text and a scope, times saturate, runs slice safely. */
#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/time.h"
#include "tests/lib/check.h"

TEST(err, every_row_has_a_text_and_a_scope)
{
    static const enum nx_err all[] = {
#define NX_ERR(name, scope, text) NX_E_##name,
#include "engine/base/err.def"
#undef NX_ERR
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        CHECK(nx_err_text(all[i])[0] != '\0', "text of %zu", i);
        CHECK(nx_err_scope(all[i]) != NX_ERR_SCOPE_NONE, "scope of %zu", i);
    }
    CHECK(nx_err_scope(NX_OK) == NX_ERR_SCOPE_NONE, "ok reaches nothing");
    CHECK(strcmp(nx_err_text((enum nx_err)9999), "unknown error") == 0, "unknown");
    CHECK(nx_err_scope((enum nx_err)9999) == NX_ERR_SCOPE_NODE, "unknown is serious");
}

TEST(time, sums_saturate)
{
    CHECK(nx_time_add_ns((nx_time){5}, 7).ns == 12, "plain");
    CHECK(nx_time_add_ns(NX_TIME_NEVER, 1).ns == INT64_MAX, "never stays never");
    CHECK(nx_time_add_ms((nx_time){1}, 2).ns == 2000001, "milliseconds");
    CHECK(nx_time_add_ms((nx_time){1}, INT64_MAX).ns == INT64_MAX, "overflowing milliseconds");
    CHECK(nx_time_min((nx_time){3}, (nx_time){2}).ns == 2 && nx_time_before((nx_time){2}, (nx_time){3}),
          "order");
}

TEST(bytes, slices_stay_inside)
{
    const struct nx_bytes text = nx_bytes_text("hello");
    CHECK(nx_bytes_is(nx_bytes_slice(text, 1, 3), "ell"), "inside");
    CHECK(nx_bytes_is(nx_bytes_slice(text, 3, SIZE_MAX), "lo"), "cut at the end");
    CHECK(nx_bytes_slice(text, 5, 1).size == 0 && nx_bytes_slice(text, SIZE_MAX, 1).size == 0,
          "past the end");
    CHECK(nx_bytes_equal(nx_bytes_of(NULL, 0), nx_bytes_text("")) && !nx_bytes_is(text, "hell"), "equality");
}
