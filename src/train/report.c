/* Evaluation during a run, and what a finished run leaves behind. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "io/plot.h"
#include "train/trainer.h"
#include "train/weights.h"

#include <math.h>

uint32_t cw_eval_seed(uint64_t run_seed, int64_t index) {
    cw_stream stream = {.seed = run_seed, .shard = 0, .purpose = CW_RNG_ENV_SEED};
    uint32_t word[4];
    cw_rng_block(&stream, (uint64_t)index, 0, word);
    return word[0];
}

/* An environment of its own for each evaluation: training's is not disturbed, and nothing has to be
 * saved between evaluations. */
static cw_status open_evaluator(cw_trainer *trainer, cw_agent_env *env, cw_evaluator **evaluator) {
    const cw_settings *settings = &trainer->settings;
    uint32_t seed = cw_eval_seed(settings->run.seed, trainer->state.evaluations);
    cw_env bare;
    CW_TRY(trainer->create_env(trainer->env_user, seed, settings->env.image_size, &bare));
    cw_status status = cw_agent_env_init(env, &bare, trainer->action_repeat);
    if (status != CW_OK) {
        bare.vtable->destroy(bare.self);
        return status;
    }
    status = cw_evaluator_create(evaluator, trainer->agent, env, &trainer->view);
    if (status != CW_OK) cw_agent_env_deinit(env);
    return status;
}

static bool between_episodes(void *context, int done) {
    cw_trainer *trainer = context;
    bool first = trainer->phase_done < 0;
    trainer->phase_done = done;
    cw_trainer_progress(trainer, "evaluate", first);
    return cw_trainer_should_stop(trainer);
}

static cw_status evaluate_episodes(cw_trainer *trainer, double *returns, int n, int64_t *frames) {
    const cw_settings *settings = &trainer->settings;
    cw_eval_source source = {.create = trainer->create_env,
                             .user = trainer->env_user,
                             .seed = cw_eval_seed(settings->run.seed, trainer->state.evaluations),
                             .image_size = settings->env.image_size,
                             .action_repeat = trainer->action_repeat,
                             .lanes = trainer->be->threads};
    trainer->phase_total = n;
    trainer->phase_done = -1;
    cw_status status = cw_evaluate_episodes(trainer->agent, &source, &trainer->view, n, returns,
                                            frames, between_episodes, trainer);
    trainer->phase_done = trainer->phase_total = 0;
    return status;
}

cw_status cw_trainer_evaluate(cw_trainer *trainer) {
    double from = cw_clock_s();
    int n = trainer->settings.train.eval_episodes;
    cw_run_state *state = &trainer->state;
    double *returns;
    int64_t frames = 0;
    CW_TRY(cw_alloc(&returns, (size_t)n, sizeof *returns, "evaluation returns"));
    cw_status status = evaluate_episodes(trainer, returns, n, &frames);
    if (status == CW_OK) status = cw_trainer_log_eval(trainer, returns, n);
    if (status == CW_OK) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += returns[i];
        state->last_eval = sum / n;
        status = cw_trainer_log_eval_events(trainer, state->last_eval, (double)frames / n);
    }
    if (status == CW_OK) {
        if (!(state->best_eval >= state->last_eval)) {
            state->best_eval = state->last_eval;
            state->best_at = state->frames;
        }
        state->evaluated_at = state->frames;
        state->evaluations++;
        cw_trainer_line(trainer,
                        "evaluation at %lld frames: mean return %.1f over %d episodes (best %.1f), "
                        "%.0f s",
                        (long long)state->frames, state->last_eval, n, state->best_eval,
                        cw_clock_s() - from);
    }
    cw_free(returns);
    trainer->seconds[CW_RUN_EVAL] += cw_clock_s() - from;
    return status;
}

/* ---------------------------------------------------------------- the end of a run */

static cw_status write_video(cw_trainer *trainer, char path[CW_PATH]) {
    char folder[CW_PATH];
    CW_TRY(cw_folder_path(folder, trainer->settings.run.out, "video"));
    CW_TRY(cw_dir_make(folder));
    CW_TRY(cw_folder_path(path, folder, "final.mp4"));
    cw_agent_env env;
    cw_evaluator *evaluator;
    CW_TRY(open_evaluator(trainer, &env, &evaluator));
    double unused;
    const cw_film film = {.path = path, .scale = CW_FILM_SCALE};
    cw_status status =
        cw_evaluator_film(evaluator, &film, &unused, cw_trainer_should_stop, trainer);
    cw_evaluator_destroy(evaluator);
    cw_agent_env_deinit(&env);
    return status;
}

