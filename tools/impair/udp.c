#include "tools/impair/udp.h"

#include "engine/base/hash.h"
#include "tools/impair/core/lane.h"
#include "tools/impair/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { IDLE_AGAIN_NS = NX_TIME_NS_PER_S };

/* One address that packets come from, and its socket towards the target. */
struct flow {
    struct impair_poll_watch watch;
    struct impair_item idle;
    struct impair_proxy_route *route;
    struct flow *next; /* of the same bucket */
    struct nx_list_link in_route;
    struct impair_socket_address client;
    uint32_t index;
    uint32_t parcels; /* on their way, which keeps it from being forgotten */
    uint32_t drops;   /* of this socket, counted already */
    nx_time used;
    struct impair_lane lanes[IMPAIR_SETTING_DIRECTIONS];
};

/* A packet on its way. */
struct parcel {
    struct impair_parcel core;
    struct flow *flow;
    uint32_t direction;
    uint32_t size;
    uint8_t bytes[];
};

struct impair_udp_table {
    struct flow *buckets[IMPAIR_FLOW_BUCKETS];
};

/* The buffers of receiving and the packets gathered for one send. */
struct impair_udp {
    struct mmsghdr in[IMPAIR_BATCH_MAX];
    struct iovec in_parts[IMPAIR_BATCH_MAX];
    struct sockaddr_storage from[IMPAIR_BATCH_MAX];
    uint8_t *in_bytes;
    struct mmsghdr out[IMPAIR_BATCH_MAX];
    struct iovec out_parts[IMPAIR_BATCH_MAX];
    struct parcel *out_parcels[IMPAIR_BATCH_MAX];
    unsigned out_count;
    int out_fd;
};

enum nx_err impair_udp_open(struct impair_proxy *proxy)
{
    struct impair_udp *udp = calloc(1, sizeof(*udp));
    uint8_t *bytes = malloc((size_t)IMPAIR_BATCH_MAX * IMPAIR_DATAGRAM_SIZE_MAX);
    if (udp == NULL || bytes == NULL) {
        free(udp);
        free(bytes);
        return NX_E_NO_MEMORY;
    }
    udp->in_bytes = bytes;
    for (size_t i = 0; i < IMPAIR_BATCH_MAX; i++) {
        udp->in_parts[i] = (struct iovec){bytes + i * IMPAIR_DATAGRAM_SIZE_MAX, IMPAIR_DATAGRAM_SIZE_MAX};
        udp->in[i].msg_hdr.msg_iov = &udp->in_parts[i];
        udp->in[i].msg_hdr.msg_iovlen = 1;
        udp->out[i].msg_hdr.msg_iov = &udp->out_parts[i];
        udp->out[i].msg_hdr.msg_iovlen = 1;
    }
    proxy->udp = udp;
    return NX_OK;
}

void impair_udp_close(struct impair_proxy *proxy)
{
    if (proxy->udp != NULL) {
        free(proxy->udp->in_bytes);
        free(proxy->udp);
    }
}

static void drops_count(int fd, uint32_t *seen, struct impair_tally *tally)
{
    const uint32_t drops = impair_socket_drops(fd);
    tally->lost_socket += drops - *seen;
    *seen = drops;
}

void impair_udp_drops_collect(struct impair_proxy_route *route)
{
    drops_count(route->watch.fd, &route->drops, &route->tallies[IMPAIR_SETTING_UP]);
    NX_LIST_EACH(link, &route->list)
    {
        struct flow *flow = NX_LIST_ITEM(link, struct flow, in_route);
        drops_count(flow->watch.fd, &flow->drops, &route->tallies[IMPAIR_SETTING_DOWN]);
    }
}

/* Takes a copy of the packet on its way; false for want of memory. */
static bool copy_go(struct flow *flow, enum impair_setting_direction direction,
                    const struct impair_lane_fate *fate, uint32_t copy, const uint8_t *bytes, size_t size)
{
    struct impair_proxy *proxy = flow->route->proxy;
    struct impair_tally *tally = &flow->route->tallies[direction];
    struct parcel *parcel =
        impair_agenda_has_room(&proxy->agenda) ? impair_proxy_take(proxy, sizeof(*parcel) + size) : NULL;
    if (parcel == NULL) {
        return false;
    }
    *parcel = (struct parcel){.flow = flow, .direction = direction, .size = (uint32_t)size};
    parcel->core.item.kind = IMPAIR_PROXY_PARCEL;
    if (size != 0) {
        memcpy(parcel->bytes, bytes, size);
    }
    const uint32_t flipped = impair_lane_flip(fate, copy, parcel->bytes, size);
    tally->flipped += flipped != 0;
    tally->flipped_bits += flipped;
    flow->parcels++;
    impair_lane_schedule(&flow->lanes[direction], &proxy->agenda, fate, copy + 1 == fate->copies,
                         &parcel->core);
    return true;
}

