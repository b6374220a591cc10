/* Property: views lie inside the message, what is refused leaves nothing, answers to whatever was read are STUN, authentic and
 * small, and a message is authentic under one key only. The input's FINGERPRINT is mended so that the fuzzer gets past it. */
#include "sfu/wire/stun.h"
#include "tests/fuzz/fuzz.h"

static void check_answers(const struct sfu_stun *stun, const struct nx_hmac_sha1 *key)
{
    uint8_t room[128];
    struct sfu_stun back;
    const struct nx_addr source = {.family = NX_ADDR_FAMILY_IPV6, .ip = {1, 2, 3}, .port = 77};
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_stun_write_success(stun, &source, key, &w);
    fuzz_check(nx_writer_ok(&w) && w.size == 76 && sfu_stun_parse(nx_writer_bytes(&w), &back) == NX_OK,
               "an answer");
    fuzz_check(nx_addr_equal(&back.mapped, &source) && sfu_stun_is_authentic(&back, key), "authentic");
    w = nx_writer_init(room, sizeof(room));
    sfu_stun_write_error(stun, SFU_STUN_UNKNOWN_ATTRIBUTE, key, &w);
    fuzz_check(nx_writer_ok(&w) && sfu_stun_parse(nx_writer_bytes(&w), &back) == NX_OK &&
                   back.error_code == 420,
               "an error");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    struct nx_hmac_sha1 key;
    struct nx_hmac_sha1 other;
    nx_hmac_sha1_init(&key, nx_bytes_text("VOkJxbRl1RmTxUk/WvJxBt"));
    nx_hmac_sha1_init(&other, nx_bytes_text("another"));
    if (size >= 28 && size <= 4096 && copy[size - 8] == 0x80 && copy[size - 7] == 0x28) {
        uint8_t room[4096];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        nx_writer_put(&w, copy, size - 8);
        const uint16_t length = (uint16_t)((uint32_t)copy[2] << 8 | copy[3]);
        sfu_stun_end(&w, 0, NULL);
        if (length == w.size - 20) {
            memcpy(copy, room, size);
        }
    }
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    struct sfu_stun stun;
    if (sfu_stun_parse(whole, &stun) == NX_OK) {
        fuzz_check(fuzz_is_inside(stun.username, whole) && fuzz_is_inside(stun.reason, whole),
                   "views inside");
        fuzz_check(stun.error_code == 0 || (stun.error_code >= 300 && stun.error_code <= 699), "error code");
        fuzz_check(stun.unknown_count <= SFU_STUN_UNKNOWN_MAX && stun.integrity_at < size, "caps");
        fuzz_check(!(sfu_stun_is_authentic(&stun, &key) && sfu_stun_is_authentic(&stun, &other)), "one key");
        struct nx_bytes ours;
        struct nx_bytes theirs;
        if (sfu_stun_username_split(stun.username, &ours, &theirs) == NX_OK) {
            fuzz_check(ours.size + theirs.size + 1 == stun.username.size, "sides add up");
        }
        check_answers(&stun, &key);
    }
    free(copy);
    return 0;
}
