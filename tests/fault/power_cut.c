/* power_cut.c - cuts the power of the machine under the SQLite store at random moments, and looks for what was acknowledged.
 *
 * Spec:    nothing that was answered is lost, doubled, changed or renumbered, whatever unflushed bytes the disk keeps
 * Layer:   tests/fault
 * usage:   power_cut FIRST_SEED CUTS        Exit code: 0 nothing found; 1 found something; 2 usage
 *          power_cut --off FIRST_SEED CUTS  with PRAGMA synchronous = OFF: 0 when loss is found, as it must be
 *          power_cut --lie FIRST_SEED CUTS  on a disk that only says that it flushes: the same
 *          power_cut --count                flushes per commit
 * Idiom:   A chain is one database and up to ten generations of a control on it. A generation is a child process: it opens the
 *          store (migrating it now and then), asks for messages from many askers while others read, back up and look back, and
 *          dies at a moment drawn from the seed, leaving the disk of that moment. What was answered stands in memory that the
 *          parent shares. The seed decides the moment and what the disk keeps; threads decide what was under way.
 */
#include "control/store/limits.h"
#include "control/store/sqlite.h"
#include "engine/base/prng.h"
#include "engine/io/clock.h"
#include "engine/io/loop.h"
#include "tests/fault/disk.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ASKERS = 48,
    READERS = 3,
    CHANNELS = 4,
    SAID_MAX = 1 << 14, /* messages of one asker in one chain */
    GENERATIONS = 10,
    BACKUPS_MAX = 4,
    STEPS_MAX = 16, /* migrations */
    CONTENT_MAX = 3000,
    ALICE = 11,
    GUILD = 1000,
    CHANNEL = 2000,
    EXIT_CUT = 42,
    CHILD_S = 60
};

enum power { POWER_SAFE, POWER_OFF, POWER_LIE };

/* What was asked and answered, shared with the child that dies. */
struct ledger {
    struct {
        uint64_t id; /* 0: not answered */
        uint64_t seq;
    } said[ASKERS][SAID_MAX];
    _Atomic uint32_t asked[ASKERS];
    _Atomic uint64_t answers;
    _Atomic uint32_t edits_asked;
    _Atomic uint32_t edits_answered;
    _Atomic uint32_t backups;             /* answered */
    uint32_t backed[BACKUPS_MAX][ASKERS]; /* answered messages when the backup began */
    bool is_edited_there;                 /* the message that is edited has its id */
    uint64_t edited_id;
    struct disk_counts counts; /* of the generation */
    _Atomic uint64_t commits;
    char why[512];
};

/* How one generation goes. */
struct plan {
    uint64_t seed;
    struct disk_cut cut;
    uint64_t answers_max; /* then it is over */
    size_t steps;         /* migrations beyond this program's */
    uint32_t backup_at;   /* after so many answers; 0 none */
    uint64_t flush_fails; /* the n-th flush fails; 0 none */
    bool is_closing;      /* closes the store at its end, before the power goes */
    enum power power;
};

struct totals {
    uint64_t cuts, answers, rows, checkpoints, truncates, commits, backups, migrations, flush_failures;
    uint64_t in_database, in_log, in_other; /* where the power went */
    uint64_t lost, changed, doubled, gaps, invented, corrupt;
};

struct asker {
    struct store_request request;
    uint32_t number;
    uint32_t count; /* under way */
    char nonce[32];
    char content[CONTENT_MAX];
};

struct reader {
    struct store_request request;
    struct nx_arena arena;
    _Alignas(16) uint8_t memory[1 << 19];
    uint32_t number;
};

static struct ledger *ledger;
static struct store *store;
static struct nx_loop *loop;
static struct plan plan;
static struct nx_prng prng;
static struct asker askers[ASKERS];
static struct reader readers[READERS];
static struct store_request editor;
static char edit[32];
static bool is_over;
static uint64_t answers_first;
static uint32_t under_way;

