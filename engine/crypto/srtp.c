#include "engine/crypto/srtp.h"

#include "engine/base/assert.h"
#include "engine/crypto/equal.h"
#include "engine/crypto/wipe.h"

#include <openssl/evp.h>

enum {
    NONCE_SIZE_GCM = 12,
    BLOCK_SIZE_CM = 16,
    TAG_SIZE_GCM = 16, /* RFC 7714 section 13.2 */
    TAG_SIZE_CM = 10,  /* 80 bits, for SRTCP too */
    RTP_HEAD_SIZE_MIN = 12,
    RTCP_TRAILER_SIZE = 4 /* E bit and index */
};

static const uint64_t INDEX_MAX = (1ULL << 48) - 1; /* RFC 3711 section 9.2 */
static const uint32_t RTCP_ENCRYPTED = 0x80000000U; /* E bit, RFC 3711 section 3.4 */

static size_t tag_size(enum nx_srtp_profile profile)
{
    return profile == NX_SRTP_AEAD_AES_128_GCM ? TAG_SIZE_GCM : TAG_SIZE_CM;
}

size_t nx_srtp_rtp_overhead(enum nx_srtp_profile profile)
{
    return tag_size(profile);
}

size_t nx_srtp_rtcp_overhead(enum nx_srtp_profile profile)
{
    return tag_size(profile) + RTCP_TRAILER_SIZE;
}

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)((uint32_t)at[0] << 8 | at[1]);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static enum nx_err open_part(struct nx_srtp_part *part, enum nx_srtp_profile profile,
                             const struct nx_srtp_keys *keys, bool is_sender, unsigned first_use)
{
    const bool is_gcm = profile == NX_SRTP_AEAD_AES_128_GCM;
    uint8_t key[NX_SRTP_KEY_SIZE];
    uint8_t auth[NX_SRTP_AUTH_SIZE];
    enum nx_err err = nx_srtp_keys_derive(keys, (enum nx_srtp_keys_use)first_use, sizeof(key), key);
    if (err == NX_OK) {
        err = nx_srtp_keys_derive(keys, (enum nx_srtp_keys_use)(first_use + 1), sizeof(auth), auth);
    }
    if (err == NX_OK) {
        err = nx_srtp_keys_derive(keys, (enum nx_srtp_keys_use)(first_use + 2),
                                  is_gcm ? NONCE_SIZE_GCM : NX_SRTP_SALT_SIZE, part->salt);
    }
    if (err == NX_OK) {
        EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, is_gcm ? "AES-128-GCM" : "AES-128-CTR", NULL);
        part->cipher = EVP_CIPHER_CTX_new();
        if (cipher == NULL || part->cipher == NULL ||
            EVP_CipherInit_ex2(part->cipher, cipher, key, NULL, is_sender ? 1 : 0, NULL) != 1) {
            err = NX_E_NO_MEMORY;
        }
        EVP_CIPHER_free(cipher); /* the context holds its own reference */
        nx_hmac_sha1_init(&part->mac, nx_bytes_of(auth, sizeof(auth)));
    }
    nx_wipe(key, sizeof(key));
    nx_wipe(auth, sizeof(auth));
    return err;
}

enum nx_err nx_srtp_open(struct nx_srtp *srtp, enum nx_srtp_profile profile, const struct nx_srtp_keys *keys,
                         bool is_sender)
{
    *srtp = (struct nx_srtp){.profile = profile};
    if (profile != NX_SRTP_AES128_CM_SHA1_80 && profile != NX_SRTP_AEAD_AES_128_GCM) {
        return NX_E_UNSUPPORTED;
    }
    enum nx_err err = open_part(&srtp->rtp, profile, keys, is_sender, NX_SRTP_KEYS_RTP_CIPHER);
    if (err == NX_OK) {
        err = open_part(&srtp->rtcp, profile, keys, is_sender, NX_SRTP_KEYS_RTCP_CIPHER);
    }
    if (err != NX_OK) {
        nx_srtp_close(srtp);
    }
    return err;
}