static void packet_came(struct flow *flow, enum impair_setting_direction direction, nx_time now,
                        const uint8_t *bytes, size_t size)
{
    struct impair_proxy_route *route = flow->route;
    struct impair_tally *tally = &route->tallies[direction];
    struct impair_lane_fate fate;
    flow->used = now;
    tally->received++;
    tally->received_bytes += size;
    impair_lane_decide(&flow->lanes[direction], &route->settings[direction], now, size, &fate);
    switch (fate.end) {
    case IMPAIR_LANE_PASSES:
        tally->duplicated += fate.copies > 1;
        tally->held += fate.is_held;
        tally->delayed += nx_time_before(now, fate.due);
        for (uint32_t copy = 0; copy < fate.copies; copy++) {
            if (!copy_go(flow, direction, &fate, copy, bytes, size)) {
                tally->lost_memory++;
            }
        }
        return;
    case IMPAIR_LANE_LOST:
        tally->lost++;
        return;
    case IMPAIR_LANE_BURST:
        tally->lost_burst++;
        return;
    case IMPAIR_LANE_DARK:
        tally->lost_blackout++;
        return;
    case IMPAIR_LANE_QUEUE:
        tally->lost_queue++;
        return;
    }
}

/* Receives what is there, at most a batch; -1 with errno when nothing is. */
static int receive(struct impair_udp *udp, int fd, bool with_address)
{
    for (size_t i = 0; i < IMPAIR_BATCH_MAX; i++) {
        udp->in[i].msg_hdr.msg_name = with_address ? &udp->from[i] : NULL;
        udp->in[i].msg_hdr.msg_namelen = with_address ? sizeof(udp->from[i]) : 0;
    }
    return recvmmsg(fd, udp->in, IMPAIR_BATCH_MAX, MSG_DONTWAIT, NULL);
}

static void on_target_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct flow *flow = NX_LIST_ITEM(watch, struct flow, watch);
    struct impair_udp *udp = flow->route->proxy->udp;
    (void)events;
    for (int round = 0; round < IMPAIR_ROUNDS_MAX; round++) {
        const int count = receive(udp, watch->fd, false);
        if (count < 0 && errno == ECONNREFUSED) {
            continue; /* the answer to an earlier packet: nobody is there, which UDP lives with */
        }
        const nx_time now = impair_poll_now();
        for (int i = 0; i < count; i++) {
            packet_came(flow, IMPAIR_SETTING_DOWN, now, udp->in_parts[i].iov_base, udp->in[i].msg_len);
        }
        if (count < IMPAIR_BATCH_MAX) {
            return;
        }
    }
}

static struct flow **bucket_of(struct impair_proxy_route *route, const struct sockaddr_storage *from,
                               socklen_t size)
{
    static const uint8_t key[16] = {0}; /* the clients are ours */
    return &route->table->buckets[nx_hash_sip(key, from, size) % IMPAIR_FLOW_BUCKETS];
}

static struct flow *flow_open(struct impair_proxy_route *route, struct flow **bucket,
                              const struct sockaddr_storage *from, socklen_t size, nx_time now)
{
    struct impair_proxy *proxy = route->proxy;
    bool is_pending;
    struct flow *flow = impair_agenda_has_room(&proxy->agenda) ? calloc(1, sizeof(*flow)) : NULL;
    const int fd = flow == NULL ? -1 : impair_socket_connect(&route->target, SOCK_DGRAM, &is_pending);
    if (fd < 0) {
        free(flow);
        route->refused++;
        return NULL;
    }
    flow->watch.fd = fd;
    flow->watch.on_ready = on_target_ready;
    flow->idle.kind = IMPAIR_PROXY_FLOW;
    flow->route = route;
    flow->client = (struct impair_socket_address){.storage = *from, .size = size};
    flow->index = route->flows++;
    flow->next = *bucket;
    *bucket = flow;
    for (uint32_t d = 0; d < IMPAIR_SETTING_DIRECTIONS; d++) {
        impair_lane_init(&flow->lanes[d], impair_dice_key(proxy->seed, route->index, flow->index, d));
    }
    nx_list_push_back(&route->list, &flow->in_route);
    route->open++;
    impair_poll_set(&proxy->poll, &flow->watch, EPOLLIN);
    impair_agenda_set(&proxy->agenda, &flow->idle, nx_time_add_ns(now, proxy->idle_ns));
    return flow;
}

