#include "env/dmcontrol/dm_env.h"

#include "base/error.h"
#include "base/memory.h"
#include "env/dmcontrol/dm_state.h"
#include "env/dmcontrol/domain.h"
#include "env/dmcontrol/guard.h"
#include "env/dmcontrol/models.h"
#include "env/dmcontrol/render.h"

#include <stdlib.h>
#include <string.h>

#define MAX_IMAGE 4096 /* pixels */

typedef struct dm_env {
    cw_dm_sim sim;
    cw_dm_progress progress;
    bool failed;       /* a step or reset went wrong: the state means nothing */
    cw_render *render; /* NULL: never renders */
    double *scratch;   /* mjSTATE_INTEGRATION, for saving */
    int action_dim;
} dm_env;

static const cw_dm_domain *const domains[] = {&cw_dm_acrobot,  &cw_dm_ball_in_cup, &cw_dm_cartpole,
                                              &cw_dm_cheetah,  &cw_dm_finger,      &cw_dm_hopper,
                                              &cw_dm_humanoid, &cw_dm_pendulum,    &cw_dm_quadruped,
                                              &cw_dm_reacher,  &cw_dm_walker};

static const cw_dm_domain *find_task(const char *name, const cw_dm_task **task) {
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
        for (int j = 0; j < domains[i]->n_tasks; j++)
            if (strcmp(domains[i]->tasks[j].name, name) == 0) {
                *task = &domains[i]->tasks[j];
                return domains[i];
            }
    return NULL;
}

static cw_status check_usable(const dm_env *env) {
    if (env->failed) return cw_fail(CW_EENV, "the environment failed before; create a new one");
    return CW_OK;
}

/* dm_control raises PhysicsError where warnings have been counted. */
static cw_status check_warnings(dm_env *env, int before) {
    if (cw_physics_warnings(&env->sim.physics) == before) return CW_OK;
    return cw_fail(CW_EENV, "%s: the simulation went wrong: %s", env->sim.task->name,
                   cw_mujoco_warning());
}

/* ---- the five functions ---- */

static void run_reset(void *argument) {
    dm_env *env = argument;
    cw_physics_reset(&env->sim.physics);
    env->sim.task->start(&env->sim);
    cw_physics_forward_unactuated(&env->sim.physics);
}

static cw_status dm_reset(void *self) {
    dm_env *env = self;
    CW_TRY(check_usable(env));
    cw_status status = cw_mujoco_guard(run_reset, env);
    if (status == CW_OK) status = check_warnings(env, 0);
    env->failed = status != CW_OK;
    env->progress.started = 1;
    env->progress.steps = 0;
    return status;
}

static void run_step(void *argument) {
    dm_env *env = argument;
    cw_physics_step(&env->sim.physics, env->sim.physics.substeps);
}

static cw_status dm_step(void *self, const double *action, cw_env_step *out) {
    dm_env *env = self;
    CW_TRY(check_usable(env));
    if (!env->progress.started || env->progress.steps >= CW_DM_STEP_LIMIT)
        return cw_fail(CW_EINVAL, "%s: step %s; call reset", env->sim.task->name,
                       env->progress.started ? "after the episode's last one"
                                             : "before the first reset");
    int warnings = cw_physics_warnings(&env->sim.physics);
    memcpy(env->sim.physics.data->ctrl, action, (size_t)env->action_dim * sizeof *action);
    cw_status status = cw_mujoco_guard(run_step, env);
    if (status == CW_OK) status = check_warnings(env, warnings);
    if (status != CW_OK) {
        env->failed = true;
        return status;
    }
    env->progress.steps++;
    out->reward = env->sim.task->reward(&env->sim);
    out->discount = 1.0; /* no task of the suite ends by itself */
    out->last = env->progress.steps == CW_DM_STEP_LIMIT;
    return CW_OK;
}

static cw_status dm_render(void *self, uint8_t *frame) {
    dm_env *env = self;
    if (!env->render)
        return cw_fail(CW_EINVAL, "%s was created with image_size 0 and cannot render",
                       env->sim.task->name);
    return cw_render_draw(env->render, env->sim.physics.model, env->sim.physics.data, frame);
}

static cw_status dm_state(void *self, void *buffer, size_t *n_bytes, bool load) {
    dm_env *env = self;
    CW_TRY(check_usable(env));
    if (load) return cw_dm_state_load(&env->sim, &env->progress, env->scratch, buffer, n_bytes);
    return cw_dm_state_save(&env->sim, &env->progress, env->scratch, buffer, n_bytes);
}

static void dm_destroy(void *self) {
    dm_env *env = self;
    if (!env) return;
    cw_render_destroy(env->render);
    cw_physics_free(&env->sim.physics);
    cw_free(env->scratch);
    cw_free(env);
}

static const cw_env_vtable vtable = {dm_reset, dm_step, dm_render, dm_state, dm_destroy};

/* ---- creation ---- */

