/* The training loop. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/resources.h"
#include "base/rng.h"
#include "config/config.h"
#include "env/suite.h"
#include "train/backend.h"
#include "train/config_api.h"
#include "train/machine.h"
#include "train/precision.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- set-up */

cw_status cw_task_factory_init(cw_task_factory *factory, const cw_settings *settings,
                               int *action_repeat) {
    CW_TRY(cw_task_find(settings->env.task, &factory->task));
    factory->camera = settings->env.camera;
    factory->renderer = settings->env.renderer;
    *action_repeat = settings->env.action_repeat > 0 ? settings->env.action_repeat
                                                     : factory->task->action_repeat;
    return CW_OK;
}

cw_status cw_task_factory_create(void *context, uint32_t seed, int image_size, cw_env *out) {
    const cw_task_factory *factory = context;
    cw_env_options options = {.seed = seed,
                              .image_size = image_size,
                              .camera = factory->camera,
                              .renderer = factory->renderer};
    return cw_env_create(factory->task, &options, out);
}

static int crop_side(const cw_settings *settings, int image) {
    return settings->augment.kind == CW_AUGMENT_CROP ? settings->augment.crop_size : image;
}

cw_agent_spec cw_agent_spec_of(const cw_settings *settings, const cw_env_spec *env) {
    int crop = crop_side(settings, env->frame_height);
    return (cw_agent_spec){.encoder = settings->encoder,
                           .actor = settings->actor,
                           .critic = settings->critic,
                           .sac = settings->sac,
                           .curl = settings->curl,
                           .update = settings->update,
                           .action_dim = env->action_dim,
                           .frame_stack = settings->env.frame_stack,
                           .frame_channels = env->frame_channels,
                           .crop_height = crop,
                           .crop_width = crop};
}

cw_view cw_view_of(const cw_settings *settings, const cw_env_spec *env) {
    return (cw_view){.stack = settings->env.frame_stack,
                     .frame = {env->frame_channels, env->frame_height, env->frame_width},
                     .crop = crop_side(settings, env->frame_height)};
}

cw_replay_desc cw_replay_desc_of(const cw_settings *settings, const cw_agent_env *env) {
    cw_view view = cw_view_of(settings, &env->env.spec);
    return (cw_replay_desc){.capacity = settings->replay.capacity,
                            .episode_steps = cw_agent_env_episode_steps(env),
                            .stack = settings->env.frame_stack,
                            .action_dim = env->env.spec.action_dim,
                            .frame = view.frame,
                            .batch_size = settings->update.batch_size,
                            .crop_size = view.crop,
                            .random_crop = settings->augment.kind == CW_AUGMENT_CROP,
                            .exclusive_crop = settings->augment.range == CW_CROP_EXCLUSIVE,
                            .include_latest = settings->curl.include_latest};
}

static cw_status open_env(cw_trainer *trainer) {
    const cw_settings *settings = &trainer->settings;
    cw_env bare;
    CW_TRY(trainer->create_env(trainer->env_user, (uint32_t)settings->run.seed,
                               settings->env.image_size, &bare));
    cw_status status = cw_agent_env_init(&trainer->env, &bare, trainer->action_repeat);
    if (status != CW_OK) {
        bare.vtable->destroy(bare.self);
        return status;
    }
    trainer->env_live = true;
    trainer->view = cw_view_of(settings, &trainer->env.env.spec);
    return cw_worker_create(&trainer->worker, &trainer->env);
}

static cw_status open_learner(cw_trainer *trainer) {
    const cw_settings *settings = &trainer->settings;
    cw_agent_spec spec = cw_agent_spec_of(settings, &trainer->env.env.spec);
    cw_convnet_desc convs = cw_agent_convs(&spec);
    CW_TRY(cw_precision_settle(&trainer->precision, settings, &convs, trainer->precision_line,
                               sizeof trainer->precision_line));
    CW_TRY(cw_backend_select(&trainer->be, "auto", trainer->precision, settings->run.threads));
    CW_TRY(cw_agent_create(&trainer->agent, trainer->be, &spec));
    CW_TRY(cw_actor_create(&trainer->actor, trainer->agent, 1));
    cw_replay_desc desc = cw_replay_desc_of(&trainer->settings, &trainer->env);
    CW_TRY(cw_trainer_check_memory(trainer)); /* before any is asked for */
    CW_TRY(cw_replay_create(&trainer->replay, &desc));
    CW_TRY(cw_trainer_open_saving(trainer));
    CW_TRY(cw_trainer_check_memory(trainer)); /* with what saving needs */
    return cw_alloc(&trainer->stack, (size_t)settings->env.frame_stack, sizeof *trainer->stack,
                    "the newest stack");
}

