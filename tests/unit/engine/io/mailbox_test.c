/* Goal: letters arrive once, in the sender's order, between running shards and from threads without a loop.
 * Method: real threads; meant to run under ThreadSanitizer too. */
#include "engine/io/limits.h"
#include "engine/io/mailbox.h"
#include "engine/io/mem.h"
#include "engine/io/shard.h"
#include "engine/io/worker.h"
#include "tests/unit/engine/io/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LETTERS = 20000, IN_FLIGHT = 64 };

struct letter {
    struct nx_mail mail;
    int number;
    int payload; /* plain memory: ThreadSanitizer checks that the hand-over orders it */
    struct player *home;
};

/* Two shards send each other numbered letters, each going home when it was read. */
struct player {
    struct nx_loop *loop;
    struct nx_mailbox *box;
    struct player *other;
    struct letter letters[IN_FLIGHT];
    int next_number;
    int expected;
    int home_count;
    bool is_done;
};

static struct player players[2];
static atomic_int players_ready;
static atomic_int players_done;

static void letter_home(struct nx_mail *mail, void *context);

static void letter_read(struct nx_mail *mail, void *context)
{
    struct player *player = context;
    struct letter *letter = (struct letter *)(void *)mail;
    CHECK(letter->number == player->expected, "letter %d, expected %d", letter->number, player->expected);
    CHECK(letter->payload == letter->number * 3, "payload");
    player->expected++;
    letter->payload = -letter->number;
    letter->mail.receive = letter_home;
    CHECK(nx_mailbox_post(letter->home->box, player->loop, mail) == NX_OK, "home");
}

static void letter_send(struct player *player, struct letter *letter)
{
    if (player->next_number < LETTERS) {
        letter->number = player->next_number++;
        letter->payload = letter->number * 3;
        letter->home = player;
        letter->mail.receive = letter_read;
        CHECK(nx_mailbox_post(player->other->box, player->loop, &letter->mail) == NX_OK, "post");
    }
}

static void letter_home(struct nx_mail *mail, void *context)
{
    struct player *player = context;
    struct letter *letter = (struct letter *)(void *)mail;
    CHECK(letter->payload == -letter->number, "came back changed");
    player->home_count++;
    letter_send(player, letter);
    if (player->home_count == LETTERS) {
        player->is_done = true;
        atomic_fetch_add(&players_done, 1);
    }
}

static struct nx_mail start_mails[2];

static void player_begin(struct nx_mail *mail, void *context)
{
    struct player *player = context;
    (void)mail;
    for (int i = 0; i < IN_FLIGHT; i++) {
        letter_send(player, &player->letters[i]);
    }
}

static enum nx_err player_start(void *context, uint32_t index, struct nx_loop *loop, void **state)
{
    struct player *player = &players[index];
    (void)context;
    *player = (struct player){.loop = loop, .other = &players[!index]};
    *state = player;
    const enum nx_err err = nx_mailbox_open(&player->box, loop, player);
    atomic_fetch_add(&players_ready, 1);
    return err;
}

static void player_end(void *state)
{
    nx_mailbox_close(((struct player *)state)->box);
}

static void play(enum nx_loop_features features)
{
    struct nx_shard_set *set = NULL;
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_shard_config config = {
        .count = 2,
        .is_pinned = true,
        .name = "player",
        .loop = {.streams_max = 16, .receive_buffers_count = 16, .features = features},
        .on_start = player_start,
        .on_end = player_end};
    atomic_store(&players_done, 0);
    CHECK(nx_shard_open(&set, &config, why) == NX_OK, "%s", why);
    CHECK(nx_shard_count(set) == 2, "two");
    for (int i = 0; i < 2; i++) {
        start_mails[i].receive = player_begin;
        CHECK(nx_mailbox_post(players[i].box, NULL, &start_mails[i]) == NX_OK,
              "from a thread without a loop");
    }
    const nx_time end = nx_time_add_ms(nx_clock_now(), 60000);
    while (atomic_load(&players_done) < 2) {
        CHECK(nx_time_before(nx_clock_now(), end), "60 s are over");
        usleep(1000);
    }
    nx_shard_stop(set);
    nx_shard_close(set);
    CHECK(players[0].expected == LETTERS && players[1].expected == LETTERS, "all read");
}

TEST(mailbox, two_shards_exchange_letters)
{
    play(NX_LOOP_FEATURES_ALL);
    play(NX_LOOP_FEATURES_6_1);
}

static enum nx_err refuse_start(void *context, uint32_t index, struct nx_loop *loop, void **state)
{
    (void)context;
    (void)loop;
    *state = NULL;
    return index == 1 ? NX_E_TIMEOUT : NX_OK;
}

