/* Property: whatever is understood of a text lies inside it and within the caps; written and read again it is the same text;
 * an answer has as many m-lines as the offer and reads back without a refused line. */
#include "sfu/wire/sdp_answer.h"
#include "sfu/wire/sdp_write.h"
#include "tests/fuzz/fuzz.h"

static struct sfu_sdp offer;
static struct sfu_sdp again;
static struct sfu_sdp answer;
static uint8_t first_room[1 << 22];
static uint8_t second_room[1 << 22];

static void check_views(struct nx_bytes whole)
{
    fuzz_check(fuzz_is_inside(offer.bundle, whole) && offer.media_count <= SFU_SDP_MEDIA_MAX, "session");
    fuzz_check(offer.candidates_count <= SFU_SDP_CANDIDATES_MAX, "candidates");
    for (unsigned i = 0; i < offer.media_count; i++) {
        const struct sfu_sdp_media *m = &offer.media[i];
        fuzz_check(fuzz_is_inside(m->mid, whole) && fuzz_is_inside(m->formats, whole) &&
                       fuzz_is_inside(m->cname, whole) && fuzz_is_inside(m->transport.ufrag, whole) &&
                       fuzz_is_inside(m->track_id, whole),
                   "views inside");
        fuzz_check(m->codecs_count <= SFU_SDP_CODECS_MAX && m->exts_count <= SFU_SDP_EXTS_MAX &&
                       m->rids_count <= SFU_SDP_RIDS_MAX && m->sources_count <= SFU_SDP_SSRCS_MAX &&
                       m->transport.fingerprints_count <= SFU_SDP_FINGERPRINTS_MAX,
                   "caps");
    }
}

static void check_again(void)
{
    struct nx_writer first = nx_writer_init(first_room, sizeof(first_room));
    sfu_sdp_write(&offer, &first);
    fuzz_check(nx_writer_ok(&first), "it can be written");
    if (first.size > SFU_SDP_SIZE_MAX) {
        return;
    }
    fuzz_check(sfu_sdp_parse(nx_writer_bytes(&first), &again) == NX_OK &&
                   again.media_count == offer.media_count,
               "and read");
}

static void check_answer(void)
{
    struct sfu_sdp_policy policy = {.codecs = UINT32_MAX,
                                    .exts_audio = UINT32_MAX,
                                    .exts_video = UINT32_MAX,
                                    .feedback = UINT8_MAX,
                                    .takes_data = true,
                                    .message_size_max = 1000};
    policy.transport.ufrag = nx_bytes_text("serverfrag");
    policy.transport.password = nx_bytes_text("serverpasswordserverpw");
    policy.transport.fingerprints_count = 1;
    if (sfu_sdp_answer(&offer, &policy, &answer) != NX_OK) {
        return;
    }
    struct nx_writer out = nx_writer_init(second_room, sizeof(second_room));
    sfu_sdp_write(&answer, &out);
    fuzz_check(nx_writer_ok(&out) && answer.media_count == offer.media_count, "answer");
    if (out.size > SFU_SDP_SIZE_MAX || sfu_sdp_parse(nx_writer_bytes(&out), &again) != NX_OK) {
        fuzz_check(out.size > SFU_SDP_SIZE_MAX, "answer reads");
        return;
    }
    fuzz_check(again.media_count == offer.media_count && again.is_lite, "as many m-lines");
    struct sfu_sdp_transport transport;
    fuzz_check(sfu_sdp_transport_of(&again, &transport) == NX_OK, "its transport");
    for (unsigned i = 0; i < offer.media_count; i++) {
        fuzz_check(!offer.media[i].is_rejected || again.media[i].is_rejected, "what was rejected stays so");
        struct sfu_rtp_ext_map map;
        sfu_sdp_answer_map(&again.media[i], &map);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    if (sfu_sdp_parse(whole, &offer) == NX_OK) {
        check_views(whole);
        check_again();
        check_answer();
    }
    free(copy);
    return 0;
}