static struct flow *flow_of(struct impair_proxy_route *route, const struct sockaddr_storage *from,
                            socklen_t size, nx_time now)
{
    struct flow **bucket = bucket_of(route, from, size);
    for (struct flow *flow = *bucket; flow != NULL; flow = flow->next) {
        if (flow->client.size == size && memcmp(&flow->client.storage, from, size) == 0) {
            return flow;
        }
    }
    return flow_open(route, bucket, from, size, now);
}

/* Closes a flow that no bucket has any more. */
static void flow_free(struct flow *flow)
{
    struct impair_proxy_route *route = flow->route;
    drops_count(flow->watch.fd, &flow->drops, &route->tallies[IMPAIR_SETTING_DOWN]);
    nx_list_remove(&flow->in_route);
    impair_agenda_cancel(&route->proxy->agenda, &flow->idle);
    impair_poll_remove(&route->proxy->poll, &flow->watch);
    (void)close(flow->watch.fd);
    route->open--;
    free(flow);
}

static void flow_close(struct flow *flow)
{
    struct flow **at = bucket_of(flow->route, &flow->client.storage, flow->client.size);
    while (*at != flow) {
        at = &(*at)->next;
    }
    *at = flow->next;
    flow_free(flow);
}

void impair_udp_flow_due(struct impair_item *item, nx_time now)
{
    struct flow *flow = NX_LIST_ITEM(item, struct flow, idle);
    struct impair_proxy *proxy = flow->route->proxy;
    const nx_time until = nx_time_add_ns(flow->used, proxy->idle_ns);
    if (nx_time_before(now, until)) {
        impair_agenda_set(&proxy->agenda, item, until);
    } else if (flow->parcels != 0) {
        impair_agenda_set(&proxy->agenda, item, nx_time_add_ns(now, IDLE_AGAIN_NS));
    } else {
        flow_close(flow);
    }
}

static void on_listen_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct impair_proxy_route *route = NX_LIST_ITEM(watch, struct impair_proxy_route, watch);
    struct impair_udp *udp = route->proxy->udp;
    (void)events;
    for (int round = 0; round < IMPAIR_ROUNDS_MAX; round++) {
        const int count = receive(udp, watch->fd, true);
        const nx_time now = impair_poll_now();
        for (int i = 0; i < count; i++) {
            struct flow *flow = flow_of(route, &udp->from[i], udp->in[i].msg_hdr.msg_namelen, now);
            if (flow != NULL) {
                packet_came(flow, IMPAIR_SETTING_UP, now, udp->in_parts[i].iov_base, udp->in[i].msg_len);
            }
        }
        if (count < IMPAIR_BATCH_MAX) {
            return;
        }
    }
}

enum nx_err impair_udp_route_open(struct impair_proxy_route *route)
{
    route->table = calloc(1, sizeof(*route->table));
    if (route->table == NULL) {
        return NX_E_NO_MEMORY;
    }
    route->watch.fd = impair_socket_listen(&route->listen, SOCK_DGRAM);
    if (route->watch.fd < 0) {
        free(route->table);
        return NX_E_IO;
    }
    route->watch.on_ready = on_listen_ready;
    impair_poll_set(&route->proxy->poll, &route->watch, EPOLLIN);
    return NX_OK;
}

void impair_udp_route_close(struct impair_proxy_route *route)
{
    for (size_t i = 0; i < IMPAIR_FLOW_BUCKETS; i++) {
        struct flow *next;
        for (struct flow *flow = route->table->buckets[i]; flow != NULL; flow = next) {
            next = flow->next;
            flow_free(flow);
        }
    }
    impair_poll_remove(&route->proxy->poll, &route->watch);
    (void)close(route->watch.fd);
    free(route->table);
}