static void init_state(cw_trainer *trainer) {
    trainer->state = (cw_run_state){.next_eval = 0,
                                    .next_checkpoint = trainer->settings.train.checkpoint_every,
                                    .evaluated_at = -1,
                                    .last_return = NAN,
                                    .last_eval = NAN,
                                    .best_eval = NAN,
                                    .best_at = -1};
}

/* A shorter period than that of the session before holds at once; an equal one changes nothing. */
static void hasten(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    const cw_train_settings *train = &trainer->settings.train;
    int64_t checkpoint = state->frames + train->checkpoint_every;
    int64_t eval = state->frames + train->eval_every;
    if (state->next_checkpoint > checkpoint) state->next_checkpoint = checkpoint;
    if (state->next_eval > eval) state->next_eval = eval;
}

static cw_status open_log(cw_trainer *trainer) {
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, trainer->settings.run.out, "log.txt"));
    trainer->log = fopen(path, "ae");
    return trainer->log != NULL ? CW_OK : cw_fail(CW_EIO, "cannot write %s", path);
}

/* Keys that may change from session to session, and did. */
static void tell_changes(cw_trainer *trainer, const cw_settings *before) {
    int i = 0;
    const cw_settings *now = &trainer->settings;
    for (const cw_key *key; (key = cw_settings_difference(before, now, &i)) != NULL;) {
        char was[CW_SETTING_TEXT * 4], is[CW_SETTING_TEXT * 4];
        if (cw_settings_get(before, key->name, was, sizeof was) != CW_OK) continue;
        if (cw_settings_get(now, key->name, is, sizeof is) != CW_OK) continue;
        cw_trainer_line(trainer, "changed: %s = %s (was %s)", key->name, is, was);
    }
}

/* What runs here and on what: the lines "machine:", "backend:" and "renderer:" of log.txt are what
 * a report says about them later. */
static cw_status say_what_runs(cw_trainer *trainer) {
    const cw_settings *settings = &trainer->settings;
    char text[512];
    cw_trainer_line(trainer, "curlew %s: %s, profile %s, seed %llu, %lld frames -> %s",
                    cw_version(), settings->env.task, settings->run.profile,
                    (unsigned long long)settings->run.seed, (long long)settings->train.frames,
                    settings->run.out);
    cw_machine_describe(text, sizeof text);
    cw_trainer_line(trainer, "machine: %s", text);
    CW_TRY(cw_backend_describe(trainer->be, text, sizeof text));
    cw_trainer_line(trainer, "backend: %s", text);
    if (trainer->precision_line[0] != '\0') cw_trainer_line(trainer, "%s", trainer->precision_line);
    if (cw_env_renderer_describe(&trainer->env.env, text, sizeof text) == CW_OK) {
        cw_trainer_line(trainer, "renderer: %s", text);
    }
    cw_trainer_say_needs(trainer);
    return CW_OK;
}

/* Parameters of a new run: from its seed, or from a file. */
static cw_status init_agent(cw_trainer *trainer) {
    const char *path = trainer->settings.train.weights;
    CW_TRY(cw_agent_init(trainer->agent, trainer->settings.run.seed));
    return path[0] != '\0' ? cw_file_load_agent(path, trainer->agent) : CW_OK;
}

/* A file of weights that does not fit is to be told before the folder is touched; a run that goes
 * on does not need it any more. */
static cw_status try_weights(cw_trainer *trainer) {
    char config[CW_PATH];
    if (trainer->settings.train.weights[0] == '\0') return CW_OK;
    CW_TRY(cw_folder_path(config, trainer->settings.run.out, "config.ini"));
    if (cw_file_exists(config)) return CW_OK;
    return cw_file_load_agent(trainer->settings.train.weights, trainer->agent);
}

