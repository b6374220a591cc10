#include "sfu/wire/sdp_attr.h"

#include "engine/base/reader.h"
#include "sfu/wire/words.h"

/* A line being read. */
struct line {
    struct sfu_sdp *sdp;
    struct sfu_sdp_media *media;         /* NULL for the session's */
    struct sfu_sdp_transport *transport; /* of either */
    struct nx_bytes value;               /* behind the colon */
};

static struct sfu_sdp_codec *find_codec(struct sfu_sdp_media *media, uint64_t payload_type)
{
    for (unsigned i = 0; i < media->codecs_count; i++) {
        if (media->codecs[i].payload_type == payload_type) {
            return &media->codecs[i];
        }
    }
    return NULL;
}

unsigned sfu_sdp_attr_formats(struct sfu_sdp_media *media)
{
    unsigned refused = 0;
    struct nx_bytes rest = media->formats;
    while (rest.size != 0) {
        const struct nx_bytes word = sfu_words_next(&rest);
        uint64_t payload_type;
        if (word.size == 0) {
            continue;
        }
        if (!sfu_words_number(word, SFU_SDP_PAYLOAD_TYPES - 1, &payload_type) ||
            find_codec(media, payload_type) != NULL || media->codecs_count == SFU_SDP_CODECS_MAX) {
            refused++;
            continue;
        }
        media->codecs[media->codecs_count++] = (struct sfu_sdp_codec){
            .payload_type = (uint8_t)payload_type, .channels = 1, .profile_level_id = 0x42000a};
    }
    return refused;
}

static enum sfu_sdp_codec_kind kind_of(struct nx_bytes name)
{
    static const struct {
        const char *name;
        enum sfu_sdp_codec_kind kind;
    } names[] = {{"opus", SFU_SDP_CODEC_OPUS},
                 {"VP8", SFU_SDP_CODEC_VP8},
                 {"VP9", SFU_SDP_CODEC_VP9},
                 {"H264", SFU_SDP_CODEC_H264},
                 {"AV1", SFU_SDP_CODEC_AV1},
                 {"rtx", SFU_SDP_CODEC_RTX},
                 {"red", SFU_SDP_CODEC_RED},
                 {"ulpfec", SFU_SDP_CODEC_ULPFEC},
                 {"flexfec", SFU_SDP_CODEC_FLEXFEC},
                 {"flexfec-03", SFU_SDP_CODEC_FLEXFEC},
                 {"telephone-event", SFU_SDP_CODEC_TELEPHONE_EVENT},
                 {"CN", SFU_SDP_CODEC_CN}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (sfu_words_is(name, names[i].name)) {
            return names[i].kind;
        }
    }
    return SFU_SDP_CODEC_OTHER;
}

/* "111 opus/48000/2" */
static bool read_rtpmap(const struct line *line)
{
    struct nx_bytes rest = line->value;
    uint64_t payload_type;
    uint64_t clock_rate;
    uint64_t channels = 1;
    if (!sfu_words_number(sfu_words_next(&rest), SFU_SDP_PAYLOAD_TYPES - 1, &payload_type)) {
        return false;
    }
    struct sfu_sdp_codec *codec = find_codec(line->media, payload_type);
    const struct nx_bytes name = sfu_words_until(&rest, '/');
    const bool has_rate = sfu_words_number(sfu_words_until(&rest, '/'), UINT32_MAX, &clock_rate);
    if (codec == NULL || codec->name.size != 0 || name.size == 0 || !has_rate ||
        (rest.size != 0 && !sfu_words_number(rest, UINT8_MAX, &channels))) {
        return false;
    }
    codec->name = name;
    codec->kind = kind_of(name);
    codec->clock_rate = (uint32_t)clock_rate;
    codec->channels = (uint8_t)channels;
    return true;
}

static bool read_hex(struct nx_bytes word, uint32_t *out)
{
    uint32_t number = 0;
    for (size_t i = 0; i < word.size; i++) {
        const uint8_t c = word.at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0 || i >= 8) {
            return false;
        }
        number = number << 4 | (uint32_t)digit;
    }
    *out = number;
    return word.size != 0;
}

