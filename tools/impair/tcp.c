#include "tools/impair/tcp.h"

#include "tools/impair/core/pipe.h"
#include "tools/impair/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLIENT, TARGET, SIDES };
enum segment_kind { DATA, END, RESET };
enum { READS_MAX = 4, READS_PER_S = 200, BITS_PER_BYTE = 8, MS_PER_S = 1000 };

/* A run of bytes on its way, or the end or the reset that comes after them. */
struct segment {
    struct segment *next;
    nx_time due;
    enum segment_kind kind;
    uint32_t size;
    uint32_t offset; /* bytes written already */
    uint8_t bytes[];
};

struct side {
    struct impair_poll_watch watch;
    struct conn *conn;
    bool is_ended;   /* its end or its error was read */
    bool is_dead;    /* nothing can be written to it any more */
    bool is_blocked; /* the kernel took no more; EPOLLOUT is waited for */
};

/* One direction: UP from the client to the target; its source is the side of the same number. */
struct stream {
    struct impair_item item;
    struct conn *conn;
    struct impair_pipe pipe;
    struct segment *head;
    struct segment *tail;
    size_t queued;      /* bytes on their way */
    nx_time wait_until; /* of a blackout or pause or full socket, not counted as lateness */
    bool is_paused;     /* its source is not read from */
    bool is_done;       /* its end was passed on */
    struct nx_list_link starved;
};

struct conn {
    struct impair_proxy_route *route;
    struct nx_list_link in_route;
    uint32_t index;
    bool is_connecting;
    struct side sides[SIDES];
    struct stream streams[IMPAIR_SETTING_DIRECTIONS];
};

static uint32_t direction_of(const struct conn *conn, const struct stream *stream)
{
    return stream == &conn->streams[IMPAIR_SETTING_UP] ? IMPAIR_SETTING_UP : IMPAIR_SETTING_DOWN;
}

static uint32_t side_number(const struct side *side)
{
    return side == &side->conn->sides[CLIENT] ? CLIENT : TARGET;
}

static void interest(struct side *side)
{
    struct conn *conn = side->conn;
    const uint32_t number = side_number(side);
    const bool is_connecting = conn->is_connecting && number == TARGET;
    uint32_t events = 0;
    if (side->watch.fd < 0 || side->is_dead) {
        return;
    }
    if (!side->is_ended && !conn->streams[number].is_paused && !is_connecting) {
        events |= EPOLLIN;
    }
    if (side->is_blocked || is_connecting) {
        events |= EPOLLOUT;
    }
    impair_poll_set(&conn->route->proxy->poll, &side->watch, events);
}

static void segment_free(struct impair_proxy *proxy, struct stream *stream)
{
    struct segment *segment = stream->head;
    stream->head = segment->next;
    if (stream->head == NULL) {
        stream->tail = NULL;
    }
    stream->queued -= segment->size;
    impair_proxy_give(proxy, segment, sizeof(*segment) + segment->size);
}

static void conn_free(struct conn *conn, bool with_reset)
{
    struct impair_proxy *proxy = conn->route->proxy;
    for (uint32_t i = 0; i < SIDES; i++) {
        struct side *side = &conn->sides[i];
        if (side->watch.fd < 0) {
            continue;
        }
        impair_poll_remove(&proxy->poll, &side->watch);
        if (with_reset) {
            impair_socket_reset(side->watch.fd);
        } else {
            (void)close(side->watch.fd);
        }
    }
    for (uint32_t d = 0; d < IMPAIR_SETTING_DIRECTIONS; d++) {
        struct stream *stream = &conn->streams[d];
        while (stream->head != NULL) {
            segment_free(proxy, stream);
        }
        nx_list_remove(&stream->starved);
        impair_agenda_cancel(&proxy->agenda, &stream->item);
    }
    nx_list_remove(&conn->in_route);
    conn->route->open--;
    free(conn);
}

