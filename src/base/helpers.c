#include "base/helpers.h"

#include "base/clock.h"

#include <stdbool.h>

/* How long a thread looks out before it goes to sleep. To be woken takes about as long: waiting
 * costs at most twice what it would if the future were known. */
#define LOOK_OUT_S 50e-6

/* Words of the gate. */
#define INSIDE UINT64_C(0xffff)
#define OPEN   (UINT64_C(1) << 16)
#define ENDED  (UINT64_C(1) << 17)
#define NUMBER (~UINT64_C(0xffffffff))
#define NEXT   (UINT64_C(1) << 32)

static _Thread_local int self;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Whether `ready` comes true before it is time to sleep. */
static bool look_out(cw_helpers *h, bool (*ready)(const cw_helpers *h, uint64_t seen),
                     uint64_t seen) {
    double until = cw_clock_s() + LOOK_OUT_S;
    do {
        for (int i = 0; i < 16; i++) {
            if (ready(h, seen)) return true;
            relax();
        }
    } while (!atomic_load_explicit(&h->rest, memory_order_relaxed) && cw_clock_s() < until);
    return false;
}

/* ---------------------------------------------------------------- helpers */

static bool called(const cw_helpers *h, uint64_t seen) {
    uint64_t gate = atomic_load(&h->gate);
    return (gate & ENDED) != 0 || ((gate & OPEN) != 0 && (gate & NUMBER) != seen);
}

static void wait_for_call(cw_helpers *h, uint64_t seen) {
    if (look_out(h, called, seen)) return;
    pthread_mutex_lock(&h->mutex);
    atomic_fetch_add(&h->asleep, 1);
    while (!called(h, seen)) pthread_cond_wait(&h->called, &h->mutex);
    atomic_fetch_sub(&h->asleep, 1);
    pthread_mutex_unlock(&h->mutex);
}

/* Whether the job was still open. */
static bool enter(cw_helpers *h, uint64_t *seen) {
    uint64_t gate = atomic_load(&h->gate);
    while ((gate & OPEN) != 0) {
        if (atomic_compare_exchange_weak(&h->gate, &gate, gate + 1)) {
            *seen = gate & NUMBER;
            return true;
        }
    }
    return false;
}

static void leave(cw_helpers *h) {
    uint64_t gate = atomic_fetch_sub(&h->gate, 1) - 1;
    if ((gate & (OPEN | INSIDE)) != 0 || !atomic_load(&h->owner_waits)) return;
    pthread_mutex_lock(&h->mutex);
    pthread_cond_signal(&h->left);
    pthread_mutex_unlock(&h->mutex);
}

typedef struct birth {
    cw_helpers *h;
    int self;
    atomic_bool taken;
} birth;

static void *help(void *context) {
    birth *b = context;
    cw_helpers *h = b->h;
    self = b->self;
    atomic_store(&b->taken, true);
    uint64_t seen = 0;
    for (;;) {
        wait_for_call(h, seen);
        if ((atomic_load(&h->gate) & ENDED) != 0) return NULL;
        if (!enter(h, &seen)) continue;
        h->work(h->context);
        leave(h);
    }
}

int cw_helpers_self(void) {
    return self;
}

/* ---------------------------------------------------------------- the owner */

int cw_helpers_start(cw_helpers *h, int n) {
    *h = (cw_helpers){0};
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->called, NULL);
    pthread_cond_init(&h->left, NULL);
    while (h->n < n && h->n < CW_MOST_HELPERS) {
        birth b = {.h = h, .self = h->n + 1};
        if (pthread_create(&h->thread[h->n], NULL, help, &b) != 0) break;
        while (!atomic_load(&b.taken)) relax();
        h->n++;
    }
    return h->n;
}

static void call(cw_helpers *h) {
    if (atomic_load(&h->asleep) == 0) return;
    pthread_mutex_lock(&h->mutex);
    pthread_cond_broadcast(&h->called);
    pthread_mutex_unlock(&h->mutex);
}

void cw_helpers_stop(cw_helpers *h) {
    if (h->n == 0) return;
    atomic_fetch_or(&h->gate, ENDED);
    call(h);
    for (int i = 0; i < h->n; i++) pthread_join(h->thread[i], NULL);
    pthread_mutex_destroy(&h->mutex);
    pthread_cond_destroy(&h->called);
    pthread_cond_destroy(&h->left);
    h->n = 0;
}

static bool empty(const cw_helpers *h, uint64_t unused) {
    (void)unused;
    return (atomic_load(&h->gate) & INSIDE) == 0;
}

static void wait_for_the_last(cw_helpers *h) {
    if (look_out(h, empty, 0)) return;
    pthread_mutex_lock(&h->mutex);
    atomic_store(&h->owner_waits, 1);
    while (!empty(h, 0)) pthread_cond_wait(&h->left, &h->mutex);
    atomic_store(&h->owner_waits, 0);
    pthread_mutex_unlock(&h->mutex);
}

void cw_helpers_run(cw_helpers *h, cw_work_fn work, void *context) {
    h->work = work;
    h->context = context;
    atomic_store_explicit(&h->rest, 0, memory_order_relaxed);
    atomic_store(&h->gate, ((atomic_load(&h->gate) & NUMBER) + NEXT) | OPEN);
    call(h);
    work(context);
    atomic_fetch_and(&h->gate, ~OPEN);
    wait_for_the_last(h);
}

void cw_helpers_rest(cw_helpers *h) {
    atomic_store_explicit(&h->rest, 1, memory_order_relaxed);
}
