/* alloc_sweep.c - lets the k-th request for memory fail, for every k, in everything of ours that asks for any while it runs.
 *
 * Spec:    a clean error, no crash, no piece left behind; what was acknowledged is there; with memory again everything works
 * Layer:   tests/fault
 * usage:   alloc_sweep [STRIDE [SUBJECT [FIRST LAST]]]   every STRIDE-th k [1]
 *          Exit code: 0 all held; 1 not
 * Idiom:   The pure layers (all parsers of bytes, the deciding cores) ask for no memory at all, which tools/check_house.py
 *          proves; what is left is the store, what stands on OpenSSL, and the opening of loops and workers.
 */
#include "engine/crypto/aead.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/seal.h"
#include "engine/io/file.h"
#include "engine/io/loop.h"
#include "engine/io/mem.h"
#include "engine/io/tls.h"
#include "engine/io/worker.h"
#include "tests/fault/alloc.h"
#include "tests/fault/disk.h"
#include "tests/fault/script.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHY_SIZE = 256, NOW_S = 1800000000 };

static char folder[80];
static char files[96]; /* beside it: what the subjects read */
static char certificate_path[128];
static char key_path[128];
static char why[WHY_SIZE]; /* the first thing that must not be */
static char doing[160];    /* for the one who looks at a crash */

static void on_crash(int signal)
{
    (void)!write(STDERR_FILENO, doing, strlen(doing));
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)!raise(signal);
}

static void wrong(const char *what, const char *detail)
{
    if (why[0] == '\0') {
        snprintf(why, sizeof why, "%.100s: %.150s", what, detail);
    }
}

/** Whether it went well; anything but success and the lack of memory is wrong. */
static bool well(enum nx_err err, const char *what)
{
    if (err != NX_OK && err != NX_E_NO_MEMORY) {
        wrong(what, nx_err_text(err));
    }
    return err == NX_OK;
}

/* ---- subjects: each does all it has while requests from the `from`-th on fail, then again with memory; returns the requests ---- */

static struct nx_loop *loop;

static uint64_t store_run(struct nx_loop *on, uint64_t from, uint64_t count)
{
    static struct script s;
    s = (struct script){.folder = folder, .loop = on};
    disk_install(folder, 1);
    alloc_fail_set(from, count);
    script_run(&s);
    const uint64_t seen = alloc_seen();
    alloc_fail_set(0, 0);
    script_recover(&s);
    if (s.store != NULL) {
        script_close(&s);
    }
    script_check(&s, folder, "a.db", s.said_count);
    if (s.backed_up != UINT32_MAX) {
        script_check(&s, folder, "b.db", s.backed_up);
    }
    disk_remove();
    script_empty(folder);
    if (s.why[0] != '\0') {
        wrong("store", s.why);
    }
    return seen;
}

static uint64_t store_alone(uint64_t from, uint64_t count)
{
    return store_run(NULL, from, count);
}

static uint64_t store_threads(uint64_t from, uint64_t count)
{
    return store_run(loop, from, count);
}

/** Signs, verifies, seals and opens; what comes back wrong is wrong, whatever memory there was. */
static bool crypto_once(void)
{
    const struct nx_token_key key = {.kid = 7, .secret = "a secret of exactly thirty-two b"};
    const struct nx_token_claims claims = {
        .user_id = 1, .session_id = 2, .token_id = 3, .issued_s = NOW_S, .expires_s = NOW_S + 900};
    const struct nx_seal seal = {.node = 1, .slot = 2, .user_id = 3, .issued_s = NOW_S};
    uint8_t digest[NX_DIGEST_SHA256_SIZE];
    uint8_t text[NX_TOKEN_MINTED_MAX];
    uint8_t sealed[64];
    uint8_t plain[64];
    const uint8_t nonce[NX_AEAD_NONCE_SIZE] = {0};
    struct nx_token_ring ring;
    struct nx_aead aead = {0};
    struct nx_token_claims read = {0};
    struct nx_seal opened = {0};
    bool is_good = well(nx_digest_sha256("x", 1, digest), "digest");
    nx_token_ring_init(&ring);
    is_good = well(nx_token_ring_add(&ring, &key), "ring") && is_good;
    if (is_good) {
        struct nx_writer w = nx_writer_init(text, sizeof text);
        is_good = well(nx_token_sign(&ring, &claims, &w), "sign") &&
                  well(nx_token_verify(&ring, nx_bytes_of(text, w.size), NOW_S, &read), "verify");
    }
    if (is_good) {
        struct nx_writer w = nx_writer_init(text, sizeof text);
        is_good = well(nx_seal_sign(&ring, &seal, &w), "seal") &&
                  well(nx_seal_open(&ring, nx_bytes_of(text, w.size), &opened), "open");
    }
    const bool is_open = well(nx_aead_open(&aead, nx_bytes_of(key.secret, 32)), "aead");
    if (is_open) {
        is_good = well(nx_aead_seal(&aead, nonce, nx_bytes_text("e"), nx_bytes_text("plain"), sealed),
                       "aead seal") &&
                  well(nx_aead_unseal(&aead, nonce, nx_bytes_text("e"),
                                      nx_bytes_of(sealed, 5 + NX_AEAD_TAG_SIZE), plain),
                       "aead unseal") &&
                  is_good;
    }
    nx_aead_close(&aead);
    nx_token_ring_fini(&ring);
    return is_good && is_open;
}

