#include "tests/fault/disk.h"

#include "engine/base/prng.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, NODES_MAX = 256, NAMES_MAX = 64, NAME_SIZE = 64, PATH_SIZE = 512, LOG_HEAD = 32 };

/** A write or a truncation that no flush has made certain. */
struct change {
    struct change *next;
    bool is_truncate;
    uint64_t at; /* or the new size */
    size_t size;
    uint8_t bytes[];
};

/** A file apart from its name. */
struct node {
    uint8_t *certain;
    size_t size;
    size_t capacity;
    struct change *first;
    struct change **last;
    uint32_t failures;    /* of flushes; each descriptor is told of each at its next flush, as Linux does */
    bool is_head_written; /* the last write was a log's head */
};

struct name {
    char text[NAME_SIZE];
    struct node *now;     /* NULL: no such file */
    struct node *certain; /* what the folder has on the disk under this name */
};

struct file {
    sqlite3_file base;
    struct node *node; /* NULL: not in the folder */
    enum disk_file kind;
    uint32_t failures_told;
    sqlite3_file *real;
};

static struct {
    bool is_on;
    char folder[PATH_SIZE];
    dev_t device;
    ino_t inode;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct nx_prng prng;
    struct node nodes[NODES_MAX];
    uint32_t nodes_count;
    struct name names[NAMES_MAX];
    uint32_t names_count;
    struct disk_counts counts;
    struct disk_cut cut;
    uint64_t changes;
    struct disk_fault fault;
    uint64_t fault_seen;
    uint64_t room;
    bool is_lying;
} disk;

static pthread_mutex_t mutex;
static pthread_once_t mutex_once = PTHREAD_ONCE_INIT;
static _Thread_local struct node *syncing; /* the file whose flush is under way */
static _Thread_local bool is_short; /* the next read or write of this thread moves half of what it should */
static _Thread_local bool has_written_log; /* since this thread flushed it */

int fsync(int fd);
int fdatasync(int fd);
int rename(const char *from, const char *to);

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "disk: %s\n", what);
        abort();
    }
}

static void mutex_make(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &attributes);
}

static void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

static bool chance(uint32_t in_100)
{
    return nx_prng_below(&disk.prng, 100) < in_100;
}

/* ---- what the disk has ---- */

static struct node *node_new(void)
{
    must(disk.nodes_count < NODES_MAX, "too many files");
    struct node *node = &disk.nodes[disk.nodes_count++];
    *node = (struct node){0};
    node->last = &node->first;
    return node;
}

static struct name *name_find(const char *text)
{
    for (uint32_t i = 0; i < disk.names_count; i++) {
        if (strcmp(disk.names[i].text, text) == 0) {
            return &disk.names[i];
        }
    }
    must(disk.names_count < NAMES_MAX && strlen(text) < NAME_SIZE, "too many names");
    struct name *name = &disk.names[disk.names_count++];
    *name = (struct name){0};
    snprintf(name->text, sizeof name->text, "%s", text);
    return name;
}

/** The name inside the folder; NULL for a path elsewhere, and for what does not outlive a machine. */
static const char *name_of(const char *path)
{
    const size_t size = strlen(disk.folder);
    if (path == NULL || strncmp(path, disk.folder, size) != 0 || path[size] != '/') {
        return NULL;
    }
    const char *name = path + size + 1;
    const size_t length = strlen(name);
    const bool is_shared = length > 4 && strcmp(name + length - 4, "-shm") == 0;
    return strchr(name, '/') == NULL && !is_shared ? name : NULL;
}

static enum disk_file kind_of(const char *name)
{
    const size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, "-wal") == 0) {
        return DISK_LOG;
    }
    return length > 3 && strcmp(name + length - 3, ".db") == 0 ? DISK_DATABASE : DISK_OTHER;
}

