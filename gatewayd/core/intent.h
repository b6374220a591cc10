/* intent.h - which kinds of events a session asked for; bit positions as Discord, ours from 48.
 *
 * Spec:    protocol.md section 3
 * Layer:   gatewayd/core
 * Threads: any; constants
 * Idiom:   an event names the intents of which one is needed; 0 means that everybody gets it.
 */
#ifndef GW_CORE_INTENT_H
#define GW_CORE_INTENT_H

#include <stdbool.h>
#include <stdint.h>

#define GW_INTENT(bit) (UINT64_C(1) << (bit))

enum gw_intent_bit {
    GW_INTENT_GUILDS = 0,
    GW_INTENT_GUILD_MEMBERS = 1,
    GW_INTENT_GUILD_MODERATION = 2,
    GW_INTENT_GUILD_EXPRESSIONS = 3,
    GW_INTENT_GUILD_INTEGRATIONS = 4,
    GW_INTENT_GUILD_WEBHOOKS = 5,
    GW_INTENT_GUILD_INVITES = 6,
    GW_INTENT_GUILD_VOICE_STATES = 7,
    GW_INTENT_GUILD_PRESENCES = 8,
    GW_INTENT_GUILD_MESSAGES = 9,
    GW_INTENT_GUILD_MESSAGE_REACTIONS = 10,
    GW_INTENT_GUILD_MESSAGE_TYPING = 11,
    GW_INTENT_DIRECT_MESSAGES = 12,
    GW_INTENT_DIRECT_MESSAGE_REACTIONS = 13,
    GW_INTENT_DIRECT_MESSAGE_TYPING = 14,
    GW_INTENT_MESSAGE_CONTENT = 15,
    GW_INTENT_GUILD_SCHEDULED_EVENTS = 16,
    GW_INTENT_AUTO_MODERATION_CONFIGURATION = 20,
    GW_INTENT_AUTO_MODERATION_EXECUTION = 21,
    GW_INTENT_GUILD_MESSAGE_POLLS = 24,
    GW_INTENT_DIRECT_MESSAGE_POLLS = 25,
    GW_INTENT_FORUM = 48,
    GW_INTENT_BOARD = 49,
    GW_INTENT_RECORDING = 50,
    GW_INTENT_MODE = 51,
};

/** Every bit that an IDENTIFY may set. */
#define GW_INTENTS_ALL                                                                                       \
    ((GW_INTENT(17) - 1) | GW_INTENT(20) | GW_INTENT(21) | GW_INTENT(24) | GW_INTENT(25) | GW_INTENT(48) |   \
     GW_INTENT(49) | GW_INTENT(50) | GW_INTENT(51))

/** Returns whether a session with `has` gets an event that needs one of `needs` (0: everybody does). */
static inline bool gw_intent_wants(uint64_t has, uint64_t needs)
{
    return needs == 0 || (has & needs) != 0;
}

#endif
