/* Goal: the statistics are one JSON object with every counter of tally.def. */
#include "tools/impair/core/tally.h"

#include "tests/lib/check.h"

#include <string.h>

TEST(tally, every_counter_is_written_once)
{
    static const char *const names[] = {
#define NX_METRIC(kind, name, unit, help) "\"" #name,
#include "tools/impair/core/tally.def"
#undef NX_METRIC
    };
    static struct impair_tally tally;
    static char text[4096];
    struct nx_writer out = nx_writer_init(text, sizeof(text) - 1);
    tally.received = 17;
    tally.lost_burst = UINT64_MAX;
    for (uint64_t i = 1; i <= 100; i++) {
        nx_metric_histogram_add(&tally.late, i);
    }
    impair_tally_write(&tally, &out);
    CHECK(nx_writer_ok(&out) && text[0] == '{' && text[out.size - 1] == '}', "%s", text);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK(strstr(text, names[i]) != NULL, "%s is missing", names[i]);
    }
    CHECK(strstr(text, "{\"received\":17,\"received_bytes\":0,") == text, "%s", text);
    CHECK(strstr(text, "\"lost_burst\":18446744073709551615,") != NULL, "%s", text);
    CHECK(strstr(text, "\"late_us\":{\"p50\":") != NULL && strstr(text, "\"max\":100}}") != NULL, "%s", text);
}
