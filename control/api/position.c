#include "control/api/position.h"

#include "control/api/error.h"
#include "control/api/handler.h"

static const struct nx_json_field fields[] = {
    {"id", NX_JSON_FIELD_ID, NX_JSON_FIELD_REQUIRED, 0, 0, offsetof(struct api_position, id)},
    {"position", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, 10000,
     offsetof(struct api_position, position)},
    {"parent_id", NX_JSON_FIELD_ID, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct api_position, parent_id)},
};
enum { FIELD_POSITION = 2, FIELD_PARENT = 4 };

static bool read_one(struct api_request *r, struct nx_json value, struct api_position *given)
{
    struct nx_json_faults faults = {.count = 0};
    struct nx_json_present present = {.values = 0};
    struct nx_writer scratch = nx_writer_init(NULL, 0);
    if (nx_json_fields_read(value, API_FIELDS(fields), &scratch, given, &present, &faults) != NX_OK) {
        nx_json_fields_fault(&faults, "_list", NX_JSON_FAULT_OBJECT, 0, 0);
    }
    if (faults.count != 0) {
        (void)api_error_form(r, &faults);
        return false;
    }
    given->has_position = (present.values & FIELD_POSITION) != 0;
    given->has_parent = ((present.values | present.nulls) & FIELD_PARENT) != 0;
    return true;
}

bool api_position_read(struct api_request *r, uint32_t max, api_position_check *check,
                       struct api_positions *positions)
{
    const size_t count = nx_json_count(r->root);
    if (r->root.kind != NX_JSON_ARRAY || count == 0 || count > max) {
        (void)api_error_field(r, "_list", NX_JSON_FAULT_LIST, 1, max);
        return false;
    }
    positions->rows = nx_arena_take(&r->arena, count * sizeof(*positions->rows), 8);
    if (positions->rows == NULL) {
        (void)api_error(r, API_ERROR_INTERNAL);
        return false;
    }
    struct nx_json_walk walk = nx_json_walk(r->root);
    struct nx_json value;
    for (positions->rows_count = 0; nx_json_array_next(&walk, &value); positions->rows_count++) {
        struct ctl_position_row *row = &positions->rows[positions->rows_count];
        struct api_position given = {.id = 0};
        if (!read_one(r, value, &given)) {
            return false;
        }
        *row = (struct ctl_position_row){.id = given.id};
        if (!check(r, &given, row)) {
            return false;
        }
    }
    return true;
}
