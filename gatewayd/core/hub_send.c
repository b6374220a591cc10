/* Messages of clients (op 67): each gets one answer, within GW_SEND_WAIT_MS + GW_SEND_ANSWER_MS. What control cannot take now
 * waits, in order per session. What it has is remembered until it answers; without an answer it is refused here, and an answer
 * that comes later is dropped: the client sends again, and the nonce finds what was stored. */
#include "engine/wire/json_out.h"
#include "gatewayd/core/hub_parts.h"

/* One of them; its nonce and content follow. */
struct gw_hub_send {
    struct gw_hub_send *next;
    nx_time until;
    uint64_t session; /* handle */
    uint64_t channel_id;
    uint32_t nonce_size;
    uint32_t content_size;
};

/* One that control has. */
struct gw_hub_sent {
    uint64_t session; /* handle; 0: answered */
    nx_time until;
    uint8_t nonce_size;
    uint8_t nonce[GW_NONCE_MAX];
};

static size_t size_of(const struct gw_hub_send *send)
{
    return sizeof(*send) + send->nonce_size + send->content_size;
}

static struct nx_bytes nonce_of(const struct gw_hub_send *send)
{
    return nx_bytes_of(send + 1, send->nonce_size);
}

static struct nx_bytes content_of(const struct gw_hub_send *send)
{
    return nx_bytes_of((const uint8_t *)(send + 1) + send->nonce_size, send->content_size);
}

