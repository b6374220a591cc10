/* Goal: the published session keys, and the four parts of what a handshake exports in their order. */
#include "engine/crypto/srtp_keys.h"

#include "tests/lib/check.h"

#include <stdio.h>

static void unhex(const char *text, uint8_t *out)
{
    for (size_t i = 0; text[2 * i] != '\0'; i++) {
        unsigned byte = 0;
        CHECK(sscanf(text + 2 * i, "%2x", &byte) == 1, "hex");
        out[i] = (uint8_t)byte;
    }
}

TEST(srtp_keys, derives_the_published_keys)
{
    struct nx_srtp_keys keys; /* RFC 3711 section B.3 */
    unhex("e1f97a0d3e018be0d64fa32c06de4139", keys.key);
    unhex("0ec675ad498afeebb6960b3aabe6", keys.salt);
    static const struct {
        enum nx_srtp_keys_use use;
        size_t size;
        const char *hex;
    } cases[] = {{NX_SRTP_KEYS_RTP_CIPHER, 16, "c61e7a93744f39ee10734afe3ff7a087"},
                 {NX_SRTP_KEYS_RTP_SALT, 14, "30cbbc08863d8c85d49db34a9ae1"},
                 {NX_SRTP_KEYS_RTP_AUTH, 20, "cebe321f6ff7716b6fd4ab49af256a156d38baa4"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t wanted[20];
        uint8_t out[20];
        unhex(cases[i].hex, wanted);
        CHECK(nx_srtp_keys_derive(&keys, cases[i].use, cases[i].size, out) == NX_OK, "derive");
        CHECK(memcmp(out, wanted, cases[i].size) == 0, "case %zu", i);
    }
}

TEST(srtp_keys, splits_what_was_exported)
{
    uint8_t exported[NX_SRTP_EXPORTED_SIZE_MAX];
    for (size_t i = 0; i < sizeof(exported); i++) {
        exported[i] = (uint8_t)i;
    }
    struct nx_srtp_keys client;
    struct nx_srtp_keys server;
    const struct nx_bytes cm = nx_bytes_of(exported, 60);
    CHECK(nx_srtp_keys_split(NX_SRTP_AES128_CM_SHA1_80, cm, true, &client, &server) == NX_OK, "split");
    CHECK(client.key[0] == 0 && server.key[0] == 16 && client.salt[0] == 32 && server.salt[0] == 46, "order");
    CHECK(client.salt[13] == 45 && server.salt[13] == 59, "whole salts");
    struct nx_srtp_keys local;
    struct nx_srtp_keys remote;
    CHECK(nx_srtp_keys_split(NX_SRTP_AES128_CM_SHA1_80, cm, false, &local, &remote) == NX_OK, "split");
    CHECK(memcmp(&local, &server, sizeof(local)) == 0 && memcmp(&remote, &client, sizeof(local)) == 0,
          "roles");
    const struct nx_bytes gcm = nx_bytes_of(exported, 56);
    CHECK(nx_srtp_keys_split(NX_SRTP_AEAD_AES_128_GCM, gcm, true, &client, &server) == NX_OK, "split");
    CHECK(server.salt[0] == 44 && server.salt[11] == 55 && server.salt[12] == 0 && client.salt[13] == 0,
          "12 bytes");
}

TEST(srtp_keys, refuses_other_profiles_and_sizes)
{
    uint8_t exported[64] = {0};
    struct nx_srtp_keys local;
    struct nx_srtp_keys remote;
    for (unsigned profile = 0; profile < 16; profile++) {
        for (size_t size = 0; size <= sizeof(exported); size++) {
            const bool is_known = profile == 1 || profile == 7;
            const size_t wanted_size = profile == 1 ? 60 : 56;
            const enum nx_err wanted = !is_known             ? NX_E_UNSUPPORTED
                                       : size == wanted_size ? NX_OK
                                                             : NX_E_MALFORMED;
            CHECK(nx_srtp_keys_split((enum nx_srtp_profile)profile, nx_bytes_of(exported, size), true, &local,
                                     &remote) == wanted,
                  "profile %u size %zu", profile, size);
        }
    }
    CHECK(nx_srtp_keys_exported_size(NX_SRTP_NONE) == 0, "none");
    CHECK(strcmp(nx_srtp_keys_name(NX_SRTP_AEAD_AES_128_GCM), "SRTP_AEAD_AES_128_GCM") == 0, "name");
    CHECK(strcmp(nx_srtp_keys_name(NX_SRTP_NONE), "none") == 0, "name");
}
