/* addr.h - an IP address and port as a value: parse, format, compare, and the form that logs may show.
 *
 * Spec:    RFC 4291 section 2.2 and RFC 5952 (IPv6 text), RFC 4007 section 11 (numeric zones only)
 * Layer:   engine/base (no I/O, no clock, no allocation); socket addresses are engine/io's
 * Threads: any; values
 * Limits:  NX_ADDR_TEXT_SIZE_MAX characters; no host names
 * Idiom:   parse accepts one spelling per meaning, except IPv6 letters' case and zero runs; format then
 *          parse gives the same value back.
 */
#ifndef NX_BASE_ADDR_H
#define NX_BASE_ADDR_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/base/writer.h"

enum { NX_ADDR_FAMILY_NONE = 0, NX_ADDR_FAMILY_IPV4 = 4, NX_ADDR_FAMILY_IPV6 = 6 };

/** One address; all zero is none. */
struct nx_addr {
    uint8_t family; /**< NX_ADDR_FAMILY_* */
    uint8_t ip[16]; /**< network order; IPv4 in the first 4, the rest 0 */
    uint16_t port;  /**< 0 when none was given */
    uint32_t scope; /**< zone of a link-local IPv6 address, else 0 */
};

/**
 * Parses "127.0.0.1:8080", "127.0.0.1", "[::1]:443", "::1", "[fe80::1%2]:9" or ":8080" (any IPv4 address,
 * 0.0.0.0).
 *
 * Returns NX_E_MALFORMED for anything else: leading zeros, a port above 65535, a host name, trailing
 * characters.
 */
NX_MUST_USE enum nx_err nx_addr_parse(struct nx_bytes text, struct nx_addr *out);

/** Parses an IP alone, "127.0.0.1" or "fe80::1%2". Returns NX_E_MALFORMED for anything else, brackets and ports too. */
NX_MUST_USE enum nx_err nx_addr_parse_ip(struct nx_bytes text, struct nx_addr *out);

/** Writes "1.2.3.4:80" or "[2001:db8::1]:80"; port 0 is written too. For an address without family writes
 * "none". */
void nx_addr_format(const struct nx_addr *addr, struct nx_writer *out);

/** Writes the IP alone, without port and brackets. */
void nx_addr_format_ip(const struct nx_addr *addr, struct nx_writer *out);

/** Writes what logs may show: "203.0.x.x" (IPv4 /16) or "2001:db8:x" (IPv6 /32); no port. */
void nx_addr_redacted(const struct nx_addr *addr, struct nx_writer *out);

/** Returns `addr` with an IPv4-mapped IPv6 address (::ffff:1.2.3.4) turned into IPv4; others as they are. */
struct nx_addr nx_addr_canonical(struct nx_addr addr);

/**
 * Returns what rate limits count by: the whole IPv4 address or the first 64 bits of an IPv6 address,
 * IPv4-mapped counted as IPv4, port ignored. IPv4 and IPv6 keys never meet, 0 is the key of no address but
 * ::/64.
 */
uint64_t nx_addr_limit_key(const struct nx_addr *addr);

/** Returns whether family, IP, port and scope are the same. */
bool nx_addr_equal(const struct nx_addr *a, const struct nx_addr *b);

/** Returns a keyed hash; equal addresses have equal hashes. */
uint64_t nx_addr_hash(const struct nx_addr *addr, const uint8_t key[16]);

/** Returns whether the address is in 127.0.0.0/8 (also IPv4-mapped) or is ::1. */
bool nx_addr_is_loopback(const struct nx_addr *addr);

#endif
