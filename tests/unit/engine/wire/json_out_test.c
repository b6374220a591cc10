/* Goal: what is written is JSON with the right commas, or the writer says no. Method: golden texts, then misuse. */
#include "engine/wire/json_out.h"

#include "engine/wire/json.h"
#include "tests/lib/check.h"

static uint8_t room[4096];
static struct nx_writer writer;

static struct nx_json_out fresh(void)
{
    writer = nx_writer_init(room, sizeof(room));
    return nx_json_out_init(&writer);
}

TEST(json_out, commas_and_escapes_take_care_of_themselves)
{
    struct nx_json_out o = fresh();
    nx_json_out_object(&o);
    nx_json_out_key(&o, "a");
    nx_json_out_array(&o);
    nx_json_out_array(&o);
    nx_json_out_array_end(&o);
    nx_json_out_u64(&o, UINT64_MAX);
    nx_json_out_i64(&o, INT64_MIN);
    nx_json_out_i64(&o, 0);
    nx_json_out_bool(&o, true);
    nx_json_out_bool(&o, false);
    nx_json_out_null(&o);
    nx_json_out_array_end(&o);
    nx_json_out_key(&o, "s\"");
    nx_json_out_string(&o, nx_bytes_of("\"\\/\b\t\n\v\f\r\0\x1f\x7f\xc3\xa9 and some more to fill", 34));
    nx_json_out_key(&o, "id");
    nx_json_out_id(&o, 1420070400000);
    nx_json_out_key(&o, "none");
    nx_json_out_id_or_null(&o, 0);
    nx_json_out_key(&o, "t");
    nx_json_out_time(&o, 1420070400001);
    nx_json_out_key(&o, "r");
    nx_json_out_raw(&o, nx_bytes_text("{\"x\":[]}"));
    nx_json_out_key(&o, "o");
    nx_json_out_object(&o);
    nx_json_out_object_end(&o);
    CHECK(nx_json_out_ok(&o) && !nx_json_out_done(&o), "open");
    nx_json_out_object_end(&o);
    CHECK(nx_json_out_done(&o), "done");
    CHECK(nx_bytes_is(nx_writer_bytes(&writer),
                      "{\"a\":[[],18446744073709551615,-9223372036854775808,0,true,false,null],"
                      "\"s\\\"\":\"\\\"\\\\/\\b\\t\\n\\u000b\\f\\r\\u0000\\u001f\x7f\xc3\xa9 and some more "
                      "to fi\",\"id\":\"1420070400000\","
                      "\"none\":null,\"t\":\"2015-01-01T00:00:00.001Z\",\"r\":{\"x\":[]},\"o\":{}}"),
          "%.*s", (int)writer.size, room);
    struct nx_json root;
    CHECK(nx_json_open(nx_writer_bytes(&writer), &root) == NX_OK && nx_json_count(root) == 7, "reads back");
}

TEST(json_out, neighbours_at_the_same_depth_start_afresh)
{
    struct nx_json_out o = fresh();
    nx_json_out_array(&o);
    for (int i = 0; i < 2; i++) {
        nx_json_out_array(&o);
        nx_json_out_u64(&o, 1);
        nx_json_out_u64(&o, 2);
        nx_json_out_array_end(&o);
    }
    nx_json_out_object(&o);
    nx_json_out_key(&o, "a");
    nx_json_out_null(&o);
    nx_json_out_key(&o, "b");
    nx_json_out_null(&o);
    nx_json_out_object_end(&o);
    nx_json_out_array_end(&o);
    CHECK(nx_bytes_is(nx_writer_bytes(&writer), "[[1,2],[1,2],{\"a\":null,\"b\":null}]"), "%.*s",
          (int)writer.size, room);
}

TEST(json_out, thousandths_are_written_short)
{
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {{0, "0"},       {1500, "1.5"},      {-1, "-0.001"}, {1000, "1"},
                {1010, "1.01"}, {-64020, "-64.02"}, {999, "0.999"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nx_json_out o = fresh();
        nx_json_out_milli(&o, rows[i].value);
        CHECK(nx_json_out_done(&o) && nx_bytes_is(nx_writer_bytes(&writer), rows[i].text), "%s",
              rows[i].text);
    }
}

TEST(json_out, misuse_is_told)
{
    struct nx_json_out o = fresh();
    nx_json_out_object(&o);
    nx_json_out_null(&o);
    CHECK(!nx_json_out_ok(&o), "a value without a key");
    o = fresh();
    nx_json_out_array(&o);
    nx_json_out_key(&o, "a");
    CHECK(!nx_json_out_ok(&o), "a key in an array");
    o = fresh();
    nx_json_out_object(&o);
    nx_json_out_key(&o, "a");
    nx_json_out_object_end(&o);
    CHECK(!nx_json_out_ok(&o), "a key without a value");
    o = fresh();
    nx_json_out_array(&o);
    nx_json_out_object_end(&o);
    CHECK(!nx_json_out_ok(&o), "the wrong bracket");
    o = fresh();
    nx_json_out_array_end(&o);
    CHECK(!nx_json_out_ok(&o), "nothing open");
    o = fresh();
    nx_json_out_null(&o);
    nx_json_out_null(&o);
    CHECK(!nx_json_out_ok(&o), "two roots");
    o = fresh();
    CHECK(!nx_json_out_done(&o), "nothing written");
    for (int i = 0; i < NX_JSON_OUT_DEPTH_MAX; i++) {
        nx_json_out_array(&o);
    }
    CHECK(nx_json_out_ok(&o), "the cap");
    nx_json_out_array(&o);
    CHECK(!nx_json_out_ok(&o), "too deep");
}

TEST(json_out, a_full_buffer_is_told_at_every_size)
{
    for (size_t size = 0; size < 18; size++) {
        writer = nx_writer_init(room, size);
        struct nx_json_out o = nx_json_out_init(&writer);
        nx_json_out_object(&o);
        nx_json_out_key(&o, "key");
        nx_json_out_text(&o, "va\nlue");
        nx_json_out_object_end(&o);
        CHECK(nx_json_out_done(&o) == (size >= 17), "%zu", size);
    }
}
