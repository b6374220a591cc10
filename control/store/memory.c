#include "control/store/memory.h"
const struct store_backend store_memory_backend = {.scheme = "memory:"};