/* One "key=value" of a fmtp; what we do not know is the codecs' own business. */
static void read_parameter(struct sfu_sdp_codec *codec, struct nx_bytes pair)
{
    while (pair.size != 0 && pair.at[0] == ' ') {
        pair = nx_bytes_slice(pair, 1, SIZE_MAX);
    }
    const struct nx_bytes key = sfu_words_until(&pair, '=');
    uint64_t number;
    uint32_t hex;
    if (sfu_words_is(key, "apt") && sfu_words_number(pair, SFU_SDP_PAYLOAD_TYPES - 1, &number)) {
        codec->apt = (uint8_t)number;
        codec->has_apt = true;
    } else if (sfu_words_is(key, "packetization-mode") && sfu_words_number(pair, 2, &number)) {
        codec->packetization_mode = (uint8_t)number;
    } else if ((sfu_words_is(key, "profile-id") || sfu_words_is(key, "profile")) &&
               sfu_words_number(pair, UINT8_MAX, &number)) {
        codec->profile = (uint8_t)number;
    } else if (sfu_words_is(key, "profile-level-id") && pair.size == 6 && read_hex(pair, &hex)) {
        codec->profile_level_id = hex;
    }
}

/* "96 apt=97;rtx-time=3000", or "63 111/111" for RED */
static bool read_fmtp(const struct line *line)
{
    struct nx_bytes rest = line->value;
    uint64_t payload_type;
    uint64_t inner;
    if (!sfu_words_number(sfu_words_next(&rest), SFU_SDP_PAYLOAD_TYPES - 1, &payload_type)) {
        return false;
    }
    struct sfu_sdp_codec *codec = find_codec(line->media, payload_type);
    if (codec == NULL || codec->parameters.size != 0 || rest.size == 0) {
        return false;
    }
    codec->parameters = rest;
    struct nx_bytes list = rest;
    if (sfu_words_number(sfu_words_until(&list, '/'), SFU_SDP_PAYLOAD_TYPES - 1, &inner)) {
        codec->apt = (uint8_t)inner;
        codec->has_apt = true;
        return true;
    }
    while (rest.size != 0) {
        read_parameter(codec, sfu_words_until(&rest, ';'));
    }
    return true;
}

static uint8_t feedback_of(struct nx_bytes rest)
{
    const struct nx_bytes first = sfu_words_next(&rest);
    const struct nx_bytes second = sfu_words_next(&rest);
    if (sfu_words_is(first, "nack")) {
        return second.size == 0              ? SFU_SDP_FEEDBACK_NACK
               : sfu_words_is(second, "pli") ? SFU_SDP_FEEDBACK_PLI
                                             : 0;
    }
    if (sfu_words_is(first, "ccm")) {
        return sfu_words_is(second, "fir") ? SFU_SDP_FEEDBACK_FIR : 0;
    }
    if (sfu_words_is(first, "goog-remb")) {
        return SFU_SDP_FEEDBACK_REMB;
    }
    return sfu_words_is(first, "transport-cc") ? SFU_SDP_FEEDBACK_TRANSPORT_CC : 0;
}

/* "96 nack pli" or "* transport-cc" */
static bool read_rtcp_fb(const struct line *line)
{
    struct nx_bytes rest = line->value;
    const struct nx_bytes target = sfu_words_next(&rest);
    const uint8_t feedback = feedback_of(rest);
    if (nx_bytes_is(target, "*")) {
        for (unsigned i = 0; i < line->media->codecs_count; i++) {
            line->media->codecs[i].feedback |= feedback;
        }
        return true;
    }
    uint64_t payload_type;
    struct sfu_sdp_codec *codec = sfu_words_number(target, SFU_SDP_PAYLOAD_TYPES - 1, &payload_type)
                                      ? find_codec(line->media, payload_type)
                                      : NULL;
    if (codec != NULL) {
        codec->feedback |= feedback;
    }
    return codec != NULL;
}

static bool direction_of(struct nx_bytes word, enum sfu_sdp_direction *out)
{
    static const char *const names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    for (unsigned i = 0; i < 4; i++) {
        if (sfu_words_is(word, names[i])) {
            *out = (enum sfu_sdp_direction)i;
            return true;
        }
    }
    return false;
}

