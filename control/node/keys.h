/* keys.h - the token keys of this installation, on disk.
 *
 * Layer:   control/node
 * Threads: before start
 * Limits:  NX_TOKEN_KEYS_MAX keys
 * Idiom:   DATA/token.keys, mode 0600: one line per key, "KID HEX64", the last one signs. Made at the first start.
 */
#ifndef CTLD_NODE_KEYS_H
#define CTLD_NODE_KEYS_H

#include "engine/crypto/token.h"

/**
 * Reads the keys in the directory `data` into `ring`, making the first one when there is no file.
 * Returns NX_OK; NX_E_IO when the file cannot be read or written; NX_E_MALFORMED when it is damaged.
 */
NX_MUST_USE enum nx_err ctld_keys_load(const char *data, struct nx_token_ring *ring);

#endif
