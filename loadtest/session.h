/* session.h - one gateway session as a client keeps it: identify, heartbeats, resume, back-off.
 *
 * Spec:    protocol.md section 3
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  none of its own
 * Idiom:   dispatches are not parsed: their first bytes say what they are, and the mark is searched in the rest. Only HELLO,
 *          READY and what does not begin as expected go through the JSON reader.
 *
 *   DOWN --open--> CONNECTING --HELLO--> WAITING --READY or RESUMED--> READY --cut--> DOWN (with reconnect: after a pause
 *   CONNECTING again) or DEAD (without, or when the server said that it is no use)
 */
#ifndef LOAD_SESSION_H
#define LOAD_SESSION_H

#include "engine/base/metric.h"
#include "engine/io/timer.h"
#include "loadtest/conn.h"
#include "loadtest/stamp.h"

enum load_session_state {
    LOAD_SESSION_DOWN,
    LOAD_SESSION_CONNECTING,
    LOAD_SESSION_WAITING,
    LOAD_SESSION_READY,
    LOAD_SESSION_DEAD
};

struct load_session;

/** What sessions tell the run. */
struct load_session_events {
    /** READY or RESUMED (`session->is_resumed`) arrived. */
    void (*ready)(void *context, struct load_session *session);
    /** Not connected any more (`session->close_code`); `is_final`: and it will not be tried again. */
    void (*down)(void *context, struct load_session *session, bool is_final);
    /** A message arrived with this mark; `text` is the whole dispatch. */
    void (*delivered)(void *context, struct load_session *session, const struct load_stamp *stamp,
                      struct nx_bytes text);
    /** Own message was taken (`is_refused` false) or not; `text` is the whole dispatch. */
    void (*answered)(void *context, struct load_session *session, const struct load_stamp *stamp,
                     bool is_refused, struct nx_bytes text);
    void (*hello)(void *context, struct load_session *session); /**< the server spoke; may be NULL */
    /** Any other dispatch; may be NULL. */
    void (*other)(void *context, struct load_session *session, struct nx_bytes name, struct nx_bytes text);
};

/** Why connections ended, and how often. */
struct load_session_close {
    uint16_t code;   /**< WebSocket close code, 0 when the server gave none */
    enum nx_err why; /**< NX_OK: closed in order, or by us */
    uint32_t count;
};

enum { LOAD_SESSION_CLOSES_MAX = 16 };

/** Counters over all sessions. */
struct load_session_stats {
    uint64_t cuts;       /**< connections lost after they were ready */
    uint64_t failures;   /**< connections lost before */
    uint64_t resumes;    /**< RESUMED received */
    uint64_t identifies; /**< READY received */
    uint64_t invalid;    /**< op 9 received */
    uint64_t zombies;    /**< heartbeats that nobody acknowledged */
    uint64_t other_dispatches;
    struct load_session_close closes[LOAD_SESSION_CLOSES_MAX]; /**< the first kinds seen */
    uint32_t closes_count;
};

/** What all sessions share. */
struct load_session_shared {
    struct load_conn_net *net;            /**< given */
    const struct load_session_events *on; /**< given */
    void *context;                        /**< given */
    const char *target;                   /**< given: path of the gateway */
    uint64_t intents;                     /**< given */
    bool reconnects;                      /**< given */
    bool is_closing;                      /**< no new attempts */
    uint32_t heartbeat_ms;                /**< given: pause between heartbeats; 0: as HELLO says */
    const bool *is_measuring;             /**< given: whether acknowledged heartbeats are noted, or NULL */
    struct nx_metric_histogram beats_ns;  /**< heartbeat sent to acknowledged */
    struct load_session_stats stats;
};

/** One session; zero-initialised. */
struct load_session {
    struct load_conn conn;
    struct nx_timer heartbeat;
    struct nx_timer retry;
    struct load_session_shared *shared; /**< given */
    struct nx_bytes token;              /**< given */
    struct nx_addr source;              /**< given: family 0 for any */
    char *resume_id;                    /**< owned: session_id of READY, or NULL */
    int64_t begun_ns;                   /**< start of this attempt */
    int64_t identified_ns;              /**< IDENTIFY or RESUME was sent */
    int64_t ready_ns;                   /**< READY arrived last */
    int64_t beat_ns;                    /**< the last heartbeat was sent */
    size_t stamp_hint;
    uint32_t s;           /**< number of the last dispatch */
    uint32_t interval_ms; /**< of heartbeats */
    uint32_t patience_ms; /**< how long one may stay unanswered beyond the next */
    uint32_t attempts;    /**< since it was ready */
    uint32_t number;      /**< given: index in the run */
    uint16_t close_code;  /**< of the last connection, 0 for none */
    uint8_t state;        /**< enum load_session_state */
    bool is_acked;        /**< the last heartbeat was */
    bool is_resumed;      /**< it became ready by RESUMED */
};

/** Starts connecting; ready or down follows. */
void load_session_open(struct load_session *session);

/**
 * Sends `content` (JSON-safe characters) to `channel_id` by op 67 with `nonce`, both borrowed.
 * Returns NX_OK; NX_E_CLOSED when the session is not ready; NX_E_FULL; NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err load_session_say(struct load_session *session, uint64_t channel_id,
                                         struct nx_bytes content, struct nx_bytes nonce);

/** Ends the session for good; down follows unless it is. */
void load_session_close(struct load_session *session);

/** Frees what it owns; its connection must be closed. */
void load_session_fini(struct load_session *session);

#endif
