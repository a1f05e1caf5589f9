#include "env/support.h"
#include "env/toy/toy.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef void (*policy_fn)(const double *obs, cw_mt19937 *rng, double *action);

static double towards(double from, double to) {
    return fmax(-1.0, fmin(1.0, (to - from) / 0.1));
}

static void optimal(const double *obs, cw_mt19937 *rng, double *action) {
    (void)rng;
    for (int i = 0; i < 2; i++) action[i] = towards(obs[i], obs[2 + i]);
}

static void to_the_middle(const double *obs, cw_mt19937 *rng, double *action) {
    (void)rng;
    for (int i = 0; i < 2; i++) action[i] = towards(obs[i], 0.5);
}

static void at_random(const double *obs, cw_mt19937 *rng, double *action) {
    (void)obs;
    for (int i = 0; i < 2; i++) action[i] = cw_mt19937_uniform(rng, -1.0, 1.0);
}

static double mean_return(policy_fn policy) {
    cw_env env = make_env("toy", 11, 0);
    cw_mt19937 rng;
    cw_mt19937_seed(&rng, 12);
    double total = 0.0;
    for (int episode = 0; episode < 1000; episode++) {
        reset_env(&env);
        cw_env_step step = {0};
        for (int t = 1; !step.last; t++) {
            double obs[CW_TOY_OBSERVATION], action[2];
            cw_toy_observation(&env, obs);
            policy(obs, &rng, action);
            step = step_env(&env, action);
            assert_true(step.reward > 0.0 && step.reward <= 1.0 && step.discount == 1.0);
            assert_int_equal(step.last, t == CW_TOY_STEPS);
            total += step.reward;
        }
    }
    destroy_env(&env);
    return total / 1000.0;
}

static void expect(const char *name, double got, double documented) {
    if (!(fabs(got - documented) < 0.3))
        fail_msg("%s: %.2f, toy.h says %.2f", name, got, documented);
}

static void test_returns(void **state) {
    (void)state;
    double best = mean_return(optimal), random = mean_return(at_random);
    double blind = mean_return(to_the_middle);
    print_message("optimal %.2f, random %.2f, blind %.2f\n", best, random, blind);
    expect("optimal", best, CW_TOY_OPTIMAL_RETURN);
    expect("random", random, CW_TOY_RANDOM_RETURN);
    expect("blind", blind, CW_TOY_BLIND_RETURN);
}

/* Centre of what shines in one colour channel over a threshold, in the unit square. */
static void centre(const uint8_t *plane, int size, int threshold, double xy[2]) {
    double sum = 0.0, sx = 0.0, sy = 0.0;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            double weight = plane[y * size + x] - threshold;
            if (weight <= 0.0) continue;
            sum += weight;
            sx += weight * (x + 0.5);
            sy += weight * (y + 0.5);
        }
    assert_true(sum > 0.0);
    xy[0] = sx / sum / size;
    xy[1] = 1.0 - sy / sum / size;
}

/* The frame shows the dot where the state says (green channel: the dot alone is bright). */
static void test_frame_shows_the_state(void **state) {
    (void)state;
    static uint8_t frame[3 * 84 * 84];
    static const int sizes[] = {16, 32, 84};
    for (int s = 0; s < 3; s++) {
        cw_env env = make_env("toy", 3, sizes[s]);
        assert_int_equal(env.spec.frame_height, sizes[s]);
        for (int episode = 0; episode < 20; episode++) {
            double obs[CW_TOY_OBSERVATION], seen[2];
            reset_env(&env);
            cw_toy_observation(&env, obs);
            assert_int_equal(env.vtable->render(env.self, frame), CW_OK);
            centre(frame + sizes[s] * sizes[s], sizes[s], 60, seen);
            for (int i = 0; i < 2; i++)
                if (fabs(seen[i] - obs[i]) > 0.15 / sizes[s] + 0.006)
                    fail_msg("size %d: dot at %g, drawn at %g", sizes[s], obs[i], seen[i]);
        }
        destroy_env(&env);
    }
}

/* Target colours show up where the target is, unless the dot covers it. */
static void test_frame_shows_the_target(void **state) {
    (void)state;
    static uint8_t frame[3 * 64 * 64];
    cw_env env = make_env("toy", 4, 64);
    int checked = 0;
    for (int episode = 0; episode < 20; episode++) {
        double obs[CW_TOY_OBSERVATION];
        reset_env(&env);
        cw_toy_observation(&env, obs);
        if (hypot(obs[0] - obs[2], obs[1] - obs[3]) < 0.25) continue;
        assert_int_equal(env.vtable->render(env.self, frame), CW_OK);
        int x = (int)(obs[2] * 64), y = (int)((1.0 - obs[3]) * 64);
        assert_int_equal(frame[y * 64 + x], 200);
        assert_int_equal(frame[64 * 64 + y * 64 + x], 50);
        checked++;
    }
    assert_true(checked > 5);
    destroy_env(&env);
}

static void test_seed_decides(void **state) {
    (void)state;
    double a[CW_TOY_OBSERVATION], b[CW_TOY_OBSERVATION], c[CW_TOY_OBSERVATION];
    cw_env first = make_env("toy", 8, 0), second = make_env("toy", 8, 0),
           third = make_env("toy", 9, 0);
    reset_env(&first);
    reset_env(&second);
    reset_env(&third);
    cw_toy_observation(&first, a);
    cw_toy_observation(&second, b);
    cw_toy_observation(&third, c);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    reset_env(&first);
    cw_toy_observation(&first, b);
    assert_memory_not_equal(a, b, sizeof a);
    destroy_env(&first);
    destroy_env(&second);
    destroy_env(&third);
}

static void test_refusals(void **state) {
    (void)state;
    const cw_task *task;
    cw_env env;
    assert_int_equal(cw_task_find("toy", &task), CW_OK);
    static const int bad[] = {-1, 1, 7, 4097};
    for (int i = 0; i < 4; i++) {
        cw_env_options options = {.image_size = bad[i], .camera = -1};
        assert_int_equal(cw_env_create(task, &options, &env), CW_EINVAL);
        assert_error_has("image_size");
    }
    env = make_env("toy", 0, 0);
    double action[2] = {0.0, 0.0};
    cw_env_step step;
    uint8_t frame[1];
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EINVAL);
    assert_error_has("before the first reset");
    assert_int_equal(env.vtable->render(env.self, frame), CW_EINVAL);
    reset_env(&env);
    for (int t = 0; t < CW_TOY_STEPS; t++) step_env(&env, action);
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EINVAL);
    assert_error_has("call reset");
    reset_env(&env);
    action[1] = NAN;
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EENV);
    destroy_env(&env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_returns),
        cmocka_unit_test(test_frame_shows_the_state),
        cmocka_unit_test(test_frame_shows_the_target),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
