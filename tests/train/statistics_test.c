/* Interquartile means, quantiles and bootstrap intervals against rliable 1.2.0 and numpy
 * (tests/golden/make_statistics_golden.py says where the bounds come from). */
#include "base/memory.h"
#include "test.h"
#include "train/statistics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VALUES_MAX 256

static double number(FILE *file) {
    double out;
    assert_int_equal(fscanf(file, "%lf", &out), 1);
    return out;
}

static void check_iqm(FILE *file) {
    double value[VALUES_MAX];
    int n = (int)number(file);
    for (int i = 0; i < n; i++) value[i] = number(file);
    double wanted = number(file), got = cw_iqm(value, n);
    /* n sums of numbers below 1000, each rounded once */
    double tolerance = n * 1000.0 * 2.3e-16;
    if (fabs(got - wanted) > tolerance) fail_msg("iqm of %d: %.17g, not %.17g", n, got, wanted);
}

static void check_quantile(FILE *file) {
    double value[VALUES_MAX];
    int n = (int)number(file);
    for (int i = 0; i < n; i++) value[i] = number(file);
    double q = number(file), wanted = number(file), got = cw_quantile(value, n, q);
    if (fabs(got - wanted) > 1e-14) fail_msg("quantile %g: %.17g, not %.17g", q, got, wanted);
}

static void check_interval(FILE *file) {
    double score[VALUES_MAX];
    int size[VALUES_MAX];
    int n_strata = (int)number(file), n_runs = (int)number(file), n = n_strata * n_runs;
    for (int i = 0; i < n; i++) score[i] = number(file);
    for (int i = 0; i < n_strata; i++) size[i] = n_runs;
    double point = number(file), bound[4];
    for (int i = 0; i < 4; i++) bound[i] = number(file);
    double theirs[2] = {number(file), 0};
    theirs[1] = number(file);
    cw_interval got;
    assert_int_equal(cw_iqm_interval(&got, score, size, n_strata, 1), CW_OK);
    double iqm = cw_iqm(score, n);
    printf("%d runs, %d tasks: %.3f [%.3f, %.3f]; rliable %.3f [%.3f, %.3f]; allowed [%.3f, %.3f] "
           "and [%.3f, %.3f]\n",
           n_runs, n_strata, iqm, got.low, got.high, point, theirs[0], theirs[1], bound[0],
           bound[1], bound[2], bound[3]);
    assert_true(fabs(iqm - point) < 1e-10);
    /* 1e-9: with few runs the bounds are single values, which rounding may put on either side */
    assert_true(got.low >= bound[0] - 1e-9 && got.low <= bound[1] + 1e-9);
    assert_true(got.high >= bound[2] - 1e-9 && got.high <= bound[3] + 1e-9);
}

static void agrees_with_rliable(void **state) {
    (void)state;
    FILE *file = fopen(CW_TEST_DATA "/train/statistics.golden", "re");
    assert_non_null(file);
    char kind[16];
    int n = 0;
    for (; fscanf(file, "%15s", kind) == 1; n++) {
        if (strcmp(kind, "iqm") == 0) {
            check_iqm(file);
        } else if (strcmp(kind, "quantile") == 0) {
            check_quantile(file);
        } else {
            assert_string_equal(kind, "interval");
            check_interval(file);
        }
    }
    fclose(file);
    assert_int_equal(n, 13 + 8 + 6);
}

static void draws_stay_in_their_stratum(void **state) {
    (void)state;
    /* Within a stratum all scores are equal: every sample is the same. */
    const double score[] = {100, 100, 100, 900, 900, 900, 900};
    const int size[] = {3, 4};
    cw_interval got;
    assert_int_equal(cw_iqm_interval(&got, score, size, 2, 1), CW_OK);
    double sorted[] = {100, 100, 100, 900, 900, 900, 900};
    double iqm = cw_iqm(sorted, 7);
    assert_true(got.low == iqm && got.high == iqm);
}

static void one_run_has_no_interval(void **state) {
    (void)state;
    const double score[] = {100, 900};
    const int size[] = {1, 1};
    cw_interval got;
    assert_int_equal(cw_iqm_interval(&got, score, size, 2, 1), CW_OK);
    assert_true(isnan(got.low) && isnan(got.high));
}

static void depends_on_the_seed_alone(void **state) {
    (void)state;
    const double score[] = {100, 300, 350, 500, 910, 13, 222, 641, 405, 780};
    const int size[] = {10};
    cw_interval first, again, other;
    assert_int_equal(cw_iqm_interval(&first, score, size, 1, 1), CW_OK);
    assert_int_equal(cw_iqm_interval(&again, score, size, 1, 1), CW_OK);
    assert_int_equal(cw_iqm_interval(&other, score, size, 1, 2), CW_OK);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(other.low != first.low || other.high != first.high);
}

static void memory_may_fail(void **state) {
    (void)state;
    const double score[] = {100, 300};
    const int size[] = {2};
    cw_interval got;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (uint64_t n = 1; n <= 2; n++) {
        cw_memory_fail_after(n);
        assert_int_equal(cw_iqm_interval(&got, score, size, 1, 1), CW_ENOMEM);
    }
    cw_memory_fail_after(0);
    cw_memory_stats_get(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_rliable),     cmocka_unit_test(draws_stay_in_their_stratum),
        cmocka_unit_test(one_run_has_no_interval), cmocka_unit_test(depends_on_the_seed_alone),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