static const struct store_migration more[] = {
    {"fault_index", {"CREATE INDEX fault_author ON messages(author_id, seq)"}, "a"},
    {"fault_copy",
     {"CREATE TABLE fault_copy AS SELECT id, seq, content FROM messages", "UPDATE messages SET type = type"},
     "b"},
    {"fault_drop", {"DROP INDEX fault_author", "DROP TABLE fault_copy"}, "c"},
};

enum { MORE = sizeof more / sizeof *more };

static uint64_t below(uint64_t bound)
{
    return nx_prng_below(&prng, bound);
}

/* ---- a child ---- */

static void child_end(int code, const char *why)
{
    snprintf(ledger->why, sizeof ledger->why, "%s", why);
    _exit(code);
}

static void child_must(bool condition, const char *why)
{
    if (!condition) {
        child_end(1, why);
    }
}

static void on_cut(void)
{
    ledger->counts = disk_counts();
    _exit(EXIT_CUT);
}

/** What an asker says: the same for the same numbers, of very different sizes. */
static struct nx_bytes content_make(uint32_t number, uint32_t count, char out[CONTENT_MAX])
{
    struct nx_prng own;
    nx_prng_init(&own, (uint64_t)number << 32 | count);
    size_t size = 20 + (size_t)nx_prng_below(&own, 150);
    if (nx_prng_below(&own, 16) == 0) {
        size += (size_t)nx_prng_below(&own, CONTENT_MAX - 200);
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)('a' + nx_prng_below(&own, 26));
    }
    return nx_bytes_of(out, size);
}

static void asker_ask(struct asker *asker, uint32_t count);

static void asker_answered(struct store_request *request)
{
    struct asker *asker = (struct asker *)(void *)request;
    under_way--;
    const struct ctl_answer *answer = &request->answer;
    if (answer->verdict == NX_E_UNAVAILABLE && plan.flush_fails != 0) {
        if (!is_over) {
            asker_ask(asker, asker->count); /* As a client does: again, with the same nonce. */
        }
        return;
    }
    child_must(answer->verdict == NX_OK, nx_err_text(answer->verdict));
    if (ledger->said[asker->number][asker->count].id != 0) {
        child_must(answer->message.is_duplicate &&
                       ledger->said[asker->number][asker->count].id == answer->message.id &&
                       ledger->said[asker->number][asker->count].seq == answer->message.seq,
                   "a nonce said again got another id");
    }
    ledger->said[asker->number][asker->count].seq = answer->message.seq;
    ledger->said[asker->number][asker->count].id = answer->message.id;
    ledger->answers++;
    ledger->commits = store_stats(store).commits;
    if (asker->number == 0 && asker->count == 0 && !ledger->is_edited_there) {
        ledger->edited_id = answer->message.id;
        ledger->is_edited_there = true;
    }
    const uint32_t next = ledger->asked[asker->number];
    is_over = is_over || next == SAID_MAX;
    if (!is_over) {
        asker_ask(asker, next);
    }
}

static void asker_ask(struct asker *asker, uint32_t count)
{
    asker->count = count;
    if (count >= ledger->asked[asker->number]) {
        ledger->asked[asker->number] = count + 1;
    }
    const int size = snprintf(asker->nonce, sizeof asker->nonce, "%u-%u", asker->number, count);
    asker->request.question = (struct ctl_question){
        .kind = CTL_ASK_MESSAGE_CREATE,
        .now_ms = nx_clock_wall_ms(),
        .message_create = {.channel_id = CHANNEL + asker->number % CHANNELS,
                           .author_id = ALICE,
                           .content = content_make(asker->number, count, asker->content),
                           .nonce = nx_bytes_of(asker->nonce, (size_t)size)}};
    asker->request.answered = asker_answered;
    under_way++;
    child_must(store_ask(store, &asker->request) == NX_OK, "too many questions");
}

static void reader_ask(struct reader *reader);

static void reader_answered(struct store_request *request)
{
    struct reader *reader = (struct reader *)(void *)request;
    under_way--;
    child_must(request->answer.verdict == NX_OK, "a reader was refused");
    if (!is_over) {
        reader_ask(reader);
    }
}

