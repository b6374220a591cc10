#include "loadtest/seed.h"

#include "engine/wire/json.h"
#include "loadtest/limits.h"

#include <stdlib.h>

/* base64url parts and dots: whatever else is there would have to be escaped in IDENTIFY or break an HTTP header. */
static bool token_is_plain(struct nx_bytes token)
{
    for (size_t i = 0; i < token.size; i++) {
        const uint8_t c = token.at[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              c == '-' || c == '_' || c == '.';
        if (!is_plain) {
            return false;
        }
    }
    return token.size != 0;
}

static bool id_get(struct nx_json root, const char *name, uint64_t *out)
{
    struct nx_json value;
    return nx_json_find(root, name, &value) && nx_json_id(value, out) == NX_OK && *out != 0;
}

enum nx_err load_seed_parse(struct nx_bytes line, struct load_seed_user *out)
{
    struct load_seed_user user;
    struct nx_json root;
    struct nx_json token;
    if (line.size > LOAD_SEED_LINE_MAX) {
        return NX_E_FULL;
    }
    if (nx_json_open(line, &root) != NX_OK || root.kind != NX_JSON_OBJECT ||
        !id_get(root, "user_id", &user.user_id) || !id_get(root, "guild_id", &user.guild_id) ||
        !id_get(root, "channel_id", &user.channel_id) || !nx_json_find(root, "token", &token) ||
        token.kind != NX_JSON_STRING || token.has_escapes) {
        return NX_E_MALFORMED;
    }
    user.token = nx_bytes_of(token.at, token.size);
    if (!token_is_plain(user.token)) {
        return NX_E_MALFORMED;
    }
    *out = user;
    return NX_OK;
}

/* Reads all of `file`; the caller frees. */
static enum nx_err file_read(FILE *file, uint8_t **text, size_t *size)
{
    size_t room = 1 << 16;
    size_t used = 0;
    uint8_t *bytes = malloc(room);
    while (bytes != NULL) {
        used += fread(bytes + used, 1, room - used, file);
        if (used < room) {
            break;
        }
        uint8_t *larger = room < LOAD_SEED_FILE_MAX ? realloc(bytes, room * 2) : NULL;
        if (larger == NULL) {
            free(bytes);
            return NX_E_NO_MEMORY;
        }
        bytes = larger;
        room *= 2;
    }
    if (bytes == NULL) {
        return NX_E_NO_MEMORY;
    }
    if (ferror(file) != 0) {
        free(bytes);
        return NX_E_IO;
    }
    *text = bytes;
    *size = used;
    return NX_OK;
}

static enum nx_err lines_parse(struct load_seed *seed, size_t size, uint32_t skip, uint32_t count)
{
    struct nx_bytes rest = nx_bytes_of(seed->text, size);
    uint32_t room = 0;
    while (rest.size != 0 && (count == 0 || seed->users_count < count)) {
        const uint8_t *end = memchr(rest.at, '\n', rest.size);
        struct nx_bytes line = end == NULL ? rest : nx_bytes_of(rest.at, (size_t)(end - rest.at));
        rest = end == NULL ? nx_bytes_of(NULL, 0) : nx_bytes_slice(rest, line.size + 1, SIZE_MAX);
        seed->line++;
        if (line.size != 0 && line.at[line.size - 1] == '\r') {
            line.size--;
        }
        if (line.size == 0) {
            continue;
        }
        if (skip != 0) {
            skip--;
            continue;
        }
        if (seed->users_count == room) {
            room = room == 0 ? 1024 : room * 2;
            struct load_seed_user *larger =
                room <= LOAD_SESSIONS_MAX ? realloc(seed->users, room * sizeof(*larger)) : NULL;
            if (larger == NULL) {
                return NX_E_NO_MEMORY;
            }
            seed->users = larger;
        }
        const enum nx_err err = load_seed_parse(line, &seed->users[seed->users_count]);
        if (err != NX_OK) {
            return err;
        }
        seed->users_count++;
    }
    return seed->users_count < count || seed->users_count == 0 ? NX_E_NOT_FOUND : NX_OK;
}

enum nx_err load_seed_read(FILE *file, uint32_t skip, uint32_t count, struct load_seed *out)
{
    struct load_seed seed = {.users = NULL};
    size_t size;
    enum nx_err err = file_read(file, &seed.text, &size);
    if (err == NX_OK) {
        err = lines_parse(&seed, size, skip, count);
    }
    out->line = seed.line;
    if (err != NX_OK) {
        load_seed_fini(&seed);
        return err;
    }
    *out = seed;
    return NX_OK;
}

void load_seed_fini(struct load_seed *seed)
{
    free(seed->users);
    free(seed->text);
    seed->users = NULL;
    seed->text = NULL;
    seed->users_count = 0;
}
