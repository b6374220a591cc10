/* disk.h - the database that outlives control: a memory store behind store_open() whose commits may fail, and that keeps
 * what was committed when the daemon dies.
 *
 * Layer:   tests/sim (the linker puts it in place of store_open(): -Wl,--wrap=store_open)
 * Threads: one
 * Idiom:   questions wait for a commit, and their answers for some more time: a crash may come between the two.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "control/store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** How often what goes wrong: one commit in so many; 0 never. */
struct disk_faults {
    uint32_t lost_one_in;      /**< nothing is written, and said so */
    uint32_t ambiguous_one_in; /**< all is written, and said not to be */
    uint32_t belated_one_in;   /**< messages are said not to be written, and are a second later */
    uint32_t late_one_in;
    uint32_t late_ms_max;
};

/** What happened. */
struct disk_counts {
    uint64_t commits, lost, ambiguous, belated, late, crashed;
};

/** Makes an empty database; its faults come from `seed`. */
void disk_open(uint64_t seed);

/** Drops it. */
void disk_close(void);

/** Sets what goes wrong from now on. */
void disk_faults_set(const struct disk_faults *faults);

/** Lets nothing be asked or opened until `until`. */
void disk_down(nx_time until);

/** Returns whether it is so at `now`. */
bool disk_is_down(nx_time now);

/** Returns the counts since disk_open(). */
struct disk_counts disk_counts(void);

/** Asks the database directly, without faults. */
struct ctl_answer disk_ask(const struct ctl_question *question, struct nx_arena *arena);

/** Reads up to 100 messages of a channel after `after_seq` into `arena`; returns how many, `rows` receives them. */
uint32_t disk_messages(uint64_t channel_id, uint64_t after_seq, struct nx_arena *arena,
                       const struct ctl_message_row **rows);

#endif
