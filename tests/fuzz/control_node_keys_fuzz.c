/* Properties: a key file is taken exactly when a reader of its own takes every line; its keys are in the ring in their order, the
 * last one signs, and a ring written as such a file reads back the same; a first start makes a file that reads back. */
#include "control/node/keys.h"
#include "engine/base/text.h"
#include "engine/base/writer.h"
#include "engine/io/file.h"
#include "engine/io/mem.h"
#include "tests/fuzz/fuzz.h"

static struct nx_bytes file; /* what the disk holds; at NULL: nothing */
static uint8_t written[4096];
static size_t written_size;

enum nx_err nx_file_read(const char *path, size_t size_max, uint8_t **out, size_t *size)
{
    fuzz_check(strcmp(path, "data/token.keys") == 0, "path");
    if (file.at == NULL) {
        return NX_E_NOT_FOUND;
    }
    if (file.size > size_max) {
        return NX_E_FULL;
    }
    *out = fuzz_copy(file);
    *size = file.size;
    return NX_OK;
}

enum nx_err nx_file_write(const char *path, struct nx_bytes content)
{
    fuzz_check(strcmp(path, "data/token.keys") == 0 && content.size <= sizeof(written), "write");
    memcpy(written, content.at, content.size);
    written_size = content.size;
    return NX_OK;
}

void nx_mem_give(void *piece)
{
    free(piece);
}

struct wanted {
    uint32_t kids[NX_TOKEN_KEYS_MAX];
    uint8_t secrets[NX_TOKEN_KEYS_MAX][NX_TOKEN_SECRET_SIZE];
    size_t count;
    size_t current; /* the one of the last line */
};

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_line(struct nx_bytes line, struct wanted *out)
{
    struct nx_bytes rest = line;
    char *number = fuzz_text(fuzz_until(&rest, ' '));
    const size_t digits = strlen(number);
    const size_t zeros = strspn(number, "0");
    const bool is_number = digits != 0 && strspn(number, "0123456789") == digits && line.size >= digits + 1 &&
                           line.at[digits] == ' ' && digits - zeros <= 10;
    const uint64_t kid = is_number ? strtoull(number, NULL, 10) : 0;
    free(number);
    if (!is_number || kid > UINT32_MAX || rest.size != (size_t)2 * NX_TOKEN_SECRET_SIZE) {
        return false;
    }
    uint8_t secret[NX_TOKEN_SECRET_SIZE];
    for (size_t i = 0; i < NX_TOKEN_SECRET_SIZE; i++) {
        const int high = digit(rest.at[2 * i]);
        const int low = digit(rest.at[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        secret[i] = (uint8_t)(high << 4 | low);
    }
    size_t at = 0;
    while (at < out->count && out->kids[at] != kid) {
        at++;
    }
    out->current = at;
    if (at < out->count) {
        return memcmp(out->secrets[at], secret, sizeof(secret)) == 0; /* a key twice is one key */
    }
    if (at == NX_TOKEN_KEYS_MAX) {
        return false;
    }
    memcpy(out->secrets[at], secret, sizeof(secret));
    out->kids[at] = (uint32_t)kid;
    out->count++;
    return true;
}

static bool reference(struct nx_bytes text, struct wanted *out)
{
    out->count = 0;
    while (text.size != 0) {
        const struct nx_bytes line = fuzz_until(&text, '\n');
        if (line.size != 0 && !read_line(line, out)) {
            return false;
        }
    }
    return out->count != 0;
}

static bool is_same(const struct nx_token_ring *ring, const struct wanted *wanted)
{
    bool is_same = ring->keys_count == wanted->count && ring->current == wanted->current;
    for (size_t i = 0; i < wanted->count && is_same; i++) {
        is_same = ring->keys[i].kid == wanted->kids[i] &&
                  memcmp(ring->keys[i].secret, wanted->secrets[i], NX_TOKEN_SECRET_SIZE) == 0;
    }
    return is_same;
}

static void drop_all(struct nx_token_ring *ring)
{
    while (ring->keys_count != 0) {
        nx_token_ring_drop(ring, ring->keys[0].kid);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct nx_token_ring ring;
    static struct nx_token_ring again;
    drop_all(&ring);
    drop_all(&again);
    static struct wanted wanted;
    file = nx_bytes_of(bytes, size);
    if (size == 0) {
        file.at = NULL;
        fuzz_check(ctld_keys_load("data", &ring) == NX_OK && ring.keys_count == 1, "a first start");
        file = nx_bytes_of(written, written_size);
        fuzz_check(reference(file, &wanted) && is_same(&ring, &wanted), "what it makes");
        return 0;
    }
    const enum nx_err err = ctld_keys_load("data", &ring);
    if (size > sizeof(written)) {
        fuzz_check(err == NX_E_IO, "a large file is none of ours");
        return 0;
    }
    fuzz_check((err == NX_OK) == reference(file, &wanted), "verdict");
    if (err != NX_OK) {
        fuzz_check(err == NX_E_MALFORMED, "which verdict");
        return 0;
    }
    fuzz_check(is_same(&ring, &wanted), "keys");
    struct nx_writer w = nx_writer_init(written, sizeof(written));
    for (size_t i = 0; i < wanted.count; i++) {
        nx_writer_decimal(&w, wanted.kids[i]);
        nx_writer_u8(&w, ' ');
        nx_text_hex_encode(nx_bytes_of(wanted.secrets[i], NX_TOKEN_SECRET_SIZE), &w);
        nx_writer_u8(&w, '\n');
    }
    wanted.current = wanted.count - 1;
    file = nx_writer_bytes(&w);
    fuzz_check(nx_writer_ok(&w) && ctld_keys_load("data", &again) == NX_OK && is_same(&again, &wanted),
               "again");
    return 0;
}
