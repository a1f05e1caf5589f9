/* The control suite's tasks as environments. */
#ifndef CW_ENV_DMCONTROL_DM_ENV_H
#define CW_ENV_DMCONTROL_DM_ENV_H

#include "config/settings.h"

#include <curlew/env.h>

#define CW_DM_STEP_LIMIT 1000 /* control steps per episode, every task */

struct cw_dm_sim;

/* Creates task `name`; image_size 0: without a renderer. */
cw_status cw_dm_env_create(const char *name, uint32_t seed, int image_size, int camera,
                           cw_renderer renderer, cw_env *out);

bool cw_dm_env_is(const cw_env *env);

/* For environments of which cw_dm_env_is holds; as the functions of suite.h. */
int cw_dm_env_observation_size(const cw_env *env);
cw_status cw_dm_env_observation(const cw_env *env, double *out);
void cw_dm_env_state_sizes(const cw_env *env, int *nq, int *nv);
void cw_dm_env_qpos_qvel(const cw_env *env, double *qpos, double *qvel);
const char *cw_dm_env_renderer(const cw_env *env); /* NULL: it does not render */

/* The simulation inside, for tests that place states by hand. */
struct cw_dm_sim *cw_dm_env_sim(const cw_env *env);

#endif
