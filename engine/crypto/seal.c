#include "engine/crypto/seal.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "engine/base/text.h"
#include "engine/crypto/equal.h"

enum {
    VERSION = 1,
    BODY_SIZE = 44,
    CODE_SIZE = 16, /* bytes of the truncated HMAC; RFC 2104 section 5 asks for at least half */
    SIZE = BODY_SIZE + CODE_SIZE,
};

_Static_assert(SIZE % 3 == 0 && SIZE / 3 * 4 == NX_SEAL_TEXT_SIZE, "a seal fills its characters exactly");

static const char domain[] = "nexus-seal-v1"; /* signed with its NUL */

enum nx_err nx_seal_sign(struct nx_token_ring *ring, const struct nx_seal *seal, struct nx_writer *out)
{
    if (ring->keys_count == 0) {
        return NX_E_AUTH;
    }
    struct nx_token_slot *slot = &ring->keys[ring->current];
    uint8_t bytes[SIZE];
    struct nx_writer w = nx_writer_init(bytes, sizeof(bytes));
    nx_writer_u16(&w, VERSION);
    nx_writer_u32(&w, slot->kid);
    nx_writer_u16(&w, seal->shard);
    nx_writer_u32(&w, seal->node);
    nx_writer_u32(&w, seal->slot);
    nx_writer_u32(&w, seal->generation);
    nx_writer_u64(&w, seal->user_id);
    nx_writer_u64(&w, seal->session_id);
    nx_writer_u64(&w, seal->issued_s);
    NX_ASSERT(w.size == BODY_SIZE);
    uint8_t code[NX_HMAC_SIZE];
    const enum nx_err err =
        nx_hmac_compute(&slot->hmac, nx_bytes_of(domain, sizeof(domain)), nx_writer_bytes(&w), code);
    if (err != NX_OK) {
        return err;
    }
    nx_writer_put(&w, code, CODE_SIZE);
    if (out->failed || out->room - out->size < NX_SEAL_TEXT_SIZE) {
        return NX_E_FULL;
    }
    nx_text_base64url_encode(nx_writer_bytes(&w), out);
    return NX_OK;
}

static uint64_t read_u64(struct nx_reader *c)
{
    const uint64_t high = nx_reader_u32(c);
    return high << 32 | nx_reader_u32(c);
}

enum nx_err nx_seal_open(struct nx_token_ring *ring, struct nx_bytes text, struct nx_seal *seal)
{
    uint8_t bytes[SIZE];
    struct nx_writer w = nx_writer_init(bytes, sizeof(bytes));
    if (text.size != NX_SEAL_TEXT_SIZE || nx_text_base64url_decode(text, &w) != NX_OK) {
        return NX_E_MALFORMED;
    }
    struct nx_reader c = nx_reader_init(bytes, sizeof(bytes));
    if (nx_reader_u16(&c) != VERSION) {
        return NX_E_MALFORMED;
    }
    struct nx_hmac *hmac = nx_token_ring_find(ring, nx_reader_u32(&c));
    if (hmac == NULL) {
        return NX_E_AUTH;
    }
    uint8_t code[NX_HMAC_SIZE];
    const enum nx_err err =
        nx_hmac_compute(hmac, nx_bytes_of(domain, sizeof(domain)), nx_bytes_of(bytes, BODY_SIZE), code);
    if (err != NX_OK) {
        return err;
    }
    if (!nx_equal(bytes + BODY_SIZE, code, CODE_SIZE)) {
        return NX_E_AUTH;
    }
    seal->shard = nx_reader_u16(&c);
    seal->node = nx_reader_u32(&c);
    seal->slot = nx_reader_u32(&c);
    seal->generation = nx_reader_u32(&c);
    seal->user_id = read_u64(&c);
    seal->session_id = read_u64(&c);
    seal->issued_s = read_u64(&c);
    NX_ASSERT(nx_reader_ok(&c) && nx_reader_left(&c) == CODE_SIZE);
    return NX_OK;
}
