/* state.h - what the files of engine/sim share: events, hosts, loops, connections.
 *
 * Layer:   engine/sim, private
 * Threads: one
 * Idiom:   Events carry the id and generation of a connection, never a pointer to something that may be gone. Memory of the
 *          world itself is taken while no host is entered, so that it never counts as a host's.
 */
#ifndef NX_SIM_STATE_H
#define NX_SIM_STATE_H

#include "engine/base/list.h"
#include "engine/base/prng.h"
#include "engine/base/wheel.h"
#include "engine/io/loop.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "engine/sim/limits.h"
#include "engine/sim/net.h"
#include "engine/sim/sim.h"

/** Something that will happen. */
struct nx_sim_event {
    int64_t at_ns;
    uint64_t order; /**< of being added: ties are broken by it */
    void (*run)(struct nx_sim *sim, const struct nx_sim_event *event);
    uint32_t id;         /**< of a connection, loop, worker or socket */
    uint32_t generation; /**< of it */
    uint64_t argument;
    void *pointer;
};

/** One end of a connection and the bytes it has sent. */
struct nx_net_end {
    struct nx_net_conn *conn;
    struct nx_host *host;
    struct nx_loop *loop;      /**< NULL: nobody adopted this end yet, or it is gone */
    struct nx_stream *stream;  /**< NULL likewise */
    struct nx_list_link ready; /**< in loop->ready: something to tell the owner */
    struct nx_list_link done;  /**< in loop->done: `closed` comes next turn */
    enum nx_err why;           /**< of `closed` */
    bool is_connected_due;     /**< `connected` to be told */
    bool is_writable_due;      /**< `writable` to be told */
    bool is_reset;             /**< the peer's reset arrived */
    bool is_end_told;          /**< `ended` was told */
    bool is_gone;              /**< closed by its owner, or died */
    bool is_mute;              /**< goes without telling the peer */
    uint8_t *bytes;            /**< ring of what was sent and not taken by the peer */
    uint32_t capacity;         /**< bytes of the ring */
    uint64_t sent;             /**< offsets in the stream of bytes: taken from the owner, */
    uint64_t arrived;          /**< at the peer's host, */
    uint64_t consumed;         /**< given to the peer's owner, */
    uint64_t acked;            /**< and known here to be consumed */
    int64_t arrival_ns;        /**< of the last piece: the next is not earlier */
    int64_t wire_ns;           /**< until then the wire is busy with earlier bytes */
    bool is_fin_sent, is_fin_arrived;
};

/** One connection; end 0 connected, end 1 listened. */
struct nx_net_conn {
    struct nx_list_link member; /**< of sim->conns */
    struct nx_sim *sim;
    uint32_t id;
    uint32_t generation;
    bool is_tcp;
    bool is_silent;      /**< cut without a word */
    bool is_open;        /**< the request reached the listener */
    uint32_t tries;      /**< of the connection request */
    struct nx_addr peer; /**< of end 0, as end 1 sees it */
    struct nx_endpoint where;
    int64_t latency_ns;
    uint32_t jitter_us;
    uint32_t bandwidth;
    uint32_t split_one_in;
    uint32_t reset_one_in;
    struct nx_net_end ends[2];
};

/** A listening socket. */
struct nx_net_socket {
    bool is_used;
    bool is_held; /**< bound without a host: outlives its listener */
    uint32_t generation;
    bool is_unix;
    struct nx_addr addr;
    char path[NX_STREAM_PATH_MAX];
    struct nx_host *host;
    struct nx_listener *listener; /**< NULL while nobody accepts */
    struct nx_list_link ready;    /**< in loop->ready_sockets */
    uint32_t backlog_count;
    uint32_t backlog[NX_SIM_BACKLOG_MAX]; /**< connection ids, end 1 not adopted */
};

/** A piece of memory of engine/io/mem.h. */
struct nx_mem_piece {
    struct nx_list_link link;
    size_t size;
};