void nx_srtp_close(struct nx_srtp *srtp)
{
    EVP_CIPHER_CTX_free(srtp->rtp.cipher); /* clears the key schedule */
    EVP_CIPHER_CTX_free(srtp->rtcp.cipher);
    nx_wipe(srtp, sizeof(*srtp));
}

/* RFC 7714 sections 8.1 and 9.1: zeros, SSRC, and 48 bits of index (RTCP: 16 zeros and the index), under the salt. */
static void nonce_gcm(const struct nx_srtp_part *part, uint32_t ssrc, uint64_t index,
                      uint8_t nonce[BLOCK_SIZE_CM])
{
    nonce[0] = 0;
    nonce[1] = 0;
    store32(nonce + 2, ssrc);
    nonce[6] = (uint8_t)(index >> 40);
    nonce[7] = (uint8_t)(index >> 32);
    store32(nonce + 8, (uint32_t)index);
    for (size_t i = 0; i < NONCE_SIZE_GCM; i++) {
        nonce[i] ^= part->salt[i];
    }
}

/* RFC 3711 section 4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16; the last 16 bits count blocks. */
static void nonce_cm(const struct nx_srtp_part *part, uint32_t ssrc, uint64_t index,
                     uint8_t nonce[BLOCK_SIZE_CM])
{
    memset(nonce, 0, BLOCK_SIZE_CM);
    store32(nonce + 4, ssrc);
    nonce[8] = (uint8_t)(index >> 40);
    nonce[9] = (uint8_t)(index >> 32);
    store32(nonce + 10, (uint32_t)index);
    for (size_t i = 0; i < NX_SRTP_SALT_SIZE; i++) {
        nonce[i] ^= part->salt[i];
    }
}

static bool start(const struct nx_srtp *srtp, const struct nx_srtp_part *part, uint32_t ssrc, uint64_t index)
{
    uint8_t nonce[BLOCK_SIZE_CM];
    if (srtp->profile == NX_SRTP_AEAD_AES_128_GCM) {
        nonce_gcm(part, ssrc, index, nonce);
    } else {
        nonce_cm(part, ssrc, index, nonce);
    }
    return EVP_CipherInit_ex2(part->cipher, NULL, NULL, nonce, -1, NULL) == 1;
}

/* Feeds bytes to the cipher; `out` NULL authenticates them only. */
static bool feed(const struct nx_srtp_part *part, uint8_t *out, const uint8_t *bytes, size_t size)
{
    int done;
    return size == 0 || EVP_CipherUpdate(part->cipher, out, &done, bytes, (int)size) == 1;
}

