#include "sfu/wire/sdp_answer.h"

#include "sfu/wire/words.h"

enum { SCTP_PORT = 5000 }; /* RFC 8841 section 5: any; this is the one everybody writes */

/* What an m-line may be made of. Old senders leave the first words out. */
static bool is_rtp(struct nx_bytes protocol)
{
    return sfu_words_is(protocol, "UDP/TLS/RTP/SAVPF") || sfu_words_is(protocol, "TCP/TLS/RTP/SAVPF") ||
           sfu_words_is(protocol, "UDP/TLS/RTP/SAVP") || sfu_words_is(protocol, "RTP/SAVPF");
}

static bool is_sctp(struct nx_bytes protocol)
{
    return sfu_words_is(protocol, "UDP/DTLS/SCTP") || sfu_words_is(protocol, "TCP/DTLS/SCTP") ||
           sfu_words_is(protocol, "DTLS/SCTP");
}

static enum sfu_sdp_direction flip(enum sfu_sdp_direction direction)
{
    return (enum sfu_sdp_direction)(((direction & SFU_SDP_SENDONLY) != 0 ? SFU_SDP_RECVONLY : 0) |
                                    ((direction & SFU_SDP_RECVONLY) != 0 ? SFU_SDP_SENDONLY : 0));
}

static bool has_media(enum sfu_sdp_codec_kind kind)
{
    return kind == SFU_SDP_CODEC_OPUS || kind == SFU_SDP_CODEC_VP8 || kind == SFU_SDP_CODEC_VP9 ||
           kind == SFU_SDP_CODEC_H264 || kind == SFU_SDP_CODEC_AV1;
}

/* A clock rate that does not belong to the codec means that the name is somebody else's. */
static bool is_sane(const struct sfu_sdp_codec *codec, enum sfu_sdp_kind kind)
{
    if (codec->kind == SFU_SDP_CODEC_OPUS) {
        return kind == SFU_SDP_AUDIO && codec->clock_rate == 48000 && codec->channels == 2;
    }
    return !has_media(codec->kind) || (kind == SFU_SDP_VIDEO && codec->clock_rate == 90000);
}

static bool is_kept(const struct sfu_sdp_media *answer, unsigned payload_type)
{
    return sfu_sdp_codec_of(answer, payload_type) != NULL;
}

/* Media codecs first decide, then what repairs or wraps one of them. Returns whether a media codec is left. */
static bool answer_codecs(const struct sfu_sdp_media *offer, const struct sfu_sdp_policy *policy,
                          struct sfu_sdp_media *answer)
{
    bool is_wanted[SFU_SDP_CODECS_MAX];
    bool has_one = false;
    for (unsigned i = 0; i < offer->codecs_count; i++) {
        const struct sfu_sdp_codec *codec = &offer->codecs[i];
        is_wanted[i] =
            (policy->codecs >> codec->kind & 1) != 0 && codec->name.size != 0 && is_sane(codec, offer->kind);
        has_one = has_one || (is_wanted[i] && has_media(codec->kind));
    }
    /* Twice, because RTX may repair RED, which wraps a media codec. */
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < offer->codecs_count; i++) {
            const struct sfu_sdp_codec *codec = &offer->codecs[i];
            if (!is_wanted[i] || !codec->has_apt || has_media(codec->kind)) {
                continue;
            }
            bool is_useful = false;
            for (unsigned j = 0; j < offer->codecs_count; j++) {
                is_useful =
                    is_useful || (is_wanted[j] && j != i && offer->codecs[j].payload_type == codec->apt);
            }
            is_wanted[i] = is_useful;
        }
    }
    for (unsigned i = 0; i < offer->codecs_count; i++) {
        if (is_wanted[i] && !is_kept(answer, offer->codecs[i].payload_type)) {
            struct sfu_sdp_codec *codec = &answer->codecs[answer->codecs_count++];
            *codec = offer->codecs[i];
            codec->feedback &= policy->feedback;
        }
    }
    return has_one;
}

static void answer_exts(const struct sfu_sdp_media *offer, uint32_t wanted, struct sfu_sdp_media *answer)
{
    struct sfu_rtp_ext_map map;
    sfu_rtp_ext_map_init(&map);
    for (unsigned i = 0; i < offer->exts_count; i++) {
        const struct sfu_sdp_ext *ext = &offer->exts[i];
        const enum sfu_rtp_ext_kind kind = sfu_rtp_ext_kind_of(ext->uri);
        if (kind < SFU_RTP_EXT_KINDS && (wanted >> kind & 1) != 0 && ext->direction != SFU_SDP_INACTIVE &&
            sfu_rtp_ext_map_add(&map, kind, ext->id) == NX_OK) {
            answer->exts[answer->exts_count++] =
                (struct sfu_sdp_ext){.uri = ext->uri, .id = ext->id, .direction = flip(ext->direction)};
        }
    }
}

