/* A replay full of made-up frames, as large and shaped as a run's. */
#ifndef CW_BENCH_SYNTHETIC_H
#define CW_BENCH_SYNTHETIC_H

#include "config/settings.h"
#include "replay/replay.h"

#include <curlew/env.h>

/* What an environment with the configured image size and `action_dim` actions would say of itself:
 * RGB frames, 1000 control steps an episode. */
cw_env_spec cw_synthetic_env(const cw_settings *settings, int action_dim);

/* A replay for `settings` that holds `transitions` of them; *commit_s (may be NULL) receives the
 * seconds that one commit took, its frame's bytes included. */
cw_status cw_synthetic_replay(cw_replay **out, const cw_replay_desc *desc, double *commit_s);

#endif
