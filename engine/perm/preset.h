/* preset.h - what @everyone may do in a new guild, and the three roles offered beside it.
 *
 * Layer:   engine/perm (no I/O, no clock, no allocation)
 * Threads: any; constants
 * Idiom:   copied into a guild's roles when it is created; changing them later changes nothing that exists.
 */
#ifndef PERM_PRESET_H
#define PERM_PRESET_H

#include "engine/perm/perm.h"

/** Permissions of @everyone in a new guild: take part, change nothing of others. */
#define PERM_PRESET_EVERYONE                                                                                 \
    (PERM_CREATE_INSTANT_INVITE | PERM_ADD_REACTIONS | PERM_STREAM | PERM_VIEW_CHANNEL |                     \
     PERM_SEND_MESSAGES | PERM_EMBED_LINKS | PERM_ATTACH_FILES | PERM_READ_MESSAGE_HISTORY |                 \
     PERM_USE_EXTERNAL_EMOJIS | PERM_CONNECT | PERM_SPEAK | PERM_USE_VAD | PERM_CHANGE_NICKNAME |            \
     PERM_USE_APPLICATION_COMMANDS | PERM_REQUEST_TO_SPEAK | PERM_CREATE_PUBLIC_THREADS |                    \
     PERM_CREATE_PRIVATE_THREADS | PERM_USE_EXTERNAL_STICKERS | PERM_SEND_MESSAGES_IN_THREADS |              \
     PERM_USE_EMBEDDED_ACTIVITIES | PERM_USE_SOUNDBOARD | PERM_USE_EXTERNAL_SOUNDS |                         \
     PERM_SEND_VOICE_MESSAGES | PERM_SEND_POLLS | PERM_USE_P2P)

/** The member role: @everyone and a little trust. */
#define PERM_PRESET_MEMBER                                                                                   \
    (PERM_PRESET_EVERYONE | PERM_CREATE_EVENTS | PERM_CREATE_GUILD_EXPRESSIONS |                             \
     PERM_SET_VOICE_CHANNEL_STATUS)

/** The moderator role: keeps order among members, builds nothing. */
#define PERM_PRESET_MODERATOR                                                                                \
    (PERM_PRESET_MEMBER | PERM_KICK_MEMBERS | PERM_BAN_MEMBERS | PERM_MODERATE_MEMBERS |                     \
     PERM_VIEW_AUDIT_LOG | PERM_MANAGE_MESSAGES | PERM_PIN_MESSAGES | PERM_MANAGE_THREADS |                  \
     PERM_MANAGE_NICKNAMES | PERM_MENTION_EVERYONE | PERM_BYPASS_SLOWMODE | PERM_MUTE_MEMBERS |              \
     PERM_DEAFEN_MEMBERS | PERM_MOVE_MEMBERS | PERM_PRIORITY_SPEAKER | PERM_MANAGE_EVENTS |                  \
     PERM_MANAGE_FORUM)

/** The admin role: everything, through the one bit that stands for it. */
#define PERM_PRESET_ADMIN PERM_ADMINISTRATOR

#endif