static void node_reserve(struct node *node, size_t size)
{
    if (size > node->capacity) {
        const size_t capacity = size > 2 * node->capacity ? size : 2 * node->capacity;
        node->certain = realloc(node->certain, capacity);
        must(node->certain != NULL, "no memory");
        memset(node->certain + node->capacity, 0, capacity - node->capacity);
        node->capacity = capacity;
    }
}

static void node_resize(struct node *node, size_t size)
{
    node_reserve(node, size);
    if (size < node->size) {
        memset(node->certain + size, 0, node->size - size);
    }
    node->size = size;
}

static void change_add(struct node *node, bool is_truncate, uint64_t at, const void *bytes, size_t size)
{
    struct change *change = malloc(sizeof *change + size);
    must(change != NULL, "no memory");
    *change = (struct change){.is_truncate = is_truncate, .at = at, .size = size};
    if (size > 0) {
        memcpy(change->bytes, bytes, size);
    }
    *node->last = change;
    node->last = &change->next;
}

/** How much of what is not certain gets to the disk. */
struct luck {
    uint32_t sectors_in_100;
    uint32_t torn_in_100;  /* of the sectors that do: only their first bytes */
    uint64_t changes_left; /* what comes after so many does not */
};

static struct luck luck_draw(void)
{
    switch (nx_prng_below(&disk.prng, 5)) {
    case 0:
        return (struct luck){0, 0, UINT64_MAX};
    case 1:
        return (struct luck){100, 0, UINT64_MAX};
    case 2:
        return (struct luck){100, 30, nx_prng_below(&disk.prng, 40)};
    default:
        return (struct luck){5 + (uint32_t)nx_prng_below(&disk.prng, 95), 5, UINT64_MAX};
    }
}

static void sector_apply(struct node *node, uint64_t at, const uint8_t *bytes, size_t size, uint32_t torn)
{
    if (chance(torn)) {
        size = nx_prng_below(&disk.prng, size);
    }
    if (at + size > node->size) {
        node_resize(node, at + size);
    }
    memcpy(node->certain + at, bytes, size);
}

static void change_apply(struct node *node, const struct change *change, const struct luck *luck)
{
    if (change->is_truncate) {
        if (chance(luck->sectors_in_100)) {
            node_resize(node, change->at);
        }
        return;
    }
    for (size_t done = 0; done < change->size;) {
        const uint64_t at = change->at + done;
        const size_t left = change->size - done;
        const size_t in_sector = SECTOR - at % SECTOR;
        const size_t size = left < in_sector ? left : in_sector;
        if (chance(luck->sectors_in_100)) {
            sector_apply(node, at, change->bytes + done, size, luck->torn_in_100);
        } else if (at + size > node->size && chance(20)) {
            /* The file has grown, its new sectors were never written: whatever was there before. */
            const size_t old = node->size;
            node_resize(node, at + size);
            memset(node->certain + old, chance(50) ? 0 : 0xa5, node->size - old);
        }
        done += size;
    }
}

/** Makes certain what luck leaves of the changes. */
static void node_settle(struct node *node, struct luck luck)
{
    struct change *next;
    for (struct change *change = node->first; change != NULL; change = next) {
        next = change->next;
        if (luck.changes_left > 0) {
            change_apply(node, change, &luck);
            luck.changes_left--;
        }
        free(change);
    }
    node->first = NULL;
    node->last = &node->first;
}

/** Takes in what is in the folder without having come through SQLite: the store creates its file itself. */
static void folder_look(void)
{
    DIR *folder = opendir(disk.folder);
    must(folder != NULL, "no folder");
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[PATH_SIZE + NAME_SIZE];
        snprintf(path, sizeof path, "%s/%.63s", disk.folder, entry->d_name);
        struct stat status;
        if (name_of(path) != NULL && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            struct name *name = name_find(entry->d_name);
            if (name->now == NULL) {
                name->now = node_new();
            }
        }
    }
    closedir(folder);
}

