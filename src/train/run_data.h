/* What a run folder says about a run, for pictures and comparisons: reading only. */
#ifndef CW_TRAIN_RUN_DATA_H
#define CW_TRAIN_RUN_DATA_H

#include "base/text.h"
#include "config/config.h"
#include "train/folder.h"

/* The evaluations of a run, in their order. */
typedef struct cw_run_data {
    char path[CW_PATH];
    cw_settings settings;
    int n;          /* evaluations, 1 or more */
    double *frames; /* (n) */
    double *wall_s; /* (n) seconds of training so far, in all sessions */
    double *score;  /* (n) mean return */
} cw_run_data;

/* CW_ENOTFOUND: no run folder, or no evaluation yet. On failure there is nothing to free. */
cw_status cw_run_data_load(cw_run_data *out, const char *run);
void cw_run_data_free(cw_run_data *data);

/* The run's score at x between its first and its last evaluation, with straight lines between
 * them; NaN outside. `at` is frames or wall_s. */
double cw_run_score_at(const cw_run_data *data, const double *at, double x);

/* The settings that a run of this profile and task has when nothing else is said. */
cw_status cw_settings_usual(const cw_settings *settings, cw_settings *out);

/* Appends " key=value" for every key whose value differs from the usual one, except those that
 * change no number of the training: seed, threads, length, evaluation, checkpoints, logs. */
void cw_settings_differences(cw_text *out, const cw_settings *settings, const cw_settings *usual);

/* Whether a key changes the numbers of training (see above). */
bool cw_key_matters(const cw_key *key);

/* Refuses a file that exists unless `replace`: CW_EIO. A path of NULL, no file, is CW_OK. */
cw_status cw_target_check(const char *path, bool replace);

#endif
