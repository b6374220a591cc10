/* Property: an id parses exactly when it is what formatting its number writes. */
#include "engine/base/id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t text[20];
    uint64_t id;
    struct nx_writer out = nx_writer_init(text, sizeof(text));
    if (nx_id_parse(nx_bytes_of(bytes, size), &id) == NX_OK) {
        nx_id_format(id, &out);
        if (id == 0 || id > INT64_MAX || !nx_bytes_equal(nx_writer_bytes(&out), nx_bytes_of(bytes, size))) {
            abort();
        }
    }
    if (size == sizeof(id)) {
        uint64_t back;
        memcpy(&id, bytes, sizeof(id));
        out = nx_writer_init(text, sizeof(text));
        nx_id_format(id, &out);
        const bool is_id = id > 0 && id <= INT64_MAX;
        if ((nx_id_parse(nx_writer_bytes(&out), &back) == NX_OK) != is_id || (is_id && back != id)) {
            abort();
        }
    }
    return 0;
}
