/* Loops shared out among threads: every item once, whatever the sizes; a slow thread's part is
 * taken over by the others. */
#include "base/parallel.h"
#include "test.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { MOST_ITEMS = 1000, MOST_THREADS = 5 };

typedef struct loop {
    int64_t n, grain;
    atomic_int times[MOST_ITEMS]; /* that an item was handled */
    atomic_int by[MOST_THREADS];  /* items that a thread handled */
    atomic_bool wrong; /* a range outside of the items, too short, or of no known thread */
    int slow;          /* thread that sleeps over each range, or -1 */
} loop;

static void handle(void *context, int64_t begin, int64_t end) {
    loop *l = context;
    int self = cw_parallel_self();
    bool known = self >= 0 && self < cw_threads_get();
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_item_once),
                                       cmocka_unit_test(test_few_items),
                                       cmocka_unit_test(test_a_slow_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
