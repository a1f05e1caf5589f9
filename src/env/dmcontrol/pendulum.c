/* Pendulum: swing up and stay up with a weak motor. */
#include "env/dmcontrol/domain.h"

enum { HINGE_Q, POLE };

static void look_up(cw_dm_sim *sim) {
    sim->id[HINGE_Q] = sim->physics.model->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "hinge")];
    sim->id[POLE] = cw_dm_find(sim, mjOBJ_BODY, "pole");
}

static void start(cw_dm_sim *sim) {
    sim->physics.data->qpos[sim->id[HINGE_Q]] = cw_mt19937_uniform(&sim->rng, -M_PI, M_PI);
}

static void observe(const cw_dm_sim *sim, double *out) {
    *out++ = cw_dm_xmat(sim, sim->id[POLE], CW_ZZ);
    *out++ = cw_dm_xmat(sim, sim->id[POLE], CW_XZ);
    cw_dm_put(out, sim->physics.data->qvel, sim->physics.model->nv);
}

static double reward(const cw_dm_sim *sim) {
    cw_tolerance up = CW_WITHIN(cos(8.0 * (M_PI / 180.0)), 1.0);
    return cw_tolerance_at(&up, cw_dm_xmat(sim, sim->id[POLE], CW_ZZ));
}

static const cw_dm_task tasks[] = {{"pendulum-swingup", 3, 0.0, start, observe, reward}};

const cw_dm_domain cw_dm_pendulum = {"pendulum.xml", 1, NULL, look_up, tasks, 1};