static uint64_t crypto(uint64_t from, uint64_t count)
{
    alloc_fail_set(from, count);
    (void)crypto_once();
    const uint64_t seen = alloc_seen();
    alloc_fail_set(0, 0);
    if (!crypto_once()) {
        wrong("crypto", "does not work again");
    }
    return seen;
}

/** Moves what one side has to say to the other and lets it answer; false when the connection is over. */
static bool carry(struct nx_tls *from, struct nx_tls *to)
{
    const struct nx_bytes bytes = nx_tls_output(from);
    bool is_good = nx_tls_feed(to, bytes.at, bytes.size) == NX_OK;
    nx_tls_output_taken(from, bytes.size);
    if (is_good && !nx_tls_is_ready(to)) {
        const enum nx_err err = nx_tls_handshake(to);
        is_good = err == NX_OK || err == NX_E_TRUNCATED;
    }
    return is_good;
}

static bool tls_talk(struct nx_tls *client, struct nx_tls *server)
{
    enum nx_err err = nx_tls_handshake(client);
    bool is_good = err == NX_OK || err == NX_E_TRUNCATED;
    for (int i = 0; i < 8 && is_good && !(nx_tls_is_ready(client) && nx_tls_is_ready(server)); i++) {
        is_good = carry(client, server) && carry(server, client);
    }
    is_good = is_good && nx_tls_is_ready(client) && nx_tls_is_ready(server) &&
              nx_tls_write(client, nx_bytes_text("hello")) == NX_OK && carry(client, server);
    uint8_t got[16];
    size_t size = 0;
    is_good = is_good && nx_tls_read(server, got, sizeof got, &size) == NX_OK;
    if (is_good && (size != 5 || memcmp(got, "hello", 5) != 0)) {
        wrong("tls", "other bytes arrived");
    }
    return is_good;
}

/** A session may fail in any way without memory; it must not crash, leak or deliver what was not said. */
static bool tls_once(void)
{
    struct nx_tls_context *serving = NULL;
    struct nx_tls_context *calling = NULL;
    struct nx_tls *client = NULL;
    struct nx_tls *server = NULL;
    char reason[NX_TLS_WHY_SIZE] = "";
    bool is_good = nx_tls_context_open(&serving, certificate_path, key_path, reason) == NX_OK &&
                   nx_tls_context_open_client(&calling, false) == NX_OK &&
                   nx_tls_open(&client, calling, "localhost") == NX_OK &&
                   nx_tls_open(&server, serving, NULL) == NX_OK && tls_talk(client, server);
    if (client != NULL) {
        nx_tls_close(client);
    }
    if (server != NULL) {
        nx_tls_close(server);
    }
    if (calling != NULL) {
        nx_tls_context_close(calling);
    }
    if (serving != NULL) {
        nx_tls_context_close(serving);
    }
    return is_good;
}

static uint64_t tls(uint64_t from, uint64_t count)
{
    alloc_fail_set(from, count);
    (void)tls_once();
    const uint64_t seen = alloc_seen();
    alloc_fail_set(0, 0);
    if (!tls_once()) {
        wrong("tls", "does not work again");
    }
    return seen;
}

static bool loop_once(void)
{
    struct nx_loop *own = NULL;
    char reason[NX_LOOP_WHY_SIZE] = "";
    if (nx_loop_open(&own, &(struct nx_loop_config){.cpu = -1, .streams_max = 16}, reason) != NX_OK) {
        if (reason[0] == '\0') {
            wrong("loop", "no reason");
        }
        return false;
    }
    struct nx_worker *worker = NULL;
    const bool is_good = well(
        nx_worker_open(&worker, own, &(struct nx_worker_config){.name = "w", .threads = 2, .queue_max = 4}),
        "worker");
    if (is_good) {
        nx_worker_close(worker);
    }
    nx_loop_close(own);
    uint8_t *bytes = NULL;
    size_t size = 0;
    const bool is_read = well(nx_file_read(certificate_path, 1 << 16, &bytes, &size), "file");
    if (is_read) {
        nx_mem_give(bytes);
    }
    return is_good && is_read;
}

