/* TensorBoard: the event file of a run. Steps are environment frames. */
#include "base/clock.h"
#include "base/error.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* One file for a run's whole life, however often it was stopped. TensorBoard wants "tfevents" in
 * the name. */
#define EVENTS_NAME "events.out.tfevents.0.curlew"

/* Names as in Stable-Baselines3 where it has them. */
static const char *const mean_tags[CW_N_METRICS] = {[CW_METRIC_CRITIC_LOSS] = "train/critic_loss",
                                                    [CW_METRIC_ACTOR_LOSS] = "train/actor_loss",
                                                    [CW_METRIC_ALPHA_LOSS] = "train/ent_coef_loss",
                                                    [CW_METRIC_CURL_LOSS] = "train/curl_loss",
                                                    [CW_METRIC_CURL_ACCURACY] =
                                                        "train/curl_accuracy",
                                                    [CW_METRIC_ALPHA] = "train/ent_coef",
                                                    [CW_METRIC_ENTROPY] = "train/entropy",
                                                    [CW_METRIC_Q_MEAN] = "train/q_mean",
                                                    [CW_METRIC_TARGET_MEAN] = "train/target_mean",
                                                    [CW_METRIC_REWARD_MEAN] = "train/reward_mean"};

/* Parameters whose distribution is shown: small ones, at both ends of each network. Beginnings of
 * names. */
static const char *const histogram_params[] = {"critic.encoder.convs.", "critic.encoder.ln.",
                                               "actor.encoder.ln.",     "curl.W",
                                               "actor.trunk.4.",        "critic.Q1.trunk.4."};

static double wall_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

cw_status cw_trainer_open_events(cw_trainer *trainer) {
    trainer->event_clock = cw_clock_s();
    trainer->event_frames = trainer->state.frames;
    if (!trainer->settings.tensorboard.enabled) return CW_OK;
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, trainer->settings.run.out, EVENTS_NAME));
    /* A fresh run keeps nothing of an earlier one that never reached a checkpoint. */
    uint64_t keep = trainer->resumed ? trainer->state.event_bytes : 0;
    return cw_tfevents_open(&trainer->events, path, keep, wall_time());
}

/* Mean over the newest episodes, NaN before the first has ended. */
static double window_mean(const cw_run_state *state, const double *window) {
    int64_t n = state->episodes < CW_EPISODE_WINDOW ? state->episodes : CW_EPISODE_WINDOW;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += window[i];
    return n > 0 ? sum / (double)n : NAN;
}

cw_status cw_trainer_log_events(cw_trainer *trainer) {
    if (trainer->events == NULL) return CW_OK;
    const cw_run_state *state = &trainer->state;
    double now = cw_clock_s();
    double fps = (double)(state->frames - trainer->event_frames) / (now - trainer->event_clock);
    trainer->event_clock = now;
    trainer->event_frames = state->frames;
    cw_tfscalar scalars[CW_N_METRICS + 5] = {
        {"rollout/ep_rew_mean", window_mean(state, state->window_return)},
        {"rollout/ep_len_mean", window_mean(state, state->window_frames)},
        {"time/fps", fps},
        {"time/total_timesteps", (double)state->frames},
        {"train/n_updates", (double)state->updates}};
    for (int i = 0; i < CW_N_METRICS; i++) {
        scalars[5 + i] = (cw_tfscalar){mean_tags[i], trainer->row[i]};
    }
    return cw_tfevents_scalars(trainer->events, state->frames, wall_time(), scalars,
                               (int)(sizeof scalars / sizeof *scalars));
}

static bool has_histogram(const char *param) {
    for (size_t i = 0; i < sizeof histogram_params / sizeof *histogram_params; i++) {
        if (strncmp(param, histogram_params[i], strlen(histogram_params[i])) == 0) return true;
    }
    return false;
}

static cw_status log_histograms(cw_trainer *trainer, const cw_tensor *features, double now) {
    int64_t step = trainer->state.frames;
    const char *name;
    char tag[160];
    cw_tensor value;
    for (int i = 0; cw_agent_param(trainer->agent, i, &name, &value); i++) {
        if (!has_histogram(name)) continue;
        snprintf(tag, sizeof tag, "weights/%s", name);
        CW_TRY(cw_tfevents_histogram(trainer->events, step, now, tag, &value));
    }
    if (features == NULL) return CW_OK;
    return cw_tfevents_histogram(trainer->events, step, now, "encoder/features", features);
}

static bool due(const cw_trainer *trainer, int every) {
    return every > 0 && trainer->state.evaluations % every == 0;
}

/* What the encoder makes of a minibatch: the one that the next update would draw from the replay
 * as it is now, so that a resumed run shows the same. */
static cw_status log_encoder(cw_trainer *trainer, bool histograms, bool images, double now) {
    if (cw_replay_count(trainer->replay) == 0) {
        return histograms ? log_histograms(trainer, NULL, now) : CW_OK;
    }
    cw_minibatch batch;
    cw_contrast_view view;
    CW_TRY(cw_replay_sample(trainer->replay, &batch, trainer->settings.run.seed, 0,
                            (uint64_t)trainer->state.updates));
    CW_TRY(cw_agent_contrast(trainer->agent, &batch, &view));
    if (histograms) CW_TRY(log_histograms(trainer, &view.features, now));
    return images ? cw_trainer_log_pictures(trainer, &batch, &view.scores, now) : CW_OK;
}

cw_status cw_trainer_log_eval_events(cw_trainer *trainer, double mean_return,
                                     double episode_frames) {
    if (trainer->events == NULL) return CW_OK;
    const cw_tensorboard_settings *settings = &trainer->settings.tensorboard;
    const cw_tfscalar scalars[] = {{"eval/mean_reward", mean_return},
                                   {"eval/mean_ep_length", episode_frames}};
    double now = wall_time();
    CW_TRY(cw_tfevents_scalars(trainer->events, trainer->state.frames, now, scalars, 2));
    bool histograms = due(trainer, settings->histograms_every);
    bool images = due(trainer, settings->images_every);
    return histograms || images ? log_encoder(trainer, histograms, images, now) : CW_OK;
}
