#include "engine/base/prng.h"
#include "engine/crypto/random.h"
#include "engine/sim/state.h"

/* Same name as the real one: the linker finds this first, and a simulated secret is as repeatable as all else. */
enum nx_err nx_random_fill(void *out, size_t size)
{
    struct nx_sim *sim = nx_sim_current();
    struct nx_host *host = nx_host_current();
    nx_prng_fill(host != NULL ? &host->entropy : &sim->net_prng, out, size);
    return NX_OK;
}
