/* Goal: a good history is good, and every way of breaking it that the checker knows is found and named. */
#include "loadtest/history.h"
#include "tests/lib/check.h"
#include "tools/histcheck/check.h"

#include <string.h>

enum { ROOM = 256, A = 100, B = 200, ANN = 10, BOB = 11, EVE = 12, GATEWAYD = 0, CONTROL = 1 };

/* One file as records; the time of each is its place, unless it says otherwise. */
struct file {
    struct load_history_record records[ROOM];
    int64_t ns[ROOM];
    uint32_t count;
    int64_t now_ns;
};

static struct file clients;
static struct file stored;
static struct tool_check_result result;

static void add(struct file *file, struct load_history_record record)
{
    file->now_ns += 1000;
    file->ns[file->count] = file->now_ns;
    file->records[file->count++] = record;
}

static void put64(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t bytes_of(const struct file *file, uint8_t *out)
{
    memset(out, 0, LOAD_HISTORY_RECORD_SIZE);
    memcpy(out, "NEXUSHST\1", 9);
    for (uint32_t i = 0; i < file->count; i++) {
        const struct load_history_record *r = &file->records[i];
        uint8_t *at = out + (size_t)(i + 1) * LOAD_HISTORY_RECORD_SIZE;
        at[0] = r->kind;
        at[1] = r->flags;
        put64(at + 2, r->code, 2);
        put64(at + 4, r->client, 4);
        put64(at + 8, r->kind == LOAD_HISTORY_STORED ? r->author : (uint64_t)file->ns[i], 8);
        put64(at + 16, r->channel, 8);
        put64(at + 24, r->id, 8);
        put64(at + 32, r->hash, 8);
        put64(at + 40, r->seq, 4);
        put64(at + 44, r->extra, 4);
    }
    return (uint64_t)(file->count + 1) * LOAD_HISTORY_RECORD_SIZE;
}

static void judge(void)
{
    static uint8_t bytes[2][(ROOM + 1) * LOAD_HISTORY_RECORD_SIZE];
    const struct tool_check_file files[] = {
        {.name = "clients", .bytes = bytes[0], .size = bytes_of(&clients, bytes[0])},
        {.name = "stored", .bytes = bytes[1], .size = bytes_of(&stored, bytes[1])}};
    CHECK(tool_check_run(files, 2, NULL, &result) == NX_OK, "judged");
}

/* A message's number in a channel says everything else about it. */
static struct load_history_record message(enum load_history_kind kind, uint32_t client, uint64_t channel,
                                          uint32_t seq)
{
    return (struct load_history_record){.kind = (uint8_t)kind,
                                        .client = client,
                                        .channel = channel,
                                        .id = kind == LOAD_HISTORY_SEND ? 0 : channel * 1000 + seq,
                                        .hash = channel * 77 + seq,
                                        .seq = kind == LOAD_HISTORY_SEND ? 0 : seq,
                                        .code = kind == LOAD_HISTORY_SEND};
}

static void simple(enum load_history_kind kind, uint32_t client, uint64_t channel, uint32_t seq)
{
    add(&clients, (struct load_history_record){
                      .kind = (uint8_t)kind, .client = client, .channel = channel, .seq = seq});
}

/* A whole life of a message: sent by `client`, heard by 0 and 1 (A) or 2 (B). */
static void said(uint32_t client, uint64_t channel, uint32_t seq)
{
    add(&clients, message(LOAD_HISTORY_SEND, client, channel, seq));
    if (channel == A) {
        add(&clients, message(LOAD_HISTORY_DELIVER, 0, channel, seq));
        add(&clients, message(LOAD_HISTORY_DELIVER, 1, channel, seq));
    } else {
        add(&clients, message(LOAD_HISTORY_DELIVER, 2, channel, seq));
    }
    add(&clients, message(LOAD_HISTORY_ACK, client, channel, seq));
}

static void came(uint32_t client, uint64_t user, uint64_t channel)
{
    add(&clients, (struct load_history_record){.kind = LOAD_HISTORY_CLIENT, .client = client, .id = user});
    simple(LOAD_HISTORY_READY, client, 0, 1);
    simple(LOAD_HISTORY_JOIN, client, channel, 0);
}

static void mark(uint16_t role, uint8_t flags)
{
    add(&clients, (struct load_history_record){.kind = LOAD_HISTORY_MARK, .code = role, .flags = flags});
}

static void keep(uint64_t channel, uint32_t seq, uint64_t author, uint8_t flags)
{
    struct load_history_record record = message(LOAD_HISTORY_STORED, 0, channel, seq);
    record.author = author;
    record.flags = flags;
    record.hash = (flags & LOAD_HISTORY_DELETED) != 0  ? 0
                  : (flags & LOAD_HISTORY_EDITED) != 0 ? 4711
                                                       : record.hash;
    add(&stored, record);
}

/* Both see A:1 and A:2; gatewayd dies with A:3 on its way; both resume, fetch it, and its author asks again. */
static void crash(void)
{
    add(&clients, message(LOAD_HISTORY_SEND, 0, A, 3));
    mark(GATEWAYD, 0);
    for (uint32_t i = 0; i < 2; i++) {
        simple(LOAD_HISTORY_DOWN, i, 0, 0);
    }
    mark(GATEWAYD, 1);
    for (uint32_t i = 0; i < 2; i++) {
        simple(LOAD_HISTORY_RESUMED, i, 0, 9);
        simple(LOAD_HISTORY_RESYNC, i, A, 3);
        simple(LOAD_HISTORY_FETCH, i, A, 2);
        add(&clients, message(LOAD_HISTORY_FETCHED, i, A, 3));
        simple(LOAD_HISTORY_CAUGHT_UP, i, A, 3);
    }
    add(&clients, message(LOAD_HISTORY_SEND, 0, A, 3));
    add(&clients, message(LOAD_HISTORY_ACK, 0, A, 3));
}

static void good(void)
{
    memset(&clients, 0, sizeof(clients));
    memset(&stored, 0, sizeof(stored));
    came(0, ANN, A);
    came(1, BOB, A);
    came(2, EVE, B);
    said(0, A, 1);
    said(2, B, 1);
    said(1, A, 2);
    crash();
    said(0, A, 4);
    mark(CONTROL, 0);
    mark(CONTROL, 1);
    simple(LOAD_HISTORY_RESYNC, 2, B, 1);
    said(2, B, 2);
    add(&clients, message(LOAD_HISTORY_EDIT, 1, A, 4));
    add(&clients, message(LOAD_HISTORY_DELETE, 1, A, 2));
    add(&clients, (struct load_history_record){
                      .kind = LOAD_HISTORY_SEND, .client = 2, .channel = B, .hash = 99, .code = 1});
    add(&clients,
        (struct load_history_record){
            .kind = LOAD_HISTORY_REFUSE, .client = 2, .channel = B, .hash = 99, .flags = LOAD_HISTORY_FINAL});
    for (uint32_t i = 0; i < 3; i++) {
        add(&clients, (struct load_history_record){.kind = LOAD_HISTORY_END, .client = i, .code = 1});
    }
    keep(A, 1, ANN, 0);
    keep(A, 2, 0, LOAD_HISTORY_DELETED);
    keep(A, 3, ANN, 0);
    keep(A, 4, ANN, LOAD_HISTORY_EDITED);
    keep(B, 1, EVE, 0);
    keep(B, 2, EVE, 0);
    add(&stored, (struct load_history_record){.kind = LOAD_HISTORY_DUMPED, .channel = A, .seq = 4});
    add(&stored, (struct load_history_record){.kind = LOAD_HISTORY_DUMPED, .channel = B, .seq = 2});
}

/* ---- breaking it ---- */

static uint32_t place(const struct file *file, enum load_history_kind kind, uint32_t client, uint64_t channel,
                      uint32_t seq)
{
    for (uint32_t i = 0; i < file->count; i++) {
        const struct load_history_record *r = &file->records[i];
        const uint64_t hash = channel * 77 + seq;
        if (r->kind == kind && r->client == client && r->channel == channel &&
            (kind == LOAD_HISTORY_SEND ? r->hash == hash : r->seq == seq)) {
            return i;
        }
    }
    CHECK(false, "kind %d of client %u seq %u is not there", (int)kind, client, seq);
    return 0;
}

static struct load_history_record *find(struct file *file, enum load_history_kind kind, uint32_t client,
                                        uint64_t channel, uint32_t seq)
{
    return &file->records[place(file, kind, client, channel, seq)];
}

static void take_out(struct file *file, uint32_t at)
{
    file->count--;
    memmove(&file->records[at], &file->records[at + 1], (file->count - at) * sizeof(file->records[0]));
    memmove(&file->ns[at], &file->ns[at + 1], (file->count - at) * sizeof(file->ns[0]));
}

static void put_in(struct file *file, uint32_t at, struct load_history_record record)
{
    memmove(&file->records[at + 1], &file->records[at], (file->count - at) * sizeof(file->records[0]));
    memmove(&file->ns[at + 1], &file->ns[at], (file->count - at) * sizeof(file->ns[0]));
    file->records[at] = record;
    file->ns[at] = file->ns[at + 1];
    file->count++;
}

static void finds(enum tool_check_fault fault, uint64_t count)
{
    judge();
    CHECK(result.faults[fault] == count, "%s: %llu instead of %llu", tool_check_fault_name(fault),
          (unsigned long long)result.faults[fault], (unsigned long long)count);
}

/* Found, and nothing else said. */
static void finds_only(enum tool_check_fault fault, uint64_t count)
{
    finds(fault, count);
    CHECK(tool_check_faults(&result) == count, "more than %s: %llu faults", tool_check_fault_name(fault),
          (unsigned long long)tool_check_faults(&result));
}

TEST(histcheck, a_good_history_is_good)
{
    good();
    judge();
    for (int i = 0; i < TOOL_CHECK_FAULTS; i++) {
        CHECK(result.faults[i] == 0, "%s", tool_check_fault_name((enum tool_check_fault)i));
    }
    CHECK(result.clients == 3 && result.channels == 2 && result.stored == 6 && result.sent == 7, "counts");
    CHECK(result.acked == 6 && result.resent == 1 && result.unacked == 0, "answers");
    CHECK(result.delivered == 8 && result.fetched == 2 && result.resumes == 2 && result.resyncs == 3, "seen");
    CHECK(result.kills[GATEWAYD] == 1 && result.kills[CONTROL] == 1, "kills");
}

TEST(histcheck, tells_how_late_everybody_was_back)
{
    good();
    judge();
    CHECK(result.back_ns[GATEWAYD].count == 2 && result.back_ns[GATEWAYD].max == 6000, "gatewayd: %llu",
          (unsigned long long)result.back_ns[GATEWAYD].max);
    CHECK(result.back_ns[CONTROL].count == 1 && result.back_ns[CONTROL].max == 1000, "control");
    CHECK(result.back_all_ns.count == 3, "all");
}

TEST(histcheck, finds_an_acknowledged_message_that_is_lost)
{
    good();
    take_out(&stored, place(&stored, LOAD_HISTORY_STORED, 0, B, 2));
    finds(TOOL_CHECK_ACK_LOST, 1);
    CHECK(result.faults[TOOL_CHECK_UNSTORED] == 1, "it was delivered too");
    good();
    take_out(&stored, place(&stored, LOAD_HISTORY_STORED, 0, A, 3));
    finds(TOOL_CHECK_ACK_LOST, 1);
    CHECK(result.faults[TOOL_CHECK_STORED_GAP] == 1, "in the middle it leaves a gap");
}

TEST(histcheck, finds_an_acknowledgement_that_is_wrong)
{
    good();
    find(&clients, LOAD_HISTORY_ACK, 0, A, 1)->seq = 9;
    finds_only(TOOL_CHECK_ACK_DIFFERS, 1);
    good();
    find(&clients, LOAD_HISTORY_ACK, 0, A, 1)->hash = 12345;
    finds(TOOL_CHECK_ACK_UNSENT, 1);
    good();
    find(&clients, LOAD_HISTORY_ACK, 0, A, 1)->client = 1;
    finds(TOOL_CHECK_ACK_UNSENT, 1);
    good();
    find(&stored, LOAD_HISTORY_STORED, 0, A, 1)->author = EVE;
    finds(TOOL_CHECK_ACK_DIFFERS, 1);
}

TEST(histcheck, finds_two_ids_of_one_nonce)
{
    good(); /* acknowledged twice, differently */
    struct load_history_record again = *find(&clients, LOAD_HISTORY_ACK, 0, A, 3);
    again.id = A * 1000 + 1;
    add(&clients, again);
    finds(TOOL_CHECK_TWO_IDS, 1);
    good(); /* stored twice */
    struct load_history_record twin = *find(&stored, LOAD_HISTORY_STORED, 0, B, 2);
    twin.id++;
    twin.seq++;
    add(&stored, twin);
    finds(TOOL_CHECK_TWO_IDS, 1);
    CHECK(result.faults[TOOL_CHECK_MISSING] == 1, "and nobody got the second");
}

TEST(histcheck, finds_a_refused_message_that_is_stored)
{
    good();
    add(&clients, (struct load_history_record){.kind = LOAD_HISTORY_REFUSE,
                                               .client = 2,
                                               .channel = B,
                                               .hash = B * 77 + 2,
                                               .flags = LOAD_HISTORY_FINAL});
    finds_only(TOOL_CHECK_REFUSED_STORED, 1);
    good(); /* refused for now, then taken: fine */
    add(&clients, (struct load_history_record){
                      .kind = LOAD_HISTORY_REFUSE, .client = 2, .channel = B, .hash = B * 77 + 2});
    finds_only(TOOL_CHECK_REFUSED_STORED, 0);
}

TEST(histcheck, finds_what_nobody_sent)
{
    good();
    find(&stored, LOAD_HISTORY_STORED, 0, B, 1)->hash = 4242;
    finds(TOOL_CHECK_INVENTED, 1);
    CHECK(result.faults[TOOL_CHECK_CHANGED] == 1, "it was delivered with what was sent");
    good();
    find(&stored, LOAD_HISTORY_STORED, 0, B, 1)->author = BOB;
    finds(TOOL_CHECK_INVENTED, 1);
    good();
    struct load_history_record ghost = message(LOAD_HISTORY_DELIVER, 2, B, 3);
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), ghost);
    finds_only(TOOL_CHECK_UNSTORED, 1);
}

