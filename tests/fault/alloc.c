#include "tests/fault/alloc.h"

#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Atomic uint64_t seen;
static _Atomic uint64_t failed;
static _Atomic uint64_t fail_from;
static _Atomic uint64_t fail_count;
static _Atomic int64_t live;
static sqlite3_mem_methods usual;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

static bool must_fail(void)
{
    const uint64_t number = atomic_fetch_add(&seen, 1) + 1;
    const uint64_t from = fail_from;
    const bool fails = from != 0 && number >= from && number - from < fail_count;
    failed += fails;
    return fails;
}

/** Counts a piece that was given. */
static void *given(void *memory)
{
    live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : given(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : given(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    void *grown = __real_realloc(memory, size);
    live += memory == NULL && grown != NULL;
    return grown;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return must_fail() ? NULL : given(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory)
{
    live -= memory != NULL;
    __real_free(memory);
}

/* Slabs are given back by munmap(), which is not counted. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return must_fail() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

static void *sqlite_malloc(int size)
{
    return must_fail() ? NULL : given(usual.xMalloc(size));
}

static void sqlite_free(void *memory)
{
    live -= memory != NULL;
    usual.xFree(memory);
}

static void *sqlite_realloc(void *memory, int size)
{
    return must_fail() ? NULL : usual.xRealloc(memory, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return size == 0 || must_fail() ? NULL : given(__real_malloc(size));
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    __wrap_free(memory);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    if (memory != NULL && size == 0) {
        openssl_free(memory, file, line);
        return NULL;
    }
    return __wrap_realloc(memory, size);
}

void alloc_install(void)
{
    sqlite3_mem_methods ours;
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1 ||
        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) != SQLITE_OK) {
        fprintf(stderr, "alloc: too late\n");
        abort();
    }
    ours = usual;
    ours.xMalloc = sqlite_malloc;
    ours.xFree = sqlite_free;
    ours.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK) {
        fprintf(stderr, "alloc: SQLite has begun\n");
        abort();
    }
}

void alloc_fail_set(uint64_t from, uint64_t count)
{
    fail_from = 0;
    seen = 0;
    failed = 0;
    fail_count = count;
    fail_from = from;
}

uint64_t alloc_seen(void)
{
    return seen;
}

uint64_t alloc_failed(void)
{
    return failed;
}

int64_t alloc_live(void)
{
    return live;
}
