/* Goal: the rules of RFC 6455 give the right event or close code, whatever the split, and an idle connection owns nothing.
 * Method: streams written as "frame ..." rows are turned into bytes, fed whole, byte by byte and in all two-way splits; the events
 * are written down as text and compared. */
#include "engine/wire/ws.h"

#include "engine/base/writer.h"
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { STREAM_MAX = 1 << 20, LOG_MAX = 16384 };

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
static const struct nx_ws_config server = {NX_WS_ROLE_SERVER, 1000, 8};
static const struct nx_ws_config client = {NX_WS_ROLE_CLIENT, 1000, 8};

static uint8_t stream[STREAM_MAX];
static size_t stream_size;

/* Appends one frame; `head` is the first byte. Masked as a client does unless `is_plain`. */
static void frame(uint8_t head, const void *payload, size_t size, bool is_plain)
{
    uint8_t *at = stream + stream_size;
    const size_t head_size = nx_ws_frame_header(at, (enum nx_ws_opcode)(head & 15), (head & 0x80) != 0, false,
                                                size, is_plain ? NULL : key);
    at[0] = head;
    if (size != 0) {
        memcpy(at + head_size, payload, size);
    }
    if (!is_plain) {
        nx_ws_frame_mask(at + head_size, size, key, 0);
    }
    stream_size += head_size + size;
}

static void text_frame(uint8_t head, const char *payload)
{
    frame(head, payload, strlen(payload), false);
}

static void note(struct nx_writer *log, const struct nx_ws_event *event)
{
    static const char *const names[] = {"text", "binary", "ping", "pong", "close", "failed", "want"};
    nx_writer_text(log, names[event->kind]);
    if (event->is_compressed) {
        nx_writer_u8(log, '*');
    }
    if (event->kind == NX_WS_EVENT_CLOSE || event->kind == NX_WS_EVENT_FAILED) {
        nx_writer_u8(log, ' ');
        nx_writer_decimal(log, event->code);
    }
    if (event->kind != NX_WS_EVENT_FAILED) {
        nx_writer_u8(log, ':');
        nx_writer_bytes_put(log, event->payload);
    }
    nx_writer_u8(log, '\n');
}

/* Feeds `size` bytes of a copy; grows the buffer on demand, to exactly what is needed. */
static void feed_piece(struct nx_ws *ws, const uint8_t *bytes, size_t size, struct nx_writer *log)
{
    uint8_t *piece = malloc(size + 1); /* its own allocation, so that the sanitizer sees every step outside */
    memcpy(piece, bytes, size);
    struct nx_ws_feed feed = {piece, piece + size};
    struct nx_ws_event event;
    while (nx_ws_next(ws, &feed, &event)) {
        if (event.kind == NX_WS_EVENT_WANT_BUFFER) {
            CHECK(event.size_needed > ws->buffer_room && event.size_wanted >= event.size_needed, "sizes");
            CHECK(event.size_wanted <= ws->config->message_size_max + NX_WS_CONTROL_SIZE_MAX,
                  "never past the cap");
            uint8_t *old = ws->buffer;
            uint8_t *grown = malloc(event.size_needed);
            if (nx_ws_used(ws) != 0) {
                memcpy(grown, old, nx_ws_used(ws));
            }
            nx_ws_attach(ws, grown, event.size_needed);
            free(old);
        } else {
            note(log, &event);
            if (nx_ws_is_idle(ws)) {
                free(nx_ws_detach(ws));
            }
        }
    }
    CHECK(feed.at == feed.end, "everything is used up");
    free(piece);
}

/* Feeds the stream in pieces: `first` bytes, then `step` at a time (0: all the rest). Returns the log. */
static struct nx_bytes run(const struct nx_ws_config *config, bool is_deflate, size_t first, size_t step,
                           char *text)
{
    struct nx_ws ws;
    nx_ws_init(&ws, config, is_deflate);
    struct nx_writer log = nx_writer_init(text, LOG_MAX);
    for (size_t at = 0; at < stream_size;) {
        size_t part = at == 0 ? first : step;
        part = part == 0 || part > stream_size - at ? stream_size - at : part;
        feed_piece(&ws, stream + at, part, &log);
        at += part;
    }
    free(ws.buffer);
    CHECK(nx_writer_ok(&log), "log is large enough");
    return nx_writer_bytes(&log);
}

static void expect_by(const struct nx_ws_config *config, bool is_deflate, const char *expected,
                      const char *name)
{
    static char text[LOG_MAX];
    struct nx_bytes log = run(config, is_deflate, 0, 0, text);
    CHECK(nx_bytes_is(log, expected), "%s whole: %.*s instead of %s", name, (int)log.size,
          (const char *)log.at, expected);
    log = run(config, is_deflate, 1, 1, text);
    CHECK(nx_bytes_is(log, expected), "%s by byte: %.*s", name, (int)log.size, (const char *)log.at);
    for (size_t first = 1; first < stream_size && stream_size < 3000; first++) {
        log = run(config, is_deflate, first, 0, text);
        CHECK(nx_bytes_is(log, expected), "%s at %zu: %.*s", name, first, (int)log.size,
              (const char *)log.at);
    }
    stream_size = 0;
}

