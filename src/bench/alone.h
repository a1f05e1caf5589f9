/* One kernel with nothing else running: the speed that an update's kernels are held against. */
#ifndef CW_BENCH_ALONE_H
#define CW_BENCH_ALONE_H

#include "bench/recorder.h"

/* The fastest of several calls with the sizes of `call`, on memory of its own, in seconds.
 * `budget_s` bounds the time spent; three calls are made in any case. */
cw_status cw_call_alone(cw_backend *be, const cw_call *call, double budget_s, double *seconds);

#endif
