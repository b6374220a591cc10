/* limits.h - every cap of control/core.
 *
 * Layer:   control/core
 * Threads: any; constants
 * Limits:  a membership costs about 130 bytes, a user about 150 and its names, a guild about 1 KiB and what is in it
 */
#ifndef CTL_CORE_LIMITS_H
#define CTL_CORE_LIMITS_H

enum {
    CTL_LINKS_MAX = 64, /**< shards of gatewayd that one control serves; a bit each in a guild's mask */
    CTL_GUILDS_PER_USER_MAX = 200,    /**< memberships of one user */
    CTL_CHANNELS_PER_GUILD_MAX = 500, /**< with categories */
    CTL_SESSIONS_PER_USER_MAX = 64,   /**< gateway sessions of one user; one more ends the longest detached */
    CTL_LARGE_GUILD = 250,            /**< members above which presence goes only to those who look */
    CTL_READY_MEMBERS_MAX = 250,      /**< members in GUILD_CREATE of a large guild */
    CTL_READY_SIZE_MAX = 12 << 20,    /**< bytes of guilds in a READY; a session takes 16 MiB at once */
    CTL_TAIL_SIZE_MAX = 960 * 1024,   /**< bytes of one event; below the bus frame's 1 MiB */
    CTL_USERNAME_MIN = 2,             /**< characters */
    CTL_USERNAME_MAX = 32,
    CTL_GLOBAL_NAME_MAX = 32,
    CTL_PASSWORD_MIN = 8, /**< characters */
    CTL_PASSWORD_MAX = 128,
    CTL_EMAIL_MAX = 254,           /**< bytes, RFC 5321 section 4.5.3.1.3 less the brackets */
    CTL_NAME_MAX = 100,            /**< characters of a guild, channel or role name */
    CTL_TOPIC_MAX = 1024,          /**< characters */
    CTL_DESCRIPTION_MAX = 300,     /**< characters */
    CTL_NICK_MAX = 32,             /**< characters */
    CTL_REASON_MAX = 512,          /**< characters of a ban's reason */
    CTL_CONTENT_MAX = 4000,        /**< code points of a message */
    CTL_NONCE_MAX = 64,            /**< bytes; Discord's 25 and room for a UUID with a prefix */
    CTL_SLOWMODE_S_MAX = 21600,    /**< seconds */
    CTL_INVITE_AGE_S_MAX = 604800, /**< seconds; 0 is never */
    CTL_INVITE_USES_MAX = 100,
    CTL_INVITE_CODE_SIZE = 10, /**< characters of base 62: 59 bits */
    CTL_TIMEOUT_DAYS_MAX = 28,
    CTL_AGENT_SIZE_MAX = 200, /**< bytes kept of a User-Agent */
    CTL_SENDS_MAX = 4096,     /**< gateway sends waiting for the store; more are refused as overloaded */
    CTL_SEND_MS = 1400,       /**< for the store to answer a send; then it is refused, to be tried again */
    CTL_DOUBTS_MAX = 4096,    /**< channels whose last commit ended in an error, looked at again */
    CTL_DOUBT_ROWS = 16,      /**< messages of one such look */
    CTL_DOUBT_QUESTIONS_MAX = 32,    /**< looks begun per tick */
    CTL_OPENS_MAX = 256,             /**< session opens waiting for the store; more wait in a queue */
    CTL_OPENS_WAITING_MAX = 65536,   /**< that queue; more are closed with 4000 and come back */
    CTL_QUOTA_SLOTS = 1 << 17,       /**< rate-limit buckets remembered at once, 24 bytes each */
    CTL_KEPT_MAX = 8192,             /**< answers kept for Idempotency-Keys */
    CTL_KEPT_SIZE_MAX = 16 << 20,    /**< bytes of them */
    CTL_LOGINS_MAX = 1 << 17,        /**< login sessions known to be alive */
    CTL_REVOKED_MAX = 65536,         /**< revocations younger than an access token */
    CTL_MEMBERS_CHUNK = 100,         /**< members in one GUILD_MEMBERS_CHUNK */
    CTL_MEMBERS_QUERY_IDS_MAX = 100, /**< user ids in one op 8 */
};

#define CTL_KEPT_MS          (24LL * 3600 * 1000)      /**< an Idempotency-Key is remembered so long */
#define CTL_ACCESS_TOKEN_S   900                       /**< seconds an access token is valid */
#define CTL_REFRESH_TOKEN_MS (30LL * 24 * 3600 * 1000) /**< a refresh token not used so long is dead */
#define CTL_REFRESH_GRACE_MS 10000 /**< the previous refresh token still rotates so long */

#endif
