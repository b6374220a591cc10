/* Goal: sequence numbers stand for the nearest index, and each index is new exactly once and only inside the window.
 * Method: against a plain list of everything noted, over random orders. */
#include "engine/crypto/srtp_window.h"

#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <string.h>

TEST(srtp_window, guesses_the_nearest_index)
{
    struct nx_srtp_window window = {0};
    CHECK(nx_srtp_window_guess(&window, 65535) == 65535, "at first the number itself");
    nx_srtp_window_note(&window, 65535);
    CHECK(nx_srtp_window_guess(&window, 0) == 65536, "one on");
    CHECK(nx_srtp_window_guess(&window, 32766) == 65536 + 32766, "far on");
    CHECK(nx_srtp_window_guess(&window, 32768) == 32768, "far back");
    nx_srtp_window_note(&window, 65536 + 3);
    CHECK(nx_srtp_window_guess(&window, 65535) == 65535, "late across the wrap");
    CHECK(nx_srtp_window_guess(&window, 3) == 65539, "the newest");
    struct nx_srtp_window low = {0};
    nx_srtp_window_note(&low, 5);
    CHECK(nx_srtp_window_guess(&low, 65530) == 65530, "nothing is before the first cycle");
}

TEST(srtp_window, takes_every_index_once)
{
    enum { SPAN = 6000 };
    static bool seen[SPAN];
    struct nx_prng random;
    for (uint64_t seed = 0; seed < 200; seed++) {
        nx_prng_init(&random, seed);
        memset(seen, 0, sizeof(seen));
        struct nx_srtp_window window = {0};
        const uint64_t base = seed % 3 == 0 ? 0 : (1ULL << 47) + seed * 977;
        uint64_t highest = 0;
        bool has_one = false;
        for (int i = 0; i < 3000; i++) {
            const uint64_t middle = highest + nx_prng_below(&random, 40);
            const uint64_t back = nx_prng_below(&random, i % 50 == 0 ? 1500 : 60);
            const uint64_t jump = i % 200 == 0 ? nx_prng_below(&random, 1500) : 0;
            uint64_t at = middle + jump > back ? middle + jump - back : 0;
            at = at < SPAN ? at : SPAN - 1;
            const bool is_new = !has_one || at > highest || (highest - at < NX_SRTP_WINDOW && !seen[at]);
            CHECK(nx_srtp_window_is_new(&window, base + at) == is_new, "seed %u index %u", (unsigned)seed,
                  (unsigned)at);
            if (is_new) {
                nx_srtp_window_note(&window, base + at);
                seen[at] = true;
                highest = !has_one || at > highest ? at : highest;
                has_one = true;
                CHECK(!nx_srtp_window_is_new(&window, base + at), "noted");
            }
        }
    }
}

TEST(srtp_window, forgets_what_is_older_than_itself)
{
    struct nx_srtp_window window = {0};
    nx_srtp_window_note(&window, 100000);
    CHECK(!nx_srtp_window_is_new(&window, 100000), "seen");
    CHECK(nx_srtp_window_is_new(&window, 100000 - NX_SRTP_WINDOW + 1), "the oldest inside");
    CHECK(!nx_srtp_window_is_new(&window, 100000 - NX_SRTP_WINDOW), "outside");
    nx_srtp_window_note(&window, 100000 + NX_SRTP_WINDOW);
    CHECK(!nx_srtp_window_is_new(&window, 100000), "outside now");
    CHECK(nx_srtp_window_is_new(&window, 100001), "never seen, inside");
}
