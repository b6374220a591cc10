#include "loadtest/history.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, VERSION = 1 };

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)value);
    put16(at + 2, (uint16_t)(value >> 16));
}

static void put64(uint8_t *at, uint64_t value)
{
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

void load_history_encode(uint8_t out[LOAD_HISTORY_RECORD_SIZE], uint64_t time,
                         const struct load_history_record *record)
{
    out[0] = record->kind;
    out[1] = record->flags;
    put16(out + 2, record->code);
    put32(out + 4, record->client);
    put64(out + 8, time);
    put64(out + 16, record->channel);
    put64(out + 24, record->id);
    put64(out + 32, record->hash);
    put32(out + 40, record->seq);
    put32(out + 44, record->extra);
}

enum nx_err load_history_open(struct load_history *history, const char *path)
{
    char name[PATH_SIZE];
    struct stat is;
    uint8_t head[LOAD_HISTORY_RECORD_SIZE] = "NEXUSHST";
    const bool is_folder = stat(path, &is) == 0 && S_ISDIR(is.st_mode);
    const int size =
        snprintf(name, sizeof(name), is_folder ? "%s/history-%ld.hist" : "%s", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof(name)) {
        return NX_E_IO;
    }
    uint8_t *buffer = malloc(LOAD_HISTORY_BUFFER_SIZE);
    if (buffer == NULL) {
        return NX_E_NO_MEMORY;
    }
    FILE *file = fopen(name, "we");
    if (file == NULL) {
        free(buffer);
        return NX_E_IO;
    }
    (void)setvbuf(file, (char *)buffer, _IOFBF, LOAD_HISTORY_BUFFER_SIZE);
    put32(head + 8, VERSION);
    *history = (struct load_history){.file = file, .buffer = buffer};
    history->has_failed = fwrite(head, sizeof(head), 1, file) != 1;
    return NX_OK;
}

void load_history_put(struct load_history *history, int64_t ns, const struct load_history_record *record)
{
    uint8_t bytes[LOAD_HISTORY_RECORD_SIZE];
    if (history->file == NULL) {
        return;
    }
    load_history_encode(bytes, record->kind == LOAD_HISTORY_STORED ? record->author : (uint64_t)ns, record);
    history->has_failed = fwrite_unlocked(bytes, sizeof(bytes), 1, history->file) != 1 || history->has_failed;
    history->count++;
}

enum nx_err load_history_close(struct load_history *history)
{
    bool is_good = !history->has_failed;
    if (history->file != NULL) {
        is_good = fclose(history->file) == 0 && is_good;
    }
    free(history->buffer);
    *history = (struct load_history){.file = NULL};
    return is_good ? NX_OK : NX_E_IO;
}

uint64_t load_history_hash(struct nx_bytes content)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < content.size; i++) {
        hash = (hash ^ content.at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