static void expect(const char *expected, const char *name)
{
    expect_by(&server, false, expected, name);
}

static void raw(const void *bytes, size_t size)
{
    memcpy(stream + stream_size, bytes, size);
    stream_size += size;
}

#define RAW(text) raw(text, sizeof(text) - 1)

TEST(ws, messages_and_control_frames_become_events)
{
    text_frame(0x81, "Hello");
    text_frame(0x82, "");
    text_frame(0x81, "");
    text_frame(0x89, "beat");
    text_frame(0x8a, "");
    frame(0x82, "\0\xff\xfe", 3, false);
    static char text[LOG_MAX];
    const struct nx_bytes log = run(&server, false, 0, 0, text);
    const char expected[] = "text:Hello\nbinary:\ntext:\nping:beat\npong:\nbinary:\0\xff\xfe\n";
    CHECK(nx_bytes_equal(log, nx_bytes_of(expected, sizeof(expected) - 1)), "events");
    for (size_t first = 1; first < stream_size; first++) {
        CHECK(
            nx_bytes_equal(run(&server, false, first, 3, text), nx_bytes_of(expected, sizeof(expected) - 1)),
            "%zu", first);
    }
    stream_size = 0;
}

TEST(ws, fragments_are_joined_around_control_frames)
{
    text_frame(0x01, "Hel");
    text_frame(0x89, "a ping in between");
    text_frame(0x00, "");
    text_frame(0x8a, "");
    text_frame(0x80, "lo");
    text_frame(0x02, "");
    text_frame(0x80, "");
    text_frame(0x81, "next");
    expect("ping:a ping in between\npong:\ntext:Hello\nbinary:\ntext:next\n", "interleaved");
    text_frame(0x01, "a");
    text_frame(0x88, "\x03\xe8"
                     "bye");
    expect("close 1000:bye\n", "close inside a message");
}

TEST(ws, broken_frames_fail_with_1002)
{
    frame(0x81, "x", 1, true);
    expect("failed 1002\n", "unmasked");
    RAW("\xc1\x80");
    expect("failed 1002\n", "RSV1");
    RAW("\xa1");
    expect("failed 1002\n", "RSV2");
    RAW("\x91");
    expect("failed 1002\n", "RSV3");
    for (uint8_t opcode = 3; opcode <= 15; opcode++) {
        if (opcode < 8 || opcode > 10) {
            text_frame(0x80 | opcode, "x");
            expect("failed 1002\n", "reserved opcode");
        }
    }
    text_frame(0x09, "x");
    expect("failed 1002\n", "fragmented ping");
    RAW("\x89\xfe\x00\x7e");
    expect("failed 1002\n", "ping of 126");
    RAW("\x81\xfe\x00\x7d");
    expect("failed 1002\n", "16-bit form of 125");
    RAW("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff");
    expect("failed 1002\n", "64-bit form of 65535");
    RAW("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00");
    expect("failed 1002\n", "2^63");
    text_frame(0x80, "x");
    expect("failed 1002\n", "continuation of nothing");
    text_frame(0x01, "x");
    text_frame(0x81, "y");
    expect("failed 1002\n", "a new message inside one");
    text_frame(0x81, "ok");
    text_frame(0x80, "x");
    text_frame(0x81, "ignored");
    expect("text:ok\nfailed 1002\n", "what follows is ignored");
}

TEST(ws, size_is_judged_at_the_header)
{
    RAW("\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x55");
    expect("failed 1009\n", "1 GiB declared");
    RAW("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00");
    expect("failed 1009\n", "2^63 - 1 declared");
    static uint8_t payload[1001];
    memset(payload, 'a', sizeof(payload));
    frame(0x82, payload, 1001, false);
    expect("failed 1009\n", "one more than the cap");
    frame(0x02, payload, 999, false);
    frame(0x80, payload, 2, false);
    expect("failed 1009\n", "in sum");
    static char expected[1010];
    snprintf(expected, sizeof(expected), "binary:%.1000s\n", (const char *)payload);
    frame(0x82, payload, 1000, false);
    expect(expected, "the cap");
    frame(0x02, payload, 1, false);
    frame(0x00, payload, 998, false);
    frame(0x80, payload, 1, false);
    expect(expected, "the cap in sum");
}

