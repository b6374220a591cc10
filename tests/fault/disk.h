/* disk.h - a disk under SQLite that can lose its power, fail any call and run full.
 *
 * Layer:   tests/fault (a SQLite VFS in front of the usual one, and fsync() and fdatasync() of the whole process)
 * Threads: any; one lock over everything
 * Limits:  one folder; what is written there without SQLite counts as empty files
 * Idiom:   The real files are what programs see. Beside each stands what a disk has for certain (all up to the last flush) and
 *          what it may have (written since). A cut writes to another folder what a disk could hold at that moment: per sector of
 *          512 bytes the old or the new, in any order, a file's name only for certain when its folder was flushed. No flush
 *          reaches the machine's disk, so that a thousand cuts take seconds.
 */
#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stdint.h>

/** What SQLite asks of a file, and so what can fail. */
enum disk_call {
    DISK_OPEN,
    DISK_READ,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_SIZE,
    DISK_SHARED, /**< memory shared between connections: the index of the log */
    DISK_DELETE,
    DISK_ACCESS,
    DISK_CALLS
};

/** Which file. */
enum disk_file { DISK_DATABASE, DISK_LOG, DISK_OTHER, DISK_FILES };

/** As the code of a fault: the kernel moves only half of the bytes and says so. */
enum { DISK_SHORT = -1 };

/** What happened since disk_install(). */
struct disk_counts {
    uint64_t calls[DISK_CALLS];
    uint64_t changes[DISK_FILES]; /**< writes, truncates and flushes: the moments at which a cut differs */
    uint64_t syncs_log;           /**< flushes of the log for commits */
    uint64_t syncs_log_head;      /**< flushes of a new log's head */
    uint64_t syncs_checkpoint;    /**< flushes of databases, and of the log inside checkpoints */
    uint64_t syncs_other;         /**< of other files */
    uint64_t syncs_folder;        /**< of the folder */
    uint64_t checkpoints;         /**< begun */
    uint64_t truncates_log;       /**< to nothing */
    uint64_t failed;              /**< calls that were made to fail */
    uint64_t bytes_log;           /**< written */
};

/** When the power goes, and where to leave what the disk then holds. */
struct disk_cut {
    enum disk_file file;  /**< counted are changes of this file; DISK_FILES all */
    uint64_t at;          /**< before the at-th change; 0 never */
    const char *folder;   /**< exists and is empty */
    void (*on_cut)(void); /**< ends the process; when it returns, what was not flushed is as if lost */
};

/** What goes wrong. */
struct disk_fault {
    uint32_t calls; /**< bits 1 << enum disk_call; 0 nothing */
    uint64_t from;  /**< the from-th of these calls is the first to fail, counted from this order */
    uint64_t count; /**< how many fail */
    int code; /**< a SQLite error, or DISK_SHORT; a failed write leaves half, a failed flush loses what it likes */
    bool
        forgets_database; /**< pages of a database whose flush failed count as flushed by the next one, as on Linux;
                                without it they stay dirty. The log always forgets. */
};

/** Becomes SQLite's default file system for `folder`; all that is there now is certain. One at a time. */
void disk_install(const char *folder, uint64_t seed);

/** Takes it away again; all databases must be closed. */
void disk_remove(void);

/** Sets when the power goes. */
void disk_cut_set(const struct disk_cut *cut);

/** The power goes now. */
void disk_cut_now(void);

/** Sets what goes wrong from now on; NULL nothing any more. */
void disk_fault_set(const struct disk_fault *fault);

/** Returns how many calls came that the last fault counted. */
uint64_t disk_fault_seen(void);

/** From now on files may grow by so many bytes in all; UINT64_MAX without end. */
void disk_room_set(uint64_t bytes);

/** The disk says that it has flushed and has not: what a cut then leaves is what it likes. */
void disk_lie(bool is_lying);

/** Returns the counts. */
struct disk_counts disk_counts(void);

#endif
