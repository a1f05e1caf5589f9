/* Loops shared out among threads: every item once, whatever the sizes; a slow thread's part is
 * taken over by the others. */
#include "base/helpers.h"
#include "base/parallel.h"
#include "test.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { MOST_ITEMS = 1000, MOST_THREADS = 5 };

typedef struct loop {
    int threads;
    int64_t n, grain;
    atomic_int times[MOST_ITEMS]; /* that an item was handled */
    atomic_int by[MOST_THREADS];  /* items that a thread handled */
    atomic_bool wrong; /* a range outside of the items, too short, or of no known thread */
    int slow;          /* thread that sleeps over each range, or -1 */
} loop;

static void handle(void *context, int64_t begin, int64_t end) {
    loop *l = context;
    int self = cw_parallel_self();
    bool known = self >= 0 && self < l->threads;
    if (!known || begin < 0 || end > l->n || begin >= end) {
        atomic_store(&l->wrong, true);
        return;
    }
    if (self == l->slow) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&l->times[i], 1);
    atomic_fetch_add(&l->by[self], (int)(end - begin));
}

static void run(loop *l, int threads, int64_t n, int64_t grain, int slow) {
    memset(l, 0, sizeof *l);
    l->threads = threads;
    l->n = n;
    l->grain = grain;
    l->slow = slow;
    assert_int_equal(cw_threads_set(threads), threads);
    cw_parallel_for(n, grain, handle, l);
    assert_false(l->wrong);
    for (int64_t i = 0; i < n; i++) assert_int_equal(l->times[i], 1);
}

static void test_every_item_once(void **state) {
    (void)state;
    static loop l;
    static const int64_t sizes[] = {1, 2, 3, 5, 7, 16, 17, 31, 64, 100, 127, 999, MOST_ITEMS};
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (int64_t grain = 1; grain <= sizes[i] + 1; grain = grain * 3 + 1) {
                run(&l, threads, sizes[i], grain, -1);
            }
        }
    }
    run(&l, 2, 0, 1, -1);
}

/* Few items run in the calling thread, which is number 0. */
static void test_few_items(void **state) {
    (void)state;
    static loop l;
    run(&l, 3, 20, 20, -1);
    assert_int_equal(l.by[0], 20);
}

/* The slow thread gets through few of the 500 items that are its own; the other one does the rest.
 */
static void test_a_slow_thread(void **state) {
    (void)state;
    static loop l;
    for (int slow = 0; slow < 2; slow++) {
        run(&l, 2, MOST_ITEMS, 1, slow);
        print_message("slow thread %d: %d items, the other %d\n", slow, l.by[slow], l.by[1 - slow]);
        assert_true(l.by[slow] <= MOST_ITEMS / 4);
    }
}

/* Helpers of a loop with many threads stay out of those with fewer: their numbers have no memory
 * there. */
static void test_fewer_threads(void **state) {
    (void)state;
    static loop l;
    for (int i = 0; i < 200; i++) {
        run(&l, MOST_THREADS, MOST_ITEMS, 1, -1);
        run(&l, 2, MOST_ITEMS, 1, -1);
    }
}

/* Loops one after the other, too short for most helpers to come in time: the next one may not begin
 * before all have left. */
static void test_many_short_loops(void **state) {
    (void)state;
    static loop l;
    for (int i = 0; i < 20000; i++) run(&l, 2 + i % 2, 2 + i % 7, 1, -1);
}

static void outer(void *context, int64_t begin, int64_t end) {
    loop *inner = context;
    for (int64_t i = begin; i < end; i++) cw_parallel_for(inner[i].n, 1, handle, &inner[i]);
}

static void test_a_loop_in_a_loop(void **state) {
    (void)state;
    enum { LOOPS = 8, ITEMS = 50 };
    static loop inner[LOOPS];
    cw_threads_set(3);
    for (int i = 0; i < LOOPS; i++) {
        inner[i].n = ITEMS;
        inner[i].threads = 3;
        inner[i].slow = -1;
    }
    cw_parallel_for(LOOPS, 1, outer, inner);
    for (int i = 0; i < LOOPS; i++) {
        int times = 0;
        for (int t = 0; t < 3; t++) times = inner[i].by[t] > times ? inner[i].by[t] : times;
        assert_false(inner[i].wrong);
        assert_int_equal(times, ITEMS); /* all by the one thread that the outer loop gave it */
    }
}

/* Threads of this process. */
static int count_threads(void) {
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        if (e->d_name[0] != '.') n++;
    }
    closedir(folder);
    return n;
}

static void *loops_of_a_thread(void *during) {
    static loop l;
    run(&l, MOST_THREADS, MOST_ITEMS, 1, -1);
    *(int *)during = count_threads();
    return NULL;
}

static void test_helpers_end_with_their_owner(void **state) {
    (void)state;
    int before = count_threads();
    int during;
    pthread_t owner;
    assert_int_equal(pthread_create(&owner, NULL, loops_of_a_thread, &during), 0);
    pthread_join(owner, NULL);
    assert_int_equal(during, before + MOST_THREADS);
    assert_int_equal(count_threads(), before);
}

static void add_one(void *context) {
    atomic_fetch_add((atomic_int *)context, 1);
}

/* What is left where the system gives no thread. */
static void test_no_helpers(void **state) {
    (void)state;
    cw_helpers h;
    atomic_int calls = 0;
    assert_int_equal(cw_helpers_start(&h, 0), 0);
    cw_helpers_run(&h, add_one, &calls);
    cw_helpers_stop(&h);
    assert_int_equal(calls, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_item_once),
                                       cmocka_unit_test(test_few_items),
                                       cmocka_unit_test(test_a_slow_thread),
                                       cmocka_unit_test(test_fewer_threads),
                                       cmocka_unit_test(test_many_short_loops),
                                       cmocka_unit_test(test_a_loop_in_a_loop),
                                       cmocka_unit_test(test_helpers_end_with_their_owner),
                                       cmocka_unit_test(test_no_helpers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
