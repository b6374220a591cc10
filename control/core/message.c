#include "control/core/message.h"

#include "control/core/guild.h"
#include "engine/base/text.h"

enum { QUOTA_SLOWMODE = 0x510 }; /* what the bucket of slow mode is called */

const char *ctl_message_code_text(enum ctl_code code)
{
    switch (code) {
    case CTL_CODE_OK:
        return "OK";
    case CTL_CODE_UNKNOWN_CHANNEL:
        return "Unknown Channel";
    case CTL_CODE_SLOWMODE:
        return "This action cannot be performed due to slowmode rate limit";
    case CTL_CODE_MISSING_ACCESS:
        return "Missing Access";
    case CTL_CODE_EMPTY_MESSAGE:
        return "Cannot send an empty message";
    case CTL_CODE_MISSING_PERMISSIONS:
        return "Missing Permissions";
    case CTL_CODE_INVALID_FORM:
        return "Invalid Form Body";
    case CTL_CODE_WRONG_CHANNEL:
        return "Cannot execute action on this channel type";
    case CTL_CODE_OVERLOADED:
        return "API resource is currently overloaded. Try again a little later";
    case CTL_CODE_NOT_IDENTIFIED:
        return "Unauthorized";
    }
    return "Unknown";
}

bool ctl_message_content_ok(struct nx_bytes content)
{
    if (content.size == 0 || content.size > (size_t)CTL_CONTENT_MAX * 4 ||
        memchr(content.at, 0, content.size) != NULL) {
        return false;
    }
    return nx_text_is_utf8(content) && nx_text_trim(content).size != 0 &&
           nx_text_points(content) <= CTL_CONTENT_MAX;
}

enum ctl_code ctl_message_channel(const struct ctl_world *world, uint64_t user_id, uint64_t channel_id,
                                  uint64_t permissions, int64_t wall_ms, struct ctl_channel **channel,
                                  struct ctl_member **member)
{
    struct ctl_channel *found = ctl_directory_channel(&world->directory, channel_id);
    struct ctl_member *who = found == NULL ? NULL : ctl_guild_member(found->guild, user_id);
    if (who == NULL) {
        return CTL_CODE_UNKNOWN_CHANNEL;
    }
    const struct perm_guild guild = ctl_guild_perm(found->guild);
    const struct perm_channel place = ctl_guild_channel_perm(found);
    const struct perm_subject subject = ctl_guild_subject(found->guild, who, wall_ms);
    const struct perm_scope scope = {.guild = &guild, .channel = &place};
    switch (perm_authorise(&subject, PERM_VIEW_CHANNEL | permissions, &scope)) {
    case PERM_VERDICT_HIDDEN:
        return CTL_CODE_MISSING_ACCESS;
    case PERM_VERDICT_FORBIDDEN:
        return CTL_CODE_MISSING_PERMISSIONS;
    case PERM_VERDICT_ALLOW:
        break;
    }
    *channel = found;
    *member = who;
    return CTL_CODE_OK;
}

enum ctl_code ctl_message_may_post(struct ctl_world *world, uint64_t user_id, uint64_t channel_id,
                                   struct nx_bytes content, int64_t wall_ms, nx_time now,
                                   struct ctl_channel **channel, int64_t *retry_ms)
{
    struct ctl_member *member;
    const enum ctl_code code =
        ctl_message_channel(world, user_id, channel_id, PERM_SEND_MESSAGES, wall_ms, channel, &member);
    if (code != CTL_CODE_OK) {
        return code;
    }
    if ((*channel)->type == 4) {
        return CTL_CODE_WRONG_CHANNEL;
    }
    if (!ctl_message_content_ok(content)) {
        return nx_text_is_utf8(content) && nx_text_trim(content).size == 0 ? CTL_CODE_EMPTY_MESSAGE
                                                                           : CTL_CODE_INVALID_FORM;
    }
    const uint32_t slowmode_s = (*channel)->slowmode_s;
    const uint64_t free_of_it = PERM_BYPASS_SLOWMODE | PERM_MANAGE_MESSAGES | PERM_MANAGE_CHANNELS;
    if (slowmode_s != 0 && (ctl_guild_permissions(member, *channel, wall_ms) & free_of_it) == 0) {
        const struct nx_quota_rule rule = nx_quota_rule_of(1, (int64_t)slowmode_s * 1000, 1);
        const struct ctl_quota_state state =
            ctl_quota_take(&world->quotas, &rule, now, QUOTA_SLOWMODE, channel_id, user_id);
        if (!state.is_allowed) {
            *retry_ms = state.retry_ms;
            return CTL_CODE_SLOWMODE;
        }
    }
    return CTL_CODE_OK;
}
