#include "algo/init.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "test.h"

#include <math.h>
#include <stdio.h>

static const cw_stream stream = {.seed = 11, .purpose = CW_RNG_INIT};

/* Largest deviation of the shorter side's Gram matrix from gain^2 times the identity. */
static double gram_error(const cw_tensor *w, double gain) {
    int64_t rows = w->shape[0], columns = w->shape[1];
    int64_t n = rows < columns ? rows : columns, m = rows < columns ? columns : rows;
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t k = 0; k < m; k++) {
                int64_t a = rows < columns ? i * columns + k : k * columns + i;
                int64_t b = rows < columns ? j * columns + k : k * columns + j;
                sum += cw_tensor_get(w, a) * cw_tensor_get(w, b);
            }
            worst = fmax(worst, fabs(sum - (i == j ? gain * gain : 0.0)));
        }
    }
    return worst;
}

/* f64 rounding grows with the length of the sums; f32 results carry eps_f32 in each element. */
static void orthogonal_shapes(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 1},   {1, 9},   {9, 1},   {5, 5},   {5, 7},  {7, 5},
                                        {4, 400}, {400, 4}, {33, 64}, {12, 48}, {95, 70}};
    static const double gains[] = {1.0, 1.4142135623730951};
    for (int type = 0; type < 2; type++) {
        cw_dtype dtype = type == 0 ? CW_F64 : CW_F32;
        double tolerance = type == 0 ? 1e-12 : 2e-5;
        cw_backend *be;
        assert_int_equal(cw_backend_ref_create(&be, dtype), CW_OK);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            double memory[7000] = {0};
            cw_tensor w = cw_tensor_2d(dtype, memory, shapes[i][0], shapes[i][1]);
            double gain = gains[i % 2];
            assert_int_equal(cw_init_orthogonal(be, &w, gain, &stream, i), CW_OK);
            double error = gram_error(&w, gain);
            printf("  %s %lld x %lld: %.1e\n", cw_dtype_name(dtype), (long long)shapes[i][0],
                   (long long)shapes[i][1], error);
            assert_true(error < tolerance);
        }
        cw_backend_destroy(be);
    }
}

/* Of G = R Q with orthonormal rows in Q there is one with a lower triangular R whose diagonal is
 * positive; then Q is uniform. More than two panels, the last one short; and a tall matrix. */
static void the_matrix_is_the_q_of_its_gaussian(void **state) {
    (void)state;
    enum { M = 80 };
    static const int64_t sides[] = {70, 20};
    cw_backend *be;
    assert_int_equal(cw_backend_ref_create(&be, CW_F64), CW_OK);
    for (int i = 0; i < 2; i++) {
        int64_t n = sides[i];
        double q[70 * M];
        float gaussian[70 * M];
        cw_tensor w = cw_tensor_2d(CW_F64, q, n, M);
        assert_int_equal(cw_init_orthogonal(be, &w, 1.0, &stream, 3), CW_OK);
        cw_rng_normal(&stream, UINT64_C(3) << 20, gaussian, (size_t)(n < 52 ? n * M : 4096));
        cw_rng_normal(&stream, (UINT64_C(3) << 20) + 1, gaussian + 4096,
                      n < 52 ? 0 : 70 * M - 4096);
        for (int64_t a = 0; a < n; a++) {
            for (int64_t b = a; b < n; b++) {
                double r = 0;
                for (int k = 0; k < M; k++) r += (double)gaussian[a * M + k] * q[b * M + k];
                if (a == b) assert_true(r > 0);
                if (a < b) assert_true(fabs(r) < 1e-12);
            }
        }
    }
    cw_backend_destroy(be);
}

static void delta_orthogonal_has_centre_taps_only(void **state) {
    (void)state;
    enum { F = 4, C = 9 };
    double memory[F * C * 9], centre[F * C];
    int64_t shape[4] = {F, C, 3, 3};
    cw_backend *be;
    assert_int_equal(cw_backend_ref_create(&be, CW_F64), CW_OK);
    cw_tensor w = cw_tensor_nd(CW_F64, memory, 4, shape);
    assert_int_equal(cw_init_delta_orthogonal(be, &w, sqrt(2.0), &stream, 0), CW_OK);
    for (int i = 0; i < F * C; i++) {
        for (int tap = 0; tap < 9; tap++) {
            if (tap != 4) assert_true(memory[i * 9 + tap] == 0.0);
        }
        centre[i] = memory[i * 9 + 4];
    }
    cw_tensor t = cw_tensor_2d(CW_F64, centre, F, C);
    assert_true(gram_error(&t, sqrt(2.0)) < 1e-12);
    cw_backend_destroy(be);
}

static void the_same_stream_gives_the_same_matrix(void **state) {
    (void)state;
    double a[48], b[48];
    cw_backend *be;
    assert_int_equal(cw_backend_ref_create(&be, CW_F64), CW_OK);
    cw_tensor ta = cw_tensor_2d(CW_F64, a, 6, 8), tb = cw_tensor_2d(CW_F64, b, 6, 8);
    assert_int_equal(cw_init_orthogonal(be, &ta, 1.0, &stream, 7), CW_OK);
    assert_int_equal(cw_init_orthogonal(be, &tb, 1.0, &stream, 7), CW_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(cw_init_orthogonal(be, &tb, 1.0, &stream, 8), CW_OK);
    assert_memory_not_equal(a, b, sizeof a);
    cw_backend_destroy(be);
}

static void allocation_failures_are_reported(void **state) {
    (void)state;
    double memory[48];
    cw_backend *be;
    assert_int_equal(cw_backend_ref_create(&be, CW_F64), CW_OK);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (int shape = 0; shape < 2; shape++) {
        cw_tensor w = cw_tensor_2d(CW_F64, memory, shape == 0 ? 6 : 2, shape == 0 ? 8 : 24);
        int n = 0;
        cw_status status;
        do {
            cw_memory_fail_after((uint64_t)++n);
            status = cw_init_orthogonal(be, &w, 1.0, &stream, 0);
            assert_true(status == CW_OK || status == CW_ENOMEM);
        } while (status != CW_OK);
        cw_memory_fail_after(0);
        assert_true(n > 2);
    }
    cw_memory_stats_get(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
    cw_backend_destroy(be);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orthogonal_shapes),
        cmocka_unit_test(the_matrix_is_the_q_of_its_gaussian),
        cmocka_unit_test(delta_orthogonal_has_centre_taps_only),
        cmocka_unit_test(the_same_stream_gives_the_same_matrix),
        cmocka_unit_test(allocation_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
