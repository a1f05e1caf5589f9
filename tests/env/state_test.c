/* Saving and restoring: an environment goes on bit for bit, in itself and in a fresh one. */
#include "env/dmcontrol/dm_env.h"
#include "env/dmcontrol/domain.h"
#include "env/support.h"
#include "env/toy/toy.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE 30 /* steps before the state is saved */
#define AFTER  50 /* steps after it, then a reset, then more steps */
#define MORE   20
#define IMAGE  32
#define WIDTH  256 /* doubles recorded per step */

static size_t frame_bytes(const cw_env *env) {
    return 3 * (size_t)env->spec.frame_height * (size_t)env->spec.frame_width;
}

typedef struct recording {
    double row[AFTER + MORE + 2][WIDTH];
    uint8_t frame[AFTER + MORE + 2][3 * IMAGE * IMAGE];
} recording;

static void record(cw_env *env, recording *out, int t, double reward) {
    double *row = out->row[t];
    memset(row, 0, sizeof out->row[t]);
    int n_obs;
    row[0] = reward;
    assert_int_equal(cw_env_observation_size(env, &n_obs), CW_OK);
    assert_int_equal(cw_env_observation(env, row + 1), CW_OK);
    if (cw_dm_env_is(env)) {
        int nq, nv;
        assert_int_equal(cw_env_state_sizes(env, &nq, &nv), CW_OK);
        assert_true(1 + n_obs + nq + 2 * nv <= WIDTH);
        double *at = row + 1 + n_obs;
        assert_int_equal(cw_env_qpos_qvel(env, at, at + nq), CW_OK);
        memcpy(at + nq + nv, cw_dm_env_sim(env)->physics.data->qacc_warmstart,
               (size_t)nv * sizeof *at);
    }
    /* Every tenth frame: drawing is the slow part. */
    if (env->spec.frame_height > 0 && t % 10 == 0)
        assert_int_equal(env->vtable->render(env->self, out->frame[t]), CW_OK);
}

/* What follows a state: 50 steps, a reset, 20 steps. The first row is the state itself. */
static void follow(cw_env *env, recording *out) {
    cw_mt19937 actions;
    double action[CW_MAX_ACTION_DIM];
    int t = 0;
    memset(out, 0, sizeof *out);
    cw_mt19937_seed(&actions, 99);
    record(env, out, t++, 0.0);
    for (int i = 0; i < AFTER + MORE; i++) {
        random_action(env, &actions, action);
        double reward = 0.0;
        cw_env_step step;
        if (i == AFTER || env->vtable->step(env->self, action, &step) != CW_OK)
            reset_env(env);
        else
            reward = step.reward;
        record(env, out, t++, reward);
    }
}

static void same(const recording *a, const recording *b, const char *name, const char *what) {
    for (int t = 0; t < AFTER + MORE + 2; t++) {
        if (memcmp(a->row[t], b->row[t], sizeof a->row[t]) != 0)
            fail_msg("%s: %s: step %d differs", name, what, t);
        if (memcmp(a->frame[t], b->frame[t], sizeof a->frame[t]) != 0)
            fail_msg("%s: %s: frame %d differs", name, what, t);
    }
}

static void save(cw_env *env, unsigned char **out, size_t *n) {
    *n = env->spec.state_bytes;
    *out = malloc(*n + 1);
    assert_int_equal(env->vtable->state(env->self, *out, n, false), CW_OK);
    assert_true(*n <= env->spec.state_bytes);
}

static void load(cw_env *env, unsigned char *bytes, size_t n) {
    if (env->vtable->state(env->self, bytes, &n, true) != CW_OK) fail_msg("%s", cw_last_error());
}

static void check_task(const char *name, int image_size, int before) {
    static recording live, again, fresh;
    cw_env env = make_env(name, 5, image_size);
    assert_true(frame_bytes(&env) <= sizeof live.frame[0]);
    cw_mt19937 actions;
    double action[CW_MAX_ACTION_DIM];
    cw_mt19937_seed(&actions, 1);
    reset_env(&env);
    reset_env(&env); /* so that the generator may hold a kept normal */
    for (int i = 0; i < before; i++) {
        random_action(&env, &actions, action);
        step_env(&env, action);
    }
    unsigned char *bytes;
    size_t n;
    save(&env, &bytes, &n);
    follow(&env, &live);
    load(&env, bytes, n);
    follow(&env, &again);
    same(&live, &again, name, "restored in place");
    destroy_env(&env);
    cw_env other = make_env(name, 1234, image_size);
    load(&other, bytes, n);
    follow(&other, &fresh);
    same(&live, &fresh, name, "restored in a fresh environment");
    destroy_env(&other);
    free(bytes);
}

static void test_every_task(void **state) {
    (void)state;
    int n;
    const cw_task *tasks = cw_tasks(&n);
    for (int i = 0; i < n; i++) {
        check_task(tasks[i].name, 0, BEFORE);
        check_task(tasks[i].name, 0, 0);
    }
}

