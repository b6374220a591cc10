/* Goal: answers accept what the policy allows and turn the rest down in its place; golden answers to every client we know. */
#include "sfu/wire/sdp_answer.h"

#include "sfu/wire/sdp_write.h"
#include "tests/unit/sfu/wire/sdp_golden.h"

static struct sfu_sdp offer;
static struct sfu_sdp answer;
static uint8_t text_room[1 << 17];

static enum nx_err answer_to(const char *lines, const struct sfu_sdp_policy *policy)
{
    static char text[1 << 16];
    snprintf(text, sizeof(text),
             "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 "
             "0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
             "a=fingerprint:sha-256 "
             "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:"
             "FF\r\n%s",
             lines);
    CHECK(sfu_sdp_parse(nx_bytes_text(text), &offer) == NX_OK, "offer");
    return sfu_sdp_answer(&offer, policy, &answer);
}

TEST(sdp_answer, still_says_what_the_golden_files_say)
{
    static uint8_t room[1 << 17];
    const struct sfu_sdp_policy policy = golden_policy();
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        const struct nx_bytes text = golden_read(GOLDEN_NAMES[i], "in", text_room, sizeof(text_room));
        CHECK(sfu_sdp_parse(text, &offer) == NX_OK, "%s", GOLDEN_NAMES[i]);
        CHECK(sfu_sdp_answer(&offer, &policy, &answer) == NX_OK, "%s", GOLDEN_NAMES[i]);
        struct nx_writer out = nx_writer_init(room, sizeof(room));
        sfu_sdp_write(&answer, &out);
        golden_check(GOLDEN_NAMES[i], &out);
        static struct sfu_sdp again;
        CHECK(sfu_sdp_parse(nx_writer_bytes(&out), &again) == NX_OK && again.refused_count == 0, "%s",
              GOLDEN_NAMES[i]);
        CHECK(again.is_lite && again.media_count == offer.media_count, "%s", GOLDEN_NAMES[i]);
        for (unsigned m = 0; m < offer.media_count; m++) {
            CHECK(!again.media[m].is_rejected, "%s: m-line %u is turned down", GOLDEN_NAMES[i], m);
            CHECK(nx_bytes_equal(again.media[m].mid, offer.media[m].mid), "%s: mid %u", GOLDEN_NAMES[i], m);
            CHECK(((unsigned)again.media[m].direction & (unsigned)offer.media[m].direction) == 0 ||
                      offer.media[m].direction == SFU_SDP_SENDRECV,
                  "%s: direction %u", GOLDEN_NAMES[i], m);
        }
        CHECK(again.media[0].transport.setup == SFU_SDP_PASSIVE, "%s: role", GOLDEN_NAMES[i]);
    }
}

TEST(sdp_answer, turns_layers_round_and_keeps_extension_ids)
{
    const struct sfu_sdp_policy policy = golden_policy();
    const struct nx_bytes text = golden_read("chromium_room", "in", text_room, sizeof(text_room));
    CHECK(sfu_sdp_parse(text, &offer) == NX_OK && sfu_sdp_answer(&offer, &policy, &answer) == NX_OK,
          "answer");
    CHECK(answer.media[1].rids_count == 3 && !answer.media[1].rids[0].is_send, "layers");
    struct sfu_rtp_ext_map map;
    sfu_sdp_answer_map(&answer.media[1], &map);
    CHECK(map.id_of_kind[SFU_RTP_EXT_RID] == 10 && map.id_of_kind[SFU_RTP_EXT_REPAIRED_RID] == 11, "ids");
    CHECK(map.id_of_kind[SFU_RTP_EXT_MID] == 4 && map.id_of_kind[SFU_RTP_EXT_TRANSPORT_CC] == 3, "ids");
    CHECK(map.id_of_kind[SFU_RTP_EXT_TOFFSET] == 0 && map.allows_mixed, "what the policy leaves out");
}

