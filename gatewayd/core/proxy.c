#include "gatewayd/core/proxy.h"

#include "engine/base/reader.h"

static const uint8_t signature[12] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
static const char text_start[] = "PROXY ";

enum { TEXT_MAX = 107, V2_HEAD = 16, V2_INET = 0x1, V2_INET6 = 0x2, V2_UNIX = 0x3, V2_DATAGRAM = 0x2 };

/* Bytes of the addresses and ports, by address family of version 2. */
static const uint16_t v2_sizes[] = {[V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};

static bool begins(struct nx_bytes bytes, const void *start, size_t size)
{
    const size_t have = bytes.size < size ? bytes.size : size;
    return have == 0 || memcmp(bytes.at, start, have) == 0;
}

bool gw_proxy_is_likely(struct nx_bytes bytes)
{
    return begins(bytes, signature, sizeof(signature)) || begins(bytes, text_start, sizeof(text_start) - 1);
}

static struct nx_bytes word(struct nx_bytes *rest)
{
    size_t at = 0;
    while (at < rest->size && rest->at[at] != ' ') {
        at++;
    }
    const struct nx_bytes out = nx_bytes_slice(*rest, 0, at);
    *rest = nx_bytes_slice(*rest, at + 1, rest->size);
    return out;
}

static bool port_read(struct nx_bytes text, uint16_t *out)
{
    uint32_t port = 0;
    if (text.size == 0 || text.size > 5 || (text.at[0] == '0' && text.size > 1)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        port = port * 10 + (uint32_t)(text.at[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool ip_read(struct nx_bytes text, int family, struct nx_addr *out)
{
    return nx_addr_parse_ip(text, out) == NX_OK && out->family == family && out->scope == 0;
}

static enum nx_err parse_text(struct nx_bytes bytes, struct nx_addr *source, size_t *size)
{
    size_t end = 0;
    while (end < bytes.size && end < TEXT_MAX && bytes.at[end] != '\n') {
        end++;
    }
    if (end == TEXT_MAX) {
        return NX_E_MALFORMED;
    }
    if (end == bytes.size) {
        return NX_E_TRUNCATED;
    }
    if (end < sizeof(text_start) || bytes.at[end - 1] != '\r') {
        return NX_E_MALFORMED;
    }
    struct nx_bytes rest = nx_bytes_slice(bytes, sizeof(text_start) - 1, end - 1 - (sizeof(text_start) - 1));
    const struct nx_bytes name = word(&rest);
    if (nx_bytes_is(name, "UNKNOWN")) {
        *size = end + 1;
        return NX_OK;
    }
    const int family = nx_bytes_is(name, "TCP4")   ? NX_ADDR_FAMILY_IPV4
                       : nx_bytes_is(name, "TCP6") ? NX_ADDR_FAMILY_IPV6
                                                   : -1;
    struct nx_addr addr;
    struct nx_addr local;
    const struct nx_bytes ip = word(&rest);
    const struct nx_bytes local_ip = word(&rest);
    const struct nx_bytes port = word(&rest);
    if (!ip_read(ip, family, &addr) || !ip_read(local_ip, family, &local) || !port_read(port, &addr.port) ||
        !port_read(rest, &local.port)) {
        return NX_E_MALFORMED;
    }
    *source = addr;
    *size = end + 1;
    return NX_OK;
}

static enum nx_err parse_binary(struct nx_bytes bytes, struct nx_addr *source, size_t *size)
{
    struct nx_reader r = nx_reader_init(bytes.at, bytes.size);
    (void)nx_reader_take(&r, sizeof(signature));
    const uint8_t version = nx_reader_u8(&r);
    const uint8_t family = nx_reader_u8(&r);
    const uint16_t length = nx_reader_u16(&r);
    if (!nx_reader_ok(&r)) {
        return NX_E_TRUNCATED;
    }
    if (version >> 4 != 2 || (version & 15) > 1 || (size_t)V2_HEAD + length > GW_PROXY_HEADER_MAX) {
        return NX_E_MALFORMED;
    }
    if (nx_reader_left(&r) < length) {
        return NX_E_TRUNCATED;
    }
    const bool is_local = (version & 15) == 0;
    if (!is_local &&
        (family >> 4 > V2_UNIX || (family & 15) > V2_DATAGRAM || length < v2_sizes[family >> 4])) {
        return NX_E_MALFORMED;
    }
    const size_t ip_size = family >> 4 == V2_INET ? 4 : family >> 4 == V2_INET6 ? 16 : 0;
    if (!is_local && ip_size != 0) {
        struct nx_addr addr = {.family = ip_size == 4 ? NX_ADDR_FAMILY_IPV4 : NX_ADDR_FAMILY_IPV6};
        const uint8_t *ip = nx_reader_take(&r, ip_size);
        memcpy(addr.ip, ip, ip_size);
        (void)nx_reader_take(&r, ip_size);
        addr.port = nx_reader_u16(&r);
        *source = addr;
    }
    *size = (size_t)V2_HEAD + length;
    return NX_OK;
}

enum nx_err gw_proxy_parse(struct nx_bytes bytes, struct nx_addr *source, size_t *size)
{
    if (!gw_proxy_is_likely(bytes)) {
        return NX_E_MALFORMED;
    }
    if (bytes.size >= sizeof(signature) && begins(bytes, signature, sizeof(signature))) {
        return parse_binary(bytes, source, size);
    }
    if (bytes.size >= sizeof(text_start) - 1 && begins(bytes, text_start, sizeof(text_start) - 1)) {
        return parse_text(bytes, source, size);
    }
    return NX_E_TRUNCATED;
}

bool gw_proxy_forwarded(const struct nx_http1_headers *headers,
                        bool (*is_proxy)(const void *context, const struct nx_addr *addr),
                        const void *context, struct nx_addr *client)
{
    struct nx_addr found = {.family = NX_ADDR_FAMILY_NONE};
    for (size_t i = 0; i < headers->count; i++) {
        struct nx_bytes rest = headers->at[i].value;
        struct nx_bytes element;
        while (nx_http1_text_is(headers->at[i].name, "x-forwarded-for") &&
               nx_http1_list_next(&rest, &element)) {
            struct nx_addr addr;
            if (nx_addr_parse(element, &addr) != NX_OK) {
                found.family = NX_ADDR_FAMILY_NONE;
                continue;
            }
            addr = nx_addr_canonical(addr);
            if (!is_proxy(context, &addr)) {
                found = addr;
            }
        }
    }
    if (found.family != NX_ADDR_FAMILY_NONE) {
        *client = found;
    }
    return found.family != NX_ADDR_FAMILY_NONE;
}
