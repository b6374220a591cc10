/* Goal: libsrtp opens what we protect and we open what it protects, both profiles, RTP and RTCP, across cycles. */
#include "engine/crypto/srtp.h"

#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <srtp2/srtp.h>

enum { ROOM = 2048, SSRC = 0x12345678 };

static const enum nx_srtp_profile PROFILES[2] = {NX_SRTP_AEAD_AES_128_GCM, NX_SRTP_AES128_CM_SHA1_80};

static srtp_t oracle(enum nx_srtp_profile profile, const struct nx_srtp_keys *keys, bool is_sender)
{
    static uint8_t key[NX_SRTP_KEY_SIZE + NX_SRTP_SALT_SIZE];
    memcpy(key, keys->key, sizeof(keys->key));
    memcpy(key + sizeof(keys->key), keys->salt, sizeof(keys->salt));
    srtp_policy_t policy = {.key = key, .window_size = 1024, .allow_repeat_tx = 0};
    policy.ssrc.type = is_sender ? ssrc_any_outbound : ssrc_any_inbound;
    if (profile == NX_SRTP_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    srtp_t session = NULL;
    CHECK(srtp_create(&session, &policy) == srtp_err_status_ok, "libsrtp session");
    return session;
}

static struct nx_srtp_keys keys_for(enum nx_srtp_profile profile, struct nx_prng *random)
{
    struct nx_srtp_keys keys = {0};
    nx_prng_fill(random, keys.key, sizeof(keys.key));
    nx_prng_fill(random, keys.salt, profile == NX_SRTP_AEAD_AES_128_GCM ? 12 : 14);
    return keys;
}

/* A head with CSRCs and an extension block of random sizes; returns its size. */
static size_t random_head(struct nx_prng *random, uint8_t *packet, uint16_t sequence)
{
    nx_prng_fill(random, packet, 12 + 15 * 4 + 4 + 12);
    const unsigned csrcs = (unsigned)nx_prng_below(random, 16);
    const unsigned words = (unsigned)nx_prng_below(random, 4);
    const bool has_block = nx_prng_below(random, 2) != 0;
    packet[0] = (uint8_t)(0x80 | (has_block ? 0x10 : 0) | csrcs);
    packet[2] = (uint8_t)(sequence >> 8);
    packet[3] = (uint8_t)sequence;
    for (int i = 0; i < 4; i++) {
        packet[8 + i] = (uint8_t)((uint32_t)SSRC >> (24 - 8 * i));
    }
    size_t size = 12 + csrcs * 4;
    if (has_block) {
        packet[size] = 0xbe;
        packet[size + 1] = 0xde;
        packet[size + 2] = 0;
        packet[size + 3] = (uint8_t)words;
        size += 4 + words * 4;
    }
    return size;
}

static uint64_t next_index(struct nx_prng *random, uint64_t index)
{
    return index + 1 +
           (nx_prng_below(random, 20) == 0 ? nx_prng_below(random, 30000) : nx_prng_below(random, 3));
}

TEST(srtp_oracle, opens_what_we_protect)
{
    CHECK(srtp_init() == srtp_err_status_ok, "libsrtp");
    struct nx_prng random;
    nx_prng_init(&random, 1);
    for (int p = 0; p < 2; p++) {
        const struct nx_srtp_keys keys = keys_for(PROFILES[p], &random);
        srtp_t theirs = oracle(PROFILES[p], &keys, false);
        struct nx_srtp ours;
        CHECK(nx_srtp_open(&ours, PROFILES[p], &keys, true) == NX_OK, "open");
        uint64_t index = 20000;
        for (int i = 0; i < 3000; i++) {
            uint8_t packet[ROOM];
            uint8_t plain[ROOM];
            uint8_t payload[1200];
            const size_t payload_size = nx_prng_below(&random, sizeof(payload) + 1);
            const size_t cut = nx_prng_below(&random, payload_size + 1);
            index = next_index(&random, index);
            nx_prng_fill(&random, payload, sizeof(payload));
            const size_t head_size = random_head(&random, packet, (uint16_t)index);
            memcpy(plain, packet, head_size);
            memcpy(plain + head_size, payload, payload_size);
            const struct nx_bytes parts[2] = {nx_bytes_of(payload, cut),
                                              nx_bytes_of(payload + cut, payload_size - cut)};
            size_t size = 0;
            CHECK(nx_srtp_protect(&ours, index, packet, ROOM, head_size, parts, 2, &size) == NX_OK,
                  "protect");
            int length = (int)size;
            CHECK(srtp_unprotect(theirs, packet, &length) == srtp_err_status_ok, "profile %d packet %d", p,
                  i);
            CHECK((size_t)length == head_size + payload_size && memcmp(packet, plain, (size_t)length) == 0,
                  "bytes");
        }
        nx_srtp_close(&ours);
        srtp_dealloc(theirs);
    }
}

TEST(srtp_oracle, protects_what_we_open)
{
    CHECK(srtp_init() == srtp_err_status_ok, "libsrtp");
    struct nx_prng random;
    nx_prng_init(&random, 2);
    for (int p = 0; p < 2; p++) {
        const struct nx_srtp_keys keys = keys_for(PROFILES[p], &random);
        srtp_t theirs = oracle(PROFILES[p], &keys, true);
        struct nx_srtp ours;
        struct nx_srtp_stream stream = {0};
        CHECK(nx_srtp_open(&ours, PROFILES[p], &keys, false) == NX_OK, "open");
        uint64_t index = 20000;
        for (int i = 0; i < 3000; i++) {
            uint8_t packet[ROOM];
            uint8_t plain[ROOM];
            uint8_t out[ROOM];
            const size_t payload_size = nx_prng_below(&random, 1201);
            index = next_index(&random, index);
            const size_t head_size = random_head(&random, packet, (uint16_t)index);
            nx_prng_fill(&random, packet + head_size, payload_size);
            memcpy(plain, packet, head_size + payload_size);
            int length = (int)(head_size + payload_size);
            CHECK(srtp_protect(theirs, packet, &length) == srtp_err_status_ok, "libsrtp protects");
            uint8_t *to = i % 2 == 0 ? out : packet + head_size;
            size_t got_size = 0;
            uint64_t got = 0;
            CHECK(nx_srtp_unprotect(&ours, &stream, nx_bytes_of(packet, (size_t)length), head_size, to,
                                    &got_size, &got) == NX_OK,
                  "profile %d packet %d", p, i);
            CHECK(got == index && got_size == payload_size &&
                      memcmp(to, plain + head_size, payload_size) == 0,
                  "bytes");
            CHECK(memcmp(packet, plain, head_size) == 0, "head");
        }
        nx_srtp_close(&ours);
        srtp_dealloc(theirs);
    }
}

TEST(srtp_oracle, agrees_about_rtcp)
{
    CHECK(srtp_init() == srtp_err_status_ok, "libsrtp");
    struct nx_prng random;
    nx_prng_init(&random, 3);
    for (int p = 0; p < 2; p++) {
        const struct nx_srtp_keys keys = keys_for(PROFILES[p], &random);
        srtp_t opener = oracle(PROFILES[p], &keys, false);
        srtp_t sealer = oracle(PROFILES[p], &keys, true);
        struct nx_srtp sender;
        struct nx_srtp receiver;
        struct nx_srtp_window window = {0};
        CHECK(nx_srtp_open(&sender, PROFILES[p], &keys, true) == NX_OK, "open");
        CHECK(nx_srtp_open(&receiver, PROFILES[p], &keys, false) == NX_OK, "open");
        for (int i = 0; i < 1000; i++) {
            uint8_t plain[ROOM];
            uint8_t packet[ROOM];
            const size_t plain_size = 8 + 4 * nx_prng_below(&random, 200);
            nx_prng_fill(&random, plain, plain_size);
            plain[0] = 0x81;
            plain[1] = 201;
            memcpy(packet, plain, plain_size);
            size_t size = plain_size;
            CHECK(nx_srtp_protect_rtcp(&sender, packet, ROOM, &size) == NX_OK, "protect");
            int length = (int)size;
            CHECK(srtp_unprotect_rtcp(opener, packet, &length) == srtp_err_status_ok, "profile %d packet %d",
                  p, i);
            CHECK((size_t)length == plain_size && memcmp(packet, plain, plain_size) == 0, "bytes");
            memset(plain + 4, 7, 4); /* one stream: libsrtp counts per SSRC */
            memcpy(packet, plain, plain_size);
            length = (int)plain_size;
            CHECK(srtp_protect_rtcp(sealer, packet, &length) == srtp_err_status_ok, "libsrtp protects");
            size = (size_t)length;
            CHECK(nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size) == NX_OK, "profile %d packet %d",
                  p, i);
            CHECK(size == plain_size && memcmp(packet, plain, plain_size) == 0, "bytes");
        }
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
        srtp_dealloc(opener);
        srtp_dealloc(sealer);
    }
}
