/* sdp_attr.h - the attribute lines of a description, one function each; a part of sdp.c.
 *
 * Spec:    as sdp.h
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 */
#ifndef SFU_WIRE_SDP_ATTR_H
#define SFU_WIRE_SDP_ATTR_H

#include "sfu/wire/sdp.h"

/** What became of a line. */
enum sfu_sdp_attr_verdict { SFU_SDP_ATTR_TAKEN, SFU_SDP_ATTR_UNKNOWN, SFU_SDP_ATTR_REFUSED };

/** Reads one attribute, what follows "a=", into `media` or, when that is NULL, into the session part of `sdp`. */
enum sfu_sdp_attr_verdict sfu_sdp_attr_read(struct sfu_sdp *sdp, struct sfu_sdp_media *media,
                                            struct nx_bytes text);

/** Reads the payload types of an m-line into media->codecs. Returns how many words were refused. */
unsigned sfu_sdp_attr_formats(struct sfu_sdp_media *media);

/** Orders media->rids as `line`, what follows "a=simulcast:", has them, and marks the paused. */
void sfu_sdp_attr_simulcast(struct sfu_sdp_media *media, struct nx_bytes line);

#endif