static void folder_sync(void)
{
    folder_look();
    for (uint32_t i = 0; i < disk.names_count; i++) {
        disk.names[i].certain = disk.names[i].now;
    }
}

static void node_leave(struct node *node, const char *name)
{
    char path[PATH_SIZE + NAME_SIZE];
    snprintf(path, sizeof path, "%s/%s", disk.cut.folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    must(fd >= 0, "cannot leave a file");
    for (size_t done = 0; done < node->size;) {
        const ssize_t size = write(fd, node->certain + done, node->size - done);
        must(size > 0, "cannot leave a file's bytes");
        done += (size_t)size;
    }
    close(fd);
}

static void power_off(void)
{
    folder_look();
    const struct luck luck = luck_draw();
    const uint32_t names_in_100 = luck.sectors_in_100;
    for (uint32_t i = 0; i < disk.names_count; i++) {
        struct name *name = &disk.names[i];
        struct node *node = name->now != name->certain && chance(names_in_100) ? name->now : name->certain;
        if (node != NULL) {
            node_settle(node, luck);
            node_leave(node, name->text);
        }
    }
    disk.cut.on_cut();
}

/* ---- what goes wrong ---- */

/** Counts a call; the code it fails with, or SQLITE_OK. */
static int call_begin(enum disk_call call)
{
    disk.counts.calls[call]++;
    if ((disk.fault.calls >> call & 1) == 0) {
        return SQLITE_OK;
    }
    disk.fault_seen++;
    if (disk.fault_seen < disk.fault.from || disk.fault_seen - disk.fault.from >= disk.fault.count) {
        return SQLITE_OK;
    }
    disk.counts.failed++;
    is_short = disk.fault.code == DISK_SHORT;
    return is_short ? SQLITE_OK : disk.fault.code;
}

/** A change is about to be made: the moment to cut. */
static void change_begin(enum disk_file kind)
{
    disk.counts.changes[kind]++;
    if (disk.cut.at != 0 && (disk.cut.file == DISK_FILES || disk.cut.file == kind) &&
        ++disk.changes == disk.cut.at) {
        power_off();
    }
}

static size_t shorten(size_t size)
{
    const bool is_now = is_short && size > 1;
    is_short = is_short && !is_now;
    return is_now ? size / 2 : size;
}

static ssize_t short_read(int fd, void *out, size_t size)
{
    return read(fd, out, shorten(size));
}

static ssize_t short_pread(int fd, void *out, size_t size, off_t at)
{
    return pread(fd, out, shorten(size), at);
}

static ssize_t short_write(int fd, const void *bytes, size_t size)
{
    return write(fd, bytes, shorten(size));
}

static ssize_t short_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return pwrite(fd, bytes, shorten(size), at);
}

static const struct {
    const char *name;
    sqlite3_syscall_ptr call;
} shorts[] = {
    {"read", (sqlite3_syscall_ptr)short_read},     {"pread", (sqlite3_syscall_ptr)short_pread},
    {"pread64", (sqlite3_syscall_ptr)short_pread}, {"write", (sqlite3_syscall_ptr)short_write},
    {"pwrite", (sqlite3_syscall_ptr)short_pwrite}, {"pwrite64", (sqlite3_syscall_ptr)short_pwrite},
};

/** Puts the short calls in place of those that SQLite uses, or takes them away. */
static void shorts_set(bool is_on)
{
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        if (disk.real->xGetSystemCall(disk.real, shorts[i].name) != NULL) {
            (void)disk.real->xSetSystemCall(disk.real, shorts[i].name, is_on ? shorts[i].call : NULL);
        }
    }
}

/* ---- the file system ---- */

static struct file *file_of(sqlite3_file *base)
{
    return (struct file *)base;
}

static int file_close(sqlite3_file *base)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at)
{
    sqlite3_file *real = file_of(base)->real;
    lock();
    const int code = call_begin(DISK_READ);
    unlock();
    return code != SQLITE_OK ? code : real->pMethods->xRead(real, out, size, at);
}