/* "2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level" */
static bool read_extmap(const struct line *line)
{
    struct sfu_sdp_media *media = line->media;
    struct nx_bytes rest = line->value;
    struct nx_bytes number = sfu_words_next(&rest);
    uint64_t id;
    struct sfu_sdp_ext ext = {.direction = SFU_SDP_SENDRECV};
    const bool has_id = sfu_words_number(sfu_words_until(&number, '/'), UINT8_MAX, &id);
    ext.uri = sfu_words_next(&rest);
    if (!has_id || id == 0 || ext.uri.size == 0 ||
        (number.size != 0 && !direction_of(number, &ext.direction)) ||
        media->exts_count == SFU_SDP_EXTS_MAX) {
        return false;
    }
    ext.id = (uint8_t)id;
    for (unsigned i = 0; i < media->exts_count; i++) {
        if (media->exts[i].id == ext.id) {
            return false;
        }
    }
    media->exts[media->exts_count++] = ext;
    return true;
}

static bool is_token(struct nx_bytes word, const char *more)
{
    for (size_t i = 0; i < word.size; i++) {
        const uint8_t c = word.at[i];
        const bool is_alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alphanumeric && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return word.size != 0;
}

/* "q send pt=96;max-width=1280"; restrictions are not ours to check, the layer is seen in its packets. */
static bool read_rid(const struct line *line)
{
    struct sfu_sdp_media *media = line->media;
    struct nx_bytes rest = line->value;
    const struct nx_bytes name = sfu_words_next(&rest);
    const struct nx_bytes side = sfu_words_next(&rest);
    const bool is_send = sfu_words_is(side, "send");
    if (!is_token(name, "-_") || name.size > SFU_RTP_MID_SIZE_MAX ||
        (!is_send && !sfu_words_is(side, "recv")) || media->rids_count == SFU_SDP_RIDS_MAX) {
        return false;
    }
    for (unsigned i = 0; i < media->rids_count; i++) {
        if (nx_bytes_equal(media->rids[i].name, name)) {
            return false;
        }
    }
    media->rids[media->rids_count++] = (struct sfu_sdp_rid){.name = name, .is_send = is_send};
    return true;
}

/* Moves the layer named `name` to place `at`, when it is there and not placed yet. */
static bool place_rid(struct sfu_sdp_media *media, struct nx_bytes name, bool is_send, unsigned at)
{
    const bool is_paused = name.size != 0 && name.at[0] == '~';
    name = is_paused ? nx_bytes_slice(name, 1, SIZE_MAX) : name;
    for (unsigned i = at; i < media->rids_count; i++) {
        if (media->rids[i].is_send == is_send && nx_bytes_equal(media->rids[i].name, name)) {
            struct sfu_sdp_rid found = media->rids[i];
            memmove(&media->rids[at + 1], &media->rids[at], (i - at) * sizeof(found));
            found.is_paused = is_paused;
            media->rids[at] = found;
            return true;
        }
    }
    return false;
}

void sfu_sdp_attr_simulcast(struct sfu_sdp_media *media, struct nx_bytes line)
{
    unsigned placed = 0;
    while (line.size != 0) {
        const struct nx_bytes side = sfu_words_next(&line);
        struct nx_bytes streams = sfu_words_next(&line);
        while (streams.size != 0) {
            struct nx_bytes alternatives = sfu_words_until(&streams, ';');
            while (alternatives.size != 0) {
                const struct nx_bytes name = sfu_words_until(&alternatives, ',');
                placed += place_rid(media, name, sfu_words_is(side, "send"), placed) ? 1 : 0;
            }
        }
    }
}

static struct sfu_sdp_source *find_source(struct sfu_sdp_media *media, uint32_t ssrc)
{
    for (unsigned i = 0; i < media->sources_count; i++) {
        if (media->sources[i].ssrc == ssrc ||
            (media->sources[i].has_repair && media->sources[i].repair == ssrc)) {
            return &media->sources[i];
        }
    }
    if (media->sources_count == SFU_SDP_SSRCS_MAX) {
        return NULL;
    }
    struct sfu_sdp_source *source = &media->sources[media->sources_count++];
    *source = (struct sfu_sdp_source){.ssrc = ssrc};
    return source;
}

/* "1234 cname:abc" */
static bool read_ssrc(const struct line *line)
{
    struct nx_bytes rest = line->value;
    uint64_t ssrc;
    if (!sfu_words_number(sfu_words_next(&rest), UINT32_MAX, &ssrc) ||
        find_source(line->media, (uint32_t)ssrc) == NULL) {
        return false;
    }
    const struct nx_bytes name = sfu_words_until(&rest, ':');
    if (sfu_words_is(name, "cname") && line->media->cname.size == 0) {
        line->media->cname = rest;
    }
    return true;
}

/* "FID 1234 5678"; other groups (SIM, FEC-FR) say nothing that rids and packets do not. */
static bool read_ssrc_group(const struct line *line)
{
    struct sfu_sdp_media *media = line->media;
    struct nx_bytes rest = line->value;
    uint64_t ssrc;
    uint64_t repair;
    if (!sfu_words_is(sfu_words_next(&rest), "FID")) {
        return true;
    }
    if (!sfu_words_number(sfu_words_next(&rest), UINT32_MAX, &ssrc) ||
        !sfu_words_number(sfu_words_next(&rest), UINT32_MAX, &repair) || ssrc == repair) {
        return false;
    }
    /* The repair stream may have been named as a stream of its own before. */
    for (unsigned i = 0; i < media->sources_count; i++) {
        if (media->sources[i].ssrc == repair && !media->sources[i].has_repair) {
            media->sources[i] = media->sources[--media->sources_count];
            break;
        }
    }
    struct sfu_sdp_source *source = find_source(media, (uint32_t)ssrc);
    if (source == NULL || source->ssrc != ssrc || source->has_repair) {
        return false;
    }
    source->repair = (uint32_t)repair;
    source->has_repair = true;
    return true;
}

static bool read_msid(const struct line *line)
{
    struct nx_bytes rest = line->value;
    line->media->stream_id = sfu_words_next(&rest);
    line->media->track_id = sfu_words_next(&rest);
    return line->media->stream_id.size != 0;
}

/* "sha-256 AB:CD:..." of either case; weaker hashes count as none. */
static bool read_fingerprint(const struct line *line)
{
    struct sfu_sdp_transport *transport = line->transport;
    struct nx_bytes rest = line->value;
    const struct nx_bytes hash = sfu_words_next(&rest);
    struct nx_bytes digits = sfu_words_next(&rest);
    uint8_t value[SFU_SDP_HASH_SIZE];
    bool is_good = sfu_words_is(hash, "sha-256") && digits.size == SFU_SDP_HASH_SIZE * 3 - 1 &&
                   transport->fingerprints_count < SFU_SDP_FINGERPRINTS_MAX;
    for (unsigned i = 0; is_good && i < SFU_SDP_HASH_SIZE; i++) {
        const struct nx_bytes pair = sfu_words_until(&digits, ':');
        uint32_t byte = 0;
        is_good = pair.size == 2 && read_hex(pair, &byte);
        value[i] = (uint8_t)byte;
    }
    if (!is_good) {
        if (transport->fingerprints_refused < UINT8_MAX) {
            transport->fingerprints_refused++;
        }
        return false;
    }
    memcpy(transport->fingerprints[transport->fingerprints_count++], value, sizeof(value));
    return true;
}

static bool read_setup(const struct line *line)
{
    static const char *const names[] = {"actpass", "active", "passive"};
    for (unsigned i = 0; i < 3; i++) {
        if (sfu_words_is(line->value, names[i])) {
            line->transport->setup = (enum sfu_sdp_setup)(SFU_SDP_ACTPASS + i);
            return true;
        }
    }
    return false;
}

static bool read_ufrag(const struct line *line)
{
    line->transport->ufrag = line->value;
    return line->value.size != 0;
}

static bool read_password(const struct line *line)
{
    line->transport->password = line->value;
    return line->value.size != 0;
}

static bool read_candidate(const struct line *line)
{
    struct sfu_sdp *sdp = line->sdp;
    struct sfu_candidate candidate;
    if (sdp->candidates_seen < UINT16_MAX) {
        sdp->candidates_seen++;
    }
    if (sfu_candidate_parse(line->value, &candidate) != NX_OK) {
        return false;
    }
    if (candidate.component == 1 && sdp->candidates_count < SFU_SDP_CANDIDATES_MAX) {
        sdp->candidates[sdp->candidates_count++] = candidate;
    }
    return true;
}

static bool read_mid(const struct line *line)
{
    if (!is_token(line->value, "!#$%&'*+-.^_`{|}~") || line->value.size > SFU_RTP_MID_SIZE_MAX) {
        return false;
    }
    line->media->mid = line->value;
    return true;
}

static bool read_group(const struct line *line)
{
    struct nx_bytes rest = line->value;
    if (sfu_words_is(sfu_words_next(&rest), "BUNDLE") && line->sdp->bundle.size == 0) {
        line->sdp->bundle = rest;
    }
    return true;
}

static bool read_ice_options(const struct line *line)
{
    struct nx_bytes rest = line->value;
    while (rest.size != 0) {
        const struct nx_bytes option = sfu_words_next(&rest);
        line->sdp->has_trickle = line->sdp->has_trickle || sfu_words_is(option, "trickle");
    }
    return true;
}

static bool read_sctp_port(const struct line *line)
{
    struct nx_bytes rest = line->value; /* a=sctpmap goes on behind the port */
    uint64_t port;
    if (!sfu_words_number(sfu_words_next(&rest), UINT16_MAX, &port)) {
        return false;
    }
    line->media->sctp_port = (uint16_t)port;
    return true;
}

static bool read_message_size(const struct line *line)
{
    uint64_t size;
    if (!sfu_words_number(line->value, UINT64_MAX, &size)) {
        return false;
    }
    line->media->message_size_max = (uint32_t)(size < UINT32_MAX ? size : UINT32_MAX);
    return true;
}

/* Flags: the line's name alone says it. */
static bool read_flag(const struct line *line, struct nx_bytes name)
{
    struct sfu_sdp_media *media = line->media;
    enum sfu_sdp_direction direction;
    if (direction_of(name, &direction)) {
        *(media != NULL ? &media->direction : &line->sdp->direction) = direction;
    } else if (sfu_words_is(name, "extmap-allow-mixed")) {
        *(media != NULL ? &media->allows_mixed : &line->sdp->allows_mixed) = true;
    } else if (media == NULL && sfu_words_is(name, "ice-lite")) {
        line->sdp->is_lite = true;
    } else if (media != NULL && sfu_words_is(name, "rtcp-mux")) {
        media->has_rtcp_mux = true;
    } else if (media != NULL && sfu_words_is(name, "rtcp-rsize")) {
        media->has_rtcp_rsize = true;
    } else if (media != NULL && sfu_words_is(name, "bundle-only")) {
        media->is_bundle_only = true;
    } else if (media != NULL && sfu_words_is(name, "end-of-candidates")) {
        media->has_end_of_candidates = true;
    } else {
        return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool is_for_session; /* may stand before the first m-line */
    bool is_for_media;   /* may stand behind one */
    bool (*read)(const struct line *line);
} attributes[] = {
    {"rtpmap", false, true, read_rtpmap},
    {"fmtp", false, true, read_fmtp},
    {"rtcp-fb", false, true, read_rtcp_fb},
    {"extmap", false, true, read_extmap},
    {"mid", false, true, read_mid},
    {"rid", false, true, read_rid},
    {"ssrc", false, true, read_ssrc},
    {"ssrc-group", false, true, read_ssrc_group},
    {"msid", false, true, read_msid},
    {"sctp-port", false, true, read_sctp_port},
    {"sctpmap", false, true, read_sctp_port},
    {"max-message-size", false, true, read_message_size},
    {"candidate", true, true, read_candidate},
    {"fingerprint", true, true, read_fingerprint},
    {"setup", true, true, read_setup},
    {"ice-ufrag", true, true, read_ufrag},
    {"ice-pwd", true, true, read_password},
    {"ice-options", true, true, read_ice_options},
    {"group", true, false, read_group},
};

enum sfu_sdp_attr_verdict sfu_sdp_attr_read(struct sfu_sdp *sdp, struct sfu_sdp_media *media,
                                            struct nx_bytes text)
{
    struct line line = {
        .sdp = sdp, .media = media, .transport = media != NULL ? &media->transport : &sdp->transport};
    line.value = text;
    const struct nx_bytes name = sfu_words_until(&line.value, ':');
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        if (sfu_words_is(name, attributes[i].name)) {
            const bool is_placed = media != NULL ? attributes[i].is_for_media : attributes[i].is_for_session;
            return is_placed && attributes[i].read(&line) ? SFU_SDP_ATTR_TAKEN : SFU_SDP_ATTR_REFUSED;
        }
    }
    return read_flag(&line, name) ? SFU_SDP_ATTR_TAKEN : SFU_SDP_ATTR_UNKNOWN;
}
