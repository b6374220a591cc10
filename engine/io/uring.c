#include "engine/io/uring.h"

#include "engine/base/assert.h"
#include "engine/io/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PURPOSE_BUFFERS "loop receive buffers"
#define PURPOSE_RING    "loop buffer ring"

enum { BUFFER_GROUP = 0, TAG_SLOT_BITS = 24, TAG_GENERATION_BITS = 32 };

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
void __tsan_acquire(void *at);
void __tsan_release(void *at);
/* A doorbell orders memory between two rings, which ThreadSanitizer cannot see. One address stands for all doorbells:
 * coarser than the truth, but what crosses is a queue with its own atomics anyway. */
static char doorbell;
#define DOORBELL_RELEASE() __tsan_release(&doorbell)
#define DOORBELL_ACQUIRE() __tsan_acquire(&doorbell)
/* liburing maps and unmaps without libc, so ThreadSanitizer takes a new ring for the closed one at the same address. */
static char mapping;
#define MAPPING_RELEASE() __tsan_release(&mapping)
#define MAPPING_ACQUIRE() __tsan_acquire(&mapping)
#else
#define MAPPING_RELEASE()  ((void)0)
#define MAPPING_ACQUIRE()  ((void)0)
#define DOORBELL_RELEASE() ((void)0)
#define DOORBELL_ACQUIRE() ((void)0)
#endif

/* Aborts when memory that the kernel reads or writes is not ours to give: freed, out of bounds, or a lent buffer. */
static void buffer_check(const void *at, size_t size, const char *when)
{
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    void *const poisoned = __asan_region_is_poisoned((void *)(uintptr_t)at, size);
    if (poisoned != NULL) {
        (void)fprintf(stderr, "ring %s: buffer %p+%zu is poisoned at %p\n", when, at, size, poisoned);
        __asan_describe_address(poisoned);
        abort();
    }
#else
    (void)at;
    (void)size;
    (void)when;
#endif
}

static uint64_t tag_pack(struct nx_uring_tag tag)
{
    return (uint64_t)tag.kind << (TAG_SLOT_BITS + TAG_GENERATION_BITS) |
           (uint64_t)tag.slot << TAG_GENERATION_BITS | tag.generation;
}

static struct nx_uring_tag tag_unpack(uint64_t packed)
{
    return (struct nx_uring_tag){
        .kind = (enum nx_uring_kind)(packed >> (TAG_SLOT_BITS + TAG_GENERATION_BITS)),
        .slot = (uint32_t)(packed >> TAG_GENERATION_BITS) & ((1u << TAG_SLOT_BITS) - 1),
        .generation = (uint32_t)packed};
}

enum nx_err nx_uring_explain(int error, char *why, size_t why_size)
{
    switch (error) {
    case ENOSYS:
        (void)snprintf(why, why_size,
                       "io_uring is not in this kernel (built without CONFIG_IO_URING, or older than 5.1); "
                       "Linux 6.1 or later is needed");
        return NX_E_UNSUPPORTED;
    case EPERM:
        (void)snprintf(why, why_size,
                       "io_uring is forbidden here: a container's seccomp profile blocks it, or sysctl "
                       "kernel.io_uring_disabled is not 0");
        return NX_E_UNSUPPORTED;
    case EINVAL:
        (void)snprintf(
            why, why_size,
            "this kernel's io_uring is too old: IORING_SETUP_DEFER_TASKRUN needs Linux 6.1 or later");
        return NX_E_UNSUPPORTED;
    case ENOMEM:
        (void)snprintf(why, why_size,
                       "no memory for the ring: raise the memlock limit (ulimit -l, LimitMEMLOCK=) or lower "
                       "the number of connections");
        return NX_E_NO_MEMORY;
    default:
        (void)snprintf(why, why_size, "io_uring_setup failed: %s", strerror(error));
        return NX_E_UNSUPPORTED;
    }
}

