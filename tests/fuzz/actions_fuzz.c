/* The action file of a rollout, on toy: refused by name, or played to its end. In memory; now and
 * then as a file, and then the file that is written can be read and has a reward for each action.
 */
#include "env/suite.h"
#include "fuzz.h"
#include "train/rollout.h"

#include <curlew/run.h>

#include <math.h>
#include <string.h>

static void play(const cw_env *env, const cw_tensor *actions) {
    const double *action = actions->data;
    REQUIRE(actions->dtype == CW_F64 && actions->ndim == 2 && actions->shape[1] == 2);
    REQUIRE(actions->shape[0] <= env->spec.step_limit);
    REQUIRE(env->vtable->reset(env->self) == CW_OK);
    for (int64_t i = 0; i < actions->shape[0]; i++) {
        cw_env_step step;
        REQUIRE(isfinite(action[2 * i]) && isfinite(action[2 * i + 1]));
        REQUIRE(env->vtable->step(env->self, action + 2 * i, &step) == CW_OK);
        REQUIRE(isfinite(step.reward));
    }
}

/* As a file; `actions` is NULL when it must be refused. */
static void as_file(const uint8_t *bytes, size_t n, const cw_tensor *actions) {
    const char *in = fuzz_path("actions"), *out = fuzz_path("out");
    fuzz_put(in, bytes, n);
    cw_status status = cw_rollout("toy", 1, in, out, NULL, 0, "auto");
    REQUIRE((status == CW_OK) == (actions != NULL));
    if (status != CW_OK) {
        fuzz_require_message(status);
        return;
    }
    cw_safetensors *result;
    REQUIRE(cw_safetensors_open(&result, out, 1 << 20) == CW_OK);
    const cw_tensor *rewards = cw_safetensors_find(result, "rewards");
    REQUIRE(rewards != NULL && rewards->ndim == 1 && rewards->shape[0] == actions->shape[0]);
    cw_safetensors_close(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static cw_env env;
    if (env.vtable == NULL) {
        const cw_task *task;
        const cw_env_options options = {.seed = 1, .image_size = 0, .camera = -1};
        REQUIRE(cw_task_find("toy", &task) == CW_OK);
        REQUIRE(cw_env_create(task, &options, &env) == CW_OK);
    }
    cw_safetensors *file = NULL;
    const cw_tensor *actions = NULL;
    cw_status status = cw_safetensors_parse(&file, bytes, n);
    if (status == CW_OK) status = cw_rollout_actions(file, &env.spec, &actions);
    if (status == CW_OK) {
        play(&env, actions);
    } else {
        fuzz_require_message(status);
    }
    if (fuzz_one_in(256, bytes, n)) as_file(bytes, n, actions);
    cw_safetensors_close(file);
    return 0;
}
