#include "engine/io/mem.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
    pthread_mutex_t mutex;
    struct nx_mem_line lines[NX_MEM_PURPOSES_MAX];
    size_t lines_count;
} bill = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static atomic_ullong slab_bytes, slabs, takes, gives, takes_sealed, takes_failed;
static atomic_ullong fail_countdown;
static atomic_bool is_process_sealed;
static _Thread_local unsigned allowed_depth;

/* Counts down to the injected failure; only the call that brings it to 0 fails. */
static bool must_fail(void)
{
    unsigned long long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    return false;
}

static void bill_change(const char *purpose, int64_t bytes)
{
    (void)pthread_mutex_lock(&bill.mutex);
    size_t at = 0;
    while (at < bill.lines_count && strcmp(bill.lines[at].purpose, purpose) != 0) {
        at++;
    }
    /* A full table books the rest on its last line: the sum stays right. */
    if (at == bill.lines_count) {
        if (at == NX_MEM_PURPOSES_MAX) {
            at--;
        } else {
            bill.lines[at] = (struct nx_mem_line){.purpose = purpose};
            bill.lines_count++;
        }
    }
    struct nx_mem_line *line = &bill.lines[at];
    line->bytes = (uint64_t)((int64_t)line->bytes + bytes);
    line->bytes_max = line->bytes > line->bytes_max ? line->bytes : line->bytes_max;
    (void)pthread_mutex_unlock(&bill.mutex);
    (void)atomic_fetch_add(&slab_bytes, (unsigned long long)bytes);
}

static size_t page_rounded(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

void *nx_mem_slab(const char *purpose, size_t size)
{
    NX_ASSERT(size > 0 && size <= SIZE_MAX / 2);
    const size_t rounded = page_rounded(size);
    void *slab = must_fail()
                     ? MAP_FAILED
                     : mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slab == MAP_FAILED) {
        (void)atomic_fetch_add(&takes_failed, 1);
        return NULL;
    }
    (void)atomic_fetch_add(&slabs, 1);
    bill_change(purpose, (int64_t)rounded);
    return slab;
}

void nx_mem_slab_give(const char *purpose, void *slab, size_t size)
{
    if (slab != NULL) {
        const size_t rounded = page_rounded(size);
        NX_ASSERT(munmap(slab, rounded) == 0);
        bill_change(purpose, -(int64_t)rounded);
    }
}

void *nx_mem_take(size_t size)
{
    (void)atomic_fetch_add(&takes, 1);
    if (atomic_load_explicit(&is_process_sealed, memory_order_relaxed) && allowed_depth == 0) {
        (void)atomic_fetch_add(&takes_sealed, 1);
#ifndef NDEBUG
        nx_assert_failed(__FILE__, __LINE__, "memory is sealed");
#endif
    }
    void *piece = must_fail() ? NULL : calloc(1, size);
    if (piece == NULL) {
        (void)atomic_fetch_add(&takes_failed, 1);
    }
    return piece;
}

void nx_mem_give(void *piece)
{
    if (piece != NULL) {
        (void)atomic_fetch_add(&gives, 1);
        free(piece);
    }
}

void nx_mem_seal(bool is_sealed)
{
    atomic_store(&is_process_sealed, is_sealed);
}

void nx_mem_allow(bool is_allowed)
{
    NX_ASSERT(is_allowed || allowed_depth > 0);
    allowed_depth += is_allowed ? 1u : -1u;
}

void nx_mem_fail_at(uint64_t n)
{
    atomic_store(&fail_countdown, n);
}

struct nx_mem_stats nx_mem_stats(void)
{
    return (struct nx_mem_stats){.slab_bytes = atomic_load(&slab_bytes),
                                 .slabs = atomic_load(&slabs),
                                 .takes = atomic_load(&takes),
                                 .gives = atomic_load(&gives),
                                 .takes_sealed = atomic_load(&takes_sealed),
                                 .takes_failed = atomic_load(&takes_failed)};
}

bool nx_mem_bill(size_t index, struct nx_mem_line *out)
{
    (void)pthread_mutex_lock(&bill.mutex);
    const bool is_there = index < bill.lines_count;
    if (is_there) {
        *out = bill.lines[index];
    }
    (void)pthread_mutex_unlock(&bill.mutex);
    return is_there;
}
