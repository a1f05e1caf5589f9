/* A MuJoCo model with its state, stepped and reset in dm_control's order of calls. Functions that
 * call into MuJoCo are to be called inside cw_mujoco_guard. */
#ifndef CW_ENV_DMCONTROL_PHYSICS_H
#define CW_ENV_DMCONTROL_PHYSICS_H

#include <curlew/status.h>

#include <mujoco/mujoco.h>

typedef struct cw_physics {
    mjModel *model; /* owned */
    mjData *data;   /* owned */
    int substeps;   /* physics steps per control step */
} cw_physics;

/* Edits a parsed model before it is compiled. */
typedef cw_status (*cw_spec_edit)(mjSpec *spec, double parameter);

/* Loads the model file, edited by `edit` (NULL: as it is). Guards itself. CW_ENOTFOUND names a
 * file that cannot be read and says how to get it; CW_EENV what MuJoCo found wrong with it. */
cw_status cw_physics_load(cw_physics *out, const char *path, int substeps, cw_spec_edit edit,
                          double edit_parameter);
void cw_physics_free(cw_physics *physics);

/* One mj_forward with the actuators switched off, as dm_control does while it resets. */
void cw_physics_forward_unactuated(cw_physics *physics);

/* mj_resetData and the forward pass above. */
void cw_physics_reset(cw_physics *physics);

/* n physics steps with the present controls, in dm_control's "legacy" order: the positions' and
 * velocities' part of the forward pass is done at the end, for the state that the caller sees. */
void cw_physics_step(cw_physics *physics, int n);

/* Warnings counted in the data so far (diverged state, full contact buffer, ...). */
int cw_physics_warnings(const cw_physics *physics);

#endif
