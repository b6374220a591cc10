/* Goal: exactly the texts of RFC 8259 are taken, and what is taken means what it says.
 * Method: accept and reject tables in the manner of the public suites, every prefix of valid texts, and field tables. */
#include "engine/wire/json.h"

#include "engine/wire/json_fields.h"
#include "tests/lib/check.h"

#include <stdlib.h>

/* Opens a copy in its own allocation, so that the sanitizer sees every step outside. */
static enum nx_err open_copy(const void *text, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, text, size);
    struct nx_json root;
    const enum nx_err err = nx_json_open(nx_bytes_of(copy, size), &root);
    free(copy);
    return err;
}

static struct nx_json open_text(const char *text)
{
    struct nx_json root;
    CHECK(nx_json_open(nx_bytes_text(text), &root) == NX_OK, "%s", text);
    return root;
}

#define ROW(text)                                                                                            \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

struct row {
    const char *text;
    size_t size;
};

static const struct row good[] = {
    ROW("null"),
    ROW("true"),
    ROW("false"),
    ROW("0"),
    ROW("-0"),
    ROW("1"),
    ROW("-1"),
    ROW("10"),
    ROW("0.5"),
    ROW("1e400"),
    ROW("-1E-400"),
    ROW("1e+5"),
    ROW("0e0"),
    ROW("123456789012345678901234567890"),
    ROW("1.000000000000000000001"),
    ROW("\"\""),
    ROW("\"a\""),
    ROW(" \t\r\n1 \t\r\n"),
    ROW("[]"),
    ROW("[ ]"),
    ROW("{}"),
    ROW("{ }"),
    ROW("[1]"),
    ROW("[1,2]"),
    ROW("[1 , [ ] , { } ]"),
    ROW("{\"a\":1}"),
    ROW("{\"a\":1,\"a\":2}"),
    ROW("{\"\":0}"),
    ROW("{\"a\\u0000\":[{\"b\":[]}]}"),
    ROW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\\uFFFF\""),
    ROW("\"\x7f\""),
    ROW("\"\xc2\x80\xe2\x80\xa8\xf4\x8f\xbf\xbf\""),
    ROW("[\"\\u0000\"]"),
    ROW("\"a string that is longer than one vector of sixteen\""),
    ROW("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    ROW("{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}"),
    ROW("[\"]\",\"}\",\"\\\"]\"]"),
    ROW("[1e5,-2.5E-3]"),
};

static const struct row bad[] = {
    ROW(""),
    ROW(" "),
    ROW("nul"),
    ROW("nulll"),
    ROW("True"),
    ROW("TRUE"),
    ROW("undefined"),
    ROW("NaN"),
    ROW("Infinity"),
    ROW("-Infinity"),
    ROW("+1"),
    ROW("-"),
    ROW("--1"),
    ROW("01"),
    ROW("-01"),
    ROW("1."),
    ROW(".5"),
    ROW("1.e5"),
    ROW("1e"),
    ROW("1e+"),
    ROW("1e+-1"),
    ROW("0x1"),
    ROW("1_0"),
    ROW("1 2"),
    ROW("1,"),
    ROW("[1,]"),
    ROW("[,1]"),
    ROW("[,]"),
    ROW("[1,,2]"),
    ROW("[1 2]"),
    ROW("["),
    ROW("[1"),
    ROW("[1,"),
    ROW("]"),
    ROW("[}"),
    ROW("{]"),
    ROW("[1]]"),
    ROW("[1}"),
    ROW("{\"a\":1]"),
    ROW("{"),
    ROW("{\"a\""),
    ROW("{\"a\":"),
    ROW("{\"a\":1"),
    ROW("{\"a\":1,"),
    ROW("{\"a\":1,}"),
    ROW("{,\"a\":1}"),
    ROW("{\"a\" 1}"),
    ROW("{\"a\",1}"),
    ROW("{a:1}"),
    ROW("{1:1}"),
    ROW("{null:1}"),
    ROW("{'a':1}"),
    ROW("{\"a\":1 \"b\":2}"),
    ROW("{\"a\"::1}"),
    ROW("{}{}"),
    ROW("[][]"),
    ROW("\""),
    ROW("\"a"),
    ROW("'a'"),
    ROW("\"\\\""),
    ROW("\"\\x41\""),
    ROW("\"\\a\""),
    ROW("\"\\u\""),
    ROW("\"\\u12\""),
    ROW("\"\\u12g4\""),
    ROW("\"\\U0041\""),
    ROW("\"\\0\""),
    ROW("\"\\"),
    ROW("\"\\ud800\""),
    ROW("\"\\udc00\""),
    ROW("\"\\ud800\\ud800\""),
    ROW("\"\\ud800\\u0041\""),
    ROW("\"\\ud800x\""),
    ROW("\"\\ud83d\\ude0\""),
    ROW("\"\\ud83d\\n\""),
    ROW("\"\\ud83d"),
    ROW("\"a\nb\""),
    ROW("\"a\tb\""),
    ROW("\"a\0b\""),
    ROW("\"\x1f\""),
    ROW("a long string needs a \x01 somewhere"),
    ROW("\"a long string with a control \x01 in it\""),
    ROW("\"a string\x1fwith the last control in its first vector\""),
    ROW("\0"),
    ROW("1\0"),
    ROW("[1]\0"),
    ROW("\"\xff\""),
    ROW("\"\xc0\x80\""),
    ROW("\"\xed\xa0\x80\""),
    ROW("\"\xf4\x90\x80\x80\""),
    ROW("\"\xe2\x82\""),
    ROW("\xef\xbb\xbf{}"),
    ROW("\xff[]"),
    ROW("[\x0b]"),
    ROW("[\x0c 1]"),
    ROW("[\xc2\xa0]"),
    ROW("/* */1"),
    ROW("1//"),
    ROW("#1"),
    ROW("[1]x"),
    ROW("tru"),
    ROW("[tru]"),
    ROW("[truee]"),
    ROW("[fals]"),
    ROW("[-]"),
    ROW("[1e]"),
    ROW("{\"a\":tru}"),
};

