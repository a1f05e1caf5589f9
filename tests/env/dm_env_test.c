/* What can go wrong with a control-suite environment, and that MuJoCo stays quiet about it. */
#include "base/file.h"
#include "base/memory.h"
#include "env/dmcontrol/dm_env.h"
#include "env/dmcontrol/domain.h"
#include "env/dmcontrol/guard.h"
#include "env/support.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cw_status create(const char *name, int camera, cw_env *out) {
    const cw_task *task;
    cw_env_options options = {.image_size = 0, .camera = camera};
    assert_int_equal(cw_task_find(name, &task), CW_OK);
    return cw_env_create(task, &options, out);
}

static void test_missing_model(void **state) {
    (void)state;
    cw_env env;
    setenv("CURLEW_MODELS", "/nonexistent/models", 1);
    assert_int_equal(create("cartpole-swingup", -1, &env), CW_ENOTFOUND);
    assert_error_has("/nonexistent/models/cartpole.xml");
    assert_error_has("tools/fetch_third_party.sh");
    assert_error_has("CURLEW_MODELS");
    assert_null(strchr(cw_last_error(), '\n'));
    unsetenv("CURLEW_MODELS");
}

static void write_model(const char *name, const char *text) {
    assert_int_equal(cw_file_write_atomic(scratch_path(name), text, strlen(text)), CW_OK);
}

static void test_bad_models(void **state) {
    (void)state;
    cw_env env;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    write_model("cartpole.xml", "<mujoco><worldbody><body></worldbody></mujoco>");
    write_model("pendulum.xml", "<mujoco><worldbody><body name=\"pole\"><joint name=\"other\"/>"
                                "<geom size=\".1\"/></body></worldbody></mujoco>");
    write_model("reacher.xml", "<mujoco><include file=\"./common/none.xml\"/></mujoco>");
    write_model("walker.xml", "<mujoco><worldbody><body name=\"torso\"><joint/></body></worldbody>"
                              "</mujoco>");
    write_model("quadruped.xml", "<mujoco/>");
    setenv("CURLEW_MODELS", scratch_path("."), 1);
    assert_int_equal(create("cartpole-swingup", -1, &env), CW_EENV);
    assert_error_has("cartpole.xml");
    assert_int_equal(create("pendulum-swingup", -1, &env), CW_EENV);
    assert_error_has("has no \"hinge\"");
    assert_int_equal(create("reacher-easy", -1, &env), CW_EENV);
    assert_error_has("none.xml");
    assert_int_equal(create("walker-walk", -1, &env), CW_EENV); /* a moving body without mass */
    assert_error_has("walker.xml");
    assert_int_equal(create("quadruped-walk", -1, &env), CW_EENV);
    assert_error_has("wall_px");
    unsetenv("CURLEW_MODELS");
    cw_memory_stats_get(&after);
    assert_true(after.live_blocks == before.live_blocks);
}

static void test_order_of_calls(void **state) {
    (void)state;
    cw_env env = make_env("pendulum-swingup", 0, 0);
    double action[1] = {0.0};
    uint8_t frame[1];
    cw_env_step step;
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EINVAL);
    assert_error_has("before the first reset");
    reset_env(&env);
    for (int i = 1; i <= CW_DM_STEP_LIMIT; i++) {
        step = step_env(&env, action);
        assert_true(step.discount == 1.0);
        assert_int_equal(step.last, i == CW_DM_STEP_LIMIT);
    }
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EINVAL);
    assert_error_has("call reset");
    reset_env(&env);
    step_env(&env, action);
    assert_int_equal(env.vtable->render(env.self, frame), CW_EINVAL);
    assert_error_has("image_size 0");
    char text[80];
    assert_int_equal(cw_env_renderer_describe(&env, text, sizeof text), CW_EUNSUPPORTED);
    destroy_env(&env);
}