static void parcel_free(struct impair_proxy *proxy, struct parcel *parcel)
{
    parcel->flow->parcels--;
    impair_proxy_give(proxy, parcel, sizeof(*parcel) + parcel->size);
}

void impair_udp_flush(struct impair_proxy *proxy)
{
    struct impair_udp *udp = proxy->udp;
    if (udp->out_count == 0) {
        return;
    }
    const nx_time now = impair_poll_now();
    unsigned sent = 0;
    bool is_second = false;
    while (sent < udp->out_count) {
        const int count =
            sendmmsg(udp->out_fd, udp->out + sent, udp->out_count - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            sent += (unsigned)count;
            is_second = false;
        } else if (errno == ECONNREFUSED && !is_second) {
            is_second = true; /* that was the answer to an earlier packet; this one has not been tried yet */
        } else {
            struct parcel *parcel = udp->out_parcels[sent++];
            parcel->flow->route->tallies[parcel->direction].lost_socket++;
            is_second = false;
        }
    }
    for (unsigned i = 0; i < udp->out_count; i++) {
        struct parcel *parcel = udp->out_parcels[i];
        struct impair_tally *tally = &parcel->flow->route->tallies[parcel->direction];
        const int64_t late_ns = nx_time_since_ns(now, parcel->core.item.due);
        tally->sent++;
        tally->sent_bytes += parcel->size;
        nx_metric_histogram_add(&tally->late, late_ns > 0 ? (uint64_t)late_ns / NX_TIME_NS_PER_US : 0);
        parcel_free(proxy, parcel);
    }
    udp->out_count = 0;
}

void impair_udp_parcel_due(struct impair_proxy *proxy, struct impair_item *item)
{
    struct impair_udp *udp = proxy->udp;
    struct parcel *parcel = NX_LIST_ITEM(item, struct parcel, core.item);
    struct flow *flow = parcel->flow;
    const bool is_up = parcel->direction == IMPAIR_SETTING_UP;
    const int fd = is_up ? flow->watch.fd : flow->route->watch.fd;
    if (udp->out_count == IMPAIR_BATCH_MAX || (udp->out_count != 0 && udp->out_fd != fd)) {
        impair_udp_flush(proxy);
    }
    const unsigned at = udp->out_count++;
    struct msghdr *head = &udp->out[at].msg_hdr;
    head->msg_name = is_up ? NULL : &flow->client.storage;
    head->msg_namelen = is_up ? 0 : flow->client.size;
    udp->out_parts[at] = (struct iovec){parcel->bytes, parcel->size};
    udp->out_parcels[at] = parcel;
    udp->out_fd = fd;
    if (impair_lane_sent(&flow->lanes[parcel->direction], &parcel->core)) {
        flow->route->tallies[parcel->direction].reordered++;
    }
}

void impair_udp_parcel_drop(struct impair_proxy *proxy, struct impair_item *item)
{
    struct parcel *parcel = NX_LIST_ITEM(item, struct parcel, core.item);
    (void)impair_lane_sent(&parcel->flow->lanes[parcel->direction], &parcel->core);
    parcel_free(proxy, parcel);
}

void impair_udp_rebind(struct impair_proxy_route *route, uint32_t flow_index)
{
    struct impair_proxy *proxy = route->proxy;
    impair_udp_flush(proxy);
    NX_LIST_EACH(link, &route->list)
    {
        struct flow *flow = NX_LIST_ITEM(link, struct flow, in_route);
        bool is_pending;
        if (flow_index != IMPAIR_COMMAND_ALL && flow->index != flow_index) {
            continue;
        }
        /* The new socket is there before the old one goes, so its port is another. */
        const int fd = impair_socket_connect(&route->target, SOCK_DGRAM, &is_pending);
        if (fd < 0) {
            route->refused++;
            continue;
        }
        drops_count(flow->watch.fd, &flow->drops, &route->tallies[IMPAIR_SETTING_DOWN]);
        impair_poll_remove(&proxy->poll, &flow->watch);
        (void)close(flow->watch.fd);
        flow->watch.fd = fd;
        flow->drops = 0;
        impair_poll_set(&proxy->poll, &flow->watch, EPOLLIN);
        route->rebinds++;
    }
}
