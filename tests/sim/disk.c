#include "tests/sim/disk.h"

#include "control/core/limits.h"
#include "control/store/backend.h"
#include "control/store/limits.h"
#include "engine/base/assert.h"
#include "engine/base/prng.h"
#include "engine/io/timer.h"
#include "engine/sim/host.h"

#include <stdlib.h>
#include <string.h>

enum { BELATED_MAX = 256, BELATED_MS_MAX = 1500 };

/* A message that is written a while after it was said not to be. */
struct belated {
    struct ctl_question question;
    nx_time due;
    uint8_t *bytes; /* owned: its content and nonce */
};

static struct {
    struct store *inner;
    struct nx_prng prng;
    struct disk_faults faults;
    struct disk_counts counts;
    nx_time down_until;
    struct belated belated[BELATED_MAX]; /* oldest first */
    uint32_t belated_count;
} disk;

/* What control has open: gone with it. */
struct proxy {
    struct store base;
    struct nx_list waiting;   /* not committed */
    struct nx_list committed; /* not answered */
    struct nx_timer commit;
    struct nx_timer answer;
    struct nx_timer belated;
};

enum fault { FAULT_NONE, FAULT_LOST, FAULT_AMBIGUOUS, FAULT_BELATED, FAULT_DOWN };

enum nx_err __real_store_open(struct store **out, const struct store_config *config,
                              char why[STORE_WHY_SIZE]);
enum nx_err __wrap_store_open(struct store **out, const struct store_config *config,
                              char why[STORE_WHY_SIZE]);

static bool happens(uint32_t one_in)
{
    return one_in != 0 && nx_prng_below(&disk.prng, one_in) == 0;
}

static enum fault fault_draw(void)
{
    if (happens(disk.faults.lost_one_in)) {
        disk.counts.lost++;
        return FAULT_LOST;
    }
    if (happens(disk.faults.ambiguous_one_in)) {
        disk.counts.ambiguous++;
        return FAULT_AMBIGUOUS;
    }
    if (happens(disk.faults.belated_one_in)) {
        return FAULT_BELATED;
    }
    return FAULT_NONE;
}

/* Writes what is due at `now`; all of it, when NULL. Whoever opens the database finds nothing on its way any more. */
static void belated_write(const nx_time *now)
{
    uint32_t kept = 0;
    struct nx_host *before = nx_host_enter(NULL);
    for (uint32_t i = 0; i < disk.belated_count; i++) {
        struct belated *one = &disk.belated[i];
        if (now != NULL && nx_time_before(*now, one->due)) {
            disk.belated[kept++] = *one;
            continue;
        }
        struct nx_arena arena;
        static uint8_t memory[CTL_CONTENT_MAX * 4 + 4096];
        nx_arena_init(&arena, memory, sizeof(memory));
        struct store_request request = {.question = one->question, .arena = &arena};
        (void)!store_ask_now(disk.inner, &request);
        free(one->bytes);
    }
    disk.belated_count = kept;
    (void)nx_host_enter(before);
}

/* Returns whether the question will be answered so late; only messages are. */
static bool belated_put(const struct ctl_question *question, nx_time now)
{
    if (question->kind != CTL_ASK_MESSAGE_CREATE || disk.belated_count == BELATED_MAX) {
        return false;
    }
    const struct nx_bytes content = question->message_create.content;
    const struct nx_bytes nonce = question->message_create.nonce;
    struct nx_host *before = nx_host_enter(NULL);
    struct belated *one = &disk.belated[disk.belated_count++];
    *one = (struct belated){.question = *question,
                            .due = nx_time_add_ms(now, (int64_t)nx_prng_below(&disk.prng, BELATED_MS_MAX)),
                            .bytes = malloc(content.size + nonce.size + 1)};
    memcpy(one->bytes, content.at, content.size);
    if (nonce.size != 0) {
        memcpy(one->bytes + content.size, nonce.at, nonce.size);
    }
    one->question.message_create.content = nx_bytes_of(one->bytes, content.size);
    one->question.message_create.nonce = nx_bytes_of(one->bytes + content.size, nonce.size);
    (void)nx_host_enter(before);
    disk.counts.belated++;
    return true;
}

static void on_belated(void *context)
{
    struct proxy *proxy = context;
    const nx_time now = nx_loop_now(proxy->base.loop);
    belated_write(&now);
    if (disk.belated_count != 0) {
        nx_timer_set_ms(proxy->base.loop, &proxy->belated, 50);
    }
}

static void commit_one(struct proxy *proxy, struct store_request *request, enum fault fault)
{
    const bool is_read = ctl_question_is_read(request->question.kind);
    const bool is_belated =
        fault == FAULT_BELATED && belated_put(&request->question, nx_loop_now(proxy->base.loop));
    if (is_belated && !nx_timer_is_set(&proxy->belated)) {
        nx_timer_set_ms(proxy->base.loop, &proxy->belated, 50);
    }
    if (fault == FAULT_DOWN) {
        request->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
        return;
    }
    if (!is_belated && (is_read || fault != FAULT_LOST)) {
        struct nx_host *before = nx_host_enter(NULL);
        (void)!store_ask_now(disk.inner, request);
        (void)nx_host_enter(before);
    }
    if (!is_read && fault != FAULT_NONE) {
        request->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
    }
}