static bool finish_sealing(const struct nx_srtp_part *part, uint8_t *tag)
{
    int done;
    uint8_t nothing[BLOCK_SIZE_CM];
    return EVP_CipherFinal_ex(part->cipher, nothing, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(part->cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE_GCM, tag) == 1;
}

static bool finish_opening(const struct nx_srtp_part *part)
{
    int done;
    uint8_t nothing[BLOCK_SIZE_CM];
    return EVP_CipherFinal_ex(part->cipher, nothing, &done) == 1;
}

/* RFC 3711 section 4.2: over the packet and the cycle counter, which SRTCP carries in itself. */
static void tag_cm(const struct nx_srtp_part *part, struct nx_bytes packet, const uint32_t *cycle,
                   uint8_t tag[TAG_SIZE_CM])
{
    uint8_t counter[4];
    uint8_t code[NX_HMAC_SHA1_SIZE];
    store32(counter, cycle != NULL ? *cycle : 0);
    const struct nx_bytes parts[2] = {packet, nx_bytes_of(counter, cycle != NULL ? sizeof(counter) : 0)};
    nx_hmac_sha1_compute(&part->mac, parts, 2, code);
    memcpy(tag, code, TAG_SIZE_CM);
}

enum nx_err nx_srtp_protect(struct nx_srtp *srtp, uint64_t index, uint8_t *packet, size_t room,
                            size_t head_size, const struct nx_bytes *parts, unsigned count, size_t *size)
{
    const struct nx_srtp_part *part = &srtp->rtp;
    const bool is_gcm = srtp->profile == NX_SRTP_AEAD_AES_128_GCM;
    NX_ASSERT(head_size >= RTP_HEAD_SIZE_MIN && head_size <= room && load16(packet + 2) == (uint16_t)index);
    size_t whole = head_size;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size > room - whole) {
            return NX_E_FULL;
        }
        whole += parts[i].size;
    }
    if (room - whole < tag_size(srtp->profile)) {
        return NX_E_FULL;
    }
    if (index > INDEX_MAX) {
        return NX_E_EXPIRED;
    }
    if (!start(srtp, part, load32(packet + 8), index) || (is_gcm && !feed(part, NULL, packet, head_size))) {
        return NX_E_NO_MEMORY;
    }
    uint8_t *at = packet + head_size;
    for (unsigned i = 0; i < count; i++) {
        if (!feed(part, at, parts[i].at, parts[i].size)) {
            return NX_E_NO_MEMORY;
        }
        at += parts[i].size;
    }
    if (is_gcm) {
        if (!finish_sealing(part, at)) {
            return NX_E_NO_MEMORY;
        }
    } else {
        const uint32_t cycle = (uint32_t)(index >> 16);
        tag_cm(part, nx_bytes_of(packet, whole), &cycle, at);
    }
    *size = whole + tag_size(srtp->profile);
    return NX_OK;
}

/* A packet to be opened. */
struct sealed {
    struct nx_bytes head; /* authenticated, readable */
    struct nx_bytes text; /* encrypted */
    const uint8_t *tag;   /* behind the text */
    uint8_t *out;         /* where the text goes, may be the text itself */
};

static bool open_gcm(const struct nx_srtp *srtp, uint64_t index, const struct sealed *sealed)
{
    const struct nx_srtp_part *part = &srtp->rtp;
    const uint32_t ssrc = load32(sealed->head.at + 8);
    uint8_t tag[TAG_SIZE_GCM]; /* a copy, because OpenSSL wants to write to it */
    memcpy(tag, sealed->tag, sizeof(tag));
    if (!start(srtp, part, ssrc, index) ||
        EVP_CIPHER_CTX_ctrl(part->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE_GCM, tag) != 1 ||
        !feed(part, NULL, sealed->head.at, sealed->head.size)) {
        return false;
    }
    if (feed(part, sealed->out, sealed->text.at, sealed->text.size) && finish_opening(part)) {
        return true;
    }
    /* In place the text is gone; the same key stream over it brings it back for the next trial and leaves nothing
     * readable. Elsewhere there is nothing to bring back. */
    if (sealed->out == sealed->text.at) {
        if (!start(srtp, part, ssrc, index) || !feed(part, sealed->out, sealed->text.at, sealed->text.size)) {
            nx_wipe(sealed->out, sealed->text.size);
        }
    } else if (sealed->text.size != 0) {
        nx_wipe(sealed->out, sealed->text.size);
    }
    return false;
}

static bool open_cm(const struct nx_srtp *srtp, uint64_t index, const struct sealed *sealed)
{
    const struct nx_srtp_part *part = &srtp->rtp;
    const uint32_t cycle = (uint32_t)(index >> 16);
    uint8_t tag[TAG_SIZE_CM];
    tag_cm(part, nx_bytes_of(sealed->head.at, sealed->head.size + sealed->text.size), &cycle, tag);
    return nx_equal(tag, sealed->tag, sizeof(tag)) && start(srtp, part, load32(sealed->head.at + 8), index) &&
           feed(part, sealed->out, sealed->text.at, sealed->text.size);
}

