#include "engine/io/file.h"

#include "engine/io/mem.h"
#include "engine/sim/state.h"

#include <string.h>

static struct nx_sim_file *file_find(struct nx_sim *sim, const char *path)
{
    for (uint32_t i = 0; i < sim->files_count; i++) {
        if (strcmp(sim->files[i].path, path) == 0) {
            return &sim->files[i];
        }
    }
    return NULL;
}

enum nx_err nx_file_read(const char *path, size_t size_max, uint8_t **out, size_t *size)
{
    const struct nx_sim_file *file = file_find(nx_sim_current(), path);
    if (file == NULL) {
        return NX_E_NOT_FOUND;
    }
    if (file->size > size_max) {
        return NX_E_FULL;
    }
    uint8_t *bytes = nx_mem_take(file->size + 1);
    if (bytes == NULL) {
        return NX_E_NO_MEMORY;
    }
    memcpy(bytes, file->bytes, file->size);
    *out = bytes;
    *size = file->size;
    return NX_OK;
}

enum nx_err nx_file_write(const char *path, struct nx_bytes content)
{
    struct nx_sim *sim = nx_sim_current();
    struct nx_sim_file *file = file_find(sim, path);
    const size_t length = strnlen(path, NX_FILE_PATH_MAX);
    if (length == NX_FILE_PATH_MAX) {
        return NX_E_MALFORMED;
    }
    if (file == NULL) {
        if (sim->files_count == NX_SIM_FILES_MAX) {
            return NX_E_FULL;
        }
        file = &sim->files[sim->files_count++];
        file->path = nx_sim_take(length + 1);
        memcpy(file->path, path, length);
    }
    nx_sim_give(file->bytes);
    file->bytes = nx_sim_take(content.size + 1);
    file->size = content.size;
    if (content.size != 0) {
        memcpy(file->bytes, content.at, content.size);
    }
    return NX_OK;
}

enum nx_err nx_file_folders_make(const char *path, mode_t mode)
{
    (void)mode;
    return path[0] != 0 ? NX_OK : NX_E_MALFORMED; /* this disk has no folders to be missing */
}
