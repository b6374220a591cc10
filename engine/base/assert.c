#include "engine/base/assert.h"

#include <stddef.h>

static nx_assert_hook *installed;

void nx_assert_hook_set(nx_assert_hook *hook)
{
    installed = hook;
}

_Noreturn void nx_assert_failed(const char *file, int line, const char *condition)
{
    if (installed != NULL) {
        installed(file, line, condition);
    }
    __builtin_trap();
}