/* Puts a segment behind the others; false when there is no memory for it. */
static bool segment_push(struct conn *conn, struct stream *stream, enum segment_kind kind, nx_time due,
                         const uint8_t *bytes, size_t size)
{
    struct impair_proxy *proxy = conn->route->proxy;
    struct segment *segment = impair_agenda_is_set(&stream->item) || impair_agenda_has_room(&proxy->agenda)
                                  ? impair_proxy_take(proxy, sizeof(*segment) + size)
                                  : NULL;
    if (segment == NULL) {
        return false;
    }
    *segment = (struct segment){.due = due, .kind = kind, .size = (uint32_t)size};
    if (size != 0) {
        memcpy(segment->bytes, bytes, size);
    }
    if (stream->tail != NULL) {
        stream->tail->next = segment;
    } else {
        stream->head = segment;
        if (!impair_agenda_is_set(&stream->item)) {
            impair_agenda_set(&proxy->agenda, &stream->item, due);
        }
    }
    stream->tail = segment;
    stream->queued += size;
    return true;
}

/* The side broke: the other one is reset when what came before has been passed on. Frees the connection, and returns
 * false, when that is at once. */
static bool side_failed(struct side *side, nx_time now)
{
    struct conn *conn = side->conn;
    const uint32_t number = side_number(side);
    struct stream *from = &conn->streams[number];
    const struct impair_setting *setting = &conn->route->settings[number];
    if (side->is_dead) {
        return true;
    }
    side->is_dead = true;
    side->is_ended = true;
    impair_poll_remove(&conn->route->proxy->poll, &side->watch);
    if (conn->sides[1 - number].is_dead ||
        !segment_push(conn, from, RESET, impair_pipe_end(&from->pipe, setting, now), NULL, 0)) {
        conn_free(conn, true);
        return false;
    }
    return true;
}

/* Returns how many bytes may be on their way before the source is not read from. */
static size_t queue_limit(const struct impair_setting *setting)
{
    uint64_t size = setting->queue.size;
    if (setting->rate_bps != 0 && setting->queue.wait_ns != 0) {
        size = setting->rate_bps / BITS_PER_BYTE * (uint64_t)(setting->queue.wait_ns / NX_TIME_NS_PER_MS) /
               MS_PER_S;
        size = size != 0 ? size : 1;
    }
    return size == 0 || size > IMPAIR_STREAM_QUEUE_SIZE_MAX ? IMPAIR_STREAM_QUEUE_SIZE_MAX : (size_t)size;
}

static void resume(struct conn *conn, struct stream *stream)
{
    const size_t limit = queue_limit(&conn->route->settings[direction_of(conn, stream)]);
    if (stream->is_paused && stream->queued <= limit / 2 && !nx_list_is_linked(&stream->starved)) {
        stream->is_paused = false;
        interest(&conn->sides[direction_of(conn, stream)]);
    }
}

/* Writes one piece of the first segment. Returns how many bytes went, 0 when it must wait, -1 when the connection is
 * gone. */
static int64_t piece_write(struct conn *conn, struct stream *stream, nx_time now)
{
    const uint32_t direction = direction_of(conn, stream);
    struct impair_proxy *proxy = conn->route->proxy;
    struct impair_tally *tally = &conn->route->tallies[direction];
    const struct impair_setting *setting = &conn->route->settings[direction];
    struct side *target = &conn->sides[1 - direction];
    struct segment *segment = stream->head;
    const size_t piece =
        impair_pipe_piece(&stream->pipe, setting, now, segment->size - segment->offset, &stream->wait_until);
    if (piece == 0) {
        impair_agenda_set(&proxy->agenda, &stream->item, stream->wait_until);
        return 0;
    }
    const ssize_t sent =
        send(target->watch.fd, segment->bytes + segment->offset, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            target->is_blocked = true;
            interest(target);
            return 0;
        }
        return side_failed(target, now) ? 0 : -1;
    }
    if (segment->offset == 0) {
        const nx_time since =
            nx_time_before(segment->due, stream->wait_until) ? stream->wait_until : segment->due;
        const int64_t late_ns = nx_time_since_ns(impair_poll_now(), since);
        nx_metric_histogram_add(&tally->late, late_ns > 0 ? (uint64_t)late_ns / NX_TIME_NS_PER_US : 0);
    }
    impair_pipe_given(&stream->pipe, setting, now, (size_t)sent);
    segment->offset += (uint32_t)sent;
    tally->sent++;
    tally->sent_bytes += (uint64_t)sent;
    return sent;
}

