/* rtp_ext.h - header extensions of RTP: which elements a packet has, what they say, and the block for another receiver.
 *
 * Spec:    RFC 8285 (one-byte and two-byte elements), RFC 9143 section 15 (MID), RFC 8852 (RID), RFC 6464 and 6465 (levels),
 *          3GPP TS 26.114 section 7.4.5 (orientation), the WebRTC project's abs-send-time and playout-delay,
 *          draft-holmer-rmcat-transport-wide-cc-extensions-01, AV1 RTP section A.8.2 (the first three bytes of the
 *          dependency descriptor). Encrypted elements (RFC 6904) are not negotiated.
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; a map is written before use and only read afterwards
 * Limits:  ids 1..63; SFU_RTP_EXT_ELEMENTS_MAX elements of one packet
 * Idiom:   a map says which id means what on one side; parse with the sender's map, write with the receiver's.
 */
#ifndef SFU_WIRE_RTP_EXT_H
#define SFU_WIRE_RTP_EXT_H

#include "sfu/wire/limits.h"
#include "sfu/wire/rtp.h"

/** The extensions we know; one per line of rtp_ext.def. */
enum sfu_rtp_ext_kind {
#define SFU_RTP_EXT(kind, size_min, size_max, uri) SFU_RTP_EXT_##kind,
#include "sfu/wire/rtp_ext.def"
#undef SFU_RTP_EXT
    SFU_RTP_EXT_KINDS,    /**< how many there are */
    SFU_RTP_EXT_NONE,     /**< an id that means nothing */
    SFU_RTP_EXT_AMBIGUOUS /**< an id that means different things on different m-lines */
};

/** Which id means which extension on one m-line, or on a transport when maps were merged. */
struct sfu_rtp_ext_map {
    uint8_t kind_of_id[SFU_RTP_EXT_IDS];   /**< enum sfu_rtp_ext_kind; [0] unused */
    uint8_t id_of_kind[SFU_RTP_EXT_KINDS]; /**< 1..63; 0 when not negotiated */
    bool allows_mixed;                     /**< a=extmap-allow-mixed: two-byte elements may be sent */
};

/** Returns the extension that `uri` names, SFU_RTP_EXT_NONE when we do not know it. */
enum sfu_rtp_ext_kind sfu_rtp_ext_kind_of(struct nx_bytes uri);

/** Returns the URI of `kind`, which is below SFU_RTP_EXT_KINDS; a static text. */
const char *sfu_rtp_ext_uri(enum sfu_rtp_ext_kind kind);

/** Makes `map` mean nothing. */
void sfu_rtp_ext_map_init(struct sfu_rtp_ext_map *map);

/**
 * Lets `id` mean `kind`.
 *
 * Returns NX_E_UNSUPPORTED when the id is 0, 15 (RFC 8285 section 4.2) or above 63, NX_E_CONFLICT when id or kind
 * mean something already; `map` is then untouched. The same pair again is no error.
 */
NX_MUST_USE enum nx_err sfu_rtp_ext_map_add(struct sfu_rtp_ext_map *map, enum sfu_rtp_ext_kind kind,
                                            unsigned id);

/**
 * Adds what `other` says. An id that means something else there becomes ambiguous and stays so: packets are first
 * told apart without it. A kind with two ids keeps both for reading and the first for writing.
 */
void sfu_rtp_ext_map_merge(struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_map *other);

/** Where one element of a packet lies. */
struct sfu_rtp_ext_place {
    uint16_t at;  /**< bytes from the start of the block's elements */
    uint8_t size; /**< bytes */
};

/** The known elements of one packet; they borrow from it. */
struct sfu_rtp_exts {
    struct nx_bytes block;  /**< the elements as a whole */
    uint32_t kinds;         /**< bit 1 << kind: present and of a legal size */
    uint16_t ignored_count; /**< elements of an illegal size, repeated or beyond the cap */
    struct sfu_rtp_ext_place places[SFU_RTP_EXT_KINDS]; /**< valid where kinds has the bit */
};

/**
 * Finds the elements of `rtp` that `map` knows. A block of another profile has none. Elements of a wrong size count
 * in ignored_count, the first of several of one kind is taken, id 15 of the one-byte form ends the block.
 *
 * Returns NX_E_MALFORMED when an element reaches past the block.
 */
NX_MUST_USE enum nx_err sfu_rtp_ext_parse(const struct sfu_rtp *rtp, const struct sfu_rtp_ext_map *map,
                                          struct sfu_rtp_exts *out);

