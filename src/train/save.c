/* Checkpoints of a run: what goes in, and the thread that writes it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "config/config.h"
#include "env/suite.h"
#include "train/machine.h"
#include "train/saving.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define BEST_NAME  "best.safetensors"
#define COPY_GRAIN (1 << 20) /* bytes that are worth a thread */

cw_status cw_run_best_path(const char *run, char out[CW_PATH]) {
    return cw_folder_path(out, run, BEST_NAME);
}

/* ---------------------------------------------------------------- memory */

/* What does not fit is cut. */
static void keep_warning(void *user, cw_log_level level, const char *line) {
    struct cw_saving *save = user;
    size_t used = strlen(save->warnings);
    (void)level;
    snprintf(save->warnings + used, sizeof save->warnings - used, "%s\n", line);
}

void cw_saving_tell_warnings(cw_trainer *trainer) {
    char *rest = trainer->save->warnings;
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        cw_trainer_line(trainer, "warning: %s", line);
    }
    trainer->save->warnings[0] = '\0';
}

void cw_run_about(const cw_backend *be, const cw_env *env, char *out, size_t out_bytes) {
    char machine[256], kernels[256], renderer[256];
    cw_machine_describe(machine, sizeof machine);
    if (cw_backend_describe(be, kernels, sizeof kernels) != CW_OK) kernels[0] = '\0';
    if (cw_env_renderer_describe(env, renderer, sizeof renderer) != CW_OK) {
        snprintf(renderer, sizeof renderer, "none");
    }
    snprintf(out, out_bytes, "curlew %s\nmachine %s\nkernels %s\nrenderer %s\n", cw_version(),
             machine, kernels, renderer);
}

static cw_status alloc_copies(cw_trainer *trainer, struct cw_saving *save) {
    const cw_env *env = &trainer->env.env;
    CW_TRY(cw_alloc(&save->weights, 1, sizeof *save->weights, "checkpoints"));
    CW_TRY(cw_weights_collect(save->weights, trainer->agent, true));
    for (int i = 0; i < save->weights->n; i++) {
        size_t bytes = cw_tensor_bytes(&save->weights->entry[i].tensor);
        save->values_bytes = cw_size_add(save->values_bytes, cw_size_add(bytes, CW_ALIGN));
    }
    save->env_bytes = env->vtable->state != NULL ? env->spec.state_bytes : 0;
    save->index_bytes = cw_replay_index_bytes(trainer->replay);
    save->example_bytes = cw_size_mul((size_t)trainer->view.stack, //
                                      cw_replay_frame_bytes(trainer->replay));
    CW_TRY(cw_alloc(&save->values, save->values_bytes, 1, "checkpoints (a copy of the agent)"));
    /* The pages come now: bringing them in takes longer than the copy, and would hold training up.
     */
    memset(save->values, 0xff, save->values_bytes);
    CW_TRY(cw_alloc(&save->env, save->env_bytes + 1, 1, "checkpoints"));
    CW_TRY(cw_alloc(&save->index, save->index_bytes, 1, "checkpoints"));
    return cw_alloc(&save->example, save->example_bytes, 1, "checkpoints");
}

cw_status cw_trainer_open_saving(cw_trainer *trainer) {
    struct cw_saving *save;
    char folder[CW_PATH];
    CW_TRY(cw_alloc(&save, 1, sizeof *save, "checkpoints"));
    trainer->save = save;
    save->trainer = trainer;
    CW_TRY(alloc_copies(trainer, save));
    CW_TRY(cw_settings_print(&trainer->settings, &save->config, &save->config_bytes));
    cw_run_about(trainer->be, &trainer->env.env, save->about, sizeof save->about);
    const cw_log log = {.fn = keep_warning, .user = save};
    CW_TRY(cw_folder_path(folder, trainer->settings.run.out, "checkpoint"));
    return cw_checkpoint_store_open(&save->store, folder, CW_CHECKPOINT_SEGMENT,
                                    trainer->settings.train.checkpoint_keep, &log);
}

