/* copy.h - moves a whole community between SQLite and PostgreSQL, and backs PostgreSQL up into a SQLite file.
 *
 * Layer:   control/store
 * Threads: the caller's; blocks until done
 * Idiom:   Everything is read from one snapshot, written in one piece and read back: counts and checksums of every table must be
 *          the same on both sides before the copy gets its name (SQLite: a file PATH.part that is renamed) or is committed
 *          (PostgreSQL: one transaction). So a copy is there whole or not at all, and one that was cut short is just begun again.
 */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include "control/store/store.h"

enum { STORE_COPY_TABLES = 16 };

/** What was copied. */
struct store_copy_report {
    struct {
        const char *name;
        uint64_t rows;
        uint64_t checksum; /**< over all rows in the order of their keys */
    } tables[STORE_COPY_TABLES];
    uint64_t rows;
};

/** How far a copy goes. */
enum store_copy_kind {
    STORE_COPY_MOVE,  /**< both databases must be nobody else's meanwhile */
    STORE_COPY_BACKUP /**< `from` may be in use, and may not be migrated */
};

/**
 * Copies the database at url `from` into the empty one at url `to`. `why` receives one clear line on failure. Returns NX_OK;
 * NX_E_MALFORMED for bad urls, or when a text of SQLite cannot be stored in PostgreSQL; NX_E_NOT_FOUND when there is nothing at
 * `from`; NX_E_CONFLICT when `to` has rows already; NX_E_IN_USE when a control holds one of them; NX_E_IO.
 */
NX_MUST_USE enum nx_err store_copy_run(const char *from, const char *to, enum store_copy_kind kind,
                                       struct store_copy_report *report, char why[STORE_WHY_SIZE]);

/** Copies a SQLite file, which nobody may write to, to `to` as it is. Returns NX_OK; NX_E_IO with a line in `why`. */
NX_MUST_USE enum nx_err store_copy_file(const char *from, const char *to, char why[STORE_WHY_SIZE]);

#endif
