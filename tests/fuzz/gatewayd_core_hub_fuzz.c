/* Properties: no payload of a client and no message of control, in any order, hurts a hub; whatever a session has to say
 * is whole WebSocket frames however it is cut; after everybody has gone no session is left. */
#include "gatewayd/core/hub.h"

#include <stdlib.h>

static void *take(void *context, size_t size)
{
    (void)context;
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory != NULL) {
        memset(memory, 0, (size + 63) / 64 * 64);
    }
    return memory;
}

static void give(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

enum { CONNS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gw_hub hub;
    const struct gw_hub_config config = {
        .memory = {.take = take, .give = give}, .framelog_size = 1 << 20, .sessions_max = 64};
    nx_time now = {1000000000};
    if (gw_hub_init(&hub, &config, now) != NX_OK) {
        return 0;
    }
    static const uint8_t secret[32] = {7};
    const struct nx_token_key key = {.kid = 1, .secret = {7}};
    (void)secret;
    (void)!nx_token_ring_add(&hub.keys, &key);
    hub.is_synced = true;
    struct gw_session *conns[CONNS] = {0};
    struct gw_verdict verdict;
    /* A step: u8 what, u8 who, u16 size, bytes. */
    for (size_t at = 0; at + 4 <= size;) {
        const uint8_t what = data[at];
        const uint32_t who = data[at + 1] % CONNS;
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        at += 4;
        length = length < size - at ? length : size - at;
        const struct nx_bytes bytes = nx_bytes_of(data + at, length);
        at += length;
        if (conns[who] == NULL) {
            conns[who] = gw_hub_connect(&hub, now, who, (what & 64) != 0, true);
        }
        if (conns[who] == NULL) {
            continue;
        }
        switch (what % 8) {
        case 0:
        case 1:
            gw_hub_input(&hub, now, 1700000000000, conns[who], bytes, &verdict);
            conns[who] = verdict.session;
            if (verdict.ousted != NULL) {
                conns[verdict.ousted->conn] = verdict.ousted;
            }
            break;
        case 2:
        case 3: {
            const struct nx_bus_frame frame = {.number = (uint16_t)(bytes.size != 0 ? bytes.at[0] : 0),
                                               .payload = nx_bytes_slice(bytes, 1, bytes.size)};
            if (gw_hub_bus_input(&hub, now, 1700000000000, &frame, &verdict) == NX_OK &&
                verdict.kind == GW_VERDICT_EXPORT) {
                size_t exported = 0;
                uint8_t *blob = gw_hub_move_export(&hub, now, verdict.session, &exported);
                gw_hub_move_import(&hub, now, verdict.new_session, nx_bytes_of(blob, exported), &verdict);
                give(NULL, blob, exported);
            }
            break;
        }
        case 4:
            gw_hub_ping(&hub, now, conns[who], nx_bytes_slice(bytes, 0, 125));
            break;
        case 5: {
            uint8_t wire[512];
            const size_t written = gw_output_write(&hub.output, conns[who], wire, 1 + length % sizeof(wire));
            if (written != 0) {
                gw_output_sent(&hub.output, conns[who], written - written * (what >> 4) / 16);
            }
            break;
        }
        case 6:
            (void)gw_fanout_step(&hub.fanout, 1 + (uint32_t)length % 3);
            now = nx_time_add_ms(now, (int64_t)length * 10);
            while (gw_hub_timeout(&hub, now, &verdict)) {
            }
            break;
        case 7:
            gw_hub_disconnect(&hub, now, conns[who], (uint16_t)(length % 5000), &verdict);
            conns[who] = NULL;
            break;
        }
    }
    for (uint32_t i = 0; i < CONNS; i++) {
        if (conns[i] != NULL) {
            gw_hub_disconnect(&hub, now, conns[i], 1000, &verdict);
        }
    }
    now = nx_time_add_ms(now, 1000000);
    while (gw_hub_timeout(&hub, now, &verdict)) {
    }
    if (hub.sessions.count != 0) {
        abort();
    }
    gw_hub_fini(&hub);
    return 0;
}
