#include "loadtest/message.h"

static bool field_id(struct nx_json object, const char *name, uint64_t *out)
{
    struct nx_json value;
    return nx_json_find(object, name, &value) && nx_json_id(value, out) == NX_OK;
}

enum nx_err load_message_read(struct nx_json object, struct nx_writer *scratch, struct load_message *out)
{
    struct load_message message = {0};
    struct nx_json value;
    uint64_t seq = 0;
    if (!field_id(object, "id", &message.id) || !nx_json_find(object, "seq", &value) ||
        nx_json_u64(value, &seq) != NX_OK || seq == 0 || seq > UINT32_MAX) {
        return NX_E_MALFORMED;
    }
    message.seq = (uint32_t)seq;
    if (nx_json_find(object, "deleted", &value)) {
        (void)!nx_json_bool(value, &message.is_deleted);
    }
    if (!message.is_deleted &&
        (!nx_json_find(object, "content", &value) ||
         nx_json_string(value, scratch, &message.content) != NX_OK ||
         !nx_json_find(object, "author", &value) || !field_id(value, "id", &message.author))) {
        return NX_E_MALFORMED;
    }
    message.is_edited = nx_json_find(object, "edited_timestamp", &value) && value.kind != NX_JSON_NULL;
    *out = message;
    return NX_OK;
}