static uint64_t loops(uint64_t from, uint64_t count)
{
    alloc_fail_set(from, count);
    (void)loop_once();
    const uint64_t seen = alloc_seen();
    alloc_fail_set(0, 0);
    if (!loop_once()) {
        wrong("loop", "does not work again");
    }
    return seen;
}

static const struct subject {
    const char *name;
    uint64_t (*run)(uint64_t from, uint64_t count);
    int64_t kept_max; /* pieces that may be held afterwards and were not before */
} subjects[] = {
    {"crypto", crypto, 0},
    {"loop", loops, 0},
    {"tls", tls, 64}, /* OpenSSL's own tables grow once more when growing has failed. */
    {"store_alone", store_alone, 0},
    {"store_threads", store_threads, 0},
};

enum { SUBJECTS = sizeof subjects / sizeof *subjects };

/* ---- the sweep ---- */

static bool sweep(const struct subject *subject, bool lasts, uint64_t stride, uint64_t first, uint64_t last)
{
    uint64_t runs = 0;
    uint64_t bad = 0;
    for (int i = 0; i < 3; i++) {
        (void)subject->run(0, 0); /* What is made once and kept is made now. */
    }
    const uint64_t calls = subject->run(0, 0);
    const int64_t live = alloc_live();
    int64_t left = subject->kept_max;
    for (uint64_t k = first; k <= calls && k <= last; k += stride) {
        snprintf(doing, sizeof doing, "%s %s at request %lu", subject->name, lasts ? "lasting" : "once",
                 (unsigned long)k);
        (void)subject->run(k, lasts ? UINT64_MAX : 1);
        runs++;
        const int64_t now = alloc_live() - live;
        if (now > left) {
            snprintf(why + strlen(why), sizeof why - strlen(why), " %ld more pieces are held",
                     (long)(now - left));
            left = now;
        }
        if (why[0] != '\0') {
            printf("  %s: %s\n", doing, why);
            bad++;
        }
        why[0] = '\0';
    }
    printf("{\"subject\":\"%s\",\"failure\":\"%s\",\"requests\":%lu,\"runs\":%lu,\"bad\":%lu}\n",
           subject->name, lasts ? "lasting" : "once", (unsigned long)calls, (unsigned long)runs,
           (unsigned long)bad);
    fflush(stdout);
    return bad == 0 && calls > 0;
}

static void certificate_make(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
    snprintf(certificate_path, sizeof certificate_path, "%s/c.pem", files);
    snprintf(key_path, sizeof key_path, "%s/k.pem", files);
    FILE *file = fopen(certificate_path, "w");
    if (file != NULL) {
        PEM_write_X509(file, certificate);
        fclose(file);
    }
    file = fopen(key_path, "w");
    if (file != NULL) {
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
        fclose(file);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    alloc_install();
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.32s/alloc_sweep_XXXXXX", base != NULL ? base : P_tmpdir);
    snprintf(files, sizeof files, "%.32s/alloc_files_XXXXXX", base != NULL ? base : P_tmpdir);
    char loop_why[NX_LOOP_WHY_SIZE];
    if (mkdtemp(folder) == NULL || mkdtemp(files) == NULL ||
        nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 16}, loop_why) != NX_OK) {
        fprintf(stderr, "alloc_sweep: no folder or no loop\n");
        return 1;
    }
    certificate_make();
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        (void)!sigaction(crashes[i],
                         &(struct sigaction){.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND}, NULL);
    }
    const uint64_t stride = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    const char *only = argc > 2 ? argv[2] : NULL;
    const uint64_t first = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    const uint64_t last = argc > 4 ? strtoul(argv[4], NULL, 10) : UINT64_MAX;
    bool is_good = true;
    for (size_t i = 0; i < SUBJECTS; i++) {
        for (int lasts = 0; lasts < 2 && (only == NULL || strcmp(only, subjects[i].name) == 0); lasts++) {
            is_good = sweep(&subjects[i], lasts != 0, stride, first, last) && is_good;
        }
    }
    nx_loop_close(loop);
    script_empty(files);
    rmdir(files);
    rmdir(folder);
    return is_good ? 0 : 1;
}
