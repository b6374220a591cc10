#include "control/node/keys.h"

#include "engine/base/text.h"
#include "engine/crypto/random.h"
#include "engine/crypto/wipe.h"
#include "engine/io/file.h"
#include "engine/io/mem.h"

#include <stdio.h>

enum { PATH_SIZE = 600, FILE_SIZE_MAX = 4096, HEX_SIZE = NX_TOKEN_SECRET_SIZE * 2 };

static enum nx_err line_parse(struct nx_bytes line, struct nx_token_key *out)
{
    size_t at = 0;
    uint64_t kid = 0;
    while (at < line.size && line.at[at] >= '0' && line.at[at] <= '9' && kid <= UINT32_MAX) {
        kid = kid * 10 + (uint64_t)(line.at[at++] - '0');
    }
    if (at == 0 || kid > UINT32_MAX || at >= line.size || line.at[at] != ' ' ||
        line.size - at - 1 != HEX_SIZE) {
        return NX_E_MALFORMED;
    }
    struct nx_writer secret = nx_writer_init(out->secret, sizeof(out->secret));
    out->kid = (uint32_t)kid;
    const enum nx_err err = nx_text_hex_decode(nx_bytes_slice(line, at + 1, HEX_SIZE), &secret);
    return err == NX_OK && secret.size == NX_TOKEN_SECRET_SIZE ? NX_OK : NX_E_MALFORMED;
}

static enum nx_err file_parse(struct nx_bytes text, struct nx_token_ring *ring)
{
    struct nx_token_key key = {.kid = 0};
    while (text.size != 0) {
        const uint8_t *end = memchr(text.at, '\n', text.size);
        const size_t size = end != NULL ? (size_t)(end - text.at) : text.size;
        if (size != 0) {
            enum nx_err err = line_parse(nx_bytes_of(text.at, size), &key);
            if (err == NX_OK) {
                err = nx_token_ring_add(ring, &key);
            }
            if (err == NX_OK) {
                err = nx_token_ring_use(ring, key.kid);
            }
            if (err != NX_OK) {
                nx_wipe(&key, sizeof(key));
                return NX_E_MALFORMED;
            }
        }
        text = nx_bytes_slice(text, size + 1, SIZE_MAX);
    }
    nx_wipe(&key, sizeof(key));
    return ring->keys_count != 0 ? NX_OK : NX_E_MALFORMED;
}

static enum nx_err file_make(const char *path, struct nx_token_ring *ring)
{
    struct nx_token_key key = {.kid = 1};
    enum nx_err err = nx_random_fill(key.secret, sizeof(key.secret));
    char text[HEX_SIZE + 16];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_decimal(&w, key.kid);
    nx_writer_text(&w, " ");
    nx_text_hex_encode(nx_bytes_of(key.secret, sizeof(key.secret)), &w);
    nx_writer_text(&w, "\n");
    if (err == NX_OK) {
        err = nx_file_write(path, nx_writer_bytes(&w));
    }
    if (err == NX_OK) {
        err = nx_token_ring_add(ring, &key);
    }
    nx_wipe(&key, sizeof(key));
    nx_wipe(text, sizeof(text));
    return err;
}

enum nx_err ctld_keys_load(const char *data, struct nx_token_ring *ring)
{
    char path[PATH_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (snprintf(path, sizeof(path), "%s/token.keys", data) >= (int)sizeof(path)) {
        return NX_E_IO;
    }
    nx_token_ring_init(ring);
    enum nx_err err = nx_file_read(path, FILE_SIZE_MAX, &bytes, &size);
    if (err == NX_E_NOT_FOUND) {
        return file_make(path, ring);
    }
    if (err != NX_OK) {
        return NX_E_IO;
    }
    err = file_parse(nx_bytes_of(bytes, size), ring);
    nx_wipe(bytes, size);
    nx_mem_give(bytes);
    return err;
}
