#include "engine/io/cpu.h"

#include <sched.h>
#include <stdbool.h>

static bool mask_read(cpu_set_t *mask)
{
    CPU_ZERO(mask);
    return sched_getaffinity(0, sizeof(*mask), mask) == 0;
}

uint32_t nx_cpu_count(void)
{
    cpu_set_t mask;
    const int count = mask_read(&mask) ? CPU_COUNT(&mask) : 1;
    return count > 0 ? (uint32_t)count : 1;
}

int nx_cpu_at(uint32_t index)
{
    cpu_set_t mask;
    if (!mask_read(&mask) || CPU_COUNT(&mask) == 0) {
        return -1;
    }
    uint32_t left = index % (uint32_t)CPU_COUNT(&mask);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &mask) && left-- == 0) {
            return cpu;
        }
    }
    return -1;
}

enum nx_err nx_cpu_pin(int cpu)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (cpu < 0 || cpu >= CPU_SETSIZE) {
        return NX_E_NOT_FOUND;
    }
    CPU_SET((size_t)cpu, &mask);
    return sched_setaffinity(0, sizeof(mask), &mask) == 0 ? NX_OK : NX_E_NOT_FOUND;
}
