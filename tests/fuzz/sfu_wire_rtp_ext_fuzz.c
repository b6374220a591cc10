/* Property: elements lie inside the block and have a legal size; what was taken over and written for another receiver
 * reads back with the same values, in the size that was announced. */
#include "sfu/wire/rtp_ext.h"
#include "tests/fuzz/fuzz.h"

static struct sfu_rtp_ext_map map_of(struct nx_bytes *input)
{
    struct sfu_rtp_ext_map map;
    sfu_rtp_ext_map_init(&map);
    map.allows_mixed = (fuzz_u8(input) & 1) != 0;
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        const enum nx_err err = sfu_rtp_ext_map_add(&map, (enum sfu_rtp_ext_kind)kind, fuzz_u8(input) % 80);
        fuzz_check(err == NX_OK || err == NX_E_CONFLICT || err == NX_E_UNSUPPORTED, "known errors");
    }
    return map;
}

static void check_copy(const struct sfu_rtp_exts *exts, const struct sfu_rtp_ext_map *to)
{
    struct sfu_rtp_ext_set set = {0};
    sfu_rtp_ext_take(&set, exts, UINT32_MAX);
    static uint8_t room[8192];
    struct sfu_rtp_ext_place places[SFU_RTP_EXT_KINDS];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtp_ext_write(to, &set, &w, places);
    fuzz_check(nx_writer_ok(&w) && w.size == sfu_rtp_ext_size(to, &set) && w.size % 4 == 0, "announced size");
    if (w.size == 0) {
        return;
    }
    struct sfu_rtp rtp = {.extension_profile = (uint16_t)((uint32_t)room[0] << 8 | room[1]),
                          .extension = nx_bytes_of(room + 4, w.size - 4)};
    fuzz_check(((size_t)room[2] << 8 | room[3]) * 4 + 4 == w.size, "length in words");
    struct sfu_rtp_exts again;
    fuzz_check(sfu_rtp_ext_parse(&rtp, to, &again) == NX_OK, "reads back");
    fuzz_check((again.kinds & ~exts->kinds) == 0 && again.ignored_count == 0, "nothing new");
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        const struct nx_bytes value = sfu_rtp_ext_value(&again, (enum sfu_rtp_ext_kind)kind);
        if (value.size != 0) {
            fuzz_check(nx_bytes_equal(value, sfu_rtp_ext_value(exts, (enum sfu_rtp_ext_kind)kind)),
                       "same value");
            fuzz_check(places[kind].at == (size_t)(value.at - room), "place");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const struct sfu_rtp_ext_map from = map_of(&input);
    struct sfu_rtp_ext_map to = map_of(&input);
    struct sfu_rtp rtp = {.has_extension = true, .extension_profile = (uint16_t)fuzz_number(&input, 2)};
    if (input.size > UINT16_MAX) {
        return 0;
    }
    uint8_t *copy = fuzz_copy(input);
    rtp.extension = nx_bytes_of(copy, input.size);
    struct sfu_rtp_exts exts;
    if (sfu_rtp_ext_parse(&rtp, &from, &exts) == NX_OK) {
        for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
            const struct nx_bytes value = sfu_rtp_ext_value(&exts, (enum sfu_rtp_ext_kind)kind);
            fuzz_check(fuzz_is_inside(value, rtp.extension), "value inside");
            fuzz_check((value.size != 0) == sfu_rtp_ext_has(&exts, (enum sfu_rtp_ext_kind)kind),
                       "no empty values");
        }
        check_copy(&exts, &to);
        sfu_rtp_ext_map_merge(&to, &from);
        check_copy(&exts, &from);
    }
    free(copy);
    return 0;
}
