/* Goal: any receiver of RFC 7692 understands what we send, and no sender hurts us.
 * Method: zlib itself as the other end; tables of offers and answers; bombs, cuts and bit flips. */
#include "engine/wire/deflate.h"

#include "tests/lib/check.h"

#include <stdlib.h>
#include <zlib.h>

static _Alignas(16) uint8_t inflater_block[NX_DEFLATE_INFLATER_SIZE];
static _Alignas(16) uint8_t deflater_block[NX_DEFLATE_DEFLATER_SIZE];

static struct nx_deflate_inflater *inflater(void)
{
    struct nx_deflate_inflater *i;
    CHECK(nx_deflate_inflater_init(inflater_block, sizeof(inflater_block), &i) == NX_OK, "init");
    return i;
}

static struct nx_deflate_deflater *deflater(int window_bits)
{
    struct nx_deflate_deflater *d;
    CHECK(nx_deflate_deflater_init(deflater_block, sizeof(deflater_block), window_bits, 6, &d) == NX_OK,
          "init");
    return d;
}

/* The other end: inflates a message payload with a window of `bits`, giving zlib one byte of room at a time so that the
 * window is really used. Returns the size, or SIZE_MAX when zlib refuses. */
static size_t peer_inflate(struct nx_bytes payload, int bits, uint8_t *out, size_t room)
{
    static const uint8_t end[4] = {0, 0, 0xff, 0xff};
    z_stream stream = {0};
    CHECK(inflateInit2(&stream, -bits) == Z_OK, "zlib");
    size_t size = 0;
    for (int part = 0; part < 2; part++) {
        stream.next_in = (z_const Bytef *)(uintptr_t)(part == 0 ? payload.at : end);
        stream.avail_in = part == 0 ? (unsigned)payload.size : 4;
        for (;;) {
            stream.next_out = out + size;
            stream.avail_out = size < room ? 1 : 0;
            const int result = inflate(&stream, Z_SYNC_FLUSH);
            const size_t more = (size < room ? 1 : 0) - stream.avail_out;
            size += more;
            if (result != Z_OK && result != Z_BUF_ERROR) {
                inflateEnd(&stream);
                return SIZE_MAX;
            }
            if (more == 0) {
                break;
            }
        }
        CHECK(stream.avail_in == 0, "all is read");
    }
    inflateEnd(&stream);
    return size;
}

/* The other end: compresses as a sender of RFC 7692 does. */
static size_t peer_deflate(const void *text, size_t size, uint8_t *out, size_t room)
{
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
    stream.next_in = (z_const Bytef *)(uintptr_t)text;
    stream.avail_in = (unsigned)size;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    CHECK(deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_out != 0, "zlib");
    const size_t written = room - stream.avail_out;
    deflateEnd(&stream);
    return written - 4;
}

static uint8_t text[200000];
static uint8_t packed[300000];
static uint8_t unpacked[300000];

/* Fills `text` with words that repeat at all distances. */
static void fill(size_t size, unsigned seed)
{
    static const char *const words[] = {"nexus ", "message ", "channel ", "{\"id\":\"",
                                        "42\",",  "\n",       "a",        "zzzzzzzzzzzzzzzz"};
    size_t at = 0;
    while (at < size) {
        seed = seed * 1103515245U + 12345U;
        const char *word = words[seed >> 16 & 7];
        for (size_t i = 0; word[i] != '\0' && at < size; i++) {
            text[at++] = (uint8_t)word[i];
        }
    }
}

TEST(deflate, prefix_and_shared_tail_make_one_message_for_any_receiver)
{
    static const size_t prefix_sizes[] = {0, 1, 19, 65535};
    static const size_t tail_sizes[] = {0, 1, 150, 4000, 100000};
    for (int bits = 8; bits <= 15; bits++) {
        struct nx_deflate_deflater *d = deflater(bits);
        for (size_t t = 0; t < 5; t++) {
            static uint8_t tail[120000];
            fill(tail_sizes[t], (unsigned)t);
            struct nx_writer w = nx_writer_init(tail, sizeof(tail));
            CHECK(nx_deflate_tail(d, nx_bytes_of(text, tail_sizes[t]), &w) == NX_OK, "tail");
            CHECK(w.size <= nx_deflate_tail_size_max(tail_sizes[t]), "bound");
            for (size_t p = 0; p < 4; p++) {
                uint8_t prefix[65535];
                memset(prefix, 'p', sizeof(prefix));
                struct nx_writer message = nx_writer_init(packed, sizeof(packed));
                nx_deflate_prefix(&message, nx_bytes_of(prefix, prefix_sizes[p]));
                nx_writer_bytes_put(&message, nx_writer_bytes(&w));
                CHECK(nx_writer_ok(&message), "fits");
                const size_t size = peer_inflate(nx_writer_bytes(&message), bits, unpacked, sizeof(unpacked));
                CHECK(size == prefix_sizes[p] + tail_sizes[t], "bits %d: %zu", bits, size);
                CHECK(memcmp(unpacked, prefix, prefix_sizes[p]) == 0, "prefix");
                CHECK(memcmp(unpacked + prefix_sizes[p], text, tail_sizes[t]) == 0, "tail");
            }
        }
    }
}

