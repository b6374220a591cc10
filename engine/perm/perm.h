/* perm.h - the permission bits, their decimal form and the values permissions are computed from.
 *
 * Spec:    protocol: 64-bit sets as JSON decimal strings; names and bits in perm.def
 * Layer:   engine/perm (no I/O, no clock, no allocation)
 * Threads: any; values
 * Limits:  limits.h; longer arrays than those are refused where they are stored, not here
 * Idiom:   a set of permissions is a uint64_t: (permissions & PERM_SEND_MESSAGES) != 0.
 */
#ifndef PERM_PERM_H
#define PERM_PERM_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "engine/perm/limits.h"

/* An enumerator cannot be wider than int in C17, so the bit numbers are enumerators and the sets are macros
 * over them. */
enum perm_bit {
#define PERM(name, bit) PERM_BIT_##name = (bit),
#include "engine/perm/perm.def"
#undef PERM
};

#define PERM_CREATE_INSTANT_INVITE               (UINT64_C(1) << PERM_BIT_CREATE_INSTANT_INVITE)
#define PERM_KICK_MEMBERS                        (UINT64_C(1) << PERM_BIT_KICK_MEMBERS)
#define PERM_BAN_MEMBERS                         (UINT64_C(1) << PERM_BIT_BAN_MEMBERS)
#define PERM_ADMINISTRATOR                       (UINT64_C(1) << PERM_BIT_ADMINISTRATOR)
#define PERM_MANAGE_CHANNELS                     (UINT64_C(1) << PERM_BIT_MANAGE_CHANNELS)
#define PERM_MANAGE_GUILD                        (UINT64_C(1) << PERM_BIT_MANAGE_GUILD)
#define PERM_ADD_REACTIONS                       (UINT64_C(1) << PERM_BIT_ADD_REACTIONS)
#define PERM_VIEW_AUDIT_LOG                      (UINT64_C(1) << PERM_BIT_VIEW_AUDIT_LOG)
#define PERM_PRIORITY_SPEAKER                    (UINT64_C(1) << PERM_BIT_PRIORITY_SPEAKER)
#define PERM_STREAM                              (UINT64_C(1) << PERM_BIT_STREAM)
#define PERM_VIEW_CHANNEL                        (UINT64_C(1) << PERM_BIT_VIEW_CHANNEL)
#define PERM_SEND_MESSAGES                       (UINT64_C(1) << PERM_BIT_SEND_MESSAGES)
#define PERM_SEND_TTS_MESSAGES                   (UINT64_C(1) << PERM_BIT_SEND_TTS_MESSAGES)
#define PERM_MANAGE_MESSAGES                     (UINT64_C(1) << PERM_BIT_MANAGE_MESSAGES)
#define PERM_EMBED_LINKS                         (UINT64_C(1) << PERM_BIT_EMBED_LINKS)
#define PERM_ATTACH_FILES                        (UINT64_C(1) << PERM_BIT_ATTACH_FILES)
#define PERM_READ_MESSAGE_HISTORY                (UINT64_C(1) << PERM_BIT_READ_MESSAGE_HISTORY)
#define PERM_MENTION_EVERYONE                    (UINT64_C(1) << PERM_BIT_MENTION_EVERYONE)
#define PERM_USE_EXTERNAL_EMOJIS                 (UINT64_C(1) << PERM_BIT_USE_EXTERNAL_EMOJIS)
#define PERM_VIEW_GUILD_INSIGHTS                 (UINT64_C(1) << PERM_BIT_VIEW_GUILD_INSIGHTS)
#define PERM_CONNECT                             (UINT64_C(1) << PERM_BIT_CONNECT)
#define PERM_SPEAK                               (UINT64_C(1) << PERM_BIT_SPEAK)
#define PERM_MUTE_MEMBERS                        (UINT64_C(1) << PERM_BIT_MUTE_MEMBERS)
#define PERM_DEAFEN_MEMBERS                      (UINT64_C(1) << PERM_BIT_DEAFEN_MEMBERS)
#define PERM_MOVE_MEMBERS                        (UINT64_C(1) << PERM_BIT_MOVE_MEMBERS)
#define PERM_USE_VAD                             (UINT64_C(1) << PERM_BIT_USE_VAD)
#define PERM_CHANGE_NICKNAME                     (UINT64_C(1) << PERM_BIT_CHANGE_NICKNAME)
#define PERM_MANAGE_NICKNAMES                    (UINT64_C(1) << PERM_BIT_MANAGE_NICKNAMES)
#define PERM_MANAGE_ROLES                        (UINT64_C(1) << PERM_BIT_MANAGE_ROLES)
#define PERM_MANAGE_WEBHOOKS                     (UINT64_C(1) << PERM_BIT_MANAGE_WEBHOOKS)
#define PERM_MANAGE_GUILD_EXPRESSIONS            (UINT64_C(1) << PERM_BIT_MANAGE_GUILD_EXPRESSIONS)
#define PERM_USE_APPLICATION_COMMANDS            (UINT64_C(1) << PERM_BIT_USE_APPLICATION_COMMANDS)
#define PERM_REQUEST_TO_SPEAK                    (UINT64_C(1) << PERM_BIT_REQUEST_TO_SPEAK)
#define PERM_MANAGE_EVENTS                       (UINT64_C(1) << PERM_BIT_MANAGE_EVENTS)
#define PERM_MANAGE_THREADS                      (UINT64_C(1) << PERM_BIT_MANAGE_THREADS)
#define PERM_CREATE_PUBLIC_THREADS               (UINT64_C(1) << PERM_BIT_CREATE_PUBLIC_THREADS)
#define PERM_CREATE_PRIVATE_THREADS              (UINT64_C(1) << PERM_BIT_CREATE_PRIVATE_THREADS)
#define PERM_USE_EXTERNAL_STICKERS               (UINT64_C(1) << PERM_BIT_USE_EXTERNAL_STICKERS)
#define PERM_SEND_MESSAGES_IN_THREADS            (UINT64_C(1) << PERM_BIT_SEND_MESSAGES_IN_THREADS)
#define PERM_USE_EMBEDDED_ACTIVITIES             (UINT64_C(1) << PERM_BIT_USE_EMBEDDED_ACTIVITIES)
#define PERM_MODERATE_MEMBERS                    (UINT64_C(1) << PERM_BIT_MODERATE_MEMBERS)
#define PERM_VIEW_CREATOR_MONETIZATION_ANALYTICS (UINT64_C(1) << PERM_BIT_VIEW_CREATOR_MONETIZATION_ANALYTICS)
#define PERM_USE_SOUNDBOARD                      (UINT64_C(1) << PERM_BIT_USE_SOUNDBOARD)
#define PERM_CREATE_GUILD_EXPRESSIONS            (UINT64_C(1) << PERM_BIT_CREATE_GUILD_EXPRESSIONS)
#define PERM_CREATE_EVENTS                       (UINT64_C(1) << PERM_BIT_CREATE_EVENTS)
#define PERM_USE_EXTERNAL_SOUNDS                 (UINT64_C(1) << PERM_BIT_USE_EXTERNAL_SOUNDS)
#define PERM_SEND_VOICE_MESSAGES                 (UINT64_C(1) << PERM_BIT_SEND_VOICE_MESSAGES)
#define PERM_SET_VOICE_CHANNEL_STATUS            (UINT64_C(1) << PERM_BIT_SET_VOICE_CHANNEL_STATUS)
#define PERM_SEND_POLLS                          (UINT64_C(1) << PERM_BIT_SEND_POLLS)
#define PERM_USE_EXTERNAL_APPS                   (UINT64_C(1) << PERM_BIT_USE_EXTERNAL_APPS)
#define PERM_PIN_MESSAGES                        (UINT64_C(1) << PERM_BIT_PIN_MESSAGES)
#define PERM_BYPASS_SLOWMODE                     (UINT64_C(1) << PERM_BIT_BYPASS_SLOWMODE)
#define PERM_MANAGE_BOARDS                       (UINT64_C(1) << PERM_BIT_MANAGE_BOARDS)
#define PERM_USE_P2P                             (UINT64_C(1) << PERM_BIT_USE_P2P)
#define PERM_MANAGE_FEDERATION                   (UINT64_C(1) << PERM_BIT_MANAGE_FEDERATION)
#define PERM_MANAGE_FORUM                        (UINT64_C(1) << PERM_BIT_MANAGE_FORUM)
#define PERM_MANAGE_ENCRYPTION                   (UINT64_C(1) << PERM_BIT_MANAGE_ENCRYPTION)
#define PERM_MANAGE_RECORDING                    (UINT64_C(1) << PERM_BIT_MANAGE_RECORDING)
#define PERM_PUBLISH_BROADCAST                   (UINT64_C(1) << PERM_BIT_PUBLISH_BROADCAST)

