/* invite.h - codes of invitations.
 *
 * Layer:   control/core (pure)
 * Threads: any; no state
 * Limits:  CTL_INVITE_CODE_SIZE characters of base 62
 */
#ifndef CTL_CORE_INVITE_H
#define CTL_CORE_INVITE_H

#include "control/core/limits.h"
#include "engine/base/bytes.h"

/** Makes a code of 16 random bytes, of which 8 count: taken modulo 62^10, so no code is twice as likely as another by more than 1 in 20. */
void ctl_invite_code(const uint8_t random[16], char code[CTL_INVITE_CODE_SIZE]);

/** Returns whether `code` has the form of one: 1..32 letters, digits and '-'. Others need no look-up. */
bool ctl_invite_code_ok(struct nx_bytes code);

#endif
