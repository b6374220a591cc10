/* account.h - rules for names, passwords and addresses of people, and the tokens they get.
 *
 * Spec:    protocol.md section 4; RFC 5321 for the outer form of an e-mail address
 * Layer:   control/core (pure)
 * Threads: any; the ring belongs to the loop
 * Limits:  limits.h
 * Idiom:   usernames are ASCII letters, digits, '_', '.' and '-', shown as written, unique in lower case: two names that
 *          look alike are the same name. Display names are free text.
 */
#ifndef CTL_CORE_ACCOUNT_H
#define CTL_CORE_ACCOUNT_H

#include "control/core/limits.h"
#include "control/core/question.h"
#include "engine/base/writer.h"
#include "engine/crypto/token.h"

enum { CTL_ACCOUNT_REFRESH_SIZE = 43 }; /**< characters of a refresh token: 256 bits as base64url */

/** Returns whether `name` may be a username. */
bool ctl_account_username_ok(struct nx_bytes name);

/** Writes the form of `name` that is unique: ASCII lower case. */
void ctl_account_name_key(struct nx_bytes name, struct nx_writer *out);

/** Returns whether `password` has an allowed length, in characters; it is valid UTF-8. */
bool ctl_account_password_ok(struct nx_bytes password);

/** Returns whether `email` looks like one address: local@domain.tld, ASCII, no spaces or control characters. */
bool ctl_account_email_ok(struct nx_bytes email);

/** Returns whether a free text (display name, guild, channel, role, nick) has min..max characters, no NUL, control
 * character or line break, and something to see. */
bool ctl_account_text_ok(struct nx_bytes text, size_t min, size_t max);

/** Writes a refresh token for 32 random bytes and the hash that is stored. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err ctl_account_refresh_make(const uint8_t random[32], struct nx_writer *token,
                                                 uint8_t hash[CTL_HASH_SIZE]);

/** Hashes a refresh token as received. Returns NX_OK; NX_E_MALFORMED when it is none; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err ctl_account_refresh_hash(struct nx_bytes token, uint8_t hash[CTL_HASH_SIZE]);

/** Writes an access token of the login `sid`. Returns as nx_token_sign(). */
NX_MUST_USE enum nx_err ctl_account_token(struct nx_token_ring *ring, uint64_t user_id, uint64_t sid,
                                          uint64_t token_id, int64_t wall_ms, struct nx_writer *out);

#endif