/* Tasks that edit their model, and those with the most to draw. */
static void test_pixels(void **state) {
    (void)state;
    static const char *const names[] = {"reacher-easy",      "finger-spin",   "finger-turn_easy",
                                        "ball_in_cup-catch", "quadruped-run", "toy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) check_task(names[i], IMAGE, BEFORE);
}

static void test_refusals(void **state) {
    (void)state;
    cw_env cartpole = make_env("cartpole-swingup", 0, 0), walker = make_env("walker-walk", 0, 0);
    cw_env balance = make_env("cartpole-balance", 0, 0), toy = make_env("toy", 0, 0);
    unsigned char *bytes;
    size_t n, small;
    reset_env(&walker);
    save(&walker, &bytes, &n);
    cw_env *const others[] = {&cartpole, &balance, &toy};
    for (int i = 0; i < 3; i++)
        assert_int_equal(others[i]->vtable->state(others[i]->self, bytes, &n, true), CW_EFORMAT);
    small = n - 1;
    assert_int_equal(walker.vtable->state(walker.self, bytes, &small, true), CW_EFORMAT);
    small = n - 1;
    assert_int_equal(walker.vtable->state(walker.self, bytes, &small, false), CW_EINVAL);
    assert_error_has("needs");
    free(bytes);
    reset_env(&cartpole);
    save(&cartpole, &bytes, &n);
    assert_int_equal(balance.vtable->state(balance.self, bytes, &n, true), CW_EFORMAT);
    bytes[9] ^= 1; /* the version */
    assert_int_equal(cartpole.vtable->state(cartpole.self, bytes, &n, true), CW_EFORMAT);
    free(bytes);
    destroy_env(&cartpole);
    destroy_env(&walker);
    destroy_env(&balance);
    destroy_env(&toy);
}

/* Where numbers lie in a saved state of dmcontrol: magic and six words, started, steps, the words
 * of the generator, its index, flag and kept normal, then doubles. */
enum {
    AT_STARTED = 8 + 5 * 4 + 4,
    AT_STEPS = AT_STARTED + 4,
    AT_INDEX = AT_STEPS + 4 + 4 * CW_MT19937_WORDS,
    AT_FLAG = AT_INDEX + 4,
    AT_NORMAL = AT_FLAG + 4,
    AT_DOUBLES = AT_NORMAL + 8
};

static void refuse_int(cw_env *env, unsigned char *bytes, size_t n, size_t at, int32_t value,
                       const char *why) {
    int32_t kept;
    memcpy(&kept, bytes + at, 4);
    memcpy(bytes + at, &value, 4);
    assert_int_equal(env->vtable->state(env->self, bytes, &n, true), CW_EFORMAT);
    assert_error_has(why);
    memcpy(bytes + at, &kept, 4);
}

static void refuse_real(cw_env *env, unsigned char *bytes, size_t n, size_t at, double value,
                        const char *why) {
    double kept;
    memcpy(&kept, bytes + at, 8);
    memcpy(bytes + at, &value, 8);
    assert_int_equal(env->vtable->state(env->self, bytes, &n, true), CW_EFORMAT);
    assert_error_has(why);
    memcpy(bytes + at, &kept, 8);
}

/* The right header and size, but numbers that no save has: an index outside of the generator's
 * words would be read from. */
static void test_forged_states(void **state) {
    (void)state;
    cw_env env = make_env("cartpole-swingup", 3, 0);
    unsigned char *bytes;
    size_t n;
    reset_env(&env);
    save(&env, &bytes, &n);
    refuse_int(&env, bytes, n, AT_STARTED, 2, "step number");
    refuse_int(&env, bytes, n, AT_STARTED, -1, "step number");
    refuse_int(&env, bytes, n, AT_STEPS, -1, "step number");
    refuse_int(&env, bytes, n, AT_STEPS, 1001, "step number");
    refuse_int(&env, bytes, n, AT_INDEX, -1, "random numbers");
    refuse_int(&env, bytes, n, AT_INDEX, CW_MT19937_WORDS + 1, "random numbers");
    refuse_int(&env, bytes, n, AT_FLAG, 2, "random numbers");
    refuse_real(&env, bytes, n, AT_NORMAL, NAN, "random numbers");
    refuse_real(&env, bytes, n, AT_DOUBLES, INFINITY, "not finite");
    refuse_real(&env, bytes, n, n - 8, NAN, "not finite");
    refuse_real(&env, bytes, n, AT_DOUBLES + 8, 1e300, "QPOS"); /* behind the time */
    load(&env, bytes, n);
    free(bytes);
    destroy_env(&env);

    /* Edits of the model lie at the end: colours as floats, then the damping of a joint. */
    cw_env finger = make_env("finger-turn_hard", 3, 0);
    const float no_colour = NAN;
    reset_env(&finger);
    save(&finger, &bytes, &n);
    refuse_real(&finger, bytes, n, n - 8, NAN, "not finite");
    memcpy(bytes + n - 12, &no_colour, 4);
    assert_int_equal(finger.vtable->state(finger.self, bytes, &n, true), CW_EFORMAT);
    assert_error_has("not finite");
    free(bytes);
    destroy_env(&finger);

    cw_env toy = make_env("toy", 3, 0);
    reset_env(&toy);
    save(&toy, &bytes, &n);
    const size_t toy_index = 8 + 4 * CW_MT19937_WORDS, toy_dot = toy_index + 16;
    const size_t toy_started = toy_dot + 32;
    const char *why = "makes no sense";
    refuse_int(&toy, bytes, n, toy_index, -1, why);
    refuse_int(&toy, bytes, n, toy_started, 2, why);
    refuse_int(&toy, bytes, n, toy_started, -1, why);
    refuse_int(&toy, bytes, n, toy_started + 4, -1, why);
    refuse_int(&toy, bytes, n, toy_started + 4, 1 << 20, why);
    for (size_t i = 0; i < 4; i++) {
        refuse_real(&toy, bytes, n, toy_dot + 8 * i, NAN, why);
        refuse_real(&toy, bytes, n, toy_dot + 8 * i, 1.5, why);
    }
    load(&toy, bytes, n);
    free(bytes);
    destroy_env(&toy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_forged_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
