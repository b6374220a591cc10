#include "engine/io/tls.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Ciphers of TLS 1.2 in the server's order; which AEAD comes first depends on the processor. */
#define AES_12                                                                                               \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"               \
    "ECDHE-RSA-AES256-GCM-SHA384"
#define CHACHA_12 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define AES_13    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
#define CHACHA_13 "TLS_CHACHA20_POLY1305_SHA256"

enum {
    PATH_SIZE_MAX = 4096,
    NAME_SIZE_MAX = 256,
    TICKET_KEYS_SIZE = 80, /* as OpenSSL keeps them: name, HMAC key, AES key */
    RECORD_PLAIN_MAX = 16384,
    RECORD_OVERHEAD = 64, /* header, explicit nonce, tag, content type, with room to spare */
    BUFFER_LEAST = 512
};

struct nx_tls_context {
    atomic_uint holders;   /* its owner and every client session, which hands its tickets here */
    pthread_mutex_t mutex; /* over what follows */
    SSL_CTX *ssl;          /* owned; replaced by reload, older sessions hold their own reference */
    SSL_SESSION *session;  /* owned, client: the last one received */
    char session_name[NAME_SIZE_MAX];
    char *certificate_path; /* owned; NULL in a client */
    char *key_path;         /* owned */
    bool is_client;
    bool is_verified;
};

/** A run of bytes that holds memory only while it holds bytes. */
struct buffer {
    uint8_t *bytes;
    size_t start;
    size_t size; /* end of what is filled */
    size_t room;
};

struct nx_tls {
    SSL *ssl;
    struct nx_tls_context *context; /* client only: where its sessions are kept */
    char *server_name;              /* owned; client only */
    struct buffer input;
    struct buffer output;
};

/* ---- buffers ---- */

static void buffer_release(struct buffer *b)
{
    nx_mem_give(b->bytes);
    *b = (struct buffer){.bytes = NULL};
}

static bool buffer_reserve(struct buffer *b, size_t more)
{
    if (b->room - b->size >= more) {
        return true;
    }
    const size_t held = b->size - b->start;
    size_t room = b->room > BUFFER_LEAST ? b->room : BUFFER_LEAST;
    while (room < held + more) {
        room *= 2;
    }
    nx_mem_allow(true);
    uint8_t *bytes = nx_mem_take(room);
    nx_mem_allow(false);
    if (bytes == NULL) {
        return false;
    }
    if (held != 0) {
        memcpy(bytes, b->bytes + b->start, held);
    }
    nx_mem_give(b->bytes);
    *b = (struct buffer){.bytes = bytes, .size = held, .room = room};
    return true;
}

static bool buffer_put(struct buffer *b, const void *bytes, size_t size)
{
    if (!buffer_reserve(b, size)) {
        return false;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    return true;
}

static void buffer_take(struct buffer *b, size_t size)
{
    NX_ASSERT(size <= b->size - b->start);
    b->start += size;
    if (b->start == b->size) {
        buffer_release(b);
    }
}

/* ---- OpenSSL's side of the buffers: a BIO without memory of its own ---- */

static int bio_read(BIO *bio, char *into, size_t room, size_t *got)
{
    struct nx_tls *tls = BIO_get_data(bio);
    const size_t held = tls->input.size - tls->input.start;
    BIO_clear_retry_flags(bio);
    if (held == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    const size_t size = held < room ? held : room;
    memcpy(into, tls->input.bytes + tls->input.start, size);
    buffer_take(&tls->input, size);
    *got = size;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *put)
{
    struct nx_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->output.size - tls->output.start + size > NX_TLS_OUTPUT_MAX ||
        !buffer_put(&tls->output, bytes, size)) {
        return 0;
    }
    *put = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_method_make(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nexus");
    if (bio_method != NULL) {
        (void)BIO_meth_set_read_ex(bio_method, bio_read);
        (void)BIO_meth_set_write_ex(bio_method, bio_write);
        (void)BIO_meth_set_ctrl(bio_method, bio_control);
    }
}

/* ---- contexts ---- */

static bool has_aes_hardware(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") != 0;
#else
    return true;
#endif
}

/* Puts the reason that OpenSSL gives behind `what`. */
static void why_openssl(char why[NX_TLS_WHY_SIZE], const char *what, const char *path)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(why, NX_TLS_WHY_SIZE, "%s %.120s: %s", what, path,
                   reason != NULL ? reason : "unknown error");
    ERR_clear_error();
}

static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *offered, unsigned offered_size, void *context)
{
    static const unsigned char http11[] = "http/1.1";
    (void)ssl;
    (void)context;
    for (unsigned at = 0; at < offered_size && offered[at] < offered_size - at; at += 1u + offered[at]) {
        if (offered[at] == sizeof(http11) - 1 && memcmp(offered + at + 1, http11, sizeof(http11) - 1) == 0) {
            *out = offered + at + 1;
            *out_size = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *ssl_context_make(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);
    if (ssl == NULL) {
        return NULL;
    }
    const bool is_aes_first = has_aes_hardware();
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, is_aes_first ? AES_12 ":" CHACHA_12 : CHACHA_12 ":" AES_12) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, is_aes_first ? AES_13 ":" CHACHA_13 : CHACHA_13 ":" AES_13) != 1 ||
        SSL_CTX_set1_groups_list(ssl, "X25519:P-256") != 1) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    return ssl;
}

