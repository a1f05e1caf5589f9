#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

void cw_signals_hold(sigset_t *before) {
    static const int raised_by_instructions[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                                 SIGTRAP, SIGABRT, SIGSYS};
    sigset_t held;
    sigfillset(&held);
    for (size_t i = 0; i < sizeof raised_by_instructions / sizeof(int); i++) {
        sigdelset(&held, raised_by_instructions[i]);
    }
    pthread_sigmask(SIG_BLOCK, &held, before);
}

void cw_signals_release(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* OpenMP, because oneDNN brings it: both then share one set of threads. */
void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context) {
    if (n <= 0) return;
    if (n <= grain || omp_get_max_threads() == 1) {
        body(context, 0, n);
        return;
    }
    sigset_t before;
    cw_signals_hold(&before);
#pragma omp parallel
    {
        int64_t parts = omp_get_num_threads();
        int64_t part = omp_get_thread_num();
        int64_t begin = n * part / parts;
        int64_t end = n * (part + 1) / parts;
        if (begin < end) body(context, begin, end);
    }
    cw_signals_release(&before);
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
