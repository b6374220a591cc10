/* srtp_window.h - which packets of one stream were seen, and which 48-bit index a 16-bit sequence number stands for.
 *
 * Spec:    RFC 3711 sections 3.3.1 (index), 3.3.2 (replay), appendix A
 * Layer:   engine/crypto (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  NX_SRTP_WINDOW packets back; RFC 3711 asks for 64, retransmissions without their own stream for more
 * Idiom:   guess, check, authenticate, and only then note: what is not authentic changes nothing.
 */
#ifndef NX_CRYPTO_SRTP_WINDOW_H
#define NX_CRYPTO_SRTP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { NX_SRTP_WINDOW = 1024 }; /* packets, a power of two; 1,000 are half a second of 1080p60 */

/** One received stream; zeroed memory is one that has seen nothing. */
struct nx_srtp_window {
    uint64_t highest;                   /**< index of the newest authentic packet */
    uint64_t seen[NX_SRTP_WINDOW / 64]; /**< bit index % NX_SRTP_WINDOW */
    bool has_highest;                   /**< false before the first */
};

/** Returns the index that `sequence` stands for: the one nearest to the newest, the number itself at first. */
uint64_t nx_srtp_window_guess(const struct nx_srtp_window *window, uint16_t sequence);

/** Returns whether `index` is new: neither seen nor older than the window. */
bool nx_srtp_window_is_new(const struct nx_srtp_window *window, uint64_t index);

/** Notes that the packet of `index`, which is new, was authentic. */
void nx_srtp_window_note(struct nx_srtp_window *window, uint64_t index);

#endif
