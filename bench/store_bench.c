/* store_bench.c - how many durable messages per second the store takes from many askers, and how fast it loads.
 *
 * Spec:    closed loop: each of N askers asks for a message with a nonce, and for the next when it is answered
 * Layer:   bench
 * usage:   store_bench FILE [askers] [channels] [seconds] [commit window us]     FILE is made new
 *          store_bench --load FILE USERS GUILDS                                  fills FILE, then measures store_load()
 */
#include "control/store/store.h"
#include "engine/io/clock.h"
#include "engine/io/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { USER = 1000, GUILD = 2000, CHANNEL_FIRST = 10000 };

struct asker {
    struct store_request request;
    uint64_t count;
    uint32_t number;
    nx_time asked_at;
    char nonce[32];
};

static struct store *store;
static struct nx_loop *loop;
static bool is_over;
static uint32_t under_way;
static uint64_t answered_count;
static uint32_t channels_count;
static uint32_t histogram[100000]; /* of 100 us */
static const char content[] =
    "A message of about one hundred and fifty bytes, as people write them to each other: neither"
    " very long nor just a word, with a little to say.";

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "store_bench: %s\n", what);
        exit(1);
    }
}

static void ask(struct asker *asker);

static void answered(struct store_request *request)
{
    struct asker *asker = (struct asker *)(void *)request;
    must(request->answer.verdict == NX_OK, nx_err_text(request->answer.verdict));
    const int64_t us = nx_time_since_ns(nx_clock_now(), asker->asked_at) / NX_TIME_NS_PER_US;
    histogram[us / 100 < 99999 ? us / 100 : 99999]++;
    answered_count++;
    under_way--;
    if (!is_over) {
        ask(asker);
    }
}

static void ask(struct asker *asker)
{
    const int size = snprintf(asker->nonce, sizeof asker->nonce, "%08x%016lx", asker->number,
                              (unsigned long)asker->count++);
    asker->request.question =
        (struct ctl_question){.kind = CTL_ASK_MESSAGE_CREATE,
                              .now_ms = nx_clock_wall_ms(),
                              .message_create = {.channel_id = CHANNEL_FIRST + asker->number % channels_count,
                                                 .author_id = USER + asker->number,
                                                 .content = nx_bytes_of(content, sizeof content - 1),
                                                 .nonce = nx_bytes_of(asker->nonce, (size_t)size)}};
    asker->request.answered = answered;
    asker->asked_at = nx_clock_now();
    under_way++;
    must(store_ask(store, &asker->request) == NX_OK, "too many questions");
}

static void ask_now(struct ctl_question question)
{
    struct store_request request = {.question = question};
    const enum nx_err err = store_ask_now(store, &request);
    must(err == NX_OK, nx_err_text(err));
}

static void open_store(const char *path, uint32_t window_us)
{
    char url[4096];
    char why[STORE_WHY_SIZE];
    char loop_why[NX_LOOP_WHY_SIZE];
    snprintf(url, sizeof url, "sqlite:%s", path);
    if (loop == NULL) {
        must(nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 64}, loop_why) == NX_OK,
             "no loop");
    }
    must(
        store_open(&store,
                   &(struct store_config){.url = url, .loop = loop, .node = 1, .commit_window_us = window_us},
                   why) == NX_OK,
        why);
}

static void remove_database(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static struct nx_bytes numbered(char text[32], const char *word, uint64_t number)
{
    return nx_bytes_of(text, (size_t)snprintf(text, 32, "%s%lu", word, (unsigned long)number));
}

static void make_user(uint64_t id)
{
    char name[32];
    const struct nx_bytes text = numbered(name, "user", id);
    ask_now((struct ctl_question){
        .kind = CTL_ASK_USER_CREATE,
        .user_create.user = {.id = id,
                             .username = text,
                             .name_key = text,
                             .password_hash =
                                 nx_bytes_text("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$"
                                               "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"),
                             .created_ms = 1}});
}

static uint32_t percentile(double part)
{
    uint64_t left = (uint64_t)((double)answered_count * part);
    uint32_t bucket = 0;
    while (bucket < 99999 && left > histogram[bucket]) {
        left -= histogram[bucket++];
    }
    return bucket * 100;
}

static void run_messages(const char *path, uint32_t askers_count, int64_t seconds, uint32_t window_us)
{
    remove_database(path);
    open_store(path, window_us);
    make_user(USER);
    ask_now((struct ctl_question){
        .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = GUILD, .owner_id = USER, .name = nx_bytes_text("guild")},
                         .channel = {.id = CHANNEL_FIRST, .name = nx_bytes_text("general")}}});
    for (uint32_t i = 1; i < channels_count; i++) {
        ask_now((struct ctl_question){
            .kind = CTL_ASK_CHANNEL_PUT,
            .channel_put = {.id = CHANNEL_FIRST + i, .guild_id = GUILD, .name = nx_bytes_text("general")}});
    }
    const struct store_stats before = store_stats(store);
    struct asker *askers = calloc(askers_count, sizeof *askers);
    const nx_time start = nx_clock_now();
    const clock_t cpu_start = clock();
    for (uint32_t i = 0; i < askers_count; i++) {
        askers[i].number = i;
        ask(&askers[i]);
    }
    while (nx_time_since_ns(nx_clock_now(), start) < seconds * NX_TIME_NS_PER_S) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    const uint64_t count = answered_count;
    const double elapsed_s = (double)nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_S;
    const double cpu_s = (double)(clock() - cpu_start) / CLOCKS_PER_SEC;
    is_over = true;
    while (under_way > 0) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    const struct store_stats after = store_stats(store);
    struct store_request request = {.question.kind = CTL_ASK_STATS};
    must(store_ask_now(store, &request) == NX_OK, "stats");
    printf("{\"askers\":%u,\"channels\":%u,\"window_us\":%u,\"per_s\":%.0f,\"rows_per_commit\":%.1f,"
           "\"commits_per_s\":%.0f,"
           "\"commit_ms_max\":%.1f,\"p50_us\":%u,\"p99_us\":%u,\"cpu_us_per_message\":%.2f,\"wal_mib\":%.1f,"
           "\"db_mib\":%.1f}\n",
           askers_count, channels_count, window_us, (double)count / elapsed_s,
           (double)(after.commit_rows - before.commit_rows) / (double)(after.commits - before.commits),
           (double)(after.commits - before.commits) / elapsed_s,
           (double)after.commit_ns_max / NX_TIME_NS_PER_MS, percentile(0.5), percentile(0.99),
           cpu_s * 1e6 / (double)count, (double)request.answer.stats.wal_bytes / 1048576,
           (double)request.answer.stats.database_bytes / 1048576);
    must(request.answer.stats.messages == answered_count, "messages are missing");
    store_close(store);
    free(askers);
}

