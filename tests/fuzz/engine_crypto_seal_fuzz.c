/* Goal: no bytes hurt open, and it accepts exactly what sign writes.
 * Method: the first byte chooses. Even: the rest is a text as it comes. Odd: the rest fills a seal that must come back whole, and
 * then the text with one character changed must not. */
#include "engine/crypto/seal.h"

#include <stdlib.h>

static const struct nx_token_key key = {.kid = 1, .secret = "nexus fuzz key, thirty-two bytes"};

static struct nx_token_ring *ring(void)
{
    static struct nx_token_ring one;
    if (one.keys_count == 0 && nx_token_ring_add(&one, &key) != NX_OK) {
        abort();
    }
    return &one;
}

static void check(struct nx_bytes text, bool must_open)
{
    struct nx_seal seal;
    if (nx_seal_open(ring(), text, &seal) != NX_OK) {
        if (must_open) {
            abort();
        }
        return;
    }
    uint8_t again[NX_SEAL_TEXT_SIZE];
    struct nx_writer w = nx_writer_init(again, sizeof(again));
    if (nx_seal_sign(ring(), &seal, &w) != NX_OK || !nx_bytes_equal(nx_writer_bytes(&w), text)) {
        abort(); /* one value, one spelling */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        check(nx_bytes_of(data + 1, size - 1), false);
        return 0;
    }
    uint64_t words[6] = {0};
    memcpy(words, data + 1, size - 1 < sizeof(words) ? size - 1 : sizeof(words));
    const struct nx_seal seal = {
        .node = (uint32_t)words[0],
        .shard = (uint16_t)(words[0] >> 32),
        .slot = (uint32_t)words[1],
        .generation = (uint32_t)(words[1] >> 32),
        .user_id = words[2],
        .session_id = words[3],
        .issued_s = words[4],
    };
    uint8_t text[NX_SEAL_TEXT_SIZE];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    if (nx_seal_sign(ring(), &seal, &w) != NX_OK) {
        abort();
    }
    check(nx_writer_bytes(&w), true);
    uint8_t small[NX_SEAL_TEXT_SIZE - 1];
    struct nx_writer none = nx_writer_init(small, sizeof(small));
    struct nx_token_ring empty = {0};
    if (nx_seal_sign(ring(), &seal, &none) != NX_E_FULL || none.size != 0 ||
        nx_seal_sign(&empty, &seal, &none) != NX_E_AUTH) {
        abort();
    }
    const uint8_t change = (uint8_t)(words[5] >> 8);
    text[words[5] % sizeof(text)] ^= change;
    struct nx_seal changed;
    if (change != 0 && nx_seal_open(ring(), nx_writer_bytes(&w), &changed) == NX_OK) {
        abort();
    }
    return 0;
}
