#include "env/dmcontrol/domain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int cw_dm_find(cw_dm_sim *sim, mjtObj type, const char *name) {
    int id = mj_name2id(sim->physics.model, (int)type, name);
    if (id >= 0) return id;
    if (!sim->missing[0]) snprintf(sim->missing, sizeof sim->missing, "%s", name);
    return 0;
}

int cw_dm_find_sensor(cw_dm_sim *sim, const char *name) {
    int id = cw_dm_find(sim, mjOBJ_SENSOR, name);
    return sim->missing[0] ? 0 : sim->physics.model->sensor_adr[id];
}

void cw_dm_edits(cw_dm_sim *sim, double *at, int n) {
    sim->edit[sim->n_edits++] = (cw_dm_edit){at, (size_t)n * sizeof *at, false};
}

void cw_dm_edits_float(cw_dm_sim *sim, float *at, int n) {
    sim->edit[sim->n_edits++] = (cw_dm_edit){at, (size_t)n * sizeof *at, true};
}

static void random_quaternion(cw_mt19937 *rng, double q[4]) {
    for (int i = 0; i < 4; i++) q[i] = cw_mt19937_uniform(rng, 0.0, 1.0);
    double norm = cw_dm_norm(q, 4);
    for (int i = 0; i < 4; i++) q[i] /= norm;
}

void cw_dm_randomize_joints(cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    double *qpos = sim->physics.data->qpos;
    for (int j = 0; j < m->njnt; j++) {
        double *q = qpos + m->jnt_qposadr[j];
        const double *range = m->jnt_range + 2 * j;
        switch (m->jnt_type[j]) {
        case mjJNT_HINGE:
            *q = m->jnt_limited[j] ? cw_mt19937_uniform(&sim->rng, range[0], range[1])
                                   : cw_mt19937_uniform(&sim->rng, -M_PI, M_PI);
            break;
        case mjJNT_SLIDE:
            if (m->jnt_limited[j]) *q = cw_mt19937_uniform(&sim->rng, range[0], range[1]);
            break;
        case mjJNT_FREE:
            random_quaternion(&sim->rng, q + 3);
            break;
        default: /* no task here has ball joints */
            break;
        }
    }
}

double cw_dm_norm(const double *v, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += v[i] * v[i];
    return sqrt(sum);
}

double *cw_dm_put(double *out, const double *values, int n) {
    memcpy(out, values, (size_t)n * sizeof *values);
    return out + n;
}
