/* limits.h - every cap of the load tool, with the reason beside it.
 *
 * Layer:   loadtest (constants only)
 * Threads: any
 */
#ifndef LOAD_LIMITS_H
#define LOAD_LIMITS_H

enum {
    LOAD_SESSIONS_MAX = 1 << 17,  /* connections of one process; RLIMIT_NOFILE is usually lower */
    LOAD_STREAMS_MAX = 1 << 16,   /* publishers or rooms */
    LOAD_SIZE_MIN = 64,           /* bytes of a payload: a stamp and its wrapping must fit */
    LOAD_SIZE_MAX = 3900,         /* bytes of a payload: below the longest message of the protocol */
    LOAD_SEED_LINE_MAX = 2048,    /* bytes of one seed line; a token is at most half of it */
    LOAD_SEED_FILE_MAX = 1 << 28, /* bytes of a seed file: far above LOAD_SESSIONS_MAX lines */
    LOAD_TEXT_MAX = 96,           /* bytes of a user name kept */
    LOAD_CONN_OUT_MAX = 1 << 20,  /* bytes a connection may hold unsent: a publisher that cannot keep up */
    LOAD_CONN_MESSAGE_MAX = 16 << 20, /* bytes of one message: the first dispatches of a large guild */
    LOAD_CONN_INFLATED_MAX = 1 << 20, /* bytes of one message after inflating */
    LOAD_DIAL_WINDOW = 256,           /* connections being opened at once when no rate is given */
    LOAD_DIAL_PER_SOURCE = 20000,     /* connections of one source address: below the ephemeral ports */
    LOAD_PIDS_MAX = 64,               /* server processes watched */
    LOAD_RING_MIN = 64,               /* messages of one stream whose receivers are counted */
    LOAD_RING_MAX = 8192,
    LOAD_RING_ALL = 1 << 20,    /* the same over all streams */
    LOAD_CONNECT_MS = 180000,   /* all connections must be there after it */
    LOAD_DRAIN_MS = 10000,      /* what is not delivered after it is lost */
    LOAD_STALL_MS = 15000,      /* a closed loop that moves nothing for so long has failed */
    LOAD_RETRY_FIRST_MS = 250,  /* first pause before a connection is tried again, doubled each time */
    LOAD_RETRY_SOON_MS = 2000,  /* longest pause of the first attempts */
    LOAD_RETRY_SOON_COUNT = 20, /* those are so many */
    LOAD_RETRY_MAX_MS = 30000,
    LOAD_RESEND_MS = 3000,         /* a message without an answer is sent again after it, with its nonce */
    LOAD_REFUSED_MS = 500,         /* one that was refused for now, about so much later */
    LOAD_FETCH_LANES = 32,         /* connections that catch up over REST */
    LOAD_SETTLE_QUIET_MS = 5000,   /* with a history: nothing is on its way and nothing came for so long */
    LOAD_SETTLE_LAST_MS = 60000,   /* with a history: for everybody to be back and to have caught up */
    LOAD_SHARDS_MAX = 64,          /* shards of gatewayd that the stand-in serves */
    LOAD_LINK_QUEUE_MAX = 64 << 20 /* bytes unsent on one link of the stand-in */
};

#endif