/** Whether the file may grow to `end`; takes the room. */
static bool room_take(sqlite3_file *real, sqlite3_int64 end)
{
    sqlite3_int64 size = 0;
    if (disk.room == UINT64_MAX || real->pMethods->xFileSize(real, &size) != SQLITE_OK || end <= size) {
        return true;
    }
    if ((uint64_t)(end - size) > disk.room) {
        return false;
    }
    disk.room -= (uint64_t)(end - size);
    return true;
}

static int file_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 at)
{
    struct file *file = file_of(base);
    lock();
    int code = call_begin(DISK_WRITE);
    if (code != SQLITE_OK) {
        size /= 2;
    } else if (!room_take(file->real, at + size)) {
        disk.counts.failed++;
        code = SQLITE_FULL;
        size = 0;
    }
    if (file->node != NULL && size > 0) {
        change_begin(file->kind);
        change_add(file->node, false, (uint64_t)at, bytes, (size_t)size);
        file->node->is_head_written = at == 0 && size == LOG_HEAD;
        disk.counts.bytes_log += file->kind == DISK_LOG ? (uint64_t)size : 0;
        has_written_log = has_written_log || file->kind == DISK_LOG;
    }
    const int real = size > 0 ? file->real->pMethods->xWrite(file->real, bytes, size, at) : SQLITE_OK;
    unlock();
    return code != SQLITE_OK ? code : real;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = file_of(base);
    lock();
    int code = call_begin(DISK_TRUNCATE);
    if (code == SQLITE_OK) {
        if (file->node != NULL) {
            change_begin(file->kind);
            change_add(file->node, true, (uint64_t)size, NULL, 0);
            disk.counts.truncates_log += file->kind == DISK_LOG && size == 0;
        }
        code = file->real->pMethods->xTruncate(file->real, size);
    }
    unlock();
    return code;
}

static void sync_count(const struct file *file)
{
    const bool is_log = file->kind == DISK_LOG;
    if (file->kind == DISK_DATABASE || (is_log && !has_written_log)) {
        disk.counts.syncs_checkpoint++; /* Only a checkpoint flushes a log that it has not written. */
    } else if (is_log && file->node != NULL && file->node->is_head_written) {
        disk.counts.syncs_log_head++;
    } else if (is_log) {
        disk.counts.syncs_log++;
    } else {
        disk.counts.syncs_other++;
    }
    has_written_log = has_written_log && !is_log;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = file_of(base);
    lock();
    int code = call_begin(DISK_SYNC);
    if (file->node != NULL) {
        change_begin(file->kind);
    }
    if (code != SQLITE_OK && file->node != NULL) {
        /* The kernel forgets that these pages were dirty: what of them got to the disk is anybody's guess. */
        if (file->kind != DISK_DATABASE || disk.fault.forgets_database) {
            node_settle(file->node, luck_draw());
        }
        file->node->failures++;
    }
    if (file->node != NULL && file->failures_told != file->node->failures) {
        file->failures_told = file->node->failures;
        code = SQLITE_IOERR_FSYNC;
    }
    if (code == SQLITE_OK) {
        sync_count(file);
        syncing = file->node;
        code = file->real->pMethods->xSync(file->real, flags);
        syncing = NULL;
    }
    unlock();
    return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
    sqlite3_file *real = file_of(base)->real;
    lock();
    const int code = call_begin(DISK_SIZE);
    unlock();
    return code != SQLITE_OK ? code : real->pMethods->xFileSize(real, out);
}

static int file_lock(sqlite3_file *base, int level)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xUnlock(real, level);
}

static int file_is_reserved(sqlite3_file *base, int *out)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xCheckReservedLock(real, out);
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    sqlite3_file *real = file_of(base)->real;
    if (what == SQLITE_FCNTL_CKPT_START) {
        lock();
        disk.counts.checkpoints++;
        unlock();
    }
    return real->pMethods->xFileControl(real, what, argument);
}