static bool open_at(const struct nx_srtp *srtp, uint64_t index, const struct sealed *sealed)
{
    return srtp->profile == NX_SRTP_AEAD_AES_128_GCM ? open_gcm(srtp, index, sealed)
                                                     : open_cm(srtp, index, sealed);
}

/* Indexes worth a trial, best first. A stream whose first packets were lost may be in its second cycle already; one that
 * we did not look at for a while may be one cycle off. Returns how many there are. */
static unsigned candidates(const struct nx_srtp_stream *stream, uint16_t sequence, uint64_t index[3])
{
    unsigned count = 0;
    index[count++] = nx_srtp_window_guess(&stream->window, sequence);
    if (!stream->window.has_highest && sequence < 0x8000) {
        index[count++] = index[0] + 0x10000;
    } else if (stream->window.has_highest && stream->trials_left != 0) {
        if (index[0] + 0x10000 <= INDEX_MAX) {
            index[count++] = index[0] + 0x10000;
        }
        if (index[0] >= 0x10000) {
            index[count++] = index[0] - 0x10000;
        }
    }
    return count;
}

enum nx_err nx_srtp_unprotect(struct nx_srtp *srtp, struct nx_srtp_stream *stream, struct nx_bytes packet,
                              size_t head_size, uint8_t *out, size_t *payload_size, uint64_t *index)
{
    NX_ASSERT(head_size >= RTP_HEAD_SIZE_MIN);
    const size_t tag = tag_size(srtp->profile);
    if (packet.size < head_size || packet.size - head_size < tag) {
        return NX_E_TRUNCATED;
    }
    const size_t text_size = packet.size - head_size - tag;
    const struct sealed sealed = {.head = nx_bytes_of(packet.at, head_size),
                                  .text = nx_bytes_of(packet.at + head_size, text_size),
                                  .tag = packet.at + head_size + text_size,
                                  .out = out};
    uint64_t tries[3];
    const unsigned count = candidates(stream, load16(packet.at + 2), tries);
    enum nx_err err = NX_E_CONFLICT;
    for (unsigned i = 0; i < count; i++) {
        if (tries[i] > INDEX_MAX || !nx_srtp_window_is_new(&stream->window, tries[i])) {
            continue;
        }
        if (open_at(srtp, tries[i], &sealed)) {
            nx_srtp_window_note(&stream->window, tries[i]);
            stream->trials_left = 0;
            *payload_size = text_size;
            *index = tries[i];
            return NX_OK;
        }
        err = NX_E_AUTH;
    }
    if (stream->trials_left != 0) {
        stream->trials_left--;
    }
    return err;
}

enum nx_err nx_srtp_protect_rtcp(struct nx_srtp *srtp, uint8_t *packet, size_t room, size_t *size)
{
    const struct nx_srtp_part *part = &srtp->rtcp;
    const size_t plain_size = *size;
    const size_t tag = tag_size(srtp->profile);
    NX_ASSERT(plain_size >= NX_SRTP_RTCP_HEAD_SIZE && plain_size <= room);
    if (room - plain_size < tag + RTCP_TRAILER_SIZE) {
        return NX_E_FULL;
    }
    if (srtp->rtcp_index >= RTCP_ENCRYPTED) {
        return NX_E_EXPIRED;
    }
    const uint32_t ssrc = load32(packet + 4);
    uint8_t *text = packet + NX_SRTP_RTCP_HEAD_SIZE;
    const size_t text_size = plain_size - NX_SRTP_RTCP_HEAD_SIZE;
    uint8_t trailer[RTCP_TRAILER_SIZE];
    store32(trailer, RTCP_ENCRYPTED | srtp->rtcp_index);
    if (!start(srtp, part, ssrc, srtp->rtcp_index)) {
        return NX_E_NO_MEMORY;
    }
    if (srtp->profile == NX_SRTP_AEAD_AES_128_GCM) {
        /* RFC 7714 section 9.2: text, tag, index; authenticated are head and index. */
        if (!feed(part, NULL, packet, NX_SRTP_RTCP_HEAD_SIZE) ||
            !feed(part, NULL, trailer, sizeof(trailer)) || !feed(part, text, text, text_size) ||
            !finish_sealing(part, packet + plain_size)) {
            return NX_E_NO_MEMORY;
        }
        memcpy(packet + plain_size + tag, trailer, sizeof(trailer));
    } else {
        /* RFC 3711 section 3.4: text, index, tag; authenticated is all before the tag. */
        if (!feed(part, text, text, text_size)) {
            return NX_E_NO_MEMORY;
        }
        memcpy(packet + plain_size, trailer, sizeof(trailer));
        tag_cm(part, nx_bytes_of(packet, plain_size + sizeof(trailer)), NULL,
               packet + plain_size + sizeof(trailer));
    }
    srtp->rtcp_index++;
    *size = plain_size + tag + RTCP_TRAILER_SIZE;
    return NX_OK;
}

