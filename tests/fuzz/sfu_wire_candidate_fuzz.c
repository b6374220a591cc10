/* Property: a candidate that is understood reads the same after it was written. */
#include "sfu/wire/candidate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    struct sfu_candidate one;
    struct sfu_candidate two;
    if (sfu_candidate_parse(whole, &one) == NX_OK) {
        fuzz_check(fuzz_is_inside(one.foundation, whole) && fuzz_is_inside(one.host, whole), "views inside");
        uint8_t room[512];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_candidate_write(&one, &w);
        fuzz_check(nx_writer_ok(&w), "fits");
        fuzz_check(sfu_candidate_parse(nx_bytes_slice(nx_writer_bytes(&w), 10, SIZE_MAX), &two) == NX_OK,
                   "reads");
        fuzz_check(nx_addr_equal(&one.addr, &two.addr) && nx_bytes_equal(one.host, two.host) &&
                       one.type == two.type && one.transport == two.transport &&
                       one.priority == two.priority && one.component == two.component,
                   "the same");
    }
    free(copy);
    return 0;
}
