#include "env/support.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cw_env make_env(const char *name, uint32_t seed, int image_size) {
    const cw_task *task;
    cw_env env = {0};
    cw_env_options options = {
        .seed = seed, .image_size = image_size, .camera = -1, .renderer = CW_RENDERER_AUTO};
    if (cw_task_find(name, &task) != CW_OK || cw_env_create(task, &options, &env) != CW_OK)
        fail_msg("%s", cw_last_error());
    return env;
}

void destroy_env(cw_env *env) {
    env->vtable->destroy(env->self);
}

void reset_env(cw_env *env) {
    if (env->vtable->reset(env->self) != CW_OK) fail_msg("%s", cw_last_error());
}

cw_env_step step_env(cw_env *env, const double *action) {
    cw_env_step step;
    if (env->vtable->step(env->self, action, &step) != CW_OK) fail_msg("%s", cw_last_error());
    return step;
}

void random_action(const cw_env *env, cw_mt19937 *rng, double *out) {
    for (int i = 0; i < env->spec.action_dim; i++)
        out[i] = cw_mt19937_uniform(rng, env->spec.action_min[i], env->spec.action_max[i]);
}

const char *scratch_path(const char *name) {
    static char folder[64], path[256];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/curlew-env-XXXXXX");
        if (!mkdtemp(folder)) fail_msg("cannot make %s", folder);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void assert_error_has(const char *part) {
    if (!strstr(cw_last_error(), part))
        fail_msg("the error is \"%s\", without \"%s\"", cw_last_error(), part);
}

bool numbers_are_exact(void) {
#if defined(__x86_64__) && defined(__GLIBC__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

bool pixels_are_exact(const cw_env *env) {
    char renderer[256];
    assert_int_equal(cw_env_renderer_describe(env, renderer, sizeof renderer), CW_OK);
    return numbers_are_exact() && strstr(renderer, "llvmpipe") &&
           (strstr(renderer, "Mesa 22.3") || strstr(renderer, "Mesa 25.0"));
}
