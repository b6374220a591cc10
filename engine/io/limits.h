/* limits.h - every cap and default of engine/io, with the reason beside it.
 *
 * Layer:   engine/io (constants only)
 * Threads: any
 */
#ifndef NX_IO_LIMITS_H
#define NX_IO_LIMITS_H

enum {
    NX_LOOP_STREAMS_MAX = 16384,   /**< default of config.streams_max */
    NX_LOOP_STREAMS_CAP = 1 << 20, /**< largest config.streams_max; slot numbers travel in 24 bits */
    NX_LOOP_SLOTS_EXTRA = 64,      /**< slots beside streams: listeners, mailboxes, signals */
    NX_LOOP_FILES_SPARE = 128, /**< descriptors of a process that are no streams: logs, rings, databases */
    NX_LOOP_RECEIVE_BUFFERS = 1024,      /**< shared receive buffers: what can arrive between two turns */
    NX_LOOP_RECEIVE_BUFFERS_CAP = 32768, /**< the kernel's limit of one buffer ring */
    NX_LOOP_RECEIVE_BUFFER_SIZE = 4096,  /**< bytes */
    NX_LOOP_SLAB_SIZE = 262144,          /**< bytes gathered in one slice; stays in the second-level cache */
    NX_LOOP_SLICE_SENDS_MAX = 128,       /**< about 1 ms of small sends */
    NX_LOOP_SLICE_SENDS_CAP = 4096,      /**< largest config.slice_sends_max */
    NX_LOOP_SLICE_SUBMIT_US_MAX =
        1500, /**< what submitting a slice's sends may take; fewer leave at once when it takes longer */
    NX_LOOP_SLICE_US_MAX = 1000,
    NX_LOOP_SQ_ENTRIES = 1024,      /**< submissions of one turn; more wait in the loop for the next one */
    NX_LOOP_CQ_ENTRIES_MIN = 4096,  /**< completions that can wait; grows with streams_max */
    NX_LOOP_CQ_ENTRIES_MAX = 65536, /**< beyond it the kernel keeps them on its own list */
    NX_LOOP_LISTENERS_MAX = 16,
    NX_LISTENER_BACKLOG = 4096,    /**< connections waiting in the kernel; net.core.somaxconn may cut it */
    NX_LISTENER_RETRY_MS = 100,    /**< pause after accept found no descriptor or memory */
    NX_STREAM_SEND_BUFFER = 65536, /**< SO_SNDBUF (the kernel doubles it): bounds what a slow reader costs */
    NX_STREAM_NOTSENT_LOWAT = 16384, /**< bytes not yet sent above which a stream is not writable */
    NX_MAILBOX_MAIL_MAX = 4096,      /**< letters waiting in one box, a power of two */
    NX_MAILBOX_TURN_MAX = 256,       /**< letters received in one turn */
    NX_WORKER_THREADS_MAX = 64,
    NX_TLS_INPUT_MAX = 65536,    /**< ciphertext fed and not yet read: four records */
    NX_TLS_OUTPUT_MAX = 1 << 20, /**< ciphertext not yet taken */
    NX_MEM_PURPOSES_MAX = 64,    /**< lines of the memory bill */
    NX_LOGGER_LOGS_MAX = 256,    /**< logs one logger drains */
    NX_SHARD_COUNT_MAX = 256
};

#endif
