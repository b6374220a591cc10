/* Property: an opening that is understood is written as it was read; first bytes are sorted without looking past them. */
#include "sfu/wire/dcep.h"
#include "sfu/wire/demux.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    struct sfu_dcep dcep;
    fuzz_check(sfu_demux(whole) < SFU_DEMUX_KINDS, "a kind");
    if (sfu_dcep_parse(whole, &dcep) == NX_OK) {
        fuzz_check(!sfu_dcep_is_ack(whole), "no ack");
        uint8_t room[1024];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_dcep_write(&dcep, &w);
        fuzz_check(nx_bytes_equal(nx_writer_bytes(&w), whole), "as read");
    }
    free(copy);
    return 0;
}
