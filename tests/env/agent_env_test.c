/* The published protocol around an environment, on one that writes down what it is told. */
#include "base/error.h"
#include "env/agent_env.h"
#include "env/support.h"
#include "test.h"

#include <math.h>
#include <string.h>

#define LIMIT 10 /* control steps per episode */

typedef struct probe {
    double action[LIMIT][2];
    int steps, resets, renders, destroyed;
    int terminal_at; /* step that ends the episode with discount 0; 0: none */
    int fail_at;     /* step that fails; 0: none */
} probe;

static cw_status probe_reset(void *self) {
    probe *p = self;
    p->resets++;
    p->steps = 0;
    return CW_OK;
}

static cw_status probe_step(void *self, const double *action, cw_env_step *out) {
    probe *p = self;
    if (p->fail_at && p->steps + 1 == p->fail_at) return cw_env_fail("the probe broke");
    memcpy(p->action[p->steps++], action, sizeof p->action[0]);
    bool terminal = p->steps == p->terminal_at;
    *out = (cw_env_step){.reward = 1.0 / p->steps,
                         .discount = terminal ? 0.0 : 1.0,
                         .last = terminal || p->steps == LIMIT};
    return CW_OK;
}

static cw_status probe_render(void *self, uint8_t *frame) {
    probe *p = self;
    p->renders++;
    frame[0] = (uint8_t)p->steps;
    return CW_OK;
}

static void probe_destroy(void *self) {
    ((probe *)self)->destroyed++;
}

static const cw_env_vtable probe_vtable = {probe_reset, probe_step, probe_render, NULL,
                                           probe_destroy};

static cw_env probe_env(probe *p) {
    memset(p, 0, sizeof *p);
    cw_env env = {.vtable = &probe_vtable, .self = p};
    env.spec = (cw_env_spec){.action_dim = 2,
                             .action_min = {-1.0, -0.8},
                             .action_max = {1.1, 0.8},
                             .step_limit = LIMIT,
                             .frame_channels = 1,
                             .frame_height = 1,
                             .frame_width = 1};
    return env;
}

static cw_agent_env wrap(cw_env *env, int repeat) {
    cw_agent_env agent;
    if (cw_agent_env_init(&agent, env, repeat) != CW_OK) fail_msg("%s", cw_last_error());
    return agent;
}

/* Values by dmc2gym's recipe: f32 bounds and range, f64 arithmetic, f32 result. The upper bound of
 * the first control is missed by an ulp of f32, there as here. */
static void test_scaling(void **state) {
    (void)state;
    probe p;
    cw_env env = probe_env(&p);
    cw_agent_env agent = wrap(&env, 1);
    uint8_t frame[1];
    cw_timestep step;
    const float actions[][2] = {{-1.0f, 1.0f}, {1.0f, -1.0f}, {0.0f, 0.5f}, {0.1f, 0.0f}};
    const double want[][2] = {{-1.0, 0.800000011920929},
                              {1.0999999046325684, -0.800000011920929},
                              {0.04999995231628418, 0.4000000059604645},
                              {0.15499995648860931, 0.0}};
    assert_int_equal(cw_agent_env_reset(&agent, frame), CW_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cw_agent_env_step(&agent, actions[i], &step, frame), CW_OK);
        assert_true(p.action[i][0] == want[i][0] && p.action[i][1] == want[i][1]);
    }
    cw_agent_env_deinit(&agent);
    assert_int_equal(p.destroyed, 1);
}

static void test_repeat_and_early_stop(void **state) {
    (void)state;
    probe p;
    cw_env env = probe_env(&p);
    cw_agent_env agent = wrap(&env, 4);
    assert_null(env.self); /* taken over */
    assert_int_equal(cw_agent_env_episode_steps(&agent), 3);
    uint8_t frame[1];
    cw_timestep step;
    const float action[2] = {0.0f, 0.0f};
    for (int episode = 1; episode <= 2; episode++) {
        assert_int_equal(cw_agent_env_reset(&agent, frame), CW_OK);
        assert_int_equal(frame[0], 0);
        static const int frames[] = {4, 4, 2};
        double reward = 0.0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(cw_agent_env_step(&agent, action, &step, frame), CW_OK);
            assert_int_equal(step.frames, frames[i]);
            assert_int_equal(step.last, i == 2);
            assert_true(step.discount == 1.0);
            assert_int_equal(frame[0], p.steps);
            if (i == 0) assert_true(step.reward == ((1.0 + 0.5) + 1.0 / 3) + 0.25);
            reward += step.reward;
        }
        assert_true(fabs(reward - 2.9289682539682538) < 1e-12); /* all ten, none twice */
        assert_int_equal(p.steps, LIMIT);
        assert_int_equal(agent.episode_control_steps, LIMIT);
        assert_int_equal(p.renders, 4 * episode); /* one frame per agent step and reset */
    }
    cw_agent_env_deinit(&agent);
    cw_agent_env_deinit(&agent);
    assert_int_equal(p.destroyed, 1);
}

