/* Goal: the same packets come out however the stream is cut, and a length above the cap ends it.
 * Method: whole, byte by byte, and in all two-way splits. */
#include "sfu/wire/tcp_frame.h"

#include "tests/lib/check.h"

/* Packets "abc", nothing, "d", and the beginning of one of 5 bytes. */
static const uint8_t STREAM[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd', 0, 5, 'x'};

/* Feeds one piece and appends the packets with a dot behind each. */
static void feed(struct sfu_tcp_frame *frame, const uint8_t *at, size_t size, struct nx_writer *seen)
{
    struct nx_bytes piece = nx_bytes_of(at, size);
    struct nx_bytes packet;
    do {
        CHECK(sfu_tcp_frame_take(frame, &piece, &packet) == NX_OK, "refused");
        if (packet.size != 0) {
            nx_writer_bytes_put(seen, packet);
            nx_writer_u8(seen, '.');
        }
    } while (packet.size != 0);
    CHECK(piece.size == 0, "all is taken");
}

TEST(tcp_frame, gives_the_same_packets_however_cut)
{
    for (size_t cut = 0; cut <= sizeof(STREAM); cut++) {
        struct sfu_tcp_frame frame = {0};
        uint8_t room[32];
        struct nx_writer seen = nx_writer_init(room, sizeof(room));
        feed(&frame, STREAM, cut, &seen);
        feed(&frame, STREAM + cut, sizeof(STREAM) - cut, &seen);
        CHECK(nx_bytes_is(nx_writer_bytes(&seen), "abc.d."), "cut at %zu", cut);
        feed(&frame, (const uint8_t *)"yzuv", 4, &seen);
        CHECK(nx_bytes_is(nx_writer_bytes(&seen), "abc.d.xyzuv."), "the rest, cut at %zu", cut);
    }
    struct sfu_tcp_frame frame = {0};
    uint8_t room[32];
    struct nx_writer seen = nx_writer_init(room, sizeof(room));
    for (size_t i = 0; i < sizeof(STREAM); i++) {
        feed(&frame, STREAM + i, 1, &seen);
    }
    CHECK(nx_bytes_is(nx_writer_bytes(&seen), "abc.d."), "byte by byte");
}

TEST(tcp_frame, ends_at_a_length_above_the_cap)
{
    static uint8_t stream[2 + SFU_TCP_FRAME_SIZE_MAX];
    for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
        struct sfu_tcp_frame frame = {0};
        stream[0] = SFU_TCP_FRAME_SIZE_MAX >> 8;
        stream[1] = SFU_TCP_FRAME_SIZE_MAX & 255;
        struct nx_bytes piece = nx_bytes_of(stream, in_pieces != 0 ? 1 : sizeof(stream));
        struct nx_bytes packet;
        CHECK(sfu_tcp_frame_take(&frame, &piece, &packet) == NX_OK, "cap");
        if (in_pieces != 0) {
            piece = nx_bytes_of(stream + 1, sizeof(stream) - 1);
            CHECK(sfu_tcp_frame_take(&frame, &piece, &packet) == NX_OK, "cap");
        }
        CHECK(packet.size == SFU_TCP_FRAME_SIZE_MAX && frame.held == 0, "the largest");
        stream[1]++;
        piece = nx_bytes_of(stream, in_pieces != 0 ? 1 : sizeof(stream));
        const enum nx_err err = sfu_tcp_frame_take(&frame, &piece, &packet);
        CHECK(err == (in_pieces != 0 ? NX_OK : NX_E_FULL), "one more byte");
        if (in_pieces != 0) {
            piece = nx_bytes_of(stream + 1, 1);
            CHECK(sfu_tcp_frame_take(&frame, &piece, &packet) == NX_E_FULL, "one more byte");
        }
    }
}

TEST(tcp_frame, writes_lengths)
{
    uint8_t room[2];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_tcp_frame_write(0x1234, &w);
    CHECK(nx_writer_ok(&w) && room[0] == 0x12 && room[1] == 0x34, "length");
}
