#include "control/api/request.h"

#include "control/api/error.h"
#include "control/api/route.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

enum { JOINS_UNDER_WAY_MAX = 100 }; /* more than the rate limit lets one user begin in a second */

static const char envelope_start[] = "{\"ok\":true,\"data\":";
static const char envelope_end[] = ",\"error\":null}";

void api_request_fini(struct api_request *r)
{
    if (r->kept_key != 0) { /* cut off before its end */
        ctl_kept_drop(&r->world->kept, &r->world->memory, r->kept_key);
        r->kept_key = 0;
    }
    ctl_memory_give(&r->world->memory, r->big_body, r->big_body_size);
    r->big_body = NULL;
    r->big_body_size = 0;
    api_request_unlock(r);
}

struct nx_json_out api_request_json(struct api_request *r, uint16_t status, size_t size)
{
    const size_t whole = size + sizeof(envelope_start) + sizeof(envelope_end);
    ctl_memory_give(&r->world->memory, r->big_body, r->big_body_size);
    r->big_body = NULL;
    r->big_body_size = 0;
    void *body = whole <= API_ARENA_SIZE / 4 ? nx_arena_take(&r->arena, whole, 1) : NULL;
    if (body == NULL) {
        body = r->world->memory.take(r->world->memory.context, whole);
        r->big_body = body;
        r->big_body_size = body == NULL ? 0 : whole;
    }
    r->response.status = status;
    r->response.body = nx_writer_init(body, body == NULL ? 0 : whole);
    if (r->is_envelope) {
        nx_writer_text(&r->response.body, envelope_start);
    }
    return nx_json_out_init(&r->response.body);
}

enum api_next api_request_json_end(struct api_request *r, struct nx_json_out *out)
{
    const bool is_whole = nx_json_out_done(out);
    if (r->is_envelope) {
        nx_writer_text(&r->response.body, envelope_end);
    }
    if (!is_whole || !nx_writer_ok(&r->response.body)) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    return API_DONE;
}

enum api_next api_request_empty(struct api_request *r)
{
    r->response.status = 204;
    r->response.body = nx_writer_init(NULL, 0);
    return API_DONE;
}

void api_request_header(struct api_request *r, const char *name, struct nx_bytes value)
{
    struct nx_writer *w = &r->response.headers;
    const size_t before = w->size;
    nx_writer_text(w, name);
    nx_writer_text(w, ": ");
    nx_writer_bytes_put(w, value);
    nx_writer_text(w, "\r\n");
    if (!nx_writer_ok(w)) {
        *w = (struct nx_writer){.start = w->start, .size = before, .room = w->room};
    }
}

void *api_request_state(struct api_request *r, size_t size)
{
    NX_ASSERT(r->state != NULL && size <= API_STATE_SIZE);
    return r->state;
}

struct nx_writer api_request_scratch(struct api_request *r, size_t size)
{
    void *memory = nx_arena_take(&r->arena, size, 1);
    return nx_writer_init(memory, memory == NULL ? 0 : size);
}

bool api_request_fields(struct api_request *r, const struct nx_json_field *fields, size_t fields_count,
                        void *target, struct nx_json_present *present)
{
    struct nx_json_faults faults = {.count = 0};
    struct nx_writer scratch = api_request_scratch(r, r->body.size);
    *present = (struct nx_json_present){.values = 0};
    if (nx_json_fields_read(r->root, fields, fields_count, &scratch, target, present, &faults) != NX_OK) {
        (void)api_error(r, API_ERROR_INTERNAL);
        return false;
    }
    if (faults.count != 0) {
        (void)api_error_form(r, &faults);
        return false;
    }
    return true;
}

bool api_request_query_u64(struct api_request *r, const char *name, uint64_t min, uint64_t max,
                           uint64_t *value, bool *has)
{
    struct nx_writer scratch = api_request_scratch(r, r->query.size);
    struct nx_bytes text;
    uint64_t number = 0;
    const enum nx_err err = nx_url_query_find(r->query, name, &scratch, &text, has);
    bool is_ok = err == NX_OK;
    if (is_ok && !*has) {
        return true;
    }
    is_ok = is_ok && text.size != 0 && text.size <= 20;
    for (size_t i = 0; is_ok && i < text.size; i++) {
        const uint8_t digit = (uint8_t)(text.at[i] - '0');
        is_ok = digit <= 9 && !__builtin_mul_overflow(number, UINT64_C(10), &number) &&
                !__builtin_add_overflow(number, (uint64_t)digit, &number);
    }
    if (!is_ok || number < min || number > max) {
        (void)api_error_field(r, name, is_ok ? NX_JSON_FAULT_NUMBER_RANGE : NX_JSON_FAULT_NUMBER,
                              (int64_t)min, max > INT64_MAX ? INT64_MAX : (int64_t)max);
        return false;
    }
    *value = number;
    return true;
}

bool api_request_lock(struct api_request *r, uint64_t id)
{
    NX_ASSERT(r->lock == 0 && id != 0);
    if (!ctl_world_lock(r->world, id)) {
        (void)api_error_limited(r, 100, false, "shared");
        return false;
    }
    r->lock = id;
    return true;
}

bool api_request_lock_member(struct api_request *r, uint64_t guild_id, uint64_t user_id)
{
    const uint64_t key = nx_hash_u64(nx_hash_u64(r->world->seed, guild_id), user_id) | 1;
    NX_ASSERT(r->member_lock == 0);
    if (!ctl_world_lock(r->world, key)) {
        (void)api_error_limited(r, 100, false, "shared");
        return false;
    }
    r->member_lock = key;
    return true;
}

bool api_request_may_join(struct api_request *r)
{
    const uint32_t count = r->subject.user->members_count;
    if (count >= CTL_GUILDS_PER_USER_MAX) {
        (void)api_error(r, API_ERROR_GUILDS_FULL);
        return false;
    }
    return count < CTL_GUILDS_PER_USER_MAX - JOINS_UNDER_WAY_MAX ||
           api_request_lock_member(r, 0, r->subject.user_id);
}

void api_request_unlock(struct api_request *r)
{
    if (r->lock != 0) {
        ctl_world_unlock(r->world, r->lock);
        r->lock = 0;
    }
    if (r->member_lock != 0) {
        ctl_world_unlock(r->world, r->member_lock);
        r->member_lock = 0;
    }
}

enum api_next api_request_ask(struct api_request *r, enum ctl_question_kind kind, uint32_t step)
{
    r->question.kind = kind;
    r->question.now_ms = r->wall_ms;
    r->step = step;
    return API_ASK;
}