size_t cw_trainer_saving_bytes(const cw_trainer *trainer) {
    const struct cw_saving *save = trainer->save;
    if (save == NULL) return 0;
    return cw_size_add(cw_size_add(save->values_bytes, save->index_bytes),
                       cw_size_add(save->env_bytes, save->example_bytes));
}

void cw_trainer_close_saving(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    if (save == NULL) return;
    if (save->running) pthread_join(save->thread, NULL);
    cw_checkpoint_store_close(save->store);
    cw_free(save->weights);
    cw_free(save->values);
    cw_free(save->env);
    cw_free(save->index);
    cw_free(save->example);
    cw_free(save->config);
    cw_free(save);
    trainer->save = NULL;
}

/* ---------------------------------------------------------------- the copy */

typedef struct copy_job {
    unsigned char *to;
    const unsigned char *from;
} copy_job;

static void copy_range(void *context, int64_t begin, int64_t end) {
    const copy_job *job = context;
    memcpy(job->to + begin, job->from + begin, (size_t)(end - begin));
}

static cw_status copy_weights(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    cw_arena arena = {.base = save->values, .size = save->values_bytes};
    cw_weights *weights = save->weights;
    weights->n = weights->n_meta = 0;
    CW_TRY(cw_weights_collect(weights, trainer->agent, true));
    for (int i = 0; i < weights->n; i++) {
        cw_tensor *tensor = &weights->entry[i].tensor;
        size_t bytes = cw_tensor_bytes(tensor);
        copy_job job = {.to = cw_arena_take(&arena, bytes, 1), .from = tensor->data};
        cw_parallel_for((int64_t)bytes, COPY_GRAIN, copy_range, &job);
        tensor->data = job.to;
    }
    return CW_OK;
}

/* An input with its output, by which another machine can tell whether it rounds the same. */
static cw_status copy_example(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    save->example_used = 0;
    if (cw_replay_frames(trainer->replay) == 0) return CW_OK;
    size_t bytes = cw_replay_frame_bytes(trainer->replay);
    CW_TRY(cw_replay_latest_stack(trainer->replay, trainer->stack));
    for (int k = 0; k < trainer->view.stack; k++) {
        memcpy(save->example + (size_t)k * bytes, trainer->stack[k], bytes);
    }
    int32_t offset = cw_view_offset(&trainer->view);
    cw_image_batch images = cw_view_batch(&trainer->view, trainer->stack, &offset);
    CW_TRY(cw_actor_act(trainer->actor, &images, NULL, save->action));
    save->example_used = save->example_bytes;
    return CW_OK;
}

static cw_status copy_run(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    cw_run_state *state = &trainer->state;
    cw_env *env = &trainer->env.env;
    state->wall_s = cw_trainer_wall_s(trainer);
    cw_trainer_times(trainer, state->time_s);
    state->episode_control_steps = trainer->env.episode_control_steps;
    if (trainer->events != NULL) state->event_bytes = cw_tfevents_bytes(trainer->events);
    save->state = *state;
    save->env_used = save->env_bytes;
    if (save->env_bytes > 0) {
        CW_TRY(env->vtable->state(env->self, save->env, &save->env_used, false));
    }
    cw_replay_index_save(trainer->replay, save->index);
    save->frames = cw_replay_span_of(trainer->replay);
    save->first_needed = cw_checkpoint_first_unsaved(save->store, &save->frames);
    save->publish = trainer->settings.train.checkpoint_best && state->best_at == state->frames;
    CW_TRY(copy_weights(trainer));
    return copy_example(trainer);
}

/* ---------------------------------------------------------------- the thread */

/* A diverged agent must not take the place of a good one. */
static cw_status check_finite(const struct cw_saving *save) {
    for (int i = 0; i < save->weights->n; i++) {
        const cw_safetensors_entry *entry = &save->weights->entry[i];
        if (cw_tensor_finite(&entry->tensor)) continue;
        return cw_fail(CW_EDIVERGED,
                       "update %lld: %s is not finite; the checkpoint before it is kept",
                       (long long)save->state.updates - 1, entry->name);
    }
    return CW_OK;
}

