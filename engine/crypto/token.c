#include "engine/crypto/token.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "engine/base/text.h"
#include "engine/crypto/equal.h"
#include "engine/crypto/wipe.h"

enum {
    HEADER_SIZE_MAX = 64,                         /* bytes of a header we mint */
    PAYLOAD_SIZE_MAX = 256,                       /* bytes of a payload we mint; a test mints the longest */
    DECODED_SIZE_MAX = NX_TOKEN_SIZE_MAX * 3 / 4, /* bytes of any part of a token that is looked at */
};

static const char *const kinds[] = {
    [NX_TOKEN_ACCESS] = "access", [NX_TOKEN_LOAD] = "load", [NX_TOKEN_STREAM] = "stream"};

enum { KINDS_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

void nx_token_ring_init(struct nx_token_ring *ring)
{
    *ring = (struct nx_token_ring){0};
}

void nx_token_ring_fini(struct nx_token_ring *ring)
{
    while (ring->keys_count != 0) {
        nx_token_ring_drop(ring, ring->keys[ring->keys_count - 1].kid);
    }
    nx_wipe(ring, sizeof(*ring));
}

static uint32_t index_of(const struct nx_token_ring *ring, uint32_t kid)
{
    uint32_t i = 0;
    while (i < ring->keys_count && ring->keys[i].kid != kid) {
        i++;
    }
    return i;
}

enum nx_err nx_token_ring_add(struct nx_token_ring *ring, const struct nx_token_key *key)
{
    const uint32_t at = index_of(ring, key->kid);
    if (at < ring->keys_count) {
        return nx_equal(ring->keys[at].secret, key->secret, sizeof(key->secret)) ? NX_OK : NX_E_AUTH;
    }
    if (at == NX_TOKEN_KEYS_MAX) {
        return NX_E_FULL;
    }
    struct nx_token_slot *slot = &ring->keys[at];
    const enum nx_err err = nx_hmac_open(&slot->hmac, nx_bytes_of(key->secret, sizeof(key->secret)));
    if (err != NX_OK) {
        return err;
    }
    slot->kid = key->kid;
    memcpy(slot->secret, key->secret, sizeof(slot->secret));
    ring->current = ring->keys_count == 0 ? 0 : ring->current;
    ring->keys_count++;
    return NX_OK;
}

enum nx_err nx_token_ring_use(struct nx_token_ring *ring, uint32_t kid)
{
    const uint32_t at = index_of(ring, kid);
    if (at == ring->keys_count) {
        return NX_E_AUTH;
    }
    ring->current = at;
    return NX_OK;
}

void nx_token_ring_drop(struct nx_token_ring *ring, uint32_t kid)
{
    const uint32_t at = index_of(ring, kid);
    if (at == ring->keys_count) {
        return;
    }
    nx_hmac_close(&ring->keys[at].hmac);
    ring->keys_count--;
    /* The order of addition is kept, because the newest takes over when the signing key goes. */
    memmove(&ring->keys[at], &ring->keys[at + 1], (ring->keys_count - at) * sizeof(ring->keys[0]));
    nx_wipe(&ring->keys[ring->keys_count], sizeof(ring->keys[0]));
    if (ring->current == at) {
        ring->current = ring->keys_count != 0 ? ring->keys_count - 1 : 0;
    } else if (ring->current > at) {
        ring->current--;
    }
}

struct nx_hmac *nx_token_ring_find(struct nx_token_ring *ring, uint32_t kid)
{
    const uint32_t at = index_of(ring, kid);
    return at < ring->keys_count ? &ring->keys[at].hmac : NULL;
}

/* The two shapes below are written and read by neighbouring functions; a change to one is a change to the
 * other. */
static void write_header(struct nx_writer *w, uint32_t kid)
{
    nx_writer_text(w, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"");
    nx_writer_decimal(w, kid);
    nx_writer_text(w, "\"}");
}

static void write_id(struct nx_writer *w, const char *name, uint64_t id)
{
    nx_writer_text(w, name);
    nx_writer_decimal(w, id);
    nx_writer_text(w, "\"");
}

static void write_hex(struct nx_writer *w, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        nx_writer_u8(w, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
    }
}

static void write_payload(struct nx_writer *w, const struct nx_token_claims *claims)
{
    nx_writer_text(w, "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"");
    nx_writer_text(w, kinds[claims->kind]);
    write_id(w, "\",\"sub\":\"", claims->user_id);
    write_id(w, ",\"sid\":\"", claims->session_id);
    if (claims->device_id != 0) {
        write_id(w, ",\"dev\":\"", claims->device_id);
    }
    nx_writer_text(w, ",\"iat\":");
    nx_writer_decimal(w, claims->issued_s);
    nx_writer_text(w, ",\"exp\":");
    nx_writer_decimal(w, claims->expires_s);
    nx_writer_text(w, ",\"jti\":\"");
    write_hex(w, claims->token_id);
    nx_writer_text(w, "\",\"ver\":");
    nx_writer_decimal(w, claims->version);
    nx_writer_text(w, "}");
}

enum nx_err nx_token_sign(struct nx_token_ring *ring, const struct nx_token_claims *claims,
                          struct nx_writer *out)
{
    NX_ASSERT((unsigned)claims->kind < KINDS_COUNT);
    NX_ASSERT(claims->issued_s < claims->expires_s && claims->expires_s <= NX_TOKEN_TIME_MAX);
    if (ring->keys_count == 0) {
        return NX_E_AUTH;
    }
    struct nx_token_slot *slot = &ring->keys[ring->current];
    uint8_t header_text[HEADER_SIZE_MAX];
    uint8_t payload_text[PAYLOAD_SIZE_MAX];
    uint8_t text[NX_TOKEN_MINTED_MAX];
    struct nx_writer header = nx_writer_init(header_text, sizeof(header_text));
    struct nx_writer payload = nx_writer_init(payload_text, sizeof(payload_text));
    struct nx_writer token = nx_writer_init(text, sizeof(text));
    write_header(&header, slot->kid);
    write_payload(&payload, claims);
    nx_text_base64url_encode(nx_writer_bytes(&header), &token);
    nx_writer_u8(&token, '.');
    nx_text_base64url_encode(nx_writer_bytes(&payload), &token);

    uint8_t code[NX_HMAC_SIZE];
    const enum nx_err err = nx_hmac_compute(&slot->hmac, nx_bytes_of(NULL, 0), nx_writer_bytes(&token), code);
    if (err != NX_OK) {
        return err;
    }
    nx_writer_u8(&token, '.');
    nx_text_base64url_encode(nx_bytes_of(code, sizeof(code)), &token);
    NX_ASSERT(nx_writer_ok(&header) && nx_writer_ok(&payload) && nx_writer_ok(&token));
    if (out->failed || out->room - out->size < token.size) {
        return NX_E_FULL;
    }
    nx_writer_bytes_put(out, nx_writer_bytes(&token));
    return NX_OK;
}

static void expect(struct nx_reader *c, const char *text)
{
    const size_t size = strlen(text);
    const uint8_t *at = nx_reader_take(c, size);
    if (at != NULL && memcmp(at, text, size) != 0) {
        c->failed = true;
    }
}

/* Decimal digits as we write them: no sign, no leading zero, at most `max`. */
static uint64_t read_decimal(struct nx_reader *c, uint64_t max)
{
    const uint8_t *start = c->at;
    uint64_t value = 0;
    while (c->at != c->end && *c->at >= '0' && *c->at <= '9') {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c->at - '0'), &value)) {
            c->failed = true;
            return 0;
        }
        c->at++;
    }
    if (c->at == start || (*start == '0' && c->at != start + 1) || value > max) {
        c->failed = true;
    }
    return value;
}

