/* Property: on success every view lies inside the input, the parts add up to its size, and the head written from what
 * was read is the head that was read. */
#include "sfu/wire/rtp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    struct sfu_rtp rtp;
    if (sfu_rtp_parse(whole, &rtp) == NX_OK) {
        fuzz_check(fuzz_is_inside(rtp.payload, whole) && fuzz_is_inside(rtp.extension, whole) &&
                       fuzz_is_inside(rtp.csrcs, whole),
                   "views inside");
        fuzz_check(rtp.head_size + rtp.payload.size + rtp.padding_size == size, "parts add up");
        fuzz_check(rtp.head_size ==
                       12u + rtp.csrcs_count * 4u + (rtp.has_extension ? 4u : 0u) + rtp.extension.size,
                   "head adds up");
        uint32_t csrcs[15];
        for (unsigned i = 0; i < rtp.csrcs_count; i++) {
            csrcs[i] = sfu_rtp_csrc(&rtp, i);
        }
        const struct sfu_rtp_head head = {.timestamp = rtp.timestamp,
                                          .ssrc = rtp.ssrc,
                                          .sequence = rtp.sequence,
                                          .payload_type = rtp.payload_type,
                                          .csrcs_count = rtp.csrcs_count,
                                          .has_marker = rtp.has_marker,
                                          .has_padding = rtp.has_padding,
                                          .has_extension = rtp.has_extension,
                                          .csrcs = csrcs};
        uint8_t room[72];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtp_write(&head, &w);
        fuzz_check(nx_writer_ok(&w) && memcmp(room, copy, w.size) == 0, "written as read");
        uint16_t osn;
        const size_t before = rtp.payload.size;
        if (sfu_rtp_osn_take(&rtp, &osn) == NX_OK) {
            fuzz_check(rtp.payload.size + 2 == before, "osn is 2 bytes");
        }
    }
    free(copy);
    return 0;
}
