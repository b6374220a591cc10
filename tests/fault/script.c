#include "tests/fault/script.h"

#include "control/store/sqlite.h"
#include "engine/io/clock.h"
#include "engine/io/loop.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALICE = 11, GUILD = 1000, CHANNEL = 2000, SENTENCES = 30, CROWD = 20, PAGE = 100, CONTENT_SIZE = 400 };
static const int64_t NOW = 1800000000000;

static _Alignas(16) uint8_t memory[1 << 18];
static struct nx_arena arena;

static void wrong(struct script *s, const char *what, enum nx_err err)
{
    if (s->why[0] == '\0') {
        snprintf(s->why, sizeof s->why, "%.160s: %.60s", what, nx_err_text(err));
    }
}

static bool is_refusal(enum nx_err err)
{
    return err == NX_E_UNAVAILABLE || err == NX_E_NO_MEMORY;
}

/** Asks one question; anything but NX_OK and a refusal is wrong. */
static enum nx_err ask(struct script *s, const char *what, struct ctl_question question,
                       struct ctl_answer *answer)
{
    nx_arena_init(&arena, memory, sizeof memory);
    struct store_request request = {.question = question, .arena = &arena};
    request.question.now_ms = NOW;
    const nx_time start = nx_clock_now();
    const enum nx_err err = store_ask_now(s->store, &request);
    const int64_t ms = nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_MS;
    s->slowest_ms = ms > s->slowest_ms ? ms : s->slowest_ms;
    s->refused += is_refusal(err);
    if (err != NX_OK && !is_refusal(err)) {
        wrong(s, what, err);
    }
    if (answer != NULL) {
        *answer = request.answer;
    }
    return err;
}

/** As ask(); what is there already may be refused for that. */
static bool make(struct script *s, struct ctl_question question)
{
    struct store_request request = {.question = question};
    request.question.now_ms = NOW;
    const enum nx_err err = store_ask_now(s->store, &request);
    s->refused += is_refusal(err);
    if (err != NX_OK && err != NX_E_CONFLICT && !is_refusal(err)) {
        wrong(s, "make", err);
    }
    return err == NX_OK || err == NX_E_CONFLICT;
}

static void make_world(struct script *s)
{
    const struct nx_bytes name = nx_bytes_text("alice");
    s->has_world =
        s->has_world ||
        (make(s,
              (struct ctl_question){.kind = CTL_ASK_USER_CREATE,
                                    .user_create.user = {.id = ALICE, .username = name, .name_key = name}}) &&
         make(s,
              (struct ctl_question){
                  .kind = CTL_ASK_GUILD_CREATE,
                  .guild_create = {.guild = {.id = GUILD, .owner_id = ALICE, .name = nx_bytes_text("guild")},
                                   .channel = {.id = CHANNEL, .name = nx_bytes_text("general")}}}));
}

static struct nx_bytes content_of(uint32_t number, char out[CONTENT_SIZE])
{
    memset(out, (int)('a' + number % 26), CONTENT_SIZE);
    snprintf(out, CONTENT_SIZE, "%u ", number);
    out[strlen(out)] = ' ';
    return nx_bytes_of(out, 20 + number * 37 % (CONTENT_SIZE - 20));
}

static struct ctl_question sentence(uint32_t number, char content[CONTENT_SIZE], char nonce[16])
{
    return (struct ctl_question){
        .kind = CTL_ASK_MESSAGE_CREATE,
        .now_ms = NOW,
        .message_create = {.channel_id = CHANNEL,
                           .author_id = ALICE,
                           .content = content_of(number, content),
                           .nonce = nx_bytes_of(nonce, (size_t)snprintf(nonce, 16, "%u", number))}};
}

static void remember(struct script *s, const struct ctl_answer *answer, uint32_t number)
{
    if (s->said_count < SCRIPT_SAID_MAX) {
        s->said[s->said_count].id = answer->message.id;
        s->said[s->said_count].seq = answer->message.seq;
        s->said[s->said_count++].number = number;
    }
}

/** Says one thing; what is refused is said once more with the same nonce, as clients do. */
static bool say(struct script *s)
{
    char content[CONTENT_SIZE];
    char nonce[16];
    struct ctl_answer answer;
    const uint32_t number = s->number++;
    for (int i = 0; i < 2; i++) {
        if (ask(s, "say", sentence(number, content, nonce), &answer) == NX_OK) {
            remember(s, &answer, number);
            return true;
        }
    }
    return false;
}

struct one {
    struct store_request request;
    char content[CONTENT_SIZE];
    char nonce[16];
    uint32_t number;
    struct script *s;
};

static uint32_t crowd_left;

static void one_answered(struct store_request *request)
{
    struct one *one = (struct one *)(void *)request;
    crowd_left--;
    if (request->answer.verdict == NX_OK) {
        remember(one->s, &request->answer, one->number);
    } else if (!is_refusal(request->answer.verdict)) {
        wrong(one->s, "crowd", request->answer.verdict);
    }
}