/** Every bit that has a name: what the owner and administrators have. */
#define PERM_ALL UINT64_C(0x7f1f7fffffffffff)

/** Fails to compile when PERM_ALL and perm.def differ. */
_Static_assert(PERM_ALL == (0
#define PERM(name, bit) | PERM_##name
#include "engine/perm/perm.def"
#undef PERM
                            ),
               "PERM_ALL is not the sum of perm.def");

/** A role of a guild; the one whose id is the guild's id is @everyone. */
struct perm_role {
    uint64_t id;
    uint64_t permissions;
    int32_t position; /**< higher outranks lower; @everyone has 0 */
};

/** A guild as far as permissions go; borrowed. */
struct perm_guild {
    uint64_t id;
    const struct perm_role *roles; /**< ascending by id, each once, @everyone among them */
    size_t roles_count;
};

enum perm_target { PERM_TARGET_ROLE, PERM_TARGET_MEMBER }; /* Discord's overwrite types 0 and 1 */

/** What a channel changes for one role or member; a bit in neither set is inherited. */
struct perm_overwrite {
    uint64_t target_id; /**< role or user id; the guild's id with PERM_TARGET_ROLE is @everyone */
    uint64_t allow;
    uint64_t deny;
    enum perm_target target;
};

/** A channel as far as permissions go; borrowed. A thread uses its parent's. */
struct perm_channel {
    const struct perm_overwrite *overwrites; /**< any order; each target once */
    size_t overwrites_count;
};