static void reader_ask(struct reader *reader)
{
    nx_arena_init(&reader->arena, reader->memory, sizeof reader->memory);
    reader->request.arena = &reader->arena;
    reader->request.answered = reader_answered;
    reader->request.question = (struct ctl_question){
        .kind = CTL_ASK_MESSAGES_LIST,
        .now_ms = 1,
        .messages_list = {
            .channel_id = CHANNEL + reader->number % CHANNELS, .page = CTL_PAGE_AFTER_SEQ, .limit = 100}};
    under_way++;
    child_must(store_ask(store, &reader->request) == NX_OK, "too many questions");
}

static void editor_ask(void);

static void editor_answered(struct store_request *request)
{
    under_way--;
    if (request->answer.verdict == NX_OK) {
        ledger->edits_answered = ledger->edits_asked;
    } else {
        child_must(request->answer.verdict == NX_E_UNAVAILABLE && plan.flush_fails != 0,
                   "an edit was refused");
    }
    if (!is_over) {
        editor_ask();
    }
}

/** The first message of all is edited again and again; its content is how often. */
static void editor_ask(void)
{
    const int size = snprintf(edit, sizeof edit, "%u", ++ledger->edits_asked);
    editor.answered = editor_answered;
    editor.question = (struct ctl_question){.kind = CTL_ASK_MESSAGE_EDIT,
                                            .now_ms = nx_clock_wall_ms(),
                                            .message_edit = {.channel_id = CHANNEL,
                                                             .message_id = ledger->edited_id,
                                                             .author_id = ALICE,
                                                             .content = nx_bytes_of(edit, (size_t)size)}};
    under_way++;
    child_must(store_ask(store, &editor) == NX_OK, "too many questions");
}

/** What is there already from an earlier generation may be refused. */
static void make(struct ctl_question question)
{
    struct store_request request = {.question = question};
    enum nx_err err = NX_E_UNAVAILABLE;
    for (int i = 0; i < 10 && err == NX_E_UNAVAILABLE; i++) {
        err = store_ask_now(store, &request);
    }
    child_must(err == NX_OK || err == NX_E_CONFLICT, "the world cannot be made");
}

static void make_world(void)
{
    const struct nx_bytes name = nx_bytes_text("alice");
    make((struct ctl_question){.kind = CTL_ASK_USER_CREATE,
                               .now_ms = 1,
                               .user_create.user = {.id = ALICE, .username = name, .name_key = name}});
    make((struct ctl_question){
        .kind = CTL_ASK_GUILD_CREATE,
        .now_ms = 1,
        .guild_create = {.guild = {.id = GUILD, .owner_id = ALICE, .name = nx_bytes_text("guild")},
                         .channel = {.id = CHANNEL, .name = nx_bytes_text("general")}}});
    for (uint32_t i = 1; i < CHANNELS; i++) {
        make((struct ctl_question){
            .kind = CTL_ASK_CHANNEL_PUT,
            .now_ms = 1,
            .channel_put = {.id = CHANNEL + i, .guild_id = GUILD, .name = nx_bytes_text("other")}});
    }
}

static size_t steps_of(size_t extra, struct store_migration list[STEPS_MAX])
{
    memcpy(list, store_migrations, store_migrations_count * sizeof *list);
    memcpy(list + store_migrations_count, more, extra * sizeof *list);
    return store_migrations_count + extra;
}

static void open_at(const char *folder, size_t extra, struct nx_loop *on)
{
    char url[256];
    char why[STORE_WHY_SIZE] = "";
    struct store_migration list[STEPS_MAX];
    snprintf(url, sizeof url, "sqlite:%s/a.db", folder);
    const size_t count = steps_of(extra, list);
    const enum nx_err err = store_sqlite_open_with(
        &store, &(struct store_config){.url = url, .loop = on, .node = 3, .commit_window_us = 0}, list, count,
        why);
    child_must(err == NX_OK, why);
}

static void back_up(const char *folder)
{
    const uint32_t number = ledger->backups;
    if (number == BACKUPS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < ASKERS; i++) {
        uint32_t count = 0;
        while (count < SAID_MAX && ledger->said[i][count].id != 0) {
            count++;
        }
        ledger->backed[number][i] = count;
    }
    char path[256];
    snprintf(path, sizeof path, "%s/backup%u.db", folder, number);
    unlink(path); /* Of an earlier generation that never answered. */
    if (store_backup(store, path) == NX_OK) {
        ledger->backups++;
    } else {
        child_must(plan.flush_fails != 0, "no backup");
    }
}

