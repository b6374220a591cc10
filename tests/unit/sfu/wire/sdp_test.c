/* Goal: descriptions of the clients we know are understood line for line, broken lines cost themselves only, and what was
 * understood can be written and understood again. */
#include "sfu/wire/sdp.h"

#include "sfu/wire/sdp_write.h"
#include "tests/unit/sfu/wire/sdp_golden.h"

static struct sfu_sdp one;
static struct sfu_sdp two;
static uint8_t text_room[1 << 17];

static const char HEAD[] = "v=0\r\no=- 77 3 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

/* Parses HEAD and `lines`, which live as long as the result. */
static enum nx_err parse(const char *lines)
{
    static char text[1 << 17];
    snprintf(text, sizeof(text), "%s%s", HEAD, lines);
    return sfu_sdp_parse(nx_bytes_text(text), &one);
}

TEST(sdp, reads_what_clients_write)
{
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        const struct nx_bytes text = golden_read(GOLDEN_NAMES[i], "in", text_room, sizeof(text_room));
        CHECK(sfu_sdp_parse(text, &one) == NX_OK, "%s", GOLDEN_NAMES[i]);
        CHECK(one.refused_count == 0, "%s: %u lines refused", GOLDEN_NAMES[i], one.refused_count);
        struct sfu_sdp_transport transport;
        CHECK(sfu_sdp_transport_of(&one, &transport) == NX_OK, "%s: transport", GOLDEN_NAMES[i]);
        CHECK(transport.setup == SFU_SDP_ACTPASS && transport.fingerprints_count == 1, "%s: trust",
              GOLDEN_NAMES[i]);
        for (unsigned m = 0; m < one.media_count; m++) {
            CHECK(one.media[m].kind != SFU_SDP_OTHER && !one.media[m].is_rejected, "%s: m-line %u",
                  GOLDEN_NAMES[i], m);
            CHECK(one.media[m].is_bundled && one.media[m].mid.size != 0, "%s: m-line %u", GOLDEN_NAMES[i], m);
            CHECK(one.media[m].has_rtcp_mux || one.media[m].kind == SFU_SDP_APPLICATION, "%s",
                  GOLDEN_NAMES[i]);
        }
    }
}

TEST(sdp, understands_an_offer_of_chromium)
{
    const struct nx_bytes text = golden_read("chromium_room", "in", text_room, sizeof(text_room));
    CHECK(sfu_sdp_parse(text, &one) == NX_OK && one.media_count == 11, "m-lines");
    const struct sfu_sdp_media *audio = &one.media[0];
    const struct sfu_sdp_codec *opus = sfu_sdp_codec_of(audio, 111);
    CHECK(audio->kind == SFU_SDP_AUDIO && audio->direction == SFU_SDP_SENDONLY && audio->sources_count == 1,
          "audio");
    CHECK(opus != NULL && opus->kind == SFU_SDP_CODEC_OPUS && opus->channels == 2 &&
              opus->clock_rate == 48000,
          "opus");
    CHECK(opus->feedback == SFU_SDP_FEEDBACK_TRANSPORT_CC, "opus feedback");
    CHECK(sfu_sdp_codec_of(audio, 63)->kind == SFU_SDP_CODEC_RED && sfu_sdp_codec_of(audio, 63)->apt == 111,
          "red");
    CHECK(audio->exts_count == 4 && one.allows_mixed && audio->allows_mixed, "extensions");
    const struct sfu_sdp_media *video = &one.media[1];
    CHECK(video->rids_count == 3 && nx_bytes_is(video->rids[0].name, "q") && video->rids[0].is_send,
          "layers");
    CHECK(nx_bytes_is(video->rids[2].name, "f") && video->sources_count == 0, "layers");
    CHECK(sfu_sdp_rtx_of(video, 96) == 97 && sfu_sdp_rtx_of(video, 97) == -1, "rtx");
    const struct sfu_sdp_codec *h264 = sfu_sdp_codec_of(video, 108);
    CHECK(h264->kind == SFU_SDP_CODEC_H264 && h264->profile_level_id == 0x42e01f &&
              h264->packetization_mode == 1,
          "h264");
    CHECK(sfu_sdp_codec_of(video, 100)->profile == 2, "vp9 profile 2");
    CHECK(video->codecs[0].feedback == 31, "all feedback");
    CHECK(one.media[2].sources_count == 1 && one.media[2].sources[0].has_repair, "screen");
    CHECK(one.media[4].direction == SFU_SDP_RECVONLY && one.media[10].kind == SFU_SDP_APPLICATION,
          "slots, data");
    CHECK(one.media[10].sctp_port == 5000 && one.media[10].message_size_max == 262144, "data");
    CHECK(one.candidates_count == one.candidates_seen && one.candidates_count == 4, "candidates");
}

