#include "env/support.h"
#include "test.h"

#include <string.h>

static void test_every_task_can_be_made(void **state) {
    (void)state;
    int n;
    const cw_task *tasks = cw_tasks(&n);
    assert_int_equal(n, 25);
    for (int i = 0; i < n; i++) {
        const cw_task *found;
        assert_int_equal(cw_task_find(tasks[i].name, &found), CW_OK);
        assert_ptr_equal(found, &tasks[i]);
        assert_true(tasks[i].action_repeat >= 1 && strlen(tasks[i].summary) > 5);
        cw_env env = make_env(tasks[i].name, 0, 0);
        int n_obs;
        assert_int_equal(cw_env_observation_size(&env, &n_obs), CW_OK);
        assert_true(n_obs > 0 && env.spec.state_bytes > 0 && env.spec.frame_channels == 3);
        destroy_env(&env);
    }
}

static void test_names(void **state) {
    (void)state;
    static const char *const same[][2] = {{"finger_turn_hard", "finger-turn_hard"},
                                          {"finger-turn-hard", "finger-turn_hard"},
                                          {"ball-in-cup-catch", "ball_in_cup-catch"},
                                          {"cartpole_swingup", "cartpole-swingup"}};
    const cw_task *task;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cw_task_find(same[i][0], &task), CW_OK);
        assert_string_equal(task->name, same[i][1]);
    }
    assert_int_equal(cw_task_find("cartpole-swing", &task), CW_ENOTFOUND);
    assert_error_has("cartpole-swingup");
    assert_int_equal(cw_task_find("walker-wakl", &task), CW_ENOTFOUND);
    assert_error_has("walker-walk");
    assert_int_equal(cw_task_find("", &task), CW_ENOTFOUND);
    assert_int_equal(cw_task_find("cartpole-swingupp-and-more-of-it", &task), CW_ENOTFOUND);
    assert_error_has("list tasks");
}

static void test_published_repeats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int repeat, camera;
    } want[] = {{"cartpole-swingup", 8, 0}, {"finger-spin", 2, 0},  {"walker-walk", 2, 0},
                {"reacher-easy", 4, 0},     {"cheetah-run", 4, 0},  {"ball_in_cup-catch", 4, 0},
                {"quadruped-walk", 2, 2},   {"quadruped-run", 2, 2}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const cw_task *task;
        assert_int_equal(cw_task_find(want[i].name, &task), CW_OK);
        assert_int_equal(task->action_repeat, want[i].repeat);
        assert_int_equal(task->camera, want[i].camera);
    }
}

/* Functions that look inside refuse what is not theirs. */
static void test_foreign(void **state) {
    (void)state;
    static const cw_env_vtable nothing = {0};
    cw_env foreign = {.vtable = &nothing}, toy = make_env("toy", 0, 16);
    double values[4];
    char text[80];
    int n, m;
    assert_int_equal(cw_env_observation_size(&foreign, &n), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_observation(&foreign, values), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_state_sizes(&foreign, &n, &m), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_renderer_describe(&foreign, text, sizeof text), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_state_sizes(&toy, &n, &m), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_qpos_qvel(&toy, values, values), CW_EUNSUPPORTED);
    assert_int_equal(cw_env_observation_size(&toy, &n), CW_OK);
    assert_int_equal(n, 4);
    assert_int_equal(cw_env_renderer_describe(&toy, text, sizeof text), CW_OK);
    destroy_env(&toy);
}

static void test_host_failure(void **state) {
    (void)state;
    assert_int_equal(cw_env_fail("the world ended"), CW_EENV);
    assert_string_equal(cw_last_error(), "the world ended");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_can_be_made), cmocka_unit_test(test_names),
        cmocka_unit_test(test_published_repeats),      cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_host_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