typedef struct look_up_job {
    const cw_dm_domain *domain;
    cw_dm_sim *sim;
} look_up_job;

static void run_look_up(void *argument) {
    look_up_job *job = argument;
    job->domain->look_up(job->sim);
}

static cw_status load_sim(const cw_dm_domain *domain, cw_dm_sim *sim) {
    char path[1100];
    CW_TRY(cw_dm_model_path(domain->model, path, sizeof path));
    CW_TRY(
        cw_physics_load(&sim->physics, path, domain->substeps, domain->edit, sim->task->parameter));
    look_up_job job = {domain, sim};
    CW_TRY(cw_mujoco_guard(run_look_up, &job));
    if (sim->missing[0])
        return cw_fail(CW_EENV, "%s has no \"%s\"; is it dm_control's model?", path, sim->missing);
    if (sim->physics.model->nu < 1 || sim->physics.model->nu > CW_MAX_ACTION_DIM)
        return cw_fail(CW_EENV, "%s has %d actuators; 1 to %d can be used", path,
                       (int)sim->physics.model->nu, CW_MAX_ACTION_DIM);
    return CW_OK;
}

static void fill_spec(const dm_env *env, int image_size, cw_env_spec *spec) {
    const mjModel *m = env->sim.physics.model;
    memset(spec, 0, sizeof *spec);
    spec->action_dim = env->action_dim;
    for (int i = 0; i < env->action_dim; i++) {
        spec->action_min[i] = m->actuator_ctrlrange[2 * i];
        spec->action_max[i] = m->actuator_ctrlrange[2 * i + 1];
    }
    spec->step_limit = CW_DM_STEP_LIMIT;
    spec->frame_channels = 3;
    spec->frame_height = spec->frame_width = image_size;
    spec->state_bytes = cw_dm_state_bytes(&env->sim);
}

static cw_status build(dm_env *env, const char *name, int image_size, int camera,
                       cw_renderer renderer) {
    const cw_dm_domain *domain = find_task(name, &env->sim.task);
    if (!domain) return cw_fail(CW_ENOTFOUND, "the control suite has no task \"%s\"", name);
    if (image_size < 0 || image_size > MAX_IMAGE)
        return cw_fail(CW_EINVAL, "image_size is %d; it must be 0 (no images) to %d", image_size,
                       MAX_IMAGE);
    CW_TRY(load_sim(domain, &env->sim));
    mjModel *model = env->sim.physics.model;
    env->action_dim = (int)model->nu;
    int n_state = mj_stateSize(model, mjSTATE_INTEGRATION);
    CW_TRY(cw_alloc(&env->scratch, (size_t)n_state, sizeof(double), "simulation state"));
    if (image_size == 0) return CW_OK;
    if (camera < 0 || camera >= (int)model->ncam)
        return cw_fail(CW_EINVAL, "camera is %d; %s has cameras 0 to %d", camera, name,
                       (int)model->ncam - 1);
    return cw_render_create(model, image_size, camera, renderer, &env->render);
}

cw_status cw_dm_env_create(const char *name, uint32_t seed, int image_size, int camera,
                           cw_renderer renderer, cw_env *out) {
    dm_env *env;
    CW_TRY(cw_alloc(&env, 1, sizeof *env, "environment"));
    cw_status status = build(env, name, image_size, camera, renderer);
    if (status != CW_OK) {
        dm_destroy(env);
        return status;
    }
    cw_mt19937_seed(&env->sim.rng, seed);
    out->vtable = &vtable;
    out->self = env;
    fill_spec(env, image_size, &out->spec);
    return CW_OK;
}

/* ---- looking inside ---- */

bool cw_dm_env_is(const cw_env *env) {
    return env->vtable == &vtable;
}

int cw_dm_env_observation_size(const cw_env *env) {
    return cw_dm_env_sim(env)->task->n_observation;
}

cw_status cw_dm_env_observation(const cw_env *env, double *out) {
    const cw_dm_sim *sim = cw_dm_env_sim(env);
    sim->task->observe(sim, out);
    return CW_OK;
}

void cw_dm_env_state_sizes(const cw_env *env, int *nq, int *nv) {
    *nq = (int)cw_dm_env_sim(env)->physics.model->nq;
    *nv = (int)cw_dm_env_sim(env)->physics.model->nv;
}

void cw_dm_env_qpos_qvel(const cw_env *env, double *qpos, double *qvel) {
    const cw_physics *physics = &cw_dm_env_sim(env)->physics;
    memcpy(qpos, physics->data->qpos, (size_t)physics->model->nq * sizeof *qpos);
    memcpy(qvel, physics->data->qvel, (size_t)physics->model->nv * sizeof *qvel);
}

const char *cw_dm_env_renderer(const cw_env *env) {
    const dm_env *self = env->self;
    return self->render ? cw_render_describe(self->render) : NULL;
}

cw_dm_sim *cw_dm_env_sim(const cw_env *env) {
    return &((dm_env *)env->self)->sim;
}