TEST(sdp, understands_an_offer_of_firefox)
{
    const struct nx_bytes text = golden_read("firefox_publish", "in", text_room, sizeof(text_room));
    CHECK(sfu_sdp_parse(text, &one) == NX_OK && one.media_count == 2, "m-lines");
    CHECK(one.media[1].is_bundle_only && one.media[1].port == 0 && !one.media[1].is_rejected, "bundle-only");
    CHECK(one.media[1].transport.fingerprints_count == 1, "the session's fingerprint");
    CHECK(sfu_sdp_rtx_of(&one.media[1], 120) == 124, "fmtp before rtpmap");
    CHECK(one.media[0].exts[1].direction == SFU_SDP_RECVONLY, "direction of an extension");
    CHECK(one.media[0].direction == SFU_SDP_SENDONLY, "direction");
    CHECK(one.candidates_seen == 8 && one.candidates_count == 4, "component 1 only");
}

TEST(sdp, writes_what_reads_the_same)
{
    static uint8_t first_room[1 << 17];
    static uint8_t second_room[1 << 17];
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        const struct nx_bytes text = golden_read(GOLDEN_NAMES[i], "in", text_room, sizeof(text_room));
        CHECK(sfu_sdp_parse(text, &one) == NX_OK, "%s", GOLDEN_NAMES[i]);
        struct nx_writer first = nx_writer_init(first_room, sizeof(first_room));
        sfu_sdp_write(&one, &first);
        CHECK(nx_writer_ok(&first) && sfu_sdp_parse(nx_writer_bytes(&first), &two) == NX_OK, "%s",
              GOLDEN_NAMES[i]);
        CHECK(two.refused_count == 0 && two.media_count == one.media_count, "%s", GOLDEN_NAMES[i]);
        struct nx_writer second = nx_writer_init(second_room, sizeof(second_room));
        sfu_sdp_write(&two, &second);
        CHECK(nx_bytes_equal(nx_writer_bytes(&first), nx_writer_bytes(&second)), "%s changes",
              GOLDEN_NAMES[i]);
        for (unsigned m = 0; m < one.media_count; m++) {
            const struct sfu_sdp_media *a = &one.media[m];
            const struct sfu_sdp_media *b = &two.media[m];
            CHECK(a->codecs_count == b->codecs_count && a->exts_count == b->exts_count, "%s %u",
                  GOLDEN_NAMES[i], m);
            CHECK(a->rids_count == b->rids_count && a->sources_count == b->sources_count, "%s %u",
                  GOLDEN_NAMES[i], m);
            CHECK(a->direction == b->direction && a->is_bundle_only == b->is_bundle_only, "%s %u",
                  GOLDEN_NAMES[i], m);
            for (unsigned c = 0; c < a->codecs_count; c++) {
                CHECK(a->codecs[c].kind == b->codecs[c].kind &&
                          a->codecs[c].feedback == b->codecs[c].feedback &&
                          a->codecs[c].apt == b->codecs[c].apt &&
                          a->codecs[c].profile_level_id == b->codecs[c].profile_level_id,
                      "%s %u codec %u", GOLDEN_NAMES[i], m, c);
            }
        }
    }
}