static void test_terminal(void **state) {
    (void)state;
    probe p;
    cw_env env = probe_env(&p);
    p.terminal_at = 2;
    cw_agent_env agent = wrap(&env, 4);
    uint8_t frame[1];
    cw_timestep step;
    const float action[2] = {0.0f, 0.0f};
    assert_int_equal(cw_agent_env_reset(&agent, frame), CW_OK);
    assert_int_equal(cw_agent_env_step(&agent, action, &step, frame), CW_OK);
    assert_true(step.last && step.discount == 0.0 && step.frames == 2 && step.reward == 1.5);
    cw_agent_env_deinit(&agent);
}

static void test_failures(void **state) {
    (void)state;
    probe p;
    cw_env env = probe_env(&p);
    cw_agent_env agent;
    assert_int_equal(cw_agent_env_init(&agent, &env, 0), CW_EINVAL);
    assert_error_has("action_repeat is 0");
    cw_env bad = env;
    bad.spec.action_max[1] = -0.8;
    assert_int_equal(cw_agent_env_init(&agent, &bad, 1), CW_EINVAL);
    assert_error_has("bounds of action 1");
    bad = env;
    bad.spec.action_dim = CW_MAX_ACTION_DIM + 1;
    assert_int_equal(cw_agent_env_init(&agent, &bad, 1), CW_EINVAL);
    bad = env;
    bad.spec.step_limit = 0;
    assert_int_equal(cw_agent_env_init(&agent, &bad, 1), CW_EINVAL);
    assert_int_equal(p.destroyed, 0); /* what was refused stays the caller's */

    agent = wrap(&env, 2);
    uint8_t frame[1];
    cw_timestep step = {.frames = -7};
    const float outside[2] = {0.0f, 1.00001f}, none[2] = {NAN, 0.0f}, fine[2] = {0.0f, 0.0f};
    assert_int_equal(cw_agent_env_reset(&agent, frame), CW_OK);
    assert_int_equal(cw_agent_env_step(&agent, outside, &step, frame), CW_EINVAL);
    assert_error_has("action 1");
    assert_int_equal(cw_agent_env_step(&agent, none, &step, frame), CW_EINVAL);
    p.fail_at = 2;
    assert_int_equal(cw_agent_env_step(&agent, fine, &step, frame), CW_EENV);
    assert_error_has("the probe broke");
    assert_int_equal(step.frames, -7);
    cw_agent_env_deinit(&agent);
}

/* The same on real physics: a repeat of 8 is eight control steps with the rounded action. */
static void test_cartpole(void **state) {
    (void)state;
    cw_env one = make_env("cartpole-swingup", 1, 8), two = make_env("cartpole-swingup", 1, 8);
    cw_agent_env agent = wrap(&one, 8);
    static uint8_t frame[3 * 8 * 8];
    assert_int_equal(cw_agent_env_episode_steps(&agent), 125);
    assert_int_equal(cw_agent_env_reset(&agent, frame), CW_OK);
    reset_env(&two);
    for (int i = 0; i < 125; i++) {
        float action = (float)sin(i);
        double same = (double)action, reward = 0.0;
        cw_timestep step;
        assert_int_equal(cw_agent_env_step(&agent, &action, &step, frame), CW_OK);
        for (int k = 0; k < 8; k++) reward += step_env(&two, &same).reward;
        assert_true(step.reward == reward);
        assert_int_equal(step.last, i == 124);
    }
    destroy_env(&two);
    cw_agent_env_deinit(&agent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaling),  cmocka_unit_test(test_repeat_and_early_stop),
        cmocka_unit_test(test_terminal), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_cartpole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
