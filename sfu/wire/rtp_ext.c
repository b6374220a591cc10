#include "sfu/wire/rtp_ext.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"

static const struct {
    const char *uri;
    uint8_t size_min;
    uint8_t size_max;
} kinds[SFU_RTP_EXT_KINDS] = {
#define SFU_RTP_EXT(kind, min, max, text)                                                                    \
    [SFU_RTP_EXT_##kind] = {.uri = (text), .size_min = (min), .size_max = (max)},
#include "sfu/wire/rtp_ext.def"
#undef SFU_RTP_EXT
};

_Static_assert(SFU_RTP_EXT_KINDS <= 32, "kinds are bits of 32");

enum {
    BLOCK_HEADER_SIZE = 4, /* RFC 3550 section 5.3.1: profile and length in words */
    ONE_BYTE_ID_MAX = 14,  /* RFC 8285 section 4.2 */
    ONE_BYTE_ID_STOP = 15,
    ONE_BYTE_SIZE_MAX = 16
};

enum form { FORM_NONE, FORM_ONE_BYTE, FORM_TWO_BYTE };

enum sfu_rtp_ext_kind sfu_rtp_ext_kind_of(struct nx_bytes uri)
{
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        if (nx_bytes_is(uri, kinds[kind].uri)) {
            return (enum sfu_rtp_ext_kind)kind;
        }
    }
    return SFU_RTP_EXT_NONE;
}

const char *sfu_rtp_ext_uri(enum sfu_rtp_ext_kind kind)
{
    NX_ASSERT(kind < SFU_RTP_EXT_KINDS);
    return kinds[kind].uri;
}

void sfu_rtp_ext_map_init(struct sfu_rtp_ext_map *map)
{
    *map = (struct sfu_rtp_ext_map){0};
    memset(map->kind_of_id, SFU_RTP_EXT_NONE, sizeof(map->kind_of_id));
}

enum nx_err sfu_rtp_ext_map_add(struct sfu_rtp_ext_map *map, enum sfu_rtp_ext_kind kind, unsigned id)
{
    NX_ASSERT(kind < SFU_RTP_EXT_KINDS);
    if (id == 0 || id == ONE_BYTE_ID_STOP || id >= SFU_RTP_EXT_IDS) {
        return NX_E_UNSUPPORTED;
    }
    if (map->kind_of_id[id] == kind && map->id_of_kind[kind] == id) {
        return NX_OK;
    }
    if (map->kind_of_id[id] != SFU_RTP_EXT_NONE || map->id_of_kind[kind] != 0) {
        return NX_E_CONFLICT;
    }
    map->kind_of_id[id] = (uint8_t)kind;
    map->id_of_kind[kind] = (uint8_t)id;
    return NX_OK;
}

void sfu_rtp_ext_map_merge(struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_map *other)
{
    for (unsigned id = 1; id < SFU_RTP_EXT_IDS; id++) {
        const uint8_t here = map->kind_of_id[id];
        const uint8_t there = other->kind_of_id[id];
        if (there == SFU_RTP_EXT_NONE || there == here || here == SFU_RTP_EXT_AMBIGUOUS) {
            continue;
        }
        if (here == SFU_RTP_EXT_NONE && there != SFU_RTP_EXT_AMBIGUOUS) {
            map->kind_of_id[id] = there;
            if (map->id_of_kind[there] == 0) {
                map->id_of_kind[there] = (uint8_t)id;
            }
            continue;
        }
        map->kind_of_id[id] = SFU_RTP_EXT_AMBIGUOUS;
        if (here < SFU_RTP_EXT_KINDS && map->id_of_kind[here] == id) {
            map->id_of_kind[here] = 0;
        }
    }
    map->allows_mixed = map->allows_mixed || other->allows_mixed;
}

/* Reads the id and size before one element. False at padding, which is one byte, and at the end. */
static bool element_head(struct nx_reader *in, bool is_two_byte, unsigned *id, size_t *size)
{
    const uint8_t first = nx_reader_u8(in);
    if (is_two_byte) {
        *id = first;
        *size = first != 0 ? nx_reader_u8(in) : 0;
    } else {
        *id = first >> 4;
        *size = (size_t)(first & 0x0f) + 1;
    }
    return *id != 0;
}

static void note(struct sfu_rtp_exts *exts, unsigned kind, size_t at, size_t size)
{
    if (size < kinds[kind].size_min || size > kinds[kind].size_max || (exts->kinds >> kind & 1) != 0) {
        exts->ignored_count++;
        return;
    }
    exts->places[kind] = (struct sfu_rtp_ext_place){.at = (uint16_t)at, .size = (uint8_t)size};
    exts->kinds |= 1U << kind;
}

enum nx_err sfu_rtp_ext_parse(const struct sfu_rtp *rtp, const struct sfu_rtp_ext_map *map,
                              struct sfu_rtp_exts *out)
{
    const bool is_one_byte = rtp->extension_profile == SFU_RTP_PROFILE_ONE_BYTE;
    const bool is_two_byte =
        (rtp->extension_profile & SFU_RTP_PROFILE_TWO_BYTE_MASK) == SFU_RTP_PROFILE_TWO_BYTE;
    struct sfu_rtp_exts exts;
    exts.block = rtp->extension;
    exts.kinds = 0;
    exts.ignored_count = 0;
    struct nx_reader in =
        nx_reader_init(rtp->extension.at, is_one_byte || is_two_byte ? rtp->extension.size : 0);
    for (unsigned count = 0; nx_reader_left(&in) != 0;) {
        unsigned id;
        size_t size;
        if (!element_head(&in, is_two_byte, &id, &size)) {
            continue;
        }
        if (is_one_byte && id == ONE_BYTE_ID_STOP) {
            break;
        }
        const size_t at = rtp->extension.size - nx_reader_left(&in);
        (void)nx_reader_take(&in, size);
        if (!nx_reader_ok(&in)) {
            return NX_E_MALFORMED;
        }
        const unsigned kind = id < SFU_RTP_EXT_IDS ? map->kind_of_id[id] : SFU_RTP_EXT_NONE;
        if (kind < SFU_RTP_EXT_KINDS) {
            if (++count > SFU_RTP_EXT_ELEMENTS_MAX) {
                exts.ignored_count++;
            } else {
                note(&exts, kind, at, size);
            }
        }
    }
    out->block = exts.block;
    out->kinds = exts.kinds;
    out->ignored_count = exts.ignored_count;
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        if ((exts.kinds >> kind & 1) != 0) {
            out->places[kind] = exts.places[kind];
        }
    }
    return NX_OK;
}

