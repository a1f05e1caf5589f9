#include "train/run_data.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "env/suite.h"
#include "io/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static cw_status read_evaluations(cw_run_data *data) {
    char path[CW_PATH];
    double *again;
    int n;
    CW_TRY(cw_folder_path(path, data->path, "eval.csv"));
    if (!cw_file_exists(path)) {
        return cw_fail(CW_ENOTFOUND, "%s has no evaluation yet", data->path);
    }
    CW_TRY(cw_csv_read(path, "frames", "return_mean", &data->frames, &data->score, &data->n));
    CW_TRY(cw_csv_read(path, "frames", "wall_s", &again, &data->wall_s, &n));
    cw_free(again);
    if (data->n == 0) return cw_fail(CW_ENOTFOUND, "%s has no evaluation yet", data->path);
    if (data->n != n) {
        return cw_fail(CW_EFORMAT, "%s: a row without return_mean or wall_s", path);
    }
    return CW_OK;
}

cw_status cw_run_data_load(cw_run_data *out, const char *run) {
    cw_run_data data = {.n = 0};
    CW_TRY(cw_folder_settings(run, &data.settings));
    snprintf(data.path, sizeof data.path, "%s", run);
    cw_status status = read_evaluations(&data);
    if (status != CW_OK) {
        cw_run_data_free(&data);
        return status;
    }
    *out = data;
    return CW_OK;
}

void cw_run_data_free(cw_run_data *data) {
    cw_free(data->frames);
    cw_free(data->wall_s);
    cw_free(data->score);
    *data = (cw_run_data){.n = 0};
}

double cw_run_score_at(const cw_run_data *data, const double *at, double x) {
    for (int i = 0; i < data->n; i++) {
        if (at[i] == x) return data->score[i];
        if (at[i] < x) continue;
        if (i == 0) return NAN;
        double share = (x - at[i - 1]) / (at[i] - at[i - 1]);
        return data->score[i - 1] + share * (data->score[i] - data->score[i - 1]);
    }
    return NAN;
}

cw_status cw_settings_usual(const cw_settings *settings, cw_settings *out) {
    cw_settings usual;
    const cw_task *task;
    cw_settings_default(&usual);
    CW_TRY(cw_profile_apply(&usual, settings->run.profile));
    memcpy(usual.env.task, settings->env.task, sizeof usual.env.task);
    /* A run's configuration has the published action repeat of its task in numbers; a host's own
     * environment has none. */
    if (usual.env.action_repeat == 0) {
        usual.env.action_repeat =
            cw_task_find(usual.env.task, &task) == CW_OK ? task->action_repeat : 1;
    }
    *out = usual;
    return CW_OK;
}

bool cw_key_matters(const cw_key *key) {
    static const char *const others[] = {"run.seed", "run.profile", "env.task"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(key->name, others[i]) == 0) return false;
    }
    return !key->may_change; /* what a run may change on its way is not part of what it is */
}

void cw_settings_differences(cw_text *out, const cw_settings *settings, const cw_settings *usual) {
    int n;
    const cw_key *keys = cw_keys(&n);
    for (int i = 0; i < n; i++) {
        char value[1024], expected[1024];
        if (!cw_key_matters(&keys[i])) continue;
        if (cw_settings_get(settings, keys[i].name, value, sizeof value) != CW_OK) continue;
        if (cw_settings_get(usual, keys[i].name, expected, sizeof expected) != CW_OK) continue;
        if (strcmp(value, expected) != 0) cw_text_format(out, " %s=%s", keys[i].name, value);
    }
}

cw_status cw_target_check(const char *path, bool replace) {
    if (path == NULL || replace || !cw_file_exists(path)) return CW_OK;
    return cw_fail(CW_EIO, "%s exists already; it is replaced only on demand (--force)", path);
}