/* Passes on the end of the stream. Returns false when the connection is gone. */
static bool end_write(struct conn *conn, struct stream *stream)
{
    const uint32_t direction = direction_of(conn, stream);
    struct side *target = &conn->sides[1 - direction];
    (void)shutdown(target->watch.fd, SHUT_WR);
    segment_free(conn->route->proxy, stream);
    stream->is_done = true;
    if (conn->streams[1 - direction].is_done) {
        conn_free(conn, false);
        return false;
    }
    return true;
}

/* Does what the first segment, which is due, asks for. Returns false when there is nothing more to do now. */
static bool segment_go(struct conn *conn, struct stream *stream, nx_time now)
{
    const uint32_t direction = direction_of(conn, stream);
    struct impair_proxy *proxy = conn->route->proxy;
    const struct impair_setting *setting = &conn->route->settings[direction];
    struct segment *segment = stream->head;
    if (segment->kind == DATA) {
        const int64_t sent = piece_write(conn, stream, now);
        if (sent > 0 && segment->offset == segment->size) {
            segment_free(proxy, stream);
            resume(conn, stream);
        }
        return sent > 0;
    }
    if (impair_setting_is_dark(setting, now)) {
        impair_agenda_set(&proxy->agenda, &stream->item, setting->dark_until);
        return false;
    }
    if (segment->kind == RESET) {
        conn_free(conn, true);
        return false;
    }
    return end_write(conn, stream);
}

/* Who does not read is told nothing but a reset, which needs no room. */
static void blocked_wait(struct conn *conn, struct stream *stream, nx_time now)
{
    if (stream->tail->kind != RESET) {
        return;
    }
    if (nx_time_before(now, stream->tail->due)) {
        impair_agenda_set(&conn->route->proxy->agenda, &stream->item, stream->tail->due);
    } else {
        conn_free(conn, true);
    }
}

static void pump(struct conn *conn, struct stream *stream)
{
    struct impair_proxy *proxy = conn->route->proxy;
    const uint32_t direction = direction_of(conn, stream);
    struct side *target = &conn->sides[1 - direction];
    nx_time now = impair_poll_now();
    if (conn->is_connecting && direction == IMPAIR_SETTING_UP) {
        return;
    }
    for (int budget = IMPAIR_PIECES_MAX; stream->head != NULL; budget--) {
        if (target->is_dead && stream->head->kind != RESET) {
            segment_free(proxy, stream);
            continue;
        }
        if (target->is_blocked) {
            blocked_wait(conn, stream, now);
            return;
        }
        if (nx_time_before(now, stream->head->due)) {
            impair_agenda_set(&proxy->agenda, &stream->item, stream->head->due);
            return;
        }
        if (budget == 0) {
            impair_agenda_set(&proxy->agenda, &stream->item, now);
            return;
        }
        if (!segment_go(conn, stream, now)) {
            return;
        }
        now = conn->route->settings[direction].pause_ns != 0 ? impair_poll_now() : now;
    }
}

void impair_tcp_stream_due(struct impair_item *item)
{
    struct stream *stream = NX_LIST_ITEM(item, struct stream, item);
    pump(stream->conn, stream);
}

/* Puts what was read on its way. Returns false when the connection is gone. */
static bool bytes_came(struct conn *conn, struct stream *stream, uint8_t *bytes, size_t size)
{
    const uint32_t direction = direction_of(conn, stream);
    const struct impair_setting *setting = &conn->route->settings[direction];
    struct impair_tally *tally = &conn->route->tallies[direction];
    struct impair_pipe_fate fate;
    const nx_time now = impair_poll_now();
    tally->received++;
    tally->received_bytes += size;
    impair_pipe_take(&stream->pipe, setting, now, bytes, size, &fate);
    tally->flipped += fate.blocks_flipped;
    tally->flipped_bits += fate.bits_flipped;
    tally->delayed += nx_time_before(now, fate.due);
    bool is_kept = fate.size == 0 || segment_push(conn, stream, DATA, fate.due, bytes, fate.size);
    if (is_kept && fate.is_reset) {
        tally->resets++;
        conn->route->resets++;
        conn->sides[direction].is_ended = true;
        is_kept = segment_push(conn, stream, RESET, fate.due, NULL, 0);
    }
    if (!is_kept) {
        tally->lost_memory++;
        conn_free(conn, true);
        return false;
    }
    stream->is_paused = stream->queued >= queue_limit(setting);
    return true;
}

