/* Hopper: a one-legged planar body that stands or hops. */
#include "env/dmcontrol/domain.h"

enum { TORSO, FOOT, VELOCITY, TOUCH_TOE, TOUCH_HEEL };

static void look_up(cw_dm_sim *sim) {
    sim->id[TORSO] = cw_dm_find(sim, mjOBJ_BODY, "torso");
    sim->id[FOOT] = cw_dm_find(sim, mjOBJ_BODY, "foot");
    sim->id[VELOCITY] = cw_dm_find_sensor(sim, "torso_subtreelinvel");
    sim->id[TOUCH_TOE] = cw_dm_find_sensor(sim, "touch_toe");
    sim->id[TOUCH_HEEL] = cw_dm_find_sensor(sim, "touch_heel");
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos + 1, sim->physics.model->nq - 1);
    out = cw_dm_put(out, d->qvel, sim->physics.model->nv);
    out[0] = log1p(d->sensordata[sim->id[TOUCH_TOE]]);
    out[1] = log1p(d->sensordata[sim->id[TOUCH_HEEL]]);
}

/* Height of the torso's over the foot's centre of mass. */
static double standing(const cw_dm_sim *sim) {
    static const cw_tolerance high = CW_WITHIN(0.6, 2.0);
    const double *xipos = sim->physics.data->xipos;
    return cw_tolerance_at(&high, xipos[3 * sim->id[TORSO] + 2] - xipos[3 * sim->id[FOOT] + 2]);
}

static double reward_stand(const cw_dm_sim *sim) {
    double small_control = cw_small_control(sim->physics.data->ctrl, sim->physics.model->nu);
    return standing(sim) * ((small_control + 4.0) / 5.0);
}

static double reward_hop(const cw_dm_sim *sim) {
    static const cw_tolerance fast = {2.0, INFINITY, 1.0, CW_FALLOFF_LINEAR, 0.5};
    double speed = sim->physics.data->sensordata[sim->id[VELOCITY]];
    return standing(sim) * cw_tolerance_at(&fast, speed);
}

static const cw_dm_task tasks[] = {
    {"hopper-hop", 15, 0.0, cw_dm_randomize_joints, observe, reward_hop},
    {"hopper-stand", 15, 0.0, cw_dm_randomize_joints, observe, reward_stand},
};

const cw_dm_domain cw_dm_hopper = {"hopper.xml", 4, NULL, look_up, tasks, 2};
