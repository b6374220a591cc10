/* Properties: a PROXY header is taken exactly when a reader written from the specification takes it, with the same address
 * and size; every prefix of it asks for more, and nothing is written otherwise. X-Forwarded-For gives what a walk from
 * the right gives. */
#include "gatewayd/core/proxy.h"
#include "tests/fuzz/fuzz.h"

/* <arpa/inet.h> belongs to engine/io; the reference needs only this of it. */
extern int inet_pton(int family, const char *restrict text, void *restrict out);

enum { FAMILY_4 = 2, FAMILY_6 = 10, TEXT_MAX = 107, HEAD_MAX = 4096 };

struct verdict {
    enum nx_err err;
    size_t size;
    struct nx_addr source; /* family 0: not named */
};

static const uint8_t magic[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool port_is_good(const char *text, uint16_t *port)
{
    const size_t size = strlen(text);
    if (size == 0 || size > 5 || strspn(text, "0123456789") != size || (text[0] == '0' && size > 1)) {
        return false;
    }
    const unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value <= 65535;
}

/* "TCP4 1.2.3.4 5.6.7.8 80 443", the part between "PROXY " and CRLF. */
static bool read_words(char *line, struct nx_addr *source)
{
    char *words[5] = {0};
    size_t count = 0;
    char *at = line;
    while (at != NULL && count < 5) {
        words[count++] = strsep(&at, " ");
    }
    uint8_t other[16];
    uint16_t other_port;
    if (count != 5 || at != NULL) {
        return false;
    }
    const bool is_4 = strcmp(words[0], "TCP4") == 0;
    const int family = is_4 ? FAMILY_4 : FAMILY_6;
    if ((!is_4 && strcmp(words[0], "TCP6") != 0) || inet_pton(family, words[1], source->ip) != 1 ||
        inet_pton(family, words[2], other) != 1 || !port_is_good(words[3], &source->port) ||
        !port_is_good(words[4], &other_port)) {
        return false;
    }
    source->family = is_4 ? NX_ADDR_FAMILY_IPV4 : NX_ADDR_FAMILY_IPV6;
    return true;
}

static struct verdict reference_text(struct nx_bytes bytes)
{
    struct verdict out = {.err = NX_E_MALFORMED};
    const uint8_t *feed = memchr(bytes.at, '\n', bytes.size < TEXT_MAX ? bytes.size : TEXT_MAX);
    if (feed == NULL) {
        out.err = bytes.size < TEXT_MAX ? NX_E_TRUNCATED : NX_E_MALFORMED;
        return out;
    }
    const size_t end = (size_t)(feed - bytes.at);
    if (end < 7 || bytes.at[end - 1] != '\r') {
        return out;
    }
    char *line = fuzz_text(nx_bytes_slice(bytes, 6, end - 7));
    const bool is_text = strlen(line) == end - 7;
    struct nx_addr source = {.family = NX_ADDR_FAMILY_NONE};
    const bool is_unknown = strncmp(line, "UNKNOWN", 7) == 0 && (line[7] == ' ' || end - 7 == 7);
    if (is_unknown || (is_text && read_words(line, &source))) {
        out.source = is_unknown ? out.source : source;
        out.err = NX_OK;
        out.size = end + 1;
    }
    free(line);
    return out;
}

static struct verdict reference_binary(struct nx_bytes bytes)
{
    struct verdict out = {.err = NX_E_TRUNCATED};
    if (bytes.size < 16) {
        return out;
    }
    const uint8_t *b = bytes.at;
    const size_t length = (size_t)b[14] << 8 | b[15];
    out.err = NX_E_MALFORMED;
    if ((b[12] != 0x20 && b[12] != 0x21) || 16 + length > GW_PROXY_HEADER_MAX) {
        return out;
    }
    if (bytes.size < 16 + length) {
        out.err = NX_E_TRUNCATED;
        return out;
    }
    if (b[12] == 0x21) {
        static const size_t needed[] = {0, 12, 36, 216};
        if (b[13] >> 4 > 3 || (b[13] & 15) > 2 || length < needed[b[13] >> 4]) {
            return out;
        }
        if (b[13] >> 4 == 1 || b[13] >> 4 == 2) {
            const size_t ip_size = b[13] >> 4 == 1 ? 4 : 16;
            out.source.family = ip_size == 4 ? NX_ADDR_FAMILY_IPV4 : NX_ADDR_FAMILY_IPV6;
            memcpy(out.source.ip, b + 16, ip_size);
            out.source.port = (uint16_t)(b[16 + 2 * ip_size] << 8 | b[17 + 2 * ip_size]);
        }
    }
    out.err = NX_OK;
    out.size = 16 + length;
    return out;
}

static struct verdict reference(struct nx_bytes bytes)
{
    const size_t magic_size = bytes.size < 12 ? bytes.size : 12;
    const size_t text_size = bytes.size < 6 ? bytes.size : 6;
    if (magic_size == 0 || memcmp(bytes.at, magic, magic_size) == 0) {
        return magic_size == 12 ? reference_binary(bytes) : (struct verdict){.err = NX_E_TRUNCATED};
    }
    if (memcmp(bytes.at, "PROXY ", text_size) == 0) {
        return text_size == 6 ? reference_text(bytes) : (struct verdict){.err = NX_E_TRUNCATED};
    }
    return (struct verdict){.err = NX_E_MALFORMED};
}

static struct verdict parse(struct nx_bytes bytes)
{
    static const struct nx_addr none = {.family = NX_ADDR_FAMILY_NONE};
    struct verdict out = {.source = none};
    uint8_t *copy = fuzz_copy(bytes);
    out.err = gw_proxy_parse(nx_bytes_of(copy, bytes.size), &out.source, &out.size);
    fuzz_check(out.err == NX_OK || (out.size == 0 && nx_addr_equal(&out.source, &none)),
               "nothing is written");
    free(copy);
    return out;
}

static void check_header(struct nx_bytes bytes, size_t cut)
{
    const struct verdict whole = parse(bytes);
    const struct verdict wanted = reference(bytes);
    fuzz_check(whole.err == wanted.err, "verdict");
    fuzz_check(whole.size == wanted.size && nx_addr_equal(&whole.source, &wanted.source), "size and address");
    fuzz_check(whole.err != NX_E_TRUNCATED || gw_proxy_is_likely(bytes), "likely");
    const struct nx_bytes part = nx_bytes_slice(bytes, 0, cut % (bytes.size + 1));
    const struct verdict early = parse(part);
    if (whole.err == NX_OK && part.size < whole.size) {
        fuzz_check(early.err == NX_E_TRUNCATED && gw_proxy_is_likely(part), "a prefix asks for more");
    } else {
        fuzz_check(early.err == NX_E_TRUNCATED || early.err == whole.err, "an early verdict stays");
    }
}

static bool is_ten(const void *context, const struct nx_addr *addr)
{
    fuzz_check(context == NULL && addr->family != NX_ADDR_FAMILY_NONE, "a canonical address is asked for");
    return addr->family == NX_ADDR_FAMILY_IPV4 ? addr->ip[0] == 10 : addr->ip[0] == 0xfd;
}

static void check_forwarded(struct nx_bytes lines)
{
    static struct nx_http1_request request;
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\n";
    uint8_t head[HEAD_MAX];
    struct nx_writer w = nx_writer_init(head, sizeof(head));
    nx_writer_text(&w, start);
    nx_writer_bytes_put(&w, lines);
    nx_writer_text(&w, "\r\n\r\n");
    if (!nx_writer_ok(&w) || nx_http1_request_parse(nx_writer_bytes(&w), 0, &request) != NX_OK) {
        return;
    }
    struct nx_bytes elements[HEAD_MAX];
    size_t count = 0;
    for (size_t i = 0; i < request.headers.count; i++) {
        struct nx_bytes rest = request.headers.at[i].value;
        while (nx_http1_text_is(request.headers.at[i].name, "X-Forwarded-For") &&
               nx_http1_list_next(&rest, &elements[count])) {
            count++;
        }
    }
    struct nx_addr wanted = {.family = NX_ADDR_FAMILY_NONE};
    while (count-- > 0) {
        struct nx_addr addr;
        if (nx_addr_parse(elements[count], &addr) != NX_OK) {
            break;
        }
        addr = nx_addr_canonical(addr);
        if (!is_ten(NULL, &addr)) {
            wanted = addr;
            break;
        }
    }
    struct nx_addr client = {.family = NX_ADDR_FAMILY_NONE};
    const bool is_found = gw_proxy_forwarded(&request.headers, is_ten, NULL, &client);
    fuzz_check(is_found == (wanted.family != NX_ADDR_FAMILY_NONE), "whether there is a client");
    fuzz_check(nx_addr_equal(&client, &wanted), "which client");
}

/* The first byte chooses: a header as it comes, a version 2 header without its signature, or header lines. The second cuts. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2 || size > HEAD_MAX / 2) {
        return 0;
    }
    const struct nx_bytes rest = nx_bytes_of(bytes + 2, size - 2);
    uint8_t header[sizeof(magic) + HEAD_MAX];
    switch (bytes[0] % 3) {
    case 0:
        check_header(rest, bytes[1]);
        break;
    case 1:
        memcpy(header, magic, sizeof(magic));
        if (rest.size != 0) {
            memcpy(header + sizeof(magic), rest.at, rest.size);
        }
        check_header(nx_bytes_of(header, sizeof(magic) + rest.size), bytes[1]);
        break;
    default:
        check_forwarded(rest);
        break;
    }
    return 0;
}
