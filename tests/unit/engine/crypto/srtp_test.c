/* Goal: the published packets, every broken packet refused without a trace in the stream's state, and the rules of cycles
 * and replay. */
#include "engine/crypto/srtp.h"

#include "tests/lib/check.h"

#include <stdio.h>

#include <openssl/evp.h>

enum { ROOM = 1600 };

static const enum nx_srtp_profile PROFILES[2] = {NX_SRTP_AEAD_AES_128_GCM, NX_SRTP_AES128_CM_SHA1_80};

static size_t unhex(const char *text, uint8_t *out)
{
    size_t size = 0;
    for (; text[2 * size] != '\0'; size++) {
        unsigned byte = 0;
        CHECK(sscanf(text + 2 * size, "%2x", &byte) == 1, "hex");
        out[size] = (uint8_t)byte;
    }
    return size;
}

/* Replaces the derived session key and salt: the RFC's packets are given under session keys. */
static void set_session(struct nx_srtp_part *part, const char *key_hex, const char *salt_hex)
{
    uint8_t key[16];
    unhex(key_hex, key);
    memset(part->salt, 0, sizeof(part->salt));
    unhex(salt_hex, part->salt);
    CHECK(EVP_CipherInit_ex2(part->cipher, NULL, key, NULL, -1, NULL) == 1, "key");
}

static void open_pair(enum nx_srtp_profile profile, struct nx_srtp *sender, struct nx_srtp *receiver)
{
    struct nx_srtp_keys keys;
    for (size_t i = 0; i < sizeof(keys); i++) {
        ((uint8_t *)&keys)[i] = (uint8_t)(i * 3 + 1);
    }
    CHECK(nx_srtp_open(sender, profile, &keys, true) == NX_OK, "sender");
    CHECK(nx_srtp_open(receiver, profile, &keys, false) == NX_OK, "receiver");
}

static void head(uint8_t *packet, uint16_t sequence, uint32_t ssrc)
{
    const uint8_t bytes[12] = {0x80,
                               0x60,
                               (uint8_t)(sequence >> 8),
                               (uint8_t)sequence,
                               1,
                               2,
                               3,
                               4,
                               (uint8_t)(ssrc >> 24),
                               (uint8_t)(ssrc >> 16),
                               (uint8_t)(ssrc >> 8),
                               (uint8_t)ssrc};
    memcpy(packet, bytes, sizeof(bytes));
}

/* Protects 20 bytes of text under `index`. */
static size_t protect(struct nx_srtp *sender, uint64_t index, uint8_t packet[ROOM])
{
    static const char text[] = "twenty bytes of text";
    const struct nx_bytes part = nx_bytes_of(text, 20);
    size_t size = 0;
    head(packet, (uint16_t)index, 0xcafe);
    CHECK(nx_srtp_protect(sender, index, packet, ROOM, 12, &part, 1, &size) == NX_OK, "protect");
    return size;
}

static enum nx_err unprotect(struct nx_srtp *receiver, struct nx_srtp_stream *stream, const uint8_t *packet,
                             size_t size, uint64_t *index)
{
    uint8_t out[ROOM];
    size_t payload_size = 0;
    const enum nx_err err =
        nx_srtp_unprotect(receiver, stream, nx_bytes_of(packet, size), 12, out, &payload_size, index);
    CHECK(err != NX_OK || (payload_size == 20 && memcmp(out, "twenty bytes of text", 20) == 0), "text");
    return err;
}

TEST(srtp, gives_the_published_gcm_packet)
{
    struct nx_srtp sender;
    struct nx_srtp receiver;
    open_pair(NX_SRTP_AEAD_AES_128_GCM, &sender, &receiver);
    /* RFC 7714 section 16.1.1 */
    set_session(&sender.rtp, "000102030405060708090a0b0c0d0e0f", "517569642070726f2071756f");
    set_session(&receiver.rtp, "000102030405060708090a0b0c0d0e0f", "517569642070726f2071756f");
    uint8_t plain[ROOM];
    uint8_t wanted[ROOM];
    uint8_t packet[ROOM];
    const size_t plain_size = unhex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320"
                                    "64697669736120696e207061727465732074726573",
                                    plain);
    const size_t wanted_size =
        unhex("8040f17b8041f8d35501a0b2"
              "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
              "899d7f27beb16a9152cf765ee4390cce",
              wanted);
    for (size_t cut = 0; cut <= plain_size - 12; cut++) { /* the payload comes in any pieces */
        const struct nx_bytes parts[3] = {nx_bytes_of(plain + 12, cut), nx_bytes_of(NULL, 0),
                                          nx_bytes_of(plain + 12 + cut, plain_size - 12 - cut)};
        size_t size = 0;
        memcpy(packet, plain, 12);
        CHECK(nx_srtp_protect(&sender, 0xf17b, packet, ROOM, 12, parts, 3, &size) == NX_OK, "protect");
        CHECK(size == wanted_size && memcmp(packet, wanted, size) == 0, "packet cut at %zu", cut);
    }
    struct nx_srtp_stream stream = {0};
    size_t payload_size;
    uint64_t index;
    uint8_t *payload = packet + 12; /* in place */
    CHECK(nx_srtp_unprotect(&receiver, &stream, nx_bytes_of(packet, wanted_size), 12, payload, &payload_size,
                            &index) == NX_OK,
          "unprotect");
    CHECK(payload_size == plain_size - 12 && memcmp(packet, plain, plain_size) == 0 && index == 0xf17b,
          "back");
    nx_srtp_close(&sender);
    nx_srtp_close(&receiver);
}

