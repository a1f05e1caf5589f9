/* Acrobot: swing a two-link arm's tip to a target above with the elbow motor alone. */
#include "env/dmcontrol/domain.h"

enum { SHOULDER_Q, ELBOW_Q, UPPER, LOWER, TARGET, TIP };

static void look_up(cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    sim->id[SHOULDER_Q] = m->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "shoulder")];
    sim->id[ELBOW_Q] = m->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "elbow")];
    sim->id[UPPER] = cw_dm_find(sim, mjOBJ_BODY, "upper_arm");
    sim->id[LOWER] = cw_dm_find(sim, mjOBJ_BODY, "lower_arm");
    sim->id[TARGET] = cw_dm_find(sim, mjOBJ_SITE, "target");
    sim->id[TIP] = cw_dm_find(sim, mjOBJ_SITE, "tip");
}

static void start(cw_dm_sim *sim) {
    double *qpos = sim->physics.data->qpos;
    qpos[sim->id[SHOULDER_Q]] = cw_mt19937_uniform(&sim->rng, -M_PI, M_PI);
    qpos[sim->id[ELBOW_Q]] = cw_mt19937_uniform(&sim->rng, -M_PI, M_PI);
}

static void observe(const cw_dm_sim *sim, double *out) {
    *out++ = cw_dm_xmat(sim, sim->id[UPPER], CW_XZ);
    *out++ = cw_dm_xmat(sim, sim->id[LOWER], CW_XZ);
    *out++ = cw_dm_xmat(sim, sim->id[UPPER], CW_ZZ);
    *out++ = cw_dm_xmat(sim, sim->id[LOWER], CW_ZZ);
    cw_dm_put(out, sim->physics.data->qvel, sim->physics.model->nv);
}

static double reward(const cw_dm_sim *sim) {
    const double *x = sim->physics.data->site_xpos;
    double way[3];
    for (int i = 0; i < 3; i++) way[i] = x[3 * sim->id[TARGET] + i] - x[3 * sim->id[TIP] + i];
    double radius = sim->physics.model->site_size[3 * sim->id[TARGET]];
    cw_tolerance near = {0.0, radius, sim->task->parameter, CW_FALLOFF_GAUSSIAN, 0.1};
    return cw_tolerance_at(&near, cw_dm_norm(way, 3));
}

/* The parameter is the margin of the reward. */
static const cw_dm_task tasks[] = {
    {"acrobot-swingup", 6, 1.0, start, observe, reward},
    {"acrobot-swingup_sparse", 6, 0.0, start, observe, reward},
};

const cw_dm_domain cw_dm_acrobot = {"acrobot.xml", 1, NULL, look_up, tasks, 2};