void sfu_rtp_ext_take(struct sfu_rtp_ext_set *set, const struct sfu_rtp_exts *exts, uint32_t wanted)
{
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        if ((exts->kinds & wanted & 1U << kind) != 0) {
            sfu_rtp_ext_put(set, (enum sfu_rtp_ext_kind)kind,
                            sfu_rtp_ext_value(exts, (enum sfu_rtp_ext_kind)kind));
        }
    }
}

static bool fits_one_byte(unsigned id, size_t size)
{
    return id <= ONE_BYTE_ID_MAX && size >= 1 && size <= ONE_BYTE_SIZE_MAX;
}

/* What the block will be: its form, the kinds that are written, the bytes of their elements without padding. */
struct plan {
    enum form form;
    uint32_t kinds;
    size_t size;
};

static struct plan plan_block(const struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_set *set)
{
    struct plan plan = {.form = FORM_NONE};
    uint32_t narrow = 0;
    size_t data_size = 0;
    size_t narrow_size = 0;
    unsigned count = 0;
    unsigned narrow_count = 0;
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        const unsigned id = map->id_of_kind[kind];
        if ((set->kinds >> kind & 1) == 0 || id == 0) {
            continue;
        }
        const size_t size = set->values[kind].size;
        NX_ASSERT(size <= UINT8_MAX);
        plan.kinds |= 1U << kind;
        data_size += size;
        count++;
        if (fits_one_byte(id, size)) {
            narrow |= 1U << kind;
            narrow_size += size;
            narrow_count++;
        }
    }
    if (narrow == plan.kinds || !map->allows_mixed) {
        plan.form = narrow != 0 ? FORM_ONE_BYTE : FORM_NONE;
        plan.kinds = narrow;
        plan.size = narrow_size + narrow_count;
    } else {
        plan.form = FORM_TWO_BYTE;
        plan.size = data_size + 2 * (size_t)count;
    }
    return plan;
}

static size_t round_up(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

size_t sfu_rtp_ext_size(const struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_set *set)
{
    const struct plan plan = plan_block(map, set);
    return plan.form == FORM_NONE ? 0 : BLOCK_HEADER_SIZE + round_up(plan.size);
}

void sfu_rtp_ext_write(const struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_set *set,
                       struct nx_writer *out, struct sfu_rtp_ext_place places[SFU_RTP_EXT_KINDS])
{
    const struct plan plan = plan_block(map, set);
    const size_t start = out->size;
    if (places != NULL) {
        memset(places, 0, SFU_RTP_EXT_KINDS * sizeof(places[0]));
    }
    if (plan.form == FORM_NONE) {
        return;
    }
    nx_writer_u16(out, plan.form == FORM_ONE_BYTE ? SFU_RTP_PROFILE_ONE_BYTE : SFU_RTP_PROFILE_TWO_BYTE);
    nx_writer_u16(out, (uint16_t)(round_up(plan.size) / 4));
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        if ((plan.kinds >> kind & 1) == 0) {
            continue;
        }
        const struct nx_bytes value = set->values[kind];
        if (plan.form == FORM_ONE_BYTE) {
            nx_writer_u8(out, (uint8_t)((uint32_t)map->id_of_kind[kind] << 4 | (uint32_t)(value.size - 1)));
        } else {
            nx_writer_u8(out, map->id_of_kind[kind]);
            nx_writer_u8(out, (uint8_t)value.size);
        }
        if (places != NULL) {
            places[kind] =
                (struct sfu_rtp_ext_place){.at = (uint16_t)(out->size - start), .size = (uint8_t)value.size};
        }
        nx_writer_bytes_put(out, value);
    }
    for (size_t size = plan.size; size < round_up(plan.size); size++) {
        nx_writer_u8(out, 0);
    }
}

uint32_t sfu_rtp_ext_number(struct nx_bytes value)
{
    struct nx_reader in = nx_reader_init(value.at, value.size <= 4 ? value.size : 0);
    uint32_t number = 0;
    while (nx_reader_left(&in) != 0) {
        number = number << 8 | nx_reader_u8(&in);
    }
    return number;
}

enum nx_err sfu_rtp_ext_dd_parse(struct nx_bytes value, struct sfu_rtp_ext_dd *out)
{
    struct nx_reader in = nx_reader_init(value.at, value.size);
    const uint8_t first = nx_reader_u8(&in);
    const uint16_t frame_number = nx_reader_u16(&in);
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    *out = (struct sfu_rtp_ext_dd){.frame_number = frame_number,
                                   .template_id = first & 0x3f,
                                   .is_frame_start = (first & 0x80) != 0,
                                   .is_frame_end = (first & 0x40) != 0,
                                   .rest = nx_reader_bytes(&in, nx_reader_left(&in))};
    return NX_OK;
}