static void askers_start(void)
{
    for (uint32_t i = 0; i < ASKERS; i++) {
        askers[i].number = i;
        /* First what was asked last, answered or not, and now and then something older. */
        const uint32_t asked = ledger->asked[i];
        asker_ask(&askers[i], asked == 0 ? 0 : (uint32_t)(below(4) == 0 ? below(asked) : asked - 1));
    }
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i].number = i;
        reader_ask(&readers[i]);
    }
}

static void child_run(const char *folder)
{
    char loop_why[NX_LOOP_WHY_SIZE];
    disk_install(folder, plan.seed);
    disk_lie(plan.power == POWER_LIE);
    disk_cut_set(&plan.cut);
    child_must(nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 16}, loop_why) == NX_OK,
               "no loop");
    open_at(folder, plan.steps, loop);
    if (plan.power == POWER_OFF) {
        child_must(store_sqlite_exec(store, "PRAGMA synchronous = OFF") == NX_OK, "synchronous");
    }
    make_world();
    if (plan.flush_fails != 0) {
        disk_fault_set(&(struct disk_fault){.calls = 1 << DISK_SYNC,
                                            .from = plan.flush_fails,
                                            .count = 1 + below(3),
                                            .code = SQLITE_IOERR_FSYNC});
    }
    answers_first = ledger->answers;
    askers_start();
    bool is_editing = false;
    while (ledger->answers - answers_first < plan.answers_max && !is_over) {
        nx_loop_turn(loop, NX_TIME_NEVER);
        if (ledger->is_edited_there && !is_editing) {
            is_editing = true;
            editor_ask();
        }
        if (plan.backup_at != 0 && ledger->answers - answers_first >= plan.backup_at) {
            plan.backup_at = 0;
            back_up(folder);
        }
    }
    is_over = true;
    while (under_way > 0) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    if (plan.is_closing) {
        struct store *closing = store;
        store = NULL;
        store_close(closing);
    }
    disk_cut_now();
}

/* ---- what the disk has ---- */

struct stored {
    uint64_t id;
    uint64_t seq;
};

static struct stored (*stored)[SAID_MAX];
static struct totals totals;

static void found(uint64_t *counter, const char *what, const char *detail)
{
    if (*counter < 5) {
        printf("  %s: %s\n", what, detail);
    }
    (*counter)++;
}

static void foundf(uint64_t *counter, const char *what, uint64_t a, uint64_t b)
{
    char detail[64];
    snprintf(detail, sizeof detail, "%lu %lu", (unsigned long)a, (unsigned long)b);
    found(counter, what, detail);
}

/** Runs a query of one column; every row that is not `expected` is a finding. */
static void query_expect(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *rows = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(rows);
        if (code == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(rows, 0);
            if (text == NULL || strcmp(text, expected) != 0) {
                found(&totals.corrupt, sql, text != NULL ? text : "NULL");
            }
        }
    }
    if (code != SQLITE_DONE) {
        found(&totals.corrupt, sql, sqlite3_errmsg(db));
    }
    sqlite3_finalize(rows);
}

