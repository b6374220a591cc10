#include "engine/sim/host.h"

#include "engine/base/assert.h"
#include "engine/sim/state.h"

static struct nx_host *entered;
static void (*crashed)(struct nx_host *host);

struct nx_host *nx_host_open(struct nx_sim *sim, const char *name, const struct nx_addr *address)
{
    NX_ASSERT(sim->hosts_count < NX_SIM_HOSTS_MAX);
    struct nx_host *host = nx_sim_take(sizeof(*host));
    host->sim = sim;
    host->name = name;
    host->address = *address;
    host->index = sim->hosts_count;
    host->port_next = 40000;
    nx_list_init(&host->loops);
    nx_list_init(&host->workers);
    nx_list_init(&host->pieces);
    nx_prng_init(&host->entropy, nx_prng_u64(&sim->net_prng));
    sim->hosts[sim->hosts_count++] = host;
    return host;
}

struct nx_host *nx_host_enter(struct nx_host *host)
{
    struct nx_host *before = entered;
    entered = host;
    return before;
}

struct nx_host *nx_host_current(void)
{
    return entered;
}

const char *nx_host_name(const struct nx_host *host)
{
    return host->name;
}

void nx_host_on_crash(void (*on_crash)(struct nx_host *host))
{
    crashed = on_crash;
}

void nx_host_crash(struct nx_host *host)
{
    NX_ASSERT(host->sim->turning == NULL || host->sim->turning->host != host);
    nx_sim_mix(host->sim, (uint64_t)host->sim->now_ns);
    nx_listener_drop(host);
    NX_LIST_EACH(link, &host->loops)
    {
        nx_loop_drop(NX_LIST_ITEM(link, struct nx_loop, member));
    }
    nx_worker_drop(host);
    nx_mem_drop(host);
    host->is_sealed = false;
    host->allowed_depth = 0;
    host->paused_until_ns = 0;
    host->crashes++;
    if (crashed != NULL) {
        crashed(host);
    }
}

static void loops_poke(struct nx_host *host)
{
    NX_LIST_EACH(link, &host->loops)
    {
        nx_loop_poke(NX_LIST_ITEM(link, struct nx_loop, member));
    }
}

void nx_host_pause(struct nx_host *host, nx_time until)
{
    host->paused_until_ns = until.ns;
    loops_poke(host);
}

void nx_host_wall_jump(struct nx_host *host, int64_t delta_ms)
{
    host->wall_jump_ms += delta_ms;
}

void nx_host_signal(struct nx_host *host, int number)
{
    NX_LIST_EACH(link, &host->loops)
    {
        struct nx_loop *loop = NX_LIST_ITEM(link, struct nx_loop, member);
        if (loop->signal != NULL) {
            loop->signals |= UINT64_C(1) << number;
            nx_loop_poke(loop);
        }
    }
}

uint32_t nx_host_streams_count(const struct nx_host *host)
{
    uint32_t count = 0;
    NX_LIST_EACH(link, &host->loops)
    {
        count += NX_LIST_ITEM(link, struct nx_loop, member)->stats.streams_count;
    }
    return count;
}

uint64_t nx_host_memory_bytes(const struct nx_host *host)
{
    return host->memory_bytes;
}

uint32_t nx_host_crashes(const struct nx_host *host)
{
    return host->crashes;
}