TEST(srtp, gives_the_published_gcm_rtcp_packet)
{
    struct nx_srtp sender;
    struct nx_srtp receiver;
    open_pair(NX_SRTP_AEAD_AES_128_GCM, &sender, &receiver);
    /* RFC 7714 section 17.1 */
    set_session(&sender.rtcp, "000102030405060708090a0b0c0d0e0f", "517569642070726f2071756f");
    set_session(&receiver.rtcp, "000102030405060708090a0b0c0d0e0f", "517569642070726f2071756f");
    uint8_t packet[ROOM];
    uint8_t plain[ROOM];
    uint8_t wanted[ROOM];
    size_t size = unhex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
                        "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
                        packet);
    const size_t plain_size = unhex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
                                    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
                                    plain);
    const size_t wanted_size =
        unhex("81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda"
              "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
              wanted);
    sender.rtcp_index = 0x5d4;
    CHECK(nx_srtp_protect_rtcp(&sender, packet, ROOM, &size) == NX_OK, "protect");
    CHECK(size == wanted_size && memcmp(packet, wanted, size) == 0, "packet");
    CHECK(sender.rtcp_index == 0x5d5, "counted");
    struct nx_srtp_window window = {0};
    CHECK(nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size) == NX_OK, "unprotect");
    CHECK(size == plain_size && memcmp(packet, plain, size) == 0, "back");
    nx_srtp_close(&sender);
    nx_srtp_close(&receiver);
}

