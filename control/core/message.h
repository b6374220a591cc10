/* message.h - may this be said here, by them, now.
 *
 * Spec:    protocol.md section 2 for the codes
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_CONTENT_MAX code points; content is stored verbatim, NUL is refused
 * Idiom:   one check for REST and gateway; the verdict is the JSON error code that the client gets, 0 for "yes"
 */
#ifndef CTL_CORE_MESSAGE_H
#define CTL_CORE_MESSAGE_H

#include "control/core/world.h"

/** JSON error codes of the protocol that the core itself gives. */
enum ctl_code {
    CTL_CODE_OK = 0,
    CTL_CODE_UNKNOWN_CHANNEL = 10003,
    CTL_CODE_SLOWMODE = 20016,
    CTL_CODE_MISSING_ACCESS = 50001,
    CTL_CODE_EMPTY_MESSAGE = 50006,
    CTL_CODE_MISSING_PERMISSIONS = 50013,
    CTL_CODE_INVALID_FORM = 50035,
    CTL_CODE_WRONG_CHANNEL = 50024, /**< cannot be done in this kind of channel */
    CTL_CODE_OVERLOADED = 130000,
    CTL_CODE_NOT_IDENTIFIED = 40001,
};

/** Returns the words for a code; never NULL. */
const char *ctl_message_code_text(enum ctl_code code);

/** Returns whether `content` may be a message: 1..CTL_CONTENT_MAX code points, not only white space, no NUL. It is UTF-8. */
bool ctl_message_content_ok(struct nx_bytes content);

/** What `user_id` may do in a channel: OK and the channel; UNKNOWN_CHANNEL; MISSING_ACCESS; MISSING_PERMISSIONS. */
enum ctl_code ctl_message_channel(const struct ctl_world *world, uint64_t user_id, uint64_t channel_id,
                                  uint64_t permissions, int64_t wall_ms, struct ctl_channel **channel,
                                  struct ctl_member **member);

/**
 * Whether `user_id` may post `content` now; takes the slow-mode token when so. With SLOWMODE `*retry_ms` is how long to wait.
 */
enum ctl_code ctl_message_may_post(struct ctl_world *world, uint64_t user_id, uint64_t channel_id,
                                   struct nx_bytes content, int64_t wall_ms, nx_time now,
                                   struct ctl_channel **channel, int64_t *retry_ms);

#endif
