/* Every task against trajectories recorded from dm_control itself: resets, steps, rewards,
 * observations and pixels. The recordings are not part of the source; without them (CW_REFERENCE or
 * ../shared/reference/dmcontrol) the test says so and golden_test.c is what remains. */
#include "env/dmcontrol/dm_env.h"
#include "env/dmcontrol/domain.h"
#include "env/npz.h"
#include "env/suite.h"
#include "env/support.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS       100
#define PROBES      40
#define IMAGE       100
#define FRAME_BYTES (3 * IMAGE * IMAGE)

static char folder[1000];

static bool exact;

typedef struct reference {
    const cw_task *task;
    npz file;
    cw_env env;
    cw_dm_sim *sim;
    size_t nq, nv, na, nu, n_obs;
} reference;

static void same(const char *task, const char *what, size_t row, const double *got,
                 const double *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        bool ok = exact ? memcmp(&got[i], &want[i], sizeof *got) == 0
                        : fabs(got[i] - want[i]) <= tolerance;
        if (!ok)
            fail_msg("%s: %s[%zu][%zu] is %.17g, dm_control has %.17g (difference %g)", task, what,
                     row, i, got[i], want[i], got[i] - want[i]);
    }
}

/* Compares one row of a recorded array with n values. */
static void same_row(const reference *r, const char *name, size_t row, const double *got, size_t n,
                     double tolerance) {
    npz_array a = npz_get(&r->file, name);
    double want[128];
    assert_true(n <= 128 && a.n >= (row + 1) * n);
    memcpy(want, a.data + row * n * 8, n * 8);
    same(r->task->name, name, row, got, want, n, tolerance);
}

static void row_of(const reference *r, const char *name, size_t row, double *out, size_t n) {
    npz_array a = npz_get(&r->file, name);
    assert_true(a.n >= (row + 1) * n);
    memcpy(out, a.data + row * n * 8, n * 8);
}

static void create(reference *r, uint32_t seed, int image_size) {
    cw_env_options options = {
        .seed = seed, .image_size = image_size, .camera = -1, .renderer = CW_RENDERER_AUTO};
    if (cw_env_create(r->task, &options, &r->env) != CW_OK) fail_msg("%s", cw_last_error());
    r->sim = cw_dm_env_sim(&r->env);
    const mjModel *m = r->sim->physics.model;
    r->nq = (size_t)m->nq;
    r->nv = (size_t)m->nv;
    r->na = (size_t)m->na;
    r->nu = (size_t)m->nu;
    r->n_obs = (size_t)r->sim->task->n_observation;
}

static void destroy(reference *r) {
    r->env.vtable->destroy(r->env.self);
}

static void reset(reference *r) {
    assert_int_equal(r->env.vtable->reset(r->env.self), CW_OK);
}

static void open_reference(reference *r, void **state) {
    r->task = *state;
    char name[64], path[1100];
    snprintf(name, sizeof name, "%s", r->task->name);
    for (char *c = name; *c; c++)
        if (*c == '-') *c = '_';
    snprintf(path, sizeof path, "%s/%s.npz", folder, name);
    if (!npz_open(&r->file, path)) fail_msg("cannot read %s", path);
}

static void same_observation(const reference *r, const char *name, size_t row, double tolerance) {
    double obs[128];
    assert_int_equal(cw_env_observation(&r->env, obs), CW_OK);
    same_row(r, name, row, obs, r->n_obs, tolerance);
}

static void same_frame(const reference *r, size_t index) {
    static uint8_t frame[FRAME_BYTES];
    npz_array frames = npz_get(&r->file, "frames");
    const uint8_t *want = frames.data + index * FRAME_BYTES;
    assert_int_equal(r->env.vtable->render(r->env.self, frame), CW_OK);
    int worst = 0;
    long total = 0;
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < IMAGE * IMAGE; p++) {
            int d = abs((int)frame[c * IMAGE * IMAGE + p] - (int)want[3 * p + c]);
            worst = d > worst ? d : worst;
            total += d;
        }
    if (pixels_are_exact(&r->env) ? worst != 0 : (worst > 8 || total > FRAME_BYTES))
        fail_msg("%s: frame %zu differs by %d at most, %.3f on average", r->task->name, index,
                 worst, (double)total / FRAME_BYTES);
}

