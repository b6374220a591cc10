/* Goal: a record is the 48 bytes of docs/histories.md, and a file that cannot be written is told. */
#include "loadtest/history.h"
#include "tests/lib/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint8_t GOLDEN[LOAD_HISTORY_RECORD_SIZE] = {
    7,    3, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8,    7, 6, 5, 4, 3, 2, 1, 0x11, 0, 0, 0, 0,    0, 0, 0x80,
    0x22, 0, 0,    0,    0,    0,    0,    0,    0x33, 0, 0, 0, 0, 0, 0, 0, 0x44, 0, 0, 0, 0x55, 0, 0, 0x66};

static const struct load_history_record RECORD = {.kind = LOAD_HISTORY_DELIVER,
                                                  .flags = 3,
                                                  .code = 0x1234,
                                                  .client = 0x12345678,
                                                  .channel = UINT64_C(0x8000000000000011),
                                                  .id = 0x22,
                                                  .hash = 0x33,
                                                  .seq = 0x44,
                                                  .extra = 0x66000055};

TEST(history, a_record_is_48_bytes_little_endian)
{
    uint8_t bytes[LOAD_HISTORY_RECORD_SIZE];
    load_history_encode(bytes, UINT64_C(0x0102030405060708), &RECORD);
    CHECK(memcmp(bytes, GOLDEN, sizeof(GOLDEN)) == 0, "bytes");
}

TEST(history, a_file_begins_with_its_name_and_holds_the_records)
{
    char path[] = "/tmp/history-test-XXXXXX";
    uint8_t bytes[4 * LOAD_HISTORY_RECORD_SIZE];
    struct load_history history = {.file = NULL};
    struct load_history_record stored = {.kind = LOAD_HISTORY_STORED, .author = 42};
    const int fd = mkstemp(path);
    CHECK(fd >= 0 && load_history_open(&history, path) == NX_OK, "open");
    load_history_put(&history, INT64_C(0x0102030405060708), &RECORD);
    load_history_put(&history, 99, &stored);
    CHECK(history.count == 2 && load_history_close(&history) == NX_OK, "close");
    CHECK(read(fd, bytes, sizeof(bytes)) == 3 * LOAD_HISTORY_RECORD_SIZE, "size");
    CHECK(memcmp(bytes, "NEXUSHST\1\0\0\0", 12) == 0, "head");
    CHECK(memcmp(bytes + LOAD_HISTORY_RECORD_SIZE, GOLDEN, sizeof(GOLDEN)) == 0, "first");
    CHECK(bytes[2 * LOAD_HISTORY_RECORD_SIZE + 8] == 42, "the author stands where the time is");
    (void)close(fd);
    (void)unlink(path);
}

TEST(history, a_file_that_cannot_be_written_is_told)
{
    struct load_history history = {.file = NULL};
    load_history_put(&history, 1, &RECORD);
    CHECK(history.count == 0 && load_history_close(&history) == NX_OK, "none is no error");
    CHECK(load_history_open(&history, "/nowhere/at/all") == NX_E_IO, "open");
    CHECK(load_history_open(&history, "/dev/full") == NX_OK, "full");
    load_history_put(&history, 1, &RECORD);
    CHECK(load_history_close(&history) == NX_E_IO, "close");
}

TEST(history, the_hash_is_fnv_1a)
{
    CHECK(load_history_hash(nx_bytes_of(NULL, 0)) == UINT64_C(0xcbf29ce484222325), "empty");
    CHECK(load_history_hash(nx_bytes_text("a")) == UINT64_C(0xaf63dc4c8601ec8c), "a");
    CHECK(load_history_hash(nx_bytes_text("foobar")) == UINT64_C(0x85944171f73967e8), "foobar");
}
