/* Cheetah: run forwards. */
#include "env/dmcontrol/domain.h"

#define SETTLE_STEPS 200 /* physics steps that let the body come to rest on the ground */

enum { VELOCITY };

static void look_up(cw_dm_sim *sim) {
    sim->id[VELOCITY] = cw_dm_find_sensor(sim, "torso_subtreelinvel");
}

static void start(cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    mjData *d = sim->physics.data;
    for (int j = 0; j < m->njnt; j++)
        if (m->jnt_limited[j])
            d->qpos[m->jnt_qposadr[j]] =
                cw_mt19937_uniform(&sim->rng, m->jnt_range[2 * j], m->jnt_range[2 * j + 1]);
    cw_physics_step(&sim->physics, SETTLE_STEPS);
    d->time = 0.0;
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos + 1, sim->physics.model->nq - 1);
    cw_dm_put(out, d->qvel, sim->physics.model->nv);
}

static double reward(const cw_dm_sim *sim) {
    static const cw_tolerance fast = {10.0, INFINITY, 10.0, CW_FALLOFF_LINEAR, 0.0};
    return cw_tolerance_at(&fast, sim->physics.data->sensordata[sim->id[VELOCITY]]);
}

static const cw_dm_task tasks[] = {{"cheetah-run", 17, 0.0, start, observe, reward}};

const cw_dm_domain cw_dm_cheetah = {"cheetah.xml", 1, NULL, look_up, tasks, 1};
