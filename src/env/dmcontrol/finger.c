/* Finger: spin a body on a hinge, or turn it until its tip is in a target. */
#include "env/dmcontrol/domain.h"

#include <string.h>

#define MAX_ATTEMPTS 1000

enum {
    PROXIMAL,
    DISTAL,
    PROXIMAL_V,
    DISTAL_V,
    HINGE_V,
    TIP,
    TARGET,
    SPINNER,
    TOUCH_TOP,
    TOUCH_BOTTOM, /* to here: sensors */
    TARGET_SITE,
    TIP_SITE,
    HINGE,
    CAP
};

static void look_up(cw_dm_sim *sim) {
    static const char *const sensor[] = {
        "proximal", "distal", "proximal_velocity", "distal_velocity", "hinge_velocity",
        "tip",      "target", "spinner",           "touchtop",        "touchbottom"};
    mjModel *m = sim->physics.model;
    for (int i = PROXIMAL; i <= TOUCH_BOTTOM; i++) sim->id[i] = cw_dm_find_sensor(sim, sensor[i]);
    sim->id[TARGET_SITE] = cw_dm_find(sim, mjOBJ_SITE, "target");
    sim->id[TIP_SITE] = cw_dm_find(sim, mjOBJ_SITE, "tip");
    sim->id[HINGE] = cw_dm_find(sim, mjOBJ_JOINT, "hinge");
    sim->id[CAP] = cw_dm_find(sim, mjOBJ_GEOM, "cap1");
    /* Both kinds of edit are saved by both kinds of task; the unused ones never change. */
    cw_dm_edits(sim, m->site_pos + 3 * sim->id[TARGET_SITE], 3);
    cw_dm_edits(sim, m->site_size + 3 * sim->id[TARGET_SITE], 1);
    cw_dm_edits_float(sim, m->site_rgba, 4 * (int)m->nsite);
    cw_dm_edits(sim, m->dof_damping + m->jnt_dofadr[sim->id[HINGE]], 1);
}

static const double *sensor(const cw_dm_sim *sim, int slot) {
    return sim->physics.data->sensordata + sim->id[slot];
}

/* Draws joint positions until nothing touches. */
static void randomize_apart(cw_dm_sim *sim) {
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        cw_dm_randomize_joints(sim);
        cw_physics_forward_unactuated(&sim->physics);
        if (sim->physics.data->ncon == 0) return;
    }
}

static void start_spin(cw_dm_sim *sim) {
    mjModel *m = sim->physics.model;
    m->site_rgba[4 * sim->id[TARGET_SITE] + 3] = 0.0f;
    m->site_rgba[4 * sim->id[TIP_SITE] + 3] = 0.0f;
    m->dof_damping[m->jnt_dofadr[sim->id[HINGE]]] = 0.03;
    randomize_apart(sim);
}

static void start_turn(cw_dm_sim *sim) {
    mjModel *m = sim->physics.model;
    double angle = cw_mt19937_uniform(&sim->rng, -M_PI, M_PI);
    const double *hinge = sim->physics.data->xanchor + 3 * sim->id[HINGE];
    const double *cap = m->geom_size + 3 * sim->id[CAP];
    double radius = (cap[0] + cap[1]) + cap[2];
    double *target = m->site_pos + 3 * sim->id[TARGET_SITE];
    target[0] = hinge[0] + radius * sin(angle);
    target[2] = hinge[2] + radius * cos(angle);
    m->site_size[3 * sim->id[TARGET_SITE]] = sim->task->parameter;
    randomize_apart(sim);
}

/* Positions in the plane (x, z) relative to the spinner. */
static void relative(const cw_dm_sim *sim, int slot, double xz[2]) {
    xz[0] = sensor(sim, slot)[0] - sensor(sim, SPINNER)[0];
    xz[1] = sensor(sim, slot)[2] - sensor(sim, SPINNER)[2];
}

static double distance_to_target(const cw_dm_sim *sim) {
    double tip[2], target[2];
    relative(sim, TIP, tip);
    relative(sim, TARGET, target);
    double to_target[2] = {target[0] - tip[0], target[1] - tip[1]};
    return cw_dm_norm(to_target, 2) - sim->physics.model->site_size[3 * sim->id[TARGET_SITE]];
}

static void observe_spin(const cw_dm_sim *sim, double *out) {
    out[0] = *sensor(sim, PROXIMAL);
    out[1] = *sensor(sim, DISTAL);
    relative(sim, TIP, out + 2);
    out[4] = *sensor(sim, PROXIMAL_V);
    out[5] = *sensor(sim, DISTAL_V);
    out[6] = *sensor(sim, HINGE_V);
    out[7] = log1p(*sensor(sim, TOUCH_TOP));
    out[8] = log1p(*sensor(sim, TOUCH_BOTTOM));
}

static void observe_turn(const cw_dm_sim *sim, double *out) {
    observe_spin(sim, out);
    relative(sim, TARGET, out + 9);
    out[11] = distance_to_target(sim);
}

static double reward_spin(const cw_dm_sim *sim) {
    return *sensor(sim, HINGE_V) <= -15.0 ? 1.0 : 0.0;
}

static double reward_turn(const cw_dm_sim *sim) {
    return distance_to_target(sim) <= 0.0 ? 1.0 : 0.0;
}

/* The parameter is the target's radius. */
static const cw_dm_task tasks[] = {
    {"finger-spin", 9, 0.0, start_spin, observe_spin, reward_spin},
    {"finger-turn_easy", 12, 0.07, start_turn, observe_turn, reward_turn},
    {"finger-turn_hard", 12, 0.03, start_turn, observe_turn, reward_turn},
};

const cw_dm_domain cw_dm_finger = {"finger.xml", 2, NULL, look_up, tasks, 3};