static void row_check(sqlite3_stmt *row)
{
    const uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    const uint64_t channel = (uint64_t)sqlite3_column_int64(row, 1);
    const uint64_t seq = (uint64_t)sqlite3_column_int64(row, 2);
    const char *nonce = (const char *)sqlite3_column_text(row, 3);
    const char *content = (const char *)sqlite3_column_text(row, 4);
    const size_t size = (size_t)sqlite3_column_bytes(row, 4);
    char *end = NULL;
    const uint64_t number = nonce != NULL ? strtoul(nonce, &end, 10) : ASKERS;
    const uint64_t count = end != NULL && *end == '-' ? strtoul(end + 1, NULL, 10) : SAID_MAX;
    if (number >= ASKERS || count >= SAID_MAX || count >= ledger->asked[number] ||
        channel != CHANNEL + number % CHANNELS) {
        found(&totals.invented, "nobody said this", nonce != NULL ? nonce : "NULL");
        return;
    }
    if (stored[number][count].id != 0) {
        foundf(&totals.doubled, "a nonce is there twice", number, count);
    }
    stored[number][count] = (struct stored){id, seq};
    char expected[CONTENT_MAX];
    const struct nx_bytes said = content_make((uint32_t)number, (uint32_t)count, expected);
    const bool is_edited = ledger->is_edited_there && id == ledger->edited_id;
    if (!is_edited && (size != said.size || memcmp(content, said.at, size) != 0)) {
        foundf(&totals.changed, "other content", number, count);
    }
    if (is_edited && size != said.size) {
        const uint64_t edits = strtoul(content, NULL, 10);
        if (edits > ledger->edits_asked) {
            foundf(&totals.invented, "nobody edited so", edits, ledger->edits_asked);
        }
        if (edits < ledger->edits_answered) {
            foundf(&totals.lost, "an edit", edits, ledger->edits_answered);
        }
    } else if (is_edited && ledger->edits_answered > 0) {
        foundf(&totals.lost, "all edits", 0, ledger->edits_answered);
    }
}

/** All messages in order of their channels: numbers from 1 without gaps, ids rising, the channel's head at the last. */
static void rows_check(sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    uint64_t channel = 0;
    uint64_t seq = 0;
    uint64_t id = 0;
    int code = sqlite3_prepare_v2(
        db, "SELECT id, channel_id, seq, nonce, content FROM messages ORDER BY channel_id, seq", -1, &row,
        NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(row);
        if (code != SQLITE_ROW) {
            break;
        }
        totals.rows++;
        if ((uint64_t)sqlite3_column_int64(row, 1) != channel) {
            channel = (uint64_t)sqlite3_column_int64(row, 1);
            seq = id = 0;
        }
        if ((uint64_t)sqlite3_column_int64(row, 2) != seq + 1 ||
            (uint64_t)sqlite3_column_int64(row, 0) <= id) {
            foundf(&totals.gaps, "a gap or a turn after", channel, seq);
        }
        seq = (uint64_t)sqlite3_column_int64(row, 2);
        id = (uint64_t)sqlite3_column_int64(row, 0);
        row_check(row);
    }
    if (code != SQLITE_DONE) {
        found(&totals.corrupt, "messages", sqlite3_errmsg(db));
    }
    sqlite3_finalize(row);
}

/** Looks at a database. `answered` is how much of each asker must be there; NULL all that was answered. */
static void database_check(const char *path, const uint32_t *answered)
{
    sqlite3 *db = NULL;
    memset(stored, 0, sizeof(struct stored[ASKERS][SAID_MAX]));
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        found(&totals.corrupt, path, db != NULL ? sqlite3_errmsg(db) : "memory");
        sqlite3_close(db);
        totals.lost += answered != NULL;
        return;
    }
    query_expect(db, "PRAGMA integrity_check", "ok");
    query_expect(db, "PRAGMA foreign_key_check", "none");
    rows_check(db);
    query_expect(
        db,
        "SELECT c.id FROM channels c WHERE c.last_seq <>"
        " (SELECT ifnull(max(seq), 0) FROM messages m WHERE m.channel_id = c.id) OR c.last_message_id <>"
        " (SELECT ifnull(max(id), 0) FROM messages m WHERE m.channel_id = c.id)",
        "none");
    query_expect(db,
                 "SELECT m.nonce FROM messages m LEFT JOIN nonces n ON n.channel_id = m.channel_id AND"
                 " n.author_id = m.author_id AND n.nonce = m.nonce WHERE n.message_id IS NOT m.id",
                 "none");
    for (uint32_t i = 0; i < ASKERS; i++) {
        for (uint32_t count = 0; count < (answered != NULL ? answered[i] : ledger->asked[i]); count++) {
            const uint64_t id = ledger->said[i][count].id;
            if (id != 0 && stored[i][count].id == 0) {
                foundf(&totals.lost, "an acknowledged message", i, count);
            } else if (id != 0 &&
                       (stored[i][count].id != id || stored[i][count].seq != ledger->said[i][count].seq)) {
                foundf(&totals.changed, "another id or number", i, count);
            }
        }
    }
    sqlite3_close(db);
}

