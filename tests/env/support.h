/* What the environment tests share. */
#ifndef CW_TESTS_ENV_SUPPORT_H
#define CW_TESTS_ENV_SUPPORT_H

#include "env/mt19937.h"
#include "env/suite.h"

/* An environment of task `name` with its own camera and any renderer; the test fails with the error
 * when there is none. */
cw_env make_env(const char *name, uint32_t seed, int image_size);

void destroy_env(cw_env *env);

/* Resets, and steps with the given action; the test fails with the error. */
void reset_env(cw_env *env);
cw_env_step step_env(cw_env *env, const double *action);

/* One action, uniform in the environment's bounds. */
void random_action(const cw_env *env, cw_mt19937 *rng, double *out);

/* A path under the test's own temporary folder, made when it is first asked for. */
const char *scratch_path(const char *name);

/* Fails unless the last error's text contains `part`. */
void assert_error_has(const char *part);

#endif
