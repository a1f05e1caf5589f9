/* The one place that starts worker threads for loops inside an update. */
#ifndef CW_BASE_PARALLEL_H
#define CW_BASE_PARALLEL_H

#include <stdint.h>

/* body(context, begin, end) handles items [begin, end). */
typedef void (*cw_range_fn)(void *context, int64_t begin, int64_t end);

/* Splits [0, n) into one contiguous range per thread, in a fixed way that depends
 * only on n, grain and the thread count: same count, same bits. Runs in the calling
 * thread when n <= grain. */
void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context);

/* Sets how many threads cw_parallel_for and the vendor kernels use when called
 * from this thread; n = 0 means every core this process may use. Returns the count set. */
int cw_threads_set(int n);
int cw_threads_get(void);

#endif
