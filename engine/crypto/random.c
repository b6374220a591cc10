#include "engine/crypto/random.h"

#include <openssl/rand.h>
#include <stdint.h>

enum { CHUNK_SIZE = 1 << 20 }; /* bytes; RAND_bytes counts in int */

enum nx_err nx_random_fill(void *out, size_t size)
{
    uint8_t *at = out;
    while (size != 0) {
        const size_t chunk = size < CHUNK_SIZE ? size : CHUNK_SIZE;
        if (RAND_bytes(at, (int)chunk) != 1) {
            return NX_E_IO;
        }
        at += chunk;
        size -= chunk;
    }
    return NX_OK;
}