TEST(json, valid_texts_are_taken_and_their_prefixes_are_not)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(open_copy(good[i].text, good[i].size) == NX_OK, "row %zu: %s", i, good[i].text);
        if (strchr("{[\"", good[i].text[0]) != NULL) {
            for (size_t prefix = 0; prefix < good[i].size; prefix++) {
                CHECK(open_copy(good[i].text, prefix) == NX_E_MALFORMED, "row %zu prefix %zu", i, prefix);
            }
        }
    }
}

TEST(json, everything_else_is_refused)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(open_copy(bad[i].text, bad[i].size) == NX_E_MALFORMED, "row %zu: %s", i, bad[i].text);
    }
}

TEST(json, depth_is_capped_without_recursion)
{
    enum { DEEP = 100000 };
    char *text = malloc(2 * DEEP);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    CHECK(open_copy(text, 2 * DEEP) == NX_E_FULL, "100000");
    CHECK(open_copy(text + DEEP - NX_JSON_DEPTH_MAX, 2 * NX_JSON_DEPTH_MAX) == NX_OK, "at the cap");
    CHECK(open_copy(text + DEEP - NX_JSON_DEPTH_MAX - 1, 2 * NX_JSON_DEPTH_MAX + 2) == NX_E_FULL, "above");
    for (size_t i = 0; i + 5 <= 5 * 20000; i += 5) {
        memcpy(text + i, "{\"a\":", 5);
    }
    CHECK(open_copy(text, 5 * 20000) == NX_E_FULL, "objects");
    free(text);
}

TEST(json, large_strings_are_borrowed)
{
    const size_t size = 10 * 1024 * 1024;
    char *text = malloc(size);
    memset(text, 'a', size);
    text[0] = text[size - 1] = '"';
    struct nx_json root;
    struct nx_bytes value;
    struct nx_writer none = nx_writer_init(NULL, 0);
    CHECK(nx_json_open(nx_bytes_of(text, size), &root) == NX_OK, "opens");
    CHECK(nx_json_string(root, &none, &value) == NX_OK && value.size == size - 2 &&
              value.at == (uint8_t *)text + 1,
          "view");
    free(text);
}

