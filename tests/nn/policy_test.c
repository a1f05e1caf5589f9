#include "finite_difference.h"
#include "nn/policy.h"
#include "test.h"

#include <string.h>

enum { B = 4, A = 3 };

typedef struct fixture {
    double raw[B * 2 * A], action[B * A], log_prob[B], draw[B * 2 * A];
    cw_tensor traw, taction, tlog_prob, tdraw;
    float noise[B * A];
    double weight[B * A]; /* of each action in the test's loss */
    double log_prob_weight;
    cw_policy_bounds bounds;
} fixture;

static void make(fixture *f) {
    memset(f, 0, sizeof *f);
    f->bounds = (cw_policy_bounds){.log_std_min = -10, .log_std_max = 2};
    for (int i = 0; i < B * 2 * A; i++) f->raw[i] = 0.7 * sin(1.7 * i + 0.3);
    for (int i = 0; i < B * A; i++) {
        f->noise[i] = (float)cos(2.3 * i);
        f->weight[i] = sin(0.9 * i + 1);
    }
    f->log_prob_weight = 0.21;
    f->traw = cw_tensor_2d(CW_F64, f->raw, B, 2 * A);
    f->tdraw = cw_tensor_2d(CW_F64, f->draw, B, 2 * A);
    f->taction = cw_tensor_2d(CW_F64, f->action, B, A);
    f->tlog_prob = cw_tensor_1d(CW_F64, f->log_prob, B);
}

static double loss(void *context) {
    fixture *f = context;
    cw_policy_forward(&f->taction, &f->tlog_prob, &f->traw, f->noise, &f->bounds);
    double sum = 0;
    for (int i = 0; i < B * A; i++) sum += f->weight[i] * f->action[i];
    for (int b = 0; b < B; b++) sum += f->log_prob_weight * f->log_prob[b];
    return sum;
}

static void gradient_is_the_difference_quotient(void **state) {
    (void)state;
    fixture f;
    make(&f);
    cw_tensor daction = cw_tensor_2d(CW_F64, f.weight, B, A);
    cw_policy_backward(&f.tdraw, &daction, f.log_prob_weight, &f.traw, f.noise, &f.bounds);
    assert_true(fd_worst(loss, &f, f.raw, f.draw, B * 2 * A, "policy by raw output") <
                FD_TOLERANCE);
}

/* log_prob is the logarithm of the density of the action: its integral over (-1, 1) is 1, up to
 * the 1e-6 inside the logarithm and the trapezoid rule. */
static void density_integrates_to_one(void **state) {
    (void)state;
    enum { N = 20000 };
    double raw[2] = {0.3, 0.6}, sum = 0, last_action = -1, last_density = 0;
    cw_policy_bounds bounds = {-10, 2};
    for (int i = 0; i <= N; i++) {
        float noise = (float)(-8.0 + 16.0 * i / N);
        double action, log_prob;
        cw_tensor traw = cw_tensor_2d(CW_F64, raw, 1, 2), ta = cw_tensor_2d(CW_F64, &action, 1, 1);
        cw_tensor tl = cw_tensor_1d(CW_F64, &log_prob, 1);
        cw_policy_forward(&ta, &tl, &traw, &noise, &bounds);
        double density = exp(log_prob);
        sum += 0.5 * (density + last_density) * (action - last_action);
        last_action = action;
        last_density = density;
    }
    printf("  integral of the density %.6f\n", sum);
    assert_near(sum, 1.0, 1e-3);
}

static void a_saturated_action_stays_finite(void **state) {
    (void)state;
    float noise = 0;
    double raw[2] = {60, 0}, action, log_prob, draw[2], daction = 1;
    cw_policy_bounds bounds = {-10, 2};
    cw_tensor traw = cw_tensor_2d(CW_F64, raw, 1, 2), ta = cw_tensor_2d(CW_F64, &action, 1, 1);
    cw_tensor tl = cw_tensor_1d(CW_F64, &log_prob, 1), tr = cw_tensor_2d(CW_F64, draw, 1, 2);
    cw_tensor td = cw_tensor_2d(CW_F64, &daction, 1, 1);
    cw_policy_forward(&ta, &tl, &traw, &noise, &bounds);
    assert_true(action == 1.0 && isfinite(log_prob));
    cw_policy_backward(&tr, &td, 1.0, &traw, &noise, &bounds);
    assert_true(draw[0] == 0.0 && isfinite(draw[1]));
}

static void mean_action_ignores_the_noise(void **state) {
    (void)state;
    fixture f;
    make(&f);
    float action[B * A];
    cw_policy_mean_action(action, &f.traw);
    for (int b = 0; b < B; b++) {
        for (int a = 0; a < A; a++) {
            assert_true(action[b * A + a] == (float)tanh(f.raw[b * 2 * A + a]));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_the_difference_quotient),
        cmocka_unit_test(density_integrates_to_one),
        cmocka_unit_test(a_saturated_action_stays_finite),
        cmocka_unit_test(mean_action_ignores_the_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
