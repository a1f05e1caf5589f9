/* A library that trains nothing: it tells through the callbacks what it was asked for, so that the
 * tests see what the command made of its arguments. The environment variable FAKE chooses how a
 * call ends:
 *   (unset)   done at once                    error    CW_EIO with a message of two lines
 *   invalid   CW_EINVAL                       wait     runs until it is asked to stop
 *   deaf      runs and never asks             progress reports progress 40 times in 0.4 s
 */
#include "base/error.h"
#include "cli/fake.h"
#include "env/suite.h"

#include <curlew/bench.h>
#include <curlew/export.h>
#include <curlew/run.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const cw_task tasks[] = {{"cartpole-swingup", 8, 0, "swing a pole up"},
                                {"cheetah-run", 4, 0, "run"},
                                {"toy", 1, 0, "reach a square"}};

const cw_task *cw_tasks(int *n) {
    *n = (int)(sizeof tasks / sizeof tasks[0]);
    return tasks;
}

static bool is(const char *mode) {
    const char *fake = getenv("FAKE");
    return fake && strcmp(fake, mode) == 0;
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

cw_status fake_ending(void) {
    if (is("error")) return cw_fail(CW_EIO, "disk/full: no space\nleft on device");
    if (is("invalid")) return cw_fail(CW_EINVAL, "update.batch_size=64, but the run began with 32");
    return CW_OK;
}

static void report(const cw_callbacks *callbacks, int i, int n) {
    cw_progress progress = {.phase = i ? "train" : "collect",
                            .frames = 1000 * i,
                            .frames_total = 1000 * n,
                            .agent_steps = 125 * i,
                            .updates = 100 * i,
                            .episodes = i,
                            .updates_per_s = i ? 20.5 : NAN,
                            .frames_per_s = 170.4,
                            .wall_s = 10 * i,
                            .seconds_left = i ? 372 : NAN,
                            .last_return = i ? 300.25 : NAN,
                            .best_eval = i ? 412.5 : NAN,
                            .last_eval = i ? 400 : NAN,
                            .critic_loss = i ? 0.0123 : NAN,
                            .actor_loss = i ? -12.5 : NAN,
                            .curl_loss = i ? 1.4 : NAN,
                            .curl_accuracy = i ? 0.56 : NAN,
                            .alpha = i ? 0.0712 : NAN,
                            .entropy = i ? -0.93 : NAN,
                            .replay_count = 125 * i,
                            .replay_capacity = 10000,
                            .resident_bytes = 2310000000,
                            .parts = {{"conv forward", 22.0 * i},
                                      {"conv backward", 45.0 * i},
                                      {"environment", 13.0 * i},
                                      {"evaluation", 20.0 * i}},
                            .n_parts = 4};
    for (; progress.n_returns < i && progress.n_returns < CW_PROGRESS_RETURNS; progress.n_returns++)
        progress.returns[progress.n_returns] = progress.n_returns;
    callbacks->progress(callbacks->user, &progress);
}

/* Runs for at most 20 s; true when it was asked to stop. */
static bool run(const cw_callbacks *callbacks) {
    callbacks->line(callbacks->user, "started");
    for (int i = 0; i < 2000; i++) {
        if (!is("deaf") && callbacks->should_stop(callbacks->user)) return true;
        if (i % 10 == 0) report(callbacks, i / 10, 200);
        nap();
    }
    return false;
}

static void tell(const cw_callbacks *callbacks, const cw_config *config) {
    cw_key_info key;
    char value[1024], line[1200];
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        if (cw_config_get(config, key.name, value, sizeof value) != CW_OK) continue;
        if (strcmp(value, key.initial) == 0) continue;
        snprintf(line, sizeof line, "%s=%s", key.name, value);
        callbacks->line(callbacks->user, line);
    }
}

cw_status cw_train(const cw_config *config, const cw_callbacks *callbacks, cw_run_result *out) {
    CW_TRY(fake_ending());
    tell(callbacks, config);
    if (is("wait") || is("deaf"))
        if (run(callbacks)) return cw_fail(CW_EINTERRUPTED, "stopped at frame 0");
    for (int i = 0; is("progress") && i < 40; i++) {
        report(callbacks, i, 40);
        if (i == 20) callbacks->line(callbacks->user, "half way");
        nap();
    }
    *out = (cw_run_result){.frames = 100000, .eval_return = 845.25, .best_return = 900};
    strcpy(out->curve_path, "there/curve.png");
    strcpy(out->video_path, "there/final.mp4");
    strcpy(out->weights_path, "there/weights.safetensors");
    return CW_OK;
}

