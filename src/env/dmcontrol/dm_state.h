/* Saving and restoring a simulation so that it goes on bit for bit: the integrator's state, the
 * sensors of the last step, the task's edits to the model and the random numbers. The bytes are for
 * the machine type and model files that made them. */
#ifndef CW_ENV_DMCONTROL_DM_STATE_H
#define CW_ENV_DMCONTROL_DM_STATE_H

#include "env/dmcontrol/domain.h"

#include <stdint.h>

typedef struct cw_dm_progress {
    int32_t started; /* 1 after the first reset */
    int32_t steps;   /* control steps since the last reset */
} cw_dm_progress;

/* Bytes that a save writes. */
size_t cw_dm_state_bytes(const cw_dm_sim *sim);

/* *n_bytes: size of buffer in, bytes used out; scratch holds mjSTATE_INTEGRATION. A buffer of
 * another task, model or version, or with numbers that no save has, is CW_EFORMAT and changes
 * nothing; one that MuJoCo cannot go on from is CW_EFORMAT too, or CW_EENV. */
cw_status cw_dm_state_save(const cw_dm_sim *sim, const cw_dm_progress *progress, double *scratch,
                           void *buffer, size_t *n_bytes);
cw_status cw_dm_state_load(cw_dm_sim *sim, cw_dm_progress *progress, double *scratch,
                           const void *buffer, size_t *n_bytes);

#endif
