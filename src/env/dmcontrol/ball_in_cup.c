/* Ball in cup: swing a ball on a string into the cup. */
#include "env/dmcontrol/domain.h"

enum { BALL_X, BALL_Z, BALL, BALL_GEOM, TARGET };

static void look_up(cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    sim->id[BALL_X] = m->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "ball_x")];
    sim->id[BALL_Z] = m->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "ball_z")];
    sim->id[BALL] = cw_dm_find(sim, mjOBJ_BODY, "ball");
    sim->id[BALL_GEOM] = cw_dm_find(sim, mjOBJ_GEOM, "ball");
    sim->id[TARGET] = cw_dm_find(sim, mjOBJ_SITE, "target");
}

static void start(cw_dm_sim *sim) {
    mjData *d = sim->physics.data;
    do {
        d->qpos[sim->id[BALL_X]] = cw_mt19937_uniform(&sim->rng, -0.2, 0.2);
        d->qpos[sim->id[BALL_Z]] = cw_mt19937_uniform(&sim->rng, 0.2, 0.5);
        cw_physics_forward_unactuated(&sim->physics);
    } while (d->ncon > 0);
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos, sim->physics.model->nq);
    cw_dm_put(out, d->qvel, sim->physics.model->nv);
}

/* 1 when the whole ball is in the target box, seen from the side. */
static double reward(const cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    const mjData *d = sim->physics.data;
    const double *target = d->site_xpos + 3 * sim->id[TARGET];
    const double *half = m->site_size + 3 * sim->id[TARGET];
    const double *ball = d->xpos + 3 * sim->id[BALL];
    double radius = m->geom_size[3 * sim->id[BALL_GEOM]];
    for (int i = 0; i < 3; i += 2)
        if (!(fabs(target[i] - ball[i]) < half[i] - radius)) return 0.0;
    return 1.0;
}

static const cw_dm_task tasks[] = {{"ball_in_cup-catch", 8, 0.0, start, observe, reward}};

const cw_dm_domain cw_dm_ball_in_cup = {"ball_in_cup.xml", 10, NULL, look_up, tasks, 1};