/** One host. */
struct nx_host {
    struct nx_sim *sim;
    const char *name;
    struct nx_addr address;
    uint32_t index;
    uint16_t port_next;
    uint32_t crashes;
    int64_t paused_until_ns;
    int64_t wall_jump_ms;
    struct nx_prng entropy; /**< of nx_random_fill() */
    struct nx_list loops;
    struct nx_list workers;
    struct nx_list pieces; /**< struct nx_mem_piece */
    uint64_t memory_bytes;
    bool is_sealed;
    uint32_t allowed_depth;
};

/** How things pass from one host to another. */
struct nx_net_way {
    int64_t partition_until_ns;
    int64_t clog_until_ns;
    uint32_t clog_ms;
};

/** A file of the simulated disk. */
struct nx_sim_file {
    char *path;
    uint8_t *bytes;
    size_t size;
};

/** A place in a table of things that events name. */
struct nx_sim_place {
    void *thing; /**< NULL: free */
    uint32_t generation;
};

/** The world. */
struct nx_sim {
    int64_t now_ns;
    uint64_t order;
    uint64_t hash;
    uint64_t events_count;
    struct nx_prng prng;     /**< of scenarios */
    struct nx_prng net_prng; /**< of the network and of costs */
    struct nx_sim_event *heap;
    size_t heap_count;
    size_t heap_capacity;
    struct nx_host *hosts[NX_SIM_HOSTS_MAX];
    uint32_t hosts_count;
    struct nx_sim_place *places; /**< connections, loops and workers */
    uint32_t places_count;
    struct nx_list conns; /**< struct nx_net_conn */
    uint32_t conns_count;
    bool is_loud; /**< log lines of daemons go to stderr */
    struct nx_net_socket sockets[NX_SIM_SOCKETS_MAX];
    struct nx_net_way ways[NX_SIM_HOSTS_MAX][NX_SIM_HOSTS_MAX]; /**< [from][to] */
    struct nx_net_profile profile;
    struct nx_sim_file files[NX_SIM_FILES_MAX];
    uint32_t files_count;
    struct nx_loop *turning; /**< the loop whose turn runs */
};

struct nx_signal;

/** The loop in virtual time. */
struct nx_loop {
    struct nx_sim *sim;
    struct nx_host *host;
    struct nx_list_link member; /**< of host->loops */
    uint32_t id;
    uint32_t generation;
    struct nx_loop_config config;
    struct nx_loop_stats stats;
    nx_time now;
    int64_t wall_ms;
    int64_t spent_ns;      /**< CPU that the turn has used so far */
    int64_t busy_until_ns; /**< CPU of the last turn */
    int64_t turn_at_ns;    /**< the turn that is in the heap; INT64_MAX none */
    uint64_t turn_serial;  /**< of that one */
    struct nx_wheel wheel;
    struct nx_list tasks[NX_LOOP_CLASSES_COUNT];
    struct nx_list ready;         /**< struct nx_net_end */
    struct nx_list ready_sockets; /**< struct nx_net_socket */
    struct nx_list done;          /**< struct nx_net_end */
    struct nx_list finished;      /**< struct nx_job */
    struct nx_signal *signal;
    uint64_t signals; /**< pending, by number */
    uint8_t *slab;
    size_t slab_used;
    struct nx_stream **commits;
    struct nx_stream **resolved;
    uint32_t commits_count;
    struct nx_stream *reserved_by;
    size_t reserved_size;
    struct nx_net_end **slots;
    uint32_t slots_count;
    bool is_stopping;
};

/** Private flags of a stream. */
enum {
    NX_STREAM_CONNECTING = 1,
    NX_STREAM_PAUSED = 2,
    NX_STREAM_BLOCKED = 4,
    NX_STREAM_FINISHED = 8,
    NX_STREAM_CLOSING = 16
};

