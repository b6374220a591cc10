#include "engine/crypto/equal.h"

#include <openssl/crypto.h>

bool nx_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