static cw_status write_checkpoint(struct cw_saving *save) {
    const cw_trainer *trainer = save->trainer;
    size_t output = save->example_used > 0
                        ? (size_t)trainer->env.env.spec.action_dim * sizeof *save->action
                        : 0;
    const cw_checkpoint_blob blobs[] = {
        {CW_BLOB_STATE, &save->state, sizeof save->state},
        {CW_BLOB_ENV, save->env, save->env_used},
        {CW_BLOB_REPLAY, save->index, save->index_bytes},
        {CW_BLOB_ABOUT, save->about, strlen(save->about)},
        {CW_BLOB_CONFIG, save->config, save->config_bytes},
        {CW_BLOB_EXAMPLE_INPUT, save->example, save->example_used},
        {CW_BLOB_EXAMPLE_OUTPUT, save->action, output},
    };
    const cw_checkpoint_parts parts = {.entries = save->weights->entry,
                                       .n_entries = save->weights->n,
                                       .meta = save->weights->meta,
                                       .n_meta = save->weights->n_meta,
                                       .blobs = blobs,
                                       .n_blobs = (int)(sizeof blobs / sizeof *blobs),
                                       .frames = &save->frames};
    CW_TRY(check_finite(save));
    CW_TRY(cw_trainer_sync_logs(trainer));
    CW_TRY(cw_checkpoint_save(save->store, &parts, &save->stats));
    if (!save->publish) return CW_OK;
    char best[CW_PATH];
    CW_TRY(cw_run_best_path(trainer->settings.run.out, best));
    return cw_checkpoint_publish(save->store, best);
}

/* Processor time of this thread. */
static double core_s(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *save_main(void *context) {
    struct cw_saving *save = context;
    double from = cw_clock_s(), core_from = core_s();
    save->status = write_checkpoint(save);
    if (save->status != CW_OK) snprintf(save->error, sizeof save->error, "%s", cw_last_error());
    save->seconds = cw_clock_s() - from;
    save->core_seconds = core_s() - core_from;
    atomic_store(&save->done, true);
    return NULL;
}

/* Waits for the thread and tells what came of it. */
static cw_status finish_save(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    if (!save->running) return CW_OK;
    double from = cw_clock_s();
    pthread_join(save->thread, NULL);
    save->running = false;
    double waited = cw_clock_s() - from;
    trainer->seconds[CW_RUN_CHECKPOINT] += waited;
    cw_saving_tell_warnings(trainer);
    if (save->status != CW_OK) return cw_fail(save->status, "%s", save->error);
    cw_trainer_line(
        trainer,
        "checkpoint at %lld frames: %.1f MB in %.2f s (%.2f s of a core), training waited %.2f s%s",
        (long long)save->state.frames, (double)save->stats.bytes_written * 1e-6, save->seconds,
        save->core_seconds, save->held_s + waited, save->publish ? ", the best so far" : "");
    return CW_OK;
}

cw_status cw_trainer_tend_save(cw_trainer *trainer) {
    const struct cw_saving *save = trainer->save;
    if (!save->running) return CW_OK;
    bool in_the_way = cw_replay_oldest_frame(trainer->replay) > save->first_needed;
    return in_the_way || atomic_load(&save->done) ? finish_save(trainer) : CW_OK;
}

bool cw_trainer_is_saving(const cw_trainer *trainer) {
    return trainer->save->running;
}

cw_status cw_trainer_wait_for_save(cw_trainer *trainer) {
    return finish_save(trainer);
}

cw_status cw_trainer_save(cw_trainer *trainer) {
    struct cw_saving *save = trainer->save;
    CW_TRY(finish_save(trainer));
    double from = cw_clock_s();
    cw_trainer_progress(trainer, "checkpoint", true);
    CW_TRY(copy_run(trainer));
    atomic_store(&save->done, false);
    int error = pthread_create(&save->thread, NULL, save_main, save);
    if (error != 0) {
        return cw_fail(CW_ENOMEM, "cannot start the thread that writes a checkpoint: %s",
                       strerror(error));
    }
    save->running = true;
    save->held_s = cw_clock_s() - from;
    trainer->seconds[CW_RUN_CHECKPOINT] += save->held_s;
    return CW_OK;
}
