#include "control/core/message.h"

#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/apply.h"
#include "control/core/doubt.h"
#include "control/core/guild.h"
#include "control/core/object.h"

/* Bytes that are enough for a message's JSON: every character may need an escape of six. */
static size_t message_size(const struct ctl_message_row *row)
{
    return 1536 + row->content.size * 6 + CTL_NONCE_MAX * 6;
}

static enum api_next answer_message(struct api_request *r, const struct ctl_message_row *row,
                                    struct nx_bytes nonce)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (channel == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
    }
    struct nx_json_out out = api_request_json(r, 200, message_size(row));
    ctl_object_message(&out, &r->world->directory, channel, row, nonce);
    return api_request_json_end(r, &out);
}

/* ---- create ---- */

struct create {
    struct nx_bytes content;
    struct nx_json nonce;
    struct nx_bytes nonce_text;
    bool enforces_nonce;
};

static const struct nx_json_field create_fields[] = {
    {"content", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_CONTENT_MAX,
     offsetof(struct create, content)},
    {"nonce", NX_JSON_FIELD_ANY, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct create, nonce)},
    {"enforce_nonce", NX_JSON_FIELD_BOOL, NX_JSON_FIELD_NULLABLE, 0, 0,
     offsetof(struct create, enforces_nonce)},
};

/* A nonce is a short text or an integer; false with the error answered for others. */
static bool read_nonce(struct api_request *r, struct create *create)
{
    int64_t number;
    bool is_ok = true;
    if (create->nonce.kind == NX_JSON_STRING) {
        const size_t size = nx_json_string_size(create->nonce);
        struct nx_writer scratch = api_request_scratch(r, CTL_NONCE_MAX);
        is_ok = size <= CTL_NONCE_MAX && !nx_json_string_has_nul(create->nonce) &&
                nx_json_string(create->nonce, &scratch, &create->nonce_text) == NX_OK;
    } else if (create->nonce.kind == NX_JSON_NUMBER) {
        is_ok = nx_json_i64(create->nonce, &number) == NX_OK;
        create->nonce_text = nx_json_raw(create->nonce);
    } else {
        is_ok = create->nonce.kind == NX_JSON_NULL;
        create->nonce_text = r->headers.idempotency_key; /* the router has looked at it */
        create->enforces_nonce = create->enforces_nonce || create->nonce_text.size != 0;
    }
    if (!is_ok) {
        (void)api_error_field(r, "nonce", NX_JSON_FAULT_LENGTH, 0, CTL_NONCE_MAX);
    }
    return is_ok;
}

static enum api_next create_read(struct api_request *r, struct create *create)
{
    struct nx_json_present present;
    struct ctl_channel *channel;
    int64_t retry_ms = 0;
    if (!api_request_fields(r, API_FIELDS(create_fields), create, &present) || !read_nonce(r, create)) {
        return API_DONE;
    }
    const enum ctl_code code = ctl_message_may_post(r->world, r->subject.user_id, r->ids[0], create->content,
                                                    r->wall_ms, r->now, &channel, &retry_ms);
    if (code != CTL_CODE_OK) {
        return api_error_code(r, code, retry_ms);
    }
    const bool is_bot = (r->subject.user->flags & CTL_USER_BOT) != 0;
    r->question.message_create.channel_id = channel->id;
    r->question.message_create.author_id = r->subject.user_id;
    r->question.message_create.type = 0;
    r->question.message_create.content = create->content;
    r->question.message_create.nonce =
        create->enforces_nonce || !is_bot ? create->nonce_text : nx_bytes_of(NULL, 0);
    return api_request_ask(r, CTL_ASK_MESSAGE_CREATE, 1);
}

enum api_next api_message_create(struct api_request *r)
{
    struct create *create = api_request_state(r, sizeof(*create));
    if (r->step == 0) {
        return create_read(r, create);
    }
    if (r->answer->verdict != NX_OK) {
        if (r->answer->verdict == NX_E_UNAVAILABLE) {
            ctl_doubt_note(r->world, r->ids[0], r->wall_ms);
        }
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (r->answer->message.is_duplicate) {
        struct ctl_channel *late = ctl_directory_channel(&r->world->directory, r->ids[0]);
        if (late != NULL) {
            /* It may have been written by a commit that seemed to fail: then nobody has heard of it yet. */
            ctl_apply_message_created(r->world, late, &r->answer->message.row, create->nonce_text);
        }
        return answer_message(r, &r->answer->message.row, create->nonce_text);
    }
    const struct ctl_message_row row = {.id = r->answer->message.id,
                                        .channel_id = r->ids[0],
                                        .seq = r->answer->message.seq,
                                        .author_id = r->subject.user_id,
                                        .content = create->content};
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (channel != NULL) {
        ctl_apply_message_created(r->world, channel, &row, create->nonce_text);
    }
    return answer_message(r, &row, create->nonce_text);
}

/* ---- read ---- */

static bool may_read(const struct api_request *r)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    const struct ctl_member *member =
        channel == NULL ? NULL : ctl_guild_member(channel->guild, r->subject.user_id);
    return member != NULL &&
           (ctl_guild_permissions(member, channel, r->wall_ms) & PERM_READ_MESSAGE_HISTORY) != 0;
}

