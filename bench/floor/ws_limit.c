/* ws_limit.c - the least a WebSocket fan-out can cost: one frame, built once, written to every connection of a room.
 *
 * usage: ws_limit PORT
 *
 * Clients connect to /?room=R; what one of them sends goes to all of its room, itself included. Nothing is checked, nobody
 * can be slow, nothing can be resumed: a yardstick on 127.0.0.1, not a server. What makes it fast is what the real one is
 * measured against: fixed descriptors, multishot accept and receive, successful sends without completions, one write per
 * connection for all that a turn brought, submissions in batches.
 */
#include "engine/io/stream.h"
#include "engine/io/uring.h"
#include "engine/wire/ws_frame.h"
#include "engine/wire/ws_handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNS_MAX = 20000,
    ROOMS_MAX = 20000,
    SQ_ENTRIES = 4096,
    CQ_ENTRIES = 65536,
    BUFFERS = 1024, /* shared receive buffers */
    BUFFER_SIZE = 4096,
    BATCH = 256, /* sends per submission */
    REAP_MAX = 1024,
    STASH_MAX = 70000
};

/* What a completion belongs to: the low byte; the slot is above it. */
enum tag { TAG_ACCEPT = 1, TAG_QUIET, TAG_RECEIVE };

struct conn {
    uint8_t *stash; /* an incomplete frame or head */
    size_t stash_size;
    uint32_t room;
    bool is_open;
};

struct room {
    uint32_t *members; /* slots */
    uint32_t members_count, members_room;
    uint8_t *frames; /* what this turn brought */
    size_t frames_size, frames_room;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static uint8_t *buffers;
static struct conn conns[CONNS_MAX];
static struct room rooms[ROOMS_MAX];
static uint32_t dirty[ROOMS_MAX];
static uint32_t dirty_count;
static int listen_fd;

static void *checked(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "ws_limit: out of memory\n");
        exit(1);
    }
    return memory;
}

static struct io_uring_sqe *sqe_get(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        (void)io_uring_submit(&ring);
        sqe = checked(io_uring_get_sqe(&ring));
    }
    return sqe;
}

/* After the operation was prepared, which clears it. */
static void tag_set(struct io_uring_sqe *sqe, enum tag tag, uint32_t slot)
{
    sqe->user_data = (uint64_t)slot << 8 | (uint64_t)tag;
}

static void send_put(uint32_t slot, const uint8_t *bytes, size_t size)
{
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_send(sqe, (int)slot, bytes, size, MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    tag_set(sqe, TAG_QUIET, slot);
}

static void accept_arm(void)
{
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_multishot_accept_direct(sqe, listen_fd, NULL, NULL, 0);
    tag_set(sqe, TAG_ACCEPT, 0);
}

static void receive_arm(uint32_t slot)
{
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
    sqe->buf_group = 0;
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    tag_set(sqe, TAG_RECEIVE, slot);
}

/* ---- rooms ---- */

static void room_flush(struct room *room)
{
    for (uint32_t i = 0; i < room->members_count; i++) {
        send_put(room->members[i], room->frames, room->frames_size);
        if (i % BATCH == BATCH - 1) {
            (void)io_uring_submit(&ring);
        }
    }
    (void)io_uring_submit(&ring); /* small writes are done when this returns: the buffer is free again */
    room->frames_size = 0;
}

static void room_add(uint32_t number, const uint8_t *payload, size_t size, const uint8_t mask[4],
                     uint8_t opcode)
{
    struct room *room = &rooms[number];
    if (room->frames_size + size + NX_WS_HEADER_SIZE_MAX > room->frames_room) {
        room->frames_room = 2 * (room->frames_size + size) + 4096;
        room->frames = checked(realloc(room->frames, room->frames_room));
    }
    if (room->frames_size == 0) {
        dirty[dirty_count++] = number;
    }
    uint8_t *at = room->frames + room->frames_size;
    const size_t head = nx_ws_frame_header(at, (enum nx_ws_opcode)opcode, true, false, size, NULL);
    nx_ws_frame_mask_copy(at + head, payload, size, mask, 0);
    room->frames_size += head + size;
}

static void room_join(uint32_t number, uint32_t slot)
{
    struct room *room = &rooms[number];
    if (room->members_count == room->members_room) {
        room->members_room = room->members_room != 0 ? room->members_room * 2 : 8;
        room->members = checked(realloc(room->members, room->members_room * sizeof(*room->members)));
    }
    room->members[room->members_count++] = slot;
    conns[slot].room = number;
    conns[slot].is_open = true;
}

/* ---- connections ---- */

/* Answers the handshake; returns the bytes of the request, 0 while it is incomplete. */
static size_t handshake(uint32_t slot, uint8_t *bytes, size_t size)
{
    static const char KEY[] = "Sec-WebSocket-Key: ";
    static const char ROOM[] = "room=";
    static uint8_t answer[256];
    struct nx_writer w = nx_writer_init(answer, sizeof(answer));
    const uint8_t *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    const size_t head = (size_t)(end - bytes) + 4;
    const uint8_t *key = memmem(bytes, head, KEY, sizeof(KEY) - 1);
    const uint8_t *room = memmem(bytes, head, ROOM, sizeof(ROOM) - 1);
    if (key == NULL ||
        nx_ws_handshake_answer(&w, nx_bytes_of(key + sizeof(KEY) - 1, NX_WS_HANDSHAKE_KEY_SIZE),
                               nx_bytes_of(NULL, 0), nx_bytes_of(NULL, 0)) != NX_OK) {
        return 0;
    }
    const unsigned long number = room != NULL ? strtoul((const char *)room + sizeof(ROOM) - 1, NULL, 10) : 0;
    room_join((uint32_t)(number % ROOMS_MAX), slot);
    send_put(slot, answer, w.size);
    (void)io_uring_submit(&ring);
    return head;
}

/* Takes one frame or the handshake; returns the bytes used, 0 while it is incomplete. */
static size_t take(uint32_t slot, uint8_t *bytes, size_t size)
{
    struct nx_ws_frame frame;
    if (!conns[slot].is_open) {
        return handshake(slot, bytes, size);
    }
    if (nx_ws_frame_parse(nx_bytes_of(bytes, size), NX_WS_ROLE_SERVER, false, &frame) != NX_OK ||
        frame.payload_size > size - frame.header_size) {
        return 0;
    }
    const size_t payload_size = (size_t)frame.payload_size;
    if (frame.opcode == NX_WS_OPCODE_TEXT || frame.opcode == NX_WS_OPCODE_BINARY) {
        room_add(conns[slot].room, bytes + frame.header_size, payload_size, frame.mask, frame.opcode);
    }
    return frame.header_size + payload_size;
}

static void feed(uint32_t slot, uint8_t *bytes, size_t size)
{
    static uint8_t joined[STASH_MAX + BUFFER_SIZE];
    struct conn *conn = &conns[slot];
    if (conn->stash_size != 0) {
        memcpy(joined, conn->stash, conn->stash_size);
        memcpy(joined + conn->stash_size, bytes, size);
        bytes = joined;
        size += conn->stash_size;
        conn->stash_size = 0;
    }
    for (size_t used = 1; size != 0 && used != 0; bytes += used, size -= used) {
        used = take(slot, bytes, size);
    }
    if (size != 0 && size <= STASH_MAX) {
        conn->stash = checked(realloc(conn->stash, size));
        memcpy(conn->stash, bytes, size);
        conn->stash_size = size;
    }
}

static void leave(uint32_t slot)
{
    struct conn *conn = &conns[slot];
    struct room *room = &rooms[conn->room];
    for (uint32_t i = 0; conn->is_open && i < room->members_count; i++) {
        if (room->members[i] == slot) {
            room->members[i] = room->members[--room->members_count];
            break;
        }
    }
    conn->is_open = false;
    conn->stash_size = 0;
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_close_direct(sqe, slot);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag_set(sqe, TAG_QUIET, slot);
}

static void received(uint32_t slot, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0) {
        const unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        uint8_t *bytes = buffers + (size_t)id * BUFFER_SIZE;
        feed(slot, bytes, (size_t)cqe->res);
        io_uring_buf_ring_add(buffer_ring, bytes, BUFFER_SIZE, (unsigned short)id,
                              io_uring_buf_ring_mask(BUFFERS), 0);
        io_uring_buf_ring_advance(buffer_ring, 1);
        if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
            receive_arm(slot);
        }
    } else if (cqe->res == -ENOBUFS) {
        receive_arm(slot);
    } else {
        leave(slot);
    }
}

