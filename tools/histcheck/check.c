#include "tools/histcheck/check.h"

#include "engine/base/assert.h"
#include "engine/base/limits.h"
#include "engine/base/map.h"
#include "tools/histcheck/absence.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, TOLD_MAX = 5, NONE = -1 };

/* The numbers of docs/histories.md. */
enum {
    CLIENT = 1,
    JOIN,
    LEAVE,
    SEND,
    ACK,
    REFUSE,
    DELIVER,
    EDIT,
    DELETE,
    DOWN,
    READY,
    RESUMED,
    RESYNC,
    FETCH,
    FETCHED,
    CAUGHT_UP,
    END,
    STORED,
    DUMPED,
    MARK,
    LEFT,
    ENTERED,
    KINDS
};

enum { FLAG_DELETED = 1, FLAG_EDITED = 2, FLAG_FINAL = 1, FLAG_BACK = 1, FLAG_MEMBER = 1, ROLE_CONTROL = 1 };

struct record {
    uint8_t kind;
    uint8_t flags;
    uint16_t code;
    uint32_t client;
    int64_t ns; /* STORED: the author */
    uint64_t channel;
    uint64_t id;
    uint64_t hash;
    uint32_t seq;
    uint32_t extra;
};

struct stored {
    uint64_t channel;
    uint64_t id;
    uint64_t hash;
    uint64_t author;
    int64_t newest_ns; /* latest first sending among this one and those before it in the channel */
    uint32_t seq;
    uint8_t flags;
};

struct sent {
    uint64_t hash;
    uint64_t channel;
    uint64_t author;
    uint64_t acked_id; /* 0: not acknowledged */
    uint64_t stored_id;
    int64_t first_ns;
    bool is_refused;
};

struct channel {
    uint64_t id;
    uint32_t first; /* in stored[], by seq */
    uint32_t count;
    uint32_t last_seq;
    bool is_dumped;
};

struct client {
    uint64_t user;
    uint32_t file;
    uint32_t number;
    bool was_ready;
    bool is_down;
    bool has_end;
    bool is_good;
    int32_t outage; /* the last one it came back from */
};

/* What one client saw of one channel. */
struct view {
    uint32_t client;
    uint32_t channel;
    uint32_t baseline;
    uint32_t live; /* highest number heard live */
    int64_t joined_ns;
    bool is_member;
    bool comes_and_goes; /* the harness says when it was a member */
    uint8_t *had;        /* owned: a bit per number */
    uint8_t *edited;     /* owned: the same, edited or deleted; NULL until the first */
};

struct outage {
    int64_t kill_ns;
    int64_t back_ns; /* INT64_MIN: never */
    uint32_t role;
};

struct check {
    const struct tool_check_file *files;
    uint32_t files_count;
    FILE *say;
    struct tool_check_result *result;
    uint64_t counts[KINDS];
    struct stored *stored;
    struct sent *sent;
    struct channel *channels;
    struct client *clients;
    struct view *views;
    struct outage *outages;
    struct tool_absence_list absences;
    uint32_t stored_count;
    uint32_t sent_count;
    uint32_t channels_count;
    uint32_t clients_count;
    uint32_t views_count;
    uint32_t outages_count;
    struct nx_map by_id;      /* id -> stored */
    struct nx_map by_hash;    /* hash -> sent */
    struct nx_map by_channel; /* id -> channel */
    struct nx_map by_client;  /* file and number -> client */
    struct nx_map by_view;    /* client and channel -> view */
    void *blocks[5];          /* of the maps */
    bool is_short;            /* memory ran out */
};

static const char *const FAULTS[TOOL_CHECK_FAULTS] = {
    "malformed", "ack_unsent",   "ack_lost",   "ack_differs",     "two_ids",    "refused_stored",
    "invented",  "stored_twice", "stored_gap", "stored_order",    "not_dumped", "unstored",
    "changed",   "foreign",      "too_early",  "duplicate",       "order",      "edit_first",
    "missing",   "baseline",     "not_back",   "identified_again"};

const char *tool_check_fault_name(enum tool_check_fault fault)
{
    return FAULTS[fault];
}

