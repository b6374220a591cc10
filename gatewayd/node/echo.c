#include "gatewayd/node/echo.h"

#include "engine/wire/ws_frame.h"
#include "gatewayd/node/node.h"

static bool put_frame(struct gw_conn *conn, enum nx_ws_opcode opcode, bool is_compressed,
                      struct nx_bytes payload)
{
    uint8_t header[NX_WS_HEADER_SIZE_MAX];
    const size_t size = nx_ws_frame_header(header, opcode, true, is_compressed, payload.size, NULL);
    return gw_conn_out_put(conn, nx_bytes_of(header, size)) && gw_conn_out_put(conn, payload);
}

static struct nx_deflate_deflater *deflater_for(struct gw_shard *shard, uint8_t window_bits)
{
    if (shard->deflaters[window_bits] == NULL) {
        void *block = gw_heap_take(&shard->heap, NX_DEFLATE_DEFLATER_SIZE);
        if (block != NULL && nx_deflate_deflater_init(block, NX_DEFLATE_DEFLATER_SIZE, window_bits, 1,
                                                      &shard->deflaters[window_bits]) != NX_OK) {
            gw_heap_give(&shard->heap, block, NX_DEFLATE_DEFLATER_SIZE);
        }
    }
    return shard->deflaters[window_bits];
}

void gw_echo_message(struct gw_conn *conn, bool is_text, struct nx_bytes payload)
{
    struct gw_shard *shard = conn->shard;
    const enum nx_ws_opcode opcode = is_text ? NX_WS_OPCODE_TEXT : NX_WS_OPCODE_BINARY;
    bool is_sent;
    struct nx_deflate_deflater *deflater =
        conn->window_bits != 0 ? deflater_for(shard, conn->window_bits) : NULL;
    if (deflater != NULL) {
        const size_t room = nx_deflate_tail_size_max(payload.size);
        uint8_t *packed = gw_heap_take(&shard->heap, room);
        struct nx_writer w = nx_writer_init(packed, room);
        is_sent = packed != NULL && nx_deflate_tail(deflater, payload, &w) == NX_OK &&
                  put_frame(conn, opcode, true, nx_writer_bytes(&w));
        gw_heap_give(&shard->heap, packed, room);
    } else {
        is_sent = put_frame(conn, opcode, false, payload);
    }
    if (!is_sent) {
        gw_conn_close(conn);
    } else if (gw_conn_out_pending(conn) > GW_ECHO_PENDING_MAX) {
        gw_conn_pause(conn, true);
    }
}

void gw_echo_pong(struct gw_conn *conn, struct nx_bytes payload)
{
    if (!put_frame(conn, NX_WS_OPCODE_PONG, false, payload)) {
        gw_conn_close(conn);
    } else if (gw_conn_out_pending(conn) > GW_ECHO_PENDING_MAX) {
        gw_conn_pause(conn, true);
    }
}

void gw_echo_close(struct gw_conn *conn, uint16_t code, struct nx_bytes reason)
{
    uint8_t payload[NX_WS_CONTROL_SIZE_MAX];
    const size_t size = nx_ws_frame_close(payload, code, reason);
    if (!put_frame(conn, NX_WS_OPCODE_CLOSE, false, nx_bytes_of(payload, size))) {
        gw_conn_close(conn);
        return;
    }
    conn->is_closing_after = true;
    gw_conn_deadline(conn, GW_WS_CLOSE_MS);
}

enum nx_err gw_echo_run(const struct nx_endpoint *where, int log_fd)
{
    struct gw_node_config config;
    gw_config_init(&config);
    config.listen = *where;
    config.shards = 1;
    config.is_pinned = false;
    config.has_rate_limits = false;
    config.framelog_size = 0;
    config.log_fd = log_fd;
    return gw_node_run_as(&config, true);
}