struct counted {
    uint64_t users, guilds, roles, channels, overwrites, members;
};

#define COUNTER(noun)                                                                                        \
    static void count_##noun(void *context, const struct ctl_##noun##_row *row)                              \
    {                                                                                                        \
        (void)row;                                                                                           \
        ((struct counted *)context)->noun##s++;                                                              \
    }
COUNTER(user)
COUNTER(guild)
COUNTER(role)
COUNTER(channel)
COUNTER(overwrite)
COUNTER(member)

struct filler {
    struct store_request request;
    char name[32];
};

static void filled(struct store_request *request)
{
    must(request->answer.verdict == NX_OK, nx_err_text(request->answer.verdict));
    under_way--;
    free(request);
}

static void fill(const struct ctl_question *question, const char *word, uint64_t number)
{
    struct filler *filler = calloc(1, sizeof *filler);
    const struct nx_bytes name = numbered(filler->name, word, number);
    filler->request.question = *question;
    filler->request.answered = filled;
    if (question->kind == CTL_ASK_USER_CREATE) {
        filler->request.question.user_create.user.username = name;
        filler->request.question.user_create.user.name_key = name;
    }
    while (store_ask(store, &filler->request) != NX_OK) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    under_way++;
}

static void run_load(const char *path, uint64_t users, uint64_t guilds)
{
    remove_database(path);
    open_store(path, 0);
    const nx_time fill_start = nx_clock_now();
    for (uint64_t i = 1; i <= users; i++) {
        fill(&(struct ctl_question){.kind = CTL_ASK_USER_CREATE,
                                    .user_create.user = {.id = i, .created_ms = 1}},
             "user", i);
    }
    for (uint64_t i = 1; i <= guilds; i++) {
        fill(
            &(struct ctl_question){
                .kind = CTL_ASK_GUILD_CREATE,
                .guild_create = {.guild = {.id = i << 20, .owner_id = i, .name = nx_bytes_text("guild")},
                                 .everyone = {.name = nx_bytes_text("@everyone")},
                                 .channel = {.id = (i << 20) + 1, .name = nx_bytes_text("general")}}},
            "", i);
    }
    for (uint64_t i = guilds + 1; i <= users; i++) {
        fill(&(struct ctl_question){.kind = CTL_ASK_MEMBER_ADD,
                                    .member_add = {.guild_id = (i % guilds + 1) << 20, .user_id = i}},
             "", i);
    }
    while (under_way > 0) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    const double fill_s = (double)nx_time_since_ns(nx_clock_now(), fill_start) / NX_TIME_NS_PER_S;
    store_close(store);
    open_store(path, 0);
    struct counted counted = {0};
    const struct store_loader loader = {&counted,      count_user,      count_guild, count_role,
                                        count_channel, count_overwrite, count_member};
    const nx_time start = nx_clock_now();
    must(store_load(store, &loader) == NX_OK, "load");
    printf("{\"users\":%lu,\"guilds\":%lu,\"members\":%lu,\"fill_s\":%.2f,\"load_ms\":%.1f}\n",
           (unsigned long)counted.users, (unsigned long)counted.guilds, (unsigned long)counted.members,
           fill_s, (double)nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_MS);
    store_close(store);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--load") == 0) {
        run_load(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
        return 0;
    }
    must(argc >= 2 && argv[1][0] != '-', "usage: store_bench FILE [askers] [channels] [seconds] [window us]");
    channels_count = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 100;
    run_messages(argv[1], argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000,
                 argc > 4 ? strtol(argv[4], NULL, 10) : 5,
                 argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0);
    return 0;
}