static int file_sector(sqlite3_file *base)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xSectorSize(real);
}

static int file_device(sqlite3_file *base)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int shared_map(sqlite3_file *base, int page, int size, int is_extending, void volatile **out)
{
    sqlite3_file *real = file_of(base)->real;
    lock();
    const int code = call_begin(DISK_SHARED);
    unlock();
    return code != SQLITE_OK ? code : real->pMethods->xShmMap(real, page, size, is_extending, out);
}

static int shared_lock(sqlite3_file *base, int offset, int count, int flags)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void shared_barrier(sqlite3_file *base)
{
    sqlite3_file *real = file_of(base)->real;
    real->pMethods->xShmBarrier(real);
}

static int shared_unmap(sqlite3_file *base, int is_deleting)
{
    sqlite3_file *real = file_of(base)->real;
    return real->pMethods->xShmUnmap(real, is_deleting);
}

/* Version 2: without mapped reading, so that every read is a call. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shared_map,
    .xShmLock = shared_lock,
    .xShmBarrier = shared_barrier,
    .xShmUnmap = shared_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *flags_out)
{
    (void)vfs;
    struct file *file = file_of(base);
    *file = (struct file){.real = (sqlite3_file *)(void *)(file + 1)};
    file->real->pMethods = NULL;
    lock();
    int code = call_begin(DISK_OPEN);
    if (code == SQLITE_OK) {
        code = disk.real->xOpen(disk.real, path, file->real, flags, flags_out);
    }
    const char *name = name_of(path);
    if (code == SQLITE_OK && name != NULL) {
        struct name *known = name_find(name);
        if (known->now == NULL) {
            known->now = node_new();
        }
        file->node = known->now;
        file->kind = kind_of(name);
        file->failures_told = file->node->failures;
    }
    unlock();
    file->base.pMethods = code == SQLITE_OK ? &methods : NULL;
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int is_synced)
{
    (void)vfs;
    lock();
    int code = call_begin(DISK_DELETE);
    const char *name = name_of(path);
    if (code == SQLITE_OK) {
        if (name != NULL) {
            change_begin(kind_of(name));
            name_find(name)->now = NULL;
        }
        code = disk.real->xDelete(disk.real, path, is_synced);
    }
    unlock();
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    lock();
    const int code = call_begin(DISK_ACCESS);
    unlock();
    return code != SQLITE_OK ? code : disk.real->xAccess(disk.real, path, flags, out);
}

/* ---- the process's own flushes ---- */

static bool is_folder(const struct stat *status)
{
    return status->st_dev == disk.device && status->st_ino == disk.inode;
}

/** The file of the folder that is open under another descriptor than SQLite's; NULL when it is none. */
static struct node *node_by(const struct stat *status)
{
    folder_look();
    for (uint32_t i = 0; i < disk.names_count; i++) {
        char path[PATH_SIZE + NAME_SIZE];
        struct stat other;
        snprintf(path, sizeof path, "%s/%s", disk.folder, disk.names[i].text);
        if (disk.names[i].now != NULL && stat(path, &other) == 0 && other.st_dev == status->st_dev &&
            other.st_ino == status->st_ino) {
            return disk.names[i].now;
        }
    }
    return NULL;
}

static void flush(const struct stat *status)
{
    if (is_folder(status)) {
        change_begin(DISK_OTHER);
        disk.counts.syncs_folder++;
        if (!disk.is_lying) {
            folder_sync();
        }
        return;
    }
    struct node *node = syncing;
    if (node == NULL) {
        node = node_by(status);
        change_begin(DISK_OTHER);
    }
    if (node != NULL && !disk.is_lying) {
        node_settle(node, (struct luck){100, 0, UINT64_MAX});
    }
}

