#include "sfu/wire/sdp.h"

#include "sfu/wire/sdp_attr.h"
#include "sfu/wire/words.h"

enum {
    MESSAGE_SIZE_DEFAULT = 65536, /* RFC 8841 section 6.1 */
    UFRAG_SIZE_MIN = 4,           /* RFC 8839 section 5.4 */
    PASSWORD_SIZE_MIN = 22,
    CREDENTIAL_SIZE_MAX = 256
};

/* The text being read. */
struct parser {
    struct sfu_sdp *sdp;
    struct sfu_sdp_media *media; /* the m-line that lines belong to; NULL before the first */
    struct nx_bytes simulcast;   /* a=simulcast of that m-line: its rids may come behind it */
};

static void refuse(struct parser *p)
{
    if (p->sdp->refused_count < UINT16_MAX) {
        p->sdp->refused_count++;
    }
}

static void ignore(struct parser *p)
{
    if (p->sdp->ignored_count < UINT16_MAX) {
        p->sdp->ignored_count++;
    }
}

static enum sfu_sdp_kind kind_of(struct nx_bytes name)
{
    return nx_bytes_is(name, "audio")         ? SFU_SDP_AUDIO
           : nx_bytes_is(name, "video")       ? SFU_SDP_VIDEO
           : nx_bytes_is(name, "application") ? SFU_SDP_APPLICATION
                                              : SFU_SDP_OTHER;
}

static void end_media(struct parser *p)
{
    if (p->media != NULL) {
        sfu_sdp_attr_simulcast(p->media, p->simulcast);
    }
    p->simulcast = nx_bytes_of(NULL, 0);
}

/* "audio 9 UDP/TLS/RTP/SAVPF 111 63"; a broken one stays in its place, refused, because answers count m-lines. */
static enum nx_err begin_media(struct parser *p, struct nx_bytes value)
{
    end_media(p);
    if (p->sdp->media_count == SFU_SDP_MEDIA_MAX) {
        return NX_E_FULL;
    }
    struct sfu_sdp_media *media = &p->sdp->media[p->sdp->media_count++];
    memset(media, 0, sizeof(*media));
    p->media = media;
    media->direction = p->sdp->direction;
    media->message_size_max = MESSAGE_SIZE_DEFAULT;
    media->name = sfu_words_next(&value);
    struct nx_bytes port = sfu_words_next(&value);
    media->protocol = sfu_words_next(&value);
    media->formats = value;
    uint64_t number = 0;
    if (!sfu_words_number(sfu_words_until(&port, '/'), UINT16_MAX, &number) || media->protocol.size == 0 ||
        value.size == 0) {
        refuse(p);
        return NX_OK;
    }
    media->port = (uint16_t)number;
    media->kind = kind_of(media->name);
    if (media->kind == SFU_SDP_AUDIO || media->kind == SFU_SDP_VIDEO) {
        for (unsigned i = sfu_sdp_attr_formats(media); i != 0; i--) {
            refuse(p);
        }
    }
    return NX_OK;
}

static void read_origin(struct parser *p, struct nx_bytes value)
{
    (void)sfu_words_next(&value);
    uint64_t number;
    if (sfu_words_number(sfu_words_next(&value), UINT64_MAX, &number)) {
        p->sdp->session_id = number;
    }
    if (sfu_words_number(sfu_words_next(&value), UINT64_MAX, &number)) {
        p->sdp->session_version = number;
    }
}

static void read_bandwidth(struct parser *p, struct nx_bytes value)
{
    const struct nx_bytes name = sfu_words_until(&value, ':');
    uint64_t number;
    const bool is_kilo = sfu_words_is(name, "AS");
    if (p->media == NULL || (!is_kilo && !sfu_words_is(name, "TIAS"))) {
        ignore(p);
    } else if (!sfu_words_number(value, is_kilo ? UINT32_MAX / 1000 : UINT32_MAX, &number)) {
        refuse(p);
    } else if (!is_kilo || p->media->bandwidth_bps == 0) {
        p->media->bandwidth_bps = (uint32_t)(is_kilo ? number * 1000 : number);
    }
}

static void read_attribute(struct parser *p, struct nx_bytes value)
{
    struct nx_bytes rest = value;
    if (p->media != NULL && sfu_words_is(sfu_words_until(&rest, ':'), "simulcast")) {
        p->simulcast = rest;
        return;
    }
    switch (sfu_sdp_attr_read(p->sdp, p->media, value)) {
    case SFU_SDP_ATTR_REFUSED:
        refuse(p);
        break;
    case SFU_SDP_ATTR_UNKNOWN:
        ignore(p);
        break;
    case SFU_SDP_ATTR_TAKEN:
        break;
    }
}

