/* Against values of numpy.random.RandomState and of the generator's published test vector. */
#include "env/mt19937.h"
#include "test.h"

#include <string.h>

static void test_words(void **state) {
    (void)state;
    cw_mt19937 rng;
    cw_mt19937_seed(&rng, 5489);
    assert_true(cw_mt19937_word(&rng) == 3499211612u);
    uint32_t word = 0;
    for (int i = 2; i <= 10000; i++) word = cw_mt19937_word(&rng);
    assert_true(word == 4123659995u); /* C++11, [rand.predef] */
}

static void same(double got, double want) {
    if (memcmp(&got, &want, sizeof got) != 0) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_uniform(void **state) {
    (void)state;
    cw_mt19937 rng;
    cw_mt19937_seed(&rng, 0);
    same(cw_mt19937_double(&rng), 0.5488135039273248);
    same(cw_mt19937_double(&rng), 0.7151893663724195);
    same(cw_mt19937_uniform(&rng, -2.0, 2.0), -2.0 + 4.0 * 0.6027633760716439);
    cw_mt19937_seed(&rng, 42);
    same(cw_mt19937_double(&rng), 0.3745401188473625);
    same(cw_mt19937_double(&rng), 0.9507143064099162);
}

static void test_normal_keeps_its_second_value(void **state) {
    (void)state;
    static const double want[] = {1.764052345967664, 0.4001572083672233, 0.9787379841057392,
                                  2.240893199201458};
    cw_mt19937 rng;
    cw_mt19937_seed(&rng, 0);
    for (int i = 0; i < 4; i++) same(cw_mt19937_normal(&rng), want[i]);
    /* A uniform draw in between leaves the kept value in place. */
    cw_mt19937_seed(&rng, 0);
    same(cw_mt19937_normal(&rng), want[0]);
    cw_mt19937_double(&rng);
    same(cw_mt19937_normal(&rng), want[1]);
}

static void test_copy_continues(void **state) {
    (void)state;
    cw_mt19937 rng;
    cw_mt19937_seed(&rng, 7);
    for (int i = 0; i < 1001; i++) cw_mt19937_normal(&rng);
    cw_mt19937 copy = rng;
    for (int i = 0; i < 2000; i++) same(cw_mt19937_normal(&copy), cw_mt19937_normal(&rng));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal_keeps_its_second_value),
        cmocka_unit_test(test_copy_continues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
