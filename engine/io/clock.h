/* clock.h - the two clocks of the real world.
 *
 * Layer:   engine/io (engine/sim has its own time; code above asks its loop)
 * Threads: any
 */
#ifndef NX_IO_CLOCK_H
#define NX_IO_CLOCK_H

#include "engine/base/time.h"

/** Returns the monotonic instant now (about 40 ns of CPU). */
nx_time nx_clock_now(void);

/** Returns milliseconds since 1970-01-01 UTC; may jump when the system's time is set. */
int64_t nx_clock_wall_ms(void);

#endif
