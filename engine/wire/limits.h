/* limits.h - every cap of engine/wire, with the reason beside it.
 *
 * Layer:   engine/wire
 * Threads: any; constants
 */
#ifndef NX_WIRE_LIMITS_H
#define NX_WIRE_LIMITS_H

enum {
    NX_HTTP1_REQUEST_LINE_MAX =
        8 * 1024,                  /* bytes up to CRLF; RFC 9112 section 3 asks for at least 8000; then 414 */
    NX_HTTP1_HEAD_MAX = 16 * 1024, /* bytes of request or status line and headers; then 431 */
    NX_HTTP1_HEADERS_MAX = 100,    /* header lines of one head; then 431 */
    NX_HTTP1_CHUNK_EXTENSIONS_MAX = 1024,      /* bytes of chunk extensions in one body; nobody uses them */
    NX_HTTP1_TRAILERS_MAX = 8 * 1024,          /* bytes of the trailer section of one body */
    NX_HTTP1_CHUNK_DIGITS_MAX = 16,            /* hexadecimal digits of one chunk size */
    NX_URL_SEGMENTS_MAX = 32,                  /* path segments of one target */
    NX_URL_PAIRS_MAX = 128,                    /* pairs one query may hold */
    NX_WS_HEADER_SIZE_MAX = 14,                /* RFC 6455 section 5.2: 2 + 8 + 4 */
    NX_WS_CONTROL_SIZE_MAX = 125,              /* RFC 6455 section 5.5 */
    NX_WS_MESSAGE_SIZE_MAX = 64 * 1024 * 1024, /* bytes; upper bound of what a configuration may allow */
    NX_WS_EXTENSION_OFFERS_MAX =
        16, /* extension offers looked at in one handshake; later ones are declined */
    NX_DEFLATE_INFLATER_SIZE = 48 * 1024, /* block of one inflater: zlib's state and its 32 KiB window */
    NX_DEFLATE_DEFLATER_SIZE =
        288 * 1024,                /* block of one deflater: zlib's formula for 15 bits, memory level 8 */
    NX_DEFLATE_PREFIX_MAX = 65535, /* RFC 1951 section 3.2.4: a stored block's LEN has 16 bits */
    NX_JSON_DEPTH_MAX = 32,        /* nested arrays and objects a reader accepts */
    NX_JSON_SIZE_MAX = 64 * 1024 * 1024, /* bytes of one text */
    NX_JSON_OUT_DEPTH_MAX = 64,          /* nested arrays and objects a writer keeps track of */
    NX_JSON_FIELDS_MAX = 64,             /* members one field table may name */
    NX_JSON_FAULTS_MAX = 16,             /* faults collected for one error body */
    NX_PROM_NAME_SIZE_MAX = 120,         /* characters of one metric family's name */
};

#endif