/* Reads which page is asked for; false with the error answered. */
static bool read_page(struct api_request *r)
{
    static const char *const names[] = {"before", "after", "around", "after_seq"};
    uint64_t limit = 50;
    uint32_t pages = 0;
    bool has;
    r->question.messages_list.page = CTL_PAGE_LATEST;
    r->question.messages_list.anchor = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t anchor = 0;
        if (!api_request_query_u64(r, names[i], 0, INT64_MAX, &anchor, &has)) {
            return false;
        }
        if (has) {
            pages++;
            r->question.messages_list.anchor = anchor;
            switch (i) {
            case 0:
                r->question.messages_list.page = CTL_PAGE_BEFORE;
                break;
            case 1:
                r->question.messages_list.page = CTL_PAGE_AFTER;
                break;
            case 2:
                r->question.messages_list.page = CTL_PAGE_AROUND;
                break;
            default:
                r->question.messages_list.page = CTL_PAGE_AFTER_SEQ;
                break;
            }
        }
    }
    if (pages > 1) {
        (void)api_error_field(r, "before", NX_JSON_FAULT_CHOICE, 0, 0);
        return false;
    }
    if (!api_request_query_u64(r, "limit", 1, 100, &limit, &has)) {
        return false;
    }
    r->question.messages_list.limit = (uint32_t)limit;
    return true;
}

enum api_next api_message_list(struct api_request *r)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        if (!read_page(r)) {
            return API_DONE;
        }
        if (may_read(r)) {
            r->question.messages_list.channel_id = r->ids[0];
            return api_request_ask(r, CTL_ASK_MESSAGES_LIST, 1);
        }
    } else if (r->answer->verdict != NX_OK || channel == NULL) {
        return api_error_store(r, channel == NULL ? NX_E_NOT_FOUND : r->answer->verdict,
                               API_ERROR_UNKNOWN_CHANNEL);
    }
    /* Who may look but not read history sees none, as with Discord. */
    const struct ctl_message_row *rows = r->step == 0 ? NULL : r->answer->list.rows;
    const uint32_t count = r->step == 0 ? 0 : r->answer->list.rows_count;
    size_t size = 64;
    for (uint32_t i = 0; i < count; i++) {
        size += message_size(&rows[i]);
    }
    struct nx_json_out out = api_request_json(r, 200, size);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < count; i++) {
        ctl_object_message(&out, &r->world->directory, channel, &rows[i], nx_bytes_of(NULL, 0));
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

/* Asks for the message of the path. */
static enum api_next ask_get(struct api_request *r)
{
    if (r->ids[1] == 0) {
        return api_error(r, API_ERROR_UNKNOWN_MESSAGE);
    }
    r->question.message_get.channel_id = r->ids[0];
    r->question.message_get.message_id = r->ids[1];
    return api_request_ask(r, CTL_ASK_MESSAGE_GET, 1);
}

enum api_next api_message_get(struct api_request *r)
{
    if (r->step == 0) {
        return ask_get(r);
    }
    if (r->answer->verdict != NX_OK || r->answer->message.row.is_deleted) {
        return api_error_store(r, r->answer->verdict == NX_OK ? NX_E_NOT_FOUND : r->answer->verdict,
                               API_ERROR_UNKNOWN_MESSAGE);
    }
    return answer_message(r, &r->answer->message.row, nx_bytes_of(NULL, 0));
}

/* ---- edit, delete ---- */

static const struct nx_json_field update_fields[] = {
    {"content", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 0, CTL_CONTENT_MAX,
     offsetof(struct create, content)},
};

enum api_next api_message_update(struct api_request *r)
{
    struct create *edit = api_request_state(r, sizeof(*edit));
    struct nx_json_present present;
    if (r->step == 0) {
        if (!api_request_fields(r, API_FIELDS(update_fields), edit, &present)) {
            return API_DONE;
        }
        if (!ctl_message_content_ok(edit->content)) {
            return edit->content.size == 0 ? api_error(r, API_ERROR_EMPTY_MESSAGE)
                                           : api_error_code(r, CTL_CODE_INVALID_FORM, 0);
        }
        if (r->ids[1] == 0) {
            return api_error(r, API_ERROR_UNKNOWN_MESSAGE);
        }
        r->question.message_edit.channel_id = r->ids[0];
        r->question.message_edit.message_id = r->ids[1];
        r->question.message_edit.author_id = r->subject.user_id;
        r->question.message_edit.content = edit->content;
        return api_request_ask(r, CTL_ASK_MESSAGE_EDIT, 1);
    }
    if (r->answer->verdict == NX_E_AUTH) {
        return api_error(r, API_ERROR_NOT_AUTHOR);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_MESSAGE);
    }
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (channel != NULL) {
        ctl_apply_message_edited(r->world, channel, &r->answer->message.row);
    }
    return answer_message(r, &r->answer->message.row, nx_bytes_of(NULL, 0));
}

