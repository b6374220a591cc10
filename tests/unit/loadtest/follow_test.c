/* Goal: after a crash a client fetches exactly what it was told to, and says again exactly what was not answered. */
#include "loadtest/catchup.h"
#include "loadtest/dispatch.h"
#include "loadtest/message.h"
#include "loadtest/pending.h"
#include "tests/lib/check.h"

TEST(catchup, contiguous_messages_need_no_fetch)
{
    struct load_catchup c = {0};
    load_catchup_base(&c, 5);
    load_catchup_base(&c, 90);
    for (uint32_t seq = 6; seq <= 10; seq++) {
        load_catchup_live(&c, seq);
    }
    CHECK(c.have == 10 && !load_catchup_resync(&c, 10) && !c.is_fetching, "nothing moved");
    CHECK(!load_catchup_resync(&c, 7), "an old number");
}

TEST(catchup, fetches_from_what_it_has_to_what_it_was_told)
{
    struct load_catchup c = {0};
    load_catchup_base(&c, 5);
    CHECK(load_catchup_resync(&c, 9) && c.have == 5 && c.wanted == 9 && c.is_fetching, "begins");
    CHECK(!load_catchup_resync(&c, 12) && c.wanted == 12, "one that runs only goes further");
    load_catchup_live(&c, 13);
    CHECK(c.have == 5, "a live one beyond the gap fills nothing");
    load_catchup_done(&c);
    CHECK(c.have == 13 && !c.is_fetching && !load_catchup_resync(&c, 13), "done");
}

TEST(catchup, a_live_message_before_the_resync_does_not_hide_the_gap)
{
    struct load_catchup c = {0};
    load_catchup_base(&c, 8);
    load_catchup_live(&c, 11);
    CHECK(load_catchup_resync(&c, 10) && c.have == 8 && c.wanted == 10, "begins behind the gap");
    load_catchup_done(&c);
    CHECK(c.have == 11, "and ends with the live one");
}

TEST(catchup, the_first_message_heard_is_a_start)
{
    struct load_catchup c = {0};
    load_catchup_live(&c, 0);
    CHECK(!c.is_based, "no number");
    load_catchup_live(&c, 4);
    CHECK(c.is_based && c.have == 4, "have %u", c.have);
}

TEST(pending, what_is_answered_is_gone_and_the_rest_keeps_its_order)
{
    struct load_pending p = {0};
    for (uint32_t i = 1; i <= 5; i++) {
        const struct load_stamp stamp = {.number = i};
        CHECK(load_pending_add(&p, &stamp, 100 * (int64_t)i) == NX_OK, "add");
    }
    CHECK(load_pending_remove(&p, 3) && !load_pending_remove(&p, 3) && p.count == 4, "remove");
    CHECK(load_pending_remove(&p, 5) && load_pending_remove(&p, 1), "ends");
    CHECK(p.ones[0].stamp.number == 2 && p.ones[1].stamp.number == 4 && p.count == 2, "order");
    CHECK(load_pending_find(&p, 4)->due_ns == 400 && load_pending_find(&p, 1) == NULL, "find");
    load_pending_hasten(&p, 7);
    CHECK(p.ones[0].due_ns == 7 && p.ones[1].due_ns == 7, "hasten");
    load_pending_fini(&p);
}

TEST(pending, is_bounded)
{
    struct load_pending p = {0};
    const struct load_stamp stamp = {.number = 1};
    for (int i = 0; i < LOAD_PENDING_MAX; i++) {
        CHECK(load_pending_add(&p, &stamp, 0) == NX_OK, "%d", i);
    }
    CHECK(load_pending_add(&p, &stamp, 0) == NX_E_FULL, "full");
    load_pending_fini(&p);
}

static enum nx_err read_text(const char *text, struct load_message *out)
{
    static uint8_t room[64];
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_json root;
    return nx_json_open(nx_bytes_text(text), &root) == NX_OK ? load_message_read(root, &scratch, out)
                                                             : NX_E_MALFORMED;
}

TEST(message, reads_messages_and_tombstones)
{
    struct load_message m;
    CHECK(read_text("{\"id\":\"12\",\"channel_id\":\"3\",\"author\":{\"id\":\"4\",\"username\":\"x\"},"
                    "\"content\":\"a\\nb\",\"edited_timestamp\":null,\"seq\":7}",
                    &m) == NX_OK,
          "message");
    CHECK(m.id == 12 && m.author == 4 && m.seq == 7 && !m.is_deleted && !m.is_edited &&
              nx_bytes_is(m.content, "a\nb"),
          "fields");
    CHECK(read_text("{\"id\":\"12\",\"seq\":7,\"deleted\":true}", &m) == NX_OK && m.is_deleted, "tombstone");
    CHECK(
        read_text(
            "{\"id\":\"1\",\"author\":{\"id\":\"4\"},\"content\":\"\",\"edited_timestamp\":\"x\",\"seq\":1}",
            &m) == NX_OK &&
            m.is_edited,
        "edited");
}

TEST(message, refuses_what_is_no_message)
{
    static const char *const BAD[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"id\":\"1\"}",
                                      "{\"id\":\"1\",\"seq\":0,\"deleted\":true}",
                                      "{\"id\":\"1\",\"seq\":4294967296,\"deleted\":true}",
                                      "{\"id\":\"x\",\"seq\":1,\"deleted\":true}",
                                      "{\"id\":\"1\",\"seq\":1,\"deleted\":false}",
                                      "{\"id\":\"1\",\"seq\":1,\"content\":\"x\"}",
                                      "{\"id\":\"1\",\"seq\":1,\"content\":3,\"author\":{\"id\":\"1\"}}"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct load_message m;
        CHECK(read_text(BAD[i], &m) == NX_E_MALFORMED, "%s", BAD[i]);
    }
}

TEST(dispatch, finds_the_numbers_of_a_message_wherever_they_stand)
{
    struct load_dispatch_hints hints = {0};
    const char *const TEXTS[] = {"{\"op\":0,\"s\":9,\"t\":\"MESSAGE_CREATE\",\"d\":{\"id\":\"123\",\"channel_"
                                 "id\":\"45\",\"content\":\"ab\",\"seq\":7}}",
                                 "{\"op\":0,\"s\":10,\"t\":\"MESSAGE_CREATE\",\"d\":{\"id\":\"123\","
                                 "\"channel_id\":\"45\",\"content\":\"ab\",\"seq\":7}}"};
    for (int i = 0; i < 2; i++) {
        const struct nx_bytes text = nx_bytes_text(TEXTS[i]);
        const struct load_history_record r = load_dispatch_message(&hints, LOAD_HISTORY_DELIVER, text);
        CHECK(r.kind == LOAD_HISTORY_DELIVER && r.id == 123 && r.channel == 45 && r.seq == 7, "%d", i);
        const size_t at = (size_t)(strstr(TEXTS[i], "ab") - TEXTS[i]);
        CHECK(load_dispatch_content_hash(text, at) == load_history_hash(nx_bytes_text("ab")), "hash");
    }
    uint64_t number = 5;
    size_t hint = SIZE_MAX / 2;
    CHECK(!load_dispatch_number(nx_bytes_text("\"x\":"), "\"x\":", &hint, &number) && number == 5,
          "no digit");
    CHECK(!load_dispatch_number(nx_bytes_text("{}"), "\"x\":", &hint, &number), "no key");
}