/** Somebody who wants something in a guild; borrowed. */
struct perm_subject {
    uint64_t user_id;
    const uint64_t *role_ids; /**< any order; without @everyone; unknown ids count for nothing */
    size_t role_ids_count;
    bool is_member;    /**< false for everybody who is not in the guild, banned people too */
    bool is_owner;     /**< owns the guild: every permission, outranks everybody */
    bool is_timed_out; /**< sees and reads history only, unless owner or administrator */
};

/** Reads a decimal string of at most PERM_DECIMAL_SIZE_MAX digits without sign or leading zeros into
 * `permissions`. Returns NX_E_MALFORMED for anything else and for values of 2^63 and more. Unknown bits below
 * are kept as they are. */
NX_MUST_USE static inline enum nx_err perm_parse(struct nx_bytes text, uint64_t *permissions)
{
    if (text.size == 0 || text.size > PERM_DECIMAL_SIZE_MAX || (text.size > 1 && text.at[0] == '0')) {
        return NX_E_MALFORMED;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t digit = (uint8_t)(text.at[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return NX_E_MALFORMED;
        }
    }
    if (value > INT64_MAX) {
        return NX_E_MALFORMED;
    }
    *permissions = value;
    return NX_OK;
}

/** Writes `permissions` as a decimal string without quotes. */
static inline void perm_format(uint64_t permissions, struct nx_writer *out)
{
    nx_writer_decimal(out, permissions);
}

#endif
