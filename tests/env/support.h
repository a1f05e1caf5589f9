/* What the environment tests share. */
#ifndef CW_TESTS_ENV_SUPPORT_H
#define CW_TESTS_ENV_SUPPORT_H

#include "env/mt19937.h"
#include "env/suite.h"

#include <stdbool.h>

/* An environment of task `name` with its own camera and any renderer; the test fails with the error
 * when there is none. */
cw_env make_env(const char *name, uint32_t seed, int image_size);

void destroy_env(cw_env *env);

/* Resets, and steps with the given action; the test fails with the error. */
void reset_env(cw_env *env);
cw_env_step step_env(cw_env *env, const double *action);

/* Whether dm_control's numbers are met to the last bit here: on x86-64 with FMA (glibc picks other
 * code for sin, exp, ... without); elsewhere a single step may differ in last bits. */
bool numbers_are_exact(void);

/* Whether `env` draws dm_control's frames to the byte: llvmpipe of Debian 12, which drew the
 * recordings, and of Debian 13 do. */
bool pixels_are_exact(const cw_env *env);

/* One action, uniform in the environment's bounds. */
void random_action(const cw_env *env, cw_mt19937 *rng, double *out);

/* A path under the test's own temporary folder, made when it is first asked for. */
const char *scratch_path(const char *name);

/* Fails unless the last error's text contains `part`. */
void assert_error_has(const char *part);

#endif
