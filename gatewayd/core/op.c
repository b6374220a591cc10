#include "gatewayd/core/op.h"

#include "engine/wire/bus.h"
#include "engine/wire/json.h"

/* Takes the text of member `name`; absent and null give an empty run when it is optional. */
static enum nx_err take_text(struct nx_json d, const char *name, bool is_required, struct nx_writer *scratch,
                             struct nx_bytes *out)
{
    struct nx_json value;
    *out = (struct nx_bytes){0};
    if (!nx_json_find(d, name, &value) || value.kind == NX_JSON_NULL) {
        return is_required ? NX_E_MALFORMED : NX_OK;
    }
    return nx_json_string(value, scratch, out) == NX_OK ? NX_OK : NX_E_MALFORMED;
}

static enum nx_err take_id(struct nx_json d, const char *name, uint64_t *out)
{
    struct nx_json value;
    return nx_json_find(d, name, &value) && nx_json_id(value, out) == NX_OK ? NX_OK : NX_E_MALFORMED;
}

static bool take_bool(struct nx_json d, const char *name)
{
    struct nx_json value;
    bool is_true = false;
    return nx_json_find(d, name, &value) && nx_json_bool(value, &is_true) == NX_OK && is_true;
}

static enum nx_err take_ids(struct nx_json d, const char *name, uint32_t most, struct gw_op *out)
{
    struct nx_json value;
    out->ids_count = 0;
    if (!nx_json_find(d, name, &value) || value.kind == NX_JSON_NULL) {
        return NX_OK;
    }
    if (value.kind != NX_JSON_ARRAY) {
        if (nx_json_id(value, &out->ids[0]) != NX_OK) { /* Discord takes a lone id for a list of one. */
            return NX_E_MALFORMED;
        }
        out->ids_count = 1;
        return NX_OK;
    }
    struct nx_json_walk walk = nx_json_walk(value);
    struct nx_json element;
    while (nx_json_array_next(&walk, &element)) {
        if (out->ids_count == most) {
            return NX_E_FULL;
        }
        if (nx_json_id(element, &out->ids[out->ids_count]) != NX_OK) {
            return NX_E_MALFORMED;
        }
        out->ids_count++;
    }
    return NX_OK;
}

/* A nonce is a string or an integer; the integer counts as its digits. */
static enum nx_err take_nonce(struct nx_json d, struct nx_writer *scratch, struct nx_bytes *out)
{
    struct nx_json value;
    *out = (struct nx_bytes){0};
    if (!nx_json_find(d, "nonce", &value) || value.kind == NX_JSON_NULL) {
        return NX_OK;
    }
    if (value.kind == NX_JSON_NUMBER) {
        *out = nx_json_raw(value);
    } else if (nx_json_string(value, scratch, out) != NX_OK) {
        return NX_E_MALFORMED;
    }
    return out->size <= GW_NONCE_MAX ? NX_OK : NX_E_MALFORMED;
}

static bool has_prefix(struct nx_bytes text, const char *prefix)
{
    return nx_bytes_is(nx_bytes_slice(text, 0, strlen(prefix)), prefix);
}

static enum nx_err take_token(struct nx_json d, struct nx_writer *scratch, struct gw_op *out)
{
    const enum nx_err err = take_text(d, "token", true, scratch, &out->token);
    if (err != NX_OK) {
        return err;
    }
    if (has_prefix(out->token, "Bot ")) {
        out->is_bot = true;
        out->token = nx_bytes_slice(out->token, 4, out->token.size);
    } else if (has_prefix(out->token, "Bearer ")) {
        out->token = nx_bytes_slice(out->token, 7, out->token.size);
    } else {
        uint32_t dots = 0;
        for (size_t i = 0; i < out->token.size; i++) {
            dots += out->token.at[i] == '.';
        }
        out->is_bot = dots == 1;
    }
    return NX_OK;
}

static enum nx_err take_status(struct nx_json presence, uint8_t *out)
{
    static const struct {
        const char *text;
        uint8_t status;
    } known[] = {{"online", NX_BUS_STATUS_ONLINE},
                 {"idle", NX_BUS_STATUS_IDLE},
                 {"dnd", NX_BUS_STATUS_DND},
                 {"invisible", NX_BUS_STATUS_INVISIBLE},
                 {"offline", NX_BUS_STATUS_INVISIBLE}};
    struct nx_json value;
    if (!nx_json_find(presence, "status", &value)) {
        return NX_E_MALFORMED;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (nx_json_string_is(value, known[i].text)) {
            *out = known[i].status;
            return NX_OK;
        }
    }
    return NX_E_MALFORMED;
}

static uint32_t take_capabilities(struct nx_json d)
{
    struct nx_json list;
    uint32_t capabilities = 0;
    if (nx_json_find(d, "capabilities", &list)) {
        struct nx_json_walk walk = nx_json_walk(list);
        struct nx_json element;
        while (list.kind == NX_JSON_ARRAY && nx_json_array_next(&walk, &element)) {
            capabilities |= nx_json_string_is(element, "resync") ? (uint32_t)NX_BUS_CAPABILITY_RESYNC : 0U;
        }
    }
    return capabilities;
}

static enum nx_err parse_identify(struct nx_json d, struct nx_writer *scratch, struct gw_op *out)
{
    enum nx_err err = take_token(d, scratch, out);
    struct nx_json value;
    if (err != NX_OK || !nx_json_find(d, "intents", &value) || nx_json_u64(value, &out->intents) != NX_OK) {
        return NX_E_MALFORMED;
    }
    out->capabilities = take_capabilities(d);
    out->status = NX_BUS_STATUS_ONLINE;
    if (nx_json_find(d, "presence", &value) && value.kind == NX_JSON_OBJECT) {
        err = take_status(value, &out->status);
    }
    return err;
}