const char *tool_check_role_name(uint32_t role)
{
    static const char *const NAMES[TOOL_CHECK_ROLES] = {"gatewayd", "control", "supervisor", "database"};
    return role < TOOL_CHECK_ROLES ? NAMES[role] : "unknown";
}

uint64_t tool_check_faults(const struct tool_check_result *result)
{
    uint64_t count = 0;
    for (int i = 0; i < TOOL_CHECK_FAULTS; i++) {
        count += result->faults[i];
    }
    return count;
}

/* ---- reading ---- */

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static struct record record_at(const uint8_t *at)
{
    return (struct record){.kind = at[0],
                           .flags = at[1],
                           .code = (uint16_t)(at[2] | at[3] << 8),
                           .client = get32(at + 4),
                           .ns = (int64_t)get64(at + 8),
                           .channel = get64(at + 16),
                           .id = get64(at + 24),
                           .hash = get64(at + 32),
                           .seq = get32(at + 40),
                           .extra = get32(at + 44)};
}

static void fault(struct check *c, enum tool_check_fault kind, uint32_t file, const struct record *r)
{
    const uint64_t before = c->result->faults[kind]++;
    if (c->say == NULL || before >= TOLD_MAX) {
        return;
    }
    (void)fprintf(c->say,
                  "%s: file %s client %" PRIu32 " channel %" PRIu64 " id %" PRIu64 " seq %" PRIu32
                  " hash %016" PRIx64 " kind %u code %u ns %" PRId64 "\n",
                  FAULTS[kind], file < c->files_count ? c->files[file].name : "-", r->client, r->channel,
                  r->id, r->seq, r->hash, r->kind, r->code, r->ns);
}

/* Calls `take` for every record in the order of the files. */
static void each(struct check *c, void (*take)(struct check *c, uint32_t file, const struct record *r))
{
    for (uint32_t file = 0; file < c->files_count; file++) {
        const struct tool_check_file *f = &c->files[file];
        for (uint64_t at = TOOL_CHECK_RECORD_SIZE; at + TOOL_CHECK_RECORD_SIZE <= f->size;
             at += TOOL_CHECK_RECORD_SIZE) {
            const struct record r = record_at(f->bytes + at);
            take(c, file, &r);
        }
    }
}

/* ---- tables ---- */

static bool map_make(struct check *c, int number, struct nx_map *map, uint64_t keys)
{
    if (keys >= NX_MAP_CAPACITY_MAX) {
        return false;
    }
    const uint32_t capacity = (uint32_t)keys + 1;
    c->blocks[number] = calloc(1, nx_map_size_needed(capacity));
    if (c->blocks[number] == NULL) {
        return false;
    }
    nx_map_init(map, c->blocks[number], capacity, (uint64_t)number + 1);
    return true;
}

static void put(struct nx_map *map, uint64_t key, uint32_t value)
{
    (void)!nx_map_put(map, key, value); /* made large enough */
}

static struct stored *stored_of(struct check *c, uint64_t id)
{
    uint32_t at;
    return nx_map_get(&c->by_id, id, &at) ? &c->stored[at] : NULL;
}

static struct sent *sent_of(struct check *c, uint64_t hash)
{
    uint32_t at;
    return nx_map_get(&c->by_hash, hash, &at) ? &c->sent[at] : NULL;
}

static struct client *client_of(struct check *c, uint32_t file, const struct record *r)
{
    uint32_t at;
    return nx_map_get(&c->by_client, (uint64_t)file << 32 | r->client, &at) ? &c->clients[at] : NULL;
}

static uint32_t channel_add(struct check *c, uint64_t id)
{
    uint32_t at;
    if (!nx_map_get(&c->by_channel, id, &at)) {
        at = c->channels_count++;
        c->channels[at] = (struct channel){.id = id};
        put(&c->by_channel, id, at);
    }
    return at;
}

static struct view *view_of(struct check *c, const struct client *client, uint64_t channel)
{
    uint32_t at;
    if (!nx_map_get(&c->by_channel, channel, &at)) {
        return NULL;
    }
    const uint64_t key = (uint64_t)(client - c->clients) << 32 | at;
    return nx_map_get(&c->by_view, key, &at) ? &c->views[at] : NULL;
}