/* ---- folders ---- */

static void folder_empty(const char *folder)
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

static void folder_copy(const char *from, const char *to)
{
    folder_empty(to);
    DIR *open = opendir(from);
    for (const struct dirent *entry = open != NULL ? readdir(open) : NULL; entry != NULL;
         entry = readdir(open)) {
        char path[512];
        static char bytes[1 << 20];
        snprintf(path, sizeof path, "%s/%.200s", from, entry->d_name);
        FILE *in = entry->d_type == DT_REG ? fopen(path, "rb") : NULL;
        if (in == NULL) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%.200s", to, entry->d_name);
        FILE *out = fopen(path, "wb");
        for (size_t size = 1; out != NULL && size > 0;) {
            size = fread(bytes, 1, sizeof bytes, in);
            (void)!fwrite(bytes, 1, size, out);
        }
        fclose(in);
        if (out != NULL) {
            fclose(out);
        }
    }
    if (open != NULL) {
        closedir(open);
    }
}

/* ---- chains ---- */

static struct plan plan_draw(uint64_t seed, uint32_t generation, const char *after, enum power power)
{
    nx_prng_init(&prng, seed);
    struct plan drawn = {.seed = seed, .power = power, .answers_max = 300 + below(3000)};
    drawn.cut = (struct disk_cut){.file = DISK_FILES, .folder = after, .on_cut = on_cut};
    switch (below(8)) {
    case 0: /* while opening: creating, migrating, looking back */
        drawn.cut.at = 1 + below(generation == 0 ? 150 : 40);
        break;
    case 1:
    case 2: /* within some order of magnitude */
        drawn.cut.at = 1 + below(20ULL << below(9));
        break;
    case 3:
    case 4: /* in a checkpoint */
        drawn.cut.file = DISK_DATABASE;
        drawn.cut.at = 1 + below(4ULL << below(8));
        break;
    case 5: /* the first changes of the log after it was emptied are among these */
        drawn.cut.file = DISK_LOG;
        drawn.cut.at = 1 + below(2000);
        break;
    case 6: /* backups */
        drawn.backup_at = 1 + (uint32_t)below(300);
        drawn.cut.file = below(2) == 0 ? DISK_FILES : DISK_OTHER;
        drawn.cut.at = 400 + below(3000);
        break;
    default: /* at the end */
        drawn.is_closing = below(2) == 0;
        break;
    }
    drawn.steps = generation < 3 ? 0 : generation / 3;
    drawn.backup_at = below(6) == 0 && drawn.backup_at == 0 ? 200 : drawn.backup_at;
    drawn.flush_fails = below(4) == 0 ? 1 + below(30) : 0;
    return drawn;
}

/** Runs one generation in a child; false when it ended in another way than by a cut. */
static bool generation_run(const char *folder)
{
    ledger->why[0] = '\0';
    ledger->commits = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_S);
        child_run(folder);
        _exit(1);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != EXIT_CUT) {
        printf("  the child ended with status %x: %s\n", (unsigned)status, ledger->why);
        return false;
    }
    return true;
}

/** Opens what the disk has as the next control would, and looks at it and at its backups. */
static void generation_check(const char *after, const char *verify)
{
    folder_copy(after, verify);
    disk_install(verify, 1);
    char url[256];
    char path[256];
    char why[STORE_WHY_SIZE] = "";
    struct store_migration list[STEPS_MAX];
    snprintf(url, sizeof url, "sqlite:%s/a.db", verify);
    struct store *opened = NULL;
    const size_t count = steps_of(plan.steps, list);
    if (store_sqlite_open_with(&opened, &(struct store_config){.url = url, .node = 4}, list, count, why) ==
        NX_OK) {
        store_close(opened);
    } else {
        found(&totals.corrupt, "cannot be opened", why);
    }
    snprintf(path, sizeof path, "%s/a.db", verify);
    database_check(path, NULL);
    for (uint32_t i = 0; i < ledger->backups; i++) {
        static const uint32_t edits_any = 0;
        const uint32_t edits = ledger->edits_answered;
        ledger->edits_answered = edits_any; /* Edits go on after a backup. */
        snprintf(path, sizeof path, "%s/backup%u.db", verify, i);
        database_check(path, ledger->backed[i]);
        ledger->edits_answered = edits;
    }
    disk_remove();
    folder_empty(verify);
}

