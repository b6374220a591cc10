/* uring.h - the one wrapper around the kernel's ring; everything else in engine/io submits and reaps through it.
 *
 * Layer:   engine/io, private: only loop_uring, stream_uring, listener_uring, poll_uring, mailbox and signal include it
 * Threads: the loop's own
 * Limits:  slots in 24 bits; liburing 2.3 and Linux 6.1 features only
 * Idiom:   every operation carries a tag {kind, slot, generation} that comes back with its completion. Buffers are
 *          checked against sanitizers when they are given to the kernel and when it gives them back, because the
 *          kernel's writes are invisible to them.
 */
#ifndef NX_IO_URING_H
#define NX_IO_URING_H

#include "engine/base/err.h"
#include "engine/base/time.h"

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define NX_URING_POISON(at, size)   __asan_poison_memory_region((at), (size))
#define NX_URING_UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define NX_URING_POISON(at, size)   ((void)(at), (void)(size))
#define NX_URING_UNPOISON(at, size) ((void)(at), (void)(size))
#endif

/** What an operation is; says which of the loop's parts its completion belongs to. */
enum nx_uring_kind {
    NX_URING_NONE,   /**< nobody waits for it: attach, close, cancel */
    NX_URING_SEND,   /**< a commit that was not taken whole */
    NX_URING_RECV,   /**< multishot */
    NX_URING_POLL,   /**< one shot, writable */
    NX_URING_ACCEPT, /**< multishot */
    NX_URING_SHUTDOWN,
    NX_URING_WAKE,     /**< the loop's own descriptor for wake-ups from other threads */
    NX_URING_SIGNAL,   /**< a signal or foreign descriptor is readable */
    NX_URING_MAIL,     /**< a doorbell from another ring */
    NX_URING_MAIL_LOST /**< a doorbell that did not reach the other ring */
};

/** Events of nx_uring_poll(), the kernel's POLLIN and POLLOUT. */
enum { NX_URING_READABLE = 1, NX_URING_WRITABLE = 4 };

/** Whose operation it is. */
struct nx_uring_tag {
    enum nx_uring_kind kind;
    uint32_t slot;
    uint32_t generation;
};

/** A completion, decoded. */
struct nx_uring_done {
    struct nx_uring_tag tag;
    int32_t result;  /**< bytes, descriptor or event mask; negative errno */
    bool has_more;   /**< the operation goes on */
    bool has_buffer; /**< `buffer` is lent until nx_uring_buffer_give() */
    uint16_t buffer; /**< index of a shared receive buffer */
};

/** Where an operation goes: a slot of the fixed table, or a plain descriptor. */
struct nx_uring_target {
    int32_t fd;
    bool is_fixed;
};

/** What a test may do to an operation about to be submitted. */
enum nx_uring_fault_action {
    NX_URING_FAULT_NONE,
    NX_URING_FAULT_SHORT, /**< SEND: offer the kernel only `size` bytes and report that */
    NX_URING_FAULT_RESULT /**< do not run it; complete it with `result` */
};

/** One fault, given by the hook. */
struct nx_uring_fault {
    enum nx_uring_fault_action action;
    uint32_t size;
    int32_t result;
};

enum { NX_URING_FORCED_MAX = 64 };

/** Hooks of tests; all zero in production. */
struct nx_uring_faults {
    struct nx_uring_fault (*on_submit)(void *context, struct nx_uring_tag tag); /**< may be NULL */
    void *context;
    bool is_full; /**< the submission queue pretends to be full */
    struct {
        uint64_t user_data;
        int32_t result;
    } forced[NX_URING_FORCED_MAX];
    uint32_t forced_count;
};

/** The ring; embedded in the loop. */
struct nx_uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring; /**< owned */
    uint8_t *buffers;                      /**< owned: buffers_count * buffer_size bytes */
    uint32_t buffers_count;
    uint32_t buffer_size;
    uint32_t buffers_given; /**< given back and not yet advanced */
    uint32_t peeked_tail;   /**< completions seen before the last enter end here */
    uint64_t enters;        /**< system calls made */
    uint32_t files_count;   /**< slots of the fixed table; 0: plain descriptors are used */
    struct nx_uring_faults faults;
};

/** Sizes of a ring. */
struct nx_uring_config {
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t buffers_count; /**< a power of two */
    uint32_t buffer_size;
    uint32_t files_count; /**< wanted slots of the fixed table */
    bool is_6_1;          /**< use nothing that needs more than Linux 6.1 */
};