static enum nx_err read_line(struct parser *p, struct nx_bytes line)
{
    if (line.size < 2 || line.at[1] != '=' || line.size > SFU_SDP_LINE_SIZE_MAX ||
        memchr(line.at, '\0', line.size) != NULL) {
        refuse(p);
        return NX_OK;
    }
    const struct nx_bytes value = nx_bytes_slice(line, 2, SIZE_MAX);
    switch (line.at[0]) {
    case 'm':
        return begin_media(p, value);
    case 'a':
        read_attribute(p, value);
        break;
    case 'b':
        read_bandwidth(p, value);
        break;
    case 'o':
        read_origin(p, value);
        break;
    default:
        break; /* v, s, t, c and the others of RFC 8866 have nothing for us */
    }
    return NX_OK;
}

static void inherit(const struct sfu_sdp_transport *from, struct sfu_sdp_transport *to)
{
    if (to->ufrag.size == 0 && to->password.size == 0) {
        to->ufrag = from->ufrag;
        to->password = from->password;
    }
    if (to->setup == SFU_SDP_SETUP_NONE) {
        to->setup = from->setup;
    }
    if (to->fingerprints_count == 0 && to->fingerprints_refused == 0) {
        to->fingerprints_count = from->fingerprints_count;
        to->fingerprints_refused = from->fingerprints_refused;
        memcpy(to->fingerprints, from->fingerprints, sizeof(to->fingerprints));
    }
}

static void finish(struct sfu_sdp *sdp)
{
    for (unsigned i = 0; i < sdp->media_count; i++) {
        struct sfu_sdp_media *media = &sdp->media[i];
        inherit(&sdp->transport, &media->transport);
        media->allows_mixed = media->allows_mixed || sdp->allows_mixed;
        media->is_rejected = media->port == 0 && !media->is_bundle_only;
        struct nx_bytes rest = sdp->bundle;
        while (media->mid.size != 0 && rest.size != 0) {
            const struct nx_bytes mid = sfu_words_next(&rest);
            media->is_bundled = media->is_bundled || nx_bytes_equal(mid, media->mid);
        }
    }
}

enum nx_err sfu_sdp_parse(struct nx_bytes text, struct sfu_sdp *out)
{
    /* The m-lines are cleared one by one when they begin. */
    memset(out, 0, offsetof(struct sfu_sdp, media));
    out->direction = SFU_SDP_SENDRECV;
    if (text.size > SFU_SDP_SIZE_MAX) {
        return NX_E_FULL;
    }
    struct parser p = {.sdp = out};
    bool is_begun = false;
    while (text.size != 0) {
        struct nx_bytes line = sfu_words_until(&text, '\n');
        while (line.size != 0 && (line.at[line.size - 1] == '\r' || line.at[line.size - 1] == ' ')) {
            line.size--;
        }
        if (line.size == 0) {
            continue;
        }
        if (!is_begun && !nx_bytes_is(line, "v=0")) {
            return NX_E_MALFORMED;
        }
        is_begun = true;
        const enum nx_err err = read_line(&p, line);
        if (err != NX_OK) {
            return err;
        }
    }
    end_media(&p);
    finish(out);
    return out->media_count != 0 ? NX_OK : NX_E_MALFORMED;
}

static bool is_credential(struct nx_bytes text, size_t size_min)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
              c == '/' || c == '-' ||
              c == '_')) { /* the last two are of old senders; neither can be taken for the colon */
            return false;
        }
    }
    return text.size >= size_min && text.size <= CREDENTIAL_SIZE_MAX;
}

enum nx_err sfu_sdp_transport_of(const struct sfu_sdp *sdp, struct sfu_sdp_transport *out)
{
    for (unsigned i = 0; i < sdp->media_count; i++) {
        const struct sfu_sdp_media *media = &sdp->media[i];
        if (media->is_rejected || (sdp->bundle.size != 0 && !media->is_bundled)) {
            continue;
        }
        const struct sfu_sdp_transport *transport = &media->transport;
        if (!is_credential(transport->ufrag, UFRAG_SIZE_MIN) ||
            !is_credential(transport->password, PASSWORD_SIZE_MIN)) {
            return NX_E_MALFORMED;
        }
        if (transport->fingerprints_count == 0) {
            return NX_E_AUTH;
        }
        *out = *transport;
        return NX_OK;
    }
    return NX_E_NOT_FOUND;
}

const struct sfu_sdp_codec *sfu_sdp_codec_of(const struct sfu_sdp_media *media, unsigned payload_type)
{
    for (unsigned i = 0; i < media->codecs_count; i++) {
        if (media->codecs[i].payload_type == payload_type) {
            return &media->codecs[i];
        }
    }
    return NULL;
}

int sfu_sdp_rtx_of(const struct sfu_sdp_media *media, unsigned payload_type)
{
    for (unsigned i = 0; i < media->codecs_count; i++) {
        const struct sfu_sdp_codec *codec = &media->codecs[i];
        if (codec->kind == SFU_SDP_CODEC_RTX && codec->has_apt && codec->apt == payload_type) {
            return codec->payload_type;
        }
    }
    return -1;
}
