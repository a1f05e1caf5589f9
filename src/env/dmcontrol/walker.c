/* Walker: a planar biped that stands, walks or runs. */
#include "env/dmcontrol/domain.h"

enum { TORSO, VELOCITY };

static void look_up(cw_dm_sim *sim) {
    sim->id[TORSO] = cw_dm_find(sim, mjOBJ_BODY, "torso");
    sim->id[VELOCITY] = cw_dm_find_sensor(sim, "torso_subtreelinvel");
}

static double torso_height(const cw_dm_sim *sim) {
    return sim->physics.data->xpos[3 * sim->id[TORSO] + 2];
}

static void observe(const cw_dm_sim *sim, double *out) {
    for (int body = 1; body < sim->physics.model->nbody; body++) {
        *out++ = cw_dm_xmat(sim, body, CW_XX);
        *out++ = cw_dm_xmat(sim, body, CW_XZ);
    }
    *out++ = torso_height(sim);
    cw_dm_put(out, sim->physics.data->qvel, sim->physics.model->nv);
}

static double reward_stand(const cw_dm_sim *sim) {
    static const cw_tolerance high = {1.2, INFINITY, 0.6, CW_FALLOFF_GAUSSIAN, 0.1};
    double standing = cw_tolerance_at(&high, torso_height(sim));
    double upright = (1.0 + cw_dm_xmat(sim, sim->id[TORSO], CW_ZZ)) / 2.0;
    return (3.0 * standing + upright) / 4.0;
}

static double reward_move(const cw_dm_sim *sim) {
    double speed = sim->task->parameter;
    cw_tolerance fast = {speed, INFINITY, speed / 2.0, CW_FALLOFF_LINEAR, 0.5};
    double move = cw_tolerance_at(&fast, sim->physics.data->sensordata[sim->id[VELOCITY]]);
    return reward_stand(sim) * (5.0 * move + 1.0) / 6.0;
}

/* The parameter is the speed to reach, m/s. */
static const cw_dm_task tasks[] = {
    {"walker-stand", 24, 0.0, cw_dm_randomize_joints, observe, reward_stand},
    {"walker-walk", 24, 1.0, cw_dm_randomize_joints, observe, reward_move},
    {"walker-run", 24, 8.0, cw_dm_randomize_joints, observe, reward_move},
};

const cw_dm_domain cw_dm_walker = {"walker.xml", 10, NULL, look_up, tasks, 3};
