#include "env/agent_env.h"

#include "base/error.h"

#include <math.h>

cw_status cw_agent_env_init(cw_agent_env *out, cw_env *env, int action_repeat) {
    const cw_env_spec *spec = &env->spec;
    if (action_repeat < 1)
        return cw_fail(CW_EINVAL, "action_repeat is %d; it must be 1 or more", action_repeat);
    if (spec->action_dim < 1 || spec->action_dim > CW_MAX_ACTION_DIM)
        return cw_fail(CW_EINVAL, "the environment's action_dim is %d; it must be 1 to %d",
                       spec->action_dim, CW_MAX_ACTION_DIM);
    if (spec->step_limit < 1)
        return cw_fail(CW_EINVAL, "the environment's step_limit is %d; it must be 1 or more",
                       spec->step_limit);
    for (int i = 0; i < spec->action_dim; i++)
        if (!(spec->action_min[i] < spec->action_max[i]) || !isfinite(spec->action_min[i]) ||
            !isfinite(spec->action_max[i]))
            return cw_fail(CW_EINVAL,
                           "the environment's bounds of action %d are %g and %g; they must be "
                           "finite and in rising order",
                           i, spec->action_min[i], spec->action_max[i]);
    out->env = *env;
    out->action_repeat = action_repeat;
    out->episode_control_steps = 0;
    env->vtable = NULL;
    env->self = NULL;
    return CW_OK;
}

void cw_agent_env_deinit(cw_agent_env *env) {
    if (env->env.vtable) env->env.vtable->destroy(env->env.self);
    env->env.vtable = NULL;
    env->env.self = NULL;
}

cw_status cw_agent_env_reset(cw_agent_env *env, uint8_t *frame) {
    CW_TRY(env->env.vtable->reset(env->env.self));
    env->episode_control_steps = 0;
    return env->env.vtable->render(env->env.self, frame);
}

/* dmc2gym's arithmetic: bounds and their difference in f32, the rest in f64, the result in f32. */
cw_status cw_agent_env_bounds(const cw_agent_env *env, const float *action, double *out) {
    const cw_env_spec *spec = &env->env.spec;
    for (int i = 0; i < spec->action_dim; i++) {
        if (!(action[i] >= -1.0f && action[i] <= 1.0f))
            return cw_fail(CW_EINVAL, "action %d is %g; it must be -1 to 1", i, (double)action[i]);
        float low = (float)spec->action_min[i], high = (float)spec->action_max[i];
        float range = high - low;
        double scaled = ((double)action[i] + 1.0) / 2.0 * (double)range + (double)low;
        out[i] = (double)(float)scaled;
    }
    return CW_OK;
}

cw_status cw_agent_env_step(cw_agent_env *env, const float *action, cw_timestep *out,
                            uint8_t *frame) {
    const cw_env *inner = &env->env;
    double scaled[CW_MAX_ACTION_DIM];
    CW_TRY(cw_agent_env_bounds(env, action, scaled));
    cw_timestep total = {.reward = 0.0, .discount = 1.0, .last = false, .frames = 0};
    while (total.frames < env->action_repeat && !total.last) {
        cw_env_step step;
        CW_TRY(inner->vtable->step(inner->self, scaled, &step));
        total.frames++;
        total.reward += step.reward;
        total.discount = step.discount;
        total.last = step.last;
    }
    env->episode_control_steps += total.frames;
    CW_TRY(inner->vtable->render(inner->self, frame));
    *out = total;
    return CW_OK;
}

int cw_agent_env_episode_steps(const cw_agent_env *env) {
    return (env->env.spec.step_limit - 1) / env->action_repeat + 1;
}