static bool bit_has(const uint8_t *bits, uint32_t n)
{
    return bits != NULL && (bits[n / 8] >> (n % 8) & 1) != 0;
}

static void bit_set(struct check *c, const struct view *view, uint8_t **bits, uint32_t n)
{
    if (*bits == NULL) {
        *bits = calloc(1, c->channels[view->channel].last_seq / 8 + 1);
    }
    if (*bits == NULL) {
        c->is_short = true;
    } else if (n <= c->channels[view->channel].last_seq) {
        (*bits)[n / 8] |= (uint8_t)(1 << (n % 8));
    }
}

/* ---- what is stored and what was sent ---- */

static void count_one(struct check *c, uint32_t file, const struct record *r)
{
    if (r->kind == 0 || r->kind >= KINDS || (r->kind == MARK && r->code >= TOOL_CHECK_ROLES)) {
        fault(c, TOOL_CHECK_MALFORMED, file, r);
        return;
    }
    c->counts[r->kind]++;
    c->result->records++;
}

static void mark_add(struct check *c, const struct record *r)
{
    if ((r->flags & FLAG_BACK) == 0) {
        c->result->kills[r->code]++;
        c->outages[c->outages_count++] =
            (struct outage){.kill_ns = r->ns, .back_ns = INT64_MIN, .role = r->code};
        return;
    }
    for (uint32_t i = c->outages_count; i-- > 0;) {
        if (c->outages[i].kill_ns <= r->ns && c->outages[i].back_ns == INT64_MIN) {
            c->outages[i].back_ns = r->ns;
        }
    }
}

static void sent_add(struct check *c, uint32_t file, const struct record *r)
{
    const struct client *client = client_of(c, file, r);
    if (client == NULL) {
        fault(c, TOOL_CHECK_MALFORMED, file, r);
        return;
    }
    struct sent *sent = sent_of(c, r->hash);
    if (sent == NULL) {
        NX_ASSERT(c->sent != NULL); /* as many as were counted */
        sent = &c->sent[c->sent_count];
        *sent =
            (struct sent){.hash = r->hash, .channel = r->channel, .author = client->user, .first_ns = r->ns};
        put(&c->by_hash, r->hash, c->sent_count++);
        return;
    }
    c->result->resent++;
    if (sent->channel != r->channel || sent->author != client->user) {
        fault(c, TOOL_CHECK_MALFORMED, file, r); /* contents are unique: the tool that sent them is broken */
    }
    sent->first_ns = r->ns < sent->first_ns ? r->ns : sent->first_ns;
}

static void gather_one(struct check *c, uint32_t file, const struct record *r)
{
    switch (r->kind) {
    case CLIENT:
        if (client_of(c, file, r) != NULL) {
            fault(c, TOOL_CHECK_MALFORMED, file, r);
            break;
        }
        NX_ASSERT(c->clients != NULL);
        c->clients[c->clients_count] =
            (struct client){.user = r->id, .file = file, .number = r->client, .outage = NONE};
        put(&c->by_client, (uint64_t)file << 32 | r->client, c->clients_count++);
        break;
    case JOIN:
        (void)channel_add(c, r->channel);
        break;
    case SEND:
        sent_add(c, file, r);
        break;
    case STORED:
        (void)channel_add(c, r->channel);
        c->stored[c->stored_count++] = (struct stored){.channel = r->channel,
                                                       .id = r->id,
                                                       .hash = r->hash,
                                                       .author = (uint64_t)r->ns,
                                                       .seq = r->seq,
                                                       .flags = r->flags};
        break;
    case DUMPED:
        c->channels[channel_add(c, r->channel)].is_dumped = true;
        break;
    case MARK:
        if (r->code < TOOL_CHECK_ROLES) {
            mark_add(c, r);
        }
        break;
    case LEFT:
        tool_absence_left(&c->absences, r->id, r->channel, r->ns);
        break;
    case ENTERED:
        tool_absence_entered(&c->absences, r->id, r->channel, r->ns, (r->flags & FLAG_MEMBER) != 0);
        break;
    default:
        break;
    }
}