static uint64_t read_hex(struct nx_reader *c)
{
    const uint8_t *at = nx_reader_take(c, 16);
    uint64_t value = 0;
    for (int i = 0; at != NULL && i < 16; i++) {
        const uint8_t digit = at[i];
        if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) {
            c->failed = true;
            return 0;
        }
        value = value << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return value;
}

/* Reads characters up to a quote, which it consumes too. We mint no escapes; a backslash stays one and
 * matches nothing. */
static struct nx_bytes read_text(struct nx_reader *c)
{
    const size_t left = nx_reader_left(c);
    const uint8_t *quote = left != 0 ? memchr(c->at, '"', left) : NULL;
    if (c->failed || quote == NULL) {
        c->failed = true;
        return (struct nx_bytes){0};
    }
    const struct nx_bytes text = nx_bytes_of(c->at, (size_t)(quote - c->at));
    c->at = quote + 1;
    return text;
}

static bool read_header(struct nx_bytes header, uint32_t *kid)
{
    struct nx_reader c = nx_reader_init(header.at, header.size);
    expect(&c, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"");
    *kid = (uint32_t)read_decimal(&c, UINT32_MAX);
    expect(&c, "\"}");
    return nx_reader_ok(&c) && nx_reader_left(&c) == 0;
}

static bool read_kind(struct nx_bytes text, enum nx_token_kind *kind)
{
    for (unsigned i = 0; i < KINDS_COUNT; i++) {
        if (nx_bytes_is(text, kinds[i])) {
            *kind = (enum nx_token_kind)i;
            return true;
        }
    }
    return false;
}