static enum nx_err parse_resume(struct nx_json d, struct nx_writer *scratch, struct gw_op *out)
{
    struct nx_json value;
    enum nx_err err = take_token(d, scratch, out);
    if (err == NX_OK) {
        err = take_text(d, "session_id", true, scratch, &out->session_id);
    }
    if (err != NX_OK || !nx_json_find(d, "seq", &value)) {
        return NX_E_MALFORMED;
    }
    if (value.kind == NX_JSON_NULL) {
        return NX_OK;
    }
    return nx_json_u64(value, &out->seq) == NX_OK ? NX_OK : NX_E_MALFORMED;
}

static enum nx_err parse_members(struct nx_json d, struct nx_writer *scratch, struct gw_op *out)
{
    struct nx_json value;
    uint64_t limit = 0;
    /* Discord takes an array with one guild id as well. */
    if (take_id(d, "guild_id", &out->guild_id) != NX_OK) {
        struct nx_json first;
        struct nx_json_walk walk;
        if (!nx_json_find(d, "guild_id", &value) || value.kind != NX_JSON_ARRAY) {
            return NX_E_MALFORMED;
        }
        walk = nx_json_walk(value);
        if (!nx_json_array_next(&walk, &first) || nx_json_id(first, &out->guild_id) != NX_OK) {
            return NX_E_MALFORMED;
        }
    }
    if (take_text(d, "query", false, scratch, &out->query) != NX_OK ||
        take_nonce(d, scratch, &out->nonce) != NX_OK) {
        return NX_E_MALFORMED;
    }
    if (nx_json_find(d, "limit", &value) && nx_json_u64(value, &limit) != NX_OK) {
        return NX_E_MALFORMED;
    }
    out->limit = limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
    out->wants_presences = take_bool(d, "presences");
    return take_ids(d, "user_ids", GW_MEMBER_IDS_MAX, out);
}

static enum nx_err parse_subscribe(struct nx_json d, struct gw_op *out)
{
    if (take_id(d, "guild_id", &out->guild_id) != NX_OK) {
        return NX_E_MALFORMED;
    }
    struct nx_json list;
    out->has_channels = nx_json_find(d, "channels", &list) && list.kind != NX_JSON_NULL;
    out->wants_members = take_bool(d, "members");
    return take_ids(d, "channels", GW_SUBSCRIPTIONS_MAX, out);
}

static enum nx_err parse_send(struct nx_json d, struct nx_writer *scratch, struct gw_op *out)
{
    if (take_id(d, "channel_id", &out->channel_id) != NX_OK ||
        take_text(d, "content", true, scratch, &out->content) != NX_OK) {
        return NX_E_MALFORMED;
    }
    return take_nonce(d, scratch, &out->nonce);
}

static enum nx_err parse_heartbeat(struct nx_json d, struct gw_op *out)
{
    if (d.kind == NX_JSON_NULL) {
        return NX_OK;
    }
    if (d.kind == NX_JSON_OBJECT) { /* Newer clients wrap it: {"seq":N,…}. */
        struct nx_json value;
        if (!nx_json_find(d, "seq", &value) || value.kind == NX_JSON_NULL) {
            return NX_OK;
        }
        d = value;
    }
    return nx_json_u64(d, &out->seq) == NX_OK ? NX_OK : NX_E_MALFORMED;
}

enum nx_err gw_op_parse(struct nx_bytes payload, struct nx_writer *scratch, struct gw_op *out)
{
    struct nx_json root;
    struct nx_json value;
    struct nx_json d = {0};
    uint64_t op;
    if (nx_json_open(payload, &root) != NX_OK || root.kind != NX_JSON_OBJECT) {
        return NX_E_MALFORMED;
    }
    if (!nx_json_find(root, "op", &value) || nx_json_u64(value, &op) != NX_OK) {
        return NX_E_MALFORMED;
    }
    (void)nx_json_find(root, "d", &d);
    memset(out, 0, offsetof(struct gw_op, ids));
    out->ids_count = 0;
    out->op = op <= GW_OP_SEND_MESSAGE ? (enum gw_op_code)op : GW_OP_DISPATCH;
    if (op != GW_OP_HEARTBEAT && d.kind != NX_JSON_OBJECT &&
        (op == GW_OP_IDENTIFY || op == GW_OP_PRESENCE || op == GW_OP_VOICE_STATE || op == GW_OP_RESUME ||
         op == GW_OP_MEMBERS || op == GW_OP_SUBSCRIBE || op == GW_OP_SEND_MESSAGE)) {
        return NX_E_MALFORMED;
    }
    switch (op) {
    case GW_OP_HEARTBEAT:
        return parse_heartbeat(d, out);
    case GW_OP_IDENTIFY:
        return parse_identify(d, scratch, out);
    case GW_OP_PRESENCE:
        return take_status(d, &out->status);
    case GW_OP_VOICE_STATE:
        return NX_OK;
    case GW_OP_RESUME:
        return parse_resume(d, scratch, out);
    case GW_OP_MEMBERS:
        return parse_members(d, scratch, out);
    case GW_OP_SUBSCRIBE:
        return parse_subscribe(d, out);
    case GW_OP_SEND_MESSAGE:
        return parse_send(d, scratch, out);
    default:
        return NX_E_UNSUPPORTED;
    }
}
