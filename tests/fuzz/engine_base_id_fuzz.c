/* Properties: an id parses exactly when it is what formatting its number writes; ids that are made rise whatever the clock does,
 * and say when they were made. */
#include "engine/base/id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Each byte moves the clock, most of them back and forth by a little. */
static void check_mint(const uint8_t *bytes, size_t size)
{
    struct nx_id_mint mint;
    int64_t wall_ms = 1800000000000;
    uint64_t last = nx_id_from_ms(wall_ms);
    nx_id_init(&mint, bytes[0], last);
    /* More in one millisecond than it has numbers for: the next milliseconds are borrowed. */
    for (int i = 0; bytes[0] == 7 && i < 5000; i++) {
        const uint64_t id = nx_id_next(&mint, wall_ms);
        if (id <= last || (id >> 12 & 1023) != 7) {
            abort();
        }
        last = id;
    }
    for (size_t i = 1; i < size; i++) {
        wall_ms += bytes[i] < 250 ? (bytes[i] & 7) - 3 : (int64_t)(bytes[i] - 252) * 100000000;
        const uint64_t id = nx_id_next(&mint, wall_ms);
        if (id <= last || nx_id_ms(id) < nx_id_ms(last) ||
            (wall_ms > nx_id_ms(last) && nx_id_ms(id) != wall_ms)) {
            abort();
        }
        last = id;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size != 0) {
        check_mint(bytes, size);
    }
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