TEST(deflate, a_tail_that_does_not_fit_is_told_and_the_next_one_is_right)
{
    struct nx_deflate_deflater *d = deflater(15);
    for (size_t i = 0; i < 3000; i++) {
        text[i] = (uint8_t)(rand() >> 7);
    }
    for (size_t room = 0; room < 3005; room++) {
        struct nx_writer w = nx_writer_init(packed, room);
        CHECK(nx_deflate_tail(d, nx_bytes_of(text, 3000), &w) == NX_E_FULL && w.size == 0, "room %zu", room);
    }
    struct nx_writer w = nx_writer_init(packed, nx_deflate_tail_size_max(3000));
    CHECK(nx_deflate_tail(d, nx_bytes_of(text, 3000), &w) == NX_OK, "the bound suffices");
    CHECK(peer_inflate(nx_writer_bytes(&w), 15, unpacked, sizeof(unpacked)) == 3000, "right");
}

/* Inflates in steps of `room` bytes; returns the whole size or the error. */
static enum nx_err inflate_steps(struct nx_deflate_inflater *i, struct nx_bytes message, size_t room,
                                 size_t *total)
{
    size_t size = 0;
    enum nx_err err = NX_E_FULL;
    *total = 0;
    nx_deflate_inflate_start(i, message);
    for (size_t steps = 0; err == NX_E_FULL && steps < 2000000; steps++) {
        err = nx_deflate_inflate_step(i, unpacked + *total, room, &size);
        *total += err == NX_OK || err == NX_E_FULL ? size : 0;
        CHECK(err != NX_E_FULL || size == room, "a step that is full wrote everything");
        CHECK(*total + room <= sizeof(unpacked), "bounded");
    }
    return err;
}

TEST(deflate, messages_of_other_senders_inflate_in_steps_of_any_size)
{
    static const size_t sizes[] = {0, 1, 2, 100, 5000, 200000};
    struct nx_deflate_inflater *i = inflater();
    for (size_t n = 0; n < 6; n++) {
        fill(sizes[n], 7);
        const size_t size = peer_deflate(text, sizes[n], packed, sizeof(packed));
        static const size_t rooms[] = {1, 2, 3, 100, 4096, 60000};
        for (size_t r = sizes[n] > 10000 ? 3 : 0; r < 6; r++) {
            size_t total;
            CHECK(inflate_steps(i, nx_bytes_of(packed, size), rooms[r], &total) == NX_OK, "size %zu room %zu",
                  sizes[n], rooms[r]);
            CHECK(total == sizes[n] && memcmp(unpacked, text, total) == 0, "same");
        }
        if (sizes[n] != 0) {
            size_t got;
            nx_deflate_inflate_start(i, nx_bytes_of(packed, size));
            CHECK(nx_deflate_inflate_step(i, unpacked, sizes[n], &got) == NX_OK && got == sizes[n],
                  "an exact fit is complete");
            nx_deflate_inflate_start(i, nx_bytes_of(packed, size));
            CHECK(nx_deflate_inflate_step(i, unpacked, sizes[n] - 1, &got) == NX_E_FULL, "one less is not");
        }
    }
}

#define MESSAGE(bytes) nx_bytes_of(bytes, sizeof(bytes) - 1)

