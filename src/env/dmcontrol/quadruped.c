/* Quadruped: walk or run on a plane. The model file also serves tasks that are not here; what they
 * need is taken out of it. */
#include "base/error.h"
#include "env/dmcontrol/domain.h"

#include <stdio.h>

#define N_JOINTS 16
#define N_TOES   4

enum {
    ROOT_Q,
    TORSO,
    VELOCITY,
    ACCELERATION,
    GYRO,
    TOE_FORCE,                        /* 4 slots, then 4 torques */
    JOINT_Q = TOE_FORCE + 2 * N_TOES, /* first of the leg joints' addresses in qpos */
    JOINT_V,                          /* and in qvel; the joints are contiguous */
    FIRST_LEG_JOINT
};

static cw_status delete_named(mjSpec *spec, mjtObj type, const char *name) {
    mjsElement *element = mjs_findElement(spec, type, name);
    if (!element) return cw_fail(CW_EENV, "has no \"%s\"; is it dm_control's model?", name);
    if (mjs_delete(spec, element) != 0) return cw_fail(CW_EENV, "%s", mjs_getError(spec));
    return CW_OK;
}

static cw_status delete_rangefinders(mjSpec *spec) {
    mjsElement *next, *element = mjs_firstElement(spec, mjOBJ_SENSOR);
    for (; element; element = next) {
        next = mjs_nextElement(spec, element);
        const mjsSensor *sensor = mjs_asSensor(element);
        if (sensor && sensor->type == mjSENS_RANGEFINDER && mjs_delete(spec, element) != 0)
            return cw_fail(CW_EENV, "%s", mjs_getError(spec));
    }
    return CW_OK;
}

/* Floor of 20 m per m/s of the task's speed on both sides, no walls, terrain, ball or target. */
static cw_status edit(mjSpec *spec, double speed) {
    static const char *const geoms[] = {"wall_px", "wall_py", "wall_nx", "wall_ny", "terrain"};
    CW_TRY(delete_rangefinders(spec));
    for (int i = 0; i < 5; i++) CW_TRY(delete_named(spec, mjOBJ_GEOM, geoms[i]));
    CW_TRY(delete_named(spec, mjOBJ_BODY, "ball"));
    CW_TRY(delete_named(spec, mjOBJ_SITE, "target"));
    mjsElement *floor = mjs_findElement(spec, mjOBJ_GEOM, "floor");
    if (!floor) return cw_fail(CW_EENV, "has no \"floor\"; is it dm_control's model?");
    mjsGeom *geom = mjs_asGeom(floor);
    geom->size[0] = geom->size[1] = speed * 20.0;
    return CW_OK;
}

static void look_up(cw_dm_sim *sim) {
    static const char *const toe[N_TOES] = {"front_left", "front_right", "back_right", "back_left"};
    const mjModel *m = sim->physics.model;
    sim->id[ROOT_Q] = m->jnt_qposadr[cw_dm_find(sim, mjOBJ_JOINT, "root")];
    sim->id[TORSO] = cw_dm_find(sim, mjOBJ_BODY, "torso");
    sim->id[VELOCITY] = cw_dm_find_sensor(sim, "velocimeter");
    sim->id[ACCELERATION] = cw_dm_find_sensor(sim, "imu_accel");
    sim->id[GYRO] = cw_dm_find_sensor(sim, "imu_gyro");
    for (int i = 0; i < N_TOES; i++) {
        char name[40];
        snprintf(name, sizeof name, "force_toe_%s", toe[i]);
        sim->id[TOE_FORCE + i] = cw_dm_find_sensor(sim, name);
        snprintf(name, sizeof name, "torque_toe_%s", toe[i]);
        sim->id[TOE_FORCE + N_TOES + i] = cw_dm_find_sensor(sim, name);
    }
    int leg = cw_dm_find(sim, mjOBJ_JOINT, "yaw_front_left");
    sim->id[JOINT_Q] = m->jnt_qposadr[leg];
    sim->id[JOINT_V] = m->jnt_dofadr[leg];
}

/* A random orientation, lifted in steps of a centimetre until nothing touches. */
static void start(cw_dm_sim *sim) {
    mjData *d = sim->physics.data;
    double orientation[4];
    for (int i = 0; i < 4; i++) orientation[i] = cw_mt19937_normal(&sim->rng);
    double norm = cw_dm_norm(orientation, 4);
    for (int i = 0; i < 4; i++) orientation[i] /= norm;
    double z = 0.0;
    do {
        cw_physics_reset(&sim->physics);
        double *root = d->qpos + sim->id[ROOT_Q];
        root[0] = root[1] = 0.0;
        root[2] = z;
        cw_dm_put(root + 3, orientation, 4);
        cw_physics_forward_unactuated(&sim->physics);
        z += 0.01;
    } while (d->ncon > 0);
}

static void observe(const cw_dm_sim *sim, double *out) {
    const mjData *d = sim->physics.data;
    out = cw_dm_put(out, d->qpos + sim->id[JOINT_Q], N_JOINTS);
    out = cw_dm_put(out, d->qvel + sim->id[JOINT_V], N_JOINTS);
    out = cw_dm_put(out, d->act, sim->physics.model->na);
    out = cw_dm_put(out, d->sensordata + sim->id[VELOCITY], 3);
    *out++ = cw_dm_xmat(sim, sim->id[TORSO], CW_ZZ);
    out = cw_dm_put(out, d->sensordata + sim->id[ACCELERATION], 3);
    out = cw_dm_put(out, d->sensordata + sim->id[GYRO], 3);
    for (int toe = 0; toe < 2 * N_TOES; toe++)
        for (int i = 0; i < 3; i++) *out++ = asinh(d->sensordata[sim->id[TOE_FORCE + toe] + i]);
}

static double reward(const cw_dm_sim *sim) {
    static const cw_tolerance upright = {1.0, INFINITY, 2.0, CW_FALLOFF_LINEAR, 0.0};
    double speed = sim->task->parameter;
    cw_tolerance fast = {speed, INFINITY, speed, CW_FALLOFF_LINEAR, 0.5};
    double move = cw_tolerance_at(&fast, sim->physics.data->sensordata[sim->id[VELOCITY]]);
    return cw_tolerance_at(&upright, cw_dm_xmat(sim, sim->id[TORSO], CW_ZZ)) * move;
}

/* The parameter is the speed to reach, m/s. */
static const cw_dm_task tasks[] = {
    {"quadruped-walk", 78, 0.5, start, observe, reward},
    {"quadruped-run", 78, 5.0, start, observe, reward},
};

const cw_dm_domain cw_dm_quadruped = {"quadruped.xml", 4, edit, look_up, tasks, 2};