static bool open_rtcp_gcm(const struct nx_srtp *srtp, uint32_t index, uint8_t *packet, size_t plain_size,
                          const uint8_t *trailer)
{
    const struct nx_srtp_part *part = &srtp->rtcp;
    uint8_t *text = packet + NX_SRTP_RTCP_HEAD_SIZE;
    uint8_t tag[TAG_SIZE_GCM];
    memcpy(tag, packet + plain_size, sizeof(tag));
    return start(srtp, part, load32(packet + 4), index) &&
           EVP_CIPHER_CTX_ctrl(part->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE_GCM, tag) == 1 &&
           feed(part, NULL, packet, NX_SRTP_RTCP_HEAD_SIZE) && feed(part, NULL, trailer, RTCP_TRAILER_SIZE) &&
           feed(part, text, text, plain_size - NX_SRTP_RTCP_HEAD_SIZE) && finish_opening(part);
}

static bool open_rtcp_cm(const struct nx_srtp *srtp, uint32_t index, uint8_t *packet, size_t plain_size)
{
    const struct nx_srtp_part *part = &srtp->rtcp;
    uint8_t *text = packet + NX_SRTP_RTCP_HEAD_SIZE;
    uint8_t tag[TAG_SIZE_CM];
    tag_cm(part, nx_bytes_of(packet, plain_size + RTCP_TRAILER_SIZE), NULL, tag);
    return nx_equal(tag, packet + plain_size + RTCP_TRAILER_SIZE, sizeof(tag)) &&
           start(srtp, part, load32(packet + 4), index) &&
           feed(part, text, text, plain_size - NX_SRTP_RTCP_HEAD_SIZE);
}

enum nx_err nx_srtp_unprotect_rtcp(struct nx_srtp *srtp, struct nx_srtp_window *window, uint8_t *packet,
                                   size_t *size)
{
    const bool is_gcm = srtp->profile == NX_SRTP_AEAD_AES_128_GCM;
    const size_t overhead = nx_srtp_rtcp_overhead(srtp->profile);
    if (*size < NX_SRTP_RTCP_HEAD_SIZE + overhead) {
        return NX_E_TRUNCATED;
    }
    const size_t plain_size = *size - overhead;
    const uint8_t *trailer = is_gcm ? packet + plain_size + TAG_SIZE_GCM : packet + plain_size;
    const uint32_t word = load32(trailer);
    const uint32_t index = word & ~RTCP_ENCRYPTED;
    if ((word & RTCP_ENCRYPTED) == 0) {
        return NX_E_UNSUPPORTED;
    }
    if (!nx_srtp_window_is_new(window, index)) {
        return NX_E_CONFLICT;
    }
    if (is_gcm ? !open_rtcp_gcm(srtp, index, packet, plain_size, trailer)
               : !open_rtcp_cm(srtp, index, packet, plain_size)) {
        return NX_E_AUTH;
    }
    nx_srtp_window_note(window, index);
    *size = plain_size;
    return NX_OK;
}