TEST(ws, fragments_are_counted)
{
    text_frame(0x01, "");
    for (int i = 0; i < 7; i++) {
        text_frame(0x00, "");
    }
    text_frame(0x00, "");
    expect("failed 1008\n", "nine frames");
    text_frame(0x01, "");
    for (int i = 0; i < 6; i++) {
        text_frame(0x00, "");
    }
    text_frame(0x80, "x");
    expect("text:x\n", "eight frames");
}

TEST(ws, text_is_checked_as_it_arrives)
{
    static const char *const bad[] = {"\xff", "\xc0\x80",  "\xed\xa0\x80",         "\xf4\x90\x80\x80",
                                      "\xce", "a\xe2\x82", "\xf8\x88\x80\x80\x80", "\xe2\x28\xa1",
                                      "\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text_frame(0x81, bad[i]);
        expect("failed 1007\n", "in one frame");
        text_frame(0x01, bad[i]);
        text_frame(0x80, "");
        expect("failed 1007\n", "in two frames");
        text_frame(0x88, "\x03\xe8");
        stream_size = 0;
        char reason[16];
        snprintf(reason, sizeof(reason), "\x03\xe8%s", bad[i]);
        text_frame(0x88, reason);
        expect("failed 1007\n", "as a close reason");
    }
    text_frame(0x01, "\xce\xba\xe1\xbd");
    text_frame(0x89, "p");
    text_frame(0x80, "\xb9\xf0\x9f\x98\x80");
    expect("ping:p\ntext:\xce\xba\xe1\xbd\xb9\xf0\x9f\x98\x80\n", "a code point split over frames");
    frame(0x82, "\xff\xfe", 2, false);
    expect("binary:\xff\xfe\n", "binary may hold anything");
}

TEST(ws, invalid_text_fails_before_its_frame_is_complete)
{
    struct nx_ws ws;
    struct nx_ws_event event;
    uint8_t buffer[16];
    nx_ws_init(&ws, &server, false);
    nx_ws_attach(&ws, buffer, sizeof(buffer));
    uint8_t head[14];
    const size_t head_size = nx_ws_frame_header(head, NX_WS_OPCODE_TEXT, true, false, 500, key);
    uint8_t bytes[2] = {0xf4, 0x90};
    nx_ws_frame_mask(bytes, 2, key, 0);
    struct nx_ws_feed feed = {head, head + head_size};
    CHECK(!nx_ws_next(&ws, &feed, &event), "header");
    feed = (struct nx_ws_feed){bytes, bytes + 1};
    CHECK(!nx_ws_next(&ws, &feed, &event), "may still become valid");
    feed = (struct nx_ws_feed){bytes + 1, bytes + 2};
    CHECK(nx_ws_next(&ws, &feed, &event) && event.kind == NX_WS_EVENT_FAILED && event.code == 1007,
          "fails at once");
    CHECK(nx_ws_is_done(&ws) && nx_ws_detach(&ws) == buffer, "the buffer is free again");
}

TEST(ws, close_codes_follow_the_registry)
{
    for (uint32_t code = 0; code <= 65535; code++) {
        const bool is_valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                              (code >= 3000 && code <= 4999);
        CHECK(nx_ws_frame_close_is_valid((uint16_t)code) == is_valid, "%u", (unsigned)code);
    }
    static const uint16_t bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const uint8_t payload[2] = {(uint8_t)(bad[i] >> 8), (uint8_t)bad[i]};
        frame(0x88, payload, 2, false);
        expect("failed 1002\n", "bad code");
    }
    frame(0x88, "\x03", 1, false);
    expect("failed 1002\n", "one byte");
    frame(0x88, "", 0, false);
    text_frame(0x81, "late");
    expect("close 1005:\n", "empty; data after it is ignored");
    frame(0x88,
          "\x0f\xa0"
          "why",
          5, false);
    expect("close 4000:why\n", "own code");
}

TEST(ws, a_client_takes_unmasked_frames_only)
{
    frame(0x81, "Hi", 2, true);
    frame(0x01, "a", 1, true);
    frame(0x89, "p", 1, true);
    frame(0x80, "b", 1, true);
    expect_by(&client, false, "text:Hi\nping:p\ntext:ab\n", "unmasked");
    text_frame(0x81, "Hi");
    expect_by(&client, false, "failed 1002\n", "masked");
}

TEST(ws, rsv1_marks_compressed_messages_once_agreed)
{
    text_frame(0xc1, "\xff\xff");
    text_frame(0x42, "a");
    text_frame(0x80, "b");
    text_frame(0x81, "plain");
    expect_by(&server, true, "text*:\xff\xff\nbinary*:ab\ntext:plain\n", "compressed");
    text_frame(0x41, "a");
    text_frame(0xc0, "b");
    expect_by(&server, true, "failed 1002\n", "on a continuation");
    text_frame(0xc9, "a");
    expect_by(&server, true, "failed 1002\n", "on a ping");
}

