#include "engine/io/file.h"

#include "engine/io/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum nx_err file_err(int error)
{
    switch (error) {
    case ENOENT:
        return NX_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return NX_E_AUTH;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return NX_E_FULL;
    case ENOTDIR:
    case EEXIST:
        return NX_E_CONFLICT;
    case ENAMETOOLONG:
        return NX_E_MALFORMED;
    default:
        return NX_E_IO;
    }
}

/* Reads until the end or until `room` is full; returns the bytes or -1. */
static ssize_t read_all(int fd, uint8_t *into, size_t room)
{
    size_t size = 0;
    while (size < room) {
        const ssize_t got = read(fd, into + size, room - size);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        size += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)size;
}

enum nx_err nx_file_read(const char *path, size_t size_max, uint8_t **out, size_t *size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_err(errno);
    }
    struct stat status;
    enum nx_err err = NX_OK;
    uint8_t *bytes = NULL;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        err = NX_E_IO;
    } else if ((uint64_t)status.st_size > size_max) {
        err = NX_E_FULL;
    } else {
        bytes = nx_mem_take((size_t)status.st_size + 1);
        err = bytes == NULL ? NX_E_NO_MEMORY : NX_OK;
    }
    if (err == NX_OK) {
        const ssize_t got = read_all(fd, bytes, (size_t)status.st_size);
        if (got < 0) {
            nx_mem_give(bytes);
            err = NX_E_IO;
        } else {
            bytes[got] = 0;
            *out = bytes;
            *size = (size_t)got;
        }
    }
    (void)close(fd);
    return err;
}

static enum nx_err write_all(int fd, struct nx_bytes content)
{
    size_t size = 0;
    while (size < content.size) {
        const ssize_t put = write(fd, content.at + size, content.size - size);
        if (put < 0 && errno != EINTR) {
            return file_err(errno);
        }
        size += put > 0 ? (size_t)put : 0;
    }
    return fsync(fd) == 0 ? NX_OK : file_err(errno);
}

/* Flushes the folder that holds `path`, so that the rename survives a power cut. */
static enum nx_err folder_flush(char *path)
{
    char *slash = strrchr(path, '/');
    const char *folder = ".";
    if (slash == path) {
        folder = "/";
    } else if (slash != NULL) {
        *slash = 0;
        folder = path;
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return file_err(errno);
    }
    const enum nx_err err = fsync(fd) == 0 ? NX_OK : file_err(errno);
    (void)close(fd);
    return err;
}

enum nx_err nx_file_write(const char *path, struct nx_bytes content)
{
    char beside[NX_FILE_PATH_MAX];
    const int length = snprintf(beside, sizeof(beside), "%s.%d.new", path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof(beside)) {
        return NX_E_MALFORMED;
    }
    (void)unlink(beside);
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return file_err(errno);
    }
    enum nx_err err = write_all(fd, content);
    if (close(fd) != 0 && err == NX_OK) {
        err = file_err(errno);
    }
    if (err == NX_OK && rename(beside, path) != 0) {
        err = file_err(errno);
    }
    if (err != NX_OK) {
        (void)unlink(beside);
        return err;
    }
    return folder_flush(beside);
}

enum nx_err nx_file_folders_make(const char *path, mode_t mode)
{
    char part[NX_FILE_PATH_MAX];
    const size_t length = strnlen(path, sizeof(part));
    if (length == 0 || length == sizeof(part)) {
        return NX_E_MALFORMED;
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != 0) {
            continue;
        }
        const char kept = part[i];
        part[i] = 0;
        struct stat status;
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            return file_err(errno);
        }
        if (stat(part, &status) != 0 || !S_ISDIR(status.st_mode)) {
            return NX_E_CONFLICT;
        }
        part[i] = kept;
    }
    return NX_OK;
}