TEST(histcheck, finds_what_is_wrong_in_the_store)
{
    good();
    add(&stored, *find(&stored, LOAD_HISTORY_STORED, 0, B, 2));
    finds(TOOL_CHECK_STORED_TWICE, 1);
    CHECK(result.faults[TOOL_CHECK_STORED_ORDER] == 1, "one number twice");
    good();
    find(&stored, LOAD_HISTORY_STORED, 0, A, 4)->seq = 5;
    finds(TOOL_CHECK_STORED_GAP, 1);
    good();
    find(&stored, LOAD_HISTORY_STORED, 0, A, 4)->id = A * 1000;
    finds(TOOL_CHECK_STORED_ORDER, 1);
    good();
    take_out(&stored, place(&stored, LOAD_HISTORY_DUMPED, 0, B, 2));
    finds_only(TOOL_CHECK_NOT_DUMPED, 1);
}

TEST(histcheck, finds_a_delivery_that_differs_from_what_is_stored)
{
    good();
    find(&clients, LOAD_HISTORY_DELIVER, 1, A, 1)->hash++;
    finds(TOOL_CHECK_CHANGED, 1);
    good();
    find(&clients, LOAD_HISTORY_FETCHED, 1, A, 3)->hash++;
    finds(TOOL_CHECK_CHANGED, 1);
    good();
    find(&clients, LOAD_HISTORY_DELIVER, 2, B, 1)->id = A * 1000 + 1;
    finds(TOOL_CHECK_CHANGED, 1);
}