/* Names the first operation that the kernel lacks. */
static enum nx_err probe_operations(struct io_uring *ring, char *why, size_t why_size)
{
    static const struct {
        int op;
        const char *name;
        const char *since;
    } needed[] = {{IORING_OP_SEND, "SEND", "5.6"},          {IORING_OP_RECV, "RECV", "5.6"},
                  {IORING_OP_ACCEPT, "ACCEPT", "5.5"},      {IORING_OP_POLL_ADD, "POLL_ADD", "5.1"},
                  {IORING_OP_READ, "READ", "5.6"},          {IORING_OP_CLOSE, "CLOSE", "5.6"},
                  {IORING_OP_SHUTDOWN, "SHUTDOWN", "5.11"}, {IORING_OP_FILES_UPDATE, "FILES_UPDATE", "5.6"},
                  {IORING_OP_MSG_RING, "MSG_RING", "5.18"}, {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL", "5.5"},
                  {IORING_OP_SEND_ZC, "SEND_ZC", "6.0"}};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL) {
        (void)snprintf(why, why_size, "io_uring cannot be probed: Linux 6.1 or later is needed");
        return NX_E_UNSUPPORTED;
    }
    enum nx_err err = NX_OK;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && err == NX_OK; i++) {
        if (!io_uring_opcode_supported(probe, needed[i].op)) {
            (void)snprintf(
                why, why_size,
                "this kernel's io_uring lacks the operation %s (Linux %s); Linux 6.1 or later is needed",
                needed[i].name, needed[i].since);
            err = NX_E_UNSUPPORTED;
        }
    }
    io_uring_free_probe(probe);
    return err;
}

static enum nx_err buffers_open(struct nx_uring *u, char *why, size_t why_size)
{
    u->buffer_ring = nx_mem_slab(PURPOSE_RING, u->buffers_count * sizeof(struct io_uring_buf));
    u->buffers = nx_mem_slab(PURPOSE_BUFFERS, (size_t)u->buffers_count * u->buffer_size);
    if (u->buffer_ring == NULL || u->buffers == NULL) {
        (void)snprintf(why, why_size, "no memory for %u receive buffers of %u bytes", u->buffers_count,
                       u->buffer_size);
        return NX_E_NO_MEMORY;
    }
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)u->buffer_ring,
                                            .ring_entries = u->buffers_count,
                                            .bgid = BUFFER_GROUP};
    const int error = -io_uring_register_buf_ring(&u->ring, &registration, 0);
    if (error == ENOMEM) {
        return nx_uring_explain(ENOMEM, why, why_size);
    }
    if (error != 0) {
        (void)snprintf(
            why, why_size,
            "this kernel's io_uring lacks shared receive buffers (Linux 5.19); Linux 6.1 or later is needed");
        return NX_E_UNSUPPORTED;
    }
    io_uring_buf_ring_init(u->buffer_ring);
    for (uint32_t i = 0; i < u->buffers_count; i++) {
        nx_uring_buffer_give(u, (uint16_t)i);
    }
    nx_uring_buffers_flush(u);
    return NX_OK;
}

/* Finds out whether a fixed descriptor that was closed is really released while an operation on another one waits:
 * before Linux 6.13 it is not, and then sockets would stay open behind the longest-lived connection. */
static bool fixed_files_are_released(struct nx_uring *u)
{
    int a[2] = {-1, -1};
    int b[2] = {-1, -1};
    bool is_released = false;
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b) != 0) {
        goto done;
    }
    const int fds[2] = {a[0], b[0]};
    const int none[2] = {-1, -1};
    if (io_uring_register_files_update(&u->ring, 0, fds, 2) != 2) {
        goto done;
    }
    nx_uring_poll(u, (struct nx_uring_target){.fd = 0, .is_fixed = true}, NX_URING_READABLE,
                  (struct nx_uring_tag){.kind = NX_URING_NONE});
    nx_uring_submit(u);
    (void)close(b[0]);
    b[0] = -1;
    nx_uring_close_target(u, (struct nx_uring_target){.fd = 1, .is_fixed = true});
    nx_uring_submit(u);
    is_released = recv(b[1], &byte, 1, MSG_DONTWAIT) == 0;
    (void)shutdown(a[0], SHUT_RDWR);
    nx_uring_submit(u);
    nx_uring_advance(u, nx_uring_ready(u));
    (void)io_uring_register_files_update(&u->ring, 0, none, 2);