static int by_channel_and_seq(const void *a, const void *b)
{
    const struct stored *x = a;
    const struct stored *y = b;
    if (x->channel != y->channel) {
        return x->channel < y->channel ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static struct record record_of(const struct stored *stored)
{
    return (struct record){.kind = STORED,
                           .flags = stored->flags,
                           .channel = stored->channel,
                           .id = stored->id,
                           .hash = stored->hash,
                           .seq = stored->seq};
}

/* One stored message against the one before it in its channel and against what was sent. */
static void stored_judge(struct check *c, uint32_t at, const struct stored *before)
{
    struct stored *s = &c->stored[at];
    const struct record r = record_of(s);
    const uint32_t expected = before != NULL ? before->seq + 1 : 1;
    if (before != NULL && (s->seq == before->seq || s->id <= before->id)) {
        fault(c, TOOL_CHECK_STORED_ORDER, UINT32_MAX, &r);
    } else if (s->seq != expected) {
        fault(c, TOOL_CHECK_STORED_GAP, UINT32_MAX, &r);
    }
    if (stored_of(c, s->id) != NULL) {
        fault(c, TOOL_CHECK_STORED_TWICE, UINT32_MAX, &r);
    }
    put(&c->by_id, s->id, at);
    s->newest_ns = before != NULL ? before->newest_ns : INT64_MIN;
    if ((s->flags & (FLAG_DELETED | FLAG_EDITED)) != 0) {
        return;
    }
    struct sent *sent = sent_of(c, s->hash);
    if (sent == NULL || sent->channel != s->channel || sent->author != s->author) {
        fault(c, TOOL_CHECK_INVENTED, UINT32_MAX, &r);
        return;
    }
    if (sent->stored_id != 0 && sent->stored_id != s->id) {
        fault(c, TOOL_CHECK_TWO_IDS, UINT32_MAX, &r);
    }
    sent->stored_id = s->id;
    s->newest_ns = sent->first_ns > s->newest_ns ? sent->first_ns : s->newest_ns;
}

static void stored_all(struct check *c)
{
    if (c->stored_count != 0) {
        qsort(c->stored, c->stored_count, sizeof(*c->stored), by_channel_and_seq);
    }
    for (uint32_t i = 0; i < c->stored_count; i++) {
        const bool is_first = i == 0 || c->stored[i - 1].channel != c->stored[i].channel;
        struct channel *channel = &c->channels[channel_add(c, c->stored[i].channel)];
        channel->first = is_first ? i : channel->first;
        channel->count++;
        channel->last_seq = c->stored[i].seq;
        stored_judge(c, i, is_first ? NULL : &c->stored[i - 1]);
    }
    for (uint32_t i = 0; i < c->channels_count; i++) {
        if (!c->channels[i].is_dumped) {
            const struct record r = {.channel = c->channels[i].id};
            fault(c, TOOL_CHECK_NOT_DUMPED, UINT32_MAX, &r);
        }
    }
}

/* ---- what the clients saw ---- */

static void acked(struct check *c, uint32_t file, const struct client *client, const struct record *r)
{
    struct sent *sent = sent_of(c, r->hash);
    const struct stored *stored = stored_of(c, r->id);
    if (sent == NULL || sent->author != client->user || sent->channel != r->channel) {
        fault(c, TOOL_CHECK_ACK_UNSENT, file, r);
        return;
    }
    if (sent->acked_id != 0 && sent->acked_id != r->id) {
        fault(c, TOOL_CHECK_TWO_IDS, file, r);
    }
    c->result->acked += sent->acked_id == 0;
    sent->acked_id = r->id;
    if (stored == NULL) {
        fault(c, TOOL_CHECK_ACK_LOST, file, r);
        return;
    }
    const bool is_same = (stored->flags & (FLAG_DELETED | FLAG_EDITED)) != 0 || stored->hash == r->hash;
    const bool is_own = (stored->flags & FLAG_DELETED) != 0 || stored->author == client->user;
    if (stored->channel != r->channel || stored->seq != r->seq || !is_same || !is_own) {
        fault(c, TOOL_CHECK_ACK_DIFFERS, file, r);
    }
}

/* What holds for every message that a client is shown, live or from the history. Returns whether it may count. */
static bool shown(struct check *c, uint32_t file, const struct view *view, const struct record *r)
{
    const struct stored *stored = stored_of(c, r->id);
    const struct sent *first = sent_of(c, r->hash);
    const struct sent *sent = first == NULL && stored != NULL ? sent_of(c, stored->hash) : first;
    const bool is_member =
        view != NULL &&
        (view->comes_and_goes
             ? sent == NULL || !tool_absence_forbids(&c->absences, c->clients[view->client].user, r->channel,
                                                     sent->first_ns, r->ns)
             : view->is_member);
    if (!is_member) {
        fault(c, TOOL_CHECK_FOREIGN, file, r);
        return false;
    }
    if (stored == NULL) {
        fault(c, TOOL_CHECK_UNSTORED, file, r);
        return false;
    }
    const bool is_first_text = ((stored->flags | (r->kind == FETCHED ? r->flags : 0)) & 3) == 0;
    if (stored->channel != r->channel || stored->seq != r->seq ||
        (is_first_text && stored->hash != r->hash)) {
        fault(c, TOOL_CHECK_CHANGED, file, r);
        return false;
    }
    if (sent != NULL && r->ns < sent->first_ns) {
        fault(c, TOOL_CHECK_TOO_EARLY, file, r);
    }
    return true;
}

static void delivered(struct check *c, uint32_t file, struct view *view, const struct record *r)
{
    c->result->delivered++;
    if (!shown(c, file, view, r)) {
        return;
    }
    if (bit_has(view->had, r->seq)) {
        fault(c, TOOL_CHECK_DUPLICATE, file, r);
    } else if (r->seq <= view->live) {
        fault(c, TOOL_CHECK_ORDER, file, r);
    }
    if (bit_has(view->edited, r->seq)) {
        fault(c, TOOL_CHECK_EDIT_FIRST, file, r);
    }
    view->live = r->seq > view->live ? r->seq : view->live;
    bit_set(c, view, &view->had, r->seq);
}

static void edited(struct check *c, uint32_t file, struct view *view, const struct record *r)
{
    const struct stored *stored = stored_of(c, r->id);
    if (view == NULL || (!view->is_member && !view->comes_and_goes)) {
        fault(c, TOOL_CHECK_FOREIGN, file, r);
    } else if (stored == NULL || stored->channel != r->channel || stored->seq != r->seq) {
        fault(c, TOOL_CHECK_UNSTORED, file, r);
    } else if ((stored->flags & (r->kind == EDIT ? FLAG_EDITED | FLAG_DELETED : FLAG_DELETED)) == 0) {
        fault(c, TOOL_CHECK_CHANGED, file, r);
    } else {
        bit_set(c, view, &view->edited, r->seq);
    }
}

static void joined(struct check *c, const struct client *client, const struct record *r)
{
    struct view *view = view_of(c, client, r->channel);
    if (view != NULL && (view->is_member || view->comes_and_goes)) {
        return; /* told again after identifying anew: what it must get began earlier */
    }
    if (view == NULL) {
        const uint32_t channel = channel_add(c, r->channel);
        NX_ASSERT(c->views != NULL);
        view = &c->views[c->views_count];
        *view =
            (struct view){.client = (uint32_t)(client - c->clients),
                          .channel = channel,
                          .comes_and_goes = tool_absence_is_known(&c->absences, client->user, r->channel)};
        put(&c->by_view, (uint64_t)view->client << 32 | channel, c->views_count++);
    }
    view->is_member = true;
    view->baseline = r->seq;
    view->joined_ns = r->ns;
}

static int32_t outage_at(const struct check *c, int64_t ns)
{
    int32_t found = NONE;
    for (uint32_t i = 0; i < c->outages_count; i++) {
        if (c->outages[i].kill_ns <= ns &&
            (found == NONE || c->outages[i].kill_ns > c->outages[found].kill_ns)) {
            found = (int32_t)i;
        }
    }
    return found;
}

/* The client is served again: counted once for each outage. */
static void back(struct check *c, struct client *client, int64_t ns, bool was_down)
{
    const int32_t at = outage_at(c, ns);
    if (at == NONE || client->outage == at || c->outages[at].back_ns == INT64_MIN ||
        (!was_down && c->outages[at].role != ROLE_CONTROL)) {
        return;
    }
    const int64_t late_ns = ns - c->outages[at].back_ns;
    client->outage = at;
    nx_metric_histogram_add(&c->result->back_ns[c->outages[at].role], late_ns > 0 ? (uint64_t)late_ns : 0);
    nx_metric_histogram_add(&c->result->back_all_ns, late_ns > 0 ? (uint64_t)late_ns : 0);
}

static void ready(struct check *c, uint32_t file, struct client *client, const struct record *r)
{
    if (r->kind == READY && client->was_ready) {
        fault(c, TOOL_CHECK_IDENTIFIED_AGAIN, file, r);
    }
    c->result->resumes += r->kind == RESUMED;
    if (client->is_down) {
        back(c, client, r->ns, true);
    }
    client->was_ready = true;
    client->is_down = false;
}

static void seen_one(struct check *c, uint32_t file, const struct record *r)
{
    if (r->kind == STORED || r->kind == DUMPED || r->kind == MARK || r->kind == CLIENT || r->kind == SEND ||
        r->kind == LEFT || r->kind == ENTERED || r->kind == 0 || r->kind >= KINDS) {
        return;
    }
    struct client *client = client_of(c, file, r);
    if (client == NULL) {
        fault(c, TOOL_CHECK_MALFORMED, file, r);
        return;
    }
    struct view *view = r->channel != 0 ? view_of(c, client, r->channel) : NULL;
    struct sent *sent = r->kind == REFUSE ? sent_of(c, r->hash) : NULL;
    switch (r->kind) {
    case JOIN:
        joined(c, client, r);
        break;
    case LEAVE:
        if (view != NULL) {
            view->is_member = false;
        }
        break;
    case ACK:
        acked(c, file, client, r);
        break;
    case REFUSE:
        if (sent != NULL && (r->flags & FLAG_FINAL) != 0) {
            sent->is_refused = true;
        }
        break;
    case DELIVER:
        delivered(c, file, view, r);
        break;
    case FETCHED:
        c->result->fetched++;
        if (shown(c, file, view, r)) {
            bit_set(c, view, &view->had, r->seq);
        }
        break;
    case EDIT:
    case DELETE:
        edited(c, file, view, r);
        break;
    case DOWN:
        client->is_down = true;
        break;
    case READY:
    case RESUMED:
        ready(c, file, client, r);
        break;
    case RESYNC:
        c->result->resyncs++;
        back(c, client, r->ns, false);
        break;
    case END:
        client->has_end = true;
        client->is_good = r->code == 1;
        break;
    default:
        break;
    }
}

/* ---- at the end ---- */

static bool was_entitled(struct check *c, const struct view *view, const struct stored *stored)
{
    const struct sent *sent = sent_of(c, stored->hash);
    return !view->comes_and_goes ||
           (sent != NULL && tool_absence_entitles(&c->absences, c->clients[view->client].user,
                                                  stored->channel, sent->first_ns));
}

static void view_judge(struct check *c, const struct view *view)
{
    const struct client *client = &c->clients[view->client];
    const struct channel *channel = &c->channels[view->channel];
    struct record r = {.client = client->number, .channel = channel->id, .ns = view->joined_ns};
    if ((!view->is_member && !view->comes_and_goes) || !client->is_good) {
        return;
    }
    for (uint32_t i = 0; i < channel->count; i++) {
        const struct stored *stored = &c->stored[channel->first + i];
        r.seq = stored->seq;
        r.id = stored->id;
        r.hash = stored->hash;
        if (stored->seq <= view->baseline) {
            const bool is_next_later =
                i + 1 == channel->count || c->stored[channel->first + i + 1].seq > view->baseline;
            if (is_next_later && stored->newest_ns > view->joined_ns) {
                fault(c, TOOL_CHECK_BASELINE, client->file, &r);
            }
        } else if (!bit_has(view->had, stored->seq) && was_entitled(c, view, stored)) {
            fault(c, TOOL_CHECK_MISSING, client->file, &r);
        }
    }
}

static void end_judge(struct check *c)
{
    for (uint32_t i = 0; i < c->views_count; i++) {
        view_judge(c, &c->views[i]);
    }
    for (uint32_t i = 0; i < c->clients_count; i++) {
        const struct record r = {.client = c->clients[i].number};
        if (!c->clients[i].has_end || !c->clients[i].is_good) {
            fault(c, TOOL_CHECK_NOT_BACK, c->clients[i].file, &r);
        }
    }
    for (uint32_t i = 0; i < c->sent_count; i++) {
        const struct sent *sent = &c->sent[i];
        const struct record r = {
            .channel = sent->channel, .id = sent->stored_id, .hash = sent->hash, .ns = sent->first_ns};
        if (sent->is_refused && sent->stored_id != 0) {
            fault(c, TOOL_CHECK_REFUSED_STORED, UINT32_MAX, &r);
        }
        c->result->unacked += sent->stored_id != 0 && sent->acked_id == 0;
    }
}

static bool heads_judge(struct check *c)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < c->files_count; i++) {
        const struct tool_check_file *f = &c->files[i];
        const struct record r = {.kind = 0};
        if (f->size < TOOL_CHECK_RECORD_SIZE || memcmp(f->bytes, "NEXUSHST", 8) != 0 ||
            get32(f->bytes + 8) != VERSION || f->size % TOOL_CHECK_RECORD_SIZE != 0) {
            fault(c, TOOL_CHECK_MALFORMED, i, &r);
        }
        records += f->size / TOOL_CHECK_RECORD_SIZE;
    }
    return records < INT32_MAX;
}

