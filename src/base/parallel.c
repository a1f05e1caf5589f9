#include "base/parallel.h"

#include "base/resources.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>

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

/* Parts that a loop has at most, and ranges that a part is taken in: fewer would leave threads
 * waiting for a slow one's last. */
enum { MOST_PARTS = 128, RANGES = 16 };

/* What is left of a thread's part. */
typedef struct part {
    _Alignas(64) atomic_int_least64_t next;
    int64_t end;
} part;

static int64_t share(int64_t n, int64_t parts, int64_t grain) {
    int64_t items = n / (parts * RANGES);
    return items > grain ? items : grain;
}

static void work_off(part *p, int64_t step, cw_range_fn body, void *context) {
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&p->next, step, memory_order_relaxed);
        if (begin >= p->end) return;
        body(context, begin, begin + step < p->end ? begin + step : p->end);
    }
}

/* OpenMP, because oneDNN brings it: both then share one set of threads. */
void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context) {
    if (n <= 0) return;
    int64_t parts = omp_get_max_threads();
    if (n <= grain || parts == 1) {
        body(context, 0, n);
        return;
    }
    if (parts > MOST_PARTS) parts = MOST_PARTS;
    part list[MOST_PARTS];
    for (int64_t i = 0; i < parts; i++) {
        atomic_init(&list[i].next, n * i / parts);
        list[i].end = n * (i + 1) / parts;
    }
    int64_t step = share(n, parts, grain);
    sigset_t before;
    cw_signals_hold(&before);
#pragma omp parallel
    {
        int64_t self = omp_get_thread_num();
        for (int64_t i = 0; i < parts; i++)
            work_off(&list[(self + i) % parts], step, body, context);
    }
    cw_signals_release(&before);
}

int cw_parallel_self(void) {
    return omp_get_thread_num();
}

int cw_threads_set(int n) {
    if (n <= 0) n = cw_cores_available();
    omp_set_dynamic(0);
    omp_set_num_threads(n);
    return n;
}

int cw_threads_get(void) {
    return omp_get_max_threads();
}
