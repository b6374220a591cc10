/* presence.h - brings what others see of a user up to date and tells them.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   call after anything that changes a user's sessions; nothing happens when the visible status stays the same
 */
#ifndef CTL_CORE_PRESENCE_H
#define CTL_CORE_PRESENCE_H

#include "control/core/world.h"

/** PRESENCE_UPDATE of one member to its guild, as it is now. */
void ctl_presence_tell(struct ctl_world *world, const struct ctl_member *member);

/** Recomputes the visible status of `user`; when it changed, PRESENCE_UPDATE goes to its guilds. */
void ctl_presence_refresh(struct ctl_world *world, struct ctl_user *user);

/** Returns the protocol's word for a status: "online", "idle", "dnd", "offline". */
const char *ctl_presence_word(uint8_t status);

#endif
