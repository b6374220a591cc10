#include "engine/sim/state.h"

#include "engine/base/assert.h"

#include <stdlib.h>
#include <string.h>

enum { NET_STREAM = 0x6e6574, START_S = 1000 }; /* the monotonic clock does not begin at 0, as none does */

static struct nx_sim *current;

/* ---- memory and tables ---- */

void *nx_sim_take(size_t size)
{
    struct nx_host *before = nx_host_enter(NULL);
    void *memory = calloc(1, size);
    (void)nx_host_enter(before);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void nx_sim_give(void *memory)
{
    free(memory);
}

void nx_sim_place_take(struct nx_sim *sim, void *thing, uint32_t *id, uint32_t *generation)
{
    uint32_t at = 0;
    while (at < sim->places_count && sim->places[at].thing != NULL) {
        at++;
    }
    if (at == sim->places_count) {
        const uint32_t count = sim->places_count == 0 ? 64 : sim->places_count * 2;
        struct nx_sim_place *places = nx_sim_take(count * sizeof(*places));
        if (sim->places_count != 0) {
            memcpy(places, sim->places, sim->places_count * sizeof(*places));
        }
        nx_sim_give(sim->places);
        sim->places = places;
        sim->places_count = count;
    }
    sim->places[at].thing = thing;
    sim->places[at].generation++;
    *id = at;
    *generation = sim->places[at].generation;
}

void nx_sim_place_give(struct nx_sim *sim, uint32_t id)
{
    NX_ASSERT(id < sim->places_count && sim->places[id].thing != NULL);
    sim->places[id].thing = NULL;
}

void *nx_sim_place_of(const struct nx_sim *sim, uint32_t id, uint32_t generation)
{
    return id < sim->places_count && sim->places[id].generation == generation ? sim->places[id].thing : NULL;
}

/* ---- events ---- */

static bool is_before(const struct nx_sim_event *a, const struct nx_sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void nx_sim_add(struct nx_sim *sim, const struct nx_sim_event *event)
{
    if (sim->heap_count == sim->heap_capacity) {
        const size_t capacity = sim->heap_capacity == 0 ? 1024 : sim->heap_capacity * 2;
        struct nx_sim_event *heap = nx_sim_take(capacity * sizeof(*heap));
        if (sim->heap_count != 0) {
            memcpy(heap, sim->heap, sim->heap_count * sizeof(*heap));
        }
        nx_sim_give(sim->heap);
        sim->heap = heap;
        sim->heap_capacity = capacity;
    }
    struct nx_sim_event added = *event;
    added.order = sim->order++;
    added.at_ns = added.at_ns > sim->now_ns ? added.at_ns : sim->now_ns;
    size_t at = sim->heap_count++;
    while (at != 0 && is_before(&added, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = added;
}

static struct nx_sim_event first_take(struct nx_sim *sim)
{
    const struct nx_sim_event first = sim->heap[0];
    const struct nx_sim_event last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count) {
            break;
        }
        if (child + 1 < sim->heap_count && is_before(&sim->heap[child + 1], &sim->heap[child])) {
            child++;
        }
        if (!is_before(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return first;
}

bool nx_sim_step(struct nx_sim *sim, nx_time until)
{
    NX_ASSERT(sim->turning == NULL);
    if (sim->heap_count == 0 || sim->heap[0].at_ns > until.ns) {
        return false;
    }
    const struct nx_sim_event event = first_take(sim);
    sim->now_ns = event.at_ns;
    sim->events_count++;
    event.run(sim, &event);
    return true;
}

void nx_sim_run(struct nx_sim *sim, nx_time until)
{
    while (nx_sim_step(sim, until)) {
    }
    if (until.ns != INT64_MAX && until.ns > sim->now_ns) {
        sim->now_ns = until.ns;
    }
}

static void script_run(struct nx_sim *sim, const struct nx_sim_event *event)
{
    (void)sim;
    /* A function pointer travels in two halves: it may not be cast to a data pointer. */
    void (*run)(void *context);
    memcpy(&run, &event->argument, sizeof(run));
    run(event->pointer);
}

void nx_sim_at(struct nx_sim *sim, nx_time at, void (*run)(void *context), void *context)
{
    struct nx_sim_event event = {.at_ns = at.ns, .run = script_run, .pointer = context};
    _Static_assert(sizeof(run) <= sizeof(event.argument), "a function pointer fits into an argument");
    memcpy(&event.argument, &run, sizeof(run));
    nx_sim_add(sim, &event);
}

/* ---- the history ---- */

void nx_sim_mix(struct nx_sim *sim, uint64_t value)
{
    uint64_t x = sim->hash ^ value;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    sim->hash = x ^ (x >> 32);
}

void nx_sim_note(struct nx_sim *sim, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    nx_sim_mix(sim, size);
    while (size != 0) {
        uint64_t word = 0;
        const size_t part = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, at, part);
        nx_sim_mix(sim, word);
        at += part;
        size -= part;
    }
}

uint64_t nx_sim_hash(const struct nx_sim *sim)
{
    return sim->hash;
}

uint64_t nx_sim_events(const struct nx_sim *sim)
{
    return sim->events_count;
}

uint64_t nx_sim_draw(struct nx_sim *sim, uint64_t bound)
{
    return nx_prng_below(&sim->net_prng, bound);
}

struct nx_prng *nx_sim_prng(struct nx_sim *sim)
{
    return &sim->prng;
}

nx_time nx_sim_now(const struct nx_sim *sim)
{
    return (nx_time){sim->now_ns};
}

void nx_sim_loud(struct nx_sim *sim, bool is_loud)
{
    sim->is_loud = is_loud;
}

/* ---- open and close ---- */

struct nx_sim *nx_sim_current(void)
{
    NX_ASSERT(current != NULL);
    return current;
}

enum nx_err nx_sim_open(struct nx_sim **out, uint64_t seed)
{
    if (current != NULL) {
        return NX_E_CONFLICT;
    }
    struct nx_sim *sim = nx_sim_take(sizeof(*sim));
    nx_prng_init(&sim->prng, seed);
    nx_prng_init(&sim->net_prng, seed ^ (uint64_t)NET_STREAM << 32);
    sim->now_ns = (int64_t)START_S * NX_TIME_NS_PER_S;
    sim->hash = seed;
    nx_list_init(&sim->conns);
    sim->profile = nx_net_profile_clean();
    current = sim;
    *out = sim;
    return NX_OK;
}

void nx_sim_close(struct nx_sim *sim)
{
    NX_ASSERT(sim->turning == NULL);
    for (uint32_t i = 0; i < sim->hosts_count; i++) {
        nx_host_crash(sim->hosts[i]);
    }
    nx_listener_drop(NULL);
    for (uint32_t i = 0; i < sim->places_count; i++) {
        NX_ASSERT(sim->places[i].thing == NULL);
    }
    for (uint32_t i = 0; i < sim->hosts_count; i++) {
        nx_sim_give(sim->hosts[i]);
    }
    for (uint32_t i = 0; i < sim->files_count; i++) {
        nx_sim_give(sim->files[i].path);
        nx_sim_give(sim->files[i].bytes);
    }
    nx_sim_give(sim->places);
    nx_sim_give(sim->heap);
    (void)nx_host_enter(NULL);
    current = NULL;
    nx_sim_give(sim);
}
