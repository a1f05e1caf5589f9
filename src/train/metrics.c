/* metrics.csv, eval.csv, log lines and progress reports of a run. */
#include "base/clock.h"
#include "base/error.h"
#include "base/resources.h"
#include "base/text.h"
#include "train/trainer.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

/* A column's unit ends its name, unless the name is the unit (frames, agent_steps, updates,
 * episodes) or it has none; returns, Qs and the losses made of them are in the task's reward. */
static const char *const metric_columns[] = {
    "frames",         "agent_steps",   "updates",     "episodes",
    "episode_return", "critic_loss",   "actor_loss",  "alpha_loss",
    "curl_loss_nats", "curl_accuracy", "alpha",       "entropy_nats",
    "q_mean",         "target_mean",   "reward_mean", "wall_s"};
#define N_METRIC_COLUMNS ((int)(sizeof metric_columns / sizeof *metric_columns))
#define FIRST_METRIC     5

static const char *const eval_columns[] = {"frames",     "agent_steps", "updates",
                                           "episodes",   "return_mean", "return_sd",
                                           "return_min", "return_max",  "wall_s"};
#define N_EVAL_COLUMNS ((int)(sizeof eval_columns / sizeof *eval_columns))

void cw_trainer_line(cw_trainer *trainer, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cw_text_plain_line(text);
    if (trainer->log != NULL) {
        char stamp[32];
        time_t now = time(NULL);
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
        fprintf(trainer->log, "%s %s\n", stamp, text);
        fflush(trainer->log);
    }
    const cw_callbacks *callbacks = trainer->callbacks;
    if (callbacks != NULL && callbacks->line != NULL) callbacks->line(callbacks->user, text);
}

bool cw_trainer_should_stop(void *context) {
    const cw_trainer *trainer = context;
    const cw_callbacks *callbacks = trainer->callbacks;
    return callbacks != NULL && callbacks->should_stop != NULL &&
           callbacks->should_stop(callbacks->user);
}

double cw_trainer_wall_s(const cw_trainer *trainer) {
    return trainer->earlier_wall_s + (cw_clock_s() - trainer->started);
}

/* Exponential average over reports, so that one slow second does not swing the estimate. */
static double smooth(double average, double value) {
    return isnan(average) ? value : 0.8 * average + 0.2 * value;
}

static void measure_rates(cw_trainer *trainer, double now) {
    double dt = now - trainer->rate_clock;
    int64_t frames = trainer->state.frames - trainer->rate_frames;
    int64_t updates = trainer->state.updates - trainer->rate_updates;
    if (dt <= 0) return;
    if (frames > 0) trainer->frames_per_s = smooth(trainer->frames_per_s, (double)frames / dt);
    if (updates > 0) trainer->updates_per_s = smooth(trainer->updates_per_s, (double)updates / dt);
    trainer->rate_clock = now;
    trainer->rate_frames = trainer->state.frames;
    trainer->rate_updates = trainer->state.updates;
}

/* Where the time went, by names short enough for a small window. */
static void add_parts(const cw_trainer *trainer, cw_progress *progress) {
    static const char *const names[CW_TIME_ENVIRONMENT] = {[CW_TIME_SAMPLE] = "sampling",
                                                           [CW_TIME_ACT] = "acting",
                                                           [CW_TIME_WAIT] = "environment",
                                                           [CW_TIME_EVALUATION] = "evaluation",
                                                           [CW_TIME_CHECKPOINT] = "checkpoints"};
    double times[CW_RUN_TIMES];
    _Static_assert(CW_TIME_ENVIRONMENT <= CW_PROGRESS_PARTS, "room for every part");
    cw_trainer_times(trainer, times);
    for (int i = 0; i < CW_TIME_ENVIRONMENT; i++) {
        const char *name = names[i] ? names[i] : cw_run_time_name((cw_run_time)i);
        progress->parts[progress->n_parts++] = (cw_part_time){name, times[i]};
    }
}

