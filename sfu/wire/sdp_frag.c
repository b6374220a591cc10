#include "sfu/wire/sdp_frag.h"

#include "sfu/wire/words.h"

static void read_candidate(struct nx_bytes value, struct sfu_sdp_frag *frag)
{
    struct sfu_candidate candidate;
    if (frag->candidates_seen < UINT16_MAX) {
        frag->candidates_seen++;
    }
    if (sfu_candidate_parse(value, &candidate) != NX_OK) {
        if (frag->refused_count < UINT16_MAX) {
            frag->refused_count++;
        }
    } else if (candidate.component == 1 && frag->candidates_count < SFU_SDP_CANDIDATES_MAX) {
        frag->candidates[frag->candidates_count++] = candidate;
    }
}

static void keep_first(struct nx_bytes value, struct nx_bytes *field)
{
    if (field->size == 0) {
        *field = value;
    }
}

static void read_attribute(struct nx_bytes line, struct sfu_sdp_frag *frag)
{
    const struct nx_bytes name = sfu_words_until(&line, ':');
    if (sfu_words_is(name, "candidate")) {
        read_candidate(line, frag);
    } else if (sfu_words_is(name, "ice-ufrag")) {
        keep_first(line, &frag->ufrag);
    } else if (sfu_words_is(name, "ice-pwd")) {
        keep_first(line, &frag->password);
    } else if (sfu_words_is(name, "mid")) {
        keep_first(line, &frag->mid);
    } else if (sfu_words_is(name, "end-of-candidates")) {
        frag->has_end_of_candidates = true;
    }
}

enum nx_err sfu_sdp_frag_parse(struct nx_bytes text, struct sfu_sdp_frag *out)
{
    if (text.size > SFU_SDP_SIZE_MAX) {
        return NX_E_FULL;
    }
    struct sfu_sdp_frag frag = {0};
    while (text.size != 0) {
        struct nx_bytes line = sfu_words_until(&text, '\n');
        while (line.size != 0 && (line.at[line.size - 1] == '\r' || line.at[line.size - 1] == ' ')) {
            line.size--;
        }
        const struct nx_bytes kind = nx_bytes_slice(line, 0, 2);
        const struct nx_bytes value = nx_bytes_slice(line, 2, SIZE_MAX);
        if (line.size > SFU_SDP_LINE_SIZE_MAX) {
            continue;
        }
        if (nx_bytes_is(kind, "a=")) {
            read_attribute(value, &frag);
        } else if (nx_bytes_is(kind, "m=")) {
            keep_first(value, &frag.media);
        }
    }
    const bool has_credentials = frag.ufrag.size != 0;
    if (has_credentials != (frag.password.size != 0) ||
        (!has_credentials && frag.candidates_seen == 0 && !frag.has_end_of_candidates)) {
        return NX_E_MALFORMED;
    }
    *out = frag;
    return NX_OK;
}

void sfu_sdp_frag_write(const struct sfu_sdp_frag *frag, struct nx_writer *out)
{
    nx_writer_text(out, "a=ice-lite\r\na=ice-ufrag:");
    nx_writer_bytes_put(out, frag->ufrag);
    nx_writer_text(out, "\r\na=ice-pwd:");
    nx_writer_bytes_put(out, frag->password);
    nx_writer_text(out, "\r\nm=");
    nx_writer_bytes_put(out,
                        frag->media.size != 0 ? frag->media : nx_bytes_text("audio 9 UDP/TLS/RTP/SAVPF 0"));
    nx_writer_text(out, "\r\na=mid:");
    nx_writer_bytes_put(out, frag->mid.size != 0 ? frag->mid : nx_bytes_text("0"));
    nx_writer_text(out, "\r\n");
    for (unsigned i = 0; i < frag->candidates_count; i++) {
        nx_writer_text(out, "a=");
        sfu_candidate_write(&frag->candidates[i], out);
        nx_writer_text(out, "\r\n");
    }
    if (frag->has_end_of_candidates) {
        nx_writer_text(out, "a=end-of-candidates\r\n");
    }
}
