/* What a rollout reads, for rollout.c and the fuzz target. */
#ifndef CW_TRAIN_ROLLOUT_H
#define CW_TRAIN_ROLLOUT_H

#include "io/safetensors.h"

#include <curlew/env.h>
#include <curlew/status.h>

/* The actions of a rollout's file: a view, f64 of shape (steps, action_dim), finite, and no more
 * steps than an episode has. It lives as long as the file. Any thread. CW_EFORMAT. */
cw_status cw_rollout_actions(const cw_safetensors *file, const cw_env_spec *spec,
                             const cw_tensor **out);

#endif