done:
    for (int i = 0; i < 2; i++) {
        if (a[i] >= 0) {
            (void)close(a[i]);
        }
        if (b[i] >= 0) {
            (void)close(b[i]);
        }
    }
    return is_released;
}

enum nx_err nx_uring_open(struct nx_uring *u, const struct nx_uring_config *config, char *why,
                          size_t why_size)
{
    *u = (struct nx_uring){.buffers_count = config->buffers_count, .buffer_size = config->buffer_size};
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                                              IORING_SETUP_CQSIZE,
                                     .cq_entries = config->cq_entries};
    const int error = -io_uring_queue_init_params(config->sq_entries, &u->ring, &params);
    if (error != 0) {
        return nx_uring_explain(error, why, why_size);
    }
    MAPPING_ACQUIRE();
    /* Saves the descriptor look-up of each enter; without it everything still works. */
    (void)io_uring_register_ring_fd(&u->ring);
    enum nx_err err = probe_operations(&u->ring, why, why_size);
    if (err == NX_OK) {
        err = buffers_open(u, why, why_size);
    }
    if (err != NX_OK) {
        nx_uring_close(u);
        return err;
    }
    if (!config->is_6_1 && config->files_count >= 2 &&
        io_uring_register_files_sparse(&u->ring, config->files_count) == 0) {
        if (fixed_files_are_released(u)) {
            u->files_count = config->files_count;
        } else {
            (void)io_uring_unregister_files(&u->ring);
        }
    }
    u->enters = 0;
    return NX_OK;
}

void nx_uring_close(struct nx_uring *u)
{
    MAPPING_RELEASE();
    io_uring_queue_exit(&u->ring);
    if (u->buffers != NULL) {
        NX_URING_UNPOISON(u->buffers, (size_t)u->buffers_count * u->buffer_size);
    }
    nx_mem_slab_give(PURPOSE_BUFFERS, u->buffers, (size_t)u->buffers_count * u->buffer_size);
    nx_mem_slab_give(PURPOSE_RING, u->buffer_ring, u->buffers_count * sizeof(struct io_uring_buf));
    u->buffers = NULL;
    u->buffer_ring = NULL;
}

uint32_t nx_uring_room(const struct nx_uring *u)
{
    return u->faults.is_full ? 0 : io_uring_sq_space_left(&u->ring);
}

static void forced_put(struct nx_uring *u, uint64_t user_data, int32_t result)
{
    NX_ASSERT(u->faults.forced_count < NX_URING_FORCED_MAX);
    u->faults.forced[u->faults.forced_count].user_data = user_data;
    u->faults.forced[u->faults.forced_count].result = result;
    u->faults.forced_count++;
}

/* The submission is complete: tag it, and let a test spoil it. */
static void entry_seal(struct nx_uring *u, struct io_uring_sqe *sqe, struct nx_uring_tag tag)
{
    sqe->user_data = tag_pack(tag);
    if (__builtin_expect(u->faults.on_submit == NULL, 1)) {
        return;
    }
    const struct nx_uring_fault fault = u->faults.on_submit(u->faults.context, tag);
    if (fault.action == NX_URING_FAULT_SHORT && tag.kind == NX_URING_SEND && fault.size < sqe->len) {
        sqe->len = fault.size;
        sqe->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS;
    } else if (fault.action == NX_URING_FAULT_RESULT) {
        io_uring_prep_nop(sqe);
        sqe->user_data = tag_pack(tag);
        forced_put(u, sqe->user_data, fault.result);
    }
}

static struct io_uring_sqe *entry_take(struct nx_uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    NX_ASSERT(sqe != NULL);
    return sqe;
}

static uint8_t target_flags(struct nx_uring_target at)
{
    return at.is_fixed ? IOSQE_FIXED_FILE : 0;
}