TEST(srtp, gives_the_published_key_stream_of_counter_mode)
{
    struct nx_srtp sender;
    struct nx_srtp receiver;
    open_pair(NX_SRTP_AES128_CM_SHA1_80, &sender, &receiver);
    /* RFC 3711 section B.2: SSRC, cycle and sequence number 0 */
    set_session(&sender.rtp, "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
    uint8_t packet[ROOM] = {0x80};
    uint8_t wanted[48];
    static const uint8_t zeros[48];
    const struct nx_bytes part = nx_bytes_of(zeros, sizeof(zeros));
    size_t size = 0;
    unhex("e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0",
          wanted);
    CHECK(nx_srtp_protect(&sender, 0, packet, ROOM, 12, &part, 1, &size) == NX_OK && size == 12 + 48 + 10,
          "protect");
    CHECK(memcmp(packet + 12, wanted, sizeof(wanted)) == 0, "key stream");
    nx_srtp_close(&sender);
    nx_srtp_close(&receiver);
}

TEST(srtp, gives_a_known_packet_of_the_older_profile)
{
    struct nx_srtp_keys keys;
    unhex("e1f97a0d3e018be0d64fa32c06de4139", keys.key);
    unhex("0ec675ad498afeebb6960b3aabe6", keys.salt);
    struct nx_srtp sender;
    CHECK(nx_srtp_open(&sender, NX_SRTP_AES128_CM_SHA1_80, &keys, true) == NX_OK, "open");
    uint8_t packet[ROOM];
    uint8_t text[16];
    uint8_t wanted[ROOM];
    memset(text, 0xab, sizeof(text));
    unhex("800f1234decafbadcafebabe", packet);
    const size_t wanted_size =
        unhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb", wanted);
    const struct nx_bytes part = nx_bytes_of(text, sizeof(text));
    size_t size = 0;
    CHECK(nx_srtp_protect(&sender, 0x1234, packet, ROOM, 12, &part, 1, &size) == NX_OK, "protect");
    CHECK(size == wanted_size && memcmp(packet, wanted, size) == 0, "packet");
    nx_srtp_close(&sender);
}

TEST(srtp, refuses_every_changed_bit_and_every_prefix)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        uint8_t packet[ROOM];
        const size_t size = protect(&sender, 7, packet);
        struct nx_srtp_stream stream = {0};
        const struct nx_srtp_stream fresh = {0};
        uint64_t index = 99;
        for (size_t bit = 0; bit < size * 8; bit++) {
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_AUTH, "bit %zu", bit);
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < size; cut++) {
            const enum nx_err wanted =
                cut < 12 + nx_srtp_rtp_overhead(PROFILES[p]) ? NX_E_TRUNCATED : NX_E_AUTH;
            CHECK(unprotect(&receiver, &stream, packet, cut, &index) == wanted, "prefix %zu", cut);
        }
        CHECK(memcmp(&stream, &fresh, sizeof(stream)) == 0 && index == 99, "nothing was noted");
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK && index == 7,
              "the packet itself");
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_CONFLICT, "again");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, leaves_nothing_readable_of_a_forged_packet)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        uint8_t packet[ROOM];
        uint8_t before[ROOM];
        uint8_t out[ROOM];
        const size_t size = protect(&sender, 7, packet);
        packet[size - 1] ^= 1;
        memcpy(before, packet, size);
        struct nx_srtp_stream stream = {0};
        size_t payload_size;
        uint64_t index;
        memset(out, 0, sizeof(out));
        CHECK(nx_srtp_unprotect(&receiver, &stream, nx_bytes_of(packet, size), 12, out, &payload_size,
                                &index) == NX_E_AUTH,
              "forged");
        for (size_t i = 0; i < 20; i++) {
            CHECK(out[i] == 0, "byte %zu", i);
        }
        CHECK(nx_srtp_unprotect(&receiver, &stream, nx_bytes_of(packet, size), 12, packet + 12, &payload_size,
                                &index) == NX_E_AUTH,
              "forged, in place");
        CHECK(memcmp(packet, before, size) == 0, "as it was");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, follows_cycles_and_refuses_what_is_old)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        struct nx_srtp_stream stream = {0};
        uint8_t packet[ROOM];
        uint64_t index = 0;
        static const uint64_t order[] = {65000,  65535,  65536,  65534,  65540,  65537, 98304,
                                         131071, 131072, 163000, 195000, 196607, 196610};
        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
            const size_t size = protect(&sender, order[i], packet);
            CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK && index == order[i],
                  "index %zu", i);
            CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_CONFLICT, "replay %zu", i);
        }
        size_t size = protect(&sender, 196610 - NX_SRTP_WINDOW, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_CONFLICT, "older than the window");
        size = protect(&sender, 196610 - NX_SRTP_WINDOW + 1, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK, "the oldest inside");
        size = protect(&sender, 196610 - 32768, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_CONFLICT, "2^15 old");
        size = protect(&sender, 196610 + 40000, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) != NX_OK,
              "a jump of more than half a cycle");
        CHECK(stream.window.highest == 196610, "changes nothing");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, finds_the_cycle_of_a_stream_that_lost_its_first_packets)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        for (int in_place = 0; in_place < 2; in_place++) {
            uint8_t packet[ROOM];
            uint8_t out[ROOM];
            struct nx_srtp_stream stream = {0};
            size_t payload_size = 0;
            uint64_t index = 0;
            const size_t size = protect(&sender, 65536 + 2, packet); /* began at 65530, say */
            uint8_t *to = in_place != 0 ? packet + 12 : out;
            CHECK(nx_srtp_unprotect(&receiver, &stream, nx_bytes_of(packet, size), 12, to, &payload_size,
                                    &index) == NX_OK,
                  "found");
            CHECK(index == 65538 && payload_size == 20 && memcmp(to, "twenty bytes of text", 20) == 0,
                  "text");
        }
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, finds_the_cycle_again_after_packets_that_were_not_looked_at)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        uint8_t packet[ROOM];
        struct nx_srtp_stream stream = {0};
        uint64_t index = 0;
        size_t size = protect(&sender, 1000, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK, "before");
        size = protect(&sender, 1000 + 50000, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK,
              "lands in the first cycle by itself");
        size = protect(&sender, 51000 + 65536 + 10, packet);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_E_AUTH, "a whole cycle on");
        nx_srtp_stream_skipped(&stream);
        CHECK(unprotect(&receiver, &stream, packet, size, &index) == NX_OK && index == 51000 + 65546,
              "found");
        CHECK(stream.trials_left == 0, "no more trials");
        nx_srtp_stream_skipped(&stream);
        packet[30] ^= 1;
        for (int i = 0; i < NX_SRTP_TRIALS + 2; i++) {
            packet[3] ^= 1; /* another sequence number */
            CHECK(unprotect(&receiver, &stream, packet, size, &index) != NX_OK, "forged");
        }
        CHECK(stream.trials_left == 0, "trials end");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, protects_nothing_that_does_not_fit_and_ends_at_its_limits)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        const size_t tag = nx_srtp_rtp_overhead(PROFILES[p]);
        uint8_t packet[ROOM];
        const struct nx_bytes parts[2] = {nx_bytes_text("abc"), nx_bytes_text("de")};
        size_t size = 77;
        head(packet, 0, 1);
        for (size_t room = 12; room < 17 + tag; room++) {
            CHECK(nx_srtp_protect(&sender, 0, packet, room, 12, parts, 2, &size) == NX_E_FULL, "room %zu",
                  room);
        }
        CHECK(size == 77, "untouched");
        CHECK(nx_srtp_protect(&sender, 0, packet, 17 + tag, 12, parts, 2, &size) == NX_OK && size == 17 + tag,
              "fits");
        CHECK(nx_srtp_protect(&sender, 1ULL << 48, packet, ROOM, 12, parts, 2, &size) == NX_E_EXPIRED,
              "2^48");
        CHECK(nx_srtp_protect(&sender, (1ULL << 48) - 65536, packet, ROOM, 12, NULL, 0, &size) == NX_OK,
              "no payload");
        uint8_t rtcp[64] = {0x80, 201, 0, 1};
        const size_t overhead = nx_srtp_rtcp_overhead(PROFILES[p]);
        size = 8;
        CHECK(nx_srtp_protect_rtcp(&sender, rtcp, 8 + overhead - 1, &size) == NX_E_FULL && size == 8,
              "no room");
        sender.rtcp_index = 0x7fffffff;
        CHECK(nx_srtp_protect_rtcp(&sender, rtcp, sizeof(rtcp), &size) == NX_OK && size == 8 + overhead,
              "the last");
        size = 8;
        CHECK(nx_srtp_protect_rtcp(&sender, rtcp, sizeof(rtcp), &size) == NX_E_EXPIRED, "2^31");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, refuses_rtcp_that_is_short_forged_old_or_in_the_clear)
{
    for (int p = 0; p < 2; p++) {
        struct nx_srtp sender;
        struct nx_srtp receiver;
        open_pair(PROFILES[p], &sender, &receiver);
        uint8_t whole[64] = {0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
        uint8_t packet[64];
        size_t size = 12;
        CHECK(nx_srtp_protect_rtcp(&sender, whole, sizeof(whole), &size) == NX_OK, "protect");
        const size_t full = size;
        struct nx_srtp_window window = {0};
        for (size_t cut = 0; cut < full; cut++) {
            memcpy(packet, whole, full);
            size = cut;
            const enum nx_err err = nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size);
            CHECK(err != NX_OK && size == cut, "prefix %zu", cut);
            CHECK((err == NX_E_TRUNCATED) == (cut < 8 + nx_srtp_rtcp_overhead(PROFILES[p])), "prefix %zu",
                  cut);
        }
        const size_t flag = PROFILES[p] == NX_SRTP_AEAD_AES_128_GCM ? full - 4 : full - 14;
        for (size_t bit = 0; bit < full * 8; bit++) {
            memcpy(packet, whole, full);
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            size = full;
            const enum nx_err wanted = bit == flag * 8 + 7 ? NX_E_UNSUPPORTED : NX_E_AUTH;
            CHECK(nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size) == wanted, "bit %zu", bit);
        }
        CHECK(!window.has_highest, "nothing was noted");
        memcpy(packet, whole, full);
        size = full;
        CHECK(nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size) == NX_OK && size == 12,
              "the packet itself");
        CHECK(packet[11] == 2, "text");
        memcpy(packet, whole, full);
        size = full;
        CHECK(nx_srtp_unprotect_rtcp(&receiver, &window, packet, &size) == NX_E_CONFLICT, "again");
        nx_srtp_close(&sender);
        nx_srtp_close(&receiver);
    }
}

TEST(srtp, opens_known_profiles_only_and_closes_twice)
{
    const struct nx_srtp_keys keys = {0};
    struct nx_srtp srtp;
    for (unsigned profile = 0; profile < 16; profile++) {
        const enum nx_err wanted = profile == 1 || profile == 7 ? NX_OK : NX_E_UNSUPPORTED;
        CHECK(nx_srtp_open(&srtp, (enum nx_srtp_profile)profile, &keys, true) == wanted, "profile %u",
              profile);
        nx_srtp_close(&srtp);
        nx_srtp_close(&srtp);
    }
}
