/* Property: what was protected opens to the same bytes once and only once, whatever came between; what was changed or never
 * protected never opens, and leaves the stream's state as it was. */
#include "engine/crypto/srtp.h"
#include "tests/fuzz/fuzz.h"

enum { ROOM = 4096 };

static struct nx_srtp senders[2];
static struct nx_srtp receivers[2];

static void open_all(void)
{
    static const enum nx_srtp_profile profiles[2] = {NX_SRTP_AEAD_AES_128_GCM, NX_SRTP_AES128_CM_SHA1_80};
    const struct nx_srtp_keys keys = {.key = {1, 2, 3}, .salt = {4, 5, 6}};
    for (int i = 0; i < 2 && senders[i].profile == NX_SRTP_NONE; i++) {
        fuzz_check(nx_srtp_open(&senders[i], profiles[i], &keys, true) == NX_OK, "open");
        fuzz_check(nx_srtp_open(&receivers[i], profiles[i], &keys, false) == NX_OK, "open");
    }
}

static void try_foreign(struct nx_srtp *receiver, struct nx_srtp_stream *stream, struct nx_bytes bytes)
{
    uint8_t out[ROOM];
    size_t size = 0;
    uint64_t index = 0;
    const struct nx_srtp_window before = stream->window;
    if (bytes.size < 12 || bytes.size > sizeof(out)) {
        return;
    }
    uint8_t *copy = fuzz_copy(bytes);
    const size_t head_size = 12 + bytes.at[0] % 5 * 4u;
    if (head_size <= bytes.size) {
        uint8_t *to = (bytes.at[0] & 1) != 0 ? out : copy + head_size;
        fuzz_check(nx_srtp_unprotect(receiver, stream, nx_bytes_of(copy, bytes.size), head_size, to, &size,
                                     &index) != NX_OK,
                   "a foreign packet opens");
        fuzz_check(memcmp(&before, &stream->window, sizeof(before)) == 0, "and is noted");
    }
    struct nx_srtp_window window = {0};
    size = bytes.size;
    fuzz_check(nx_srtp_unprotect_rtcp(receiver, &window, copy, &size) != NX_OK && !window.has_highest,
               "foreign RTCP opens");
    free(copy);
}

static void send_one(struct nx_srtp *sender, struct nx_srtp *receiver, struct nx_srtp_stream *stream,
                     uint64_t index, struct nx_bytes payload, uint8_t damage)
{
    uint8_t packet[ROOM] = {0x80, 96, (uint8_t)(index >> 8), (uint8_t)index};
    uint8_t out[ROOM];
    size_t size = 0;
    size_t payload_size = 0;
    uint64_t got = 0;
    fuzz_check(nx_srtp_protect(sender, index, packet, sizeof(packet), 12, &payload, 1, &size) == NX_OK,
               "protect");
    const bool is_new = nx_srtp_window_is_new(&stream->window, index);
    const bool is_near = nx_srtp_window_guess(&stream->window, (uint16_t)index) == index;
    if (damage != 0) {
        packet[damage % size] ^= damage;
        fuzz_check(nx_srtp_unprotect(receiver, stream, nx_bytes_of(packet, size), 12, out, &payload_size,
                                     &got) != NX_OK,
                   "a damaged packet opens");
        packet[damage % size] ^= damage;
    }
    const enum nx_err err =
        nx_srtp_unprotect(receiver, stream, nx_bytes_of(packet, size), 12, out, &payload_size, &got);
    if (err == NX_OK) {
        fuzz_check(got == index && is_new && payload_size == payload.size, "opens once, under its index");
        fuzz_check(payload.size == 0 || memcmp(out, payload.at, payload.size) == 0, "the same bytes");
    } else {
        fuzz_check(!is_new || !is_near, "a new packet nearby opens");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    open_all();
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const unsigned which = fuzz_u8(&input) & 1;
    struct nx_srtp_stream stream = {0};
    uint64_t index = fuzz_number(&input, 4);
    try_foreign(&receivers[which], &stream, input);
    while (input.size != 0) {
        const uint8_t code = fuzz_u8(&input);
        const uint64_t step = fuzz_number(&input, code & 3);
        index = (code & 4) != 0 && step <= index ? index - step : index + step;
        index &= (1ULL << 48) - 1;
        if ((code & 8) != 0) {
            nx_srtp_stream_skipped(&stream);
        }
        const struct nx_bytes payload = nx_bytes_slice(input, 0, code >> 4);
        send_one(&senders[which], &receivers[which], &stream, index, payload,
                 (code & 0x18) == 0x10 ? code : 0);
    }
    return 0;
}
