/* One run in figures. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "train/run_data.h"
#include "train/timing.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>

/* The last value of a column, NaN when the file has no row. */
static cw_status last_of(const char *path, const char *column, double *out) {
    double *x, *y;
    int n;
    CW_TRY(cw_csv_read(path, "frames", column, &x, &y, &n));
    *out = n > 0 ? y[n - 1] : NAN;
    cw_free(x);
    cw_free(y);
    return CW_OK;
}

/* Seconds by part, and how fast training was beside evaluations and checkpoints. */
static cw_status read_timing(const char *path, cw_run_summary *out) {
    double value[CW_TIMING_COLUMNS];
    const char *const *columns = cw_timing_columns();
    for (int i = 0; i < CW_TIMING_COLUMNS; i++) CW_TRY(last_of(path, columns[i], &value[i]));
    if (isnan(value[0])) return CW_OK; /* no row yet */
    out->frames = (int64_t)value[0];
    out->agent_steps = (int64_t)value[1];
    out->updates = (int64_t)value[2];
    out->wall_s = value[3];
    const double *time = &value[CW_TIMING_FIRST];
    double sum = 0;
    for (int i = 0; i < CW_RUN_TIMES; i++) {
        bool beside = i == CW_TIME_ENVIRONMENT;
        out->part[i] = (cw_run_part){cw_run_time_name((cw_run_time)i), time[i], beside};
        if (!beside) sum += time[i];
    }
    out->part[CW_RUN_TIMES] = (cw_run_part){"everything else", fmax(0, out->wall_s - sum), false};
    out->n_parts = CW_RUN_TIMES + 1;
    double training = out->wall_s - time[CW_TIME_EVALUATION] - time[CW_TIME_CHECKPOINT];
    out->frames_per_s = value[0] / training;
    out->updates_per_s = value[2] / training;
    return CW_OK;
}

/* What a run without timing.csv still tells. */
static cw_status read_metrics(const char *path, cw_run_summary *out) {
    double steps, updates, wall, frames;
    CW_TRY(last_of(path, "frames", &frames));
    CW_TRY(last_of(path, "agent_steps", &steps));
    CW_TRY(last_of(path, "updates", &updates));
    CW_TRY(last_of(path, "wall_s", &wall));
    if (isnan(frames)) return CW_OK;
    out->frames = (int64_t)frames;
    out->agent_steps = (int64_t)steps;
    out->updates = (int64_t)updates;
    out->wall_s = wall;
    return CW_OK;
}

static cw_status fill(cw_run_summary *out, const cw_run_data *data) {
    const cw_settings *settings = &data->settings;
    cw_run_summary s = {.seed = settings->run.seed,
                        .frames_total = settings->train.frames,
                        .frames_per_s = NAN,
                        .updates_per_s = NAN,
                        .evaluated_at = (int64_t)data->frames[data->n - 1],
                        .last_eval = data->score[data->n - 1],
                        .best_eval = data->score[0]};
    snprintf(s.task, sizeof s.task, "%s", settings->env.task);
    snprintf(s.profile, sizeof s.profile, "%s", settings->run.profile);
    for (int i = 1; i < data->n; i++) s.best_eval = fmax(s.best_eval, data->score[i]);
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, data->path, CW_TIMING_NAME));
    if (cw_file_exists(path)) CW_TRY(read_timing(path, &s));
    if (s.n_parts == 0) {
        CW_TRY(cw_folder_path(path, data->path, "metrics.csv"));
        if (cw_file_exists(path)) CW_TRY(read_metrics(path, &s));
    }
    /* An evaluation may be newer than the last row of those. */
    if (s.evaluated_at > s.frames) s.frames = s.evaluated_at;
    s.wall_s = fmax(s.wall_s, data->wall_s[data->n - 1]);
    *out = s;
    return CW_OK;
}

cw_status cw_run_summarize(const char *run, cw_run_summary *out) {
    cw_run_data data;
    CW_TRY(cw_run_data_load(&data, run));
    cw_status status = fill(out, &data);
    cw_run_data_free(&data);
    return status;
}