static cw_status write_curve(cw_trainer *trainer, char path[CW_PATH]) {
    const cw_settings *settings = &trainer->settings;
    char csv[CW_PATH], label[CW_SETTING_TEXT + 64];
    CW_TRY(cw_folder_path(csv, settings->run.out, "eval.csv"));
    CW_TRY(cw_folder_path(path, settings->run.out, "curve.png"));
    double *x, *y;
    int n;
    CW_TRY(cw_csv_read(csv, "frames", "return_mean", &x, &y, &n));
    snprintf(label, sizeof label, "%s, seed %llu", settings->run.profile,
             (unsigned long long)settings->run.seed);
    cw_curve curve = {.label = label, .x = x, .y = y, .n = n};
    cw_plot plot = {.title = settings->env.task,
                    .x_label = "environment frames",
                    .y_label = "evaluation return",
                    .curves = &curve,
                    .n_curves = 1};
    cw_status status = cw_plot_write(path, &plot);
    cw_free(x);
    cw_free(y);
    return status;
}

static cw_status write_weights(cw_trainer *trainer, char path[CW_PATH]) {
    CW_TRY(cw_folder_path(path, trainer->settings.run.out, "weights.safetensors"));
    return cw_weights_write(path, trainer->agent, trainer->settings.run.profile);
}

/* Milliseconds per update or agent step by phase, for the session that ends now. */
static void report_cost(cw_trainer *trainer) {
    double phases[CW_PHASE_COUNT];
    cw_agent_times(trainer->agent, phases);
    double updates = (double)trainer->session_updates, steps = (double)trainer->session_steps;
    const double *s = trainer->seconds;
    if (updates > 0) {
        cw_trainer_line(trainer, "cost of one update (mean of %.0f): %.1f ms", updates,
                        1e3 * (s[CW_RUN_SAMPLE] + s[CW_RUN_UPDATE]) / updates);
        cw_trainer_line(trainer, "  %-15s %8.2f ms", "sample", 1e3 * s[CW_RUN_SAMPLE] / updates);
        for (int i = 0; i < CW_PHASE_COUNT; i++) {
            cw_trainer_line(trainer, "  %-15s %8.2f ms", cw_agent_phase_name((cw_agent_phase)i),
                            1e3 * phases[i] / updates);
        }
    }
    if (steps > 0) {
        double env = cw_worker_seconds(trainer->worker);
        cw_trainer_line(trainer, "cost of one agent step (mean of %.0f):", steps);
        cw_trainer_line(trainer, "  %-15s %8.2f ms", "act", 1e3 * s[CW_RUN_ACT] / steps);
        cw_trainer_line(trainer, "  %-15s %8.2f ms (in its own thread; waited for: %.2f ms)",
                        "environment", 1e3 * env / steps, 1e3 * s[CW_RUN_WAIT] / steps);
    }
    cw_trainer_line(trainer, "evaluation %.1f s, checkpoints %.1f s, in all %.1f s", s[CW_RUN_EVAL],
                    s[CW_RUN_CHECKPOINT], cw_clock_s() - trainer->started);
}

static void keep_path(char out[CW_RESULT_PATH], const char *path) {
    snprintf(out, CW_RESULT_PATH, "%.*s", CW_RESULT_PATH - 1, path);
}

cw_status cw_trainer_finish(cw_trainer *trainer, cw_run_result *out) {
    cw_run_state *state = &trainer->state;
    char weights[CW_PATH], curve[CW_PATH], video[CW_PATH] = "";
    if (state->evaluated_at != state->frames) CW_TRY(cw_trainer_evaluate(trainer));
    CW_TRY(cw_trainer_save(trainer));
    CW_TRY(cw_trainer_wait_for_save(trainer));
    CW_TRY(write_weights(trainer, weights));
    CW_TRY(write_curve(trainer, curve));
    if (trainer->settings.train.video) {
        cw_trainer_progress(trainer, "record", true);
        CW_TRY(write_video(trainer, video));
    }
    CW_TRY(cw_trainer_log_timing(trainer));
    report_cost(trainer);
    cw_trainer_progress(trainer, "done", true);
    out->frames = state->frames;
    out->eval_return = state->last_eval;
    out->best_return = state->best_eval;
    keep_path(out->curve_path, curve);
    keep_path(out->video_path, video);
    keep_path(out->weights_path, weights);
    return CW_OK;
}