static void answer_rids(const struct sfu_sdp_media *offer, struct sfu_sdp_media *answer)
{
    for (unsigned i = 0; i < offer->rids_count; i++) {
        if (offer->rids[i].is_send) {
            answer->rids[answer->rids_count++] =
                (struct sfu_sdp_rid){.name = offer->rids[i].name, .is_send = false};
        }
    }
}

static bool answer_media(const struct sfu_sdp_media *offer, const struct sfu_sdp_policy *policy,
                         struct sfu_sdp_media *answer)
{
    if (offer->is_rejected) {
        return false;
    }
    if (offer->kind == SFU_SDP_APPLICATION) {
        answer->sctp_port = SCTP_PORT;
        answer->message_size_max = policy->message_size_max;
        return policy->takes_data && is_sctp(offer->protocol) && offer->sctp_port != 0;
    }
    if ((offer->kind != SFU_SDP_AUDIO && offer->kind != SFU_SDP_VIDEO) || !is_rtp(offer->protocol) ||
        !offer->has_rtcp_mux || !answer_codecs(offer, policy, answer)) {
        return false;
    }
    answer->direction = flip(offer->direction);
    answer->has_rtcp_mux = true;
    answer->has_rtcp_rsize = offer->has_rtcp_rsize;
    answer->allows_mixed = offer->allows_mixed;
    answer_exts(offer, offer->kind == SFU_SDP_AUDIO ? policy->exts_audio : policy->exts_video, answer);
    answer_rids(offer, answer);
    return true;
}

static void begin(const struct sfu_sdp_media *offer, struct sfu_sdp_media *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->name = offer->name;
    answer->protocol = offer->protocol;
    answer->formats = offer->formats;
    answer->mid = offer->mid;
    answer->kind = offer->kind;
}

/* A mid names one m-line; the first that has it keeps it. */
static bool is_mid_taken(const struct sfu_sdp *answer, unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (answer->media[i].mid.size != 0 &&
            nx_bytes_equal(answer->media[i].mid, answer->media[index].mid)) {
            return true;
        }
    }
    return false;
}

enum nx_err sfu_sdp_answer(const struct sfu_sdp *offer, const struct sfu_sdp_policy *policy,
                           struct sfu_sdp *answer)
{
    struct sfu_sdp_transport theirs;
    const enum nx_err err = sfu_sdp_transport_of(offer, &theirs);
    memset(answer, 0, offsetof(struct sfu_sdp, media));
    if (err != NX_OK) {
        return err;
    }
    answer->session_id = policy->session_id;
    answer->session_version = policy->session_version;
    answer->transport = policy->transport;
    answer->transport.setup = theirs.setup == SFU_SDP_PASSIVE ? SFU_SDP_ACTIVE : SFU_SDP_PASSIVE;
    answer->allows_mixed = offer->allows_mixed;
    answer->is_lite = true;
    for (unsigned i = 0; i < policy->candidates_count && i < SFU_SDP_CANDIDATES_MAX; i++) {
        answer->candidates[answer->candidates_count++] = policy->candidates[i];
    }
    answer->media_count = offer->media_count;
    unsigned accepted = 0;
    for (unsigned i = 0; i < offer->media_count; i++) {
        const struct sfu_sdp_media *theirs_media = &offer->media[i];
        struct sfu_sdp_media *ours = &answer->media[i];
        begin(theirs_media, ours);
        const bool has_transport = offer->bundle.size != 0 ? theirs_media->is_bundled : accepted == 0;
        if (!has_transport || is_mid_taken(answer, i) || !answer_media(theirs_media, policy, ours)) {
            begin(theirs_media, ours);
            ours->is_rejected = true;
            continue;
        }
        ours->is_bundled = theirs_media->is_bundled;
        ours->transport = answer->transport;
        ours->has_end_of_candidates = accepted == 0;
        accepted++;
    }
    return accepted != 0 ? NX_OK : NX_E_NOT_FOUND;
}

void sfu_sdp_answer_map(const struct sfu_sdp_media *media, struct sfu_rtp_ext_map *map)
{
    sfu_rtp_ext_map_init(map);
    map->allows_mixed = media->allows_mixed;
    for (unsigned i = 0; i < media->exts_count; i++) {
        const enum sfu_rtp_ext_kind kind = sfu_rtp_ext_kind_of(media->exts[i].uri);
        if (kind < SFU_RTP_EXT_KINDS && sfu_rtp_ext_map_add(map, kind, media->exts[i].id) != NX_OK) {
            continue; /* not an answer of ours: the first meaning stays */
        }
    }
}
