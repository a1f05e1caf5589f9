#include "algo/sac_loss.h"
#include "finite_difference.h"
#include "test.h"

enum { B = 5 };

typedef struct fixture {
    double q1[B], q2[B], dq1[B], dq2[B], y[B], log_prob[B];
    cw_tensor tq1, tq2, tdq1, tdq2, ty, tlog_prob;
    double alpha;
} fixture;

static fixture make(void) {
    static const double q1[B] = {0.3, -1.2, 2.0, 0.7, -0.1}, q2[B] = {0.5, -1.7, 1.4, 0.9, 0.4};
    static const double y[B] = {0.1, -1.0, 1.1, 1.5, -0.3}, lp[B] = {-0.4, 0.8, -2.0, 1.1, 0.3};
    fixture f = {.alpha = 0.37};
    for (int i = 0; i < B; i++) {
        f.q1[i] = q1[i];
        f.q2[i] = q2[i];
        f.y[i] = y[i];
        f.log_prob[i] = lp[i];
    }
    return f;
}

static void view(fixture *f) {
    f->tq1 = cw_tensor_2d(CW_F64, f->q1, B, 1);
    f->tq2 = cw_tensor_2d(CW_F64, f->q2, B, 1);
    f->tdq1 = cw_tensor_2d(CW_F64, f->dq1, B, 1);
    f->tdq2 = cw_tensor_2d(CW_F64, f->dq2, B, 1);
    f->ty = cw_tensor_1d(CW_F64, f->y, B);
    f->tlog_prob = cw_tensor_1d(CW_F64, f->log_prob, B);
}

static double critic(void *context) {
    fixture *f = context;
    return cw_critic_loss(&f->tdq1, &f->tdq2, &f->tq1, &f->tq2, &f->ty);
}

static double actor(void *context) {
    fixture *f = context;
    return cw_actor_loss(&f->tdq1, &f->tdq2, &f->tq1, &f->tq2, &f->tlog_prob, f->alpha);
}

static void copy_gradients(const fixture *f, double g1[B], double g2[B]) {
    for (int i = 0; i < B; i++) {
        g1[i] = f->dq1[i];
        g2[i] = f->dq2[i];
    }
}

static void critic_gradient_is_the_difference_quotient(void **state) {
    (void)state;
    fixture f = make();
    view(&f);
    double g1[B], g2[B];
    critic(&f);
    copy_gradients(&f, g1, g2);
    assert_true(fd_worst(critic, &f, f.q1, g1, B, "critic loss by Q1") < FD_TOLERANCE);
    assert_true(fd_worst(critic, &f, f.q2, g2, B, "critic loss by Q2") < FD_TOLERANCE);
}

static void actor_gradient_is_the_difference_quotient(void **state) {
    (void)state;
    fixture f = make();
    view(&f);
    double g1[B], g2[B], glp[B];
    actor(&f);
    copy_gradients(&f, g1, g2);
    for (int i = 0; i < B; i++) glp[i] = f.alpha / B;
    assert_true(fd_worst(actor, &f, f.q1, g1, B, "actor loss by Q1") < FD_TOLERANCE);
    assert_true(fd_worst(actor, &f, f.q2, g2, B, "actor loss by Q2") < FD_TOLERANCE);
    assert_true(fd_worst(actor, &f, f.log_prob, glp, B, "actor loss by log pi") < FD_TOLERANCE);
}

static void a_tie_shares_the_gradient(void **state) {
    (void)state;
    fixture f = make();
    view(&f);
    f.q2[0] = f.q1[0];
    actor(&f);
    assert_near(f.dq1[0], -0.5 / B, 1e-15);
    assert_near(f.dq2[0], -0.5 / B, 1e-15);
}

static double temperature(void *context) {
    double *log_alpha = context, dlog_alpha;
    fixture f = make();
    view(&f);
    return cw_alpha_loss(&dlog_alpha, &f.tlog_prob, exp(*log_alpha), -2.0);
}

static void temperature_gradient_is_the_difference_quotient(void **state) {
    (void)state;
    fixture f = make();
    view(&f);
    double log_alpha = log(0.1), gradient;
    cw_alpha_loss(&gradient, &f.tlog_prob, exp(log_alpha), -2.0);
    assert_true(fd_worst(temperature, &log_alpha, &log_alpha, &gradient, 1, "temperature loss") <
                FD_TOLERANCE);
}

static void td_target_by_hand(void **state) {
    (void)state;
    fixture f = make();
    view(&f);
    const float reward[B] = {1, 0, 0.5f, 0, 2}, not_done[B] = {1, 1, 0, 1, 1};
    double mean = cw_td_target(&f.ty, reward, not_done, &f.tq1, &f.tq2, &f.tlog_prob, 0.5, 0.99);
    assert_near(f.y[0], 1 + 0.99 * (0.3 - 0.5 * -0.4), 1e-12);
    assert_near(f.y[1], 0.99 * (-1.7 - 0.5 * 0.8), 1e-12);
    assert_near(f.y[2], 0.5, 1e-12); /* terminal: no bootstrap */
    double sum = 0;
    for (int i = 0; i < B; i++) sum += f.y[i];
    assert_near(mean, sum / B, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(critic_gradient_is_the_difference_quotient),
        cmocka_unit_test(actor_gradient_is_the_difference_quotient),
        cmocka_unit_test(a_tie_shares_the_gradient),
        cmocka_unit_test(temperature_gradient_is_the_difference_quotient),
        cmocka_unit_test(td_target_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
