#include "env/dmcontrol/reward.h"
#include "test.h"

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-15)) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_bounds(void **state) {
    (void)state;
    cw_tolerance within = CW_WITHIN(-0.25, 1.0);
    assert_true(cw_tolerance_at(&within, -0.25) == 1.0);
    assert_true(cw_tolerance_at(&within, 1.0) == 1.0);
    assert_true(cw_tolerance_at(&within, nextafter(1.0, 2.0)) == 0.0);
    assert_true(cw_tolerance_at(&within, -0.2500001) == 0.0);
}

static void test_value_at_margin(void **state) {
    (void)state;
    static const cw_falloff all[] = {CW_FALLOFF_GAUSSIAN, CW_FALLOFF_GAUSSIAN_ARRAY,
                                     CW_FALLOFF_LINEAR, CW_FALLOFF_QUADRATIC};
    for (int i = 0; i < 4; i++) {
        cw_tolerance t = {1.0, 3.0, 2.0, all[i], 0.3};
        near(cw_tolerance_at(&t, -1.0), 0.3);
        near(cw_tolerance_at(&t, 5.0), 0.3);
        near(cw_tolerance_at(&t, 2.0), 1.0);
        assert_true(cw_tolerance_at(&t, 3.5) < 1.0 && cw_tolerance_at(&t, 3.5) > 0.3);
    }
}

static void test_shapes(void **state) {
    (void)state;
    cw_tolerance linear = {10.0, INFINITY, 10.0, CW_FALLOFF_LINEAR, 0.0};
    near(cw_tolerance_at(&linear, 4.0), 0.4);
    assert_true(cw_tolerance_at(&linear, -0.5) == 0.0);
    cw_tolerance quadratic = {0.0, 0.0, 1.0, CW_FALLOFF_QUADRATIC, 0.0};
    near(cw_tolerance_at(&quadratic, -0.5), 0.75);
    assert_true(cw_tolerance_at(&quadratic, 1.5) == 0.0);
    cw_tolerance gaussian = {0.0, 0.0, 2.0, CW_FALLOFF_GAUSSIAN, 0.1};
    near(cw_tolerance_at(&gaussian, 1.0), pow(0.1, 0.25));
}

/* Python squares a scalar by pow(), numpy an array by multiplying; here and there (one time in a
 * thousand) the last bit differs. */
static void test_two_ways_to_square(void **state) {
    (void)state;
    volatile double two = 2.0;
    cw_tolerance scalar = {0.0, 0.0, 2.0, CW_FALLOFF_GAUSSIAN, 0.1}, array = scalar;
    array.falloff = CW_FALLOFF_GAUSSIAN_ARRAY;
    int unlike = 0;
    for (int i = 1; i <= 100000; i++) {
        double x = 1e-4 * i, y = x / 2.0 * sqrt(-2.0 * log(0.1));
        assert_true(cw_tolerance_at(&scalar, x) == exp(-0.5 * pow(y, two)));
        assert_true(cw_tolerance_at(&array, x) == exp(-0.5 * (y * y)));
        unlike += cw_tolerance_at(&scalar, x) != cw_tolerance_at(&array, x);
    }
    print_message("%d of 100000 differ\n", unlike);
#ifdef __GLIBC__
    assert_true(unlike > 0);
#endif
}

/* Values for which the order of additions decides the last bit. */
static void test_mean_order(void **state) {
    (void)state;
    double v[21];
    for (int i = 0; i < 21; i++) v[i] = sin((double)(7 * i + 1));
    double s[8];
    for (int j = 0; j < 8; j++) s[j] = v[j] + v[j + 8];
    double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (int i = 16; i < 21; i++) sum += v[i];
    assert_true(cw_numpy_mean(v, 21) == sum / 21.0);
    double in_order = 0.0;
    for (int i = 0; i < 21; i++) in_order += v[i];
    assert_true(in_order != sum); /* else this test shows nothing */
    assert_true(cw_numpy_mean(v, 3) == ((v[0] + v[1]) + v[2]) / 3.0);
}

static void test_small_control(void **state) {
    (void)state;
    const double still[2] = {0.0, 0.0}, half[2] = {0.5, 0.0}, wild[2] = {1.0, -7.0};
    near(cw_small_control(still, 2), 1.0);
    near(cw_small_control(half, 2), 0.875);
    near(cw_small_control(wild, 2), 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_value_at_margin),
        cmocka_unit_test(test_shapes),        cmocka_unit_test(test_mean_order),
        cmocka_unit_test(test_small_control), cmocka_unit_test(test_two_ways_to_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
