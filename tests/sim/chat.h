/* chat.h - the people of chat_sim: clients that send, are cut, resume and fetch, and remember all they see.
 *
 * Layer:   tests/sim
 * Threads: one
 * Limits:  CHAT_*
 * Idiom:   A client does what ours does: RESUME after every cut, IDENTIFY when told to, fetch after_seq after a gap, a
 *          NEXUS_RESYNC, NEXUS_UNREAD or a fresh READY, and send again with the same nonce until acknowledged. Some look at some
 *          channels only; some things are said once and never again. What must never happen is
 *          reported through chat_fail() at the moment it is seen; the rest is checked at the end.
 */
#ifndef TESTS_SIM_CHAT_H
#define TESTS_SIM_CHAT_H

#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "engine/sim/host.h"
#include "engine/sim/net.h"
#include "engine/sim/sim.h"
#include "engine/wire/ws.h"

enum {
    CHAT_CLIENTS_MAX = 8,
    CHAT_CHANNELS_MAX = 3,
    CHAT_SENT_MAX = 48, /* messages of one client */
    CHAT_SEQ_MAX = CHAT_CLIENTS_MAX * CHAT_SENT_MAX,
    CHAT_OUT_MAX = 65536,
    CHAT_IN_MAX = 1 << 18,
    CHAT_ID_MAX = 256,
    CHAT_CONTENT_MAX = 3000,
    CHAT_TOKEN_MAX = 512
};

/** A message that a client wants to say. */
struct chat_message {
    uint64_t id; /**< once acknowledged */
    uint64_t seq;
    nx_time asked_at;
    uint32_t channel;
    bool is_asked; /**< on its way */
    bool is_acked;
    bool is_rest;           /**< sent over REST, not op 67 */
    bool is_once;           /**< never sent again, whatever comes of it */
    bool is_said;           /**< sent at least once */
    uint32_t asks, answers; /**< by op 67 */
};

/** What a client knows of one channel. */
struct chat_view {
    uint64_t ids[CHAT_SEQ_MAX + 1];      /**< by seq; 0 unknown */
    uint32_t messages[CHAT_SEQ_MAX + 1]; /**< author << 16 | number */
    uint64_t contiguous;                 /**< all up to here are known */
    uint64_t target;                     /**< the highest seq it has heard of */
    uint64_t live_seq;                   /**< of the last live event of this session */
    uint64_t unread_seq;                 /**< of the last NEXUS_UNREAD of this session */
    bool is_member;
    bool must_fetch; /**< whatever target says */
};

enum chat_phase { CHAT_DOWN, CHAT_CONNECTING, CHAT_HTTP, CHAT_WS };

struct chat;

/** One person. */
struct chat_client {
    struct chat *chat;
    struct nx_host *host;
    struct nx_loop *loop;
    uint32_t index;
    uint64_t user_id;
    char token[CHAT_TOKEN_MAX];
    /* the gateway */
    struct nx_stream stream;
    enum chat_phase phase;
    struct nx_ws ws;
    bool is_open;  /**< the stream's memory is in use */
    bool is_ready; /**< READY or RESUMED was heard on this connection */
    bool is_beating;
    bool is_acked; /**< the last heartbeat was */
    bool is_leaving;
    uint32_t backoff_ms;
    uint64_t s;
    char session_id[CHAT_ID_MAX];
    struct nx_timer retry;
    struct nx_timer heartbeat;
    struct nx_timer tick;
    struct nx_timer stall; /**< until it reads again */
    uint8_t out[CHAT_OUT_MAX];
    size_t out_size;
    uint8_t in[CHAT_IN_MAX];
    size_t in_size;
    uint8_t gathered[CHAT_IN_MAX];
    /* REST, one request at a time */
    struct nx_stream rest;
    bool is_rest_open;
    bool is_rest_done;
    uint8_t rest_out[CHAT_CONTENT_MAX + 4096];
    size_t rest_out_size;
    uint8_t rest_in[CHAT_IN_MAX];
    size_t rest_in_size;
    int32_t rest_message; /**< number of the message it sends; -1: a fetch */
    uint32_t rest_channel;
    nx_time rest_since;
    nx_time rest_not_before;
    /* what was said and heard */
    struct chat_view views[CHAT_CHANNELS_MAX];
    struct chat_message messages[CHAT_SENT_MAX];
    uint32_t messages_count;
    uint32_t messages_wanted;
    nx_time send_at;
    bool is_picky; /**< looks at some channels only, after each READY and RESUMED */
    uint32_t resumes, identifies, resyncs, fetches, refusals, cuts, unreads;
};

/** All of them. */
struct chat {
    struct nx_sim *sim;
    struct nx_prng prng;
    uint64_t seed;
    struct nx_endpoint gateway;
    uint64_t channels[CHAT_CHANNELS_MAX];
    uint64_t guilds[CHAT_CHANNELS_MAX];
    uint32_t channels_count;
    struct chat_client *clients;
    uint32_t clients_count;
    bool is_long; /**< messages are so long that a shard's log of events comes round */
    bool is_verbose;
    bool has_failed;
};

/** Reports what must not happen. */
void chat_fail(struct chat *chat, const struct chat_client *client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Tells what happens, when chat->is_verbose. */
void chat_tell(struct chat *chat, const struct chat_client *client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Starts `client` on its host: it connects by itself. */
void chat_client_start(struct chat_client *client);

/** Lets it stop reading for `ms`. */
void chat_client_stall(struct chat_client *client, int64_t ms);

/** Lets it say goodbye (1000) and stay away. */
void chat_client_leave(struct chat_client *client);

/** Returns whether it is connected, has said all it wanted, and knows of nothing that it has not seen. */
bool chat_client_is_content(const struct chat_client *client);

#endif
