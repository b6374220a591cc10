/* overwrite.h - what roles and members may do in a channel: read from bodies, checked against who asks.
 *
 * Spec:    protocol.md section 6
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Limits:  PERM_OVERWRITES_PER_CHANNEL_MAX of one channel
 */
#ifndef API_API_OVERWRITE_H
#define API_API_OVERWRITE_H

#include "control/api/request.h"
#include "control/core/apply.h"

/**
 * Reads the array `list` as all the overwrites that `channel` will have, into the request's arena; NULL is a channel that
 * is about to be made in `guild`. The caller of the request needs MANAGE_ROLES, and every permission that changes, whether
 * it is given, taken or left to inheritance. What stays as it was is not checked: a set that names somebody who has left
 * can be sent back. Returns false with the error answered.
 */
bool api_overwrite_set(struct api_request *r, struct nx_json list, const struct ctl_guild *guild,
                       const struct ctl_channel *channel, struct ctl_overwrite_set *set);

#endif
