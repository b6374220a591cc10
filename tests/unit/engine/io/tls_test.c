/* Goal: two sessions shake hands, exchange bytes, resume, and survive reloads and nonsense; an idle one is small.
 * Method: certificates are made by OpenSSL in the test; the bytes are carried by hand. */
#include "engine/io/limits.h"
#include "engine/io/mem.h"
#include "engine/io/tls.h"
#include "tests/lib/check.h"

#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct files {
    char folder[64];
    char certificate[96];
    char key[96];
};

static void certificate_write(const struct files *files, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    CHECK(X509_sign(certificate, key, EVP_sha256()) != 0, "sign");
    FILE *file = fopen(files->certificate, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(files->key, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void files_make(struct files *files)
{
    snprintf(files->folder, sizeof(files->folder), "/tmp/nexus-tls-XXXXXX");
    CHECK(mkdtemp(files->folder) != NULL, "folder");
    snprintf(files->certificate, sizeof(files->certificate), "%s/c.pem", files->folder);
    snprintf(files->key, sizeof(files->key), "%s/k.pem", files->folder);
    certificate_write(files, "one");
}

static void files_remove(const struct files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    rmdir(files->folder);
}

static void carry(struct nx_tls *from, struct nx_tls *to, size_t step)
{
    for (;;) {
        const struct nx_bytes bytes = nx_tls_output(from);
        if (bytes.size == 0) {
            return;
        }
        const size_t size = bytes.size < step ? bytes.size : step;
        CHECK(nx_tls_feed(to, bytes.at, size) == NX_OK, "feed");
        nx_tls_output_taken(from, size);
        if (!nx_tls_is_ready(to)) {
            (void)!nx_tls_handshake(to);
        }
    }
}

static void shake(struct nx_tls *client, struct nx_tls *server, size_t step)
{
    for (int i = 0; i < 8 && !(nx_tls_is_ready(client) && nx_tls_is_ready(server)); i++) {
        (void)!nx_tls_handshake(client);
        carry(client, server, step);
        carry(server, client, step);
    }
    CHECK(nx_tls_is_ready(client) && nx_tls_is_ready(server), "handshake");
}

static void exchange(struct nx_tls *from, struct nx_tls *to, size_t size)
{
    uint8_t *sent = malloc(size);
    uint8_t *got = malloc(size);
    memset(sent, 'a', size);
    sent[size - 1] = 'z';
    CHECK(nx_tls_write(from, nx_bytes_of(sent, size)) == NX_OK, "write %zu", size);
    size_t total = 0;
    while (nx_tls_output(from).size != 0 || total < size) {
        const struct nx_bytes bytes = nx_tls_output(from);
        const size_t part = bytes.size < 20000 ? bytes.size : 20000;
        CHECK(nx_tls_feed(to, bytes.at, part) == NX_OK, "feed");
        if (part != 0) {
            nx_tls_output_taken(from, part);
        }
        size_t some = 0;
        enum nx_err err;
        while (total < size && (err = nx_tls_read(to, got + total, size - total, &some)) == NX_OK) {
            total += some;
        }
    }
    CHECK(total == size && memcmp(sent, got, size) == 0, "%zu of %zu", total, size);
    CHECK(nx_tls_output(from).size == 0, "all taken");
    free(sent);
    free(got);
}

static struct nx_tls_context *server_context(const struct files *files)
{
    struct nx_tls_context *context = NULL;
    char why[NX_TLS_WHY_SIZE] = "";
    const enum nx_err err = nx_tls_context_open(&context, files->certificate, files->key, why);
    CHECK(err == NX_OK, "%s", why);
    return context;
}

TEST(tls, shakes_hands_exchanges_and_resumes)
{
    struct files files;
    files_make(&files);
    struct nx_tls_context *serving = server_context(&files);
    struct nx_tls_context *calling = NULL;
    CHECK(nx_tls_context_open_client(&calling, false) == NX_OK, "client");
    const size_t steps[] = {1 << 20, 1, 700};
    for (size_t i = 0; i < 3; i++) {
        struct nx_tls *client = NULL;
        struct nx_tls *server = NULL;
        CHECK(nx_tls_open(&client, calling, "localhost") == NX_OK &&
                  nx_tls_open(&server, serving, NULL) == NX_OK,
              "open");
        shake(client, server, steps[i]);
        exchange(server, client, 10);
        exchange(client, server, 1);
        exchange(server, client, 16384);
        exchange(client, server, 100000);
        CHECK(nx_tls_is_resumed(client) == (i > 0) && nx_tls_is_resumed(server) == (i > 0),
              "ticket in round %zu", i);
        nx_tls_finish(server);
        carry(server, client, 1 << 20);
        uint8_t byte;
        size_t size;
        CHECK(nx_tls_read(client, &byte, 1, &size) == NX_E_CLOSED, "close_notify");
        CHECK(nx_tls_write(server, nx_bytes_text("x")) == NX_E_CLOSED, "no write after finish");
        nx_tls_close(client);
        nx_tls_close(server);
    }
    nx_tls_context_close(calling);
    nx_tls_context_close(serving);
    files_remove(&files);
}

/* A client limited to TLS 1.2 by OpenSSL itself, over a socket-less memory pair. */
TEST(tls, speaks_1_2_with_aead_only)
{
    struct files files;
    files_make(&files);
    struct nx_tls_context *serving = server_context(&files);
    const struct {
        int version;
        const char *ciphers;
        bool is_ok;
    } cases[] = {{TLS1_2_VERSION, "ALL", true},
                 {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
                 {TLS1_1_VERSION, "ALL:@SECLEVEL=0", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(ctx, cases[i].version);
        SSL_CTX_set_max_proto_version(ctx, cases[i].version);
        SSL_CTX_set_cipher_list(ctx, cases[i].ciphers);
        SSL *ssl = SSL_new(ctx);
        BIO *in = BIO_new(BIO_s_mem());
        BIO *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        struct nx_tls *server = NULL;
        CHECK(nx_tls_open(&server, serving, NULL) == NX_OK, "open");
        bool is_failed = false;
        for (int round = 0; round < 6; round++) {
            char bytes[8192];
            (void)SSL_do_handshake(ssl);
            const int size = BIO_read(out, bytes, sizeof(bytes));
            if (size > 0) {
                CHECK(nx_tls_feed(server, (uint8_t *)bytes, (size_t)size) == NX_OK, "feed");
                const enum nx_err err = nx_tls_handshake(server);
                is_failed |= err != NX_OK && err != NX_E_TRUNCATED;
            }
            const struct nx_bytes answer = nx_tls_output(server);
            if (answer.size != 0) {
                BIO_write(in, answer.at, (int)answer.size);
                nx_tls_output_taken(server, answer.size);
            }
        }
        CHECK(nx_tls_is_ready(server) == cases[i].is_ok && is_failed != cases[i].is_ok, "case %zu", i);
        if (cases[i].is_ok) {
            /* Asking to renegotiate gets a refusal, not a handshake. */
            CHECK(SSL_CIPHER_is_aead(SSL_get_current_cipher(ssl)) == 1, "AEAD");
        }
        nx_tls_close(server);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
    }
    nx_tls_context_close(serving);
    files_remove(&files);
}

TEST(tls, refuses_plaintext_and_garbage)
{
    struct files files;
    files_make(&files);
    struct nx_tls_context *serving = server_context(&files);
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char hello2[] = "\x80\x2e\x01\x03\x00\x00\x15\x00\x00\x00\x10";
    static const char hello[] = "\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff";
    static const char data[] = "\x17\x03\x03\x40\x00xxxxxxxxxxxxxxxxxxxxxxx";
    const struct nx_bytes inputs[] = {
        nx_bytes_of(http, sizeof(http) - 1), nx_bytes_of(hello2, sizeof(hello2) - 1),
        nx_bytes_of(hello, sizeof(hello) - 1), nx_bytes_of(data, sizeof(data) - 1)};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct nx_tls *server = NULL;
        CHECK(nx_tls_open(&server, serving, NULL) == NX_OK, "open");
        CHECK(nx_tls_feed(server, inputs[i].at, inputs[i].size) == NX_OK, "feed");
        const enum nx_err err = nx_tls_handshake(server);
        CHECK(err == NX_E_MALFORMED || err == NX_E_TRUNCATED, "input %zu: %s", i, nx_err_text(err));
        CHECK(!nx_tls_is_ready(server) && nx_tls_write(server, nx_bytes_text("x")) == NX_E_CLOSED,
              "not ready");
        nx_tls_close(server);
    }
    struct nx_tls *server = NULL;
    CHECK(nx_tls_open(&server, serving, NULL) == NX_OK, "open");
    static uint8_t flood[NX_TLS_INPUT_MAX + 1];
    CHECK(nx_tls_feed(server, flood, sizeof(flood)) == NX_E_FULL, "input is bounded");
    nx_tls_close(server);
    nx_tls_context_close(serving);
    files_remove(&files);
}

TEST(tls, a_broken_record_ends_the_session)
{
    struct files files;
    files_make(&files);
    struct nx_tls_context *serving = server_context(&files);
    struct nx_tls_context *calling = NULL;
    CHECK(nx_tls_context_open_client(&calling, false) == NX_OK, "client");
    struct nx_tls *client = NULL;
    struct nx_tls *server = NULL;
    CHECK(nx_tls_open(&client, calling, NULL) == NX_OK && nx_tls_open(&server, serving, NULL) == NX_OK,
          "open");
    shake(client, server, 1 << 20);
    CHECK(nx_tls_write(client, nx_bytes_text("hello")) == NX_OK, "write");
    uint8_t record[256];
    const struct nx_bytes bytes = nx_tls_output(client);
    memcpy(record, bytes.at, bytes.size);
    record[bytes.size - 1] ^= 1;
    CHECK(nx_tls_feed(server, record, bytes.size) == NX_OK, "feed");
    size_t size;
    CHECK(nx_tls_read(server, record, sizeof(record), &size) == NX_E_MALFORMED, "tag");
    nx_tls_close(client);
    nx_tls_close(server);
    nx_tls_context_close(calling);
    nx_tls_context_close(serving);
    files_remove(&files);
}

TEST(tls, reloads_the_certificate_and_keeps_the_old_one_on_failure)
{
    struct files files;
    files_make(&files);
    char why[NX_TLS_WHY_SIZE] = "";
    struct nx_tls_context *serving = server_context(&files);
    struct nx_tls_context *calling = NULL;
    CHECK(nx_tls_context_open_client(&calling, false) == NX_OK, "client");
    struct nx_tls *before[2];
    CHECK(nx_tls_open(&before[0], calling, "n") == NX_OK && nx_tls_open(&before[1], serving, NULL) == NX_OK,
          "open");
    shake(before[0], before[1], 1 << 20);
    exchange(before[1], before[0], 5);

    FILE *file = fopen(files.key, "w");
    fputs("nonsense\n", file);
    fclose(file);
    CHECK(nx_tls_context_reload(serving, why) == NX_E_MALFORMED && strstr(why, "k.pem") != NULL, "%s", why);
    unlink(files.key);
    CHECK(nx_tls_context_reload(serving, why) == NX_E_IO && strstr(why, "k.pem") != NULL, "%s", why);
    certificate_write(&files, "two");
    CHECK(nx_tls_context_reload(serving, why) == NX_OK, "%s", why);

    /* A ticket from before the reload is still good, and the old session still works. */
    struct nx_tls *after[2];
    CHECK(nx_tls_open(&after[0], calling, "n") == NX_OK && nx_tls_open(&after[1], serving, NULL) == NX_OK,
          "open");
    shake(after[0], after[1], 1 << 20);
    CHECK(nx_tls_is_resumed(after[1]), "ticket survives");
    exchange(before[0], before[1], 5);
    struct nx_tls_context *verifying = NULL;
    CHECK(nx_tls_context_open_client(&verifying, true) == NX_OK, "client");
    struct nx_tls *strict[2];
    CHECK(nx_tls_open(&strict[0], verifying, "two") == NX_OK &&
              nx_tls_open(&strict[1], serving, NULL) == NX_OK,
          "open");
    (void)!nx_tls_handshake(strict[0]);
    carry(strict[0], strict[1], 1 << 20);
    const struct nx_bytes answer = nx_tls_output(strict[1]);
    CHECK(nx_tls_feed(strict[0], answer.at, answer.size) == NX_OK, "feed");
    CHECK(nx_tls_handshake(strict[0]) == NX_E_AUTH, "a self-signed certificate is refused");
    for (int i = 0; i < 2; i++) {
        nx_tls_close(before[i]);
        nx_tls_close(after[i]);
        nx_tls_close(strict[i]);
    }
    nx_tls_context_close(verifying);
    nx_tls_context_close(calling);
    nx_tls_context_close(serving);
    files_remove(&files);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(tls, an_idle_session_is_small)
{
    enum { SESSIONS = 300 };
    static struct nx_tls *servers[SESSIONS];
    struct files files;
    files_make(&files);
    struct nx_tls_context *serving = server_context(&files);
    struct nx_tls_context *calling = NULL;
    CHECK(nx_tls_context_open_client(&calling, false) == NX_OK, "client");
    size_t before = 0;
    for (int i = 0; i < SESSIONS; i++) {
        struct nx_tls *client = NULL;
        CHECK(nx_tls_open(&client, calling, "n") == NX_OK && nx_tls_open(&servers[i], serving, NULL) == NX_OK,
              "open");
        shake(client, servers[i], 1 << 20);
        exchange(client, servers[i], 200);
        exchange(servers[i], client, 200);
        nx_tls_close(client);
        if (i == 99) {
            before = mallinfo2().uordblks;
        }
    }
    const size_t each = (mallinfo2().uordblks - before) / (SESSIONS - 100);
    CHECK(each <= 16384, "%zu bytes per idle session", each);
    printf("idle session: %zu bytes\n", each);
    for (int i = 0; i < SESSIONS; i++) {
        nx_tls_close(servers[i]);
    }
    nx_tls_context_close(calling);
    nx_tls_context_close(serving);
    files_remove(&files);
}
#endif

TEST(tls, survives_any_failed_allocation_of_ours)
{
    struct files files;
    files_make(&files);
    char why[NX_TLS_WHY_SIZE] = "";
    struct nx_tls_context *calling = NULL;
    CHECK(nx_tls_context_open_client(&calling, false) == NX_OK, "client");
    for (uint64_t n = 1; n < 40; n++) {
        struct nx_tls_context *serving = NULL;
        struct nx_tls *client = NULL;
        struct nx_tls *server = NULL;
        nx_mem_fail_at(n);
        if (nx_tls_context_open(&serving, files.certificate, files.key, why) == NX_OK) {
            if (nx_tls_open(&client, calling, NULL) == NX_OK) {
                if (nx_tls_open(&server, serving, NULL) == NX_OK) {
                    for (int i = 0; i < 4; i++) {
                        (void)!nx_tls_handshake(client);
                        struct nx_bytes bytes = nx_tls_output(client);
                        (void)!nx_tls_feed(server, bytes.at, bytes.size);
                        nx_tls_output_taken(client, bytes.size);
                        (void)!nx_tls_handshake(server);
                        bytes = nx_tls_output(server);
                        (void)!nx_tls_feed(client, bytes.at, bytes.size);
                        nx_tls_output_taken(server, bytes.size);
                    }
                    (void)!nx_tls_write(server, nx_bytes_text("x"));
                    nx_tls_close(server);
                }
                nx_tls_close(client);
            }
            nx_tls_context_close(serving);
        }
        nx_mem_fail_at(0);
    }
    nx_tls_context_close(calling);
    const struct nx_mem_stats stats = nx_mem_stats();
    CHECK(stats.takes - stats.takes_failed == stats.gives, "%llu taken, %llu given",
          (unsigned long long)stats.takes, (unsigned long long)stats.gives);
    files_remove(&files);
}