static enum nx_err server_make(const struct nx_tls_context *context, SSL_CTX **out, char why[NX_TLS_WHY_SIZE])
{
    static const unsigned char session_context[] = "nexus";
    ERR_clear_error();
    SSL_CTX *ssl = ssl_context_make(TLS_server_method());
    if (ssl == NULL) {
        (void)snprintf(why, NX_TLS_WHY_SIZE, "no memory for a TLS context");
        return NX_E_NO_MEMORY;
    }
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context) - 1);
    (void)SSL_CTX_set_num_tickets(ssl, 1);
    (void)SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_alpn_select_cb(ssl, alpn_choose, NULL);
    const char *paths[2] = {context->certificate_path, context->key_path};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "re");
        if (file == NULL) {
            (void)snprintf(why, NX_TLS_WHY_SIZE, "cannot read %.120s: %s", paths[i], strerror(errno));
            SSL_CTX_free(ssl);
            return NX_E_IO;
        }
        (void)fclose(file);
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, context->certificate_path) != 1) {
        why_openssl(why, "not a PEM certificate chain:", context->certificate_path);
    } else if (SSL_CTX_use_PrivateKey_file(ssl, context->key_path, SSL_FILETYPE_PEM) != 1) {
        why_openssl(why, "not the PEM private key of the certificate:", context->key_path);
    } else if (SSL_CTX_check_private_key(ssl) != 1) {
        why_openssl(why, "not the key of the certificate:", context->key_path);
    } else {
        *out = ssl;
        return NX_OK;
    }
    SSL_CTX_free(ssl);
    return NX_E_MALFORMED;
}

static char *text_copy(const char *text, size_t size_max)
{
    const size_t length = strnlen(text, size_max);
    nx_mem_allow(true);
    char *copy = length < size_max ? nx_mem_take(length + 1) : NULL;
    nx_mem_allow(false);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

static struct nx_tls_context *context_make(void)
{
    struct nx_tls_context *context = nx_mem_take(sizeof(*context));
    (void)pthread_once(&bio_once, bio_method_make);
    if (context != NULL) {
        (void)pthread_mutex_init(&context->mutex, NULL);
        atomic_store(&context->holders, 1);
    }
    return context;
}

enum nx_err nx_tls_context_open(struct nx_tls_context **out, const char *certificate_path,
                                const char *key_path, char why[NX_TLS_WHY_SIZE])
{
    struct nx_tls_context *context = context_make();
    if (context == NULL) {
        (void)snprintf(why, NX_TLS_WHY_SIZE, "no memory for a TLS context");
        return NX_E_NO_MEMORY;
    }
    enum nx_err err = NX_E_NO_MEMORY;
    context->certificate_path = text_copy(certificate_path, PATH_SIZE_MAX);
    context->key_path = text_copy(key_path, PATH_SIZE_MAX);
    if (context->certificate_path != NULL && context->key_path != NULL && bio_method != NULL) {
        err = server_make(context, &context->ssl, why);
    } else {
        (void)snprintf(why, NX_TLS_WHY_SIZE, "no memory for a TLS context");
    }
    if (err != NX_OK) {
        nx_tls_context_close(context);
        return err;
    }
    *out = context;
    return NX_OK;
}

/* Keeps the newest session of a client context, for the next connection to the same name. */
static int session_keep(SSL *ssl, SSL_SESSION *session)
{
    struct nx_tls *tls = SSL_get_app_data(ssl);
    struct nx_tls_context *context = tls->context;
    (void)pthread_mutex_lock(&context->mutex);
    SSL_SESSION *before = context->session;
    context->session = session;
    (void)snprintf(context->session_name, sizeof(context->session_name), "%s", tls->server_name);
    (void)pthread_mutex_unlock(&context->mutex);
    SSL_SESSION_free(before);
    return 1;
}

enum nx_err nx_tls_context_open_client(struct nx_tls_context **out, bool is_verified)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    struct nx_tls_context *context = context_make();
    if (context == NULL) {
        return NX_E_NO_MEMORY;
    }
    context->is_client = true;
    context->is_verified = is_verified;
    context->ssl = bio_method != NULL ? ssl_context_make(TLS_client_method()) : NULL;
    if (context->ssl == NULL ||
        SSL_CTX_set_alpn_protos(context->ssl, protocols, sizeof(protocols) - 1) != 0 ||
        (is_verified && SSL_CTX_set_default_verify_paths(context->ssl) != 1)) {
        ERR_clear_error();
        nx_tls_context_close(context);
        return NX_E_NO_MEMORY;
    }
    SSL_CTX_set_verify(context->ssl, is_verified ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    (void)SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, session_keep);
    *out = context;
    return NX_OK;
}

