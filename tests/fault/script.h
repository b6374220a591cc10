/* script.h - a short life of a SQLite store in which anything may fail: what is answered, and what must be there afterwards.
 *
 * Layer:   tests/fault
 * Threads: one, beside the store's own
 * Idiom:   the same calls in the same order every time, so that the k-th is always the same one; what is refused is refused
 *          with NX_E_UNAVAILABLE (or NX_E_NO_MEMORY), what is answered is remembered
 */
#ifndef TESTS_FAULT_SCRIPT_H
#define TESTS_FAULT_SCRIPT_H

#include "control/store/store.h"

#include <stdint.h>

enum { SCRIPT_SAID_MAX = 4096, SCRIPT_WHY_SIZE = 256 };

/** One run. */
struct script {
    const char *folder;   /**< given: for a.db and its backup b.db */
    struct nx_loop *loop; /**< given; NULL: the tool's way */
    struct store *store;  /**< NULL while it is not open */
    struct {
        uint64_t id, seq;
        uint32_t number;
    } said[SCRIPT_SAID_MAX]; /**< what was answered */
    uint32_t said_count;
    uint32_t number;    /**< of the next message */
    uint32_t refused;   /**< questions refused */
    int64_t slowest_ms; /**< longest wait for an answer */
    uint32_t backed_up; /**< said_count at the backup that was answered; UINT32_MAX none */
    bool has_world;
    char why[SCRIPT_WHY_SIZE]; /**< the first thing that must not be */
};

/** Opens, makes a world, says, reads, edits, deletes, checkpoints, backs up, loads. Stops where the store cannot be opened. */
void script_run(struct script *s);

/** What went wrong is over: the store must answer again, at the latest at the third attempt, opened anew only if it never was open. */
void script_recover(struct script *s);

/** Says many things at once (with a loop); returns how many were answered, *refused receives how many were refused. */
uint32_t script_crowd(struct script *s, uint32_t *refused);

/** Reads what is there; whether that was answered. */
bool script_read(struct script *s);

/** Closes the store. */
void script_close(struct script *s);

/** Opens `folder`/`name` as the next control would: all that was answered (the first `count`) must be there, and nothing twice. */
void script_check(struct script *s, const char *folder, const char *name, uint32_t count);

/** Removes all files in `folder`. */
void script_empty(const char *folder);

#endif