static bool end_came(struct conn *conn, struct stream *stream)
{
    const uint32_t direction = direction_of(conn, stream);
    const nx_time due = impair_pipe_end(&stream->pipe, &conn->route->settings[direction], impair_poll_now());
    conn->sides[direction].is_ended = true;
    if (!segment_push(conn, stream, END, due, NULL, 0)) {
        conn_free(conn, true);
        return false;
    }
    return true;
}

static size_t read_size(const struct impair_setting *setting)
{
    const uint64_t size = setting->rate_bps / BITS_PER_BYTE / READS_PER_S;
    if (setting->rate_bps == 0 || size > IMPAIR_READ_SIZE_MAX) {
        return IMPAIR_READ_SIZE_MAX;
    }
    return size < IMPAIR_READ_SIZE_SHAPED_MIN ? IMPAIR_READ_SIZE_SHAPED_MIN : (size_t)size;
}

/* Reads what is there, `is_forced` also from a source that is paused. Returns false when the connection is gone. */
static bool side_read(struct side *side, bool is_forced)
{
    struct conn *conn = side->conn;
    struct impair_proxy *proxy = conn->route->proxy;
    const uint32_t direction = side_number(side);
    struct stream *stream = &conn->streams[direction];
    for (int i = 0; i < READS_MAX && !side->is_ended && (is_forced || !stream->is_paused); i++) {
        if (!impair_proxy_has_memory(proxy, IMPAIR_READ_SIZE_MAX) && !is_forced) {
            stream->is_paused = true;
            nx_list_push_back(&proxy->starved, &stream->starved);
            break;
        }
        const ssize_t size =
            recv(side->watch.fd, proxy->scratch, read_size(&conn->route->settings[direction]), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (size < 0) {
            return side_failed(side, impair_poll_now());
        }
        if (!(size == 0 ? end_came(conn, stream) : bytes_came(conn, stream, proxy->scratch, (size_t)size))) {
            return false;
        }
    }
    interest(side);
    return true;
}

/* Goes on once the connection to the target is there, or was refused. Returns false when the connection is gone. */
static bool connected(struct conn *conn, uint32_t events)
{
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) {
        return true;
    }
    if (impair_socket_error(conn->sides[TARGET].watch.fd) != 0) {
        conn->route->refused++;
        conn_free(conn, true);
        return false;
    }
    conn->is_connecting = false;
    interest(&conn->sides[TARGET]);
    struct stream *up = &conn->streams[IMPAIR_SETTING_UP];
    if (up->head != NULL) {
        impair_agenda_set(&conn->route->proxy->agenda, &up->item, up->head->due);
    }
    return true;
}

static void on_side_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct side *side = NX_LIST_ITEM(watch, struct side, watch);
    struct conn *conn = side->conn;
    const uint32_t number = side_number(side);
    if (conn->is_connecting && number == TARGET) {
        (void)connected(conn, events);
        return;
    }
    const bool is_broken = (events & EPOLLERR) != 0;
    const bool is_hung_up = (events & EPOLLHUP) != 0;
    if (side->is_ended && is_broken) {
        (void)side_failed(side, impair_poll_now());
        return;
    }
    if (side->is_ended && is_hung_up) {
        /* Both its directions have ended: it has nothing more to tell, and would tell it again and again. */
        impair_poll_remove(&conn->route->proxy->poll, watch);
    } else if ((events & EPOLLIN) != 0 || is_broken || is_hung_up) {
        if (!side_read(side, is_broken || is_hung_up)) {
            return;
        }
    }
    if ((events & EPOLLOUT) != 0 && side->is_blocked) {
        struct stream *stream = &conn->streams[1 - number];
        side->is_blocked = false;
        interest(side);
        stream->wait_until = impair_poll_now();
        pump(conn, stream);
    }
}