enum nx_err nx_tls_context_reload(struct nx_tls_context *context, char why[NX_TLS_WHY_SIZE])
{
    NX_ASSERT(!context->is_client);
    SSL_CTX *fresh;
    const enum nx_err err = server_make(context, &fresh, why);
    if (err != NX_OK) {
        return err;
    }
    /* Tickets of before the reload stay good: a certificate renewed at night must not cost everyone a full handshake. */
    unsigned char keys[TICKET_KEYS_SIZE];
    (void)pthread_mutex_lock(&context->mutex);
    if (SSL_CTX_get_tlsext_ticket_keys(context->ssl, keys, sizeof(keys)) == 1) {
        (void)SSL_CTX_set_tlsext_ticket_keys(fresh, keys, sizeof(keys));
    }
    SSL_CTX *before = context->ssl;
    context->ssl = fresh;
    (void)pthread_mutex_unlock(&context->mutex);
    explicit_bzero(keys, sizeof(keys));
    SSL_CTX_free(before);
    return NX_OK;
}

static void context_drop(struct nx_tls_context *context)
{
    if (atomic_fetch_sub(&context->holders, 1) != 1) {
        return;
    }
    SSL_SESSION_free(context->session);
    SSL_CTX_free(context->ssl);
    nx_mem_give(context->certificate_path);
    nx_mem_give(context->key_path);
    (void)pthread_mutex_destroy(&context->mutex);
    nx_mem_give(context);
}

void nx_tls_context_close(struct nx_tls_context *context)
{
    context_drop(context);
}

/* ---- sessions ---- */

static bool client_prepare(struct nx_tls *tls, struct nx_tls_context *context, const char *server_name)
{
    tls->context = context;
    (void)atomic_fetch_add(&context->holders, 1);
    tls->server_name = text_copy(server_name != NULL ? server_name : "", NAME_SIZE_MAX);
    if (tls->server_name == NULL) {
        return false;
    }
    if (server_name != NULL && (SSL_set_tlsext_host_name(tls->ssl, tls->server_name) != 1 ||
                                (context->is_verified && SSL_set1_host(tls->ssl, server_name) != 1))) {
        return false;
    }
    (void)pthread_mutex_lock(&context->mutex);
    if (context->session != NULL && strcmp(context->session_name, tls->server_name) == 0) {
        (void)SSL_set_session(tls->ssl, context->session);
    }
    (void)pthread_mutex_unlock(&context->mutex);
    SSL_set_connect_state(tls->ssl);
    return true;
}

