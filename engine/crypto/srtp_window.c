#include "engine/crypto/srtp_window.h"

#include "engine/base/seq.h"

#include <string.h>

static uint64_t *word_of(struct nx_srtp_window *window, uint64_t index)
{
    return &window->seen[index % NX_SRTP_WINDOW / 64];
}

uint64_t nx_srtp_window_guess(const struct nx_srtp_window *window, uint16_t sequence)
{
    if (!window->has_highest) {
        return sequence;
    }
    const int32_t step = nx_seq_diff16(sequence, (uint16_t)window->highest);
    if (step < 0 && window->highest < (uint64_t)-step) {
        return sequence; /* Nothing comes before the first cycle. */
    }
    return window->highest + (uint64_t)(int64_t)step;
}

bool nx_srtp_window_is_new(const struct nx_srtp_window *window, uint64_t index)
{
    if (!window->has_highest || index > window->highest) {
        return true;
    }
    if (window->highest - index >= NX_SRTP_WINDOW) {
        return false;
    }
    return (window->seen[index % NX_SRTP_WINDOW / 64] >> index % 64 & 1) == 0;
}

void nx_srtp_window_note(struct nx_srtp_window *window, uint64_t index)
{
    if (!window->has_highest || (index > window->highest && index - window->highest >= NX_SRTP_WINDOW)) {
        memset(window->seen, 0, sizeof(window->seen));
        window->highest = index;
        window->has_highest = true;
    }
    while (window->highest < index) {
        window->highest++;
        *word_of(window, window->highest) &= ~(1ULL << window->highest % 64);
    }
    *word_of(window, index) |= 1ULL << index % 64;
}