TEST(histcheck, finds_a_stranger_who_sees_a_message)
{
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), message(LOAD_HISTORY_DELIVER, 2, A, 4));
    finds_only(TOOL_CHECK_FOREIGN, 1);
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), message(LOAD_HISTORY_FETCHED, 2, A, 4));
    finds_only(TOOL_CHECK_FOREIGN, 1);
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), message(LOAD_HISTORY_EDIT, 2, A, 4));
    finds_only(TOOL_CHECK_FOREIGN, 1);
    good(); /* it was a member and has left */
    put_in(&clients, place(&clients, LOAD_HISTORY_DELIVER, 2, B, 2),
           (struct load_history_record){.kind = LOAD_HISTORY_LEAVE, .client = 2, .channel = B});
    finds_only(TOOL_CHECK_FOREIGN, 1);
}

/* Bob's comings and goings in A, told by the harness: he leaves after A:1 and is back before A:4. */
static void bob_was_away(int64_t left_ns, int64_t asked_ns, int64_t member_ns)
{
    const struct {
        enum load_history_kind kind;
        uint8_t flags;
        int64_t ns;
    } WORDS[] = {{LOAD_HISTORY_LEFT, 0, left_ns},
                 {LOAD_HISTORY_ENTERED, 0, asked_ns},
                 {LOAD_HISTORY_ENTERED, 1, member_ns}};
    for (int i = 0; i < 3; i++) {
        if (WORDS[i].ns != 0) {
            add(&stored,
                (struct load_history_record){
                    .kind = (uint8_t)WORDS[i].kind, .flags = WORDS[i].flags, .channel = A, .id = BOB});
            stored.ns[stored.count - 1] = WORDS[i].ns;
        }
    }
}