static void handle(const struct io_uring_cqe *cqe)
{
    const uint32_t slot = (uint32_t)(cqe->user_data >> 8);
    switch ((enum tag)(cqe->user_data & 255)) {
    case TAG_ACCEPT:
        if (cqe->res >= 0) {
            receive_arm((uint32_t)cqe->res);
        }
        if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
            accept_arm();
        }
        break;
    case TAG_RECEIVE:
        received(slot, cqe);
        break;
    case TAG_QUIET:
        break; /* a send that was not taken whole: lost, as the yardstick may */
    }
}

/* ---- start ---- */

static void ring_open(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
                                     .cq_entries = CQ_ENTRIES};
    const size_t ring_size = (BUFFERS * sizeof(struct io_uring_buf) + 4095) & ~(size_t)4095;
    buffer_ring = checked(aligned_alloc(4096, ring_size));
    buffers = checked(malloc((size_t)BUFFERS * BUFFER_SIZE));
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)buffer_ring, .ring_entries = BUFFERS};
    if (io_uring_queue_init_params(SQ_ENTRIES, &ring, &params) != 0 || io_uring_register_ring_fd(&ring) < 0 ||
        io_uring_register_files_sparse(&ring, CONNS_MAX) != 0 ||
        io_uring_register_buf_ring(&ring, &reg, 0) != 0) {
        (void)fprintf(stderr, "ws_limit: the kernel refuses the ring\n");
        exit(1);
    }
    io_uring_buf_ring_init(buffer_ring);
    for (unsigned i = 0; i < BUFFERS; i++) {
        io_uring_buf_ring_add(buffer_ring, buffers + (size_t)i * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)i,
                              io_uring_buf_ring_mask(BUFFERS), (int)i);
    }
    io_uring_buf_ring_advance(buffer_ring, BUFFERS);
}

int main(int argc, char **argv)
{
    const unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    const struct nx_endpoint where = {
        .kind = NX_ENDPOINT_ADDR,
        .addr = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 1}, .port = (uint16_t)port}};
    struct nx_addr bound;
    if (port == 0 || port > UINT16_MAX || nx_listener_bind(&where, false, &listen_fd, &bound) != NX_OK) {
        (void)fprintf(stderr, "usage: ws_limit PORT (a free one)\n");
        return 2;
    }
    ring_open();
    accept_arm();
    for (;;) {
        struct io_uring_cqe reaped[REAP_MAX];
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned count = 0;
        (void)io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            reaped[count++] = *cqe;
            if (count == REAP_MAX) {
                break;
            }
        }
        io_uring_cq_advance(&ring, count);
        for (unsigned i = 0; i < count; i++) {
            handle(&reaped[i]);
        }
        for (uint32_t i = 0; i < dirty_count; i++) {
            room_flush(&rooms[dirty[i]]);
        }
        dirty_count = 0;
    }
}
