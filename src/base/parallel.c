#include "base/parallel.h"

#include <omp.h>
#include <sched.h>

/* OpenMP, because oneDNN brings it: both then share one set of threads. */
void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context) {
    if (n <= 0) return;
    if (n <= grain || omp_get_max_threads() == 1) {
        body(context, 0, n);
        return;
    }
#pragma omp parallel
    {
        int64_t parts = omp_get_num_threads();
        int64_t part = omp_get_thread_num();
        int64_t begin = n * part / parts;
        int64_t end = n * (part + 1) / parts;
        if (begin < end) body(context, begin, end);
    }
}

int cw_threads_set(int n) {
    if (n <= 0) {
        cpu_set_t set;
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    }
    omp_set_dynamic(0);
    omp_set_num_threads(n);
    return n;
}

int cw_threads_get(void) {
    return omp_get_max_threads();
}