void cw_trainer_progress(cw_trainer *trainer, const char *phase, bool now) {
    const cw_callbacks *callbacks = trainer->callbacks;
    if (callbacks == NULL || callbacks->progress == NULL) return;
    double clock = cw_clock_s();
    if (!now && clock - trainer->reported < 1.0) return;
    trainer->reported = clock;
    if (strcmp(phase, "train") == 0 || strcmp(phase, "collect") == 0) measure_rates(trainer, clock);
    const cw_run_state *state = &trainer->state;
    int64_t total = trainer->settings.train.frames;
    const double *row = trainer->row;
    cw_progress progress = {
        .phase = phase,
        .phase_done = trainer->phase_done,
        .phase_total = trainer->phase_total,
        .frames = state->frames,
        .frames_total = total,
        .agent_steps = state->agent_steps,
        .updates = state->updates,
        .episodes = state->episodes,
        .updates_per_s = trainer->updates_per_s,
        .frames_per_s = trainer->frames_per_s,
        .wall_s = cw_trainer_wall_s(trainer),
        .seconds_left = (double)(total - state->frames) / trainer->frames_per_s,
        .last_return = state->last_return,
        .best_eval = state->best_eval,
        .last_eval = state->last_eval,
        .n_returns = trainer->n_returns,
        .critic_loss = row[CW_METRIC_CRITIC_LOSS],
        .actor_loss = row[CW_METRIC_ACTOR_LOSS],
        .curl_loss = row[CW_METRIC_CURL_LOSS],
        .curl_accuracy = row[CW_METRIC_CURL_ACCURACY],
        .alpha = row[CW_METRIC_ALPHA],
        .entropy = row[CW_METRIC_ENTROPY],
        .replay_count = cw_replay_count(trainer->replay),
        .replay_capacity = trainer->settings.replay.capacity,
        .resident_bytes = (int64_t)cw_memory_resident(),
    };
    memcpy(progress.returns, trainer->returns, sizeof progress.returns);
    add_parts(trainer, &progress);
    /* Collecting random steps says nothing about the pace of training. */
    if (state->updates == 0) progress.seconds_left = NAN;
    callbacks->progress(callbacks->user, &progress);
}

cw_status cw_trainer_open_logs(cw_trainer *trainer) {
    char path[CW_PATH];
    const char *run = trainer->settings.run.out;
    double keep = (double)trainer->state.frames;
    /* A fresh run keeps nothing of an earlier one that never reached a checkpoint. */
    if (!trainer->resumed) keep = -1;
    CW_TRY(cw_folder_path(path, run, "metrics.csv"));
    CW_TRY(cw_csv_open(&trainer->metrics, path, metric_columns, N_METRIC_COLUMNS, keep));
    CW_TRY(cw_folder_path(path, run, "eval.csv"));
    CW_TRY(cw_csv_open(&trainer->evals, path, eval_columns, N_EVAL_COLUMNS, keep));
    CW_TRY(cw_folder_path(path, run, CW_TIMING_NAME));
    CW_TRY(cw_csv_open(&trainer->timing, path, cw_timing_columns(), CW_TIMING_COLUMNS, keep));
    return cw_trainer_open_events(trainer);
}

cw_status cw_trainer_sync_logs(const cw_trainer *trainer) {
    CW_TRY(cw_csv_sync(trainer->metrics));
    CW_TRY(cw_csv_sync(trainer->timing));
    if (trainer->events != NULL) CW_TRY(cw_tfevents_sync(trainer->events));
    return cw_csv_sync(trainer->evals);
}

void cw_trainer_count_update(cw_trainer *trainer, const cw_update_stats *stats) {
    const double values[CW_N_METRICS] = {[CW_METRIC_CRITIC_LOSS] = stats->critic_loss,
                                         [CW_METRIC_ACTOR_LOSS] = stats->actor_loss,
                                         [CW_METRIC_ALPHA_LOSS] = stats->alpha_loss,
                                         [CW_METRIC_CURL_LOSS] = stats->curl_loss,
                                         [CW_METRIC_CURL_ACCURACY] = stats->curl_accuracy,
                                         [CW_METRIC_ALPHA] = stats->alpha,
                                         [CW_METRIC_ENTROPY] = stats->entropy,
                                         [CW_METRIC_Q_MEAN] = stats->q_mean,
                                         [CW_METRIC_TARGET_MEAN] = stats->target_mean,
                                         [CW_METRIC_REWARD_MEAN] = stats->reward_mean};
    for (int i = 0; i < CW_N_METRICS; i++) {
        if (isnan(values[i])) continue;
        trainer->state.metric[i].sum += values[i];
        trainer->state.metric[i].n++;
    }
}