static void on_commit(void *context)
{
    struct proxy *proxy = context;
    struct nx_list_link *link;
    bool has_writes = false;
    NX_LIST_EACH(one, &proxy->waiting)
    {
        has_writes =
            has_writes || !ctl_question_is_read(NX_LIST_ITEM(one, struct store_request, link)->question.kind);
    }
    enum fault fault = has_writes ? fault_draw() : FAULT_NONE;
    fault = disk_is_down(nx_loop_now(proxy->base.loop)) ? FAULT_DOWN : fault;
    disk.counts.commits += has_writes;
    while ((link = nx_list_pop_front(&proxy->waiting)) != NULL) {
        commit_one(proxy, NX_LIST_ITEM(link, struct store_request, link), fault);
        nx_list_push_back(&proxy->committed, link);
    }
    nx_timer_set_ms(proxy->base.loop, &proxy->answer, (int64_t)nx_prng_below(&disk.prng, 3));
}

static void commit_schedule(struct proxy *proxy)
{
    int64_t delay_ms = 1 + (int64_t)nx_prng_below(&disk.prng, 3);
    if (happens(disk.faults.late_one_in)) {
        disk.counts.late++;
        delay_ms += (int64_t)nx_prng_below(&disk.prng, disk.faults.late_ms_max + 1);
    }
    nx_timer_set_ms(proxy->base.loop, &proxy->commit, delay_ms);
}

static void on_answer(void *context)
{
    struct proxy *proxy = context;
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&proxy->committed)) != NULL) {
        struct store_request *request = NX_LIST_ITEM(link, struct store_request, link);
        proxy->base.stats.waiting--;
        request->answered(request);
    }
    if (!nx_list_is_empty(&proxy->waiting) && !nx_timer_is_set(&proxy->commit)) {
        commit_schedule(proxy);
    }
}

static enum nx_err proxy_ask(struct store *base, struct store_request *request)
{
    struct proxy *proxy = (struct proxy *)base;
    request->link = (struct nx_list_link){0};
    request->answer = (struct ctl_answer){0};
    nx_list_push_back(&proxy->waiting, &request->link);
    base->stats.questions++;
    base->stats.waiting++;
    if (!nx_timer_is_set(&proxy->commit) && !nx_timer_is_set(&proxy->answer)) {
        commit_schedule(proxy);
    }
    return NX_OK;
}

static enum nx_err proxy_ask_now(struct store *base, struct store_request *request)
{
    (void)base;
    return store_ask_now(disk.inner, request);
}

static enum nx_err proxy_load(struct store *base, const struct store_loader *loader)
{
    (void)base;
    return store_load(disk.inner, loader);
}

static enum nx_err proxy_backup(struct store *base, const char *path)
{
    (void)base;
    return store_backup(disk.inner, path);
}

static void proxy_close(struct store *base)
{
    struct proxy *proxy = (struct proxy *)base;
    while (base->stats.waiting != 0) {
        nx_loop_turn(base->loop, NX_TIME_NEVER);
    }
    nx_timer_cancel(base->loop, &proxy->commit);
    nx_timer_cancel(base->loop, &proxy->answer);
    nx_timer_cancel(base->loop, &proxy->belated);
    free(proxy);
}

static const struct store_backend BACKEND = {.scheme = "memory:",
                                             .close = proxy_close,
                                             .load = proxy_load,
                                             .ask = proxy_ask,
                                             .ask_now = proxy_ask_now,
                                             .backup = proxy_backup};

enum nx_err __wrap_store_open(struct store **out, const struct store_config *config, char why[STORE_WHY_SIZE])
{
    belated_write(NULL);
    if (config->loop != NULL && disk_is_down(nx_loop_now(config->loop))) {
        strcpy(why, "the database is down");
        return NX_E_IO;
    }
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    if (proxy == NULL) {
        return NX_E_NO_MEMORY;
    }
    proxy->base = (struct store){.backend = &BACKEND, .loop = config->loop};
    nx_list_init(&proxy->waiting);
    nx_list_init(&proxy->committed);
    nx_timer_init(&proxy->commit, on_commit, proxy);
    nx_timer_init(&proxy->answer, on_answer, proxy);
    nx_timer_init(&proxy->belated, on_belated, proxy);
    *out = &proxy->base;
    return NX_OK;
}

void disk_open(uint64_t seed)
{
    const struct store_config config = {.url = "memory:"};
    char why[STORE_WHY_SIZE] = "";
    nx_prng_init(&disk.prng, seed);
    disk.faults = (struct disk_faults){0};
    disk.counts = (struct disk_counts){0};
    disk.down_until = (nx_time){0};
    const enum nx_err err = __real_store_open(&disk.inner, &config, why);
    NX_ASSERT(err == NX_OK);
}

void disk_close(void)
{
    belated_write(NULL);
    store_close(disk.inner);
    disk.inner = NULL;
}

void disk_faults_set(const struct disk_faults *faults)
{
    disk.faults = *faults;
}

void disk_down(nx_time until)
{
    disk.down_until = until;
}

bool disk_is_down(nx_time now)
{
    return nx_time_before(now, disk.down_until);
}

struct disk_counts disk_counts(void)
{
    return disk.counts;
}

struct ctl_answer disk_ask(const struct ctl_question *question, struct nx_arena *arena)
{
    struct store_request request = {.question = *question, .arena = arena};
    (void)!store_ask_now(disk.inner, &request);
    return request.answer;
}

uint32_t disk_messages(uint64_t channel_id, uint64_t after_seq, struct nx_arena *arena,
                       const struct ctl_message_row **rows)
{
    struct ctl_question question = {.kind = CTL_ASK_MESSAGES_LIST};
    question.messages_list.channel_id = channel_id;
    question.messages_list.page = CTL_PAGE_AFTER_SEQ;
    question.messages_list.anchor = after_seq;
    question.messages_list.limit = 100;
    const struct ctl_answer answer = disk_ask(&question, arena);
    NX_ASSERT(answer.verdict == NX_OK);
    *rows = answer.list.rows;
    return answer.list.rows_count;
}
