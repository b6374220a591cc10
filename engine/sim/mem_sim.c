#include "engine/io/mem.h"

#include "engine/base/assert.h"
#include "engine/sim/state.h"

#include <string.h>

/* Every piece knows its host, so that a crash gives all of them back. The seal is the host's, not the process's. */
struct head {
    struct nx_mem_piece piece;
    struct nx_host *host;
    void *raw;
};

enum { PAGE_SIZE = 4096, ALIGNMENT = 16 };

static struct nx_mem_stats total;
static uint64_t fail_countdown;

static bool must_fail(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

static void *take(size_t size, size_t alignment)
{
    struct nx_host *host = nx_host_current();
    if (must_fail()) {
        total.takes_failed++;
        return NULL;
    }
    uint8_t *raw = nx_sim_take(sizeof(struct head) + alignment + size);
    const uintptr_t at = ((uintptr_t)raw + sizeof(struct head) + alignment - 1) & ~(uintptr_t)(alignment - 1);
    uint8_t *memory = raw + (at - (uintptr_t)raw);
    struct head *head = (struct head *)(void *)(memory - sizeof(struct head));
    head->raw = raw;
    head->host = host;
    head->piece.size = size;
    if (host != NULL) {
        nx_list_push_back(&host->pieces, &head->piece.link);
        host->memory_bytes += size;
    }
    return memory;
}

static void give(void *memory)
{
    struct head *head = (struct head *)(void *)((uint8_t *)memory - sizeof(struct head));
    if (head->host != NULL) {
        nx_list_remove(&head->piece.link);
        head->host->memory_bytes -= head->piece.size;
    }
    nx_sim_give(head->raw);
}

void *nx_mem_slab(const char *purpose, size_t size)
{
    (void)purpose;
    total.slabs++;
    void *slab = take(size, PAGE_SIZE);
    total.slab_bytes += slab != NULL ? size : 0;
    return slab;
}

void nx_mem_slab_give(const char *purpose, void *slab, size_t size)
{
    (void)purpose;
    if (slab != NULL) {
        total.slab_bytes -= size;
        give(slab);
    }
}

void *nx_mem_take(size_t size)
{
    struct nx_host *host = nx_host_current();
    total.takes++;
    if (host != NULL && host->is_sealed && host->allowed_depth == 0) {
        total.takes_sealed++;
#ifndef NDEBUG
        NX_UNREACHABLE(); /* Setup is over: this is an allocation on the way of a packet or a delivery. */
#endif
    }
    return take(size, ALIGNMENT);
}

void nx_mem_give(void *piece)
{
    if (piece != NULL) {
        total.gives++;
        give(piece);
    }
}

void nx_mem_seal(bool is_sealed)
{
    if (nx_host_current() != NULL) {
        nx_host_current()->is_sealed = is_sealed;
    }
}

void nx_mem_allow(bool is_allowed)
{
    if (nx_host_current() != NULL) {
        nx_host_current()->allowed_depth += is_allowed ? 1u : -1u;
    }
}

void nx_mem_fail_at(uint64_t n)
{
    fail_countdown = n;
}

struct nx_mem_stats nx_mem_stats(void)
{
    return total;
}

bool nx_mem_bill(size_t index, struct nx_mem_line *out)
{
    (void)index;
    (void)out;
    return false;
}

void nx_mem_drop(struct nx_host *host)
{
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&host->pieces)) != NULL) {
        struct nx_mem_piece *piece = NX_LIST_ITEM(link, struct nx_mem_piece, link);
        host->memory_bytes -= piece->size;
        nx_sim_give(NX_LIST_ITEM(piece, struct head, piece)->raw);
    }
}
