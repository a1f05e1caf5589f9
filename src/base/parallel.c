#include "base/parallel.h"

#include "base/helpers.h"
#include "base/resources.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

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

/* ---------------------------------------------------------------- a thread's helpers */

/* Of the thread that calls; started for its first loop, ended with it. */
static _Thread_local cw_helpers helpers;
static _Thread_local bool in_a_loop;

static pthread_key_t owner_ends;
static pthread_once_t owner_ends_once = PTHREAD_ONCE_INIT;

static void stop_helpers(void *own) {
    cw_helpers_stop(own);
}

static void make_key(void) {
    pthread_key_create(&owner_ends, stop_helpers);
}

/* At least `n`. A system that gives fewer makes loops slower, and nothing else. */
static void have_helpers(int n) {
    static _Thread_local int wanted;
    if (wanted >= n) return;
    cw_helpers_stop(&helpers);
    wanted = n;
    sigset_t before;
    cw_signals_hold(&before);
    cw_helpers_start(&helpers, n);
    cw_signals_release(&before);
    pthread_once(&owner_ends_once, make_key);
    pthread_setspecific(owner_ends, &helpers);
}

/* ---------------------------------------------------------------- loops */

typedef struct loop {
    int64_t parts, step;
    cw_range_fn body;
    void *context;
    part part[MOST_PARTS];
} loop;

static void work(void *context) {
    loop *l = context;
    int64_t self = cw_helpers_self();
    if (self >= l->parts) return; /* one of an earlier loop's many */
    for (int64_t i = 0; i < l->parts; i++) {
        work_off(&l->part[(self + i) % l->parts], l->step, l->body, l->context);
    }
}

void cw_parallel_for(int64_t n, int64_t grain, cw_range_fn body, void *context) {
    if (n <= 0) return;
    int64_t parts = cw_threads_get();
    if (n <= grain || parts == 1 || in_a_loop || cw_helpers_self() != 0) {
        body(context, 0, n);
        return;
    }
    if (parts > MOST_PARTS) parts = MOST_PARTS;
    loop l = {.parts = parts, .step = share(n, parts, grain), .body = body, .context = context};
    for (int64_t i = 0; i < parts; i++) {
        atomic_init(&l.part[i].next, n * i / parts);
        l.part[i].end = n * (i + 1) / parts;
    }
    have_helpers((int)parts - 1);
    sigset_t before;
    cw_signals_hold(&before);
    in_a_loop = true;
    cw_helpers_run(&helpers, work, &l);
    in_a_loop = false;
    cw_signals_release(&before);
}

void cw_parallel_rest(void) {
    cw_helpers_rest(&helpers);
}

int cw_parallel_self(void) {
    return cw_helpers_self();
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
