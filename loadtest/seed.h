/* seed.h - the users of a load test, as `nexus admin seed` writes them: one JSON object per line.
 *
 * Layer:   loadtest
 * Threads: before start
 * Limits:  LOAD_SEED_LINE_MAX bytes a line, LOAD_SESSIONS_MAX users
 */
#ifndef LOAD_SEED_H
#define LOAD_SEED_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

#include <stdio.h>

/** One user; the token is borrowed from the seed's text. */
struct load_seed_user {
    uint64_t user_id;
    uint64_t guild_id;
    uint64_t channel_id;
    struct nx_bytes token;
};

/** The users of a run. */
struct load_seed {
    struct load_seed_user *users; /**< owned */
    uint32_t users_count;
    uint8_t *text; /**< owned: what the tokens borrow from */
    uint32_t line; /**< after an error: the number of the line that is wrong, from 1 */
};

/**
 * Reads one line (without its newline) into `out`: user_id, token, guild_id and channel_id must be there, other members
 * are ignored.
 * Returns NX_OK; NX_E_MALFORMED when it is no such object, when a token is empty or holds anything but the characters of
 * a JWT; NX_E_FULL past LOAD_SEED_LINE_MAX.
 */
NX_MUST_USE enum nx_err load_seed_parse(struct nx_bytes line, struct load_seed_user *out);

/**
 * Reads at most `count` users (0: all) after the first `skip` from `file`; empty lines are skipped. `out->line` is written
 * also on failure.
 * Returns NX_OK; NX_E_IO; NX_E_NO_MEMORY; NX_E_NOT_FOUND when there are fewer than `count`; else what load_seed_parse()
 * returns.
 */
NX_MUST_USE enum nx_err load_seed_read(FILE *file, uint32_t skip, uint32_t count, struct load_seed *out);

/** Frees what load_seed_read() made. */
void load_seed_fini(struct load_seed *seed);

#endif
