#include "engine/base/addr.h"

#include "engine/base/hash.h"

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Takes a decimal number of at most `max` without leading zeros off the front of `text`. */
static bool take_decimal(struct nx_bytes *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    size_t digits = 0;
    while (digits < text->size && text->at[digits] >= '0' && text->at[digits] <= '9') {
        value = value * 10 + (uint64_t)(text->at[digits] - '0');
        if (value > max || (digits > 0 && text->at[0] == '0')) {
            return false;
        }
        digits++;
    }
    if (digits == 0) {
        return false;
    }
    *text = nx_bytes_slice(*text, digits, SIZE_MAX);
    *out = value;
    return true;
}

/* Takes `c` off the front of `text` when it is there. */
static bool take_char(struct nx_bytes *text, char c)
{
    if (text->size == 0 || text->at[0] != (uint8_t)c) {
        return false;
    }
    *text = nx_bytes_slice(*text, 1, SIZE_MAX);
    return true;
}

static bool take_ipv4(struct nx_bytes *text, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t part;
        if ((i > 0 && !take_char(text, '.')) || !take_decimal(text, 255, &part)) {
            return false;
        }
        ip[i] = (uint8_t)part;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one group of 1..4 hex digits off the front of `text`. */
static bool take_group(struct nx_bytes *text, uint8_t group[2])
{
    unsigned value = 0;
    size_t digits = 0;
    while (digits < text->size && digits < 4 && hex_digit(text->at[digits]) >= 0) {
        value = value << 4 | (unsigned)hex_digit(text->at[digits]);
        digits++;
    }
    group[0] = (uint8_t)(value >> 8);
    group[1] = (uint8_t)value;
    *text = nx_bytes_slice(*text, digits, SIZE_MAX);
    return digits > 0;
}

/* Takes an IPv6 address off the front of `text`; "::" may stand once, for at least one group. */
static bool take_ipv6(struct nx_bytes *text, uint8_t ip[16])
{
    size_t size = 0;
    size_t gap = 17; /* Bytes before "::", 17 when there is none. */
    memset(ip, 0, 16);
    while (size < 16) {
        if (text->size >= 2 && text->at[0] == ':' && text->at[1] == ':') {
            if (gap != 17) {
                return false;
            }
            gap = size;
            *text = nx_bytes_slice(*text, 2, SIZE_MAX);
            if (text->size == 0 || hex_digit(text->at[0]) < 0) {
                break;
            }
        } else if (size > 0 && !take_char(text, ':')) {
            break;
        }
        struct nx_bytes dotted = *text;
        if (size <= 12 && take_ipv4(&dotted, ip + size)) {
            *text = dotted;
            size += 4;
            break;
        }
        if (!take_group(text, ip + size)) {
            return false;
        }
        size += 2;
    }
    if (gap == 17) {
        return size == 16;
    }
    if (size == 16) {
        return false;
    }
    memmove(ip + 16 - (size - gap), ip + gap, size - gap);
    memset(ip + gap, 0, 16 - size);
    return true;
}

static bool parse_ipv6(struct nx_bytes *text, struct nx_addr *addr)
{
    uint64_t scope = 0;
    addr->family = NX_ADDR_FAMILY_IPV6;
    if (!take_ipv6(text, addr->ip)) {
        return false;
    }
    if (take_char(text, '%') && (!take_decimal(text, UINT32_MAX, &scope) || scope == 0)) {
        return false;
    }
    addr->scope = (uint32_t)scope;
    return true;
}

enum nx_err nx_addr_parse(struct nx_bytes text, struct nx_addr *out)
{
    struct nx_addr addr = {.family = NX_ADDR_FAMILY_IPV4};
    bool may_have_port = true;
    bool is_good = true;
    if (text.size > 0 && text.at[0] == '[') {
        text = nx_bytes_slice(text, 1, SIZE_MAX);
        is_good = parse_ipv6(&text, &addr) && take_char(&text, ']');
    } else if (text.size > 1 && text.at[0] == ':' && text.at[1] != ':') {
        addr.family = NX_ADDR_FAMILY_IPV4;
    } else {
        struct nx_bytes dotted = text;
        if (take_ipv4(&dotted, addr.ip)) {
            text = dotted;
        } else {
            memset(addr.ip, 0, sizeof(addr.ip));
            may_have_port = false;
            is_good = parse_ipv6(&text, &addr);
        }
    }
    uint64_t port = 0;
    if (is_good && may_have_port && text.size > 0) {
        is_good = take_char(&text, ':') && take_decimal(&text, UINT16_MAX, &port);
    }
    if (!is_good || text.size != 0) {
        return NX_E_MALFORMED;
    }
    addr.port = (uint16_t)port;
    *out = addr;
    return NX_OK;
}

enum nx_err nx_addr_parse_ip(struct nx_bytes text, struct nx_addr *out)
{
    struct nx_addr addr = {.family = NX_ADDR_FAMILY_IPV4};
    struct nx_bytes dotted = text;
    if (take_ipv4(&dotted, addr.ip)) {
        text = dotted;
    } else {
        memset(addr.ip, 0, sizeof(addr.ip));
        if (!parse_ipv6(&text, &addr)) {
            return NX_E_MALFORMED;
        }
    }
    if (text.size != 0) {
        return NX_E_MALFORMED;
    }
    *out = addr;
    return NX_OK;
}

static void write_ipv4(const uint8_t ip[4], struct nx_writer *out)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            nx_writer_text(out, ".");
        }
        nx_writer_decimal(out, ip[i]);
    }
}

