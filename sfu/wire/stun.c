#include "sfu/wire/stun.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "engine/crypto/equal.h"

enum {
    ATTRIBUTE_HEADER_SIZE = 4,
    REQUIRED_MAX = 0x7fff, /* RFC 8489 section 14: types up to this must be understood */
    FAMILY_IPV4 = 1,       /* RFC 8489 section 14.1 */
    FAMILY_IPV6 = 2,
    ADDRESS_SIZE_IPV4 = 8,
    ADDRESS_SIZE_IPV6 = 20
};

static const uint32_t COOKIE = 0x2112a442;          /* RFC 8489 section 5 */
static const uint32_t FINGERPRINT_XOR = 0x5354554e; /* RFC 8489 section 14.7 */

/* CRC-32 of ITU V.42, four bits at a time: the table is a line of cache, and messages have a hundred bytes. */
static uint32_t crc32_of(struct nx_bytes bytes, uint32_t crc)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    for (size_t i = 0; bytes.at != NULL && i < bytes.size; i++) {
        crc ^= bytes.at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* FINGERPRINT of the `size` bytes before it, whose length field says that it is there. */
static uint32_t fingerprint_of(struct nx_bytes before)
{
    return (crc32_of(before, UINT32_MAX) ^ UINT32_MAX) ^ FINGERPRINT_XOR;
}

/* Byte `index` of what XOR-MAPPED-ADDRESS hides an address under: cookie, then transaction (RFC 8489 section 14.2). */
static uint8_t mask_of(size_t index, const uint8_t *transaction)
{
    if (index < 4) {
        return (uint8_t)(COOKIE >> (24 - 8 * index));
    }
    return transaction[index - 4];
}

static enum nx_err read_address(struct nx_bytes value, const uint8_t *transaction, struct nx_addr *out)
{
    struct nx_reader in = nx_reader_init(value.at, value.size);
    (void)nx_reader_u8(&in);
    const uint8_t family = nx_reader_u8(&in);
    struct nx_addr addr = {.port = (uint16_t)(nx_reader_u16(&in) ^ COOKIE >> 16)};
    const bool is_ipv4 = family == FAMILY_IPV4 && value.size == ADDRESS_SIZE_IPV4;
    if (!is_ipv4 && !(family == FAMILY_IPV6 && value.size == ADDRESS_SIZE_IPV6)) {
        return NX_E_MALFORMED;
    }
    addr.family = is_ipv4 ? NX_ADDR_FAMILY_IPV4 : NX_ADDR_FAMILY_IPV6;
    for (size_t i = 0; nx_reader_left(&in) != 0; i++) {
        addr.ip[i] = nx_reader_u8(&in) ^ mask_of(i, transaction);
    }
    *out = addr;
    return NX_OK;
}

static enum nx_err read_error_code(struct nx_bytes value, struct sfu_stun *stun)
{
    struct nx_reader in = nx_reader_init(value.at, value.size);
    const uint32_t word = nx_reader_u32(&in);
    const unsigned hundreds = word >> 8 & 7;
    const unsigned rest = word & 0xff;
    if (!nx_reader_ok(&in) || hundreds < 3 || hundreds > 6 || rest > 99) {
        return NX_E_MALFORMED;
    }
    if (stun->error_code == 0) {
        stun->error_code = (uint16_t)(hundreds * 100 + rest);
        stun->reason = nx_reader_bytes(&in, nx_reader_left(&in));
    }
    return NX_OK;
}

static enum nx_err read_tie_breaker(struct nx_bytes value, bool is_controlling, struct sfu_stun *stun)
{
    struct nx_reader in = nx_reader_init(value.at, value.size);
    const uint64_t tie_breaker = nx_reader_u64(&in);
    if (!stun->is_controlled && !stun->is_controlling) {
        stun->tie_breaker = tie_breaker;
        stun->is_controlled = !is_controlling;
        stun->is_controlling = is_controlling;
    }
    return value.size == 8 ? NX_OK : NX_E_MALFORMED;
}

static void note_unknown(uint16_t type, struct sfu_stun *stun)
{
    if (type <= REQUIRED_MAX && stun->unknown_count < SFU_STUN_UNKNOWN_MAX) {
        stun->unknown[stun->unknown_count++] = type;
    }
}

static enum nx_err read_value(uint16_t type, struct nx_bytes value, struct sfu_stun *stun)
{
    struct nx_reader in = nx_reader_init(value.at, value.size);
    switch (type) {
    case SFU_STUN_USERNAME:
        if (!stun->has_username) {
            stun->username = value;
            stun->has_username = true;
        }
        return value.size <= SFU_STUN_USERNAME_SIZE_MAX ? NX_OK : NX_E_MALFORMED;
    case SFU_STUN_ERROR_CODE:
        return read_error_code(value, stun);
    case SFU_STUN_XOR_MAPPED_ADDRESS: {
        struct nx_addr mapped;
        const enum nx_err err = read_address(value, stun->transaction, &mapped);
        if (err == NX_OK && stun->mapped.family == NX_ADDR_FAMILY_NONE) {
            stun->mapped = mapped;
        }
        return err;
    }
    case SFU_STUN_PRIORITY:
        stun->priority = stun->has_priority ? stun->priority : nx_reader_u32(&in);
        stun->has_priority = true;
        return value.size == 4 ? NX_OK : NX_E_MALFORMED;
    case SFU_STUN_USE_CANDIDATE:
        stun->is_nominating = true;
        return value.size == 0 ? NX_OK : NX_E_MALFORMED;
    case SFU_STUN_ICE_CONTROLLED:
    case SFU_STUN_ICE_CONTROLLING:
        return read_tie_breaker(value, type == SFU_STUN_ICE_CONTROLLING, stun);
    case SFU_STUN_MAPPED_ADDRESS:
    case SFU_STUN_UNKNOWN_ATTRIBUTES:
    case SFU_STUN_REALM:
    case SFU_STUN_NONCE:
        return NX_OK;
    default:
        note_unknown(type, stun);
        return NX_OK;
    }
}

static enum nx_err read_attributes(struct nx_reader *in, struct sfu_stun *stun)
{
    bool is_sealed = false;
    enum nx_err err = NX_OK;
    while (err == NX_OK && nx_reader_left(in) != 0) {
        const size_t at = stun->message.size - nx_reader_left(in);
        const uint16_t type = nx_reader_u16(in);
        const size_t size = nx_reader_u16(in);
        const struct nx_bytes value = nx_reader_bytes(in, size);
        (void)nx_reader_take(in, (4 - size % 4) % 4);
        if (!nx_reader_ok(in) || stun->has_fingerprint) {
            return NX_E_MALFORMED;
        }
        if (type == SFU_STUN_FINGERPRINT) {
            struct nx_reader code = nx_reader_init(value.at, value.size);
            stun->has_fingerprint = true;
            err = size == 4 && nx_reader_u32(&code) == fingerprint_of(nx_bytes_slice(stun->message, 0, at))
                      ? NX_OK
                      : NX_E_MALFORMED;
        } else if (is_sealed) {
            continue;
        } else if (type == SFU_STUN_INTEGRITY) {
            stun->integrity_at = (uint16_t)at;
            is_sealed = true;
            err = size == NX_HMAC_SHA1_SIZE ? NX_OK : NX_E_MALFORMED;
        } else if (type == SFU_STUN_INTEGRITY_SHA256) {
            is_sealed = true;
        } else {
            err = read_value(type, value, stun);
        }
    }
    return err;
}

enum nx_err sfu_stun_parse(struct nx_bytes datagram, struct sfu_stun *out)
{
    struct nx_reader in = nx_reader_init(datagram.at, datagram.size);
    const uint16_t type = nx_reader_u16(&in);
    const size_t size = nx_reader_u16(&in);
    const uint32_t cookie = nx_reader_u32(&in);
    const uint8_t *transaction = nx_reader_take(&in, SFU_STUN_TRANSACTION_SIZE);
    if (transaction == NULL || nx_reader_left(&in) < size) {
        return NX_E_TRUNCATED;
    }
    if (type > 0x3fff || cookie != COOKIE || size % 4 != 0 || nx_reader_left(&in) != size ||
        datagram.size > SFU_STUN_SIZE_MAX) {
        return NX_E_MALFORMED;
    }
    struct sfu_stun stun = {.message = datagram};
    /* RFC 8489 section 5: two bits of the class lie between the bits of the method. */
    stun.class = (enum sfu_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    stun.method = (uint16_t)((type & 0x0f) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
    memcpy(stun.transaction, transaction, sizeof(stun.transaction));
    const enum nx_err err = read_attributes(&in, &stun);
    if (err == NX_OK) {
        *out = stun;
    }
    return err;
}

/* The code covers the header with a length as if MESSAGE-INTEGRITY were the end (RFC 8489 section 14.5). */
static void code_of(struct nx_bytes before, const struct nx_hmac_sha1 *key, uint8_t code[NX_HMAC_SHA1_SIZE])
{
    const size_t size = before.size + ATTRIBUTE_HEADER_SIZE + NX_HMAC_SHA1_SIZE - SFU_STUN_HEADER_SIZE;
    const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    const struct nx_bytes parts[3] = {nx_bytes_slice(before, 0, 2), nx_bytes_of(length, sizeof(length)),
                                      nx_bytes_slice(before, 4, SIZE_MAX)};
    nx_hmac_sha1_compute(key, parts, 3, code);
}

bool sfu_stun_is_authentic(const struct sfu_stun *stun, const struct nx_hmac_sha1 *key)
{
    if (stun->integrity_at == 0) {
        return false;
    }
    uint8_t code[NX_HMAC_SHA1_SIZE];
    const struct nx_bytes wanted =
        nx_bytes_slice(stun->message, (size_t)stun->integrity_at + ATTRIBUTE_HEADER_SIZE, sizeof(code));
    code_of(nx_bytes_slice(stun->message, 0, stun->integrity_at), key, code);
    return wanted.size == sizeof(code) && nx_equal(code, wanted.at, sizeof(code));
}

enum nx_err sfu_stun_username_split(struct nx_bytes username, struct nx_bytes *ours, struct nx_bytes *theirs)
{
    const uint8_t *colon = username.size != 0 ? memchr(username.at, ':', username.size) : NULL;
    if (colon == NULL) {
        return NX_E_MALFORMED;
    }
    const size_t at = (size_t)(colon - username.at);
    if (at == 0 || at + 1 == username.size) {
        return NX_E_MALFORMED;
    }
    *ours = nx_bytes_slice(username, 0, at);
    *theirs = nx_bytes_slice(username, at + 1, SIZE_MAX);
    return NX_OK;
}

size_t sfu_stun_begin(struct nx_writer *out, enum sfu_stun_class class, uint16_t method,
                      const uint8_t transaction[SFU_STUN_TRANSACTION_SIZE])
{
    NX_ASSERT(method <= 0xfff);
    const size_t start = out->size;
    const uint32_t type = ((uint32_t) class & 2) << 7 | ((uint32_t) class & 1) << 4 |
                          ((uint32_t)method & 0x0f) | ((uint32_t)method & 0x70) << 1 |
                          ((uint32_t)method & 0xf80) << 2;
    nx_writer_u16(out, (uint16_t)type);
    nx_writer_u16(out, 0);
    nx_writer_u32(out, COOKIE);
    nx_writer_put(out, transaction, SFU_STUN_TRANSACTION_SIZE);
    return start;
}

void sfu_stun_put(struct nx_writer *out, uint16_t type, struct nx_bytes value)
{
    NX_ASSERT(value.size <= UINT16_MAX);
    static const uint8_t zeros[3];
    nx_writer_u16(out, type);
    nx_writer_u16(out, (uint16_t)value.size);
    nx_writer_bytes_put(out, value);
    nx_writer_put(out, zeros, (4 - value.size % 4) % 4);
}

void sfu_stun_put_u32(struct nx_writer *out, uint16_t type, uint32_t value)
{
    nx_writer_u16(out, type);
    nx_writer_u16(out, 4);
    nx_writer_u32(out, value);
}

void sfu_stun_put_u64(struct nx_writer *out, uint16_t type, uint64_t value)
{
    nx_writer_u16(out, type);
    nx_writer_u16(out, 8);
    nx_writer_u64(out, value);
}

void sfu_stun_put_address(struct nx_writer *out, const struct nx_addr *addr,
                          const uint8_t transaction[SFU_STUN_TRANSACTION_SIZE])
{
    const struct nx_addr plain = nx_addr_canonical(*addr);
    const bool is_ipv4 = plain.family == NX_ADDR_FAMILY_IPV4;
    nx_writer_u16(out, SFU_STUN_XOR_MAPPED_ADDRESS);
    nx_writer_u16(out, is_ipv4 ? ADDRESS_SIZE_IPV4 : ADDRESS_SIZE_IPV6);
    nx_writer_u16(out, is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6);
    nx_writer_u16(out, (uint16_t)(plain.port ^ COOKIE >> 16));
    for (size_t i = 0; i < (is_ipv4 ? 4u : 16u); i++) {
        nx_writer_u8(out, plain.ip[i] ^ mask_of(i, transaction));
    }
}

static void set_length(const struct nx_writer *out, size_t start, size_t more)
{
    struct nx_writer length = nx_writer_init(out->start + start + 2, 2);
    nx_writer_u16(&length, (uint16_t)(out->size - start - SFU_STUN_HEADER_SIZE + more));
}

void sfu_stun_end(struct nx_writer *out, size_t start, const struct nx_hmac_sha1 *key)
{
    if (!nx_writer_ok(out)) {
        return;
    }
    if (key != NULL) {
        uint8_t code[NX_HMAC_SHA1_SIZE];
        code_of(nx_bytes_slice(nx_writer_bytes(out), start, SIZE_MAX), key, code);
        sfu_stun_put(out, SFU_STUN_INTEGRITY, nx_bytes_of(code, sizeof(code)));
    }
    if (!nx_writer_ok(out)) {
        return;
    }
    set_length(out, start, ATTRIBUTE_HEADER_SIZE + 4);
    const uint32_t fingerprint = fingerprint_of(nx_bytes_slice(nx_writer_bytes(out), start, SIZE_MAX));
    sfu_stun_put_u32(out, SFU_STUN_FINGERPRINT, fingerprint);
}

void sfu_stun_write_success(const struct sfu_stun *request, const struct nx_addr *source,
                            const struct nx_hmac_sha1 *key, struct nx_writer *out)
{
    const size_t start = sfu_stun_begin(out, SFU_STUN_SUCCESS, request->method, request->transaction);
    sfu_stun_put_address(out, source, request->transaction);
    sfu_stun_end(out, start, key);
}

void sfu_stun_write_error(const struct sfu_stun *request, unsigned code, const struct nx_hmac_sha1 *key,
                          struct nx_writer *out)
{
    NX_ASSERT(code >= 300 && code <= 699);
    const size_t start = sfu_stun_begin(out, SFU_STUN_ERROR, request->method, request->transaction);
    sfu_stun_put_u32(out, SFU_STUN_ERROR_CODE, code / 100 << 8 | code % 100);
    if (code == SFU_STUN_UNKNOWN_ATTRIBUTE) {
        uint8_t types[2 * SFU_STUN_UNKNOWN_MAX];
        struct nx_writer list = nx_writer_init(types, sizeof(types));
        for (unsigned i = 0; i < request->unknown_count; i++) {
            nx_writer_u16(&list, request->unknown[i]);
        }
        sfu_stun_put(out, SFU_STUN_UNKNOWN_ATTRIBUTES, nx_writer_bytes(&list));
    }
    sfu_stun_end(out, start, key);
}