static void frames_due(const reference *r, int64_t step) {
    size_t n = npz_get(&r->file, "frame_steps").n;
    for (size_t i = 0; i < n; i++)
        if (npz_integer(&r->file, "frame_steps", i) == step) same_frame(r, i);
}

/* The recorded trajectory from its seed, with pixels, then a second episode's start. */
static void test_free_run(void **state) {
    reference r;
    open_reference(&r, state);
    assert_int_equal(npz_integer(&r.file, "camera_id", 0), r.task->camera);
    create(&r, (uint32_t)npz_integer(&r.file, "seed", 0), IMAGE);
    double limits[128];
    row_of(&r, "action_min", 0, limits, r.nu);
    same(r.task->name, "action_min", 0, r.env.spec.action_min, limits, r.nu, 0.0);
    row_of(&r, "action_max", 0, limits, r.nu);
    same(r.task->name, "action_max", 0, r.env.spec.action_max, limits, r.nu, 0.0);
    double n_steps;
    row_of(&r, "step_limit", 0, &n_steps, 1);
    assert_true((double)r.env.spec.step_limit == n_steps);
    const mjData *d = r.sim->physics.data;
    reset(&r);
    for (size_t t = 0;; t++) {
        same_row(&r, "qpos", t, d->qpos, r.nq, 1e-6);
        same_row(&r, "qvel", t, d->qvel, r.nv, 1e-6);
        same_row(&r, "act", t, d->act, r.na, 1e-6);
        same_row(&r, "qacc_warmstart", t, d->qacc_warmstart, r.nv, 1e-3);
        same_observation(&r, "observations", t, 1e-6);
        frames_due(&r, (int64_t)t);
        if (t == STEPS) break;
        double action[CW_MAX_ACTION_DIM];
        row_of(&r, "actions", t, action, r.nu);
        cw_env_step step;
        assert_int_equal(r.env.vtable->step(r.env.self, action, &step), CW_OK);
        same_row(&r, "rewards", t, &step.reward, 1, 1e-6);
        same_row(&r, "discounts", t, &step.discount, 1, 0.0);
        assert_false(step.last);
    }
    reset(&r);
    same_row(&r, "ep2_qpos0", 0, d->qpos, r.nq, 1e-10);
    same_observation(&r, "ep2_obs0", 0, 1e-10);
    destroy(&r);
    npz_close(&r.file);
}

static void test_seeds(void **state) {
    reference r;
    open_reference(&r, state);
    for (size_t i = 0; i < 10; i++) {
        create(&r, (uint32_t)npz_integer(&r.file, "init_seeds", i), 0);
        reset(&r);
        same_row(&r, "init_qpos", i, r.sim->physics.data->qpos, r.nq, 1e-10);
        same_observation(&r, "init_obs", i, 1e-10);
        destroy(&r);
    }
    npz_close(&r.file);
}

/* Single steps from recorded states, in which errors cannot add up. */
static void test_forced_steps(void **state) {
    reference r;
    open_reference(&r, state);
    create(&r, (uint32_t)npz_integer(&r.file, "seed", 0), 0);
    reset(&r);
    mjData *d = r.sim->physics.data;
    for (size_t t = 0; t < STEPS; t++) {
        row_of(&r, "qpos", t, d->qpos, r.nq);
        row_of(&r, "qvel", t, d->qvel, r.nv);
        row_of(&r, "act", t, d->act, r.na);
        row_of(&r, "qacc_warmstart", t, d->qacc_warmstart, r.nv);
        row_of(&r, "actions", t, d->ctrl, r.nu);
        mj_step1(r.sim->physics.model, d);
        cw_env_step step;
        double action[CW_MAX_ACTION_DIM];
        memcpy(action, d->ctrl, r.nu * sizeof *action);
        assert_int_equal(r.env.vtable->step(r.env.self, action, &step), CW_OK);
        same_row(&r, "qpos", t + 1, d->qpos, r.nq, 1e-10);
        same_row(&r, "qvel", t + 1, d->qvel, r.nv, 1e-10);
        same_observation(&r, "observations", t + 1, 1e-10);
        same_row(&r, "rewards", t, &step.reward, 1, 1e-10);
    }
    destroy(&r);
    npz_close(&r.file);
}

