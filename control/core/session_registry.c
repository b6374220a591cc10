#include "control/core/session_registry.h"

#include "engine/base/assert.h"
#include "engine/wire/bus.h"

void ctl_session_registry_link_open(struct ctl_session_registry *registry, uint32_t link, uint16_t node,
                                    uint16_t shard)
{
    NX_ASSERT(link < CTL_LINKS_MAX && !registry->links[link].is_open);
    registry->links[link].node = node;
    registry->links[link].shard = shard;
    registry->links[link].is_open = true;
}

int32_t ctl_session_registry_link_of(const struct ctl_session_registry *registry, uint16_t node,
                                     uint16_t shard)
{
    for (int32_t i = 0; i < CTL_LINKS_MAX; i++) {
        if (registry->links[i].is_open && registry->links[i].node == node &&
            registry->links[i].shard == shard) {
            return i;
        }
    }
    return -1;
}

static void count(struct ctl_guild *guild, uint32_t link, int sign)
{
    if (sign > 0) {
        guild->link_sessions[link]++;
        guild->links |= UINT64_C(1) << link;
    } else if (--guild->link_sessions[link] == 0) {
        guild->links &= ~(UINT64_C(1) << link);
    }
}

enum nx_err ctl_session_registry_add(struct ctl_session_registry *registry, struct ctl_directory *directory,
                                     uint32_t link, const struct ctl_session *session,
                                     struct ctl_session **out)
{
    struct ctl_user *user = session->user;
    if (ctl_session_registry_find(registry, link, session->handle) != NULL) {
        return NX_E_CONFLICT;
    }
    if (user->sessions_count > CTL_SESSIONS_PER_USER_MAX) {
        return NX_E_FULL;
    }
    struct ctl_session *added = ctl_memory_take(&directory->memory, sizeof(*added));
    if (added == NULL) {
        return NX_E_NO_MEMORY;
    }
    *added = *session;
    added->link = link;
    added->previous = NULL;
    ctl_session_registry_status_set(registry, added, session->status);
    added->next = user->sessions;
    const enum nx_err err = ctl_table_put(&registry->links[link].sessions, &directory->memory,
                                          directory->seed, session->handle, added);
    if (err != NX_OK) {
        ctl_memory_give(&directory->memory, added, sizeof(*added));
        return err;
    }
    if (added->next != NULL) {
        added->next->previous = added;
    }
    user->sessions = added;
    user->sessions_count++;
    registry->sessions_count++;
    for (struct ctl_member *member = user->members; member != NULL; member = member->next) {
        count(member->guild, link, 1);
    }
    *out = added;
    return NX_OK;
}

void ctl_session_registry_status_set(struct ctl_session_registry *registry, struct ctl_session *session,
                                     uint8_t status)
{
    session->status = status;
    if (status != NX_BUS_STATUS_OFFLINE) {
        session->detached = 0;
    } else if (session->detached == 0) {
        session->detached = ++registry->detached_count;
    }
}

struct ctl_session *ctl_session_registry_oldest_detached(const struct ctl_user *user)
{
    struct ctl_session *oldest = NULL;
    for (struct ctl_session *s = user->sessions; s != NULL; s = s->next) {
        if (s->detached != 0 && (oldest == NULL || s->detached < oldest->detached)) {
            oldest = s;
        }
    }
    return oldest;
}

struct ctl_session *ctl_session_registry_find(const struct ctl_session_registry *registry, uint32_t link,
                                              uint64_t handle)
{
    return ctl_table_get(&registry->links[link].sessions, handle);
}

void ctl_session_registry_remove(struct ctl_session_registry *registry, struct ctl_directory *directory,
                                 struct ctl_session *session)
{
    struct ctl_user *user = session->user;
    for (struct ctl_member *member = user->members; member != NULL; member = member->next) {
        count(member->guild, session->link, -1);
    }
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        user->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    user->sessions_count--;
    registry->sessions_count--;
    ctl_table_remove(&registry->links[session->link].sessions, session->handle);
    ctl_memory_give(&directory->memory, session, sizeof(*session));
}

void ctl_session_registry_count(struct ctl_member *member, int sign)
{
    for (const struct ctl_session *s = member->user->sessions; s != NULL; s = s->next) {
        count(member->guild, s->link, sign);
    }
}

uint64_t ctl_session_registry_links(const struct ctl_user *user)
{
    uint64_t links = 0;
    for (const struct ctl_session *s = user->sessions; s != NULL; s = s->next) {
        links |= UINT64_C(1) << s->link;
    }
    return links;
}

uint8_t ctl_session_registry_status(const struct ctl_user *user)
{
    /* "Do not disturb" is a wish and beats being online elsewhere; idle is the weakest sign of life. */
    static const uint8_t strength[] = {[NX_BUS_STATUS_OFFLINE] = 0,
                                       [NX_BUS_STATUS_INVISIBLE] = 0,
                                       [NX_BUS_STATUS_IDLE] = 1,
                                       [NX_BUS_STATUS_ONLINE] = 2,
                                       [NX_BUS_STATUS_DND] = 3};
    uint8_t best = NX_BUS_STATUS_OFFLINE;
    for (const struct ctl_session *s = user->sessions; s != NULL; s = s->next) {
        if (strength[s->status] > strength[best]) {
            best = s->status;
        }
    }
    return best;
}
