/* Matrix products by tiles, for every instruction set that this machine runs, against plain sums in
 * double.
 *
 * Tolerance, as in dense_test.c: n roundings, of at most u = 2^-24 of partial sums that reach
 * |value| + 3 sqrt(sum of squares), add like a random walk; six deviations are 4 sqrt(n) u of that.
 * Factors rounded to bf16 add two independent errors, uniform within 2^-8, to every product. */
#include "backend/onednn/product.h"
#include "backend/support.h"
#include "backend/tables.h"
#include "base/parallel.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Either order of the two steps; the smaller one is 1. */
static void set_steps(bool swapped, int64_t rows, int64_t columns, int64_t *row, int64_t *column) {
    *row = swapped ? 1 : columns;
    *column = swapped ? rows : 1;
}

/* Largest share of the tolerance that an element uses. */
static double judge(const cw_kernels *kernels, const cw_tiled_product *p) {
    const float *a = p->a, *b = p->b, *c = p->c;
    double sum_error = 4 * sqrt((double)p->k) * ldexp(1, -24);
    double factor_error = kernels->factor_bytes == 2 ? 6 * sqrt(2 / 3.0) * ldexp(1, -8) : 0;
    double worst = 0;
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double want = 0, squares = 0;
            for (int64_t k = 0; k < p->k; k++) {
                double term =
                    (double)a[i * p->a_row + k * p->a_k] * (double)b[k * p->b_k + j * p->b_column];
                want += term;
                squares += term * term;
            }
            double got = (double)c[i * p->c_row + j * p->c_column];
            double spread = sqrt(squares);
            double allowed = sum_error * (fabs(want) + 3 * spread) + factor_error * spread;
            double share = fabs(got - want) / allowed;
            if (!(share <= worst)) worst = share;
        }
    }
    return worst;
}

/* {m, n, k}: around the tiles, more than one piece of k, parts of k summed by each thread, more
 * blocks than a group. */
static const int64_t shapes[][3] = {
    {1, 1, 1},      {3, 5, 2},      {12, 32, 7},    {13, 33, 64},   {11, 31, 65},   {50, 128, 33},
    {40, 7, 1025},  {5, 130, 2500}, {20, 20, 2050}, {300, 9, 128},  {9, 1000, 131}, {128, 257, 96},
    {32, 64, 1088}, {31, 33, 31},   {47, 16, 1055}, {17, 49, 1041}, {64, 300, 48},  {90, 97, 2081}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void run(cw_onednn *state, int threads, const int64_t s[3], int order, uint64_t seed) {
    cw_tiled_product p = {.m = s[0], .n = s[1], .k = s[2]};
    cw_tensor a = new_2d(CW_F32, p.m, p.k, &seed);
    cw_tensor b = new_2d(CW_F32, p.k, p.n, &seed);
    cw_tensor c = new_2d(CW_F32, p.m, p.n, NULL);
    p.a = a.data;
    p.b = b.data;
    p.c = c.data;
    set_steps(order & 1, p.m, p.k, &p.a_row, &p.a_k);
    set_steps(order & 2, p.k, p.n, &p.b_k, &p.b_column);
    set_steps(order & 4, p.m, p.n, &p.c_row, &p.c_column);
    assert_int_equal(cw_tiled_product_run(state, threads, &p), CW_OK);
    double used = judge(state->kernels, &p);
    void *first = guarded(cw_tensor_bytes(&c));
    memcpy(first, c.data, cw_tensor_bytes(&c));
    assert_int_equal(cw_tiled_product_run(state, threads, &p), CW_OK);
    assert_memory_equal(first, c.data, cw_tensor_bytes(&c));
    check_guards();
    if (order == 0) {
        printf("%-11s %d threads, %ldx%ld of %ld terms: %.2f of the tolerance\n",
               state->kernels->isa, threads, (long)p.m, (long)p.n, (long)p.k, used);
    }
    assert_true(used <= 1);
    test_release();
}

static void test_products(void **context) {
    (void)context;
    const cw_kernels *all[MOST_TABLES];
    int n = all_tables(all);
    for (int i = 0; i < n; i++) {
        for (int threads = 1; threads <= 3; threads++) {
            cw_onednn state = {.kernels = all[i]};
            cw_threads_set(threads);
            int step = threads > 1 ? 3 : 1;
            for (int k = 0; k < 8 * N_SHAPES; k += step) {
                run(&state, threads, shapes[k / 8], k % 8, 7 + (uint64_t)k);
            }
            cw_free(state.product_scratch);
        }
    }
}

/* Factors that are bf16 already give the bits that the same numbers give in f32, and c the sums
 * rounded once. kind: 1 a, 2 b, 4 c is bf16. */
static void run_bf16(cw_onednn *state, int threads, const int64_t s[3], int order, int kind) {
    uint64_t seed = 70 + (uint64_t)order;
    cw_tiled_product p = {.m = s[0], .n = s[1], .k = s[2]};
    cw_tensor a = new_2d(CW_F32, p.m, p.k, &seed), b = new_2d(CW_F32, p.k, p.n, &seed);
    cw_tensor c = new_2d(CW_F32, p.m, p.n, NULL), got = new_2d(CW_F32, p.m, p.n, NULL);
    cw_tensor a16 = converted(&a, CW_BF16), b16 = converted(&b, CW_BF16);
    a = converted(&a16, CW_F32);
    b = converted(&b16, CW_F32);
    p.a = a.data;
    p.b = b.data;
    p.c = c.data;
    set_steps(order & 1, p.m, p.k, &p.a_row, &p.a_k);
    set_steps(order & 2, p.k, p.n, &p.b_k, &p.b_column);
    set_steps(kind < 4 && (order & 4) != 0, p.m, p.n, &p.c_row, &p.c_column);
    assert_int_equal(cw_tiled_product_run(state, threads, &p), CW_OK);
    if (kind & 1) p.a = a16.data, p.a_bf16 = true;
    if (kind & 2) p.b = b16.data, p.b_bf16 = true;
    p.c = got.data;
    if (kind & 4) {
        c = converted(&c, CW_BF16);
        p.c = guarded(cw_tensor_bytes(&c));
        p.c_bf16 = true;
    }
    assert_int_equal(cw_tiled_product_run(state, threads, &p), CW_OK);
    assert_memory_equal(p.c, c.data, cw_tensor_bytes(&c));
    check_guards();
    test_release();
}

static void test_bf16_matrices(void **context) {
    (void)context;
    const cw_kernels *kernels = cw_kernels_units();
    if (kernels == NULL) skip();
    for (int threads = 1; threads <= 2; threads++) {
        cw_onednn state = {.kernels = kernels};
        assert_true(cw_tiled_product_bf16(&state));
        cw_threads_set(threads);
        for (int k = 0; k < 8 * N_SHAPES; k++) { /* every kind for every shape, orders in turn */
            const int64_t *s = shapes[k / 8];
            int kind = 1 + (k + k / 8) % 7;
            if (kind < 4 || s[2] <= CW_PRODUCT_PIECE) run_bf16(&state, threads, s, k % 8, kind);
        }
        cw_free(state.product_scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_bf16_matrices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
