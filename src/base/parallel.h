/* The one place that starts worker threads for loops inside an update. */
#ifndef CW_BASE_PARALLEL_H
#define CW_BASE_PARALLEL_H

#include <signal.h>
#include <stdint.h>

/* body(context, begin, end) handles items [begin, end). */
typedef void (*cw_range_fn)(void *context, int64_t begin, int64_t end);

/* Signals stay away from a thread from hold to release, the ones that an instruction itself raises
 * excepted; what arrives meanwhile is taken by another thread or on release. Vendor kernels need
 * it: generated code may use the stack pointer as an ordinary register, and the frame of a signal
 * handler would be written wherever it points. Threads started in between inherit it for good. */
void cw_signals_hold(sigset_t *before);
void cw_signals_release(const sigset_t *before);

/* Calls body for ranges of [0, n), each item once. Every thread has a contiguous part of its own
 * and then helps with what the others have left: cores differ, and other programs run on them.
 * Which thread takes which range is not known; results may not depend on it, nor on where ranges
 * begin. Ranges have at least `grain` items but for a part's last. Runs in the calling thread when
 * n <= grain, and inside of another loop's body. Its threads take no signals. Each calling thread
 * has threads of its own, which end with it. */
void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context);

/* Before calls of a library that has threads of its own: those that wait for the next loop leave
 * the cores to it. */
void cw_parallel_rest(void);

/* Inside of a body: which of the loop's threads runs it, from 0 to the caller's cw_threads_get()
 * - 1. For scratch memory. */
int cw_parallel_self(void);

/* Sets how many threads cw_parallel_for and the vendor kernels use when called
 * from this thread; n = 0 means cw_cores_available(). Returns the count set. */
int cw_threads_set(int n);
int cw_threads_get(void);

#endif