/* A good history with a minute between the records, so that the graces are small beside it. */
static void good_and_slow(void)
{
    good();
    for (uint32_t i = 0; i < clients.count; i++) {
        clients.ns[i] = (int64_t)(i + 1) * 60000000000;
    }
}

static int64_t time_of(enum load_history_kind kind, uint32_t client, uint32_t seq)
{
    return clients.ns[place(&clients, kind, client, A, seq)];
}

TEST(histcheck, finds_a_message_shown_to_a_member_who_has_left)
{
    good_and_slow();
    bob_was_away(time_of(LOAD_HISTORY_SEND, 0, 3) - INT64_C(2000000000), 0, 0);
    finds(TOOL_CHECK_FOREIGN, 2); /* A:3 fetched, A:4 live */
    good_and_slow();
    bob_was_away(time_of(LOAD_HISTORY_SEND, 0, 3) - 1, 0, 0);
    finds(TOOL_CHECK_FOREIGN, 1); /* A:3 was sent within the second that a revocation may take */
}

TEST(histcheck, who_left_and_came_back_must_have_what_was_sent_meanwhile_only_if_he_was_there)
{
    good_and_slow(); /* away around A:3, which he fetched after he had come back */
    bob_was_away(time_of(LOAD_HISTORY_SEND, 0, 3) - 1, time_of(LOAD_HISTORY_SEND, 0, 3) + 1,
                 time_of(LOAD_HISTORY_SEND, 0, 3) + 2);
    finds_only(TOOL_CHECK_FOREIGN, 0);
    take_out(&clients, place(&clients, LOAD_HISTORY_FETCHED, 1, A, 3));
    finds_only(TOOL_CHECK_MISSING, 0); /* sent in the instant he was away: not his */
    take_out(&clients, place(&clients, LOAD_HISTORY_DELIVER, 1, A, 1));
    finds_only(TOOL_CHECK_MISSING, 1);
}