/* The folder is touched last: a run that cannot be leaves nothing behind. */
static cw_status open_run(cw_trainer *trainer) {
    CW_TRY(cw_settings_check(&trainer->settings));
    CW_TRY(open_env(trainer));
    CW_TRY(open_learner(trainer));
    CW_TRY(try_weights(trainer));
    bool configured;
    cw_settings before;
    CW_TRY(cw_folder_open(&trainer->settings, &trainer->lock_fd, &configured, &before));
    CW_TRY(cw_precision_keep(&trainer->settings, trainer->precision));
    CW_TRY(open_log(trainer));
    CW_TRY(say_what_runs(trainer));
    if (configured) tell_changes(trainer, &before);
    init_state(trainer);
    CW_TRY(cw_trainer_restore(trainer, &trainer->resumed));
    if (trainer->resumed) {
        hasten(trainer);
        cw_trainer_line(trainer, "going on from %lld frames, %lld updates",
                        (long long)trainer->state.frames, (long long)trainer->state.updates);
    } else {
        CW_TRY(init_agent(trainer));
    }
    CW_TRY(cw_trainer_open_logs(trainer));
    trainer->earlier_wall_s = trainer->state.wall_s;
    memcpy(trainer->earlier_time_s, trainer->state.time_s, sizeof trainer->earlier_time_s);
    trainer->rate_clock = cw_clock_s();
    trainer->rate_frames = trainer->state.frames;
    trainer->rate_updates = trainer->state.updates;
    return CW_OK;
}

static void close_run(cw_trainer *trainer) {
    cw_worker_destroy(trainer->worker);
    if (trainer->env_live) cw_agent_env_deinit(&trainer->env);
    cw_trainer_close_saving(trainer); /* waits for a save under way; the rest is what it reads */
    cw_csv_close(trainer->metrics);
    cw_csv_close(trainer->evals);
    cw_csv_close(trainer->timing);
    cw_tfevents_close(trainer->events);
    cw_free(trainer->stack);
    cw_replay_destroy(trainer->replay);
    cw_actor_destroy(trainer->actor);
    cw_agent_destroy(trainer->agent);
    cw_backend_destroy(trainer->be);
    if (trainer->log != NULL) fclose(trainer->log);
    if (trainer->lock_fd >= 0) cw_folder_close(trainer->lock_fd);
}

/* ---------------------------------------------------------------- the loop */

/* A failure of the environment or its renderer is told with the step that it came in. */
static cw_status wait_for_env(cw_trainer *trainer, cw_timestep *out) {
    cw_status status = cw_worker_wait(trainer->worker, out);
    if (status == CW_OK) return CW_OK;
    return cw_fail_in(status, "agent step %lld", (long long)trainer->state.agent_steps);
}

static cw_status begin_episode(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    cw_timestep unused;
    CW_TRY(cw_trainer_tend_save(trainer));
    cw_worker_start_reset(trainer->worker, cw_replay_lend(trainer->replay));
    CW_TRY(wait_for_env(trainer, &unused));
    CW_TRY(cw_replay_commit_first(trainer->replay));
    state->in_episode = 1;
    state->episode_return = 0;
    return CW_OK;
}

/* Uniform while seeds are collected, then sampled from the policy on the centre crop. */
static cw_status choose_action(cw_trainer *trainer, float *action) {
    const cw_settings *settings = &trainer->settings;
    size_t dim = (size_t)trainer->env.env.spec.action_dim;
    uint64_t counter = (uint64_t)trainer->state.agent_steps;
    cw_stream stream = {.seed = settings->run.seed, .shard = 0};
    if (trainer->state.agent_steps < settings->train.seed_steps) {
        double uniform[CW_MAX_ACTION_DIM];
        stream.purpose = CW_RNG_RANDOM_ACTION;
        cw_rng_uniform(&stream, counter, -1.0, 1.0, uniform, dim);
        for (size_t i = 0; i < dim; i++) action[i] = (float)uniform[i];
        return CW_OK;
    }
    float noise[CW_MAX_ACTION_DIM];
    stream.purpose = CW_RNG_ACTION_NOISE;
    cw_rng_normal(&stream, counter, noise, dim);
    CW_TRY(cw_replay_latest_stack(trainer->replay, trainer->stack));
    int32_t offset = cw_view_offset(&trainer->view);
    cw_image_batch images = cw_view_batch(&trainer->view, trainer->stack, &offset);
    cw_status status = cw_actor_act(trainer->actor, &images, noise, action);
    if (status == CW_OK) return CW_OK;
    return cw_fail_in(status, "agent step %lld", (long long)trainer->state.agent_steps);
}