static void test_bad_options(void **state) {
    (void)state;
    const cw_task *task;
    cw_env env;
    assert_int_equal(cw_task_find("walker-walk", &task), CW_OK);
    cw_env_options options = {.image_size = 16, .camera = 2};
    assert_int_equal(cw_env_create(task, &options, &env), CW_EINVAL);
    assert_error_has("cameras 0 to 1");
    options = (cw_env_options){.image_size = -1, .camera = 0};
    assert_int_equal(cw_env_create(task, &options, &env), CW_EINVAL);
    options.image_size = 4097;
    assert_int_equal(cw_env_create(task, &options, &env), CW_EINVAL);
    options = (cw_env_options){.image_size = 16, .camera = 0, .renderer = (cw_renderer)7};
    assert_int_equal(cw_env_create(task, &options, &env), CW_EINVAL);
}

/* A simulation that goes wrong is an error, as in dm_control, and ends the environment. */
static void test_diverged(void **state) {
    (void)state;
    cw_env env = make_env("walker-walk", 0, 0);
    double action[6] = {0.0};
    cw_env_step step;
    reset_env(&env);
    step_env(&env, action);
    action[3] = NAN;
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EENV);
    assert_error_has("walker-walk");
    action[3] = 0.0;
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EENV);
    assert_error_has("failed before");
    assert_int_equal(env.vtable->reset(env.self), CW_EENV);
    destroy_env(&env);
    env = make_env("walker-walk", 0, 0);
    reset_env(&env);
    cw_dm_env_sim(&env)->physics.data->qvel[2] = 1e12;
    assert_int_equal(env.vtable->step(env.self, action, &step), CW_EENV);
    destroy_env(&env);
}

/* No draw of an initial state trips a warning. */
static void test_many_resets(void **state) {
    (void)state;
    static const char *const names[] = {"cheetah-run", "finger-turn_hard", "ball_in_cup-catch",
                                        "quadruped-run", "humanoid-run"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cw_env env = make_env(names[i], 321, 0);
        for (int k = 0; k < 200; k++) reset_env(&env);
        destroy_env(&env);
    }
}

static void raise_error(void *argument) {
    mju_error("out of cheese: %s", (const char *)argument);
}

static void raise_warning(void *argument) {
    mju_warning("low on cheese: %s", (const char *)argument);
}

static void nested(void *argument) {
    *(cw_status *)argument = cw_mujoco_guard(raise_error, "inner");
}

static int handed_on;

static void count_message(const mjLogMessage *message) {
    (void)message;
    handed_on++;
}

static void test_guard(void **state) {
    (void)state;
    assert_int_equal(cw_mujoco_guard(raise_error, "now"), CW_EENV);
    assert_error_has("out of cheese: now");
    cw_status inner = CW_OK;
    assert_int_equal(cw_mujoco_guard(nested, &inner), CW_OK);
    assert_int_equal(inner, CW_EENV);
    assert_int_equal(cw_mujoco_guard(raise_warning, "x"), CW_OK);
    assert_string_equal(cw_mujoco_warning(), "low on cheese: x");
    /* Inside a guard nothing reaches the handler that was there before (set in main), outside
     * everything does. */
    assert_int_equal(handed_on, 0);
    mju_warning("the host's own");
    assert_int_equal(handed_on, 1);
}

static void test_no_memory(void **state) {
    (void)state;
    cw_env env;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (uint64_t n = 1; n <= 2; n++) {
        cw_memory_fail_after(n);
        assert_int_equal(create("pendulum-swingup", -1, &env), CW_ENOMEM);
    }
    cw_memory_fail_after(0);
    cw_memory_stats_get(&after);
    assert_true(after.live_blocks == before.live_blocks);
}

/* Runs last: MuJoCo would have written its log into the current folder. */
static void test_no_log_file(void **state) {
    (void)state;
    assert_int_equal(access("MUJOCO_LOG.TXT", F_OK), -1);
    mju_writeLog("TEST", "that this file is where it is looked for");
    assert_int_equal(access("MUJOCO_LOG.TXT", F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_model),  cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_order_of_calls), cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_diverged),       cmocka_unit_test(test_many_resets),
        cmocka_unit_test(test_guard),          cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_log_file),
    };
    mju_setLogHandler(count_message);
    if (chdir("/tmp") != 0 || chdir(scratch_path(".")) != 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
