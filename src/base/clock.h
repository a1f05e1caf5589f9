/* Time. */
#ifndef CW_BASE_CLOCK_H
#define CW_BASE_CLOCK_H

#include <stdint.h>

/* Seconds of a clock that never jumps; only differences mean something. */
double cw_clock_s(void);

#endif