static cw_status update_once(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    double from = cw_clock_s();
    cw_minibatch batch;
    CW_TRY(cw_replay_sample(trainer->replay, &batch, trainer->settings.run.seed, 0,
                            (uint64_t)state->updates));
    double sampled = cw_clock_s();
    trainer->seconds[CW_RUN_SAMPLE] += sampled - from;
    cw_update_stats stats;
    CW_TRY(cw_agent_update(trainer->agent, &batch, state->updates, &stats));
    trainer->seconds[CW_RUN_UPDATE] += cw_clock_s() - sampled;
    cw_trainer_count_update(trainer, &stats);
    state->updates++;
    trainer->session_updates++;
    return CW_OK;
}

static cw_status finish_step(cw_trainer *trainer, const float *action, const cw_timestep *step) {
    cw_run_state *state = &trainer->state;
    cw_status status =
        cw_replay_commit(trainer->replay, action, step->reward, (float)step->discount, step->last);
    if (status != CW_OK) {
        return cw_fail_in(status, "agent step %lld", (long long)state->agent_steps);
    }
    state->agent_steps++;
    trainer->session_steps++;
    state->frames += step->frames;
    state->episode_return += step->reward;
    if (step->last) {
        cw_trainer_count_episode(trainer, state->episode_return);
        state->in_episode = 0;
    }
    return CW_OK;
}

/* One agent step, with an update beside it once enough was collected. */
static cw_status agent_step(cw_trainer *trainer) {
    float action[CW_MAX_ACTION_DIM];
    double from = cw_clock_s();
    CW_TRY(choose_action(trainer, action));
    trainer->seconds[CW_RUN_ACT] += cw_clock_s() - from;
    CW_TRY(cw_trainer_tend_save(trainer));
    cw_worker_start_step(trainer->worker, action, cw_replay_lend(trainer->replay));
    bool learning = trainer->state.agent_steps >= trainer->settings.train.seed_steps;
    cw_status updated = learning ? update_once(trainer) : CW_OK;
    double waited = cw_clock_s();
    cw_timestep step;
    if (updated != CW_OK) return updated; /* closing the run waits for the worker */
    CW_TRY(wait_for_env(trainer, &step));
    trainer->seconds[CW_RUN_WAIT] += cw_clock_s() - waited;
    CW_TRY(finish_step(trainer, action, &step));
    if (trainer->state.agent_steps % trainer->settings.train.log_every == 0) {
        CW_TRY(cw_trainer_log_metrics(trainer));
    }
    cw_trainer_progress(trainer, learning ? "train" : "collect", false);
    return CW_OK;
}

/* What is due between two steps, in an order that a resumed run repeats: evaluation, checkpoint.
 * The best policy so far gets a checkpoint of its own. */
static cw_status between_steps(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    const cw_train_settings *train = &trainer->settings.train;
    bool best = false;
    if (train->eval_every > 0 && state->frames >= state->next_eval) {
        CW_TRY(cw_trainer_evaluate(trainer));
        state->next_eval += train->eval_every;
        best = train->checkpoint_best && state->best_at == state->frames;
    }
    /* While the disk is still busy with the last one, training goes on instead of waiting for it.
     */
    bool due = state->frames >= state->next_checkpoint && !cw_trainer_is_saving(trainer);
    while (due && state->next_checkpoint <= state->frames) {
        state->next_checkpoint += train->checkpoint_every;
    }
    return due || best ? cw_trainer_save(trainer) : CW_OK;
}

