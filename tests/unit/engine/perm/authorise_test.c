/* Goal: one answer for every caller: hidden things stay hidden, missing bits, rank and borrowed power are refused. */
#include "engine/perm/authorise.h"
#include "engine/perm/hierarchy.h"

#include "tests/lib/check.h"

enum { GUILD = 100, USER = 7 };

static const struct perm_role roles[] = {
    {GUILD, PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES, 0},
    {101, PERM_KICK_MEMBERS | PERM_MANAGE_ROLES, 5},
    {102, PERM_ADMINISTRATOR, 9},
};
static const struct perm_guild guild = {.id = GUILD, .roles = roles, .roles_count = 3};
static const struct perm_overwrite hide[] = {{.target_id = GUILD, .deny = PERM_VIEW_CHANNEL}};
static const struct perm_channel hidden = {.overwrites = hide, .overwrites_count = 1};
static const struct perm_channel open_channel = {0};
static const uint64_t moderator_roles[] = {101};
static const uint64_t admin_roles[] = {102};
static const struct perm_subject member = {.user_id = USER, .is_member = true};
static const struct perm_subject moderator = {
    .user_id = 8, .role_ids = moderator_roles, .role_ids_count = 1, .is_member = true};
static const struct perm_subject admin = {
    .user_id = 9, .role_ids = admin_roles, .role_ids_count = 1, .is_member = true};
static const struct perm_subject owner = {.user_id = 10, .is_member = true, .is_owner = true};
static const struct perm_subject stranger = {.user_id = 11, .is_owner = true};

TEST(authorise, hides_before_it_forbids)
{
    const struct perm_scope secret = {.guild = &guild, .channel = &hidden};
    const struct perm_scope open_scope = {.guild = &guild, .channel = &open_channel};
    const struct perm_scope whole = {.guild = &guild};
    CHECK(perm_authorise(&stranger, 0, &whole) == PERM_VERDICT_HIDDEN, "a stranger sees no guild");
    CHECK(perm_authorise(&stranger, 0, &open_scope) == PERM_VERDICT_HIDDEN, "nor a channel");
    CHECK(perm_authorise(&member, PERM_SEND_MESSAGES, &secret) == PERM_VERDICT_HIDDEN,
          "a member no hidden channel");
    CHECK(perm_authorise(&member, 0, &secret) == PERM_VERDICT_HIDDEN, "even when nothing is required");
    CHECK(perm_authorise(&moderator, PERM_MANAGE_ROLES, &secret) == PERM_VERDICT_HIDDEN,
          "nor does a moderator");
    CHECK(perm_authorise(&admin, PERM_MANAGE_ROLES, &secret) == PERM_VERDICT_ALLOW, "an administrator does");
    CHECK(perm_authorise(&owner, PERM_ALL, &secret) == PERM_VERDICT_ALLOW, "and the owner");
    CHECK(perm_authorise(&member, PERM_SEND_MESSAGES, &open_scope) == PERM_VERDICT_ALLOW, "an open channel");
    CHECK(perm_authorise(&member, PERM_SEND_MESSAGES | PERM_MANAGE_MESSAGES, &open_scope) ==
              PERM_VERDICT_FORBIDDEN,
          "all bits are needed");
    CHECK(perm_authorise(&owner, UINT64_C(1) << 63, &whole) == PERM_VERDICT_FORBIDDEN,
          "an unnamed bit nobody has");
}

TEST(authorise, timeout_leaves_reading_only)
{
    struct perm_subject late = moderator;
    late.is_timed_out = true;
    const struct perm_scope scope = {.guild = &guild, .channel = &open_channel};
    const struct perm_scope whole = {.guild = &guild};
    CHECK(perm_authorise(&late, PERM_VIEW_CHANNEL, &scope) == PERM_VERDICT_ALLOW, "sees");
    CHECK(perm_authorise(&late, PERM_SEND_MESSAGES, &scope) == PERM_VERDICT_FORBIDDEN, "does not send");
    CHECK(perm_authorise(&late, PERM_KICK_MEMBERS, &whole) == PERM_VERDICT_FORBIDDEN, "does not moderate");
}

TEST(authorise, acts_only_downward)
{
    struct perm_scope scope = {.guild = &guild, .has_target = true};
    for (int32_t top = 0; top < 12; top++) {
        scope.target_top = top;
        CHECK((perm_authorise(&moderator, PERM_KICK_MEMBERS, &scope) == PERM_VERDICT_ALLOW) == (top < 5),
              "top %d", top);
        CHECK((perm_authorise(&admin, PERM_KICK_MEMBERS, &scope) == PERM_VERDICT_ALLOW) == (top < 9),
              "top %d", top);
        CHECK(perm_authorise(&owner, PERM_KICK_MEMBERS, &scope) == PERM_VERDICT_ALLOW, "top %d", top);
        CHECK(perm_authorise(&member, PERM_KICK_MEMBERS, &scope) == PERM_VERDICT_FORBIDDEN, "top %d", top);
    }
    scope.target_top = 0;
    scope.target_is_owner = true;
    CHECK(perm_authorise(&admin, PERM_KICK_MEMBERS, &scope) == PERM_VERDICT_FORBIDDEN,
          "nobody acts on the owner");
}

TEST(authorise, gives_only_what_one_has)
{
    struct perm_scope scope = {.guild = &guild, .granted = PERM_KICK_MEMBERS};
    CHECK(perm_authorise(&moderator, PERM_MANAGE_ROLES, &scope) == PERM_VERDICT_ALLOW, "their own");
    scope.granted |= PERM_BAN_MEMBERS;
    CHECK(perm_authorise(&moderator, PERM_MANAGE_ROLES, &scope) == PERM_VERDICT_FORBIDDEN, "somebody else's");
    scope.granted = PERM_ALL;
    CHECK(perm_authorise(&moderator, PERM_MANAGE_ROLES, &scope) == PERM_VERDICT_FORBIDDEN, "everything");
    CHECK(perm_authorise(&admin, PERM_MANAGE_ROLES, &scope) == PERM_VERDICT_ALLOW,
          "an administrator everything");
    scope.granted = UINT64_C(1) << 47;
    CHECK(perm_authorise(&admin, PERM_MANAGE_ROLES, &scope) == PERM_VERDICT_FORBIDDEN, "an unnamed bit");
}

TEST(hierarchy, is_strict)
{
    CHECK(perm_outranks(2, false, 1, false) && !perm_outranks(1, false, 1, false) &&
              !perm_outranks(1, false, 2, false),
          "members");
    CHECK(perm_outranks(0, true, 9, false) && !perm_outranks(9, false, 0, true) &&
              !perm_outranks(0, true, 0, true),
          "the owner");
    CHECK(perm_may_grant(0, 0) && !perm_may_grant(0, PERM_SPEAK) && perm_may_grant(PERM_SPEAK, PERM_SPEAK),
          "grants");
    CHECK(perm_may_grant(PERM_ADMINISTRATOR, PERM_ALL) && !perm_may_grant(UINT64_MAX, UINT64_C(1) << 63),
          "bounds");
}
