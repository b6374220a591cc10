/* object.h - the JSON objects of the protocol, written once for REST and gateway alike.
 *
 * Spec:    protocol.md: Discord's objects; the parts we do not have yet are there with their empty values
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   each writes one value at the place where `out` stands
 */
#ifndef CTL_CORE_OBJECT_H
#define CTL_CORE_OBJECT_H

#include "control/core/directory.h"
#include "engine/wire/json_out.h"

/** A user as everybody sees it. */
void ctl_object_user(struct nx_json_out *out, const struct ctl_user *user);
/** A user the directory may not know: only the id is then right. */
void ctl_object_user_id(struct nx_json_out *out, const struct ctl_directory *directory, uint64_t user_id);
/** The user itself, with e-mail. */
void ctl_object_self(struct nx_json_out *out, const struct ctl_user *user, struct nx_bytes email);
/** A role. */
void ctl_object_role(struct nx_json_out *out, const struct ctl_guild *guild, uint32_t index);
/** An overwrite. */
void ctl_object_overwrite(struct nx_json_out *out, const struct perm_overwrite *overwrite);
/** A channel. */
void ctl_object_channel(struct nx_json_out *out, const struct ctl_channel *channel);
/** A member with its user; `has_guild` adds guild_id, as events have it. */
void ctl_object_member(struct nx_json_out *out, const struct ctl_member *member, bool has_guild);
/** The members of a guild object, without the braces: id to features. */
void ctl_object_guild_fields(struct nx_json_out *out, const struct ctl_guild *guild);
/** A guild with its roles; with `viewer`, also the channels that the viewer may see. */
void ctl_object_guild(struct nx_json_out *out, struct ctl_guild *guild, const struct ctl_member *viewer);
/** A message. `nonce` is only echoed to who sent it or with the event. */
void ctl_object_message(struct nx_json_out *out, const struct ctl_directory *directory,
                        const struct ctl_channel *channel, const struct ctl_message_row *row,
                        struct nx_bytes nonce);
/** An invitation; `is_full` adds what only members see (uses, maximum, creation). */
void ctl_object_invite(struct nx_json_out *out, const struct ctl_directory *directory,
                       const struct ctl_invite_row *row, bool is_full);
/** A presence; `guild_id` 0 leaves it out. */
void ctl_object_presence(struct nx_json_out *out, const struct ctl_user *user, uint64_t guild_id);
/** A read state. */
void ctl_object_read_state(struct nx_json_out *out, const struct ctl_read_state_row *row);
/** What GUILD_CREATE carries: the guild as `member` sees it. Of a large guild other members, and of any guild presences,
 * are there only with the presence intent in `intents`. */
void ctl_object_guild_create(struct nx_json_out *out, struct ctl_guild *guild,
                             const struct ctl_member *member, uint64_t intents);

#endif
