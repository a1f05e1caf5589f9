/* Checkpoints of a run: how it comes back. */
#include "base/error.h"
#include "base/memory.h"
#include "train/saving.h"

#include <math.h>
#include <string.h>

#define WEIGHTS_FILE_MAX ((uint64_t)1 << 40) /* bytes */

static cw_status restore_state(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    const void *bytes;
    size_t n;
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_STATE, &bytes, &n));
    if (n != sizeof trainer->state) {
        return cw_fail(CW_EFORMAT, "the checkpoint was written by another version of curlew");
    }
    memcpy(&trainer->state, bytes, n);
    return cw_run_state_check(&trainer->state);
}

static cw_status restore_env(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    struct cw_saving *save = trainer->save;
    const void *bytes;
    size_t n;
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_ENV, &bytes, &n));
    if (n == 0) {
        cw_trainer_line(trainer, "warning: this environment cannot be saved; the run goes on with "
                                 "a new episode and will differ from an uninterrupted one");
        trainer->state.in_episode = 0;
        return CW_OK;
    }
    if (n > save->env_bytes) {
        return cw_fail(CW_EFORMAT,
                       "the checkpoint's environment state has %zu bytes, more than "
                       "the %zu of this environment",
                       n, save->env_bytes);
    }
    memcpy(save->env, bytes, n);
    cw_env *env = &trainer->env.env;
    CW_TRY(env->vtable->state(env->self, save->env, &n, true));
    trainer->env.episode_control_steps = (int)trainer->state.episode_control_steps;
    return CW_OK;
}

/* ---------------------------------------------------------------- another machine */

/* The next line of a text of n bytes, without its newline; false at the end. */
static bool next_line(const char **at, size_t *n, const char **line, int *length) {
    const char *end = memchr(*at, '\n', *n);
    if (end == NULL) return false;
    *line = *at;
    *length = (int)(end - *at);
    *n -= (size_t)(end + 1 - *at);
    *at = end + 1;
    return true;
}

/* Names what has changed since the checkpoint was written: curlew, processor, kernels, renderer. */
static cw_status compare_about(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    const void *bytes;
    size_t n_then, n_now = strlen(trainer->save->about);
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_ABOUT, &bytes, &n_then));
    const char *then = bytes, *now = trainer->save->about, *a, *b;
    int n_a, n_b;
    while (next_line(&then, &n_then, &a, &n_a) && next_line(&now, &n_now, &b, &n_b)) {
        if (n_a == n_b && memcmp(a, b, (size_t)n_a) == 0) continue;
        cw_trainer_line(trainer, "warning: the checkpoint was written with %.*s; here is %.*s", n_a,
                        a, n_b, b);
    }
    return CW_OK;
}

/* Runs the checkpoint's example and tells when it comes out in other bits than where it was
 * written: then the run goes on, but not as it would have gone on there. */
static cw_status compare_example(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    const void *input, *output;
    size_t n_input, n_output;
    size_t dim = (size_t)trainer->env.env.spec.action_dim;
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_EXAMPLE_INPUT, &input, &n_input));
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_EXAMPLE_OUTPUT, &output, &n_output));
    if (n_input == 0) return CW_OK;
    if (n_input != trainer->save->example_bytes || n_output != dim * sizeof(float)) {
        return cw_fail(CW_EFORMAT, "the checkpoint's example has %zu bytes, and its output %zu",
                       n_input, n_output);
    }
    for (int k = 0; k < trainer->view.stack; k++) {
        trainer->stack[k] =
            (const uint8_t *)input + (size_t)k * cw_replay_frame_bytes(trainer->replay);
    }
    int32_t offset = cw_view_offset(&trainer->view);
    cw_image_batch images = cw_view_batch(&trainer->view, trainer->stack, &offset);
    float action[CW_MAX_ACTION_DIM], then[CW_MAX_ACTION_DIM];
    CW_TRY(cw_actor_act(trainer->actor, &images, NULL, action));
    memcpy(then, output, n_output);
    if (memcmp(action, then, n_output) == 0) return CW_OK;
    double worst = 0;
    for (size_t i = 0; i < dim; i++) worst = fmax(worst, fabs((double)action[i] - (double)then[i]));
    cw_trainer_line(trainer,
                    "warning: the checkpoint's example comes out different here (by up to %.2g): "
                    "the run goes on, but not bit for bit as where it was written",
                    worst);
    return CW_OK;
}