enum api_next api_message_delete(struct api_request *r)
{
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        return ask_get(r);
    }
    if (r->answer->verdict != NX_OK || (r->step == 1 && r->answer->message.row.is_deleted)) {
        return api_error_store(r, r->answer->verdict == NX_OK ? NX_E_NOT_FOUND : r->answer->verdict,
                               API_ERROR_UNKNOWN_MESSAGE);
    }
    if (r->step == 1) {
        const struct ctl_member *member =
            channel == NULL ? NULL : ctl_guild_member(channel->guild, r->subject.user_id);
        if (member == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
        }
        if (r->answer->message.row.author_id != r->subject.user_id &&
            (ctl_guild_permissions(member, channel, r->wall_ms) & PERM_MANAGE_MESSAGES) == 0) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        r->question.message_delete.channel_id = r->ids[0];
        r->question.message_delete.message_id = r->ids[1];
        return api_request_ask(r, CTL_ASK_MESSAGE_DELETE, 2);
    }
    if (channel != NULL) {
        ctl_apply_message_deleted(r->world, channel, r->ids[1], r->answer->message.seq);
    }
    return api_request_empty(r);
}

/* ---- read state ---- */

/* Nobody has read what is not written yet. */
static enum api_next ask_read(struct api_request *r, uint64_t message_id)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    r->question.read_state_put.user_id = r->subject.user_id;
    r->question.read_state_put.channel_id = channel->id;
    r->question.read_state_put.message_id =
        message_id < channel->last_message_id ? message_id : channel->last_message_id;
    return api_request_ask(r, CTL_ASK_READ_STATE_PUT, 1);
}

/* Tells the caller's other sessions; false with the error answered. */
static bool apply_read(struct api_request *r, struct ctl_read_state_row *row)
{
    if (r->answer->verdict != NX_OK) {
        (void)api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
        return false;
    }
    *row = (struct ctl_read_state_row){.channel_id = r->ids[0],
                                       .last_message_id = r->answer->read_state.last_message_id};
    ctl_apply_read_state(r->world, r->subject.user, row);
    return true;
}

enum api_next api_message_read(struct api_request *r)
{
    struct read {
        uint64_t message_id;
    } body = {.message_id = 0};
    static const struct nx_json_field table[] = {
        {"message_id", NX_JSON_FIELD_ID, NX_JSON_FIELD_REQUIRED, 0, 0, offsetof(struct read, message_id)}};
    struct nx_json_present present;
    struct ctl_read_state_row row;
    if (r->step == 0) {
        return api_request_fields(r, API_FIELDS(table), &body, &present) ? ask_read(r, body.message_id)
                                                                         : API_DONE;
    }
    if (!apply_read(r, &row)) {
        return API_DONE;
    }
    struct nx_json_out out = api_request_json(r, 200, 256);
    ctl_object_read_state(&out, &row);
    return api_request_json_end(r, &out);
}

enum api_next api_message_ack(struct api_request *r)
{
    struct ctl_read_state_row row;
    if (r->step == 0) {
        return r->ids[1] == 0 ? api_error(r, API_ERROR_UNKNOWN_MESSAGE) : ask_read(r, r->ids[1]);
    }
    if (!apply_read(r, &row)) {
        return API_DONE;
    }
    struct nx_json_out out = api_request_json(r, 200, 64);
    nx_json_out_object(&out);
    nx_json_out_key(&out, "token");
    nx_json_out_null(&out);
    nx_json_out_object_end(&out);
    return api_request_json_end(r, &out);
}
