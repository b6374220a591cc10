/* Property: what parses formats to a text that parses to the same address, and formats the same again; the redacted
 * form does not depend on what it hides. */
#include "engine/base/addr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct nx_bytes format(const struct nx_addr *addr,
                              void (*how)(const struct nx_addr *, struct nx_writer *),
                              uint8_t room[NX_ADDR_TEXT_SIZE_MAX])
{
    struct nx_writer out = nx_writer_init(room, NX_ADDR_TEXT_SIZE_MAX);
    how(addr, &out);
    if (!nx_writer_ok(&out)) {
        abort();
    }
    return nx_writer_bytes(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_addr addr;
    if (nx_addr_parse(nx_bytes_of(bytes, size), &addr) != NX_OK) {
        return 0;
    }
    uint8_t first[NX_ADDR_TEXT_SIZE_MAX];
    uint8_t second[NX_ADDR_TEXT_SIZE_MAX];
    const struct nx_bytes text = format(&addr, nx_addr_format, first);
    struct nx_addr again;
    if (nx_addr_parse(text, &again) != NX_OK || !nx_addr_equal(&addr, &again) ||
        !nx_bytes_equal(text, format(&again, nx_addr_format, second))) {
        abort();
    }
    struct nx_addr other = nx_addr_canonical(addr);
    const bool is_ipv4 = other.family == NX_ADDR_FAMILY_IPV4;
    for (size_t i = is_ipv4 ? 2 : 4; i < (is_ipv4 ? 4 : 16); i++) {
        other.ip[i] ^= 0x5a;
    }
    other.port ^= 0x5a5a;
    if (!nx_bytes_equal(format(&addr, nx_addr_redacted, first), format(&other, nx_addr_redacted, second))) {
        abort();
    }
    return 0;
}
