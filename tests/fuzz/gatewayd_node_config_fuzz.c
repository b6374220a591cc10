/* Properties: a list of trusted proxies is taken exactly when a reader of its own takes it; an address is trusted exactly
 * when its first bits are those of a network of the list. Input: 17 bytes of an address, then the list. */
#include "gatewayd/node/config.h"
#include "tests/fuzz/fuzz.h"

extern int inet_pton(int family, const char *restrict text, void *restrict out);

enum { FAMILY_4 = 2, FAMILY_6 = 10 };

/* An address as 16 bytes, IPv4 as mapped; the zone apart. */
struct net {
    uint8_t ip[16];
    unsigned bits;
};

static bool read_number(const char *text, size_t digits_max, unsigned long max, unsigned long *out)
{
    const size_t size = strlen(text);
    if (size == 0 || size > digits_max || strspn(text, "0123456789") != size) {
        return false;
    }
    *out = strtoul(text, NULL, 10);
    return *out <= max;
}

static bool read_net(char *text, struct net *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned long bits;
    unsigned long scope;
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    memcpy(out->ip, mapped, sizeof(mapped));
    const bool is_4 = inet_pton(FAMILY_4, text, out->ip + 12) == 1;
    char *percent = strchr(text, '%');
    if (!is_4 && percent != NULL) {
        if (!read_number(percent + 1, 10, UINT32_MAX, &scope) || percent[1] == '0') {
            return false;
        }
        *percent = '\0';
    }
    if (!is_4 && inet_pton(FAMILY_6, text, out->ip) != 1) {
        return false;
    }
    const bool is_mapped = memcmp(out->ip, mapped, sizeof(mapped)) == 0;
    const unsigned most = is_mapped ? 32 : 128;
    bits = most;
    if (slash != NULL && !read_number(slash + 1, 3, most, &bits)) {
        return false;
    }
    out->bits = (unsigned)bits + (is_mapped ? 96 : 0);
    return true;
}

/* Reads the list; returns how many networks, or -1 when it is refused. */
static int reference(struct nx_bytes list, struct net nets[GW_PROXIES_MAX])
{
    int count = 0;
    while (list.size != 0) {
        struct nx_bytes one = fuzz_until(&list, ',');
        while (one.size != 0 && strchr(" \t\r\n\v\f", one.at[0]) != NULL && one.at[0] != '\0') {
            one = nx_bytes_slice(one, 1, SIZE_MAX);
        }
        while (one.size != 0 && strchr(" \t\r\n\v\f", one.at[one.size - 1]) != NULL &&
               one.at[one.size - 1] != '\0') {
            one.size--;
        }
        if (one.size == 0) {
            continue;
        }
        if (count == GW_PROXIES_MAX) {
            return -1;
        }
        char *text = fuzz_text(one);
        const bool is_good = strlen(text) == one.size && read_net(text, &nets[count]);
        free(text);
        if (!is_good) {
            return -1;
        }
        count++;
    }
    return count;
}

static bool is_in(const struct net *net, const uint8_t ip[16])
{
    const unsigned whole = net->bits / 8;
    const uint8_t mask = (uint8_t)(0xff00 >> net->bits % 8);
    return memcmp(net->ip, ip, whole) == 0 && (whole == 16 || ((net->ip[whole] ^ ip[whole]) & mask) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct gw_node_config config;
    struct net nets[GW_PROXIES_MAX];
    struct nx_bytes input = nx_bytes_of(bytes, size);
    struct nx_addr addr = {.family = NX_ADDR_FAMILY_IPV6};
    const uint8_t choice = fuzz_u8(&input);
    for (size_t i = 0; i < sizeof(addr.ip); i++) {
        addr.ip[i] = fuzz_u8(&input);
    }
    gw_config_init(&config);
    uint8_t *list = fuzz_copy(input);
    const enum nx_err err = gw_config_proxies(&config, nx_bytes_of(list, input.size));
    free(list);
    const int count = reference(input, nets);
    fuzz_check((err == NX_OK) == (count >= 0), "verdict");
    fuzz_check(config.proxies_count <= GW_PROXIES_MAX, "cap");
    if (err != NX_OK) {
        return 0;
    }
    fuzz_check(config.proxies_count == (uint32_t)count, "count");
    /* An address of the list, one bit of it changed, is more telling than any. */
    if (count != 0 && (choice & 1) != 0) {
        const uint8_t bit = addr.ip[0] % 128;
        memcpy(addr.ip, nets[addr.ip[1] % count].ip, sizeof(addr.ip));
        addr.ip[bit / 8] ^= (uint8_t)(choice & 2 ? 0x80 >> bit % 8 : 0);
    }
    bool is_wanted = false;
    for (int i = 0; i < count; i++) {
        /* A network of IPv6 does not hold the mapped addresses below it: those are IPv4. */
        const bool is_same_kind =
            (nets[i].bits >= 96 && memcmp(nets[i].ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) ==
            (memcmp(addr.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0);
        is_wanted |= is_same_kind && is_in(&nets[i], addr.ip);
    }
    fuzz_check(gw_config_is_proxy(&config, &addr) == is_wanted, "trusted");
    const struct nx_addr plain = nx_addr_canonical(addr);
    fuzz_check(gw_config_is_proxy(&config, &plain) == is_wanted, "trusted in its canonical form");
    return 0;
}