TEST(sdp_answer, turns_lines_down_and_not_the_session)
{
    const struct sfu_sdp_policy policy = golden_policy();
    CHECK(
        answer_to(
            "a=group:BUNDLE 0 1 2 3 4 5 6\r\n"
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=rtcp-mux\r\n" /* no codec of ours */
            "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:1\r\na=rtcp-mux\r\n" /* no kind of ours */
            "m=audio 9 RTP/AVP 111\r\na=mid:2\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" /* in the clear */
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:3\r\na=rtpmap:111 opus/48000/2\r\n" /* no rtcp-mux */
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:4\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" /* good */
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:4\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" /* mid taken */
            "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:5\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n" /* taken back */
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:9\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n" /* not bundled */
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:6\r\na=rtcp-mux\r\na=rtpmap:96 VP8/8000\r\n", /* no VP8 */
            &policy) == NX_OK,
        "refused");
    for (unsigned i = 0; i < 9; i++) {
        CHECK(answer.media[i].is_rejected == (i != 4), "m-line %u", i);
    }
    static uint8_t room[1 << 14];
    struct nx_writer out = nx_writer_init(room, sizeof(room));
    sfu_sdp_write(&answer, &out);
    static struct sfu_sdp again;
    CHECK(sfu_sdp_parse(nx_writer_bytes(&out), &again) == NX_OK && again.media_count == 9, "as many m-lines");
    CHECK(nx_bytes_is(again.bundle, "4"), "only the accepted are bundled");
    CHECK(again.media[4].transport.ufrag.size != 0 && again.candidates_count == 2,
          "transport on the accepted one");
}

TEST(sdp_answer, says_no_to_a_whole_offer_that_has_nothing_for_us_or_nobody_to_trust)
{
    struct sfu_sdp_policy policy = golden_policy();
    CHECK(answer_to("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n", &policy) == NX_E_NOT_FOUND,
          "no codec");
    CHECK(sfu_sdp_parse(
              nx_bytes_text("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"),
              &offer) == NX_OK,
          "offer");
    CHECK(sfu_sdp_answer(&offer, &policy, &answer) == NX_E_MALFORMED, "no credentials");
    policy.takes_data = false;
    CHECK(answer_to("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n", &policy) ==
              NX_E_NOT_FOUND,
          "no data");
    policy.takes_data = true;
    CHECK(answer_to("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n", &policy) ==
              NX_OK,
          "data");
    CHECK(answer.media[0].sctp_port == 5000 && answer.media[0].message_size_max == 262144, "data");
}

TEST(sdp_answer, takes_the_other_role)
{
    const struct sfu_sdp_policy policy = golden_policy();
    static const struct {
        const char *setup;
        enum sfu_sdp_setup wanted;
    } cases[] = {{"actpass", SFU_SDP_PASSIVE}, {"active", SFU_SDP_PASSIVE}, {"passive", SFU_SDP_ACTIVE}};
    for (unsigned i = 0; i < 3; i++) {
        char lines[256];
        snprintf(
            lines, sizeof(lines),
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:%s\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n",
            cases[i].setup);
        CHECK(answer_to(lines, &policy) == NX_OK && answer.media[0].transport.setup == cases[i].wanted, "%s",
              cases[i].setup);
    }
}

TEST(sdp_answer, keeps_repair_only_for_what_it_keeps)
{
    struct sfu_sdp_policy policy = golden_policy();
    policy.codecs = 1U << SFU_SDP_CODEC_VP8 | 1U << SFU_SDP_CODEC_RTX | 1U << SFU_SDP_CODEC_RED;
    CHECK(
        answer_to(
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 102\r\na=rtcp-mux\r\na=rtpmap:96 VP9/90000\r\n"
            "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP8/90000\r\na=rtpmap:99 rtx/90000\r\n"
            "a=fmtp:99 apt=98\r\na=rtpmap:100 red/90000\r\na=fmtp:100 96/98\r\na=rtpmap:101 rtx/90000\r\n"
            "a=fmtp:101 apt=100\r\na=rtpmap:102 rtx/90000\r\na=fmtp:102 apt=102\r\n",
            &policy) == NX_OK,
        "refused");
    CHECK(answer.media[0].codecs_count == 2, "codecs %u", answer.media[0].codecs_count);
    CHECK(answer.media[0].codecs[0].payload_type == 98 && answer.media[0].codecs[1].payload_type == 99,
          "VP8 and its RTX");
}

TEST(sdp_answer, leaves_clashing_extensions_out)
{
    const struct sfu_sdp_policy policy = golden_policy();
    CHECK(answer_to("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
                    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:2 "
                    "urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                    "a=extmap:15 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:3/inactive "
                    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:4 "
                    "urn:unknown\r\n",
                    &policy) == NX_OK,
          "refused");
    CHECK(answer.media[0].exts_count == 1 && answer.media[0].exts[0].id == 1, "one is left");
}