TEST(json, walks_give_members_and_elements_in_order)
{
    struct nx_json root =
        open_text(" { \"a\" : [ 1 , \"x]\" , { } ] , \"b\\n\":{\"c\":-0.5e1}, \"d\" : null } ");
    struct nx_json_walk walk = nx_json_walk(root);
    struct nx_json key;
    struct nx_json value;
    CHECK(nx_json_object_next(&walk, &key, &value) && nx_json_string_is(key, "a") &&
              value.kind == NX_JSON_ARRAY,
          "a");
    CHECK(nx_json_count(value) == 3, "count");
    struct nx_json_walk inner = nx_json_walk(value);
    struct nx_json element;
    CHECK(nx_json_array_next(&inner, &element) && nx_bytes_is(nx_json_raw(element), "1"), "1");
    CHECK(nx_json_array_next(&inner, &element) && nx_bytes_is(nx_json_raw(element), "\"x]\""), "x");
    CHECK(nx_json_array_next(&inner, &element) && nx_bytes_is(nx_json_raw(element), "{ }"), "{}");
    CHECK(!nx_json_array_next(&inner, &element) && !nx_json_array_next(&inner, &element),
          "end stays the end");
    CHECK(nx_json_object_next(&walk, &key, &value) && nx_json_string_is(key, "b\n"), "b");
    CHECK(nx_json_find(value, "c", &element) && nx_bytes_is(nx_json_raw(element), "-0.5e1"), "c");
    CHECK(nx_json_object_next(&walk, &key, &value) && value.kind == NX_JSON_NULL, "d");
    CHECK(!nx_json_object_next(&walk, &key, &value), "end");
    CHECK(!nx_json_array_next(&walk, &value), "an object is no array");
    walk = nx_json_walk(open_text("1"));
    CHECK(!nx_json_object_next(&walk, &key, &value) && !nx_json_array_next(&walk, &value),
          "a number has no members");
    CHECK(!nx_json_find(open_text("[]"), "a", &value), "nor an array names");
}

TEST(json, last_of_repeated_members_wins)
{
    struct nx_json value;
    uint64_t number;
    CHECK(nx_json_find(open_text("{\"a\":1,\"\\u0061\":2,\"b\":3}"), "a", &value), "found");
    CHECK(nx_json_u64(value, &number) == NX_OK && number == 2, "last");
}

TEST(json, strings_are_resolved)
{
    uint8_t room[64];
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_bytes text;
    const struct nx_json value = open_text("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\uD83D\\uDE00z\"");
    CHECK(nx_json_string(value, &scratch, &text) == NX_OK, "ok");
    CHECK(nx_bytes_is(text, "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"), "resolved");
    CHECK(nx_json_string_size(value) == text.size && scratch.size == text.size, "size");
    CHECK(nx_json_string_is(value, "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"),
          "compared in place");
    CHECK(!nx_json_string_is(value, "a\"") && !nx_json_string_is(open_text("\"\\u0061\""), "ab"),
          "neither shorter nor longer");
    struct nx_writer small = nx_writer_init(room, 5);
    CHECK(nx_json_string(value, &small, &text) == NX_E_FULL && small.size == 0, "scratch too small");
    CHECK(nx_json_string(open_text("1"), &scratch, &text) == NX_E_UNSUPPORTED, "no string");
    CHECK(nx_json_string_has_nul(open_text("\"a\\u0000b\"")) && !nx_json_string_has_nul(value), "NUL");
    CHECK(nx_json_string(open_text("\"a\\u0000b\""), &scratch, &text) == NX_OK && text.size == 3 &&
              text.at[1] == 0,
          "NUL byte");
}