static void conn_open(struct impair_proxy_route *route, int fd)
{
    struct impair_proxy *proxy = route->proxy;
    struct conn *conn = calloc(1, sizeof(*conn));
    bool is_pending = false;
    const int target = conn == NULL ? -1 : impair_socket_connect(&route->target, SOCK_STREAM, &is_pending);
    const uint32_t index = route->flows++;
    if (target < 0) {
        free(conn);
        impair_socket_reset(fd);
        route->refused++;
        return;
    }
    impair_socket_undelayed(fd);
    conn->route = route;
    conn->index = index;
    conn->is_connecting = is_pending;
    for (uint32_t i = 0; i < SIDES; i++) {
        conn->sides[i].conn = conn;
        conn->sides[i].watch.fd = i == CLIENT ? fd : target;
        conn->sides[i].watch.on_ready = on_side_ready;
        conn->streams[i].conn = conn;
        conn->streams[i].item.kind = IMPAIR_PROXY_STREAM;
        impair_pipe_init(&conn->streams[i].pipe, impair_dice_key(proxy->seed, route->index, conn->index, i));
    }
    nx_list_push_back(&route->list, &conn->in_route);
    route->open++;
    interest(&conn->sides[CLIENT]);
    interest(&conn->sides[TARGET]);
}

static void on_listen_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct impair_proxy_route *route = NX_LIST_ITEM(watch, struct impair_proxy_route, watch);
    struct impair_proxy *proxy = route->proxy;
    (void)events;
    for (int i = 0; i < IMPAIR_ACCEPTS_MAX; i++) {
        const int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_open(route, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            impair_poll_set(&proxy->poll, watch, 0);
            if (impair_agenda_has_room(&proxy->agenda) || impair_agenda_is_set(&route->accept)) {
                impair_agenda_set(&proxy->agenda, &route->accept,
                                  nx_time_add_ms(impair_poll_now(), IMPAIR_ACCEPT_PAUSE_MS));
            }
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

void impair_tcp_accept_due(struct impair_item *item)
{
    struct impair_proxy_route *route = NX_LIST_ITEM(item, struct impair_proxy_route, accept);
    impair_poll_set(&route->proxy->poll, &route->watch, EPOLLIN);
}

enum nx_err impair_tcp_route_open(struct impair_proxy_route *route)
{
    route->watch.fd = impair_socket_listen(&route->listen, SOCK_STREAM);
    if (route->watch.fd < 0) {
        return NX_E_IO;
    }
    route->watch.on_ready = on_listen_ready;
    route->accept.kind = IMPAIR_PROXY_ACCEPT;
    impair_poll_set(&route->proxy->poll, &route->watch, EPOLLIN);
    return NX_OK;
}

void impair_tcp_route_close(struct impair_proxy_route *route)
{
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&route->list)) != NULL) {
        conn_free(NX_LIST_ITEM(link, struct conn, in_route), false);
    }
    impair_poll_remove(&route->proxy->poll, &route->watch);
    impair_agenda_cancel(&route->proxy->agenda, &route->accept);
    (void)close(route->watch.fd);
}

void impair_tcp_reset(struct impair_proxy_route *route, uint32_t flow)
{
    NX_LIST_EACH(link, &route->list)
    {
        struct conn *conn = NX_LIST_ITEM(link, struct conn, in_route);
        if (flow == IMPAIR_COMMAND_ALL || conn->index == flow) {
            route->resets++;
            conn_free(conn, true);
        }
    }
}

void impair_tcp_wake(struct impair_proxy_route *route)
{
    struct impair_agenda *agenda = &route->proxy->agenda;
    NX_LIST_EACH(link, &route->list)
    {
        struct conn *conn = NX_LIST_ITEM(link, struct conn, in_route);
        for (uint32_t d = 0; d < IMPAIR_SETTING_DIRECTIONS; d++) {
            struct stream *stream = &conn->streams[d];
            if (impair_agenda_is_set(&stream->item)) {
                impair_agenda_set(agenda, &stream->item, stream->head->due);
            }
            resume(conn, stream);
        }
    }
}

void impair_tcp_feed_starved(struct impair_proxy *proxy)
{
    if (nx_list_is_empty(&proxy->starved) || !impair_proxy_has_memory(proxy, proxy->memory_max / 4)) {
        return;
    }
    NX_LIST_EACH(link, &proxy->starved)
    {
        struct stream *stream = NX_LIST_ITEM(link, struct stream, starved);
        nx_list_remove(link);
        resume(stream->conn, stream);
    }
}
