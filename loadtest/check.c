#include "loadtest/check.h"

enum load_check_verdict load_check_add(struct load_check *check, uint32_t number)
{
    if (number > check->highest) {
        const uint32_t step = number - check->highest;
        check->window = step >= LOAD_CHECK_WINDOW ? 1 : check->window << step | 1;
        check->highest = number;
        check->count++;
        return LOAD_CHECK_NEW;
    }
    const uint32_t behind = check->highest - number;
    if (number == 0 || check->count == check->highest) {
        return LOAD_CHECK_DUPLICATE;
    }
    if (behind < LOAD_CHECK_WINDOW) {
        const uint64_t bit = UINT64_C(1) << behind;
        if ((check->window & bit) != 0) {
            return LOAD_CHECK_DUPLICATE;
        }
        check->window |= bit;
    }
    check->count++;
    return LOAD_CHECK_LATE;
}