TEST(deflate, examples_of_the_rfc_inflate)
{
    struct nx_deflate_inflater *i = inflater();
    const struct nx_bytes hellos[] = {
        MESSAGE("\xf2\x48\xcd\xc9\xc9\x07\x00"),                         /* RFC 7692 7.2.3.1 */
        MESSAGE("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),         /* 7.2.3.3, stored */
        MESSAGE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),                     /* 7.2.3.4, final block */
        MESSAGE("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), /* 7.2.3.5, two blocks */
        MESSAGE("\xf3\x48\xcd\xc9\xc9\x07\x00"), /* a final block with nothing after it */
    };
    for (size_t n = 0; n < sizeof(hellos) / sizeof(hellos[0]); n++) {
        size_t size;
        nx_deflate_inflate_start(i, hellos[n]);
        const enum nx_err err = nx_deflate_inflate_step(i, unpacked, 100, &size);
        CHECK(err == NX_OK && size == 5 && memcmp(unpacked, "Hello", 5) == 0, "example %zu: %d", n, err);
    }
    for (size_t room = 1; room < 50; room++) { /* a final block whose output waits for room at its very end */
        size_t total;
        CHECK(inflate_steps(i, MESSAGE("\xf3\x48\xcd\xc9\xc9\x36\x36\x36\x36\x36\x27\x00\x00"), room,
                            &total) == NX_OK,
              "%zu", room);
        CHECK(total == 41, "room %zu: %zu", room, total);
    }
    size_t size = 9;
    nx_deflate_inflate_start(i, MESSAGE("\x00"));
    CHECK(nx_deflate_inflate_step(i, NULL, 0, &size) == NX_OK && size == 0, "7.2.3.6, empty");
}

TEST(deflate, a_bomb_stops_at_the_cap)
{
    enum { BOMB = 1 << 30 };
    uint8_t *bomb = malloc(2 << 20);
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
    stream.next_out = bomb;
    stream.avail_out = 2 << 20;
    static uint8_t zeros[1 << 20];
    for (size_t n = 0; n < BOMB / sizeof(zeros) / 16; n++) {
        stream.next_in = zeros;
        stream.avail_in = sizeof(zeros);
        CHECK(deflate(&stream, Z_NO_FLUSH) == Z_OK, "zlib");
    }
    CHECK(deflate(&stream, Z_SYNC_FLUSH) == Z_OK, "zlib");
    const size_t size = (2 << 20) - stream.avail_out;
    deflateEnd(&stream);
    struct nx_deflate_inflater *i = inflater();
    size_t got;
    nx_deflate_inflate_start(i, nx_bytes_of(bomb, size - 4));
    CHECK(nx_deflate_inflate_step(i, unpacked, 16384, &got) == NX_E_FULL && got == 16384, "capped");
    nx_deflate_inflate_start(i, MESSAGE("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    CHECK(nx_deflate_inflate_step(i, unpacked, 100, &got) == NX_OK && got == 5,
          "the next message is not hurt");
    free(bomb);
}

TEST(deflate, cut_or_corrupt_messages_are_refused)
{
    struct nx_deflate_inflater *i = inflater();
    fill(3000, 3);
    const size_t size = peer_deflate(text, 3000, packed, sizeof(packed));
    size_t got;
    for (size_t cut = 0; cut < size; cut++) {
        nx_deflate_inflate_start(i, nx_bytes_of(packed, cut));
        const enum nx_err err = nx_deflate_inflate_step(i, unpacked, sizeof(unpacked), &got);
        CHECK(err == NX_E_MALFORMED, "cut at %zu of %zu: %d", cut, size, err);
    }
    static const struct nx_bytes bad[] = {
        {(const uint8_t *)"\x06", 1}, /* block type 3 */
        {(const uint8_t *)"\x00\x05\x00\xfa\xfe"
                          "abcde",
         10}, /* LEN and NLEN disagree */
        {(const uint8_t *)"\xff\xff\xff\xff", 4},
        {(const uint8_t *)"\x4b\x04\x42\x00", 4}, /* a match before the start */
    };
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        nx_deflate_inflate_start(i, bad[n]);
        CHECK(nx_deflate_inflate_step(i, unpacked, sizeof(unpacked), &got) == NX_E_MALFORMED, "bad %zu", n);
    }
}

TEST(deflate, small_blocks_are_refused)
{
    struct nx_deflate_inflater *i;
    struct nx_deflate_deflater *d;
    CHECK(nx_deflate_inflater_init(inflater_block, 1000, &i) == NX_E_NO_MEMORY, "inflater");
    CHECK(nx_deflate_deflater_init(deflater_block, 1000, 15, 6, &d) == NX_E_NO_MEMORY, "deflater");
    CHECK(nx_deflate_deflater_init(deflater_block, sizeof(deflater_block), 15, 9, &d) == NX_OK,
          "level 9 fits");
}

static struct nx_http1_headers headers_of(const char *one, const char *two)
{
    static struct nx_http1_headers headers;
    headers.count = 0;
    const char *const values[] = {one, two};
    for (size_t i = 0; i < 2 && values[i] != NULL; i++) {
        headers.at[headers.count++] =
            (struct nx_http1_header){nx_bytes_text("Sec-WebSocket-Extensions"), nx_bytes_text(values[i])};
    }
    return headers;
}

TEST(deflate, offers_are_chosen_or_declined)
{
    static const struct {
        const char *one;
        const char *two;
        int bits; /* 0: declined */
        const char *answer_end;
    } rows[] = {
        {NULL, NULL, 0, ""},
        {"permessage-deflate", NULL, 15, ""},
        {"Permessage-Deflate ; client_max_window_bits", NULL, 15, ""},
        {"permessage-deflate; client_max_window_bits=8; server_no_context_takeover; "
         "client_no_context_takeover",
         NULL, 15, ""},
        {"permessage-deflate; server_max_window_bits=8", NULL, 8, "; server_max_window_bits=8"},
        {"permessage-deflate;server_max_window_bits=\"10\"", NULL, 10, "; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=15", NULL, 15, "; server_max_window_bits=15"},
        {"permessage-deflate; server_max_window_bits=7", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=16", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=09", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=\"\"", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=\"1 0\"", NULL, 0, ""},
        {"permessage-deflate; client_max_window_bits=7", NULL, 0, ""},
        {"permessage-deflate; server_no_context_takeover=1", NULL, 0, ""},
        {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", NULL, 0, ""},
        {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", NULL, 0, ""},
        {"permessage-deflate; foo", NULL, 0, ""},
        {"permessage-deflate;", NULL, 0, ""},
        {"permessage-deflate;;client_max_window_bits", NULL, 0, ""},
        {"permessage-deflate=1", NULL, 0, ""},
        {"; permessage-deflate", NULL, 0, ""},
        {"x-webkit-deflate-frame", NULL, 0, ""},
        {"permessage-deflate; foo, permessage-deflate; server_max_window_bits=9", NULL, 9,
         "; server_max_window_bits=9"},
        {"foo; bar=\"a,b\", permessage-deflate", NULL, 15, ""},
        {"foo", "permessage-deflate", 15, ""},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,permessage-deflate", NULL, 15, ""},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "permessage-deflate", 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct nx_http1_headers headers = headers_of(rows[i].one, rows[i].two);
        const struct nx_deflate_terms terms = nx_deflate_choose(&headers);
        CHECK(terms.is_agreed == (rows[i].bits != 0), "row %zu", i);
        if (!terms.is_agreed) {
            continue;
        }
        CHECK(terms.server_window_bits == rows[i].bits, "row %zu: %d", i, terms.server_window_bits);
        char answer[NX_DEFLATE_ANSWER_SIZE_MAX + 1];
        struct nx_writer w = nx_writer_init(answer, NX_DEFLATE_ANSWER_SIZE_MAX);
        nx_deflate_answer(&w, &terms);
        CHECK(nx_writer_ok(&w), "fits");
        answer[w.size] = '\0';
        static const char start[] =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        CHECK(strncmp(answer, start, sizeof(start) - 1) == 0 &&
                  strcmp(answer + sizeof(start) - 1, rows[i].answer_end) == 0,
              "row %zu: %s", i, answer);
        struct nx_deflate_terms read;
        const struct nx_http1_headers back = headers_of(answer, NULL);
        CHECK(nx_deflate_answer_read(&back, &read) == NX_OK && read.is_agreed, "our own answer reads");
        CHECK(read.server_window_bits == terms.server_window_bits, "same bits");
    }
}

TEST(deflate, answers_must_fit_the_offer)
{
    static const struct {
        const char *one;
        const char *two;
        bool is_ok;
    } rows[] = {
        {NULL, NULL, true},
        {"permessage-deflate; server_no_context_takeover", NULL, true},
        {"permessage-deflate", NULL, false},
        {"permessage-deflate; server_no_context_takeover; client_max_window_bits=10", NULL, false},
        {"permessage-deflate; server_no_context_takeover; x", NULL, false},
        {"permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
         NULL, false},
        {"permessage-deflate; server_no_context_takeover", "foo", false},
        {"foo", NULL, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nx_deflate_terms terms;
        const struct nx_http1_headers headers = headers_of(rows[i].one, rows[i].two);
        CHECK((nx_deflate_answer_read(&headers, &terms) == NX_OK) == rows[i].is_ok, "row %zu", i);
    }
}
