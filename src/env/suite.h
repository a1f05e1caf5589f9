/* The tasks that curlew brings: the DeepMind Control Suite and `toy`. */
#ifndef CW_ENV_SUITE_H
#define CW_ENV_SUITE_H

#include "config/settings.h"

#include <curlew/env.h>

/* One row per task. */
typedef struct cw_task {
    const char *name;    /* "cartpole-swingup": domain-task in the suite's words */
    int action_repeat;   /* of the published CURL protocol; 2 where it has none */
    int camera;          /* camera that pixel agents use */
    const char *summary; /* one line */
} cw_task;

/* All tasks, *n rows, suite order. */
const cw_task *cw_tasks(int *n);

/* Row of a name; hyphens and underscores are interchangeable. CW_ENOTFOUND names the nearest. */
cw_status cw_task_find(const char *name, const cw_task **out);

typedef struct cw_env_options {
    uint32_t seed;  /* dm_control's task_kwargs={'random': seed} */
    int image_size; /* pixels, height and width; 0: the environment never renders */
    int camera;     /* -1 = the task's own */
    cw_renderer renderer;
} cw_env_options;

/* Creates a task's environment; destroyed through its vtable. May be created in one thread and
 * then used in one other thread: GL contexts are bound on use. */
cw_status cw_env_create(const cw_task *task, const cw_env_options *options, cw_env *out);

/* Observation vector of the current state (dm_control's order), for `rollout` and tests. */
cw_status cw_env_observation_size(const cw_env *env, int *n);
cw_status cw_env_observation(const cw_env *env, double *out);

/* qpos (nq) and qvel (nv) of a simulated environment; CW_EUNSUPPORTED for toy. */
cw_status cw_env_state_sizes(const cw_env *env, int *nq, int *nv);
cw_status cw_env_qpos_qvel(const cw_env *env, double *qpos, double *qvel);

/* Which renderer a rendering environment uses, one line ("EGL device 0, llvmpipe ..."). */
cw_status cw_env_renderer_describe(const cw_env *env, char *out, size_t out_bytes);

#endif
