/* Property: what is understood of a fragment lies inside it and is understood again after it was written. */
#include "sfu/wire/sdp_frag.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct sfu_sdp_frag frag;
    static struct sfu_sdp_frag again;
    static uint8_t room[65536];
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    if (sfu_sdp_frag_parse(whole, &frag) == NX_OK) {
        fuzz_check(fuzz_is_inside(frag.ufrag, whole) && fuzz_is_inside(frag.media, whole) &&
                       fuzz_is_inside(frag.mid, whole),
                   "views inside");
        fuzz_check(frag.candidates_count <= SFU_SDP_CANDIDATES_MAX, "cap");
        struct nx_writer out = nx_writer_init(room, sizeof(room));
        sfu_sdp_frag_write(&frag, &out);
        if (nx_writer_ok(&out) && frag.ufrag.size != 0) {
            fuzz_check(sfu_sdp_frag_parse(nx_writer_bytes(&out), &again) == NX_OK, "reads");
            fuzz_check(again.candidates_count == frag.candidates_count && again.refused_count == 0,
                       "the same");
        }
    }
    free(copy);
    return 0;
}