static enum nx_err read_payload(struct nx_bytes payload, struct nx_token_claims *claims)
{
    struct nx_reader c = nx_reader_init(payload.at, payload.size);
    expect(&c, "{\"iss\":\"");
    const struct nx_bytes issuer = read_text(&c);
    expect(&c, ",\"aud\":\"");
    const struct nx_bytes audience = read_text(&c);
    if (nx_reader_ok(&c) && (!nx_bytes_is(issuer, "nexus") || !nx_bytes_is(audience, "nexus"))) {
        return NX_E_AUTH;
    }
    expect(&c, ",\"typ\":\"");
    const struct nx_bytes kind = read_text(&c);
    expect(&c, ",\"sub\":\"");
    claims->user_id = read_decimal(&c, UINT64_MAX);
    expect(&c, "\",\"sid\":\"");
    claims->session_id = read_decimal(&c, UINT64_MAX);
    expect(&c, "\",\"");
    claims->device_id = 0;
    if (nx_reader_left(&c) != 0 && *c.at == 'd') {
        expect(&c, "dev\":\"");
        claims->device_id = read_decimal(&c, UINT64_MAX);
        c.failed |= claims->device_id == 0;
        expect(&c, "\",\"");
    }
    expect(&c, "iat\":");
    claims->issued_s = read_decimal(&c, NX_TOKEN_TIME_MAX);
    expect(&c, ",\"exp\":");
    claims->expires_s = read_decimal(&c, NX_TOKEN_TIME_MAX);
    expect(&c, ",\"jti\":\"");
    claims->token_id = read_hex(&c);
    expect(&c, "\",\"ver\":");
    claims->version = (uint32_t)read_decimal(&c, UINT32_MAX);
    expect(&c, "}");
    const bool is_ours = nx_reader_ok(&c) && nx_reader_left(&c) == 0 && read_kind(kind, &claims->kind) &&
                         claims->issued_s < claims->expires_s;
    return is_ours ? NX_OK : NX_E_MALFORMED;
}

/* Finds the key that the header names. */
static enum nx_err open_header(struct nx_token_ring *ring, struct nx_bytes text, struct nx_hmac **hmac)
{
    uint8_t room[DECODED_SIZE_MAX];
    struct nx_writer header = nx_writer_init(room, sizeof(room));
    const enum nx_err err = nx_text_base64url_decode(text, &header);
    if (err != NX_OK) {
        return err;
    }
    uint32_t kid;
    if (!read_header(nx_writer_bytes(&header), &kid)) {
        return NX_E_AUTH;
    }
    *hmac = nx_token_ring_find(ring, kid);
    return *hmac != NULL ? NX_OK : NX_E_AUTH;
}

static enum nx_err check_signature(struct nx_hmac *hmac, struct nx_bytes signed_text,
                                   struct nx_bytes signature)
{
    uint8_t room[DECODED_SIZE_MAX];
    struct nx_writer given = nx_writer_init(room, sizeof(room));
    enum nx_err err = nx_text_base64url_decode(signature, &given);
    if (err != NX_OK) {
        return err;
    }
    uint8_t code[NX_HMAC_SIZE];
    err = nx_hmac_compute(hmac, nx_bytes_of(NULL, 0), signed_text, code);
    if (err != NX_OK) {
        return err;
    }
    return given.size == sizeof(code) && nx_equal(given.start, code, sizeof(code)) ? NX_OK : NX_E_AUTH;
}

enum nx_err nx_token_verify(struct nx_token_ring *ring, struct nx_bytes token, uint64_t now_s,
                            struct nx_token_claims *claims)
{
    if (token.size == 0 || token.size > NX_TOKEN_SIZE_MAX) {
        return NX_E_MALFORMED;
    }
    const uint8_t *first = memchr(token.at, '.', token.size);
    const uint8_t *second =
        first != NULL ? memchr(first + 1, '.', token.size - (size_t)(first + 1 - token.at)) : NULL;
    if (second == NULL) {
        return NX_E_MALFORMED;
    }
    const size_t header_size = (size_t)(first - token.at);
    const size_t signed_size = (size_t)(second - token.at);
    const struct nx_bytes payload_text = nx_bytes_of(first + 1, signed_size - header_size - 1);

    struct nx_hmac *hmac;
    enum nx_err err = open_header(ring, nx_bytes_of(token.at, header_size), &hmac);
    if (err == NX_OK) {
        err = check_signature(hmac, nx_bytes_of(token.at, signed_size),
                              nx_bytes_of(second + 1, token.size - signed_size - 1));
    }
    uint8_t room[DECODED_SIZE_MAX];
    struct nx_writer payload = nx_writer_init(room, sizeof(room));
    if (err == NX_OK) {
        err = nx_text_base64url_decode(payload_text, &payload);
    }
    struct nx_token_claims found;
    if (err == NX_OK) {
        err = read_payload(nx_writer_bytes(&payload), &found);
    }
    if (err != NX_OK) {
        return err;
    }
    *claims = found;
    return now_s < found.expires_s ? NX_OK : NX_E_EXPIRED;
}