void gw_hub_send_refuse(struct gw_hub *hub, uint64_t handle, struct nx_bytes nonce)
{
    struct gw_session *session = gw_session_find(&hub->sessions, handle);
    uint8_t tail[256 + GW_NONCE_MAX * 6];
    struct nx_writer w = nx_writer_init(tail, sizeof(tail));
    nx_writer_text(&w, "\"t\":\"NEXUS_MESSAGE_REFUSED\",\"d\":{\"nonce\":");
    struct nx_json_out json = nx_json_out_init(&w);
    nx_json_out_string(&json, nonce);
    nx_writer_text(&w,
                   ",\"code\":130000,\"message\":\"The service is overloaded, try again a little later\"}}");
    hub->metrics.sends_refused_total++;
    if (session != NULL && nx_writer_ok(&w) &&
        gw_fanout_private(&hub->fanout, session, nx_writer_bytes(&w)) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
}

bool gw_hub_send_must_wait(const struct gw_hub *hub, nx_time now, const struct gw_session *session)
{
    const bool is_silent =
        nx_time_since_ns(now, hub->tick_at) > (int64_t)GW_BUS_SILENT_MS * NX_TIME_NS_PER_MS;
    return !hub->is_synced || is_silent || session->is_rejoining || session->sends_waiting != 0;
}

void gw_hub_send_wait(struct gw_hub *hub, nx_time now, const struct nx_bus_message_send *message)
{
    struct gw_session *session = gw_session_find(&hub->sessions, message->session);
    const size_t size = sizeof(struct gw_hub_send) + message->nonce.size + message->content.size;
    struct gw_hub_send *send = NULL;
    if (session == NULL) {
        return;
    }
    if (hub->sends_count < GW_SENDS_WAITING_MAX && session->sends_waiting < UINT16_MAX &&
        hub->sends_size + size <= GW_SENDS_WAITING_SIZE_MAX) {
        send = gw_memory_take(&hub->config.memory, size);
    }
    if (send == NULL) {
        gw_hub_send_refuse(hub, message->session, message->nonce);
        return;
    }
    *send = (struct gw_hub_send){.until = nx_time_add_ms(now, GW_SEND_WAIT_MS),
                                 .session = message->session,
                                 .channel_id = message->channel_id,
                                 .nonce_size = (uint32_t)message->nonce.size,
                                 .content_size = (uint32_t)message->content.size};
    uint8_t *bytes = (uint8_t *)(send + 1);
    if (message->nonce.size != 0) {
        memcpy(bytes, message->nonce.at, message->nonce.size);
    }
    if (message->content.size != 0) {
        memcpy(bytes + message->nonce.size, message->content.at, message->content.size);
    }
    struct gw_hub_send **end = &hub->sends;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = send;
    hub->sends_count++;
    hub->sends_size += size;
    session->sends_waiting++;
}

/* Takes `*link` off the list. */
static struct gw_hub_send *unlink_send(struct gw_hub *hub, struct gw_hub_send **link)
{
    struct gw_hub_send *send = *link;
    struct gw_session *session = gw_session_find(&hub->sessions, send->session);
    *link = send->next;
    hub->sends_count--;
    hub->sends_size -= size_of(send);
    if (session != NULL) {
        session->sends_waiting--;
    }
    return send;
}

static void give(struct gw_hub *hub, struct gw_hub_send *send)
{
    gw_memory_give(&hub->config.memory, send, size_of(send));
}

static struct gw_hub_sent *sent_at(const struct gw_hub *hub, uint64_t number)
{
    return &hub->sent[number % GW_SENDS_OUT_MAX];
}

bool gw_hub_send_track(struct gw_hub *hub, nx_time until, struct nx_bus_message_send *message)
{
    if (hub->sent == NULL) {
        hub->sent = gw_memory_take(&hub->config.memory, GW_SENDS_OUT_MAX * sizeof(*hub->sent));
        hub->sent_first = 1;
        hub->sent_next = 1;
    }
    if (hub->sent == NULL || hub->sent_next - hub->sent_first >= GW_SENDS_OUT_MAX ||
        message->nonce.size > GW_NONCE_MAX) {
        return false;
    }
    message->number = hub->sent_next++;
    struct gw_hub_sent *sent = sent_at(hub, message->number);
    sent->session = message->session;
    sent->until = until;
    sent->nonce_size = (uint8_t)message->nonce.size;
    if (message->nonce.size != 0) {
        memcpy(sent->nonce, message->nonce.at, message->nonce.size);
    }
    return true;
}

bool gw_hub_send_answered(struct gw_hub *hub, uint64_t number)
{
    if (hub->sent == NULL || number < hub->sent_first || number >= hub->sent_next ||
        sent_at(hub, number)->session == 0) {
        return false;
    }
    sent_at(hub, number)->session = 0;
    while (hub->sent_first != hub->sent_next && sent_at(hub, hub->sent_first)->session == 0) {
        hub->sent_first++;
    }
    return true;
}

/* Refuses the oldest that was not answered. */
static void refuse_first(struct gw_hub *hub)
{
    const struct gw_hub_sent sent = *sent_at(hub, hub->sent_first);
    (void)gw_hub_send_answered(hub, hub->sent_first);
    gw_hub_send_refuse(hub, sent.session, nx_bytes_of(sent.nonce, sent.nonce_size));
}

void gw_hub_send_lost(struct gw_hub *hub)
{
    while (hub->sent != NULL && hub->sent_first != hub->sent_next) {
        refuse_first(hub);
    }
}

void gw_hub_send_expire(struct gw_hub *hub, nx_time now)
{
    while (hub->sends != NULL && !nx_time_before(now, hub->sends->until)) {
        struct gw_hub_send *send = unlink_send(hub, &hub->sends);
        gw_hub_send_refuse(hub, send->session, nonce_of(send));
        give(hub, send);
    }
    while (hub->sent != NULL && hub->sent_first != hub->sent_next &&
           !nx_time_before(now, sent_at(hub, hub->sent_first)->until)) {
        refuse_first(hub);
    }
}

bool gw_hub_send_next(struct gw_hub *hub, nx_time now, struct nx_bus_message_send *out)
{
    const bool is_silent =
        nx_time_since_ns(now, hub->tick_at) > (int64_t)GW_BUS_SILENT_MS * NX_TIME_NS_PER_MS;
    if (hub->send_taken != NULL) {
        give(hub, hub->send_taken);
        hub->send_taken = NULL;
    }
    if (!hub->is_synced || is_silent) {
        return false;
    }
    for (struct gw_hub_send **link = &hub->sends; *link != NULL;) {
        const struct gw_session *session = gw_session_find(&hub->sessions, (*link)->session);
        if (session != NULL && session->is_rejoining) {
            link = &(*link)->next;
            continue;
        }
        struct nx_bus_message_send message = {.session = (*link)->session,
                                              .channel_id = (*link)->channel_id,
                                              .nonce = nonce_of(*link),
                                              .content = content_of(*link)};
        if (session != NULL &&
            !gw_hub_send_track(hub, nx_time_add_ms((*link)->until, GW_SEND_ANSWER_MS), &message)) {
            return false;
        }
        struct gw_hub_send *send = unlink_send(hub, link);
        if (session == NULL) {
            give(hub, send);
            continue;
        }
        hub->send_taken = send;
        *out = message;
        return true;
    }
    return false;
}

void gw_hub_send_fini(struct gw_hub *hub)
{
    while (hub->sends != NULL) {
        give(hub, unlink_send(hub, &hub->sends));
    }
    if (hub->send_taken != NULL) {
        give(hub, hub->send_taken);
        hub->send_taken = NULL;
    }
    gw_memory_give(&hub->config.memory, hub->sent, GW_SENDS_OUT_MAX * sizeof(*hub->sent));
    hub->sent = NULL;
}
