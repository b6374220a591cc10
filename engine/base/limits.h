/* limits.h - every cap of this layer, with the reason beside it.
 *
 * Layer:   engine/base (constants only)
 * Threads: any
 */
#ifndef NX_BASE_LIMITS_H
#define NX_BASE_LIMITS_H

enum {
    NX_LINE_SIZE = 64, /**< bytes of a cache line; what two threads write stays this far apart */

    NX_MAP_CAPACITY_MAX = 1 << 28, /**< keys of one map; slot numbers stay 32-bit */

    NX_QUEUE_ITEMS_MAX = 1 << 24, /**< items of one ring, spsc or mpsc queue */

    NX_POOL_SLABS_MAX = 256,          /**< slabs one pool can grow by */
    NX_POOL_SLAB_SLOTS_MAX = 1 << 20, /**< slots of one slab; slabs x slots stay below 2^32 */
    NX_POOL_SLOT_SIZE_MAX = 1 << 24,  /**< bytes of one slot */
    NX_POOL_ALIGNMENT = 16,           /**< bytes; alignment of every slot and of a slab's memory */

    NX_LOG_FIELDS_MAX = 8,       /**< fields of one record; more are a mistake of ours and cut */
    NX_LOG_LINE_SIZE_MAX = 1024, /**< bytes of one formatted line; a longer one is cut */
    NX_LOG_EVENTS_MAX = 256,     /**< event names with their own rate limit; later ones share one */
    NX_LOG_RATE_PER_S_MAX = 10,  /**< records of one event name in one second */

    NX_WINDOW_BUCKETS = 16, /**< parts of a sliding window; its error is one part */

    NX_CONF_SIZE_MAX = 1 << 20,    /**< bytes of one configuration file */
    NX_CONF_NAME_SIZE_MAX = 64,    /**< characters of one section or key */
    NX_CONF_VALUE_SIZE_MAX = 4096, /**< characters of one value as written */

    NX_ADDR_TEXT_SIZE_MAX = 72, /**< "[" 45 characters "%" scope "]:" port, rounded up */
    NX_ID_TEXT_SIZE_MAX = 19    /**< digits of 2^63 - 1 */
};

#endif
