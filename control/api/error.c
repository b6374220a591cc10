#include "control/api/error.h"

static const struct {
    uint16_t status;
    uint32_t code;
    const char *name;
    const char *text;
} table[] = {
#define API_ERR(n, s, c, t) {.status = (s), .code = (c), .name = #n, .text = (t)},
#include "control/api/error.def"
#undef API_ERR
};

static bool is_plain(struct nx_bytes id)
{
    for (size_t i = 0; i < id.size; i++) {
        const uint8_t c = id.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    return id.size != 0 && id.size <= 64;
}

/* What the body says beside status, code and words. */
struct details {
    const struct nx_json_faults *faults;
    const char *member; /* a member with a fault of its own kind */
    const char *code;   /* of that fault */
    const char *text;
    int64_t retry_ms; /* -1: none */
    bool is_global;
};

static void write_member(struct nx_json_out *out, const struct details *details)
{
    nx_json_out_object(out);
    nx_json_out_key(out, details->member);
    nx_json_out_object(out);
    nx_json_out_key(out, "_errors");
    nx_json_out_array(out);
    nx_json_out_object(out);
    nx_json_out_key(out, "code");
    nx_json_out_text(out, details->code);
    nx_json_out_key(out, "message");
    nx_json_out_text(out, details->text);
    nx_json_out_object_end(out);
    nx_json_out_array_end(out);
    nx_json_out_object_end(out);
    nx_json_out_object_end(out);
}

static void write_members(struct nx_json_out *out, const struct api_request *r, const struct details *details)
{
    if (details->faults != NULL || details->member != NULL) {
        nx_json_out_key(out, r->is_envelope ? "fields" : "errors");
        if (details->member != NULL) {
            write_member(out, details);
        } else {
            nx_json_fields_errors(out, details->faults);
        }
    }
    if (details->retry_ms >= 0) {
        nx_json_out_key(out, "retry_after");
        nx_json_out_milli(out, details->retry_ms);
        nx_json_out_key(out, "global");
        nx_json_out_bool(out, details->is_global);
    }
    /* Only the client's own: answers about foreign and absent things must be the same bytes. */
    if (is_plain(r->headers.request_id)) {
        nx_json_out_key(out, "request_id");
        nx_json_out_string(out, r->headers.request_id);
    }
}

static enum api_next answer(struct api_request *r, enum api_error error, const struct details *details)
{
    struct nx_writer w = api_request_scratch(r, 4096);
    struct nx_json_out out = nx_json_out_init(&w);
    nx_json_out_object(&out);
    if (r->is_envelope) {
        nx_json_out_key(&out, "ok");
        nx_json_out_bool(&out, false);
        nx_json_out_key(&out, "data");
        nx_json_out_null(&out);
        nx_json_out_key(&out, "error");
        nx_json_out_object(&out);
        nx_json_out_key(&out, "code");
        nx_json_out_text(&out, table[error].name);
        nx_json_out_key(&out, "num");
        nx_json_out_u64(&out, table[error].code);
    }
    nx_json_out_key(&out, "message");
    nx_json_out_text(&out, table[error].text);
    if (!r->is_envelope) {
        nx_json_out_key(&out, "code");
        nx_json_out_u64(&out, table[error].code);
    }
    write_members(&out, r, details);
    nx_json_out_object_end(&out);
    if (r->is_envelope) {
        nx_json_out_object_end(&out);
    }
    r->response.status = table[error].status;
    /* An arena without room for the words still gives the right status. */
    r->response.body = nx_json_out_done(&out) ? w : nx_writer_init(NULL, 0);
    return API_DONE;
}

enum api_next api_error(struct api_request *r, enum api_error error)
{
    const struct details details = {.retry_ms = -1};
    if (error == API_ERROR_OVERLOADED) {
        api_request_header(r, "Retry-After", nx_bytes_text("1"));
    } else if (table[error].status == 401) {
        api_request_header(r, "WWW-Authenticate", nx_bytes_text("Bearer"));
    }
    return answer(r, error, &details);
}

enum api_next api_error_form(struct api_request *r, const struct nx_json_faults *faults)
{
    const struct details details = {.faults = faults, .retry_ms = -1};
    return answer(r, API_ERROR_FORM, &details);
}

enum api_next api_error_field(struct api_request *r, const char *name, enum nx_json_fault_code code,
                              int64_t min, int64_t max)
{
    struct nx_json_faults faults = {.count = 0};
    nx_json_fields_fault(&faults, name, code, min, max);
    return api_error_form(r, &faults);
}

enum api_next api_error_taken(struct api_request *r, const char *name)
{
    const struct details details = {
        .member = name, .code = "ALREADY_TAKEN", .text = "This is already taken", .retry_ms = -1};
    return answer(r, API_ERROR_FORM, &details);
}

enum api_next api_error_unsupported(struct api_request *r, const char *name)
{
    const struct details details = {
        .member = name, .code = "NOT_SUPPORTED", .text = "This is not offered here", .retry_ms = -1};
    return answer(r, API_ERROR_FORM, &details);
}

static enum api_next limited(struct api_request *r, enum api_error error, int64_t retry_ms, bool is_global,
                             const char *scope)
{
    const struct details details = {.retry_ms = retry_ms, .is_global = is_global};
    uint8_t digits[20];
    struct nx_writer w = nx_writer_init(digits, sizeof(digits));
    nx_writer_decimal(&w, (uint64_t)(retry_ms + 999) / 1000);
    api_request_header(r, "Retry-After", nx_writer_bytes(&w));
    if (is_global) {
        api_request_header(r, "X-RateLimit-Global", nx_bytes_text("true"));
    }
    api_request_header(r, "X-RateLimit-Scope", nx_bytes_text(scope));
    return answer(r, error, &details);
}

enum api_next api_error_limited(struct api_request *r, int64_t retry_ms, bool is_global, const char *scope)
{
    return limited(r, API_ERROR_LIMITED, retry_ms, is_global, scope);
}

enum api_next api_error_code(struct api_request *r, enum ctl_code code, int64_t retry_ms)
{
    switch (code) {
    case CTL_CODE_UNKNOWN_CHANNEL:
        return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
    case CTL_CODE_SLOWMODE:
        return limited(r, API_ERROR_SLOWMODE, retry_ms, false, "shared");
    case CTL_CODE_MISSING_ACCESS:
        return api_error(r, API_ERROR_MISSING_ACCESS);
    case CTL_CODE_EMPTY_MESSAGE:
        return api_error(r, API_ERROR_EMPTY_MESSAGE);
    case CTL_CODE_MISSING_PERMISSIONS:
        return api_error(r, API_ERROR_MISSING_PERMISSIONS);
    case CTL_CODE_INVALID_FORM:
        return api_error_field(r, "content", NX_JSON_FAULT_LENGTH, 1, CTL_CONTENT_MAX);
    case CTL_CODE_WRONG_CHANNEL:
        return api_error(r, API_ERROR_WRONG_CHANNEL);
    case CTL_CODE_OVERLOADED:
        return api_error(r, API_ERROR_OVERLOADED);
    case CTL_CODE_NOT_IDENTIFIED:
        return api_error(r, API_ERROR_UNAUTHORIZED);
    case CTL_CODE_OK:
        break;
    }
    return api_error(r, API_ERROR_INTERNAL);
}

enum api_next api_error_store(struct api_request *r, enum nx_err verdict, enum api_error missing)
{
    switch (verdict) {
    case NX_E_NOT_FOUND:
        return api_error(r, missing);
    case NX_E_UNAVAILABLE:
    case NX_E_FULL:
    case NX_E_NO_MEMORY:
        return api_error(r, API_ERROR_OVERLOADED);
    default:
        return api_error(r, API_ERROR_INTERNAL);
    }
}