TEST(sdp, refuses_broken_lines_one_by_one)
{
    static const char *const broken[] = {
        "a=rtpmap:96\r\n",
        "a=rtpmap:96 VP8\r\n",
        "a=rtpmap:96 VP8/abc\r\n",
        "a=rtpmap:96 /90000\r\n",
        "a=rtpmap:55 VP8/90000\r\n",
        "a=rtpmap:128 VP8/90000\r\n",
        "a=fmtp:96\r\n",
        "a=fmtp:99999999999999999999 apt=96\r\n",
        "a=rtcp-fb:55 nack\r\n",
        "a=extmap:0 urn:x\r\n",
        "a=extmap:256 urn:x\r\n",
        "a=extmap:5/sideways urn:x\r\n",
        "a=extmap:5\r\n",
        "a=mid:\r\n",
        "a=mid:two words\r\n",
        "a=mid:longer-than-sixteen\r\n",
        "a=rid:q sideways\r\n",
        "a=rid:q;h send\r\n",
        "a=ssrc:4294967296 cname:x\r\n",
        "a=ssrc:-1\r\n",
        "a=ssrc-group:FID 1\r\n",
        "a=ssrc-group:FID 1 1\r\n",
        "a=fingerprint:sha-1 AA\r\n",
        "a=fingerprint:sha-256 AA:BB\r\n",
        "a=setup:holdconn\r\n",
        "a=ice-ufrag:\r\n",
        "a=candidate:1 1 udp\r\n",
        "a=candidate:1 1 udp 5 1.2.3.4 0 typ host\r\n",
        "a=max-message-size:x\r\n",
        "a=sctp-port:65536\r\n",
        "a=group:BUNDLE 0\r\n",
        "b=AS:99999999999\r\n",
        "x\r\n",
        "nonsense without equals\r\n",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char lines[512];
        snprintf(lines, sizeof(lines),
                 "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n%sa=sendonly\r\na=rtpmap:96 VP9/90000\r\n", broken[i]);
        CHECK(parse(lines) == NX_OK, "%s", broken[i]);
        CHECK(one.refused_count == 1, "%u refused by %s", one.refused_count, broken[i]);
        CHECK(one.media_count == 1 && one.media[0].direction == SFU_SDP_SENDONLY, "the next line: %s",
              broken[i]);
        CHECK(one.media[0].codecs[0].kind == SFU_SDP_CODEC_VP9, "the codec: %s", broken[i]);
    }
}

TEST(sdp, keeps_the_place_of_m_lines_it_does_not_understand)
{
    CHECK(parse("m=audio\r\na=mid:0\r\nm=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:1\r\nm=audio 9 "
                "UDP/TLS/RTP/SAVPF 999 111 111\r\n"
                "a=mid:2\r\nm=audio 70000 UDP/TLS/RTP/SAVPF 111\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n") ==
              NX_OK,
          "refused");
    CHECK(one.media_count == 5, "five");
    CHECK(one.media[0].is_rejected && one.media[0].kind == SFU_SDP_OTHER, "no port");
    CHECK(one.media[1].kind == SFU_SDP_OTHER && !one.media[1].is_rejected, "text");
    CHECK(one.media[2].codecs_count == 1 && one.media[2].codecs[0].payload_type == 111, "formats");
    CHECK(one.media[3].is_rejected && one.media[4].is_rejected, "ports");
    CHECK(one.refused_count == 4, "refused %u", one.refused_count);
}

