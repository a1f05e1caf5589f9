/* Reacher: touch a target with the tip of a two-link arm. */
#include "env/dmcontrol/domain.h"

enum { TARGET, FINGER };

static void look_up(cw_dm_sim *sim) {
    mjModel *m = sim->physics.model;
    sim->id[TARGET] = cw_dm_find(sim, mjOBJ_GEOM, "target");
    sim->id[FINGER] = cw_dm_find(sim, mjOBJ_GEOM, "finger");
    cw_dm_edits(sim, m->geom_pos + 3 * sim->id[TARGET], 2);
    cw_dm_edits(sim, m->geom_size + 3 * sim->id[TARGET], 1);
}

static void start(cw_dm_sim *sim) {
    mjModel *m = sim->physics.model;
    m->geom_size[3 * sim->id[TARGET]] = sim->task->parameter;
    cw_dm_randomize_joints(sim);
    double angle = cw_mt19937_uniform(&sim->rng, 0.0, 2.0 * M_PI);
    double radius = cw_mt19937_uniform(&sim->rng, 0.05, 0.20);
    double *position = m->geom_pos + 3 * sim->id[TARGET];
    position[0] = radius * sin(angle);
    position[1] = radius * cos(angle);
}

static void finger_to_target(const cw_dm_sim *sim, double xy[2]) {
    const double *x = sim->physics.data->geom_xpos;
    for (int i = 0; i < 2; i++) xy[i] = x[3 * sim->id[TARGET] + i] - x[3 * sim->id[FINGER] + i];
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos, sim->physics.model->nq);
    finger_to_target(sim, out);
    cw_dm_put(out + 2, d->qvel, sim->physics.model->nv);
}

static double reward(const cw_dm_sim *sim) {
    const double *size = sim->physics.model->geom_size;
    cw_tolerance touching = CW_WITHIN(0.0, size[3 * sim->id[TARGET]] + size[3 * sim->id[FINGER]]);
    double xy[2];
    finger_to_target(sim, xy);
    return cw_tolerance_at(&touching, cw_dm_norm(xy, 2));
}

/* The parameter is the target's radius. */
static const cw_dm_task tasks[] = {
    {"reacher-easy", 6, 0.05, start, observe, reward},
    {"reacher-hard", 6, 0.015, start, observe, reward},
};

const cw_dm_domain cw_dm_reacher = {"reacher.xml", 1, NULL, look_up, tasks, 2};
