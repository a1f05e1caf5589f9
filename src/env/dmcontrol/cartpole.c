/* Cartpole: balance or swing up a pole on a cart, with a smooth or a sparse reward. */
#include "env/dmcontrol/domain.h"

enum { SLIDER_Q, HINGE_Q, HINGE_V, POLE };

static void look_up(cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    int slider = cw_dm_find(sim, mjOBJ_JOINT, "slider");
    int hinge = cw_dm_find(sim, mjOBJ_JOINT, "hinge_1");
    sim->id[SLIDER_Q] = m->jnt_qposadr[slider];
    sim->id[HINGE_Q] = m->jnt_qposadr[hinge];
    sim->id[HINGE_V] = m->jnt_dofadr[hinge];
    sim->id[POLE] = cw_dm_find(sim, mjOBJ_BODY, "pole_1");
}

static void start(cw_dm_sim *sim, bool upright) {
    mjData *d = sim->physics.data;
    double *slider = &d->qpos[sim->id[SLIDER_Q]], *hinge = &d->qpos[sim->id[HINGE_Q]];
    if (upright) {
        *slider = cw_mt19937_uniform(&sim->rng, -0.1, 0.1);
        *hinge = cw_mt19937_uniform(&sim->rng, -0.034, 0.034);
    } else {
        *slider = 0.01 * cw_mt19937_normal(&sim->rng);
        *hinge = M_PI + 0.01 * cw_mt19937_normal(&sim->rng);
    }
    for (int i = 0; i < sim->physics.model->nv; i++)
        d->qvel[i] = 0.01 * cw_mt19937_normal(&sim->rng);
}

static void start_upright(cw_dm_sim *sim) {
    start(sim, true);
}

static void start_hanging(cw_dm_sim *sim) {
    start(sim, false);
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    *out++ = d->qpos[sim->id[SLIDER_Q]];
    *out++ = cw_dm_xmat(sim, sim->id[POLE], CW_ZZ);
    *out++ = cw_dm_xmat(sim, sim->id[POLE], CW_XZ);
    cw_dm_put(out, d->qvel, sim->physics.model->nv);
}

static double reward_smooth(const cw_dm_sim *sim) {
    static const cw_tolerance still = {0.0, 0.0, 5.0, CW_FALLOFF_GAUSSIAN_ARRAY, 0.1};
    static const cw_tolerance centre = {0.0, 0.0, 2.0, CW_FALLOFF_GAUSSIAN, 0.1};
    const mjData *d = sim->physics.data;
    double upright = (cw_dm_xmat(sim, sim->id[POLE], CW_ZZ) + 1.0) / 2.0;
    double centered = (1.0 + cw_tolerance_at(&centre, d->qpos[sim->id[SLIDER_Q]])) / 2.0;
    double small_control = (4.0 + cw_small_control(d->ctrl, 1)) / 5.0;
    double small_velocity = (1.0 + cw_tolerance_at(&still, d->qvel[sim->id[HINGE_V]])) / 2.0;
    return upright * small_control * small_velocity * centered;
}

static double reward_sparse(const cw_dm_sim *sim) {
    static const cw_tolerance cart = CW_WITHIN(-0.25, 0.25), pole = CW_WITHIN(0.995, 1.0);
    return cw_tolerance_at(&cart, sim->physics.data->qpos[sim->id[SLIDER_Q]]) *
           cw_tolerance_at(&pole, cw_dm_xmat(sim, sim->id[POLE], CW_ZZ));
}

static const cw_dm_task tasks[] = {
    {"cartpole-balance", 5, 0.0, start_upright, observe, reward_smooth},
    {"cartpole-balance_sparse", 5, 0.0, start_upright, observe, reward_sparse},
    {"cartpole-swingup", 5, 0.0, start_hanging, observe, reward_smooth},
    {"cartpole-swingup_sparse", 5, 0.0, start_hanging, observe, reward_sparse},
};

const cw_dm_domain cw_dm_cartpole = {"cartpole.xml", 1, NULL, look_up, tasks, 4};
