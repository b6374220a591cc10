#include "engine/perm/resolve.h"

enum { STEP_EVERYONE, STEP_ROLES, STEP_MEMBER, STEPS_COUNT };

#define NEEDS_SENDING   (PERM_MENTION_EVERYONE | PERM_SEND_TTS_MESSAGES | PERM_ATTACH_FILES | PERM_EMBED_LINKS)
#define LEFT_IN_TIMEOUT (PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY)

uint64_t perm_resolve_base(uint64_t everyone, const struct perm_role *roles, size_t roles_count,
                           bool is_owner)
{
    uint64_t permissions = everyone;
    for (size_t i = 0; i < roles_count; i++) {
        permissions |= roles[i].permissions;
    }
    return is_owner || (permissions & PERM_ADMINISTRATOR) != 0 ? PERM_ALL : permissions & PERM_ALL;
}

static bool has_role(const struct perm_subject *subject, uint64_t id)
{
    for (size_t i = 0; i < subject->role_ids_count; i++) {
        if (subject->role_ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Which step an overwrite belongs to, STEPS_COUNT when it does not concern the subject. */
static unsigned step_of(const struct perm_overwrite *overwrite, uint64_t guild_id,
                        const struct perm_subject *subject)
{
    if (overwrite->target == PERM_TARGET_MEMBER) {
        return overwrite->target_id == subject->user_id ? STEP_MEMBER : STEPS_COUNT;
    }
    if (overwrite->target_id == guild_id) {
        return STEP_EVERYONE;
    }
    return has_role(subject, overwrite->target_id) ? STEP_ROLES : STEPS_COUNT;
}

uint64_t perm_resolve_overwrites(uint64_t base, const struct perm_channel *channel, uint64_t guild_id,
                                 const struct perm_subject *subject)
{
    if ((base & PERM_ADMINISTRATOR) != 0) {
        return PERM_ALL;
    }
    /* All denials of a step come before all its allowances: collected first, applied after, so the order of
     * roles and of overwrites cannot matter. */
    uint64_t deny[STEPS_COUNT] = {0};
    uint64_t allow[STEPS_COUNT] = {0};
    for (size_t i = 0; i < channel->overwrites_count; i++) {
        const unsigned step = step_of(&channel->overwrites[i], guild_id, subject);
        if (step < STEPS_COUNT) {
            deny[step] |= channel->overwrites[i].deny;
            allow[step] |= channel->overwrites[i].allow;
        }
    }
    uint64_t permissions = base;
    for (unsigned step = 0; step < STEPS_COUNT; step++) {
        permissions = (permissions & ~deny[step]) | allow[step];
    }
    /* ADMINISTRATOR is a matter of the guild: an overwrite must not make somebody one. */
    return permissions & PERM_ALL & ~PERM_ADMINISTRATOR;
}

uint64_t perm_resolve_implied(uint64_t permissions, bool is_timed_out)
{
    if ((permissions & PERM_ADMINISTRATOR) != 0) {
        return PERM_ALL;
    }
    if ((permissions & PERM_VIEW_CHANNEL) == 0) {
        return 0;
    }
    if (is_timed_out) {
        return permissions & LEFT_IN_TIMEOUT;
    }
    return (permissions & PERM_SEND_MESSAGES) != 0 ? permissions : permissions & ~NEEDS_SENDING;
}

const struct perm_role *perm_resolve_role(const struct perm_guild *guild, uint64_t id)
{
    size_t low = 0;
    size_t high = guild->roles_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (guild->roles[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < guild->roles_count && guild->roles[low].id == id ? &guild->roles[low] : NULL;
}

static uint64_t base_of(const struct perm_guild *guild, const struct perm_subject *subject)
{
    const struct perm_role *role = perm_resolve_role(guild, guild->id);
    uint64_t permissions = role != NULL ? role->permissions : 0;
    for (size_t i = 0; i < subject->role_ids_count; i++) {
        role = perm_resolve_role(guild, subject->role_ids[i]);
        permissions |= role != NULL ? role->permissions : 0;
    }
    return perm_resolve_base(permissions, NULL, 0, subject->is_owner);
}

uint64_t perm_resolve_guild(const struct perm_guild *guild, const struct perm_subject *subject)
{
    if (!subject->is_member) {
        return 0;
    }
    const uint64_t base = base_of(guild, subject);
    return subject->is_timed_out && (base & PERM_ADMINISTRATOR) == 0 ? base & LEFT_IN_TIMEOUT : base;
}

uint64_t perm_resolve_channel(const struct perm_guild *guild, const struct perm_channel *channel,
                              const struct perm_subject *subject)
{
    if (!subject->is_member) {
        return 0;
    }
    const uint64_t base = base_of(guild, subject);
    return perm_resolve_implied(perm_resolve_overwrites(base, channel, guild->id, subject),
                                subject->is_timed_out);
}

int32_t perm_resolve_top(const struct perm_guild *guild, const struct perm_subject *subject)
{
    int32_t top = 0;
    for (size_t i = 0; i < subject->role_ids_count; i++) {
        const struct perm_role *role = perm_resolve_role(guild, subject->role_ids[i]);
        top = role != NULL && role->position > top ? role->position : top;
    }
    return top;
}