static int flush_or_pass(int fd, long call)
{
    pthread_once(&mutex_once, mutex_make);
    lock();
    struct stat status;
    const bool is_ours = disk.is_on && fstat(fd, &status) == 0;
    if (is_ours) {
        flush(&status);
    }
    unlock();
    return is_ours ? 0 : (int)syscall(call, fd);
}

int fsync(int fd)
{
    return flush_or_pass(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return flush_or_pass(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
    pthread_once(&mutex_once, mutex_make);
    lock();
    const bool is_ours = disk.is_on && name_of(from) != NULL && name_of(to) != NULL;
    if (is_ours) {
        change_begin(DISK_OTHER);
        struct name *old = name_find(name_of(from));
        name_find(name_of(to))->now = old->now;
        old->now = NULL;
    }
    const int result = renameat(AT_FDCWD, from, AT_FDCWD, to);
    unlock();
    return result;
}

/* ---- orders ---- */

static void node_fill(struct node *node, const char *name)
{
    char path[PATH_SIZE + NAME_SIZE];
    snprintf(path, sizeof path, "%s/%s", disk.folder, name);
    FILE *file = fopen(path, "rb");
    must(file != NULL && fseek(file, 0, SEEK_END) == 0, "cannot read a file");
    const size_t size = (size_t)ftell(file);
    node_resize(node, size);
    rewind(file);
    must(fread(node->certain, 1, size, file) == size, "cannot read a file's bytes");
    fclose(file);
}

void disk_install(const char *folder, uint64_t seed)
{
    pthread_once(&mutex_once, mutex_make);
    must(!disk.is_on && strlen(folder) < PATH_SIZE, "one at a time");
    struct stat status;
    must(stat(folder, &status) == 0, "no folder");
    sqlite3_initialize();
    disk.is_on = true;
    snprintf(disk.folder, sizeof disk.folder, "%s", folder);
    disk.device = status.st_dev;
    disk.inode = status.st_ino;
    disk.room = UINT64_MAX;
    nx_prng_init(&disk.prng, seed);
    folder_sync();
    for (uint32_t i = 0; i < disk.names_count; i++) {
        node_fill(disk.names[i].now, disk.names[i].text);
    }
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.pNext = NULL;
    disk.vfs.zName = "disk";
    disk.vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
    disk.vfs.xOpen = vfs_open;
    disk.vfs.xDelete = vfs_delete;
    disk.vfs.xAccess = vfs_access;
    shorts_set(true);
    must(sqlite3_vfs_register(&disk.vfs, 1) == SQLITE_OK, "cannot register");
}

void disk_remove(void)
{
    must(disk.is_on, "not there");
    shorts_set(false);
    sqlite3_vfs_register(disk.real, 1);
    sqlite3_vfs_unregister(&disk.vfs);
    for (uint32_t i = 0; i < disk.nodes_count; i++) {
        node_settle(&disk.nodes[i], (struct luck){0});
        free(disk.nodes[i].certain);
    }
    memset(&disk, 0, sizeof disk);
}

void disk_cut_set(const struct disk_cut *cut)
{
    lock();
    disk.cut = *cut;
    disk.changes = 0;
    unlock();
}

void disk_cut_now(void)
{
    lock();
    power_off();
    unlock();
}

void disk_fault_set(const struct disk_fault *fault)
{
    lock();
    disk.fault = fault != NULL ? *fault : (struct disk_fault){0};
    disk.fault_seen = 0;
    unlock();
}

uint64_t disk_fault_seen(void)
{
    lock();
    const uint64_t seen = disk.fault_seen;
    unlock();
    return seen;
}

void disk_room_set(uint64_t bytes)
{
    lock();
    disk.room = bytes;
    unlock();
}

void disk_lie(bool is_lying)
{
    lock();
    disk.is_lying = is_lying;
    unlock();
}

struct disk_counts disk_counts(void)
{
    lock();
    const struct disk_counts counts = disk.counts;
    unlock();
    return counts;
}
