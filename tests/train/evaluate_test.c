/* Episodes side by side give the returns of episodes one after another. */
#include "config/config.h"
#include "env/suite.h"
#include "test.h"
#include "train/backend.h"
#include "train/evaluate.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

enum { EPISODES = 7 };

static void must(cw_status status) {
    if (status != CW_OK) fail_msg("%s", cw_last_error());
}

typedef struct world {
    cw_settings settings;
    cw_task_factory factory;
    cw_backend *be;
    cw_agent *agent;
    cw_eval_source source;
    cw_view view;
    int created;
} world;

static cw_status create(void *user, uint32_t seed, int image_size, cw_env *out) {
    world *w = user;
    w->created++;
    return cw_task_factory_create(&w->factory, seed, image_size, out);
}

static int open_world(void **state) {
    static world w;
    memset(&w, 0, sizeof w);
    cw_settings *s = &w.settings;
    cw_settings_default(s);
    must(cw_profile_apply(s, "fast"));
    must(cw_settings_set(s, "env.task", "toy"));
    must(cw_settings_set(s, "env.image_size", "24"));
    must(cw_settings_set(s, "augment.crop_size", "20"));
    must(cw_settings_set(s, "encoder.filters", "8"));
    must(cw_settings_set(s, "actor.hidden", "16"));
    must(cw_settings_set(s, "critic.hidden", "16"));
    must(cw_settings_set(s, "update.batch_size", "2"));
    int repeat;
    must(cw_task_factory_init(&w.factory, s, &repeat));
    must(cw_backend_select(&w.be, "auto", CW_PRECISION_F32, 1));
    cw_env env;
    must(cw_task_factory_create(&w.factory, 1, 24, &env));
    cw_agent_spec spec = cw_agent_spec_of(s, &env.spec);
    w.view = cw_view_of(s, &env.spec);
    env.vtable->destroy(env.self);
    must(cw_agent_create(&w.agent, w.be, &spec));
    must(cw_agent_init(w.agent, 3));
    w.source = (cw_eval_source){
        .create = create, .user = &w, .seed = 5, .image_size = 24, .action_repeat = 2};
    *state = &w;
    return 0;
}

static int close_world(void **state) {
    world *w = *state;
    cw_agent_destroy(w->agent);
    cw_backend_destroy(w->be);
    return 0;
}

/* The same seven episodes on one environment, by the code that films a single one. */
static void one_after_another(world *w, double *returns) {
    cw_env bare;
    cw_agent_env env;
    cw_evaluator *evaluator;
    const cw_film film = {.path = "evaluate_test.mp4", .scale = 2};
    must(create(w, w->source.seed, w->source.image_size, &bare));
    must(cw_agent_env_init(&env, &bare, w->source.action_repeat));
    must(cw_evaluator_create(&evaluator, w->agent, &env, &w->view));
    for (int i = 0; i < EPISODES; i++) {
        must(cw_evaluator_film(evaluator, &film, &returns[i], NULL, NULL));
    }
    remove(film.path);
    cw_evaluator_destroy(evaluator);
    cw_agent_env_deinit(&env);
}

static void returns_do_not_depend_on_the_lanes(void **state) {
    world *w = *state;
    double want[EPISODES], got[EPISODES];
    int64_t frames;
    one_after_another(w, want);
    for (int i = 1; i < EPISODES; i++) assert_true(want[i] != want[0]);
    const int lanes[] = {0, 1, 2, 3, 100};
    const int made[] = {1, 1, 2, 3, 4};
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        w->source.lanes = lanes[i];
        w->created = 0;
        memset(got, 0, sizeof got);
        must(cw_evaluate_episodes(w->agent, &w->source, &w->view, EPISODES, got, &frames, NULL,
                                  NULL));
        assert_int_equal(frames, EPISODES * 50);
        assert_memory_equal(got, want, sizeof got);
        assert_int_equal(w->created, made[i]);
    }
    w->created = 0; /* no more environments than episodes */
    must(cw_evaluate_episodes(w->agent, &w->source, &w->view, 1, got, &frames, NULL, NULL));
    assert_int_equal(w->created, 1);
}

static bool stop_after_three(void *user, int done) {
    *(int *)user = done;
    return done >= 3;
}

static void an_evaluation_can_be_stopped(void **state) {
    world *w = *state;
    double returns[EPISODES];
    int64_t frames;
    int done = -1;
    w->source.lanes = 2;
    assert_int_equal(cw_evaluate_episodes(w->agent, &w->source, &w->view, EPISODES, returns,
                                          &frames, stop_after_three, &done),
                     CW_EINTERRUPTED);
    assert_true(done == 3 || done == 4); /* episodes of one length end together */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(returns_do_not_depend_on_the_lanes, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(an_evaluation_can_be_stopped, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