/**
 * Opens the ring, its receive buffers and, where the kernel frees fixed descriptors one by one (since 6.13; before, one
 * old receive keeps every later closed socket alive), the fixed table. `why` (`why_size` bytes) explains failures.
 * Returns NX_OK; NX_E_UNSUPPORTED; NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err nx_uring_open(struct nx_uring *u, const struct nx_uring_config *config, char *why,
                                      size_t why_size);

/** Ends every operation and frees everything. */
void nx_uring_close(struct nx_uring *u);

/** Writes the sentence for `error` (a positive errno) of io_uring_setup into `why`; returns the error it means. */
enum nx_err nx_uring_explain(int error, char *why, size_t why_size);

/** Returns how many operations can still be put before the next submission. */
uint32_t nx_uring_room(const struct nx_uring *u);

/** Sends `size` bytes at once or as far as the socket has room; completes only when not all were taken. Needs room 1. */
void nx_uring_send(struct nx_uring *u, struct nx_uring_target to, const uint8_t *bytes, size_t size,
                   struct nx_uring_tag tag);

/** Receives into the shared buffers until cancelled or an error. Needs room 1. */
void nx_uring_receive(struct nx_uring *u, struct nx_uring_target from, struct nx_uring_tag tag);

/** Completes once when one of `events` (NX_URING_READABLE, _WRITABLE) is there. Needs room 1. */
void nx_uring_poll(struct nx_uring *u, struct nx_uring_target at, uint32_t events, struct nx_uring_tag tag);

/** Accepts until cancelled or an error; results are plain descriptors. Needs room 1. */
void nx_uring_accept(struct nx_uring *u, int fd, struct nx_uring_tag tag);

/** Reads the 8 bytes of an eventfd. Needs room 1. */
void nx_uring_read(struct nx_uring *u, int fd, uint64_t *into, struct nx_uring_tag tag);

/** Puts `*fd` into fixed slot `slot` and closes the plain one; `fd` must stay until the submission. Needs room 2. */
void nx_uring_attach(struct nx_uring *u, int32_t *fd, uint32_t slot);

/** Cancels the operation with this tag. Needs room 1. */
void nx_uring_cancel(struct nx_uring *u, struct nx_uring_tag tag);

/** Sends FIN after what was sent. Needs room 1. */
void nx_uring_shutdown(struct nx_uring *u, struct nx_uring_target at, struct nx_uring_tag tag);

/** Closes a descriptor or empties a fixed slot. Needs room 1. */
void nx_uring_close_target(struct nx_uring *u, struct nx_uring_target at);

/** Rings `to_ring_fd` with `tag` (MSG_RING); completes here only when that failed, as MAIL_LOST. Needs room 1. */
void nx_uring_ring(struct nx_uring *u, int to_ring_fd, struct nx_uring_tag tag, struct nx_uring_tag lost);

/** Submits everything and collects completions without waiting. */
void nx_uring_submit(struct nx_uring *u);

/** Submits everything and waits for a completion, at most `timeout_ns` (INT64_MAX: without limit). */
void nx_uring_wait(struct nx_uring *u, int64_t timeout_ns);

/** Returns how many operations were put and not taken by the kernel yet (0 after a good submission). */
uint32_t nx_uring_unsubmitted(const struct nx_uring *u);

/** Returns whether the kernel keeps completions back because its queue is full. */
bool nx_uring_has_overflow(const struct nx_uring *u);

/** Returns how many completions wait. */
uint32_t nx_uring_ready(const struct nx_uring *u);

/** Returns the index of the first completion that came with the last enter; up to nx_uring_ready(). */
uint32_t nx_uring_fresh(const struct nx_uring *u);

/** Decodes waiting completion `index`. */
struct nx_uring_done nx_uring_peek(struct nx_uring *u, uint32_t index);

/** Drops the first `count` waiting completions. */
void nx_uring_advance(struct nx_uring *u, uint32_t count);

/** Returns shared receive buffer `buffer`, lent. */
uint8_t *nx_uring_buffer(struct nx_uring *u, uint16_t buffer, size_t size);

/** Gives a buffer back; the kernel sees it after nx_uring_buffers_flush(). */
void nx_uring_buffer_give(struct nx_uring *u, uint16_t buffer);

/** Shows all buffers given back to the kernel. */
void nx_uring_buffers_flush(struct nx_uring *u);

/** Lets a completion with `tag` and `result` appear after the next submission, for tests. Needs room 1. */
void nx_uring_inject(struct nx_uring *u, struct nx_uring_tag tag, int32_t result);

#endif
