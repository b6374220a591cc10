/* Properties: what parses formats to a text that parses to the same address, and formats the same again; an IP alone parses
 * exactly when the library's reader takes it; the redacted form, the limit's key and the hash do not depend on what they leave
 * out. */
#include "engine/base/addr.h"
#include "tests/fuzz/fuzz.h"

/* <arpa/inet.h> belongs to engine/io; the reference needs only this of it. */
extern int inet_pton(int family, const char *restrict text, void *restrict out);

enum { FAMILY_4 = 2, FAMILY_6 = 10 };

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

/* A zone is a number that is not 0 and has no leading zeros; only IPv6 has one. */
static bool reference(struct nx_bytes bytes, uint8_t ip[16], int *family)
{
    char *text = fuzz_text(bytes);
    bool is_good = strlen(text) == bytes.size;
    *family = inet_pton(FAMILY_4, text, ip) == 1 ? NX_ADDR_FAMILY_IPV4 : NX_ADDR_FAMILY_IPV6;
    if (*family == NX_ADDR_FAMILY_IPV6) {
        char *zone = strchr(text, '%');
        if (zone != NULL) {
            *zone++ = '\0';
            const size_t digits = strlen(zone);
            is_good = is_good && digits != 0 && digits <= 10 && strspn(zone, "0123456789") == digits &&
                      zone[0] != '0' && strtoull(zone, NULL, 10) <= UINT32_MAX;
        }
        is_good = is_good && inet_pton(FAMILY_6, text, ip) == 1;
    }
    free(text);
    return is_good;
}

static void check_ip(struct nx_bytes text)
{
    struct nx_addr addr;
    struct nx_addr again;
    uint8_t ip[16] = {0};
    int family;
    const bool is_good = nx_addr_parse_ip(text, &addr) == NX_OK;
    fuzz_check(is_good == reference(text, ip, &family), "an IP");
    if (is_good) {
        uint8_t room[NX_ADDR_TEXT_SIZE_MAX];
        fuzz_check(addr.family == family &&
                       memcmp(addr.ip, ip, family == NX_ADDR_FAMILY_IPV4 ? 4 : 16) == 0 && addr.port == 0,
                   "which IP");
        fuzz_check(nx_addr_parse(text, &again) == NX_OK && nx_addr_equal(&addr, &again),
                   "an IP is an address");
        fuzz_check(nx_addr_parse_ip(format(&addr, nx_addr_format_ip, room), &again) == NX_OK &&
                       nx_addr_equal(&addr, &again),
                   "an IP formats to itself");
    }
}

static void check_keys(const struct nx_addr *addr)
{
    static const uint8_t key[16] = {1};
    const struct nx_addr plain = nx_addr_canonical(*addr);
    struct nx_addr other = *addr;
    other.port ^= 0x5a5a;
    fuzz_check(nx_addr_limit_key(addr) == nx_addr_limit_key(&other) &&
                   nx_addr_limit_key(addr) == nx_addr_limit_key(&plain),
               "limits count addresses");
    fuzz_check(nx_addr_is_loopback(addr) == nx_addr_is_loopback(&plain), "loopback");
    other = *addr;
    fuzz_check(nx_addr_hash(addr, key) == nx_addr_hash(&other, key), "hash");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct nx_addr none;
    uint8_t first_none[NX_ADDR_TEXT_SIZE_MAX];
    uint8_t second_none[NX_ADDR_TEXT_SIZE_MAX];
    fuzz_check(nx_bytes_is(format(&none, nx_addr_format, first_none), "none") &&
                   nx_bytes_is(format(&none, nx_addr_redacted, second_none), "none"),
               "none");
    check_ip(nx_bytes_of(bytes, size));
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
    check_keys(&addr);
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
