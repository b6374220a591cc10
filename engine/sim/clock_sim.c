#include "engine/io/clock.h"

#include "engine/sim/state.h"

nx_time nx_clock_now(void)
{
    const struct nx_sim *sim = nx_sim_current();
    const int64_t spent_ns = sim->turning != NULL ? sim->turning->spent_ns : 0;
    return (nx_time){sim->now_ns + spent_ns};
}

int64_t nx_clock_wall_ms(void)
{
    const struct nx_sim *sim = nx_sim_current();
    const struct nx_host *host = nx_host_current();
    const int64_t start_ms = 1700000000000;
    return start_ms + sim->now_ns / NX_TIME_NS_PER_MS + (host != NULL ? host->wall_jump_ms : 0);
}
