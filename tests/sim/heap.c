#include "tests/sim/heap.h"

#include "engine/base/list.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* In front of every piece: which host has it. 64 bytes, so that cache lines stay aligned. */
struct head {
    struct nx_list_link link;
    struct nx_host *host;
    void *raw;
    size_t size;
    void *from;
    uint64_t magic;
    uint64_t spare;
};

_Static_assert(sizeof(struct head) == 64, "a piece is aligned as its head is");

enum { USUAL = 16, ALIGNMENT = 64, MAGIC = 0x68656170, HOSTS_MAX = 64, GARBAGE_MAX = 4096 };

static struct owner {
    const struct nx_host *host;
    struct nx_list pieces;
    uint64_t count;
    uint64_t bytes;
} owners[HOSTS_MAX];

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *memory, size_t size);

static struct owner *owner_of(const struct nx_host *host)
{
    size_t i = 0;
    while (i < HOSTS_MAX && owners[i].host != NULL && owners[i].host != host) {
        i++;
    }
    if (i == HOSTS_MAX) {
        abort();
    }
    if (owners[i].host == NULL) {
        owners[i].host = host;
        nx_list_init(&owners[i].pieces);
    }
    return &owners[i];
}

static void *take(size_t size, size_t alignment, void *from, bool is_zeroed)
{
    /* No slack behind the piece: a sanitizer sees the first byte too many. */
    const size_t room = sizeof(struct head) + alignment - USUAL + size;
    uint8_t *raw = is_zeroed ? __real_calloc(1, room) : __real_malloc(room);
    if (raw == NULL) {
        abort();
    }
    uint8_t *memory =
        (uint8_t *)(((uintptr_t)raw + sizeof(struct head) + alignment - 1) & ~(uintptr_t)(alignment - 1));
    struct head *head = (struct head *)(void *)(memory - sizeof(struct head));
    *head = (struct head){.host = nx_host_current(), .raw = raw, .size = size, .from = from, .magic = MAGIC};
    if (head->host != NULL) {
        struct owner *owner = owner_of(head->host);
        nx_list_push_back(&owner->pieces, &head->link);
        owner->count++;
        owner->bytes += size;
    }
    return memory;
}

static struct head *head_of(void *memory)
{
    struct head *head = (struct head *)(void *)((uint8_t *)memory - sizeof(struct head));
    if (head->magic != MAGIC) {
        fprintf(stderr, "heap: %p is no piece\n", memory);
        abort();
    }
    return head;
}

static void give(struct head *head)
{
    if (head->host != NULL) {
        struct owner *owner = owner_of(head->host);
        nx_list_remove(&head->link);
        owner->count--;
        owner->bytes -= head->size;
    }
    head->magic = 0;
    __real_free(head->raw);
}

/* Fresh memory holds what it likes: the same garbage each time, so that nothing depends on it unseen. */
void *__wrap_malloc(size_t size)
{
    void *memory = take(size, USUAL, __builtin_return_address(0), false);
    memset(memory, 0xa5, size < GARBAGE_MAX ? size : GARBAGE_MAX);
    return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return take(total, USUAL, __builtin_return_address(0), true);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (alignment > ALIGNMENT) {
        abort();
    }
    return take(size, ALIGNMENT, __builtin_return_address(0), false);
}

void *__wrap_realloc(void *memory, size_t size)
{
    void *grown = take(size, USUAL, __builtin_return_address(0), false);
    if (memory != NULL) {
        struct head *head = head_of(memory);
        memcpy(grown, memory, head->size < size ? head->size : size);
        give(head);
    }
    return grown;
}

void __wrap_free(void *memory)
{
    if (memory != NULL) {
        give(head_of(memory));
    }
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)at, (void)protection, (void)flags, (void)fd, (void)offset;
    return take(size, ALIGNMENT, __builtin_return_address(0), true);
}

int __wrap_munmap(void *memory, size_t size)
{
    (void)size;
    __wrap_free(memory);
    return 0;
}

void heap_drop(struct nx_host *host)
{
    struct owner *owner = owner_of(host);
    while (!nx_list_is_empty(&owner->pieces)) {
        give(NX_LIST_ITEM(nx_list_front(&owner->pieces), struct head, link));
    }
}

void heap_forget(void)
{
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        if (owners[i].host != NULL && owners[i].count != 0) {
            abort();
        }
        owners[i].host = NULL;
    }
}

uint64_t heap_pieces(const struct nx_host *host)
{
    return owner_of(host)->count;
}

uint64_t heap_bytes(const struct nx_host *host)
{
    return owner_of(host)->bytes;
}

void heap_print(const struct nx_host *host)
{
    uint32_t left = 8;
    NX_LIST_EACH(link, &owner_of(host)->pieces)
    {
        const struct head *head = NX_LIST_ITEM(link, struct head, link);
        if (left-- == 0) {
            return;
        }
        fprintf(stderr, "  %zu bytes taken at %p\n", head->size, head->from);
    }
}