TEST(histcheck, finds_a_delivery_before_the_sending)
{
    good();
    const uint32_t at = place(&clients, LOAD_HISTORY_DELIVER, 0, A, 1);
    clients.ns[at] = clients.ns[place(&clients, LOAD_HISTORY_SEND, 0, A, 1)] - 1;
    finds_only(TOOL_CHECK_TOO_EARLY, 1);
}

TEST(histcheck, finds_a_message_delivered_twice)
{
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), message(LOAD_HISTORY_DELIVER, 0, A, 4));
    finds(TOOL_CHECK_DUPLICATE, 1);
    good(); /* once fetched, once live */
    put_in(&clients, place(&clients, LOAD_HISTORY_DELIVER, 0, A, 4), message(LOAD_HISTORY_DELIVER, 0, A, 3));
    finds_only(TOOL_CHECK_DUPLICATE, 1);
}

TEST(histcheck, finds_messages_in_the_wrong_order)
{
    good();
    struct load_history_record *first = find(&clients, LOAD_HISTORY_DELIVER, 1, A, 1);
    struct load_history_record *second = find(&clients, LOAD_HISTORY_DELIVER, 1, A, 2);
    const struct load_history_record kept = *first;
    *first = *second;
    *second = kept;
    finds(TOOL_CHECK_ORDER, 1);
}