TEST(json, numbers_fit_or_are_refused)
{
    static const struct {
        const char *text;
        bool is_u64, is_i64, is_id;
    } rows[] = {
        {"0", true, true, true},
        {"-0", false, true, false},
        {"-1", false, true, false},
        {"9223372036854775807", true, true, true},
        {"9223372036854775808", true, false, true},
        {"-9223372036854775808", false, true, false},
        {"-9223372036854775809", false, false, false},
        {"18446744073709551615", true, false, true},
        {"18446744073709551616", false, false, false},
        {"99999999999999999999", false, false, false},
        {"1.0", false, false, false},
        {"1e2", false, false, false},
        {"1e400", false, false, false},
        {"true", false, false, false},
        {"null", false, false, false},
        {"\"1\"", false, false, true},
        {"\"0\"", false, false, true},
        {"\"18446744073709551615\"", false, false, true},
        {"\"18446744073709551616\"", false, false, false},
        {"\"01\"", false, false, false},
        {"\"\"", false, false, false},
        {"\"-1\"", false, false, false},
        {"\" 1\"", false, false, false},
        {"\"\\u0031\"", false, false, false},
        {"[1]", false, false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct nx_json value = open_text(rows[i].text);
        uint64_t u64 = 7;
        int64_t i64 = 7;
        uint64_t id = 7;
        CHECK((nx_json_u64(value, &u64) == NX_OK) == rows[i].is_u64 && (rows[i].is_u64 || u64 == 7), "u64 %s",
              rows[i].text);
        CHECK((nx_json_i64(value, &i64) == NX_OK) == rows[i].is_i64 && (rows[i].is_i64 || i64 == 7), "i64 %s",
              rows[i].text);
        CHECK((nx_json_id(value, &id) == NX_OK) == rows[i].is_id && (rows[i].is_id || id == 7), "id %s",
              rows[i].text);
        CHECK(!rows[i].is_u64 || u64 == strtoull(rows[i].text, NULL, 10), "value of %s", rows[i].text);
        CHECK(!rows[i].is_i64 || i64 == strtoll(rows[i].text, NULL, 10), "value of %s", rows[i].text);
    }
    bool flag = false;
    CHECK(nx_json_bool(open_text("true"), &flag) == NX_OK && flag, "true");
    CHECK(nx_json_bool(open_text("0"), &flag) == NX_E_UNSUPPORTED, "0 is no bool");
}

struct body {
    struct nx_bytes content;
    uint64_t id;
    uint64_t limit;
    int64_t offset;
    bool tts;
    struct nx_json list;
    struct nx_json object;
    struct nx_json any;
};

static const struct nx_json_field fields[] = {
    {"content", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, 4, offsetof(struct body, content)},
    {"id", NX_JSON_FIELD_ID, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct body, id)},
    {"limit", NX_JSON_FIELD_U64, 0, 1, 100, offsetof(struct body, limit)},
    {"offset", NX_JSON_FIELD_I64, 0, -5, 5, offsetof(struct body, offset)},
    {"tts", NX_JSON_FIELD_BOOL, 0, 0, 0, offsetof(struct body, tts)},
    {"list", NX_JSON_FIELD_ARRAY, 0, 0, 2, offsetof(struct body, list)},
    {"object", NX_JSON_FIELD_OBJECT, 0, 0, 0, offsetof(struct body, object)},
    {"any", NX_JSON_FIELD_ANY, 0, 0, 0, offsetof(struct body, any)},
};

enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

static struct body body;
static struct nx_json_present present;
static struct nx_json_faults faults;
static uint8_t room[256];

static enum nx_err read_fields(const char *text)
{
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    memset(&body, 0, sizeof(body));
    memset(&faults, 0, sizeof(faults));
    return nx_json_fields_read(open_text(text), fields, FIELDS_COUNT, &scratch, &body, &present, &faults);
}

TEST(json_fields, fill_a_struct)
{
    CHECK(read_fields("{\"x\":0,\"content\":\"\\u00e9\xf0\x9f\x98\x80zz\",\"id\":null,\"limit\":100,"
                      "\"offset\":-5,\"tts\":true,"
                      "\"list\":[1,2],\"object\":{\"a\":1},\"any\":1.5}") == NX_OK &&
              faults.count == 0,
          "reads");
    CHECK(nx_bytes_is(body.content, "\xc3\xa9\xf0\x9f\x98\x80zz"), "text of four characters");
    CHECK(present.values == 0xfd && present.nulls == 2, "present %llx", (unsigned long long)present.values);
    CHECK(body.limit == 100 && body.offset == -5 && body.tts && nx_json_count(body.list) == 2, "values");
    CHECK(nx_bytes_is(nx_json_raw(body.any), "1.5") && body.object.kind == NX_JSON_OBJECT, "raw values");
    CHECK(read_fields("{\"content\":5,\"content\":\"a\",\"id\":\"12\"}") == NX_OK && faults.count == 0 &&
              body.id == 12,
          "last wins");
}

