/* Properties: the UTF-8 check, cut where the first byte says, agrees with a decoder that decodes first and judges the
 * number, and fails at the first byte after which nothing valid can follow; each encoding decodes to what was encoded;
 * what decodes encodes to the same text; a time that parses formats to a text of the same millisecond. */
#include "engine/base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Decodes at `at`. Returns the bytes of a valid code point; 0 when more bytes could make it one; -1 when none can. */
static int decode(const uint8_t *at, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint32_t most[] = {0, 0x7f, 0x7ff, 0xffff, 0x10ffff};
    const unsigned length = at[0] < 0x80       ? 1
                            : at[0] >> 5 == 6  ? 2
                            : at[0] >> 4 == 14 ? 3
                            : at[0] >> 3 == 30 ? 4
                                               : 0;
    if (length == 0) {
        return -1;
    }
    uint32_t low = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    unsigned seen = 1;
    for (; seen < length && seen < size; seen++) {
        if (at[seen] >> 6 != 2) {
            return -1;
        }
        low = low << 6 | (at[seen] & 0x3f);
    }
    /* The numbers the bytes not seen yet can still make it. */
    const unsigned open = 6 * (length - seen);
    const uint32_t high = (low << open) + (1U << open) - 1;
    low <<= open;
    const bool is_surrogate = low >= 0xd800 && high <= 0xdfff;
    if (high < least[length] || low > most[length] || is_surrogate) {
        return -1;
    }
    return seen == length ? (int)length : 0;
}

static void check_utf8(const uint8_t *bytes, size_t size, size_t cut)
{
    size_t good = 0;
    size_t points = 0;
    int step = 1;
    while (good < size && (step = decode(bytes + good, size - good)) > 0) {
        good += (size_t)step;
        points++;
    }
    const bool may_go_on = good == size || step == 0;
    struct nx_text_utf8 state = {0};
    const bool first = nx_text_utf8_feed(&state, nx_bytes_of(bytes, cut));
    const bool all = nx_text_utf8_feed(&state, nx_bytes_of(bytes + cut, size - cut));
    expect(all == may_go_on && (first || !all));
    expect(nx_text_utf8_done(&state) == (good == size));
    expect(nx_text_is_utf8(nx_bytes_of(bytes, size)) == (good == size));
    if (good == size) {
        expect(nx_text_points(nx_bytes_of(bytes, size)) == points);
    }
}

static void check_codec(struct nx_bytes in, void (*encode)(struct nx_bytes, struct nx_writer *),
                        enum nx_err (*decode_text)(struct nx_bytes, struct nx_writer *), bool is_hex)
{
    const size_t room = in.size * 2 + 4;
    uint8_t *text = malloc(room);
    uint8_t *back = malloc(room);
    struct nx_writer out = nx_writer_init(text, room);
    struct nx_writer plain = nx_writer_init(back, in.size);
    encode(in, &out);
    expect(nx_writer_ok(&out) && decode_text(nx_writer_bytes(&out), &plain) == NX_OK);
    expect(nx_bytes_equal(nx_writer_bytes(&plain), in));

    plain = nx_writer_init(back, room);
    if (decode_text(in, &plain) == NX_OK) {
        out = nx_writer_init(text, room);
        encode(nx_writer_bytes(&plain), &out);
        expect(nx_writer_ok(&out) && out.size == in.size);
        expect(is_hex || nx_bytes_equal(nx_writer_bytes(&out), in));
    } else {
        expect(plain.size == 0);
    }
    free(text);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const size_t cut = bytes[0] % size;
    const struct nx_bytes in = nx_bytes_of(bytes + 1, size - 1);
    check_utf8(in.at, in.size, cut);
    check_codec(in, nx_text_base64_encode, nx_text_base64_decode, false);
    check_codec(in, nx_text_base64url_encode, nx_text_base64url_decode, false);
    check_codec(in, nx_text_hex_encode, nx_text_hex_decode, true);
    const struct nx_bytes trimmed = nx_text_trim(in);
    expect(trimmed.size == 0 || (trimmed.at >= in.at && trimmed.at + trimmed.size <= in.at + in.size));
    expect(nx_bytes_equal(nx_text_trim(trimmed), trimmed));
    int64_t ms;
    if (nx_text_time_parse(in, &ms) == NX_OK && ms >= -62167219200000LL && ms <= 253402300799999LL) {
        uint8_t text[24];
        int64_t back = 0;
        struct nx_writer out = nx_writer_init(text, sizeof(text));
        nx_text_time_format(ms, &out);
        expect(nx_writer_ok(&out) && nx_text_time_parse(nx_writer_bytes(&out), &back) == NX_OK && back == ms);
    }
    return 0;
}