static cw_status loop(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    while (state->frames < trainer->settings.train.frames) {
        cw_status status = between_steps(trainer);
        if (status == CW_EINTERRUPTED || cw_trainer_should_stop(trainer)) {
            /* An evaluation that was cut short is repeated whole by the resumed run. */
            CW_TRY(cw_trainer_save(trainer));
            CW_TRY(cw_trainer_wait_for_save(trainer));
            cw_trainer_line(trainer, "stopped at %lld frames; the same command goes on from here",
                            (long long)state->frames);
            return cw_fail(CW_EINTERRUPTED, "stopped at %lld frames", (long long)state->frames);
        }
        CW_TRY(status);
        if (!state->in_episode) CW_TRY(begin_episode(trainer));
        CW_TRY(agent_step(trainer));
    }
    return CW_OK;
}

static cw_status run(cw_trainer *trainer, cw_run_result *out) {
    cw_status status = open_run(trainer);
    if (status == CW_OK) status = loop(trainer);
    if (status == CW_OK) status = cw_trainer_finish(trainer, out);
    if (status != CW_OK && status != CW_EINTERRUPTED && trainer->log != NULL) {
        fprintf(trainer->log, "failed: %s\n", cw_last_error());
    }
    return status;
}

static cw_status new_trainer(const cw_config *config, cw_env_create_fn create, void *env_user,
                             const cw_callbacks *callbacks, cw_trainer **out) {
    cw_trainer *trainer;
    CW_TRY(cw_alloc(&trainer, 1, sizeof *trainer, "a training run"));
    trainer->settings = config->settings;
    trainer->callbacks = callbacks;
    trainer->create_env = create;
    trainer->env_user = env_user;
    trainer->action_repeat =
        config->settings.env.action_repeat > 0 ? config->settings.env.action_repeat : 1;
    trainer->lock_fd = -1;
    trainer->started = cw_clock_s();
    trainer->frames_per_s = trainer->updates_per_s = NAN;
    for (int i = 0; i < CW_N_METRICS; i++) trainer->row[i] = NAN;
    *out = trainer;
    return CW_OK;
}

cw_status cw_train_env(const cw_config *config, cw_env_create_fn create, void *env_user,
                       const cw_callbacks *callbacks, cw_run_result *out) {
    cw_trainer *trainer;
    CW_TRY(new_trainer(config, create, env_user, callbacks, &trainer));
    cw_run_result result = {0};
    cw_status status = run(trainer, &result);
    close_run(trainer);
    cw_free(trainer);
    if (status == CW_OK && out != NULL) *out = result;
    return status;
}

/* The configuration with the task's listed name and action repeat. */
static cw_status resolve(const cw_config *config, cw_task_factory *factory, cw_config *out) {
    cw_settings *settings = &out->settings;
    *out = *config;
    CW_TRY(cw_task_factory_init(factory, settings, &settings->env.action_repeat));
    snprintf(settings->env.task, sizeof settings->env.task, "%s", factory->task->name);
    return CW_OK;
}

cw_status cw_train_memory(const cw_config *config, int64_t *need_bytes, int64_t *available_bytes) {
    cw_task_factory factory;
    cw_config resolved;
    cw_trainer *trainer;
    int64_t available = (int64_t)cw_memory_available();
    CW_TRY(resolve(config, &factory, &resolved));
    CW_TRY(new_trainer(&resolved, cw_task_factory_create, &factory, NULL, &trainer));
    cw_status status = cw_settings_check(&trainer->settings);
    if (status == CW_OK) status = open_env(trainer);
    if (status == CW_OK) status = open_learner(trainer);
    if (status == CW_OK) {
        cw_run_needs needs;
        cw_trainer_needs(trainer, &needs);
        *need_bytes = (int64_t)(needs.replay_bytes + needs.learner_bytes);
        *available_bytes = available;
    }
    close_run(trainer);
    cw_free(trainer);
    return status;
}

int cw_train_cores(void) {
    return cw_cores_available();
}

cw_status cw_train(const cw_config *config, const cw_callbacks *callbacks, cw_run_result *out) {
    cw_task_factory factory;
    cw_config resolved;
    CW_TRY(resolve(config, &factory, &resolved));
    return cw_train_env(&resolved, cw_task_factory_create, &factory, callbacks, out);
}
