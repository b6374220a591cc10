/* quota_test.c - buckets per (what, major, subject) in a table that cannot grow; logins that are known to live.
 *
 * Layer:   tests
 */
#include "control/core/quota.h"

#include "control/core/login.h"
#include "tests/lib/check.h"
#include "tests/unit/control/core/memory_for_tests.h"

TEST(quota, buckets_are_apart_and_fill_again)
{
    struct counted counted = {.fail_after = -1};
    const struct ctl_memory memory = counted_memory(&counted);
    struct ctl_quota quota;
    const struct nx_quota_rule rule = nx_quota_rule_of(2, 1000, 2);
    nx_time now = {NX_TIME_NS_PER_S};
    CHECK(ctl_quota_init(&quota, &memory, 3) == NX_OK, "init");
    CHECK(ctl_quota_look(&quota, &rule, now, 1, 2, 3).is_allowed, "looking");
    CHECK(ctl_quota_take(&quota, &rule, now, 1, 2, 3).remaining == 1 &&
              ctl_quota_take(&quota, &rule, now, 1, 2, 3).is_allowed,
          "two");
    const struct ctl_quota_state state = ctl_quota_take(&quota, &rule, now, 1, 2, 3);
    CHECK(!state.is_allowed && state.retry_ms == 500 && state.reset_ms == 1000 && state.limit == 2,
          "third: %ld %ld", (long)state.retry_ms, (long)state.reset_ms);
    CHECK(!ctl_quota_look(&quota, &rule, now, 1, 2, 3).is_allowed, "looking");
    CHECK(ctl_quota_take(&quota, &rule, now, 9, 2, 3).is_allowed &&
              ctl_quota_take(&quota, &rule, now, 1, 9, 3).is_allowed &&
              ctl_quota_take(&quota, &rule, now, 1, 2, 9).is_allowed,
          "others are apart");
    now = nx_time_add_ms(now, 500);
    CHECK(ctl_quota_take(&quota, &rule, now, 1, 2, 3).is_allowed &&
              !ctl_quota_take(&quota, &rule, now, 1, 2, 3).is_allowed,
          "half a second earns one");
    ctl_quota_fini(&quota, &memory);
    CHECK(counted.out == 0, "lost");
}

TEST(quota, flood_of_subjects_does_not_free_somebody_who_is_limited_often)
{
    struct counted counted = {.fail_after = -1};
    const struct ctl_memory memory = counted_memory(&counted);
    struct ctl_quota quota;
    const struct nx_quota_rule slow = nx_quota_rule_of(5, 60000, 5);
    const struct nx_quota_rule quick = nx_quota_per_s(10, 30);
    const nx_time now = {NX_TIME_NS_PER_S};
    CHECK(ctl_quota_init(&quota, &memory, 3) == NX_OK, "init");
    for (int i = 0; i < 5; i++) {
        (void)ctl_quota_take(&quota, &slow, now, 1, 1, 1);
    }
    for (uint64_t subject = 0; subject < 4 * CTL_QUOTA_SLOTS; subject++) {
        (void)ctl_quota_take(&quota, &quick, now, 2, 0, subject);
    }
    CHECK(!ctl_quota_look(&quota, &slow, now, 1, 1, 1).is_allowed, "the longest wait is kept longest");
    ctl_quota_fini(&quota, &memory);
}

TEST(login, revocations_are_told_until_their_tokens_are_over)
{
    struct counted counted = {.fail_after = -1};
    const struct ctl_memory memory = counted_memory(&counted);
    struct ctl_login login;
    struct ctl_login_revoked one;
    CHECK(ctl_login_init(&login, &memory, 1) == NX_OK, "init");
    ctl_login_note(&login, 5);
    ctl_login_note(&login, 6);
    CHECK(ctl_login_is_alive(&login, 5) && !ctl_login_is_alive(&login, 7), "notes");
    ctl_login_revoke(&login, 1, 5, 5, 1000);
    CHECK(!ctl_login_is_alive(&login, 5) && ctl_login_is_alive(&login, 6) && login.epoch == 1, "one");
    uint32_t cursor = 0;
    CHECK(ctl_login_revoked_next(&login, 2000, &cursor, &one) && one.sid == 5 && one.user_id == 1, "told");
    CHECK(!ctl_login_revoked_next(&login, 2000, &cursor, &one), "once");
    cursor = 0;
    CHECK(!ctl_login_revoked_next(&login, 1000 + CTL_ACCESS_TOKEN_S * 1000LL, &cursor, &one), "over");
    ctl_login_revoke(&login, 1, 0, UINT64_MAX, 1000);
    CHECK(!ctl_login_is_alive(&login, 6), "all");
    for (uint64_t sid = 1; sid <= CTL_LOGINS_MAX + 10; sid++) {
        ctl_login_note(&login, sid);
    }
    CHECK(ctl_login_is_alive(&login, CTL_LOGINS_MAX + 10), "forgetting is allowed, refusing is not");
    ctl_login_fini(&login, &memory);
    CHECK(counted.out == 0, "lost");
}