static bool tables_make(struct check *c)
{
    const uint64_t channels = c->counts[STORED] + c->counts[JOIN] + c->counts[DUMPED];
    c->stored = calloc(c->counts[STORED] + 1, sizeof(*c->stored));
    c->sent = calloc(c->counts[SEND] + 1, sizeof(*c->sent));
    c->channels = calloc(channels + 1, sizeof(*c->channels));
    c->clients = calloc(c->counts[CLIENT] + 1, sizeof(*c->clients));
    c->views = calloc(c->counts[JOIN] + 1, sizeof(*c->views));
    c->outages = calloc(c->counts[MARK] + 1, sizeof(*c->outages));
    c->absences.absences = calloc(c->counts[LEFT] + 1, sizeof(*c->absences.absences));
    return c->stored != NULL && c->sent != NULL && c->channels != NULL && c->clients != NULL &&
           c->views != NULL && c->outages != NULL && c->absences.absences != NULL &&
           map_make(c, 0, &c->by_id, c->counts[STORED]) && map_make(c, 1, &c->by_hash, c->counts[SEND]) &&
           map_make(c, 2, &c->by_channel, channels) && map_make(c, 3, &c->by_client, c->counts[CLIENT]) &&
           map_make(c, 4, &c->by_view, c->counts[JOIN]);
}

