/* Signals that arrive inside vendor kernels: a handler's frame must lie on a thread's own stack.
 * Generated code that uses the stack pointer as an ordinary register would have the frame written
 * over whatever it points at. */
#include "backend/support.h"
#include "base/parallel.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define STACK_BYTES                                                                                \
    (16 << 20) /* far above a main thread's use, far below the distance to a heap                  \
                */
#define SIGNALS 400

static atomic_int arrived, astray;
static pthread_t main_thread;
static uintptr_t main_stack;

static void on_alarm(int number) {
    (void)number;
    char here;
    uintptr_t at = (uintptr_t)&here;
    atomic_fetch_add(&arrived, 1);
    if (pthread_equal(pthread_self(), main_thread) &&
        (at > main_stack || main_stack - at > STACK_BYTES)) {
        atomic_fetch_add(&astray, 1);
    }
}

static void ring(bool on) {
    struct itimerval every = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* The encoder's first layers; multiply() has the shapes of its head, with which the library's
 * matrix product for AVX-512 is known to move the stack pointer (oneDNN 2.6). */
static const conv_case encoder = {.name = "encoder",
                                  .desc = {.batch = 32,
                                           .channels = 9,
                                           .height = 84,
                                           .width = 84,
                                           .n_layers = 2,
                                           .filters = 32,
                                           .first_stride = 2,
                                           .train = true},
                                  .stack = 3,
                                  .extra_h = 16,
                                  .extra_w = 16};

static void multiply(cw_backend *be, uint64_t *random) {
    const cw_ops *ops = be->ops;
    cw_tensor x = new_2d(CW_F32, 128, 39200, random), y = new_2d(CW_F32, 128, 50, NULL);
    cw_tensor w = new_2d(CW_F32, 50, 39200, random), b = new_1d(CW_F32, 50, random);
    assert_int_equal(ops->linear_forward(be, &y, &x, &w, &b, true), CW_OK);
    assert_int_equal(ops->linear_backward_data(be, &x, &y, &w), CW_OK);
    assert_int_equal(ops->linear_backward_weights(be, &w, &b, &y, &x), CW_OK);
}

static void a_handler_runs_on_its_own_stack(void **state) {
    (void)state;
    char here;
    main_thread = pthread_self();
    main_stack = (uintptr_t)&here;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    cw_backend *be;
    assert_int_equal(cw_backend_onednn_create(&be, 2), CW_OK);
    uint64_t random = 1;
    ring(true);
    time_t begin = time(NULL);
    while (atomic_load(&arrived) < SIGNALS && time(NULL) - begin < 60) {
        conv_data data = conv_data_new(&encoder, CONV_REAL, 1);
        (void)conv_run(be, &encoder, &data);
        multiply(be, &random);
        test_release();
    }
    ring(false);
    /* Held signals were delayed, not lost. */
    assert_true(atomic_load(&arrived) >= SIGNALS);
    assert_int_equal(atomic_load(&astray), 0);
    cw_backend_destroy(be);
}

/* Matrix units keep what they are summing in registers that the kernel has to save for a handler.
 */
static void a_handler_changes_no_sum(void **state) {
    (void)state;
    cw_backend *be;
    if (!cw_backend_onednn_has_bf16()) skip();
    assert_int_equal(cw_backend_onednn_bf16_create(&be, 1), CW_OK);
    conv_data data = conv_data_new(&encoder, CONV_REAL, 1);
    conv_result want = conv_run(be, &encoder, &data);
    int before = atomic_load(&arrived);
    ring(true);
    for (int i = 0; i < 20 || atomic_load(&arrived) - before < SIGNALS / 4; i++) {
        conv_result got = conv_run(be, &encoder, &data);
        assert_memory_equal(got.features.data, want.features.data, cw_tensor_bytes(&got.features));
        assert_memory_equal(got.dparams.data, want.dparams.data, cw_tensor_bytes(&got.dparams));
    }
    ring(false);
    test_release();
    cw_backend_destroy(be);
}

static void a_held_signal_arrives_on_release(void **state) {
    (void)state;
    sigset_t before;
    int so_far = atomic_load(&arrived);
    cw_signals_hold(&before);
    raise(SIGALRM);
    assert_int_equal(atomic_load(&arrived), so_far);
    cw_signals_release(&before);
    assert_int_equal(atomic_load(&arrived), so_far + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_runs_on_its_own_stack),
        cmocka_unit_test(a_handler_changes_no_sum),
        cmocka_unit_test(a_held_signal_arrives_on_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
