#include "env/suite.h"

#include "base/error.h"
#include "env/dmcontrol/dm_env.h"
#include "env/toy/toy.h"

#include <curlew/names.h>

#include <stdio.h>
#include <string.h>

/* Repeats: CURL (Srinivas, Laskin, Abbeel 2020), table of hyperparameters; 2 for the tasks that it
 * does not have. Cameras: 0, and for quadruped 2, as DrQ, DrQ-v2 and Dreamer have it. */
static const cw_task tasks[] = {
    {"acrobot-swingup", 2, 0, "swing a two-link arm up to a target with the elbow motor alone"},
    {"acrobot-swingup_sparse", 2, 0, "the same, rewarded at the target alone"},
    {"ball_in_cup-catch", 4, 0, "swing a ball on a string into the cup"},
    {"cartpole-balance", 8, 0, "keep a pole upright on a cart"},
    {"cartpole-balance_sparse", 8, 0, "the same, rewarded near the centre alone"},
    {"cartpole-swingup", 8, 0, "swing a pole up on a cart and keep it there"},
    {"cartpole-swingup_sparse", 8, 0, "the same, rewarded near the centre alone"},
    {"cheetah-run", 4, 0, "run forwards on two legs, 10 m/s for full reward"},
    {"finger-spin", 2, 0, "spin a body on a hinge with a two-link finger"},
    {"finger-turn_easy", 2, 0, "turn a body until its tip is in a large target"},
    {"finger-turn_hard", 2, 0, "turn a body until its tip is in a small target"},
    {"hopper-hop", 2, 0, "hop forwards on one leg, 2 m/s for full reward"},
    {"hopper-stand", 2, 0, "stand on one leg"},
    {"humanoid-stand", 2, 0, "stand; 21 joints"},
    {"humanoid-walk", 2, 0, "walk at 1 m/s; 21 joints"},
    {"humanoid-run", 2, 0, "run at 10 m/s; 21 joints"},
    {"pendulum-swingup", 2, 0, "swing a pendulum up with a weak motor"},
    {"quadruped-walk", 2, 2, "walk forwards on four legs at 0.5 m/s"},
    {"quadruped-run", 2, 2, "run forwards on four legs at 5 m/s"},
    {"reacher-easy", 4, 0, "touch a large target with a two-link arm"},
    {"reacher-hard", 4, 0, "touch a small target with a two-link arm"},
    {"walker-stand", 2, 0, "stand on two legs"},
    {"walker-walk", 2, 0, "walk forwards on two legs at 1 m/s"},
    {"walker-run", 2, 0, "run forwards on two legs at 8 m/s"},
    {"toy", 1, 0, "move a dot to a target mark; learnt from pixels in about a minute"},
};

#define N_TASKS ((int)(sizeof tasks / sizeof tasks[0]))

const cw_task *cw_tasks(int *n) {
    *n = N_TASKS;
    return tasks;
}

static bool same_name(const char *a, const char *b) {
    for (; *a || *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) return false;
    return true;
}

cw_status cw_task_find(const char *name, const cw_task **out) {
    const char *names[N_TASKS];
    for (int i = 0; i < N_TASKS; i++) {
        names[i] = tasks[i].name;
        if (same_name(name, names[i])) {
            *out = &tasks[i];
            return CW_OK;
        }
    }
    const char *near = cw_nearest_name(name, names, N_TASKS);
    if (near) return cw_fail(CW_ENOTFOUND, "no task \"%s\"; did you mean \"%s\"?", name, near);
    return cw_fail(CW_ENOTFOUND, "no task \"%s\"; `curlew list tasks` names them all", name);
}

static bool is_toy_task(const cw_task *task) {
    return strcmp(task->name, "toy") == 0;
}

cw_status cw_env_create(const cw_task *task, const cw_env_options *options, cw_env *out) {
    if (is_toy_task(task)) return cw_toy_create(options->seed, options->image_size, out);
    int camera = options->camera < 0 ? task->camera : options->camera;
    return cw_dm_env_create(task->name, options->seed, options->image_size, camera,
                            options->renderer, out);
}

static cw_status refuse_foreign(void) {
    return cw_fail(CW_EUNSUPPORTED, "only curlew's own environments have this");
}

cw_status cw_env_observation_size(const cw_env *env, int *n) {
    if (!cw_dm_env_is(env) && !cw_toy_is(env)) return refuse_foreign();
    *n = cw_dm_env_is(env) ? cw_dm_env_observation_size(env) : CW_TOY_OBSERVATION;
    return CW_OK;
}

cw_status cw_env_observation(const cw_env *env, double *out) {
    if (cw_dm_env_is(env)) return cw_dm_env_observation(env, out);
    if (!cw_toy_is(env)) return refuse_foreign();
    cw_toy_observation(env, out);
    return CW_OK;
}

cw_status cw_env_state_sizes(const cw_env *env, int *nq, int *nv) {
    if (!cw_dm_env_is(env))
        return cw_fail(CW_EUNSUPPORTED, "this environment has no qpos and qvel");
    cw_dm_env_state_sizes(env, nq, nv);
    return CW_OK;
}

cw_status cw_env_qpos_qvel(const cw_env *env, double *qpos, double *qvel) {
    if (!cw_dm_env_is(env))
        return cw_fail(CW_EUNSUPPORTED, "this environment has no qpos and qvel");
    cw_dm_env_qpos_qvel(env, qpos, qvel);
    return CW_OK;
}

cw_status cw_env_renderer_describe(const cw_env *env, char *out, size_t out_bytes) {
    const char *text = NULL;
    if (cw_dm_env_is(env)) text = cw_dm_env_renderer(env);
    if (cw_toy_is(env) && env->spec.frame_height > 0) text = "toy (drawn by curlew itself)";
    if (!text)
        return cw_fail(CW_EUNSUPPORTED, cw_dm_env_is(env) || cw_toy_is(env)
                                            ? "the environment was created without images"
                                            : "the environment is the host program's own");
    snprintf(out, out_bytes, "%s", text);
    return CW_OK;
}

cw_status cw_env_fail(const char *message) {
    return cw_fail(CW_EENV, "%s", message);
}