/** Many at once: they share commits and their fate. */
static void say_crowd(struct script *s)
{
    static struct one crowd[CROWD];
    crowd_left = CROWD;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct one){.number = s->number++, .s = s};
        crowd[i].request.question = sentence(crowd[i].number, crowd[i].content, crowd[i].nonce);
        crowd[i].request.answered = one_answered;
        const enum nx_err err = store_ask(s->store, &crowd[i].request);
        if (err != NX_OK) {
            crowd_left--;
            wrong(s, "ask", err);
        }
    }
    while (crowd_left > 0) {
        nx_loop_turn(s->loop, NX_TIME_NEVER);
    }
}

uint32_t script_crowd(struct script *s, uint32_t *refused)
{
    const uint32_t said = s->said_count;
    const uint32_t asked = s->number;
    const nx_time start = nx_clock_now();
    say_crowd(s);
    const int64_t ms = nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_MS;
    s->slowest_ms = ms > s->slowest_ms ? ms : s->slowest_ms;
    *refused = s->number - asked - (s->said_count - said);
    return s->said_count - said;
}

/** Every row that is answered must be whole. */
static void rows_check(struct script *s, const struct ctl_answer *answer)
{
    const struct ctl_message_row *rows = answer->list.rows;
    if (answer->list.rows_count < (s->said_count < PAGE ? s->said_count : PAGE)) {
        wrong(s, "a page that is not whole was answered", NX_E_MALFORMED);
    }
    for (uint32_t i = 0; i < answer->list.rows_count; i++) {
        char content[CONTENT_SIZE];
        char nonce[16] = "";
        if (rows[i].nonce.size > 0 && rows[i].nonce.size < sizeof nonce) {
            memcpy(nonce, rows[i].nonce.at, rows[i].nonce.size);
        }
        const uint32_t number = (uint32_t)strtoul(nonce, NULL, 10);
        const struct nx_bytes said = content_of(number, content);
        if (rows[i].nonce.size == 0 || rows[i].content.size != said.size ||
            memcmp(rows[i].content.at, said.at, said.size) != 0) {
            wrong(s, "a row that is not whole was answered", NX_E_MALFORMED);
        }
    }
}

static bool read_all(struct script *s)
{
    struct ctl_answer answer;
    const enum nx_err err =
        ask(s, "list",
            (struct ctl_question){
                .kind = CTL_ASK_MESSAGES_LIST,
                .messages_list = {.channel_id = CHANNEL, .page = CTL_PAGE_AFTER_SEQ, .limit = PAGE}},
            &answer);
    if (err == NX_OK) {
        rows_check(s, &answer);
    }
    return err == NX_OK;
}

static void change_some(struct script *s)
{
    if (s->said_count < 2) {
        return;
    }
    /* The last one is edited to what it is, so that the check need not know; another one is deleted before it is remembered. */
    char content[CONTENT_SIZE];
    const uint32_t last = s->said_count - 1;
    (void)!ask(s, "edit",
               (struct ctl_question){.kind = CTL_ASK_MESSAGE_EDIT,
                                     .message_edit = {.channel_id = CHANNEL,
                                                      .message_id = s->said[last].id,
                                                      .author_id = ALICE,
                                                      .content = content_of(s->said[last].number, content)}},
               NULL);
    (void)!ask(
        s, "read state",
        (struct ctl_question){
            .kind = CTL_ASK_READ_STATE_PUT,
            .read_state_put = {.user_id = ALICE, .channel_id = CHANNEL, .message_id = s->said[last].id}},
        NULL);
    (void)!ask(s, "stats", (struct ctl_question){.kind = CTL_ASK_STATS}, NULL);
}

static void nothing_user(void *context, const struct ctl_user_row *row)
{
    (void)context, (void)row;
}
static void nothing_guild(void *context, const struct ctl_guild_row *row)
{
    (void)context, (void)row;
}
static void nothing_role(void *context, const struct ctl_role_row *row)
{
    (void)context, (void)row;
}
static void nothing_channel(void *context, const struct ctl_channel_row *row)
{
    (void)context, (void)row;
}
static void nothing_overwrite(void *context, const struct ctl_overwrite_row *row)
{
    (void)context, (void)row;
}
static void nothing_member(void *context, const struct ctl_member_row *row)
{
    (void)context, (void)row;
}

static const struct store_loader loader = {
    NULL, nothing_user, nothing_guild, nothing_role, nothing_channel, nothing_overwrite, nothing_member};

static enum nx_err open_at(struct store **out, const char *folder, const char *name, struct nx_loop *loop,
                           uint16_t node, char why[STORE_WHY_SIZE])
{
    char url[256];
    snprintf(url, sizeof url, "sqlite:%s/%s", folder, name);
    why[0] = '\0';
    return store_open(out, &(struct store_config){.url = url, .loop = loop, .node = node}, why);
}

