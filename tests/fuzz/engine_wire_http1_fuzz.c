/* Property: the verdict on a request or response head does not depend on how it arrives; what is taken lies inside the input,
 * adds up and obeys the grammar. The handshake and extension readers never see anything they cannot bear. */
#include "engine/wire/deflate.h"
#include "engine/wire/http1_response.h"
#include "engine/wire/ws_handshake.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void require_inside(struct nx_bytes view, const uint8_t *bytes, size_t size)
{
    require(view.size == 0 || (view.at >= bytes && view.size <= size && view.at <= bytes + size - view.size));
}

static void check_headers(const struct nx_http1_headers *headers, const uint8_t *bytes, size_t head_size)
{
    require(headers->count <= NX_HTTP1_HEADERS_MAX);
    for (size_t i = 0; i < headers->count; i++) {
        require_inside(headers->at[i].name, bytes, head_size);
        require_inside(headers->at[i].value, bytes, head_size);
        require(nx_http1_token_is_valid(headers->at[i].name));
        for (size_t at = 0; at < headers->at[i].value.size; at++) {
            const uint8_t c = headers->at[i].value.at[at];
            require(c == '\t' || (c >= 0x20 && c != 0x7f));
        }
    }
    struct nx_deflate_terms terms = nx_deflate_choose(headers);
    require(!terms.is_agreed || (terms.server_window_bits >= 8 && terms.server_window_bits <= 15));
    (void)!nx_deflate_answer_read(headers, &terms);
}

static void check_request(const struct nx_http1_request *request, const uint8_t *bytes, size_t size)
{
    require(request->head_size <= size && request->head_size <= NX_HTTP1_HEAD_MAX);
    require(memcmp(bytes + request->head_size - 4, "\r\n\r\n", 4) == 0 || request->headers.count == 0);
    require(request->target.size != 0 && (request->target.at[0] == '/' || request->target.at[0] == '*'));
    require_inside(request->host, bytes, size);
    require(!request->is_chunked || (!request->has_length && request->content_length == 0));
    require(request->version_minor == 0 || request->host.size != 0);
    check_headers(&request->headers, bytes, request->head_size);
    struct nx_ws_handshake handshake;
    if (nx_ws_handshake_check(request, &handshake) == NX_OK) {
        require(handshake.key.size == NX_WS_HANDSHAKE_KEY_SIZE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct nx_http1_request whole;
    static struct nx_http1_request part;
    static struct nx_http1_response response;
    if (size < 2) {
        return 0;
    }
    const size_t choice = (size_t)(bytes[0] << 8 | bytes[1]);
    bytes += 2;
    size -= 2;
    const struct nx_bytes all = nx_bytes_of(bytes, size);
    const enum nx_err verdict = nx_http1_request_parse(all, 0, &whole);
    require(nx_http1_status_of(verdict) >= (verdict == NX_OK ? 200 : 400) &&
            nx_http1_status_of(verdict) < 506);
    if (verdict == NX_OK) {
        check_request(&whole, bytes, size);
        const char *method = nx_http1_method_text(whole.method);
        const size_t start = bytes[0] == '\r' ? 2 : 0;
        require(memcmp(bytes + start, method, strlen(method)) == 0 && bytes[start + strlen(method)] == ' ');
    }
    const size_t first = size != 0 ? choice % (size + 1) : 0;
    const size_t second = first + (size - first) / 2;
    enum nx_err split = nx_http1_request_parse(nx_bytes_slice(all, 0, first), 0, &part);
    split = split == NX_E_TRUNCATED ? nx_http1_request_parse(nx_bytes_slice(all, 0, second), first, &part)
                                    : split;
    split = split == NX_E_TRUNCATED ? nx_http1_request_parse(all, second, &part) : split;
    /* A head that only becomes wrong with its last bytes may still be waited for after a split; never the other way round. */
    require(split == verdict || split == NX_E_TRUNCATED);
    require(verdict != NX_OK || (split == NX_OK && part.head_size == whole.head_size));
    if (nx_http1_response_parse(all, 0, (choice & 1) != 0, &response) == NX_OK) {
        require(response.head_size <= size);
        check_headers(&response.headers, bytes, response.head_size);
    }
    return 0;
}
