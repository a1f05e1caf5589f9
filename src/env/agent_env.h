/* The published pixel protocol around an environment: action in [-1,1] scaled to the bounds,
 * action repeat with summed rewards, one frame per agent step. Frame stacking is the replay's work
 * (and cw_stack's for acting): each frame is stored once. */
#ifndef CW_ENV_AGENT_ENV_H
#define CW_ENV_AGENT_ENV_H

#include "data/batch.h"

#include <curlew/env.h>

typedef struct cw_agent_env {
    cw_env env; /* owned */
    int action_repeat;
    int episode_control_steps; /* control steps since reset */
} cw_agent_env;

/* Takes ownership of *env. */
cw_status cw_agent_env_init(cw_agent_env *out, cw_env *env, int action_repeat);
void cw_agent_env_deinit(cw_agent_env *env);

/* Starts an episode and renders its first frame into `frame`. */
cw_status cw_agent_env_reset(cw_agent_env *env, uint8_t *frame);

/* `action` (A) in [-1, 1], mapped affinely to the environment's bounds and rounded to f32 as
 * dmc2gym does, in out (A). CW_EINVAL when it is outside. */
cw_status cw_agent_env_bounds(const cw_agent_env *env, const float *action, double *out);

/* One agent step: `action` (A) in [-1,1], mapped affinely to the bounds and rounded to f32 as
 * dmc2gym does; repeats it, stopping early at the episode's end; renders the last state. */
cw_status cw_agent_env_step(cw_agent_env *env, const float *action, cw_timestep *out,
                            uint8_t *frame);

/* Agent steps of a full episode: ceil(step_limit / action_repeat). */
int cw_agent_env_episode_steps(const cw_agent_env *env);

#endif
