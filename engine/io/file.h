/* file.h - small synchronous file helpers for start-up and administration; never for a running loop.
 *
 * Layer:   engine/io
 * Threads: any; they block
 * Limits:  paths of NX_FILE_PATH_MAX bytes
 */
#ifndef NX_IO_FILE_H
#define NX_IO_FILE_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

#include <sys/types.h>

enum { NX_FILE_PATH_MAX = 4096 };

/**
 * Reads a whole file of at most `size_max` bytes into fresh memory; a NUL follows the last byte. Give it back with
 * nx_mem_give().
 * Returns NX_OK; NX_E_NOT_FOUND; NX_E_AUTH without permission; NX_E_FULL when the file is larger; NX_E_NO_MEMORY;
 * NX_E_IO for anything else, a folder for example.
 */
NX_MUST_USE enum nx_err nx_file_read(const char *path, size_t size_max, uint8_t **out, size_t *size);

/**
 * Replaces the file as a whole: written beside it with mode 0600, flushed to the disk, renamed, the folder flushed. A
 * crash leaves the old or the new content, never a mixture.
 * Returns NX_OK; NX_E_NOT_FOUND when the folder is missing; NX_E_AUTH without permission; NX_E_MALFORMED for a path that is
 * too long; NX_E_FULL when the disk is full; NX_E_IO otherwise. On failure the old file is untouched.
 */
NX_MUST_USE enum nx_err nx_file_write(const char *path, struct nx_bytes content);

/**
 * Makes the folder and those above it that are missing, with `mode` (0700 for data); folders that exist stay as they are.
 * Returns NX_OK; NX_E_AUTH; NX_E_CONFLICT when a part of the path is no folder; NX_E_MALFORMED for a path that is too long;
 * NX_E_FULL; NX_E_IO.
 */
NX_MUST_USE enum nx_err nx_file_folders_make(const char *path, mode_t mode);

#endif