/** Returns whether the packet has a legal element of `kind`. */
static inline bool sfu_rtp_ext_has(const struct sfu_rtp_exts *exts, enum sfu_rtp_ext_kind kind)
{
    return (exts->kinds >> kind & 1) != 0;
}

/** Returns the bytes of the element of `kind`, empty when there is none. */
static inline struct nx_bytes sfu_rtp_ext_value(const struct sfu_rtp_exts *exts, enum sfu_rtp_ext_kind kind)
{
    if (!sfu_rtp_ext_has(exts, kind)) {
        return nx_bytes_of(NULL, 0);
    }
    return nx_bytes_slice(exts->block, exts->places[kind].at, exts->places[kind].size);
}

/** Elements to be written; values are borrowed. */
struct sfu_rtp_ext_set {
    uint32_t kinds;                            /**< bit 1 << kind: values[kind] is meant */
    struct nx_bytes values[SFU_RTP_EXT_KINDS]; /**< at most 255 bytes each */
};

/** Puts one element into `set`, instead of an earlier one of that kind. */
static inline void sfu_rtp_ext_put(struct sfu_rtp_ext_set *set, enum sfu_rtp_ext_kind kind,
                                   struct nx_bytes value)
{
    set->values[kind] = value;
    set->kinds |= 1U << kind;
}

/** Takes over the elements of a packet whose bits are in `wanted`; they borrow from that packet. */
void sfu_rtp_ext_take(struct sfu_rtp_ext_set *set, const struct sfu_rtp_exts *exts, uint32_t wanted);

/**
 * Returns the bytes of the block that sfu_rtp_ext_write() writes for a receiver with `map`, its header included:
 * a multiple of 4, 0 when nothing of `set` is negotiated. The one-byte form is taken when everything fits it;
 * otherwise the two-byte form if the receiver allows mixing, else what does not fit is left out.
 */
size_t sfu_rtp_ext_size(const struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_set *set);

/**
 * Writes the block of that size in the order of the kinds. places[kind] gets where the value of each written
 * element lies, from the first byte of this block, so that it can be overwritten later; at is 0 for the others.
 * `places` may be NULL. When it does not fit, `out` says so and `places` means nothing.
 */
void sfu_rtp_ext_write(const struct sfu_rtp_ext_map *map, const struct sfu_rtp_ext_set *set,
                       struct nx_writer *out, struct sfu_rtp_ext_place places[SFU_RTP_EXT_KINDS]);

/** Reads an element of 1 to 4 bytes as a big-endian number; 0 for other sizes. */
uint32_t sfu_rtp_ext_number(struct nx_bytes value);

/** Returns the level of an AUDIO_LEVEL element: 0 (loudest) .. 127 (silence), in -dBov (RFC 6464 section 3). */
static inline uint8_t sfu_rtp_ext_level(struct nx_bytes value)
{
    return (uint8_t)(sfu_rtp_ext_number(value) & 0x7f);
}

/** Returns whether the sender of an AUDIO_LEVEL element takes it for speech (RFC 6464 section 3, V bit). */
static inline bool sfu_rtp_ext_is_voice(struct nx_bytes value)
{
    return (sfu_rtp_ext_number(value) & 0x80) != 0;
}

/** Returns an instant as abs-send-time: seconds modulo 64 in 6.18 fixed point, 24 bits. */
static inline uint32_t sfu_rtp_ext_send_time(int64_t instant_ns)
{
    const uint64_t ns = (uint64_t)instant_ns % 64000000000U;
    return (uint32_t)((ns << 18) / 1000000000U) & 0xffffffU;
}

/** The part of a dependency descriptor that every packet has (AV1 RTP section A.8.2). */
struct sfu_rtp_ext_dd {
    uint16_t frame_number; /**< wraps at 65536 */
    uint8_t template_id;   /**< 0..63 */
    bool is_frame_start;   /**< first packet of a frame */
    bool is_frame_end;     /**< last packet of a frame */
    struct nx_bytes rest;  /**< extended fields as bits: structure, targets; empty in most packets */
};

/** Reads the mandatory fields of a DEPENDENCY_DESCRIPTOR element. Returns NX_E_TRUNCATED for fewer than 3 bytes. */
NX_MUST_USE enum nx_err sfu_rtp_ext_dd_parse(struct nx_bytes value, struct sfu_rtp_ext_dd *out);

#endif
