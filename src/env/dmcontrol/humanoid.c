/* Humanoid: stand, walk or run, observed by joint angles and relative positions. */
#include "env/dmcontrol/domain.h"

#define N_LIMBS 4

enum { TORSO, HEAD, LIMB, VELOCITY = LIMB + N_LIMBS };

static void look_up(cw_dm_sim *sim) {
    static const char *const limb[N_LIMBS] = {"left_hand", "left_foot", "right_hand", "right_foot"};
    sim->id[TORSO] = cw_dm_find(sim, mjOBJ_BODY, "torso");
    sim->id[HEAD] = cw_dm_find(sim, mjOBJ_BODY, "head");
    for (int i = 0; i < N_LIMBS; i++) sim->id[LIMB + i] = cw_dm_find(sim, mjOBJ_BODY, limb[i]);
    sim->id[VELOCITY] = cw_dm_find_sensor(sim, "torso_subtreelinvel");
}

static void start(cw_dm_sim *sim) {
    do {
        cw_dm_randomize_joints(sim);
        cw_physics_forward_unactuated(&sim->physics);
    } while (sim->physics.data->ncon > 0);
}

static double head_height(const cw_dm_sim *sim) {
    return sim->physics.data->xpos[3 * sim->id[HEAD] + 2];
}

/* A body's position seen from the torso. */
static void in_torso_frame(const cw_dm_sim *sim, int body, double out[3]) {
    const mjData *d = sim->physics.data;
    const double *r = d->xmat + 9 * sim->id[TORSO];
    double way[3];
    for (int i = 0; i < 3; i++) way[i] = d->xpos[3 * body + i] - d->xpos[3 * sim->id[TORSO] + i];
    for (int i = 0; i < 3; i++) out[i] = way[0] * r[i] + way[1] * r[3 + i] + way[2] * r[6 + i];
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjModel *m = sim->physics.model;
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos + 7, m->nq - 7);
    *out++ = head_height(sim);
    for (int i = 0; i < N_LIMBS; i++, out += 3) in_torso_frame(sim, sim->id[LIMB + i], out);
    for (int element = CW_ZX; element <= CW_ZZ; element++)
        *out++ = cw_dm_xmat(sim, sim->id[TORSO], element);
    out = cw_dm_put(out, d->sensordata + sim->id[VELOCITY], 3);
    cw_dm_put(out, d->qvel, m->nv);
}

/* What all tasks share: upright, with little effort. */
static double posture(const cw_dm_sim *sim) {
    static const cw_tolerance high = {1.4, INFINITY, 0.35, CW_FALLOFF_GAUSSIAN, 0.1};
    static const cw_tolerance upright = {0.9, INFINITY, 1.9, CW_FALLOFF_LINEAR, 0.0};
    double standing = cw_tolerance_at(&high, head_height(sim));
    double straight = cw_tolerance_at(&upright, cw_dm_xmat(sim, sim->id[TORSO], CW_ZZ));
    double effort = cw_small_control(sim->physics.data->ctrl, sim->physics.model->nu);
    return (4.0 + effort) / 5.0 * (standing * straight);
}

static double reward_stand(const cw_dm_sim *sim) {
    static const cw_tolerance still = {0.0, 0.0, 2.0, CW_FALLOFF_GAUSSIAN_ARRAY, 0.1};
    const double *v = sim->physics.data->sensordata + sim->id[VELOCITY];
    double xy[2] = {cw_tolerance_at(&still, v[0]), cw_tolerance_at(&still, v[1])};
    return posture(sim) * cw_numpy_mean(xy, 2);
}

static double reward_move(const cw_dm_sim *sim) {
    double speed = sim->task->parameter;
    cw_tolerance fast = {speed, INFINITY, speed, CW_FALLOFF_LINEAR, 0.0};
    const double *v = sim->physics.data->sensordata + sim->id[VELOCITY];
    double move = cw_tolerance_at(&fast, cw_dm_norm(v, 2));
    return posture(sim) * ((5.0 * move + 1.0) / 6.0);
}

/* The parameter is the speed to reach, m/s. */
static const cw_dm_task tasks[] = {
    {"humanoid-stand", 67, 0.0, start, observe, reward_stand},
    {"humanoid-walk", 67, 1.0, start, observe, reward_move},
    {"humanoid-run", 67, 10.0, start, observe, reward_move},
};

const cw_dm_domain cw_dm_humanoid = {"humanoid.xml", 5, NULL, look_up, tasks, 3};