/* ---------------------------------------------------------------- the whole */

/* Into a replay that was just made: index and frames. */
static cw_status load_replay(const cw_checkpoint *checkpoint, cw_replay *replay) {
    const void *bytes;
    size_t n;
    CW_TRY(cw_checkpoint_blob_find(checkpoint, CW_BLOB_REPLAY, &bytes, &n));
    CW_TRY(cw_replay_index_load(replay, bytes, n));
    return cw_checkpoint_read_frames(checkpoint, replay);
}

static cw_status restore_parts(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    CW_TRY(restore_state(trainer, checkpoint));
    CW_TRY(cw_weights_load(trainer->agent, cw_checkpoint_weights(checkpoint)));
    CW_TRY(load_replay(checkpoint, trainer->replay));
    CW_TRY(restore_env(trainer, checkpoint));
    CW_TRY(compare_about(trainer, checkpoint));
    return compare_example(trainer, checkpoint);
}

cw_status cw_trainer_restore(cw_trainer *trainer, bool *found) {
    const cw_settings *settings = &trainer->settings;
    const struct cw_saving *save = trainer->save;
    cw_checkpoint *checkpoint;
    cw_status status = cw_checkpoint_load(save->store, true, &checkpoint);
    cw_saving_tell_warnings(trainer);
    *found = status == CW_OK;
    if (status == CW_ENOTFOUND) return CW_OK;
    CW_TRY(status);
    status = restore_parts(trainer, checkpoint);
    cw_checkpoint_free(checkpoint);
    CW_TRY(status);
    /* The run may have been killed between the checkpoint and its second name. */
    if (!settings->train.checkpoint_best || trainer->state.best_at != trainer->state.frames) {
        return CW_OK;
    }
    char best[CW_PATH];
    CW_TRY(cw_run_best_path(settings->run.out, best));
    return cw_checkpoint_publish(save->store, best);
}

cw_status cw_run_load_agent(const char *run, cw_agent *agent, cw_replay *replay) {
    char folder[CW_PATH];
    cw_checkpoint_store *store;
    CW_TRY(cw_folder_path(folder, run, "checkpoint"));
    CW_TRY(cw_checkpoint_store_open(&store, folder, CW_CHECKPOINT_SEGMENT, 1, NULL));
    cw_checkpoint *checkpoint;
    cw_status status = cw_checkpoint_load(store, replay != NULL, &checkpoint);
    if (status == CW_ENOTFOUND) {
        status = cw_fail(status, "%s has no checkpoint yet; train it further first", run);
    }
    if (status == CW_OK) {
        status = cw_weights_load(agent, cw_checkpoint_weights(checkpoint));
        if (status == CW_OK && replay != NULL) status = load_replay(checkpoint, replay);
        cw_checkpoint_free(checkpoint);
    }
    cw_checkpoint_store_close(store);
    return status;
}

cw_status cw_file_load_agent(const char *path, cw_agent *agent) {
    cw_safetensors *file;
    CW_TRY(cw_safetensors_open(&file, path, WEIGHTS_FILE_MAX));
    cw_status status = CW_OK;
    for (int i = 0; i < cw_safetensors_count(file) && status == CW_OK; i++) {
        const char *name = cw_safetensors_name(file, i);
        if (cw_weights_known(agent, name)) continue;
        status = cw_fail(CW_EFORMAT, "no parameter of this agent is called '%.80s'", name);
    }
    if (status == CW_OK) status = cw_weights_load(agent, file);
    cw_safetensors_close(file);
    return status == CW_OK ? CW_OK : cw_fail_in(status, "%s", path);
}