TEST(sdp, refuses_what_is_no_description)
{
    CHECK(sfu_sdp_parse(nx_bytes_text(""), &one) == NX_E_MALFORMED, "nothing");
    CHECK(sfu_sdp_parse(nx_bytes_text("\r\n\r\n"), &one) == NX_E_MALFORMED, "empty lines");
    CHECK(sfu_sdp_parse(nx_bytes_text("v=1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"), &one) == NX_E_MALFORMED,
          "version");
    CHECK(sfu_sdp_parse(nx_bytes_text("o=- 1 1 IN IP4 0\r\nv=0\r\n"), &one) == NX_E_MALFORMED, "order");
    CHECK(parse("") == NX_E_MALFORMED, "no m-line");
    CHECK(sfu_sdp_parse(nx_bytes_text("\nv=0\nm=audio 9 UDP/TLS/RTP/SAVPF 0"), &one) == NX_OK,
          "line feeds alone");
    static uint8_t large[SFU_SDP_SIZE_MAX + 1];
    memset(large, '\n', sizeof(large));
    memcpy(large, "v=0\nm=audio 9 X 0\n", 18);
    CHECK(sfu_sdp_parse(nx_bytes_of(large, SFU_SDP_SIZE_MAX), &one) == NX_OK, "64 KiB");
    CHECK(sfu_sdp_parse(nx_bytes_of(large, sizeof(large)), &one) == NX_E_FULL, "one more byte");
    static char many[8192];
    size_t at = 0;
    for (unsigned i = 0; i <= SFU_SDP_MEDIA_MAX; i++) {
        at += (size_t)snprintf(many + at, sizeof(many) - at, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    }
    CHECK(parse(many) == NX_E_FULL, "too many m-lines");
    many[at - 31] = '\0';
    CHECK(parse(many) == NX_OK && one.media_count == SFU_SDP_MEDIA_MAX, "as many as allowed");
}

TEST(sdp, caps_every_list)
{
    static char lines[60000];
    size_t at = (size_t)snprintf(lines, sizeof(lines), "m=video 9 UDP/TLS/RTP/SAVPF");
    for (unsigned i = 0; i < 128; i++) {
        at += (size_t)snprintf(lines + at, sizeof(lines) - at, " %u", i);
    }
    at += (size_t)snprintf(lines + at, sizeof(lines) - at, "\r\n");
    for (unsigned i = 1; i < 200; i++) {
        at += (size_t)snprintf(
            lines + at, sizeof(lines) - at,
            "a=extmap:%u urn:x%u\r\na=rid:r%u send\r\na=ssrc:%u cname:c\r\na=candidate:1 1 udp 5 1.2.3.4 %u "
            "typ host\r\n",
            i, i, i, i, i);
    }
    for (unsigned i = 0; i < 6; i++) {
        at += (size_t)snprintf(lines + at, sizeof(lines) - at, "a=fingerprint:sha-256 ");
        for (unsigned b = 0; b < 32; b++) {
            at += (size_t)snprintf(lines + at, sizeof(lines) - at, "%s%02x", b != 0 ? ":" : "", b + i);
        }
        at += (size_t)snprintf(lines + at, sizeof(lines) - at, "\r\n");
    }
    CHECK(at < sizeof(lines) && parse(lines) == NX_OK, "refused");
    const struct sfu_sdp_media *media = &one.media[0];
    CHECK(media->codecs_count == SFU_SDP_CODECS_MAX && media->exts_count == SFU_SDP_EXTS_MAX,
          "codecs, extensions");
    CHECK(media->rids_count == SFU_SDP_RIDS_MAX && media->sources_count == SFU_SDP_SSRCS_MAX,
          "layers, sources");
    CHECK(one.candidates_count == SFU_SDP_CANDIDATES_MAX && one.candidates_seen == 199, "candidates");
    CHECK(media->transport.fingerprints_count == SFU_SDP_FINGERPRINTS_MAX, "fingerprints");
    CHECK(media->transport.fingerprints_refused == 2, "fingerprints beyond");
}

TEST(sdp, orders_layers_as_simulcast_says)
{
    CHECK(parse("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=simulcast:send f;~h,x;q recv z\r\na=rid:q "
                "send\r\na=rid:z recv\r\n"
                "a=rid:h send\r\na=rid:f send\r\na=rid:u send\r\n") == NX_OK,
          "refused");
    static const char *const order[] = {"f", "h", "q", "z", "u"};
    CHECK(one.media[0].rids_count == 5, "five");
    for (unsigned i = 0; i < 5; i++) {
        CHECK(nx_bytes_is(one.media[0].rids[i].name, order[i]), "place %u", i);
        CHECK(one.media[0].rids[i].is_paused == (i == 1), "paused %u", i);
    }
    CHECK(!one.media[0].rids[3].is_send, "the other side's");
}

TEST(sdp, pairs_repair_streams_in_any_order)
{
    CHECK(parse("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ssrc:20 cname:c\r\na=ssrc:10 "
                "cname:d\r\na=ssrc-group:FID 10 20\r\n"
                "a=ssrc-group:FID 30 40\r\na=ssrc:40 cname:e\r\na=ssrc:30 cname:e\r\na=ssrc-group:SIM 10 "
                "30\r\n") == NX_OK,
          "refused");
    CHECK(one.media[0].sources_count == 2 && one.refused_count == 0, "two: %u", one.media[0].sources_count);
    CHECK(one.media[0].sources[0].ssrc == 10 && one.media[0].sources[0].repair == 20, "first");
    CHECK(one.media[0].sources[1].ssrc == 30 && one.media[0].sources[1].repair == 40, "second");
    CHECK(nx_bytes_is(one.media[0].cname, "c"), "cname");
}

TEST(sdp, wants_credentials_and_a_fingerprint_before_it_names_a_transport)
{
#define FINGERPRINT                                                                                          \
    "a=fingerprint:SHA-256 "                                                                                 \
    "00:01:02:03:04:05:06:07:08:09:0A:0b:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:FF\r\n"
#define MEDIA "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    static const struct {
        const char *lines;
        enum nx_err wanted;
    } cases[] = {
        {"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" FINGERPRINT MEDIA, NX_OK},
        {MEDIA "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" FINGERPRINT, NX_OK},
        {MEDIA "a=ice-ufrag:abc\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" FINGERPRINT, NX_E_MALFORMED},
        {MEDIA "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n" FINGERPRINT, NX_E_MALFORMED},
        {MEDIA "a=ice-ufrag:ab:d\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" FINGERPRINT, NX_E_MALFORMED},
        {MEDIA FINGERPRINT, NX_E_MALFORMED},
        {MEDIA "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n", NX_E_AUTH},
        {FINGERPRINT MEDIA "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-1 "
                           "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\n",
         NX_E_AUTH},
        {"m=audio 0 UDP/TLS/RTP/SAVPF "
         "111\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" FINGERPRINT,
         NX_E_NOT_FOUND},
    };
    struct sfu_sdp_transport transport;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(parse(cases[i].lines) == NX_OK, "case %zu", i);
        CHECK(sfu_sdp_transport_of(&one, &transport) == cases[i].wanted, "case %zu", i);
    }
    CHECK(parse(cases[0].lines) == NX_OK && sfu_sdp_transport_of(&one, &transport) == NX_OK, "the good one");
    CHECK(transport.fingerprints[0][10] == 0x0a && transport.fingerprints[0][31] == 0xff,
          "digits of either case");
    CHECK(nx_bytes_is(transport.ufrag, "abcd") && one.session_id == 77 && one.session_version == 3, "fields");
}

TEST(sdp, survives_every_prefix_and_every_missing_line)
{
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        const struct nx_bytes text = golden_read(GOLDEN_NAMES[i], "in", text_room, sizeof(text_room));
        for (size_t size = 0; size < text.size; size += 1 + text.size / 700) {
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, text.at, size);
            const enum nx_err err = sfu_sdp_parse(nx_bytes_of(copy, size), &one);
            CHECK(err == NX_OK || err == NX_E_MALFORMED, "%s prefix %zu", GOLDEN_NAMES[i], size);
            free(copy);
        }
    }
}