/** Takes zeroed memory of the world itself; aborts without. */
void *nx_sim_take(size_t size);

/** Gives it back; NULL is nothing. */
void nx_sim_give(void *memory);

/** Adds an event; `event->order` is set. */
void nx_sim_add(struct nx_sim *sim, const struct nx_sim_event *event);

/** Returns the world that is open; asserts that there is one. */
struct nx_sim *nx_sim_current(void);

/** Mixes a number into the history hash. */
void nx_sim_mix(struct nx_sim *sim, uint64_t value);

/** Draws from the network's generator: 0..bound-1. */
uint64_t nx_sim_draw(struct nx_sim *sim, uint64_t bound);

/** Enters `thing` into the table; `id` and `generation` name it from now on. */
void nx_sim_place_take(struct nx_sim *sim, void *thing, uint32_t *id, uint32_t *generation);

/** Takes it out of the table: its id with its generation is dead. */
void nx_sim_place_give(struct nx_sim *sim, uint32_t id);

/** Returns what has this id and generation, or NULL. */
void *nx_sim_place_of(const struct nx_sim *sim, uint32_t id, uint32_t generation);

/** Sees to it that `loop` has a turn when it has something to do. */
void nx_loop_poke(struct nx_loop *loop);

/** Ends a loop whose host died. */
void nx_loop_drop(struct nx_loop *loop);

/** Tells the owner of a commit how many bytes were taken; negative: the connection is reset. */
void nx_stream_resolved(struct nx_stream *stream, int64_t taken);

/** Tells the owner of an end what has become of it. */
void nx_stream_ready(struct nx_net_end *end);

/** Tells the owner that its stream is closed. */
void nx_stream_done(struct nx_net_end *end);

/** Adopts an end for a stream. Returns NX_OK; NX_E_FULL. */
NX_MUST_USE enum nx_err nx_stream_adopt(struct nx_stream *stream, struct nx_loop *loop,
                                        struct nx_net_end *end, const struct nx_stream_events *on,
                                        void *context);

/** Accepts what waits at `socket`. */
void nx_listener_ready(struct nx_net_socket *socket);

/** Closes the sockets of a host that died; of NULL: those that were bound without a host. */
void nx_listener_drop(struct nx_host *host);

/** Drops a worker whose host died. */
void nx_worker_drop(struct nx_host *host);

/** Delivers pending signals of a loop. */
void nx_signal_deliver(struct nx_loop *loop);

/** Gives back all memory of engine/io/mem.h that `host` holds. */
void nx_mem_drop(struct nx_host *host);

/** Makes a connection from `host` to `where` and sends its request. */
struct nx_net_conn *nx_net_connect(struct nx_host *host, const struct nx_endpoint *where,
                                   const struct nx_addr *source);

/** Sends up to `size` bytes from `end`; returns how many were taken, or -1 when the connection is reset. */
int64_t nx_net_send(struct nx_net_end *end, const uint8_t *bytes, size_t size);

/** Sends FIN behind the bytes. */
void nx_net_finish(struct nx_net_end *end);

/** The owner of `end` is gone: FIN, or a reset when bytes are unread or `is_abort`. Frees the connection after both ends. */
void nx_net_leave(struct nx_net_end *end, bool is_abort);

/** Copies out and consumes up to `room` bytes that arrived at `end`; returns how many. */
size_t nx_net_receive(struct nx_net_end *end, uint8_t *out, size_t room);

/** Returns how many bytes wait at `end`. */
size_t nx_net_waiting(const struct nx_net_end *end);

/** Puts `end` among those of which its loop must tell. */
void nx_net_ready(struct nx_net_end *end);

/** Returns the other end. */
struct nx_net_end *nx_net_other(struct nx_net_end *end);

/** Returns the open socket that listens on `where`, or NULL. */
struct nx_net_socket *nx_listener_find(struct nx_sim *sim, const struct nx_endpoint *where);

#endif
