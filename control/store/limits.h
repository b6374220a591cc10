/* limits.h - every cap of control/store, with the reason beside it.
 *
 * Layer:   control/store (constants only)
 * Threads: any
 */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

enum {
    STORE_QUESTIONS_MAX =
        8192,              /**< questions waiting, a power of two: what 10,000 clients can ask in a commit */
    STORE_BATCH_MAX = 512, /**< writing questions of one commit; bounds what one failure takes back */
    STORE_READ_BATCH_MAX = 16, /**< reading questions answered on one snapshot */
    STORE_READERS = 2,         /**< reader threads, each with its own connection */
    STORE_READ_JOBS = 4,       /**< read batches on their way: one running and one waiting per reader */
    STORE_COMMIT_WINDOW_US_MAX = 2000, /**< longest wait of a commit for company */
    STORE_BUSY_MS = 5000,              /**< how long to wait for another process that writes */
    STORE_PATH_SIZE_MAX =
        3968,                /**< bytes of a database path; leaves room for "-wal" and ".lock" below 4096 */
    STORE_CACHE_KIB = 65536, /**< page cache of the writer */
    STORE_READ_CACHE_KIB = 16384, /**< page cache of each reader */
    STORE_WAL_CHECKPOINT_PAGES =
        16384, /**< log pages (64 MiB) that start a checkpoint: each one holds up commits for some 10 ms */
    STORE_WAL_TRUNCATE_PAGES =
        131072, /**< log pages (512 MiB), grown while a reader held them, above which the file is cut to nothing */
    STORE_CHECKPOINT_BUSY_MS = 100, /**< how long emptying the log may wait for readers */
    STORE_LOGINS_MAX =
        1000, /**< logins of one user; the oldest end with a new one, and all that have expired */
    STORE_LOGIN_HASHES_MAX = 64, /**< refresh tokens remembered per login; an older one is just unknown */
    STORE_NONCE_MS = 24 * 60 * 60 * 1000, /**< how long a nonce is remembered */
    STORE_SWEEP_ROWS = 500,               /**< rows that one step of the sweep removes or looks at */
    STORE_PG_BATCHES = 2,    /**< transactions under way: one commits, the next waits at the server */
    STORE_PG_READS_MAX = 64, /**< reading questions under way on one session */
    STORE_PG_WAIT_MS =
        1700, /**< how long a question waits for PostgreSQL before it is answered NX_E_UNAVAILABLE */
    STORE_PG_TICK_MS = 100, /**< how often that is looked after; both together stay below 2 s */
    STORE_PG_START_S = 30,  /**< how long a starting control waits for a server that does not answer */
    STORE_NONCE_SWEEP_MS = 10 * 60 * 1000 /**< pause between two passes over the nonces */
};

#endif