static void write_group(const uint8_t group[2], struct nx_writer *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned value = (unsigned)group[0] << 8 | group[1];
    bool has_begun = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        const unsigned digit = value >> shift & 0xf;
        if (digit != 0 || has_begun || shift == 0) {
            nx_writer_u8(out, (uint8_t)digits[digit]);
            has_begun = true;
        }
    }
}

/* RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals, becomes "::". */
static void write_ipv6(const uint8_t ip[16], struct nx_writer *out)
{
    int gap = -1;
    int gap_size = 1;
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && ip[2 * (i + run)] == 0 && ip[2 * (i + run) + 1] == 0) {
            run++;
        }
        if (run > gap_size) {
            gap = i;
            gap_size = run;
        }
    }
    const char *separator = "";
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            nx_writer_text(out, "::");
            separator = "";
            i += gap_size - 1;
        } else {
            nx_writer_text(out, separator);
            write_group(ip + (size_t)i * 2, out);
            separator = ":";
        }
    }
}

void nx_addr_format_ip(const struct nx_addr *addr, struct nx_writer *out)
{
    if (addr->family == NX_ADDR_FAMILY_IPV4) {
        write_ipv4(addr->ip, out);
    } else if (addr->family != NX_ADDR_FAMILY_IPV6) {
        nx_writer_text(out, "none");
    } else {
        if (memcmp(addr->ip, MAPPED, sizeof(MAPPED)) == 0) {
            nx_writer_text(out, "::ffff:");
            write_ipv4(addr->ip + 12, out);
        } else {
            write_ipv6(addr->ip, out);
        }
        if (addr->scope != 0) {
            nx_writer_text(out, "%");
            nx_writer_decimal(out, addr->scope);
        }
    }
}

void nx_addr_format(const struct nx_addr *addr, struct nx_writer *out)
{
    const bool is_ipv6 = addr->family == NX_ADDR_FAMILY_IPV6;
    nx_writer_text(out, is_ipv6 ? "[" : "");
    nx_addr_format_ip(addr, out);
    nx_writer_text(out, is_ipv6 ? "]" : "");
    if (addr->family != NX_ADDR_FAMILY_NONE) {
        nx_writer_text(out, ":");
        nx_writer_decimal(out, addr->port);
    }
}

void nx_addr_redacted(const struct nx_addr *addr, struct nx_writer *out)
{
    const struct nx_addr plain = nx_addr_canonical(*addr);
    if (plain.family == NX_ADDR_FAMILY_IPV4) {
        nx_writer_decimal(out, plain.ip[0]);
        nx_writer_text(out, ".");
        nx_writer_decimal(out, plain.ip[1]);
        nx_writer_text(out, ".x.x");
    } else if (plain.family == NX_ADDR_FAMILY_IPV6) {
        write_group(plain.ip, out);
        nx_writer_text(out, ":");
        write_group(plain.ip + 2, out);
        nx_writer_text(out, ":x");
    } else {
        nx_writer_text(out, "none");
    }
}

struct nx_addr nx_addr_canonical(struct nx_addr addr)
{
    if (addr.family != NX_ADDR_FAMILY_IPV6 || memcmp(addr.ip, MAPPED, sizeof(MAPPED)) != 0) {
        return addr;
    }
    struct nx_addr plain = {.family = NX_ADDR_FAMILY_IPV4, .port = addr.port};
    memcpy(plain.ip, addr.ip + 12, 4);
    return plain;
}

uint64_t nx_addr_limit_key(const struct nx_addr *addr)
{
    const struct nx_addr plain = nx_addr_canonical(*addr);
    /* 0:ffff::/32 is in IETF-reserved space, so no IPv6 client has a prefix that looks like an IPv4 key. */
    uint64_t key = plain.family == NX_ADDR_FAMILY_IPV4 ? 0x0000ffff : 0;
    for (int i = 0; i < (plain.family == NX_ADDR_FAMILY_IPV4 ? 4 : 8); i++) {
        key = key << 8 | plain.ip[i];
    }
    return key;
}

bool nx_addr_equal(const struct nx_addr *a, const struct nx_addr *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

uint64_t nx_addr_hash(const struct nx_addr *addr, const uint8_t key[16])
{
    /* Not the struct itself: its padding bytes may differ. */
    uint8_t bytes[23];
    struct nx_writer out = nx_writer_init(bytes, sizeof(bytes));
    nx_writer_u8(&out, addr->family);
    nx_writer_u16(&out, addr->port);
    nx_writer_u32(&out, addr->scope);
    nx_writer_put(&out, addr->ip, sizeof(addr->ip));
    return nx_hash_sip(key, bytes, sizeof(bytes));
}

bool nx_addr_is_loopback(const struct nx_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    const struct nx_addr plain = nx_addr_canonical(*addr);
    return plain.family == NX_ADDR_FAMILY_IPV4   ? plain.ip[0] == 127
           : plain.family == NX_ADDR_FAMILY_IPV6 ? memcmp(plain.ip, one, sizeof(one)) == 0
                                                 : false;
}
