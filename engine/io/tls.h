/* tls.h - TLS 1.2 and 1.3 as bytes in, bytes out; handshakes run on workers.
 *
 * Spec:    RFC 8446, RFC 5246 with AEAD suites only; session tickets (RFC 5077, 8446 4.6.1); no renegotiation, no
 *          compression, no 0-RTT
 * Layer:   engine/io (no descriptors here: the owner moves the bytes; shared by the io and the sim loop)
 * Threads: a context is shared by all shards and reloaded atomically; a session belongs to one shard, except while its
 *          handshake step runs on a worker
 * Limits:  one idle session holds no record buffers (SSL_MODE_RELEASE_BUFFERS)
 */
#ifndef NX_IO_TLS_H
#define NX_IO_TLS_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

struct nx_tls_context;
struct nx_tls;

/** Room for one clear line about a certificate or key that cannot be used. */
enum { NX_TLS_WHY_SIZE = 256 };

/**
 * Opens a server context from PEM files (chain first). ALPN answers http/1.1.
 * Returns NX_OK; NX_E_IO when a file cannot be read; NX_E_MALFORMED when it does not parse or key and certificate do
 * not match; `why` receives the reason.
 */
NX_MUST_USE enum nx_err nx_tls_context_open(struct nx_tls_context **out, const char *certificate_path,
                                            const char *key_path, char why[NX_TLS_WHY_SIZE]);

/** Opens a client context; `is_verified` false accepts any certificate (load tests on loopback only). */
NX_MUST_USE enum nx_err nx_tls_context_open_client(struct nx_tls_context **out, bool is_verified);

/** Loads the files again for handshakes that begin from now on; on failure the old certificate stays. Same returns as open. */
NX_MUST_USE enum nx_err nx_tls_context_reload(struct nx_tls_context *context, char why[NX_TLS_WHY_SIZE]);

/** Closes the context; sessions that use it keep what they need. */
void nx_tls_context_close(struct nx_tls_context *context);

/** Opens a session; `server_name` (client only) may be NULL. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_tls_open(struct nx_tls **out, struct nx_tls_context *context,
                                    const char *server_name);

/** Frees the session and wipes its keys. */
void nx_tls_close(struct nx_tls *tls);

/** Gives received ciphertext to the session (copied). Returns NX_OK; NX_E_FULL past the input cap; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_tls_feed(struct nx_tls *tls, const uint8_t *bytes, size_t size);

/**
 * Takes a handshake step over what was fed; may run on a worker thread (0.4 ms of CPU for a full server handshake).
 * Returns NX_OK when the handshake is complete; NX_E_TRUNCATED when more input is needed; NX_E_AUTH or NX_E_MALFORMED when
 * it failed (an alert may wait in the output).
 */
NX_MUST_USE enum nx_err nx_tls_handshake(struct nx_tls *tls);

/** Returns whether the handshake is complete. */
bool nx_tls_is_ready(const struct nx_tls *tls);

/** Returns whether the handshake took up an earlier session by its ticket. A client context remembers its last one. */
bool nx_tls_is_resumed(const struct nx_tls *tls);

/**
 * Reads decrypted bytes into `out` (`room` bytes), `size` receives how many.
 * Returns NX_OK; NX_E_TRUNCATED when there is none yet; NX_E_CLOSED after close_notify; NX_E_MALFORMED on a bad record.
 */
NX_MUST_USE enum nx_err nx_tls_read(struct nx_tls *tls, uint8_t *out, size_t room, size_t *size);

/** Encrypts `bytes` as few records as possible into the session's output. Returns NX_OK; NX_E_NO_MEMORY; NX_E_CLOSED. */
NX_MUST_USE enum nx_err nx_tls_write(struct nx_tls *tls, struct nx_bytes bytes);

/** Puts close_notify into the output. */
void nx_tls_finish(struct nx_tls *tls);

/** Returns the ciphertext waiting to be sent (borrowed until the next call on this session). */
struct nx_bytes nx_tls_output(const struct nx_tls *tls);

/** Drops the first `size` bytes of the output, which were sent; the buffer is released when it is empty. */
void nx_tls_output_taken(struct nx_tls *tls, size_t size);

#endif
