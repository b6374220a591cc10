/* stream.h - byte streams (TCP and Unix) on a loop: accept, connect, receive into shared buffers, gathered sends.
 *
 * Layer:   engine/io (stream_uring.c; engine/sim implements the same functions)
 * Threads: the loop's own
 * Limits:  config.streams_max streams; one commit per stream and slice; NX_STREAM_RESERVE_MAX bytes per commit
 * Idiom:   An idle stream owns no buffer: received bytes are lent to on->data and must be used or copied before it
 *          returns. To send: reserve room in the loop's slab, write into it, commit. After the slice was submitted,
 *          on->sent tells how many of those bytes the kernel took; the rest is the owner's to send again after
 *          on->writable. So owners keep references to what is unsent, never copies, and nothing is queued here.
 */
#ifndef NX_IO_STREAM_H
#define NX_IO_STREAM_H

#include "engine/base/addr.h"
#include "engine/base/bytes.h"
#include "engine/io/loop.h"

enum {
    NX_STREAM_RESERVE_MAX = 65536, /**< bytes of one commit */
    NX_STREAM_PATH_MAX = 104       /**< bytes of a Unix socket path including its NUL */
};

/** Where to listen or connect. */
struct nx_endpoint {
    enum { NX_ENDPOINT_ADDR, NX_ENDPOINT_UNIX, NX_ENDPOINT_FD } kind;
    struct nx_addr addr;           /**< ADDR */
    char path[NX_STREAM_PATH_MAX]; /**< UNIX: file system path, NUL-terminated */
    int fd;                        /**< FD: an inherited socket; ownership passes to the listener or stream */
};

struct nx_stream;

/** What a stream tells its owner; every pointer set. */
struct nx_stream_events {
    /** A connect succeeded; not called for accepted streams. */
    void (*connected)(void *context);
    /** Bytes arrived; borrowed (writable, so that unmasking can happen in place) until return. */
    void (*data)(void *context, uint8_t *bytes, size_t size);
    /** The peer will send no more (FIN). The stream stays open for sending until closed. */
    void (*ended)(void *context);
    /** The commit of this slice was submitted: the kernel took `size` bytes of it; less means blocked now. */
    void (*sent)(void *context, size_t size);
    /** A blocked stream can take bytes again. */
    void (*writable)(void *context);
    /** The stream is gone (after nx_stream_close(), or by an error: NX_E_CLOSED, NX_E_IO…); last callback, the
     *  memory of the stream may be used again from here on. */
    void (*closed)(void *context, enum nx_err why);
};

/** A stream; embedded in its owner and opaque to it. */
struct nx_stream {
    const struct nx_stream_events *on; /**< given */
    void *context;                     /**< given */
    struct nx_loop *loop;              /**< given */
    uint32_t slot;                     /**< registered descriptor */
    uint32_t generation;               /**< of the slot, so that late completions are recognised */
    uint32_t committed_size;           /**< bytes committed in this slice */
    uint16_t inflight_count;           /**< submitted operations not yet completed */
    uint16_t flags;                    /**< private to the implementation */
};

/** A connection that was accepted and waits to be adopted; valid only inside on_accept. */
struct nx_accepted {
    struct nx_addr peer; /**< family 0 for Unix sockets */
    int fd;              /**< private to the implementation */
};

/** A listening socket; embedded in its owner, zero-initialised. */
struct nx_listener {
    struct nx_loop *loop;
    /** Called per connection: adopt it with nx_stream_accept(), else it is closed when this returns. */
    void (*on_accept)(void *context, struct nx_accepted *accepted);
    void *context;
    struct nx_addr bound; /**< the address listened on, with the real port */
    int fd;
    uint32_t generation;
    uint32_t slot;
    bool is_paused;
};

/**
 * Creates a listening socket without a loop, for a supervisor that hands it to its children: TCP with SO_REUSEADDR,
 * SO_REUSEPORT when `is_shared`, TCP_NODELAY, close-on-exec off. A stale Unix socket file is replaced.
 * `bound` receives the address with the real port (port 0 asks for any).
 * Returns NX_OK; NX_E_IN_USE when another process listens there; NX_E_AUTH without the right to bind; NX_E_MALFORMED for
 * a path that is too long; NX_E_IO otherwise.
 */
NX_MUST_USE enum nx_err nx_listener_bind(const struct nx_endpoint *where, bool is_shared, int *fd,
                                         struct nx_addr *bound);

/** Starts accepting on `where`. Returns NX_OK or what nx_listener_bind() returns. */
NX_MUST_USE enum nx_err nx_listener_open(struct nx_loop *loop, struct nx_listener *listener,
                                         const struct nx_endpoint *where,
                                         void (*on_accept)(void *context, struct nx_accepted *accepted),
                                         void *context);

/** Stops (true) or restarts (false) accepting; connections wait in the kernel's backlog meanwhile. */
void nx_listener_pause(struct nx_listener *listener, bool is_paused);

/** Stops listening and closes the socket. */
void nx_listener_close(struct nx_listener *listener);

/**
 * Adopts an accepted connection: receiving begins. Sets a small send buffer and TCP_NOTSENT_LOWAT on TCP.
 * Returns NX_OK; NX_E_FULL when streams_max is reached (the connection is then closed by the caller returning).
 */
NX_MUST_USE enum nx_err nx_stream_accept(struct nx_stream *stream, struct nx_loop *loop,
                                         struct nx_accepted *accepted, const struct nx_stream_events *on,
                                         void *context);

/**
 * Starts connecting; on->connected or on->closed follows. `source` (may be NULL) is the local address to bind.
 * Returns NX_OK; NX_E_FULL when streams_max is reached; NX_E_IO when no socket could be made or bound.
 */
NX_MUST_USE enum nx_err nx_stream_connect(struct nx_stream *stream, struct nx_loop *loop,
                                          const struct nx_endpoint *where, const struct nx_addr *source,
                                          const struct nx_stream_events *on, void *context);

/**
 * Returns room for `size` bytes (at most NX_STREAM_RESERVE_MAX) in the send slab, or NULL when the stream is blocked,
 * closing, has a commit in this slice already, or the slice is full: then try again after `sent`, `writable` or in
 * the next slice. Nothing is sent before nx_stream_commit(); a reservation not committed costs nothing, and the next
 * one of any stream takes its room: only the latest reservation of a loop can be committed.
 */
uint8_t *nx_stream_reserve(struct nx_stream *stream, size_t size);

/** Sends the first `size` bytes of the reservation (1 up to the size reserved); `sent` follows after the slice. */
void nx_stream_commit(struct nx_stream *stream, size_t size);

/** Returns whether the last commit was not taken whole and `writable` is still to come. */
bool nx_stream_is_blocked(const struct nx_stream *stream);

/** Stops (true) or restarts (false) receiving; bytes already received may still arrive through `data`. */
void nx_stream_pause(struct nx_stream *stream, bool is_paused);

/** Tells the peer that no more will be sent (FIN), after what is committed. */
void nx_stream_finish(struct nx_stream *stream);

/** Closes; `closed` follows, never from inside this call. Safe in any callback, and twice. */
void nx_stream_close(struct nx_stream *stream);

#endif
