/* Property: a stream gives the same packets whole and cut where the input says, and both end at the same place. */
#include "sfu/wire/tcp_frame.h"
#include "tests/fuzz/fuzz.h"

static bool drain(struct sfu_tcp_frame *frame, struct nx_bytes piece, struct nx_writer *seen)
{
    struct nx_bytes packet;
    do {
        if (sfu_tcp_frame_take(frame, &piece, &packet) != NX_OK) {
            return false;
        }
        nx_writer_u16(seen, (uint16_t)packet.size);
        seen->size -= packet.size == 0 ? 2 : 0;
        nx_writer_bytes_put(seen, packet);
    } while (packet.size != 0);
    fuzz_check(piece.size == 0, "all is taken");
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t rooms[2][1 << 16];
    if (size < 1 || size > 30000) {
        return 0;
    }
    const struct nx_bytes stream = nx_bytes_of(bytes + 1, size - 1);
    struct nx_writer whole = nx_writer_init(rooms[0], sizeof(rooms[0]));
    struct nx_writer cut = nx_writer_init(rooms[1], sizeof(rooms[1]));
    struct sfu_tcp_frame one = {0};
    struct sfu_tcp_frame two = {0};
    const bool is_good = drain(&one, stream, &whole);
    const size_t step = bytes[0] + 1u;
    bool is_still_good = true;
    for (size_t at = 0; at < stream.size && is_still_good; at += step) {
        is_still_good = drain(&two, nx_bytes_slice(stream, at, step), &cut);
    }
    fuzz_check(is_good == is_still_good, "same end");
    fuzz_check(nx_bytes_equal(nx_writer_bytes(&whole), nx_writer_bytes(&cut)), "same packets");
    return 0;
}