static void tables_free(struct check *c)
{
    for (uint32_t i = 0; i < c->views_count; i++) {
        free(c->views[i].had);
        free(c->views[i].edited);
    }
    free(c->stored);
    free(c->sent);
    free(c->channels);
    free(c->clients);
    free(c->views);
    free(c->outages);
    free(c->absences.absences);
    for (size_t i = 0; i < sizeof(c->blocks) / sizeof(c->blocks[0]); i++) {
        free(c->blocks[i]);
    }
}

enum nx_err tool_check_run(const struct tool_check_file *files, uint32_t files_count, FILE *say,
                           struct tool_check_result *out)
{
    struct check c = {.files = files, .files_count = files_count, .say = say, .result = out};
    *out = (struct tool_check_result){.records = 0};
    if (files_count > TOOL_CHECK_FILES_MAX || !heads_judge(&c)) {
        return NX_E_FULL;
    }
    each(&c, count_one);
    enum nx_err err = tables_make(&c) ? NX_OK : NX_E_NO_MEMORY;
    if (err == NX_OK) {
        each(&c, gather_one);
        stored_all(&c);
        each(&c, seen_one);
        end_judge(&c);
        err = c.is_short ? NX_E_NO_MEMORY : NX_OK;
        out->clients = c.clients_count;
        out->channels = c.channels_count;
        out->sent = c.sent_count;
        out->stored = c.stored_count;
    }
    tables_free(&c);
    return err;
}