void cw_trainer_count_episode(cw_trainer *trainer, double episode_return) {
    cw_run_state *state = &trainer->state;
    int64_t place = state->episodes % CW_EPISODE_WINDOW;
    state->window_return[place] = episode_return;
    state->window_frames[place] = trainer->env.episode_control_steps;
    state->last_return = episode_return;
    state->episodes++;
    if (trainer->n_returns == CW_PROGRESS_RETURNS) {
        trainer->n_returns--;
        memmove(trainer->returns, trainer->returns + 1,
                (size_t)trainer->n_returns * sizeof *trainer->returns);
    }
    trainer->returns[trainer->n_returns++] = episode_return;
}

cw_status cw_trainer_log_metrics(cw_trainer *trainer) {
    cw_run_state *state = &trainer->state;
    double row[N_METRIC_COLUMNS] = {(double)state->frames, (double)state->agent_steps,
                                    (double)state->updates, (double)state->episodes,
                                    state->last_return};
    for (int i = 0; i < CW_N_METRICS; i++) {
        const cw_metric_sum *metric = &state->metric[i];
        trainer->row[i] = metric->n > 0 ? metric->sum / (double)metric->n : NAN;
        row[FIRST_METRIC + i] = trainer->row[i];
    }
    row[N_METRIC_COLUMNS - 1] = cw_trainer_wall_s(trainer);
    memset(state->metric, 0, sizeof state->metric);
    CW_TRY(cw_csv_row(trainer->metrics, row));
    CW_TRY(cw_trainer_log_events(trainer));
    return cw_trainer_log_timing(trainer);
}

void cw_trainer_times(const cw_trainer *trainer, double out[CW_RUN_TIMES]) {
    const double *s = trainer->seconds;
    double phases[CW_PHASE_COUNT];
    cw_agent_times(trainer->agent, phases);
    double times[CW_RUN_TIMES] = {[CW_TIME_SAMPLE] = s[CW_RUN_SAMPLE],
                                  [CW_TIME_ACT] = s[CW_RUN_ACT],
                                  [CW_TIME_WAIT] = s[CW_RUN_WAIT],
                                  [CW_TIME_EVALUATION] = s[CW_RUN_EVAL],
                                  [CW_TIME_CHECKPOINT] = s[CW_RUN_CHECKPOINT],
                                  [CW_TIME_ENVIRONMENT] = cw_worker_seconds(trainer->worker)};
    for (int i = 0; i < CW_PHASE_COUNT; i++) times[CW_TIME_UPDATE + i] = phases[i];
    for (int i = 0; i < CW_RUN_TIMES; i++) out[i] = trainer->earlier_time_s[i] + times[i];
}

cw_status cw_trainer_log_timing(cw_trainer *trainer) {
    const cw_run_state *state = &trainer->state;
    double row[CW_TIMING_COLUMNS] = {(double)state->frames, (double)state->agent_steps,
                                     (double)state->updates, cw_trainer_wall_s(trainer)};
    cw_trainer_times(trainer, &row[CW_TIMING_FIRST]);
    return cw_csv_row(trainer->timing, row);
}

cw_status cw_trainer_log_eval(cw_trainer *trainer, const double *returns, int n) {
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        sum += returns[i];
        low = fmin(low, returns[i]);
        high = fmax(high, returns[i]);
    }
    double mean = sum / n;
    for (int i = 0; i < n; i++) squares += (returns[i] - mean) * (returns[i] - mean);
    double sd = n > 1 ? sqrt(squares / (n - 1)) : NAN;
    const cw_run_state *state = &trainer->state;
    double row[N_EVAL_COLUMNS] = {(double)state->frames,
                                  (double)state->agent_steps,
                                  (double)state->updates,
                                  n,
                                  mean,
                                  sd,
                                  low,
                                  high,
                                  cw_trainer_wall_s(trainer)};
    return cw_csv_row(trainer->evals, row);
}
