/* etag.h - entity tags of settings: who changes them can ask that nobody else has meanwhile.
 *
 * Spec:    RFC 9110 sections 8.8.3, 13.1.1, 13.1.2; protocol.md section 8
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Idiom:   a tag stands for what can be set, not for what happens by itself: a channel's last message does not change it. It is
 *          the same after a restart and on another node. Reading: return api_etag_answer(r, tag, next). Changing:
 *          if (!api_etag_matches(r, tag)) return API_DONE; before anything is asked, and api_etag_answer() with the new tag.
 */
#ifndef API_API_ETAG_H
#define API_API_ETAG_H

#include "control/api/request.h"

/** The tag of a guild and its roles. */
uint64_t api_etag_guild(const struct ctl_guild *guild);

/** The tag of a channel and its overwrites. */
uint64_t api_etag_channel(const struct ctl_channel *channel);

/** Whether If-Match is absent or names `tag`. Returns false with 412 answered. */
bool api_etag_matches(struct api_request *r, uint64_t tag);

/** Adds the tag to a finished answer; one that If-None-Match names already becomes 304 when it was read. Returns `next`. */
enum api_next api_etag_answer(struct api_request *r, uint64_t tag, enum api_next next);

#endif