static uint64_t findings(void)
{
    return totals.lost + totals.changed + totals.doubled + totals.gaps + totals.invented + totals.corrupt;
}

static void add_up(void)
{
    const struct disk_counts *counts = &ledger->counts;
    totals.cuts++;
    totals.checkpoints += counts->checkpoints;
    totals.truncates += counts->truncates_log;
    totals.commits += ledger->commits;
    totals.flush_failures += counts->failed;
    totals.migrations += plan.steps > 0;
    if (plan.cut.file == DISK_DATABASE) {
        totals.in_database++;
    } else if (plan.cut.file == DISK_LOG) {
        totals.in_log++;
    } else {
        totals.in_other++;
    }
}

/** Cuts until `cuts` are made or something is found; what was found is told with the seed. False when a child failed. */
static bool chain_run(const char *base, uint64_t seed, uint64_t cuts, enum power power)
{
    char folders[3][128];
    static const char *const ends[] = {"a", "b", "verify"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(folders[i], sizeof folders[i], "%s/%s", base, ends[i]);
        (void)mkdir(folders[i], 0700);
    }
    memset(ledger, 0, sizeof *ledger);
    bool is_good = true;
    for (uint32_t generation = 0; generation < GENERATIONS && totals.cuts < cuts && is_good; generation++) {
        const char *now = folders[generation % 2];
        const char *after = folders[(generation + 1) % 2];
        folder_empty(after);
        plan = plan_draw(seed * GENERATIONS + generation, generation, after, power);
        const uint64_t before = findings();
        is_good = generation_run(now);
        if (is_good) {
            add_up();
            generation_check(after, folders[2]);
        }
        if (findings() > before || !is_good) {
            printf("seed %lu, generation %u: cut at %lu of file %d, %u steps, flush failure at %lu\n",
                   (unsigned long)seed, generation, (unsigned long)plan.cut.at, (int)plan.cut.file,
                   (unsigned)plan.steps, (unsigned long)plan.flush_fails);
            break;
        }
    }
    totals.answers += ledger->answers;
    totals.backups += ledger->backups;
    for (size_t i = 0; i < 3; i++) {
        folder_empty(folders[i]);
        rmdir(folders[i]);
    }
    return is_good;
}

static int cuts_run(const char *base, uint64_t first, uint64_t cuts, enum power power)
{
    bool is_good = true;
    const nx_time start = nx_clock_now();
    for (uint64_t seed = first; totals.cuts < cuts && is_good && (power != POWER_SAFE || findings() == 0);
         seed++) {
        is_good = chain_run(base, seed, cuts, power);
    }
    printf("{\"cuts\":%lu,\"in_checkpoints\":%lu,\"in_the_log\":%lu,\"answers\":%lu,\"rows_checked\":%lu,"
           "\"commits\":%lu,"
           "\"checkpoints\":%lu,\"logs_emptied\":%lu,\"backups\":%lu,\"with_migration\":%lu,\"flushes_"
           "failed\":%lu,",
           (unsigned long)totals.cuts, (unsigned long)totals.in_database, (unsigned long)totals.in_log,
           (unsigned long)totals.answers, (unsigned long)totals.rows, (unsigned long)totals.commits,
           (unsigned long)totals.checkpoints, (unsigned long)totals.truncates, (unsigned long)totals.backups,
           (unsigned long)totals.migrations, (unsigned long)totals.flush_failures);
    printf("\"lost\":%lu,\"changed\":%lu,\"doubled\":%lu,\"gaps\":%lu,\"invented\":%lu,\"corrupt\":%lu,\"s\":"
           "%.1f}\n",
           (unsigned long)totals.lost, (unsigned long)totals.changed, (unsigned long)totals.doubled,
           (unsigned long)totals.gaps, (unsigned long)totals.invented, (unsigned long)totals.corrupt,
           (double)nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_S);
    if (power != POWER_SAFE) {
        return is_good && totals.lost > 0 ? 0 : 1;
    }
    return is_good && findings() == 0 ? 0 : 1;
}