TEST(histcheck, finds_an_edit_before_the_message)
{
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_DELIVER, 0, A, 4), message(LOAD_HISTORY_EDIT, 0, A, 4));
    finds_only(TOOL_CHECK_EDIT_FIRST, 1);
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_DELIVER, 0, A, 2), message(LOAD_HISTORY_DELETE, 0, A, 2));
    finds_only(TOOL_CHECK_EDIT_FIRST, 1);
    good();
    find(&clients, LOAD_HISTORY_EDIT, 1, A, 4)->id = 5;
    finds_only(TOOL_CHECK_UNSTORED, 1);
    good();
    put_in(&clients, place(&clients, LOAD_HISTORY_END, 0, 0, 0), message(LOAD_HISTORY_DELETE, 0, A, 1));
    finds_only(TOOL_CHECK_CHANGED, 1);
}

TEST(histcheck, finds_a_member_who_never_got_a_message)
{
    good();
    take_out(&clients, place(&clients, LOAD_HISTORY_FETCHED, 1, A, 3));
    finds_only(TOOL_CHECK_MISSING, 1);
    good();
    take_out(&clients, place(&clients, LOAD_HISTORY_DELIVER, 1, A, 1));
    finds_only(TOOL_CHECK_MISSING, 1);
    good(); /* the last one, after which nothing shows the gap */
    take_out(&clients, place(&clients, LOAD_HISTORY_DELIVER, 2, B, 2));
    finds_only(TOOL_CHECK_MISSING, 1);
}

TEST(histcheck, finds_a_message_numbered_as_if_sent_before_a_member_came)
{
    good();
    find(&clients, LOAD_HISTORY_JOIN, 2, B, 0)->seq = 1;
    finds_only(TOOL_CHECK_BASELINE, 1);
}

TEST(histcheck, finds_a_client_that_is_not_back)
{
    good();
    find(&clients, LOAD_HISTORY_END, 1, 0, 0)->code = 0;
    finds_only(TOOL_CHECK_NOT_BACK, 1);
    good();
    take_out(&clients, place(&clients, LOAD_HISTORY_END, 1, 0, 0));
    finds_only(TOOL_CHECK_NOT_BACK, 1);
}

TEST(histcheck, finds_a_session_that_was_not_resumed)
{
    good();
    find(&clients, LOAD_HISTORY_RESUMED, 1, 0, 9)->kind = LOAD_HISTORY_READY;
    finds_only(TOOL_CHECK_IDENTIFIED_AGAIN, 1);
}

TEST(histcheck, finds_records_that_mean_nothing)
{
    good();
    clients.records[5].kind = 77;
    finds(TOOL_CHECK_MALFORMED, 1);
    good();
    add(&clients, message(LOAD_HISTORY_DELIVER, 7, A, 1));
    finds_only(TOOL_CHECK_MALFORMED, 1);
    static const uint8_t text[LOAD_HISTORY_RECORD_SIZE] = "no history";
    const struct tool_check_file file = {.name = "x", .bytes = text, .size = sizeof(text)};
    CHECK(tool_check_run(&file, 1, NULL, &result) == NX_OK && result.faults[TOOL_CHECK_MALFORMED] == 1,
          "another file");
    const struct tool_check_file cut = {.name = "x", .bytes = text, .size = 20};
    CHECK(tool_check_run(&cut, 1, NULL, &result) == NX_OK && result.faults[TOOL_CHECK_MALFORMED] == 1, "cut");
}

/* Whatever single record of the clients is lost from a good history, either something is found or it told nothing. */
TEST(histcheck, no_record_that_proves_something_can_vanish)
{
    good();
    const uint32_t count = clients.count;
    for (uint32_t i = 0; i < count; i++) {
        good();
        const uint8_t kind = clients.records[i].kind;
        const uint16_t code = clients.records[i].code;
        take_out(&clients, i);
        judge();
        const bool is_proof = kind == LOAD_HISTORY_CLIENT || kind == LOAD_HISTORY_JOIN ||
                              kind == LOAD_HISTORY_DELIVER || kind == LOAD_HISTORY_FETCHED ||
                              kind == LOAD_HISTORY_END;
        CHECK(!is_proof || tool_check_faults(&result) != 0, "record %u of kind %u code %u", i, kind, code);
    }
}