cw_status cw_train_memory(const cw_config *config, int64_t *need_bytes, int64_t *available_bytes) {
    (void)config;
    *need_bytes = 6000000000;
    *available_bytes = 10000000000;
    return CW_OK;
}

int cw_train_cores(void) {
    return 4;
}

cw_status cw_evaluate(const char *run_folder, int episodes, const cw_callbacks *callbacks,
                      double *mean, double *returns) {
    CW_TRY(fake_ending());
    char line[512];
    snprintf(line, sizeof line, "evaluate %.400s", run_folder);
    callbacks->line(callbacks->user, line);
    for (int i = 0; i < episodes; i++) returns[i] = 100 + i;
    *mean = 100 + 0.5 * (episodes - 1);
    return CW_OK;
}

cw_status cw_record(const char *run_folder, const char *out, const cw_record_options *options,
                    const cw_callbacks *callbacks, double *episode_return) {
    CW_TRY(fake_ending());
    char line[1024];
    snprintf(line, sizeof line, "record %.400s to %.400s", run_folder, out ? out : "(default)");
    callbacks->line(callbacks->user, line);
    if (options->scale || options->overlay || options->replace) {
        snprintf(line, sizeof line, "scale %d%s%s", options->scale,
                 options->overlay ? " overlay" : "", options->replace ? " replace" : "");
        callbacks->line(callbacks->user, line);
    }
    if (options->frame) {
        snprintf(line, sizeof line, "frame %lld", (long long)options->frame);
        callbacks->line(callbacks->user, line);
    }
    *episode_return = 7;
    return CW_OK;
}

cw_status cw_run_export(const char *run_folder, const cw_export *what) {
    CW_TRY(fake_ending());
    printf("export %s onnx=%s encoder=%d weights=%s examples=%s force=%d\n", run_folder,
           what->onnx ? what->onnx : "-", what->encoder, what->weights ? what->weights : "-",
           what->examples ? what->examples : "-", what->force);
    return CW_OK;
}

cw_status cw_rollout(const char *task, uint32_t seed, const char *actions_path,
                     const char *out_path, const int64_t *frame_steps, int n_frame_steps,
                     const char *renderer) {
    CW_TRY(fake_ending());
    printf("rollout %s %" PRIu32 " %s %s %s:", task, seed, actions_path, out_path, renderer);
    for (int i = 0; i < n_frame_steps; i++) printf(" %" PRId64, frame_steps[i]);
    putchar('\n');
    return CW_OK;
}

static void print_line(void *user, const char *text) {
    (void)user;
    puts(text);
}

cw_status cw_update_file(const cw_config *config, const char *in_path, const char *out_path,
                         const char *backend) {
    CW_TRY(fake_ending());
    cw_callbacks callbacks = {.line = print_line};
    printf("update %s %s %s\n", in_path, out_path, backend);
    tell(&callbacks, config);
    return CW_OK;
}

cw_status cw_bench(const cw_config *config, cw_bench_kind kind, const cw_bench_options *options,
                   cw_bench_result *out) {
    CW_TRY(fake_ending());
    cw_callbacks callbacks = {.line = print_line};
    printf("bench %d %s %d %s\n", (int)kind, options->in ? options->in : "-", options->updates,
           options->kernels ? "kernels" : "whole");
    tell(&callbacks, config);
    *out = (cw_bench_result){.title = "a title", .peak_flops = 4e9, .n_rows = 2, .n_figures = 1};
    out->row[0] = (cw_bench_row){
        .group = "kernel", .name = "product", .count = 2, .seconds = 0.5, .flops = 1e9};
    out->row[1] =
        (cw_bench_row){.group = "memory", .name = "frames", .bytes = 3e6, .measured = 4e6};
    out->figure[0] = (cw_bench_figure){.name = "ratio", .value = 1.25, .unit = "x"};
    return CW_OK;
}

cw_status cw_doctor(const cw_callbacks *callbacks) {
    callbacks->line(callbacks->user, "processor: yes");
    return fake_ending();
}
