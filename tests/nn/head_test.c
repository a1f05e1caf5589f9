#include "base/rng.h"
#include "finite_difference.h"
#include "nn/head.h"
#include "test.h"

#include <string.h>

enum { B = 3, M = 7, D = 4, MOST = 400 };

typedef struct fixture {
    cw_backend *be;
    cw_head_shape shape;
    cw_param_table table;
    double value[MOST], grad[MOST], x[B * M], dx[B * M], dz[B * D], unused[2 * D];
    cw_head_params params, grads;
    cw_head_acts acts;
    unsigned char memory[1 << 14] __attribute__((aligned(64)));
} fixture;

static fixture f;

static void make(int64_t hidden, bool tanh_output) {
    memset(&f, 0, sizeof f);
    assert_int_equal(cw_backend_ref_create(&f.be, CW_F64), CW_OK);
    f.shape = (cw_head_shape){.inputs = M, .hidden = hidden, .features = D, .tanh = tanh_output};
    int row = cw_head_register(&f.table, "encoder.", &f.shape);
    assert_int_equal(row, 0);
    assert_int_equal(f.table.n, cw_head_rows(&f.shape));
    assert_true(f.table.count <= MOST);
    cw_stream stream = {.seed = 5, .purpose = CW_RNG_TEST};
    cw_rng_uniform(&stream, 0, -1, 1, f.value, f.table.count);
    cw_rng_uniform(&stream, 1, -1, 1, f.x, B * M);
    cw_rng_uniform(&stream, 2, -1, 1, f.dz, B * D);
    f.params = cw_head_view(&f.table, 0, &f.shape, CW_F64, f.value);
    f.grads = cw_head_view(&f.table, 0, &f.shape, CW_F64, f.grad);
    cw_arena arena = {.base = f.memory, .size = sizeof f.memory};
    cw_head_carve(&f.acts, &arena, CW_F64, &f.shape, B, true);
    assert_true(arena.used <= arena.size);
}

static double loss(void *context) {
    (void)context;
    cw_tensor x = cw_tensor_2d(CW_F64, f.x, B, M);
    assert_int_equal(cw_head_forward(f.be, &f.shape, &f.acts, &f.params, &x), CW_OK);
    double sum = 0;
    for (int i = 0; i < B * D; i++) sum += f.dz[i] * cw_tensor_get(&f.acts.z, i);
    return sum;
}

static void check(int64_t hidden, bool tanh_output) {
    make(hidden, tanh_output);
    cw_tensor x = cw_tensor_2d(CW_F64, f.x, B, M), dx = cw_tensor_2d(CW_F64, f.dx, B, M);
    cw_tensor dz = cw_tensor_2d(CW_F64, f.dz, B, D), unused = cw_tensor_1d(CW_F64, f.unused, 2 * D);
    loss(NULL);
    assert_int_equal(
        cw_head_backward(f.be, &f.shape, &f.grads, &dx, &dz, &f.acts, &f.params, &x, &unused),
        CW_OK);
    assert_true(fd_worst(loss, NULL, f.value, f.grad, (int64_t)f.table.count,
                         "head by parameters") < FD_TOLERANCE);
    assert_true(fd_worst(loss, NULL, f.x, f.dx, B * M, "head by input") < FD_TOLERANCE);

    double all[B * M]; /* the input gradient alone is the same */
    memcpy(all, f.dx, sizeof all);
    memset(f.dx, 0, sizeof f.dx);
    loss(NULL);
    assert_int_equal(
        cw_head_backward(f.be, &f.shape, NULL, &dx, &dz, &f.acts, &f.params, &x, &unused), CW_OK);
    assert_memory_equal(all, f.dx, sizeof all);
    cw_backend_destroy(f.be);
}

static void linear_head(void **state) {
    (void)state;
    check(0, false);
    check(0, true);
}

static void hidden_head(void **state) {
    (void)state;
    check(6, false);
    check(6, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_head),
        cmocka_unit_test(hidden_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
