#include "base/rng.h"
#include "finite_difference.h"
#include "nn/mlp.h"
#include "test.h"

#include <string.h>

enum { B = 4, M = 5, H = 6, N = 3, COUNT = H * M + H + H * H + H + N * H + N };

static struct {
    cw_backend *be;
    cw_mlp_shape shape;
    cw_param_table table;
    double value[COUNT], grad[COUNT], x[B * M], dx[B * M], dout[B * N];
    cw_mlp_params params, grads;
    cw_mlp_acts acts;
    unsigned char memory[1 << 14] __attribute__((aligned(64)));
} f;

static void make(void) {
    memset(&f, 0, sizeof f);
    assert_int_equal(cw_backend_ref_create(&f.be, CW_F64), CW_OK);
    f.shape = (cw_mlp_shape){.inputs = M, .hidden = H, .outputs = N};
    assert_int_equal(cw_mlp_register(&f.table, "actor.", &f.shape), 0);
    assert_int_equal(f.table.count, COUNT);
    assert_string_equal(f.table.row[4].name, "actor.trunk.4.weight");
    cw_stream stream = {.seed = 6, .purpose = CW_RNG_TEST};
    cw_rng_uniform(&stream, 0, -1, 1, f.value, COUNT);
    cw_rng_uniform(&stream, 1, -1, 1, f.x, B * M);
    cw_rng_uniform(&stream, 2, -1, 1, f.dout, B * N);
    f.params = cw_mlp_view(&f.table, 0, CW_F64, f.value);
    f.grads = cw_mlp_view(&f.table, 0, CW_F64, f.grad);
    cw_arena arena = {.base = f.memory, .size = sizeof f.memory};
    cw_mlp_carve(&f.acts, &arena, CW_F64, &f.shape, B);
    assert_true(arena.used <= arena.size);
}

static double loss(void *context) {
    (void)context;
    cw_tensor x = cw_tensor_2d(CW_F64, f.x, B, M);
    assert_int_equal(cw_mlp_forward(f.be, &f.acts, &f.params, &x), CW_OK);
    double sum = 0;
    for (int i = 0; i < B * N; i++) sum += f.dout[i] * cw_tensor_get(&f.acts.out, i);
    return sum;
}

static void gradients_are_difference_quotients(void **state) {
    (void)state;
    make();
    cw_tensor x = cw_tensor_2d(CW_F64, f.x, B, M), dx = cw_tensor_2d(CW_F64, f.dx, B, M);
    cw_tensor dout = cw_tensor_2d(CW_F64, f.dout, B, N);
    loss(NULL);
    assert_int_equal(cw_mlp_backward(f.be, &f.grads, &dx, &dout, &f.acts, &f.params, &x), CW_OK);
    assert_true(fd_worst(loss, NULL, f.value, f.grad, COUNT, "perceptron by parameters") <
                FD_TOLERANCE);
    assert_true(fd_worst(loss, NULL, f.x, f.dx, B * M, "perceptron by input") < FD_TOLERANCE);
    cw_backend_destroy(f.be);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_difference_quotients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
