#include "tools/histcheck/absence.h"

#define GRACE_LEFT_NS   INT64_C(1000000000)  /* a revoked right is gone from live sockets within a second */
#define GRACE_MEMBER_NS INT64_C(2000000000)  /* from being a member until everything must come */
#define GRACE_CUT_NS    INT64_C(10000000000) /* who leaves may have been cut for so long before */

static bool is_of(const struct tool_absence *absence, uint64_t user, uint64_t channel)
{
    return absence->user == user && absence->channel == channel;
}

void tool_absence_left(struct tool_absence_list *list, uint64_t user, uint64_t channel, int64_t ns)
{
    list->absences[list->count++] = (struct tool_absence){
        .user = user, .channel = channel, .left_ns = ns, .asked_ns = INT64_MAX, .member_ns = INT64_MAX};
}

void tool_absence_entered(struct tool_absence_list *list, uint64_t user, uint64_t channel, int64_t ns,
                          bool is_member)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct tool_absence *absence = &list->absences[i];
        if (!is_of(absence, user, channel) || ns < absence->left_ns) {
            continue;
        }
        if (absence->asked_ns == INT64_MAX) {
            absence->asked_ns = ns;
        }
        if (is_member && absence->member_ns == INT64_MAX) {
            absence->member_ns = ns;
        }
    }
}

bool tool_absence_is_known(const struct tool_absence_list *list, uint64_t user, uint64_t channel)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (is_of(&list->absences[i], user, channel)) {
            return true;
        }
    }
    return false;
}

bool tool_absence_forbids(const struct tool_absence_list *list, uint64_t user, uint64_t channel,
                          int64_t sent_ns, int64_t ns)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct tool_absence *absence = &list->absences[i];
        if (is_of(absence, user, channel) && ns > absence->left_ns && ns < absence->asked_ns &&
            sent_ns > absence->left_ns + GRACE_LEFT_NS) {
            return true;
        }
    }
    return false;
}

bool tool_absence_entitles(const struct tool_absence_list *list, uint64_t user, uint64_t channel,
                           int64_t sent_ns)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct tool_absence *absence = &list->absences[i];
        const bool is_before = sent_ns < absence->left_ns - GRACE_CUT_NS;
        const bool is_after =
            absence->member_ns != INT64_MAX && sent_ns > absence->member_ns + GRACE_MEMBER_NS;
        if (is_of(absence, user, channel) && !is_before && !is_after) {
            return false;
        }
    }
    return true;
}
