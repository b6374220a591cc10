/* Properties: a seed line is taken exactly when another JSON reader finds the same ids and a plain token in it; a file gives
 * the lines that are there, in order, and tells which one is wrong. Input: how many to skip and take, then the file. */
#include "loadtest/limits.h"
#include "loadtest/seed.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

enum { FILE_MAX = 16384, USERS_MAX = 512 };

/* A string of digits without leading zeros, or an integer; not 0. Returns 1 for an id, 0 for none, -1 when the other reader
 * cannot tell (an integer above its own 63 bits). */
static int id_of(const json_t *root, const char *name, uint64_t *out)
{
    const json_t *value = json_object_get(root, name);
    if (json_is_integer(value)) {
        *out = (uint64_t)json_integer_value(value);
        return json_integer_value(value) > 0;
    }
    if (json_is_real(value)) {
        return -1; /* it reads integers of more than 63 bits as real numbers */
    }
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '0' || strlen(text) != json_string_length(value)) {
        return 0;
    }
    const size_t size = strlen(text);
    if (size == 0 || size > 20 || strspn(text, "0123456789") != size) {
        return 0;
    }
    *out = strtoull(text, NULL, 10);
    return size < 20 || strcmp(text, "18446744073709551615") <= 0;
}

static bool token_is_plain(const char *token, size_t size)
{
    return size != 0 && strlen(token) == size &&
           strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == size;
}

/* Returns 1 taken, 0 refused, -1 cannot tell. */
static int reference(struct nx_bytes line, struct load_seed_user *out, char token[LOAD_SEED_LINE_MAX + 1])
{
    json_error_t error;
    json_t *root =
        json_loadb((const char *)line.at, line.size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    json_t *whole = json_loadb((const char *)line.at, line.size, JSON_ALLOW_NUL, &error);
    int verdict = -1; /* numbers that it finds too large make it refuse a text that is JSON */
    if (whole == NULL && root == NULL) {
        const enum json_error_code code = json_error_code(&error);
        const bool is_own = code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
                            code == json_error_stack_overflow;
        verdict = is_own ? -1 : 0;
    } else if (whole != NULL) {
        const json_t *text = json_object_get(whole, "token");
        const int ids[] = {id_of(whole, "user_id", &out->user_id), id_of(whole, "guild_id", &out->guild_id),
                           id_of(whole, "channel_id", &out->channel_id)};
        const bool has_token =
            json_is_string(text) && token_is_plain(json_string_value(text), json_string_length(text));
        if (ids[0] == 0 || ids[1] == 0 || ids[2] == 0 || !has_token) {
            verdict = 0;
        } else if (ids[0] > 0 && ids[1] > 0 && ids[2] > 0) {
            verdict = 1;
            memcpy(token, json_string_value(text), json_string_length(text) + 1);
            out->token = nx_bytes_text(token);
        }
    }
    json_decref(root);
    json_decref(whole);
    return verdict;
}

static void check_line(struct nx_bytes line)
{
    char token[LOAD_SEED_LINE_MAX + 1];
    struct load_seed_user user;
    struct load_seed_user wanted;
    uint8_t *copy = fuzz_copy(line);
    const enum nx_err err = load_seed_parse(nx_bytes_of(copy, line.size), &user);
    if (line.size > LOAD_SEED_LINE_MAX) {
        fuzz_check(err == NX_E_FULL, "a long line is refused");
    } else {
        const int verdict = reference(line, &wanted, token);
        fuzz_check(err != NX_OK || fuzz_is_inside(user.token, nx_bytes_of(copy, line.size)),
                   "token is borrowed");
        fuzz_check(verdict != 0 || err == NX_E_MALFORMED, "what another reader refuses is refused");
        if (verdict == 1 && err == NX_OK) {
            fuzz_check(user.user_id == wanted.user_id && user.guild_id == wanted.guild_id &&
                           user.channel_id == wanted.channel_id && nx_bytes_equal(user.token, wanted.token),
                       "the same values");
        }
        /* Escapes in a token and depth beyond ours are refused by us alone. */
        fuzz_check(verdict != 1 || err == NX_OK || memchr(line.at, '\\', line.size) != NULL ||
                       memchr(line.at, '[', line.size) != NULL ||
                       memchr(line.at + 1, '{', line.size - 1) != NULL,
                   "what another reader takes is taken");
    }
    free(copy);
}

static void check_file(struct nx_bytes text, uint32_t skip, uint32_t count)
{
    struct load_seed seed = {.users = NULL};
    FILE *file = fmemopen((void *)(uintptr_t)text.at, text.size, "r");
    if (file == NULL) {
        return;
    }
    const enum nx_err err = load_seed_read(file, skip, count, &seed);
    fclose(file);
    struct load_seed_user wanted[USERS_MAX];
    uint32_t wanted_count = 0;
    uint32_t line_number = 0;
    enum nx_err wanted_err = NX_OK;
    while (text.size != 0 && wanted_err == NX_OK && (count == 0 || wanted_count < count) &&
           wanted_count < USERS_MAX) {
        struct nx_bytes line = fuzz_until(&text, '\n');
        line.size -= line.size != 0 && line.at[line.size - 1] == '\r';
        line_number++;
        if (line.size == 0) {
            continue;
        }
        if (skip != 0) {
            skip--;
            continue;
        }
        wanted_err = load_seed_parse(line, &wanted[wanted_count]);
        wanted_count += wanted_err == NX_OK;
    }
    if (wanted_err == NX_OK && (wanted_count < count || wanted_count == 0)) {
        wanted_err = NX_E_NOT_FOUND;
    }
    fuzz_check(err == wanted_err && seed.line == line_number, "verdict and line");
    if (err == NX_OK) {
        fuzz_check(seed.users_count == wanted_count, "users");
        for (uint32_t i = 0; i < wanted_count; i++) {
            fuzz_check(seed.users[i].user_id == wanted[i].user_id &&
                           seed.users[i].channel_id == wanted[i].channel_id &&
                           nx_bytes_equal(seed.users[i].token, wanted[i].token),
                       "user");
        }
    } else {
        fuzz_check(seed.users == NULL && seed.text == NULL, "nothing is kept");
    }
    load_seed_fini(&seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size < FILE_MAX ? size : FILE_MAX);
    const uint32_t skip = fuzz_u8(&input) % 4;
    const uint32_t count = fuzz_u8(&input) % 4;
    struct nx_bytes rest = input;
    for (int lines = 0; rest.size != 0 && lines < 64; lines++) {
        const struct nx_bytes line = fuzz_until(&rest, '\n');
        if (line.size != 0) {
            check_line(line);
        }
    }
    check_file(input, skip, count);
    return 0;
}