/* ---- flushes per commit ---- */

static int counts_run(const char *base)
{
    char why[NX_LOOP_WHY_SIZE];
    disk_install(base, 1);
    nx_prng_init(&prng, 1);
    child_must(nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 16}, why) == NX_OK,
               "no loop");
    open_at(base, 0, loop);
    make_world();
    int result = 0;
    for (int is_crowd = 0; is_crowd < 2; is_crowd++) {
        const struct disk_counts before = disk_counts();
        const struct store_stats stats = store_stats(store);
        is_over = false;
        if (is_crowd != 0) {
            askers_start();
        } else {
            asker_ask(&askers[0], 0);
        }
        while (ledger->answers < (is_crowd != 0 ? 20000 : 200)) {
            nx_loop_turn(loop, NX_TIME_NEVER);
        }
        is_over = true;
        while (under_way > 0) {
            nx_loop_turn(loop, NX_TIME_NEVER);
        }
        const struct disk_counts after = disk_counts();
        const uint64_t commits = store_stats(store).commits - stats.commits;
        const uint64_t rows = store_stats(store).commit_rows - stats.commit_rows;
        const uint64_t syncs = after.syncs_log - before.syncs_log;
        printf("{\"askers\":%d,\"commits\":%lu,\"rows_per_commit\":%.1f,\"flushes\":%lu,\"flushes_per_"
               "commit\":%.3f,"
               "\"flushes_of_a_new_log\":%lu,\"flushes_in_checkpoints\":%lu,\"checkpoints\":%lu,\"log_bytes_"
               "per_row\":%.0f}\n",
               is_crowd != 0 ? ASKERS : 1, (unsigned long)commits, (double)rows / (double)commits,
               (unsigned long)syncs, (double)syncs / (double)commits,
               (unsigned long)(after.syncs_log_head - before.syncs_log_head),
               (unsigned long)(after.syncs_checkpoint - before.syncs_checkpoint),
               (unsigned long)(after.checkpoints - before.checkpoints),
               (double)(after.bytes_log - before.bytes_log) / (double)rows);
        if (syncs > commits ||
            after.syncs_log_head - before.syncs_log_head > after.checkpoints - before.checkpoints) {
            printf("  more than one flush per commit\n");
            result = 1;
        }
    }
    store_close(store);
    nx_loop_close(loop);
    disk_remove();
    folder_empty(base);
    return result;
}

int main(int argc, char **argv)
{
    enum power power = POWER_SAFE;
    const bool is_counting = argc == 2 && strcmp(argv[1], "--count") == 0;
    if (argc == 4 && (strcmp(argv[1], "--off") == 0 || strcmp(argv[1], "--lie") == 0)) {
        power = strcmp(argv[1], "--off") == 0 ? POWER_OFF : POWER_LIE;
        argv++;
    } else if (argc != 3 && !is_counting) {
        fprintf(stderr, "usage: power_cut [--off|--lie] FIRST_SEED CUTS, or power_cut --count\n");
        return 2;
    }
    const char *base = getenv("TMPDIR");
    char folder[64];
    snprintf(folder, sizeof folder, "%.32s/power_cut_XXXXXX", base != NULL ? base : P_tmpdir);
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stored = calloc(1, sizeof(struct stored[ASKERS][SAID_MAX]));
    if (ledger == MAP_FAILED || stored == NULL || mkdtemp(folder) == NULL) {
        fprintf(stderr, "power_cut: no memory or no folder\n");
        return 1;
    }
    const int result = is_counting
                           ? counts_run(folder)
                           : cuts_run(folder, strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), power);
    rmdir(folder);
    free(stored);
    munmap(ledger, sizeof *ledger);
    return result;
}
