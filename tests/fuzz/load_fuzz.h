/* load_fuzz.h - the load tool's connections over the stream of stream_fuzz.h, without TLS.
 *
 * Layer:   tests
 */
#ifndef TESTS_FUZZ_LOAD_H
#define TESTS_FUZZ_LOAD_H

#include "loadtest/conn.h"
#include "tests/fuzz/stream_fuzz.h"

enum { LOAD_FUZZ_OUT_MAX = 1 << 20 };

/* Everything that was sent on this connection. */
static uint8_t load_out[LOAD_FUZZ_OUT_MAX];
static size_t load_out_size;

static void load_out_see(struct nx_bytes bytes)
{
    if (load_out_size + bytes.size <= sizeof(load_out)) {
        memcpy(load_out + load_out_size, bytes.at, bytes.size);
    }
    load_out_size += bytes.size;
}

/* A number that tells two runs apart. */
static uint64_t load_hash;

static void load_note(uint64_t what)
{
    for (int i = 0; i < 8; i++) {
        load_hash = (load_hash ^ (uint8_t)(what >> (8 * i))) * UINT64_C(0x100000001b3);
    }
}

static void load_note_bytes(struct nx_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        load_hash = (load_hash ^ bytes.at[i]) * UINT64_C(0x100000001b3);
    }
    load_note(bytes.size);
}

static struct load_conn_net load_net;

/* One network for all runs: its inflater and scratch are made once. */
static void load_begin(bool wants_deflate, size_t taken_max)
{
    static bool is_made;
    if (!is_made) {
        load_net.host = "127.0.0.1:8080";
        fuzz_check(load_conn_net_init(&load_net) == NX_OK, "network");
        is_made = true;
    }
    fake_reset();
    fake.committed_see = load_out_see;
    fake.taken_max = taken_max;
    fake.tasks[0] = &load_net.flush;
    nx_list_init(&load_net.unflushed);
    load_net.flush.is_awake = false;
    load_net.wants_deflate = wants_deflate;
    nx_prng_init(&load_net.prng, 7);
    load_out_size = 0;
    load_hash = UINT64_C(0xcbf29ce484222325);
}

/* Cuts `bytes` as `seed` says. */
static void load_feed(struct nx_bytes bytes, uint32_t *seed)
{
    while (bytes.size != 0 && fake_is_open()) {
        *seed = *seed * 1664525U + 1013904223U;
        const size_t part = *seed >> 30 == 0   ? 1
                            : *seed >> 30 == 1 ? bytes.size
                                               : 1 + (*seed >> 8) % bytes.size;
        load_net.now_ns = fake.now_ns;
        fake_feed(nx_bytes_slice(bytes, 0, part));
        bytes = nx_bytes_slice(bytes, part, SIZE_MAX);
    }
}

/* ---- engine/io/tls.h: never used ---- */

enum nx_err nx_tls_open(struct nx_tls **out, struct nx_tls_context *context, const char *server_name)
{
    (void)out;
    (void)context;
    (void)server_name;
    abort();
}

void nx_tls_close(struct nx_tls *tls)
{
    (void)tls;
    abort();
}

enum nx_err nx_tls_feed(struct nx_tls *tls, const uint8_t *bytes, size_t size)
{
    (void)tls;
    (void)bytes;
    (void)size;
    abort();
}

enum nx_err nx_tls_handshake(struct nx_tls *tls)
{
    (void)tls;
    abort();
}

bool nx_tls_is_ready(const struct nx_tls *tls)
{
    (void)tls;
    abort();
}

enum nx_err nx_tls_read(struct nx_tls *tls, uint8_t *out, size_t room, size_t *size)
{
    (void)tls;
    (void)out;
    (void)room;
    (void)size;
    abort();
}

enum nx_err nx_tls_write(struct nx_tls *tls, struct nx_bytes bytes)
{
    (void)tls;
    (void)bytes;
    abort();
}

struct nx_bytes nx_tls_output(const struct nx_tls *tls)
{
    (void)tls;
    abort();
}

void nx_tls_output_taken(struct nx_tls *tls, size_t size)
{
    (void)tls;
    (void)size;
    abort();
}

#endif