/* Model memory of the target's place, two coordinates `stride` apart; NULL when it has none. */
static double *target_place(const reference *r, int *stride) {
    const mjModel *m = r->sim->physics.model;
    if (strncmp(r->task->name, "reacher", 7) == 0) {
        *stride = 1;
        return m->geom_pos + 3 * mj_name2id(m, mjOBJ_GEOM, "target");
    }
    if (strncmp(r->task->name, "finger-turn", 11) == 0) {
        *stride = 2;
        return m->site_pos + 3 * mj_name2id(m, mjOBJ_SITE, "target");
    }
    return NULL;
}

/* States placed by hand around the edges of the rewards, which random play never reaches. */
static void test_probes(void **state) {
    reference r;
    open_reference(&r, state);
    create(&r, 4242, 0);
    reset(&r);
    cw_physics *physics = &r.sim->physics;
    mjData *d = physics->data;
    int stride = 0;
    for (size_t i = 0; i < PROBES; i++) {
        cw_physics_reset(physics);
        row_of(&r, "probe_qpos", i, d->qpos, r.nq);
        row_of(&r, "probe_qvel", i, d->qvel, r.nv);
        row_of(&r, "probe_act", i, d->act, r.na);
        cw_physics_forward_unactuated(physics);
        double *target = target_place(&r, &stride);
        if (target) {
            double place[2];
            row_of(&r, "probe_target", i, place, 2);
            target[0] = place[0];
            target[stride] = place[1];
        }
        row_of(&r, "probe_ctrl", i, d->ctrl, r.nu);
        mj_forward(physics->model, d);
        double reward = r.sim->task->reward(r.sim);
        same_row(&r, "probe_reward", i, &reward, 1, 1e-10);
        same_observation(&r, "probe_obs", i, 1e-10);
    }
    destroy(&r);
    npz_close(&r.file);
}

static bool find_folder(void) {
    const char *own = getenv("CW_REFERENCE");
    struct stat info;
    snprintf(folder, sizeof folder, "%s/dmcontrol", own ? own : "");
    if (own && stat(folder, &info) == 0) return true;
    snprintf(folder, sizeof folder, "%s",
             own ? own : CW_TEST_DATA "/../../shared/reference/dmcontrol");
    char readme[1100];
    snprintf(readme, sizeof readme, "%s/cartpole_swingup.npz", folder);
    return stat(readme, &info) == 0;
}

/* An argument picks tests by a pattern of their names: `env_parity_test 'reacher*'`. */
int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (!find_folder()) {
        printf("skipped: no recordings of dm_control (CW_REFERENCE names their folder)\n");
        return 0;
    }
    exact = numbers_are_exact();
    printf("recordings: %s; compared %s\n", folder, exact ? "bit by bit" : "with tolerances");
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } layers[] = {{"free run", test_free_run},
                  {"seeds", test_seeds},
                  {"forced steps", test_forced_steps},
                  {"probes", test_probes}};
    static char names[128][64];
    struct CMUnitTest tests[128] = {0};
    int n_tasks;
    size_t n = 0;
    const cw_task *tasks = cw_tasks(&n_tasks);
    for (int i = 0; i < n_tasks; i++)
        for (size_t j = 0; strcmp(tasks[i].name, "toy") != 0 && j < 4; j++, n++) {
            snprintf(names[n], sizeof names[n], "%s: %s", tasks[i].name, layers[j].name);
            tests[n] = (struct CMUnitTest){
                .name = names[n], .test_func = layers[j].run, .initial_state = (void *)&tasks[i]};
        }
    return _cmocka_run_group_tests("parity", tests, n, NULL, NULL);
}
