/* Checkpoints of a run: what goes in, and how it comes back. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/trainer.h"
#include "train/weights.h"

#include <string.h>

#define FOLDER "checkpoint"

static void log_line(void *user, cw_log_level level, const char *line) {
    cw_trainer_line(user, "%s%s", level == CW_LOG_WARN ? "warning: " : "", line);
}

static cw_status open_store(cw_checkpoint_store **out, const char *run, const cw_log *log) {
    char folder[CW_PATH];
    CW_TRY(cw_folder_path(folder, run, FOLDER));
    return cw_checkpoint_store_open(out, folder, CW_CHECKPOINT_SEGMENT, log);
}

/* Memory for the parts that are saved as bytes, made once. */
static cw_status open_buffers(cw_trainer *trainer) {
    const cw_env *env = &trainer->env.env;
    trainer->save.env_bytes = env->vtable->state != NULL ? env->spec.state_bytes : 0;
    trainer->save.index_bytes = cw_replay_index_bytes(trainer->replay);
    CW_TRY(cw_alloc(&trainer->save.weights, 1, sizeof(cw_weights), "checkpoints"));
    CW_TRY(cw_alloc(&trainer->save.env, trainer->save.env_bytes + 1, 1, "checkpoints"));
    return cw_alloc(&trainer->save.index, trainer->save.index_bytes, 1, "checkpoints");
}

void cw_trainer_close_saving(cw_trainer *trainer) {
    cw_checkpoint_store_close(trainer->save.store);
    cw_free(trainer->save.weights);
    cw_free(trainer->save.env);
    cw_free(trainer->save.index);
}

static cw_status save_parts(cw_trainer *trainer, cw_checkpoint_stats *stats) {
    cw_run_state *state = &trainer->state;
    state->wall_s = cw_trainer_wall_s(trainer);
    cw_trainer_times(trainer, state->time_s);
    state->episode_control_steps = trainer->env.episode_control_steps;
    cw_env *env = &trainer->env.env;
    size_t env_bytes = trainer->save.env_bytes;
    if (env_bytes > 0) {
        CW_TRY(env->vtable->state(env->self, trainer->save.env, &env_bytes, false));
    }
    cw_replay_index_save(trainer->replay, trainer->save.index);
    cw_weights *weights = trainer->save.weights;
    weights->n = weights->n_meta = 0;
    CW_TRY(cw_weights_collect(weights, trainer->agent, true));
    const cw_checkpoint_blob blobs[] = {
        {"state", state, sizeof *state},
        {"env", trainer->save.env, env_bytes},
        {"replay", trainer->save.index, trainer->save.index_bytes},
    };
    const cw_checkpoint_parts parts = {.entries = weights->entry,
                                       .n_entries = weights->n,
                                       .meta = weights->meta,
                                       .n_meta = weights->n_meta,
                                       .blobs = blobs,
                                       .n_blobs = (int)(sizeof blobs / sizeof *blobs),
                                       .replay = trainer->replay};
    return cw_checkpoint_save(trainer->save.store, &parts, stats);
}

cw_status cw_trainer_save(cw_trainer *trainer) {
    double from = cw_clock_s();
    cw_trainer_progress(trainer, "checkpoint", true);
    CW_TRY(cw_csv_sync(trainer->metrics));
    CW_TRY(cw_csv_sync(trainer->evals));
    CW_TRY(cw_csv_sync(trainer->timing));
    cw_checkpoint_stats stats;
    CW_TRY(save_parts(trainer, &stats));
    double seconds = cw_clock_s() - from;
    trainer->seconds[CW_RUN_CHECKPOINT] += seconds;
    cw_trainer_line(trainer, "checkpoint at %lld frames: %.1f MB, %.2f s",
                    (long long)trainer->state.frames, (double)stats.bytes_written * 1e-6, seconds);
    return CW_OK;
}

static cw_status restore_parts(cw_trainer *trainer, const cw_checkpoint *checkpoint) {
    const void *bytes;
    size_t n;
    CW_TRY(cw_checkpoint_blob_find(checkpoint, "state", &bytes, &n));
    if (n != sizeof trainer->state) {
        return cw_fail(CW_EFORMAT, "the checkpoint was written by another version of curlew");
    }
    memcpy(&trainer->state, bytes, n);
    CW_TRY(cw_weights_load(trainer->agent, cw_checkpoint_weights(checkpoint)));
    CW_TRY(cw_checkpoint_blob_find(checkpoint, "replay", &bytes, &n));
    CW_TRY(cw_replay_index_load(trainer->replay, bytes, n));
    CW_TRY(cw_checkpoint_read_frames(checkpoint, trainer->replay));
    CW_TRY(cw_checkpoint_blob_find(checkpoint, "env", &bytes, &n));
    if (n == 0) {
        cw_trainer_line(trainer, "warning: this environment cannot be saved; the run goes on with "
                                 "a new episode and will differ from an uninterrupted one");
        trainer->state.in_episode = 0;
        return CW_OK;
    }
    if (n > trainer->save.env_bytes) {
        return cw_fail(CW_EFORMAT,
                       "the checkpoint's environment state has %zu bytes, more than "
                       "the %zu of this environment",
                       n, trainer->save.env_bytes);
    }
    memcpy(trainer->save.env, bytes, n);
    cw_env *env = &trainer->env.env;
    CW_TRY(env->vtable->state(env->self, trainer->save.env, &n, true));
    trainer->env.episode_control_steps = (int)trainer->state.episode_control_steps;
    return CW_OK;
}

cw_status cw_trainer_restore(cw_trainer *trainer, bool *found) {
    trainer->save.log = (cw_log){.fn = log_line, .user = trainer};
    CW_TRY(open_buffers(trainer));
    CW_TRY(open_store(&trainer->save.store, trainer->settings.run.out, &trainer->save.log));
    cw_checkpoint *checkpoint;
    cw_status status = cw_checkpoint_load(trainer->save.store, true, &checkpoint);
    *found = status == CW_OK;
    if (status == CW_ENOTFOUND) return CW_OK;
    CW_TRY(status);
    status = restore_parts(trainer, checkpoint);
    cw_checkpoint_free(checkpoint);
    return status;
}

cw_status cw_run_load_agent(const char *run, cw_agent *agent) {
    cw_checkpoint_store *store;
    CW_TRY(open_store(&store, run, NULL));
    cw_checkpoint *checkpoint;
    cw_status status = cw_checkpoint_load(store, false, &checkpoint);
    if (status == CW_ENOTFOUND) {
        status = cw_fail(status, "%s has no checkpoint yet; train it further first", run);
    }
    if (status == CW_OK) {
        status = cw_weights_load(agent, cw_checkpoint_weights(checkpoint));
        cw_checkpoint_free(checkpoint);
    }
    cw_checkpoint_store_close(store);
    return status;
}