TEST(json_fields, faults_name_the_field_and_the_code)
{
    static const struct {
        const char *text;
        const char *errors;
    } rows[] = {
        {"{}", "{\"content\":{\"_errors\":[{\"code\":\"BASE_TYPE_REQUIRED\",\"message\":\"This field is "
               "required\"}]}}"},
        {"{\"content\":\"\"}", "{\"content\":{\"_errors\":[{\"code\":\"BASE_TYPE_BAD_LENGTH\",\"message\":"
                               "\"Must be between 1 and 4 in length.\"}]}}"},
        {"{\"content\":\"12345\"}", "{\"content\":{\"_errors\":[{\"code\":\"BASE_TYPE_BAD_LENGTH\","
                                    "\"message\":\"Must be between 1 and 4 in length.\"}]}}"},
        {"{\"content\":null}", "{\"content\":{\"_errors\":[{\"code\":\"STRING_TYPE_CONVERT\",\"message\":"
                               "\"Could not interpret the value as string.\"}]}}"},
        {"{\"content\":\"\\u0000\"}", "{\"content\":{\"_errors\":[{\"code\":\"STRING_TYPE_CONVERT\","
                                      "\"message\":\"Could not interpret the value as string.\"}]}}"},
        {"{\"content\":\"a\",\"id\":\"x\"}", "{\"id\":{\"_errors\":[{\"code\":\"NUMBER_TYPE_COERCE\","
                                             "\"message\":\"Value is not snowflake.\"}]}}"},
        {"{\"content\":\"a\",\"limit\":0}", "{\"limit\":{\"_errors\":[{\"code\":\"NUMBER_TYPE_RANGE\","
                                            "\"message\":\"Must be between 1 and 100.\"}]}}"},
        {"{\"content\":\"a\",\"limit\":1e400}",
         "{\"limit\":{\"_errors\":[{\"code\":\"NUMBER_TYPE_COERCE\",\"message\":\"Value is not int.\"}]}}"},
        {"{\"content\":\"a\",\"offset\":6}", "{\"offset\":{\"_errors\":[{\"code\":\"NUMBER_TYPE_RANGE\","
                                             "\"message\":\"Must be between -5 and 5.\"}]}}"},
        {"{\"content\":\"a\",\"tts\":1}", "{\"tts\":{\"_errors\":[{\"code\":\"BOOLEAN_TYPE_CONVERT\","
                                          "\"message\":\"Must be either true or false.\"}]}}"},
        {"{\"content\":\"a\",\"list\":{}}", "{\"list\":{\"_errors\":[{\"code\":\"LIST_TYPE_CONVERT\","
                                            "\"message\":\"Only iterables may be used in a ListType\"}]}}"},
        {"{\"content\":\"a\",\"list\":[1,2,3]}", "{\"list\":{\"_errors\":[{\"code\":\"BASE_TYPE_BAD_LENGTH\","
                                                 "\"message\":\"Must be between 0 and 2 in length.\"}]}}"},
        {"{\"content\":\"a\",\"object\":[]}",
         "{\"object\":{\"_errors\":[{\"code\":\"DICT_TYPE_CONVERT\",\"message\":\"Only dictionaries may be "
         "used in a DictType\"}]}}"},
        {"[]", "{\"_object\":{\"_errors\":[{\"code\":\"DICT_TYPE_CONVERT\",\"message\":\"Only dictionaries "
               "may be used in a DictType\"}]}}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(read_fields(rows[i].text) == NX_OK && faults.count == 1, "%s: %zu faults", rows[i].text,
              faults.count);
        uint8_t text[512];
        struct nx_writer w = nx_writer_init(text, sizeof(text));
        struct nx_json_out out = nx_json_out_init(&w);
        nx_json_fields_errors(&out, &faults);
        CHECK(nx_json_out_done(&out) && nx_bytes_is(nx_writer_bytes(&w), rows[i].errors), "%.*s", (int)w.size,
              text);
    }
    CHECK(read_fields("{\"content\":1,\"limit\":0,\"tts\":0}") == NX_OK && faults.count == 3, "all are told");
}

TEST(json_fields, a_small_scratch_is_told)
{
    uint8_t small[1];
    struct nx_writer scratch = nx_writer_init(small, sizeof(small));
    memset(&faults, 0, sizeof(faults));
    CHECK(nx_json_fields_read(open_text("{\"content\":\"\\n\\n\"}"), fields, FIELDS_COUNT, &scratch, &body,
                              &present, &faults) == NX_E_FULL,
          "full");
}