TEST(mailbox, a_shard_that_cannot_start_ends_all)
{
    struct nx_shard_set *set = NULL;
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_shard_config config = {.count = 3,
                                           .name = "no",
                                           .loop = {.streams_max = 16, .receive_buffers_count = 16},
                                           .on_start = refuse_start};
    CHECK(nx_shard_open(&set, &config, why) == NX_E_TIMEOUT && strstr(why, "shard 1") != NULL, "%s", why);
    CHECK(set == NULL, "untouched");
}

static int received_count;

static void letter_count(struct nx_mail *mail, void *context)
{
    (void)mail;
    (void)context;
    received_count++;
}

TEST(mailbox, a_full_box_refuses_and_posting_to_oneself_works)
{
    const struct nx_loop_config config = {.streams_max = 16, .receive_buffers_count = 16};
    struct nx_loop *loop = fixture_loop(&config);
    struct nx_mailbox *box = NULL;
    struct nx_mail mail = {.receive = letter_count};
    CHECK(nx_mailbox_open(&box, loop, NULL) == NX_OK, "open");
    for (int i = 0; i < NX_MAILBOX_MAIL_MAX; i++) {
        CHECK(nx_mailbox_post(box, loop, &mail) == NX_OK, "letter %d", i);
    }
    CHECK(nx_mailbox_post(box, loop, &mail) == NX_E_FULL, "full");
    received_count = 0;
    FIXTURE_UNTIL(loop, received_count == NX_MAILBOX_MAIL_MAX);
    CHECK(nx_mailbox_post(box, NULL, &mail) == NX_OK, "room again");
    FIXTURE_UNTIL(loop, received_count == NX_MAILBOX_MAIL_MAX + 1);
    nx_mailbox_close(box);
    nx_loop_close(loop);
}

struct work {
    struct nx_job job;
    int input;
    int output;
    int order;
};

static int done_count;
static atomic_bool is_gate_open;

static void work_run(struct nx_job *job)
{
    struct work *work = (struct work *)(void *)job;
    while (!atomic_load(&is_gate_open)) {
        usleep(500);
    }
    work->output = work->input * 2;
}

static void work_done(struct nx_job *job)
{
    struct work *work = (struct work *)(void *)job;
    work->order = done_count++;
}

TEST(worker, runs_jobs_elsewhere_and_refuses_when_full)
{
    enum { JOBS = 32 };
    static struct work works[JOBS + 1];
    const struct nx_loop_config config = {.streams_max = 16, .receive_buffers_count = 16};
    struct nx_loop *loop = fixture_loop(&config);
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        struct nx_worker *worker = NULL;
        const struct nx_worker_config pool = {.name = "test", .threads = threads, .queue_max = JOBS};
        CHECK(nx_worker_open(&worker, loop, &pool) == NX_OK, "open");
        done_count = 0;
        atomic_store(&is_gate_open, false);
        for (int i = 0; i < JOBS; i++) {
            works[i] = (struct work){.job = {.run = work_run, .done = work_done}, .input = i};
            CHECK(nx_worker_submit(worker, &works[i].job) == NX_OK, "submit %d", i);
        }
        CHECK(nx_worker_pending(worker) == JOBS, "%u pending", nx_worker_pending(worker));
        CHECK(nx_worker_submit(worker, &works[JOBS].job) == NX_E_FULL, "full");
        nx_loop_turn(loop, nx_time_add_ms(nx_clock_now(), 2));
        CHECK(done_count == 0, "none is done behind the gate");
        atomic_store(&is_gate_open, true);
        FIXTURE_UNTIL(loop, done_count == JOBS);
        for (int i = 0; i < JOBS; i++) {
            CHECK(works[i].output == 2 * i && (threads > 1 || works[i].order == i), "job %d", i);
        }
        CHECK(nx_worker_pending(worker) == 0, "none pending");
        nx_worker_close(worker);
    }
    nx_loop_close(loop);
}

TEST(worker, closes_with_jobs_waiting)
{
    static struct work works[8];
    const struct nx_loop_config config = {.streams_max = 16, .receive_buffers_count = 16};
    struct nx_loop *loop = fixture_loop(&config);
    struct nx_worker *worker = NULL;
    const struct nx_worker_config pool = {.name = "test", .threads = 2, .queue_max = 8};
    CHECK(nx_worker_open(&worker, loop, &pool) == NX_OK, "open");
    atomic_store(&is_gate_open, true);
    done_count = 0;
    for (int i = 0; i < 8; i++) {
        works[i] = (struct work){.job = {.run = work_run, .done = work_done}};
        CHECK(nx_worker_submit(worker, &works[i].job) == NX_OK, "submit");
    }
    nx_worker_close(worker);
    nx_loop_turn(loop, nx_time_add_ms(nx_clock_now(), 5));
    CHECK(done_count == 0, "dropped without done");
    nx_mem_fail_at(1);
    CHECK(nx_worker_open(&worker, loop, &pool) == NX_E_NO_MEMORY, "no memory");
    nx_mem_fail_at(0);
    nx_loop_close(loop);
}