void nx_uring_send(struct nx_uring *u, struct nx_uring_target to, const uint8_t *bytes, size_t size,
                   struct nx_uring_tag tag)
{
    buffer_check(bytes, size, "send");
    struct io_uring_sqe *sqe = entry_take(u);
    /* WAITALL makes a send that was taken in part fail (so its completion is not skipped), DONTWAIT makes it fail at
     * once instead of waiting for room: after the submission every commit is known. */
    io_uring_prep_send(sqe, to.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    sqe->flags |= (uint8_t)(IOSQE_CQE_SKIP_SUCCESS | target_flags(to));
    entry_seal(u, sqe, tag);
}

void nx_uring_receive(struct nx_uring *u, struct nx_uring_target from, struct nx_uring_tag tag)
{
    struct io_uring_sqe *sqe = entry_take(u);
    /* Not POLL_FIRST: with it the kernel may never tell of a reset that was there before the poll was armed. */
    io_uring_prep_recv_multishot(sqe, from.fd, NULL, 0, 0);
    sqe->flags |= (uint8_t)(IOSQE_BUFFER_SELECT | target_flags(from));
    sqe->buf_group = BUFFER_GROUP;
    entry_seal(u, sqe, tag);
}

void nx_uring_poll(struct nx_uring *u, struct nx_uring_target at, uint32_t events, struct nx_uring_tag tag)
{
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_poll_add(sqe, at.fd, events);
    sqe->flags |= target_flags(at);
    entry_seal(u, sqe, tag);
}

void nx_uring_accept(struct nx_uring *u, int fd, struct nx_uring_tag tag)
{
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    entry_seal(u, sqe, tag);
}

void nx_uring_read(struct nx_uring *u, int fd, uint64_t *into, struct nx_uring_tag tag)
{
    buffer_check(into, sizeof(*into), "read");
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_read(sqe, fd, into, sizeof(*into), 0);
    entry_seal(u, sqe, tag);
}

void nx_uring_attach(struct nx_uring *u, int32_t *fd, uint32_t slot)
{
    buffer_check(fd, sizeof(*fd), "attach");
    const struct nx_uring_tag tag = {.kind = NX_URING_NONE, .slot = slot};
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_files_update(sqe, fd, 1, (int)slot);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry_seal(u, sqe, tag);
    nx_uring_close_target(u, (struct nx_uring_target){.fd = *fd, .is_fixed = false});
}

void nx_uring_cancel(struct nx_uring *u, struct nx_uring_tag tag)
{
    struct io_uring_sqe *sqe = entry_take(u);
    /* By tag, not by descriptor: the kernel finds a tag in a hash table but walks all of it for a descriptor. */
    io_uring_prep_cancel64(sqe, tag_pack(tag), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry_seal(u, sqe, (struct nx_uring_tag){.kind = NX_URING_NONE, .slot = tag.slot});
}

void nx_uring_shutdown(struct nx_uring *u, struct nx_uring_target at, struct nx_uring_tag tag)
{
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_shutdown(sqe, at.fd, SHUT_WR);
    sqe->flags |= target_flags(at);
    entry_seal(u, sqe, tag);
}

void nx_uring_close_target(struct nx_uring *u, struct nx_uring_target at)
{
    struct io_uring_sqe *sqe = entry_take(u);
    if (at.is_fixed) {
        io_uring_prep_close_direct(sqe, (unsigned)at.fd);
    } else {
        io_uring_prep_close(sqe, at.fd);
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry_seal(u, sqe, (struct nx_uring_tag){.kind = NX_URING_NONE});
}

void nx_uring_ring(struct nx_uring *u, int to_ring_fd, struct nx_uring_tag tag, struct nx_uring_tag lost)
{
    DOORBELL_RELEASE();
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_msg_ring(sqe, to_ring_fd, 0, tag_pack(tag), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry_seal(u, sqe, lost);
}

void nx_uring_submit(struct nx_uring *u)
{
    u->peeked_tail = io_uring_smp_load_acquire(u->ring.cq.ktail);
    u->enters++;
    /* A failure leaves entries unsubmitted, which nx_uring_unsubmitted() shows; the next turn tries again. */
    (void)io_uring_submit_and_get_events(&u->ring);
}

void nx_uring_wait(struct nx_uring *u, int64_t timeout_ns)
{
    u->peeked_tail = io_uring_smp_load_acquire(u->ring.cq.ktail);
    u->enters++;
    struct io_uring_cqe *cqe;
    struct __kernel_timespec limit = {.tv_sec = timeout_ns / NX_TIME_NS_PER_S,
                                      .tv_nsec = timeout_ns % NX_TIME_NS_PER_S};
    (void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, timeout_ns == INT64_MAX ? NULL : &limit, NULL);
}

uint32_t nx_uring_unsubmitted(const struct nx_uring *u)
{
    return io_uring_sq_ready(&u->ring);
}

bool nx_uring_has_overflow(const struct nx_uring *u)
{
    return (IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
}

uint32_t nx_uring_ready(const struct nx_uring *u)
{
    return io_uring_cq_ready(&u->ring);
}

uint32_t nx_uring_fresh(const struct nx_uring *u)
{
    return u->peeked_tail - *u->ring.cq.khead;
}

struct nx_uring_done nx_uring_peek(struct nx_uring *u, uint32_t index)
{
    const struct io_uring_cqe *cqe = &u->ring.cq.cqes[(*u->ring.cq.khead + index) & u->ring.cq.ring_mask];
    struct nx_uring_done done = {.tag = tag_unpack(cqe->user_data),
                                 .result = cqe->res,
                                 .has_more = (cqe->flags & IORING_CQE_F_MORE) != 0,
                                 .has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0,
                                 .buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT)};
    for (uint32_t i = 0; i < u->faults.forced_count; i++) {
        if (u->faults.forced[i].user_data == cqe->user_data && cqe->res == 0) {
            done.result = u->faults.forced[i].result;
            break;
        }
    }
    if (done.tag.kind == NX_URING_MAIL) {
        DOORBELL_ACQUIRE();
    }
    return done;
}

/* A forced result belongs to one completion: it goes when that one is dropped. */
static void forced_drop(struct nx_uring *u, uint64_t user_data)
{
    for (uint32_t i = 0; i < u->faults.forced_count; i++) {
        if (u->faults.forced[i].user_data == user_data) {
            u->faults.forced[i] = u->faults.forced[--u->faults.forced_count];
            return;
        }
    }
}

void nx_uring_advance(struct nx_uring *u, uint32_t count)
{
    for (uint32_t i = 0; i < count && u->faults.forced_count != 0; i++) {
        forced_drop(u, u->ring.cq.cqes[(*u->ring.cq.khead + i) & u->ring.cq.ring_mask].user_data);
    }
    io_uring_cq_advance(&u->ring, count);
}

uint8_t *nx_uring_buffer(struct nx_uring *u, uint16_t buffer, size_t size)
{
    NX_ASSERT(buffer < u->buffers_count && size <= u->buffer_size);
    uint8_t *at = u->buffers + (size_t)buffer * u->buffer_size;
    NX_URING_UNPOISON(at, size);
    buffer_check(at, size, "received");
    return at;
}

void nx_uring_buffer_give(struct nx_uring *u, uint16_t buffer)
{
    uint8_t *at = u->buffers + (size_t)buffer * u->buffer_size;
    NX_URING_POISON(at, u->buffer_size);
    io_uring_buf_ring_add(u->buffer_ring, at, u->buffer_size, buffer,
                          io_uring_buf_ring_mask(u->buffers_count), (int)u->buffers_given);
    u->buffers_given++;
}

void nx_uring_buffers_flush(struct nx_uring *u)
{
    if (u->buffers_given != 0) {
        io_uring_buf_ring_advance(u->buffer_ring, (int)u->buffers_given);
        u->buffers_given = 0;
    }
}

void nx_uring_inject(struct nx_uring *u, struct nx_uring_tag tag, int32_t result)
{
    struct io_uring_sqe *sqe = entry_take(u);
    io_uring_prep_nop(sqe);
    sqe->user_data = tag_pack(tag);
    forced_put(u, sqe->user_data, result);
}
