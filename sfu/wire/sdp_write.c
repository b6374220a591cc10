#include "sfu/wire/sdp_write.h"

enum { PORT_ANY = 9 }; /* discard: ICE says where (RFC 8839 section 4.2.1.2) */

static void end_line(struct nx_writer *out)
{
    nx_writer_text(out, "\r\n");
}

static void write_line(struct nx_writer *out, const char *name, struct nx_bytes value)
{
    nx_writer_text(out, name);
    nx_writer_bytes_put(out, value);
    end_line(out);
}

static void write_number(struct nx_writer *out, const char *name, uint64_t value)
{
    nx_writer_text(out, name);
    nx_writer_decimal(out, value);
    end_line(out);
}

static void write_flag(struct nx_writer *out, const char *text, bool is_set)
{
    if (is_set) {
        nx_writer_text(out, text);
        end_line(out);
    }
}

static const char *direction_name(enum sfu_sdp_direction direction)
{
    static const char *const names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    return names[direction & 3];
}

static void write_session(const struct sfu_sdp *sdp, struct nx_writer *out)
{
    nx_writer_text(out, "v=0\r\no=- ");
    nx_writer_decimal(out, sdp->session_id);
    nx_writer_u8(out, ' ');
    nx_writer_decimal(out, sdp->session_version);
    nx_writer_text(out, " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    bool has_group = false;
    for (unsigned i = 0; i < sdp->media_count; i++) {
        if (sdp->media[i].is_bundled) {
            nx_writer_text(out, has_group ? " " : "a=group:BUNDLE ");
            nx_writer_bytes_put(out, sdp->media[i].mid);
            has_group = true;
        }
    }
    if (has_group) {
        end_line(out);
    }
    write_flag(out, "a=ice-lite", sdp->is_lite);
    write_flag(out, "a=extmap-allow-mixed", sdp->allows_mixed);
    nx_writer_text(out, "a=msid-semantic: WMS *\r\n");
}

static void write_media_line(const struct sfu_sdp_media *media, struct nx_writer *out)
{
    const bool has_port = !media->is_rejected && !media->is_bundle_only;
    nx_writer_text(out, "m=");
    nx_writer_bytes_put(out, media->name.size != 0 ? media->name : nx_bytes_text("audio"));
    nx_writer_u8(out, ' ');
    nx_writer_decimal(out, !has_port ? 0 : media->port != 0 ? media->port : PORT_ANY);
    nx_writer_u8(out, ' ');
    nx_writer_bytes_put(out,
                        media->protocol.size != 0 ? media->protocol : nx_bytes_text("UDP/TLS/RTP/SAVPF"));
    for (unsigned i = 0; i < media->codecs_count; i++) {
        nx_writer_u8(out, ' ');
        nx_writer_decimal(out, media->codecs[i].payload_type);
    }
    if (media->codecs_count == 0) {
        nx_writer_u8(out, ' ');
        nx_writer_bytes_put(out, media->formats.size != 0 ? media->formats : nx_bytes_text("0"));
    }
    nx_writer_text(out, "\r\nc=IN IP4 0.0.0.0\r\n");
}

static void write_transport(const struct sfu_sdp *sdp, const struct sfu_sdp_transport *transport,
                            struct nx_writer *out)
{
    static const char *const setups[] = {"", "actpass", "active", "passive"};
    static const char hex[] = "0123456789ABCDEF";
    if (transport->ufrag.size != 0) {
        write_line(out, "a=ice-ufrag:", transport->ufrag);
        write_line(out, "a=ice-pwd:", transport->password);
    }
    write_flag(out, "a=ice-options:trickle", sdp->has_trickle);
    for (unsigned i = 0; i < transport->fingerprints_count; i++) {
        nx_writer_text(out, "a=fingerprint:sha-256 ");
        for (unsigned byte = 0; byte < SFU_SDP_HASH_SIZE; byte++) {
            const uint8_t value = transport->fingerprints[i][byte];
            const char text[] = {byte == 0 ? ' ' : ':', hex[value >> 4], hex[value & 15]};
            nx_writer_put(out, byte == 0 ? text + 1 : text, byte == 0 ? 2 : 3);
        }
        end_line(out);
    }
    if (transport->setup != SFU_SDP_SETUP_NONE) {
        nx_writer_text(out, "a=setup:");
        nx_writer_text(out, setups[transport->setup]);
        end_line(out);
    }
}

static void write_exts(const struct sfu_sdp_media *media, struct nx_writer *out)
{
    for (unsigned i = 0; i < media->exts_count; i++) {
        const struct sfu_sdp_ext *ext = &media->exts[i];
        nx_writer_text(out, "a=extmap:");
        nx_writer_decimal(out, ext->id);
        if (ext->direction != SFU_SDP_SENDRECV) {
            nx_writer_u8(out, '/');
            nx_writer_text(out, direction_name(ext->direction));
        }
        write_line(out, " ", ext->uri);
    }
}

static void write_feedback(const struct sfu_sdp_codec *codec, struct nx_writer *out)
{
    static const char *const names[] = {" nack", " nack pli", " ccm fir", " goog-remb", " transport-cc"};
    for (unsigned bit = 0; bit < 5; bit++) {
        if ((codec->feedback >> bit & 1) != 0) {
            nx_writer_text(out, "a=rtcp-fb:");
            nx_writer_decimal(out, codec->payload_type);
            nx_writer_text(out, names[bit]);
            end_line(out);
        }
    }
}

static void write_codec(const struct sfu_sdp_codec *codec, struct nx_writer *out)
{
    if (codec->name.size != 0) {
        nx_writer_text(out, "a=rtpmap:");
        nx_writer_decimal(out, codec->payload_type);
        nx_writer_u8(out, ' ');
        nx_writer_bytes_put(out, codec->name);
        nx_writer_u8(out, '/');
        nx_writer_decimal(out, codec->clock_rate);
        if (codec->channels != 1) {
            nx_writer_u8(out, '/');
            nx_writer_decimal(out, codec->channels);
        }
        end_line(out);
    }
    write_feedback(codec, out);
    if (codec->parameters.size != 0) {
        nx_writer_text(out, "a=fmtp:");
        nx_writer_decimal(out, codec->payload_type);
        write_line(out, " ", codec->parameters);
    }
}

static void write_simulcast_side(const struct sfu_sdp_media *media, bool is_send, bool *has_line,
                                 struct nx_writer *out)
{
    bool has_side = false;
    for (unsigned i = 0; i < media->rids_count; i++) {
        if (media->rids[i].is_send != is_send) {
            continue;
        }
        if (!has_side) {
            nx_writer_text(out, *has_line ? " " : "a=simulcast:");
            nx_writer_text(out, is_send ? "send " : "recv ");
        } else {
            nx_writer_u8(out, ';');
        }
        if (media->rids[i].is_paused) {
            nx_writer_u8(out, '~');
        }
        nx_writer_bytes_put(out, media->rids[i].name);
        has_side = true;
        *has_line = true;
    }
}

static void write_rids(const struct sfu_sdp_media *media, struct nx_writer *out)
{
    for (unsigned i = 0; i < media->rids_count; i++) {
        nx_writer_text(out, "a=rid:");
        nx_writer_bytes_put(out, media->rids[i].name);
        nx_writer_text(out, media->rids[i].is_send ? " send" : " recv");
        end_line(out);
    }
    bool has_line = false;
    write_simulcast_side(media, true, &has_line, out);
    write_simulcast_side(media, false, &has_line, out);
    if (has_line) {
        end_line(out);
    }
}

static void write_ssrc(uint32_t ssrc, struct nx_bytes cname, struct nx_writer *out)
{
    nx_writer_text(out, "a=ssrc:");
    nx_writer_decimal(out, ssrc);
    write_line(out, " cname:", cname.size != 0 ? cname : nx_bytes_text("-"));
}

static void write_sources(const struct sfu_sdp_media *media, struct nx_writer *out)
{
    for (unsigned i = 0; i < media->sources_count; i++) {
        const struct sfu_sdp_source *source = &media->sources[i];
        if (source->has_repair) {
            nx_writer_text(out, "a=ssrc-group:FID ");
            nx_writer_decimal(out, source->ssrc);
            nx_writer_u8(out, ' ');
            nx_writer_decimal(out, source->repair);
            end_line(out);
        }
        write_ssrc(source->ssrc, media->cname, out);
        if (source->has_repair) {
            write_ssrc(source->repair, media->cname, out);
        }
    }
}

static void write_rtp(const struct sfu_sdp_media *media, struct nx_writer *out)
{
    write_flag(out, "a=extmap-allow-mixed", media->allows_mixed);
    write_exts(media, out);
    nx_writer_text(out, "a=");
    nx_writer_text(out, direction_name(media->direction));
    end_line(out);
    if (media->stream_id.size != 0) {
        nx_writer_text(out, "a=msid:");
        nx_writer_bytes_put(out, media->stream_id);
        if (media->track_id.size != 0) {
            nx_writer_u8(out, ' ');
            nx_writer_bytes_put(out, media->track_id);
        }
        end_line(out);
    }
    write_flag(out, "a=rtcp-mux", media->has_rtcp_mux);
    write_flag(out, "a=rtcp-rsize", media->has_rtcp_rsize);
    for (unsigned i = 0; i < media->codecs_count; i++) {
        write_codec(&media->codecs[i], out);
    }
    write_rids(media, out);
    write_sources(media, out);
}

static void write_media(const struct sfu_sdp *sdp, const struct sfu_sdp_media *media, bool *has_candidates,
                        struct nx_writer *out)
{
    write_media_line(media, out);
    if (media->bandwidth_bps != 0 && !media->is_rejected) {
        write_number(out, "b=AS:", (media->bandwidth_bps + 999) / 1000);
        write_number(out, "b=TIAS:", media->bandwidth_bps);
    }
    if (media->mid.size != 0) {
        write_line(out, "a=mid:", media->mid);
    }
    if (media->is_rejected) {
        nx_writer_text(out, "a=inactive\r\n");
        return;
    }
    write_flag(out, "a=bundle-only", media->is_bundle_only);
    write_transport(sdp, &media->transport, out);
    if (media->kind == SFU_SDP_APPLICATION) {
        if (media->sctp_port != 0) {
            write_number(out, "a=sctp-port:", media->sctp_port);
        }
        write_number(out, "a=max-message-size:", media->message_size_max);
    } else {
        write_rtp(media, out);
    }
    for (unsigned i = 0; i < sdp->candidates_count && !*has_candidates; i++) {
        nx_writer_text(out, "a=");
        sfu_candidate_write(&sdp->candidates[i], out);
        end_line(out);
    }
    write_flag(out, "a=end-of-candidates", media->has_end_of_candidates);
    *has_candidates = true;
}

void sfu_sdp_write(const struct sfu_sdp *sdp, struct nx_writer *out)
{
    bool has_candidates = false;
    write_session(sdp, out);
    for (unsigned i = 0; i < sdp->media_count; i++) {
        write_media(sdp, &sdp->media[i], &has_candidates, out);
    }
}
