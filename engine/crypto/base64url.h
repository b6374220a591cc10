/* base64url.h - the text form of tokens and seals: base64url without padding, one spelling per value.
 *
 * Spec:    RFC 4648 section 5 without padding, as RFC 7515 section 2 has it; unused bits must be zero
 * Layer:   engine/crypto (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   sizes come from the two macros, so the buffers are arrays.
 */
#ifndef NX_CRYPTO_BASE64URL_H
#define NX_CRYPTO_BASE64URL_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

/** Characters for `size` bytes. */
#define NX_BASE64URL_TEXT_SIZE(size) (((size)*4 + 2) / 3)

/** Bytes in `size` characters; one character too many counts for nothing. */
#define NX_BASE64URL_SIZE(size) ((size)*3 / 4)

/** Writes the NX_BASE64URL_TEXT_SIZE(bytes.size) characters of `bytes` to `text`. */
void nx_base64url_encode(struct nx_bytes bytes, uint8_t *text);

/** Writes the NX_BASE64URL_SIZE(text.size) bytes of `text` to `out`. Returns NX_E_MALFORMED for a character
 * outside of the alphabet, an impossible size or unused bits that are not zero; `out` must then not be used.
 */
NX_MUST_USE enum nx_err nx_base64url_decode(struct nx_bytes text, uint8_t *out);

#endif
