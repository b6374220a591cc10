/* Properties: the verdict on a response head does not depend on how it arrives; what is taken lies inside the head and adds up;
 * a head that is written reads back as what was written, and one that would break the head fails its writer. The first byte
 * chooses: bytes as they come, or a status and header lines to write. */
#include "engine/wire/http1_response.h"
#include "tests/fuzz/fuzz.h"

static struct nx_http1_response whole;
static struct nx_http1_response part;

static enum nx_err parse(struct nx_bytes bytes, size_t seen, bool is_head, struct nx_http1_response *out)
{
    return nx_http1_response_parse(bytes, seen, is_head, out);
}

static void check_taken(const struct nx_http1_response *r, struct nx_bytes bytes, bool is_head)
{
    const struct nx_bytes head = nx_bytes_slice(bytes, 0, r->head_size);
    fuzz_check(r->head_size == head.size && memcmp(head.at + head.size - 2, "\r\n", 2) == 0, "head");
    fuzz_check(r->status >= 100 && r->status <= 599 && r->version_minor <= 1, "status line");
    fuzz_check(fuzz_is_inside(r->reason, head), "reason");
    fuzz_check(r->headers.count <= NX_HTTP1_HEADERS_MAX, "headers");
    const bool is_empty = is_head || r->status < 200 || r->status == 204 || r->status == 304;
    fuzz_check(!is_empty || !r->has_body, "no body");
    fuzz_check(!r->has_body || !r->is_until_close || (!r->is_chunked && !r->is_keep_alive), "until close");
    fuzz_check(!r->is_chunked || r->content_length == 0, "one framing");
    for (size_t i = 0; i < r->headers.count; i++) {
        const struct nx_http1_header *h = &r->headers.at[i];
        fuzz_check(fuzz_is_inside(h->name, head) && fuzz_is_inside(h->value, head), "views");
        fuzz_check(nx_http1_token_is_valid(h->name), "name");
        fuzz_check(h->value.size == 0 || (strchr(" \t", h->value.at[0]) == NULL &&
                                          strchr(" \t", h->value.at[h->value.size - 1]) == NULL),
                   "value is trimmed");
        for (size_t at = 0; at < h->value.size; at++) {
            fuzz_check(h->value.at[at] == '\t' || (h->value.at[at] >= 0x20 && h->value.at[at] != 0x7f),
                       "value");
        }
    }
}

static void check_bytes(struct nx_bytes input, bool is_head, size_t cut)
{
    uint8_t *copy = fuzz_copy(input);
    const struct nx_bytes bytes = nx_bytes_of(copy, input.size);
    const enum nx_err verdict = parse(bytes, 0, is_head, &whole);
    fuzz_check(verdict == NX_OK || verdict == NX_E_TRUNCATED || verdict == NX_E_MALFORMED ||
                   verdict == NX_E_HTTP_HEAD_LARGE || verdict == NX_E_HTTP_VERSION,
               "verdict");
    if (verdict == NX_OK) {
        check_taken(&whole, bytes, is_head);
    }
    const size_t first = cut % (bytes.size + 1);
    enum nx_err split = parse(nx_bytes_slice(bytes, 0, first), 0, is_head, &part);
    split = split == NX_E_TRUNCATED ? parse(bytes, first, is_head, &part) : split;
    /* A head that only becomes wrong with its last bytes may still be waited for after a cut; never the other way round. */
    fuzz_check(split == verdict || split == NX_E_TRUNCATED, "the verdict does not depend on the cut");
    fuzz_check(verdict != NX_OK || split == NX_OK, "what is good is good in any cut");
    fuzz_check(verdict != NX_OK || (part.head_size == whole.head_size && part.status == whole.status),
               "size");
    free(copy);
}

static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Lines of name, ':', value, line feed. */
static void check_written(struct nx_bytes input)
{
    static uint8_t room[NX_HTTP1_HEAD_MAX];
    struct nx_bytes names[8];
    struct nx_bytes values[8];
    size_t count = 0;
    const uint16_t status = (uint16_t)(100 + fuzz_number(&input, 2) % 500);
    const uint64_t length = fuzz_number(&input, 4);
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    nx_http1_response_begin(&w, status);
    bool is_good = true;
    while (input.size != 0 && count < 8) {
        struct nx_bytes line = fuzz_until(&input, '\n');
        char *name = fuzz_text(fuzz_until(&line, ':'));
        names[count] = nx_bytes_text(name);
        values[count] = line;
        is_good &= nx_http1_token_is_valid(names[count]);
        for (size_t i = 0; i < line.size; i++) {
            is_good &= !is_control(line.at[i]);
        }
        nx_http1_response_header(&w, name, line);
        count++;
    }
    nx_http1_response_length(&w, length);
    nx_http1_response_end(&w);
    fuzz_check(nx_writer_ok(&w) == is_good || w.size > sizeof(room) / 2,
               "what would break a head is not written");
    if (nx_writer_ok(&w) && parse(nx_writer_bytes(&w), 0, false, &whole) == NX_OK) {
        fuzz_check(whole.status == status && whole.head_size == w.size && whole.headers.count == count + 1,
                   "read back");
        fuzz_check(nx_bytes_is(whole.reason, nx_http1_response_reason(status)), "reason");
        fuzz_check(!whole.has_body || whole.content_length == length, "length");
        for (size_t i = 0; i < count; i++) {
            struct nx_bytes value = values[i];
            while (value.size != 0 && (value.at[0] == ' ' || value.at[0] == '\t')) {
                value = nx_bytes_slice(value, 1, SIZE_MAX);
            }
            while (value.size != 0 && (value.at[value.size - 1] == ' ' || value.at[value.size - 1] == '\t')) {
                value.size--;
            }
            fuzz_check(nx_bytes_equal(whole.headers.at[i].name, names[i]) &&
                           nx_bytes_equal(whole.headers.at[i].value, value),
                       "line");
        }
    } else if (nx_writer_ok(&w)) {
        /* Framing lines of our own making may contradict each other. */
        bool has_framing = false;
        for (size_t i = 0; i < count; i++) {
            has_framing |= nx_http1_text_is(names[i], "content-length") ||
                           nx_http1_text_is(names[i], "transfer-encoding");
        }
        fuzz_check(has_framing, "what is written is read");
    }
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)names[i].at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const uint8_t choice = fuzz_u8(&input);
    const size_t cut = (size_t)fuzz_number(&input, 2);
    if ((choice & 1) == 0) {
        check_bytes(input, (choice & 2) != 0, cut);
    } else {
        check_written(input);
    }
    return 0;
}
