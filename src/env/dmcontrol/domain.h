/* What a domain of the control suite (a model with its tasks) consists of. Each domain is one file
 * with one row per task; dm_env.c runs them all. */
#ifndef CW_ENV_DMCONTROL_DOMAIN_H
#define CW_ENV_DMCONTROL_DOMAIN_H

#include "env/dmcontrol/physics.h"
#include "env/dmcontrol/reward.h"
#include "env/mt19937.h"

#include <stdbool.h>
#include <stddef.h>

#define CW_DM_MAX_IDS   40
#define CW_DM_MAX_EDITS 4

typedef struct cw_dm_sim cw_dm_sim;

/* One task. The functions run inside cw_mujoco_guard. */
typedef struct cw_dm_task {
    const char *name; /* as in the task table of suite.c */
    int n_observation;
    double parameter; /* the number in which a domain's tasks differ (a speed, a radius) */
    /* Draws the initial state; the data are reset before and brought up to date after. */
    void (*start)(cw_dm_sim *sim);
    void (*observe)(const cw_dm_sim *sim, double *out); /* (n_observation) */
    double (*reward)(const cw_dm_sim *sim);
} cw_dm_task;

typedef struct cw_dm_domain {
    const char *model; /* file name */
    int substeps;      /* physics steps per control step */
    /* Edits the model file's contents; NULL: used as it is. Gets the task's parameter. */
    cw_spec_edit edit;
    /* Looks up what the functions need in the compiled model, once, with the calls below. */
    void (*look_up)(cw_dm_sim *sim);
    const cw_dm_task *tasks;
    int n_tasks;
} cw_dm_domain;

/* Model memory that a task writes to; part of a saved state. */
typedef struct cw_dm_edit {
    void *at; /* double or float values */
    size_t n_bytes;
    bool is_float;
} cw_dm_edit;

/* The simulation that a task's functions read and write. */
struct cw_dm_sim {
    const cw_dm_task *task;
    cw_physics physics;
    cw_mt19937 rng;
    int id[CW_DM_MAX_IDS]; /* model indices, in slots named by each domain */
    cw_dm_edit edit[CW_DM_MAX_EDITS];
    int n_edits;
    char missing[64]; /* first name that the model lacks, "" if none */
};

extern const cw_dm_domain cw_dm_acrobot, cw_dm_ball_in_cup, cw_dm_cartpole, cw_dm_cheetah,
    cw_dm_finger, cw_dm_hopper, cw_dm_humanoid, cw_dm_pendulum, cw_dm_quadruped, cw_dm_reacher,
    cw_dm_walker;

/* For look_up: index of a named object; address in sensordata of a named sensor; declares n
 * values of model memory that the task edits. A missing name is recorded in sim->missing. */
int cw_dm_find(cw_dm_sim *sim, mjtObj type, const char *name);
int cw_dm_find_sensor(cw_dm_sim *sim, const char *name);
void cw_dm_edits(cw_dm_sim *sim, double *at, int n);
void cw_dm_edits_float(cw_dm_sim *sim, float *at, int n);

/* dm_control's random joint positions, in model order: limited hinges and slides uniform in their
 * range, unlimited hinges uniform in +-pi, free joints a quaternion of four uniform [0,1) numbers
 * normalised (its bias kept), the rest untouched. */
void cw_dm_randomize_joints(cw_dm_sim *sim);

/* Euclidean norm of n values, summed in order. */
double cw_dm_norm(const double *v, int n);

/* Elements of a body's rotation matrix (world from body, row-major). */
enum { CW_XX = 0, CW_XZ = 2, CW_ZX = 6, CW_ZY = 7, CW_ZZ = 8 };
static inline double cw_dm_xmat(const cw_dm_sim *sim, int body, int element) {
    return sim->physics.data->xmat[9 * body + element];
}

/* Copies n values and returns the place after them; observations are written with it. */
double *cw_dm_put(double *out, const double *values, int n);

#endif