static bool open_store(struct script *s)
{
    char why[STORE_WHY_SIZE];
    const enum nx_err err = open_at(&s->store, s->folder, "a.db", s->loop, 3, why);
    if (err == NX_OK) {
        return true;
    }
    s->store = NULL;
    s->refused++;
    if (err != NX_E_IO) {
        wrong(s, "open", err);
    }
    if (why[0] == '\0') {
        wrong(s, "open gives no reason", err);
    }
    return false;
}

void script_run(struct script *s)
{
    s->backed_up = UINT32_MAX;
    if (!open_store(s)) {
        return;
    }
    for (int i = 0; i < 3 && !s->has_world; i++) {
        make_world(s);
    }
    if (!s->has_world) {
        return;
    }
    for (int i = 0; i < SENTENCES; i++) {
        (void)say(s);
    }
    if (s->loop != NULL) {
        say_crowd(s);
    } else {
        (void)!store_sqlite_exec(s->store, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    (void)read_all(s);
    change_some(s);
    char path[256];
    snprintf(path, sizeof path, "%s/b.db", s->folder);
    const uint32_t count = s->said_count;
    const enum nx_err err = store_backup(s->store, path);
    if (err == NX_OK) {
        s->backed_up = count;
    } else if (err != NX_E_IO) {
        wrong(s, "backup", err);
    }
    s->refused += err != NX_OK;
    const enum nx_err load_err = store_load(s->store, &loader);
    s->refused += load_err != NX_OK;
    if (load_err != NX_OK && load_err != NX_E_IO) {
        wrong(s, "load", load_err);
    }
    for (int i = 0; i < 5; i++) {
        (void)say(s);
    }
}

bool script_read(struct script *s)
{
    return read_all(s);
}

void script_recover(struct script *s)
{
    if (s->store == NULL && !open_store(s)) {
        wrong(s, "opening again", NX_E_IO);
        return;
    }
    for (int i = 0; i < 3 && !s->has_world; i++) {
        make_world(s);
    }
    bool is_said = false;
    bool is_read = false;
    for (int i = 0; i < 3 && !(is_said && is_read); i++) {
        is_said = s->has_world && say(s);
        is_read = read_all(s);
    }
    if (!is_said || !is_read) {
        wrong(s, is_said ? "reading again" : "saying again", NX_E_UNAVAILABLE);
    }
}

void script_close(struct script *s)
{
    store_close(s->store);
    s->store = NULL;
}

static void check_counts(struct script *s, const char *path)
{
    static const char *const queries[] = {
        "SELECT count(*) - 1 FROM pragma_integrity_check WHERE integrity_check = 'ok'",
        "SELECT count(*) FROM pragma_foreign_key_check",
        "SELECT count(*) - count(DISTINCT nonce) FROM messages",
        "SELECT ifnull(max(seq), 0) - count(*) FROM messages",
        "SELECT (SELECT ifnull(max(seq), 0) FROM messages) - ifnull((SELECT max(last_seq) FROM channels), 0)",
    };
    sqlite3 *db = NULL;
    bool is_good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    for (size_t i = 0; is_good && i < sizeof queries / sizeof *queries; i++) {
        sqlite3_stmt *row = NULL;
        is_good = sqlite3_prepare_v2(db, queries[i], -1, &row, NULL) == SQLITE_OK &&
                  sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int64(row, 0) == 0;
        sqlite3_finalize(row);
        if (!is_good) {
            wrong(s, queries[i], NX_E_MALFORMED);
        }
    }
    if (!is_good) {
        wrong(s, path, NX_E_MALFORMED);
    }
    sqlite3_close(db);
}

void script_check(struct script *s, const char *folder, const char *name, uint32_t count)
{
    char why[STORE_WHY_SIZE];
    struct store *store = NULL;
    const enum nx_err err = open_at(&store, folder, name, NULL, 4, why);
    if (err != NX_OK) {
        wrong(s, why, err);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        nx_arena_init(&arena, memory, sizeof memory);
        struct store_request request = {
            .question = {.kind = CTL_ASK_MESSAGE_GET,
                         .now_ms = NOW,
                         .message_get = {.channel_id = CHANNEL, .message_id = s->said[i].id}},
            .arena = &arena};
        const enum nx_err got = store_ask_now(store, &request);
        char content[CONTENT_SIZE];
        const struct nx_bytes said = content_of(s->said[i].number, content);
        const struct ctl_message_row *row = &request.answer.message.row;
        if (got != NX_OK) {
            wrong(s, "an acknowledged message is lost", got);
        } else if (row->seq != s->said[i].seq || row->content.size != said.size ||
                   memcmp(row->content.at, said.at, said.size) != 0) {
            wrong(s, "an acknowledged message is another", NX_E_MALFORMED);
        }
    }
    store_close(store);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_counts(s, path);
}

void script_empty(const char *folder)
{
    DIR *open = opendir(folder);
    if (open == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        char path[512];
        snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        unlink(path);
    }
    closedir(open);
}