enum nx_err nx_tls_open(struct nx_tls **out, struct nx_tls_context *context, const char *server_name)
{
    nx_mem_allow(true);
    struct nx_tls *tls = nx_mem_take(sizeof(*tls));
    nx_mem_allow(false);
    if (tls == NULL) {
        return NX_E_NO_MEMORY;
    }
    (void)pthread_mutex_lock(&context->mutex);
    tls->ssl = SSL_new(context->ssl);
    (void)pthread_mutex_unlock(&context->mutex);
    BIO *bio = tls->ssl != NULL ? BIO_new(bio_method) : NULL;
    if (bio == NULL) {
        goto fail;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    (void)SSL_set_app_data(tls->ssl, tls);
    if (context->is_client) {
        if (!client_prepare(tls, context, server_name)) {
            goto fail;
        }
    } else {
        SSL_set_accept_state(tls->ssl);
    }
    *out = tls;
    return NX_OK;
fail:
    nx_tls_close(tls);
    return NX_E_NO_MEMORY;
}

void nx_tls_close(struct nx_tls *tls)
{
    if (tls->ssl != NULL) {
        /* Without this, freeing marks the session as not resumable, because no close_notify went both ways. */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(tls->ssl);
    }
    ERR_clear_error();
    buffer_release(&tls->input);
    buffer_release(&tls->output);
    if (tls->context != NULL) {
        context_drop(tls->context);
    }
    nx_mem_give(tls->server_name);
    nx_mem_give(tls);
}

enum nx_err nx_tls_feed(struct nx_tls *tls, const uint8_t *bytes, size_t size)
{
    if (size > NX_TLS_INPUT_MAX - (tls->input.size - tls->input.start)) {
        return NX_E_FULL;
    }
    return size == 0 || buffer_put(&tls->input, bytes, size) ? NX_OK : NX_E_NO_MEMORY;
}

enum nx_err nx_tls_handshake(struct nx_tls *tls)
{
    ERR_clear_error();
    const int result = SSL_do_handshake(tls->ssl);
    const int error = SSL_get_error(tls->ssl, result);
    const bool is_refused = SSL_get_verify_result(tls->ssl) != X509_V_OK;
    ERR_clear_error();
    if (result == 1) {
        return NX_OK;
    }
    if (error == SSL_ERROR_WANT_READ) {
        return NX_E_TRUNCATED;
    }
    return is_refused ? NX_E_AUTH : NX_E_MALFORMED;
}

bool nx_tls_is_ready(const struct nx_tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

bool nx_tls_is_resumed(const struct nx_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

enum nx_err nx_tls_read(struct nx_tls *tls, uint8_t *out, size_t room, size_t *size)
{
    ERR_clear_error();
    size_t got = 0;
    if (SSL_read_ex(tls->ssl, out, room, &got) == 1) {
        *size = got;
        return NX_OK;
    }
    const int error = SSL_get_error(tls->ssl, 0);
    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return NX_E_TRUNCATED;
    case SSL_ERROR_ZERO_RETURN:
        return NX_E_CLOSED;
    default:
        return NX_E_MALFORMED;
    }
}

enum nx_err nx_tls_write(struct nx_tls *tls, struct nx_bytes bytes)
{
    if (bytes.size == 0) {
        return NX_OK;
    }
    if (!nx_tls_is_ready(tls) || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN) != 0) {
        return NX_E_CLOSED;
    }
    /* Room for all records first: then OpenSSL cannot run out of it in the middle of one. */
    const size_t needed = bytes.size + (bytes.size / RECORD_PLAIN_MAX + 1) * RECORD_OVERHEAD;
    if (tls->output.size - tls->output.start + needed > NX_TLS_OUTPUT_MAX ||
        !buffer_reserve(&tls->output, needed)) {
        return NX_E_NO_MEMORY;
    }
    ERR_clear_error();
    size_t put = 0;
    const bool is_put = SSL_write_ex(tls->ssl, bytes.at, bytes.size, &put) == 1;
    ERR_clear_error();
    return is_put && put == bytes.size ? NX_OK : NX_E_CLOSED;
}

void nx_tls_finish(struct nx_tls *tls)
{
    if (nx_tls_is_ready(tls)) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
}

struct nx_bytes nx_tls_output(const struct nx_tls *tls)
{
    const struct buffer *b = &tls->output;
    return nx_bytes_of(b->bytes != NULL ? b->bytes + b->start : NULL, b->size - b->start);
}

void nx_tls_output_taken(struct nx_tls *tls, size_t size)
{
    buffer_take(&tls->output, size);
}
