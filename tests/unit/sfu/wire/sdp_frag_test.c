/* Goal: fragments of RFC 9725 are understood, a thousand candidates are counted and not kept, half a restart is none. */
#include "sfu/wire/sdp_frag.h"

#include "tests/lib/check.h"

#include <stdio.h>

static struct sfu_sdp_frag frag;

TEST(sdp_frag, reads_a_trickle_and_a_restart)
{
    CHECK(sfu_sdp_frag_parse(
              nx_bytes_text(
                  "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
                  "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=candidate:1387637174 1 udp 2122260223 192.0.2.1 "
                  "61764 typ host generation 0 ufrag EsAw network-id 1\r\na=candidate:3471623853 1 udp "
                  "2122194687 198.51.100.2 61765 typ host\r\na=candidate:bad\r\na=end-of-candidates\r\n"
                  "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"),
              &frag) == NX_OK,
          "refused");
    CHECK(nx_bytes_is(frag.ufrag, "EsAw") && nx_bytes_is(frag.password, "P2uYro0UCOQ4zxjKXaWCBui1"),
          "credentials");
    CHECK(nx_bytes_is(frag.mid, "0") && nx_bytes_is(frag.media, "audio 9 UDP/TLS/RTP/SAVPF 111"),
          "the first m-line");
    CHECK(frag.candidates_count == 2 && frag.candidates_seen == 3 && frag.refused_count == 1, "candidates");
    CHECK(frag.has_end_of_candidates, "end");
    static uint8_t room[2048];
    struct nx_writer out = nx_writer_init(room, sizeof(room));
    static struct sfu_sdp_frag again;
    sfu_sdp_frag_write(&frag, &out);
    CHECK(nx_writer_ok(&out) && sfu_sdp_frag_parse(nx_writer_bytes(&out), &again) == NX_OK, "written");
    CHECK(nx_bytes_equal(again.ufrag, frag.ufrag) && nx_bytes_equal(again.media, frag.media), "the same");
    CHECK(again.candidates_count == 2 && nx_addr_equal(&again.candidates[1].addr, &frag.candidates[1].addr),
          "the same");
    CHECK(sfu_sdp_frag_parse(nx_bytes_text("a=end-of-candidates\n"), &frag) == NX_OK && frag.mid.size == 0,
          "end alone");
}

TEST(sdp_frag, refuses_half_a_restart_and_nothing)
{
    static const char *const bad[] = {"",
                                      "\r\n",
                                      "a=mid:0\r\n",
                                      "a=ice-ufrag:abcd\r\n",
                                      "a=ice-pwd:abcdefghijklmnopqrstuv\r\n",
                                      "a=ice-ufrag:\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n",
                                      "a",
                                      "=",
                                      "\n\n\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(sfu_sdp_frag_parse(nx_bytes_text(bad[i]), &frag) == NX_E_MALFORMED, "case %zu", i);
    }
    static uint8_t large[SFU_SDP_SIZE_MAX + 1];
    CHECK(sfu_sdp_frag_parse(nx_bytes_of(large, sizeof(large)), &frag) == NX_E_FULL, "too long");
}

TEST(sdp_frag, counts_a_thousand_candidates_and_keeps_a_few)
{
    static char text[SFU_SDP_SIZE_MAX];
    size_t at = 0;
    for (int i = 0; i < 1000; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "a=candidate:1 1 udp 5 %s %d typ host\n",
                               i % 3 == 0 ? "255.255.255.255" : "x.local", i);
    }
    CHECK(sfu_sdp_frag_parse(nx_bytes_of(text, at), &frag) == NX_OK, "refused");
    CHECK(frag.candidates_seen == 1000 && frag.candidates_count == SFU_SDP_CANDIDATES_MAX, "capped");
    CHECK(frag.refused_count == 1, "port 0 is refused");
}
