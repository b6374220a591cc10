#include "engine/io/cpu.h"

uint32_t nx_cpu_count(void)
{
    return 1;
}

int nx_cpu_at(uint32_t index)
{
    (void)index;
    return -1;
}

enum nx_err nx_cpu_pin(int cpu)
{
    (void)cpu;
    return NX_OK;
}
