#include "control/node/outbox.h"

#include "engine/base/assert.h"

#include <stdlib.h>

enum { ROOM_FIRST = 1 << 20 };

static bool make_room(struct ctld_outbox *outbox, size_t size)
{
    if (outbox->room - outbox->end >= size) {
        return true;
    }
    const size_t waiting = outbox->end - outbox->start;
    if (waiting + size > CTLD_LINK_QUEUE_MAX) {
        return false;
    }
    size_t room = outbox->room != 0 ? outbox->room : ROOM_FIRST;
    while (room < waiting + size) {
        room *= 2;
    }
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) {
        return false;
    }
    if (waiting != 0) {
        memcpy(bytes, outbox->bytes + outbox->start, waiting);
    }
    free(outbox->bytes);
    *outbox = (struct ctld_outbox){.bytes = bytes, .end = waiting, .room = room};
    return true;
}

enum nx_err ctld_outbox_begin(struct ctld_conn *conn, size_t size, struct nx_writer *out)
{
    struct ctld_outbox *outbox = &conn->outbox;
    if (ctld_outbox_waiting(conn) == 0) {
        const enum nx_err err = nx_link_begin(&conn->link, size, out);
        if (err != NX_E_FULL) {
            outbox->is_direct = err == NX_OK;
            return err;
        }
    } else if (!conn->link.is_up) {
        return NX_E_CLOSED;
    }
    if (!make_room(outbox, size)) {
        return NX_E_FULL;
    }
    outbox->is_direct = false;
    *out = nx_writer_init(outbox->bytes + outbox->end, size);
    return NX_OK;
}

void ctld_outbox_end(struct ctld_conn *conn, const struct nx_writer *written)
{
    if (conn->outbox.is_direct) {
        nx_link_end(&conn->link, written);
        return;
    }
    NX_ASSERT(nx_writer_ok(written) && written->size == written->room);
    conn->outbox.end += written->size;
}

void ctld_outbox_drain(struct ctld_conn *conn)
{
    struct ctld_outbox *outbox = &conn->outbox;
    while (outbox->start != outbox->end) {
        const struct nx_bytes left = nx_bytes_of(outbox->bytes + outbox->start, outbox->end - outbox->start);
        struct nx_bus_frame frame;
        struct nx_writer w;
        const enum nx_err err = nx_bus_frame_take(left, &frame);
        NX_ASSERT(err == NX_OK); /* only whole messages of our own are here */
        if (nx_link_begin(&conn->link, frame.size, &w) != NX_OK) {
            return; /* room() comes again */
        }
        nx_writer_bytes_put(&w, nx_bytes_slice(left, 0, frame.size));
        nx_link_end(&conn->link, &w);
        outbox->start += frame.size;
    }
    ctld_outbox_fini(conn);
}

size_t ctld_outbox_waiting(const struct ctld_conn *conn)
{
    return conn->outbox.end - conn->outbox.start;
}

void ctld_outbox_fini(struct ctld_conn *conn)
{
    free(conn->outbox.bytes);
    conn->outbox = (struct ctld_outbox){.bytes = NULL};
}
