/* limits.h - every cap of engine/perm.
 *
 * Layer:   engine/perm
 * Threads: any; constants
 * Limits:  one shared 64-role set costs 528 bytes plus its bucket; a full table of 4096 about 2.1 MiB, so
 * callers start small and grow
 */
#ifndef PERM_LIMITS_H
#define PERM_LIMITS_H

enum {
    PERM_ROLES_PER_GUILD_MAX = 250,        /**< with @everyone */
    PERM_ROLES_PER_MEMBER_MAX = 64,        /**< without @everyone */
    PERM_OVERWRITES_PER_CHANNEL_MAX = 100, /**< roles and members together */
    PERM_ROLESETS_PER_GUILD_MAX = 4096,    /**< role-set ids are below this */
    PERM_DECIMAL_SIZE_MAX = 20,            /**< characters of a permission string, without a NUL */
};

#endif
