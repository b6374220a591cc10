/* sdp_golden.h - reads tests/golden/sdp and writes it anew when NEXUS_GOLDEN_WRITE is set; the policy that answers there.
 *
 * Layer:   tests
 */
#ifndef TESTS_SDP_GOLDEN_H
#define TESTS_SDP_GOLDEN_H

#include "sfu/wire/sdp_answer.h"
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

static const char *const GOLDEN_NAMES[] = {
    "chromium_room", "chromium_publish", "chromium_play", "firefox_room",  "firefox_publish",
    "firefox_play",  "safari_publish",   "obs_publish",   "obs_simulcast", "gstreamer_whip",
    "aiortc_audio",  "aiortc_video",     "aiortc_play",   "aiortc_dc"};

enum { GOLDEN_COUNT = sizeof(GOLDEN_NAMES) / sizeof(GOLDEN_NAMES[0]) };

/* The source tree is found from this file's own path, because tests run in the build folder. */
static void golden_path(const char *name, const char *ending, char path[1024])
{
    const char *here = __FILE__;
    const char *tests = strstr(here, "tests/unit/");
    CHECK(tests != NULL, "%s", here);
    snprintf(path, 1024, "%.*stests/golden/sdp/%s.%s", (int)(tests - here), here, name, ending);
}

static struct nx_bytes golden_read(const char *name, const char *ending, uint8_t *room, size_t size)
{
    char path[1024];
    golden_path(name, ending, path);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL, "%s", path);
    const size_t got = fread(room, 1, size, file);
    fclose(file);
    return nx_bytes_of(room, got);
}

static void golden_check(const char *name, const struct nx_writer *out)
{
    static uint8_t kept[1 << 17];
    char path[1024];
    CHECK(nx_writer_ok(out), "%s is too large", name);
    if (getenv("NEXUS_GOLDEN_WRITE") != NULL) {
        golden_path(name, "ok", path);
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL && fwrite(out->start, 1, out->size, file) == out->size && fclose(file) == 0, "%s",
              path);
    }
    const struct nx_bytes wanted = golden_read(name, "ok", kept, sizeof(kept));
    CHECK(nx_bytes_equal(wanted, nx_writer_bytes(out)), "%s differs from what the code says", name);
}

/* The server of the golden answers: everything we forward, at documentation addresses. */
static struct sfu_sdp_policy golden_policy(void)
{
    static struct sfu_candidate candidates[2];
    struct sfu_sdp_policy policy = {
        .codecs = 1U << SFU_SDP_CODEC_OPUS | 1U << SFU_SDP_CODEC_VP8 | 1U << SFU_SDP_CODEC_VP9 |
                  1U << SFU_SDP_CODEC_H264 | 1U << SFU_SDP_CODEC_AV1 | 1U << SFU_SDP_CODEC_RTX,
        .exts_audio = 1U << SFU_RTP_EXT_MID | 1U << SFU_RTP_EXT_AUDIO_LEVEL | 1U << SFU_RTP_EXT_TRANSPORT_CC,
        .exts_video = 1U << SFU_RTP_EXT_MID | 1U << SFU_RTP_EXT_RID | 1U << SFU_RTP_EXT_REPAIRED_RID |
                      1U << SFU_RTP_EXT_TRANSPORT_CC | 1U << SFU_RTP_EXT_ABS_SEND_TIME |
                      1U << SFU_RTP_EXT_DEPENDENCY_DESCRIPTOR | 1U << SFU_RTP_EXT_VIDEO_ORIENTATION |
                      1U << SFU_RTP_EXT_PLAYOUT_DELAY,
        .feedback = SFU_SDP_FEEDBACK_NACK | SFU_SDP_FEEDBACK_PLI | SFU_SDP_FEEDBACK_FIR |
                    SFU_SDP_FEEDBACK_TRANSPORT_CC,
        .takes_data = true,
        .message_size_max = 262144,
        .session_id = 42,
        .session_version = 1};
    policy.transport.ufrag = nx_bytes_text("serverfrag");
    policy.transport.password = nx_bytes_text("serverpasswordserverpw");
    policy.transport.fingerprints_count = 1;
    for (size_t i = 0; i < SFU_SDP_HASH_SIZE; i++) {
        policy.transport.fingerprints[0][i] = (uint8_t)(i * 8);
    }
    static const char *const hosts[2] = {"203.0.113.7:7900", "[2001:db8::7]:7900"};
    for (unsigned i = 0; i < 2; i++) {
        candidates[i] = (struct sfu_candidate){.foundation = nx_bytes_text(i == 0 ? "1" : "2"),
                                               .component = 1,
                                               .priority = sfu_candidate_priority(126, 65535 - i)};
        CHECK(nx_addr_parse(nx_bytes_text(hosts[i]), &candidates[i].addr) == NX_OK, "address");
    }
    policy.candidates = candidates;
    policy.candidates_count = 2;
    return policy;
}

#endif