TEST(ws, whole_messages_are_borrowed_and_need_no_buffer)
{
    struct nx_ws ws;
    struct nx_ws_event event;
    nx_ws_init(&ws, &server, false);
    text_frame(0x81, "borrowed");
    text_frame(0x89, "p");
    struct nx_ws_feed feed = {stream, stream + stream_size};
    CHECK(nx_ws_next(&ws, &feed, &event) && event.kind == NX_WS_EVENT_TEXT && !event.is_buffered, "text");
    CHECK(event.payload.at >= stream && event.payload.at + event.payload.size <= stream + stream_size,
          "borrowed");
    CHECK(nx_ws_next(&ws, &feed, &event) && event.kind == NX_WS_EVENT_PING, "ping");
    CHECK(!nx_ws_next(&ws, &feed, &event) && ws.buffer == NULL && nx_ws_is_idle(&ws), "nothing owned");
    stream_size = 0;
}

TEST(ws, buffer_is_asked_for_what_is_at_hand_and_told_the_whole)
{
    static const struct nx_ws_config large = {NX_WS_ROLE_SERVER, 16 * 1024 * 1024, 8};
    struct nx_ws ws;
    struct nx_ws_event event;
    nx_ws_init(&ws, &large, false);
    uint8_t bytes[14 + 5] = {0};
    const size_t head_size =
        nx_ws_frame_header(bytes, NX_WS_OPCODE_BINARY, true, false, 16 * 1024 * 1024, key);
    struct nx_ws_feed feed = {bytes, bytes + head_size + 5};
    CHECK(nx_ws_next(&ws, &feed, &event) && event.kind == NX_WS_EVENT_WANT_BUFFER, "wants");
    CHECK(event.size_needed == 5 && event.size_wanted == 16 * 1024 * 1024, "%u %u", event.size_needed,
          event.size_wanted);
}

TEST(ws, masking_is_the_same_at_every_size_phase_and_alignment)
{
    uint8_t plain[80];
    uint8_t masked[80];
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)(i * 37);
    }
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t size = 0; size + offset <= sizeof(plain); size++) {
            for (size_t phase = 0; phase < 8; phase++) {
                memcpy(masked, plain, sizeof(plain));
                nx_ws_frame_mask(masked + offset, size, key, phase);
                for (size_t i = 0; i < sizeof(plain); i++) {
                    const bool is_inside = i >= offset && i < offset + size;
                    const uint8_t byte = is_inside ? plain[i] ^ key[(i - offset + phase) & 3] : plain[i];
                    CHECK(masked[i] == byte, "offset %zu size %zu phase %zu at %zu", offset, size, phase, i);
                }
            }
        }
    }
}

TEST(ws, written_headers_read_back_and_every_prefix_waits)
{
    static const uint64_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, (uint64_t)INT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int is_masked = 0; is_masked < 2; is_masked++) {
            uint8_t head[NX_WS_HEADER_SIZE_MAX];
            const size_t size = nx_ws_frame_header(head, NX_WS_OPCODE_BINARY, true, false, sizes[i],
                                                   is_masked != 0 ? key : NULL);
            const enum nx_ws_role role = is_masked != 0 ? NX_WS_ROLE_SERVER : NX_WS_ROLE_CLIENT;
            struct nx_ws_frame out;
            CHECK(size == nx_ws_frame_header_size(sizes[i], is_masked != 0), "size");
            for (size_t prefix = 0; prefix < size; prefix++) {
                CHECK(nx_ws_frame_parse(nx_bytes_of(head, prefix), role, false, &out) == NX_E_TRUNCATED,
                      "prefix %zu", prefix);
            }
            CHECK(nx_ws_frame_parse(nx_bytes_of(head, size), role, false, &out) == NX_OK, "whole");
            CHECK(out.payload_size == sizes[i] && out.header_size == size && out.is_final && out.opcode == 2,
                  "fields");
            CHECK(is_masked == 0 || memcmp(out.mask, key, 4) == 0, "mask");
        }
    }
}

TEST(ws, close_reasons_are_cut_at_characters)
{
    uint8_t out[NX_WS_CONTROL_SIZE_MAX];
    char reason[200];
    memset(reason, 'a', sizeof(reason));
    CHECK(nx_ws_frame_close(out, 1001, nx_bytes_of(reason, sizeof(reason))) == 125, "cut");
    memcpy(reason + 121, "\xe2\x82\xac", 3);
    CHECK(nx_ws_frame_close(out, 1001, nx_bytes_of(reason, sizeof(reason))) == 123, "before the character");
    CHECK(nx_ws_frame_close(out, 4100, nx_bytes_of(reason, 3)) == 5 && out[0] == 0x10 && out[1] == 0x04,
          "code");
    CHECK(nx_ws_frame_close(out, NX_WS_CLOSE_NONE, nx_bytes_of(reason, 3)) == 0, "none");
}
