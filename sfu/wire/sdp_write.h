/* sdp_write.h - writes a description that was made as a value: answers of the server, offers of test clients.
 *
 * Spec:    RFC 8829 sections 5.2 and 5.3 (what a section holds and in which order), others as sdp.h
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   what sfu_sdp_parse() reads from the text is the value again, but for views and counts.
 */
#ifndef SFU_WIRE_SDP_WRITE_H
#define SFU_WIRE_SDP_WRITE_H

#include "sfu/wire/sdp.h"

/**
 * Writes `sdp`, lines ending in CRLF. Each m-line that is not rejected carries its transport; candidates go to the first of
 * them. A rejected one keeps its name, protocol, formats and mid only. Parameters of codecs are written as they are.
 */
void sfu_sdp_write(const struct sfu_sdp *sdp, struct nx_writer *out);

#endif
