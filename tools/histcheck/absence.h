/* absence.h - when users were no members of a channel, as the harness says who let them come and go.
 *
 * Spec:    docs/histories.md, LEFT and ENTERED
 * Layer:   tools
 * Threads: any; values
 * Limits:  found by walking: meant for a few hundred
 */
#ifndef TOOL_HISTCHECK_ABSENCE_H
#define TOOL_HISTCHECK_ABSENCE_H

#include <stdbool.h>
#include <stdint.h>

/** One time away. */
struct tool_absence {
    uint64_t user;
    uint64_t channel;
    int64_t left_ns;   /**< it is known to be no member from here on */
    int64_t asked_ns;  /**< it asks to be one again; INT64_MAX: never */
    int64_t member_ns; /**< it is known to be one again; INT64_MAX: never */
};

/** All of them; the room is given. */
struct tool_absence_list {
    struct tool_absence *absences;
    uint32_t count;
};

/** The user left at `ns`. There must be room. */
void tool_absence_left(struct tool_absence_list *list, uint64_t user, uint64_t channel, int64_t ns);

/** The user asks (`is_member` false) or is known to be a member again. */
void tool_absence_entered(struct tool_absence_list *list, uint64_t user, uint64_t channel, int64_t ns,
                          bool is_member);

/** Returns whether the user ever left the channel. */
bool tool_absence_is_known(const struct tool_absence_list *list, uint64_t user, uint64_t channel);

/** Returns whether what was sent at `sent_ns` must not be shown to the user at `ns`. */
bool tool_absence_forbids(const struct tool_absence_list *list, uint64_t user, uint64_t channel,
                          int64_t sent_ns, int64_t ns);

/** Returns whether the user was a member long enough before and after `sent_ns` to have what was sent then. */
bool tool_absence_entitles(const struct tool_absence_list *list, uint64_t user, uint64_t channel,
                           int64_t sent_ns);

#endif
