/* What became of runs: learning curves over seeds, comparison of two runs, a page about one. All
 * calls read run folders, also of runs that are still going on, and change none; any thread. A
 * folder that is no run gives CW_ENOTFOUND, one of another version of curlew CW_EFORMAT. */
#ifndef CURLEW_RESULTS_H
#define CURLEW_RESULTS_H

#include <curlew/run.h>
#include <curlew/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* exported by the shared library */

/* ---- learning curves ---- */

/* Runs whose settings differ in the seed alone (and in what does not change training: threads,
 * length, how often they evaluate) make one curve. */
typedef struct cw_curves cw_curves;

typedef struct cw_curves_options {
    bool hours;      /* x is hours of training, evaluations included, instead of frames */
    bool over_tasks; /* one curve for a setting over all of its tasks */
} cw_curves_options;

/* The interquartile mean (IQM) of the runs' evaluation returns at one x, and its 95% interval by
 * stratified bootstrap over runs (Agarwal et al. 2021). A run counts from its first evaluation to
 * its last, with straight lines between evaluations. */
typedef struct cw_curve_point {
    double x;         /* environment frames, or hours */
    double iqm;       /* return */
    double low, high; /* NaN where fewer than two runs count */
    int n_runs;       /* how many count */
} cw_curve_point;

/* Strings and points belong to the curves. */
typedef struct cw_curve_info {
    const char *task;  /* "" when the curve is over several tasks */
    const char *label; /* the profile and every key that differs from it */
    int n_runs;
    const char *const *runs;
    int n_points;
    const cw_curve_point *points;
} cw_curve_info;

/* A published score to hold against the curves. Strings are static. */
typedef struct cw_published {
    const char *task;
    const char *method;
    int64_t frames;  /* environment frames of training */
    double mean, sd; /* over `seeds` */
    int seeds;
    const char *source;
} cw_published;

/* Published score i (0-based) of a task, by frames; false when there is none. */
bool cw_published_get(const char *task, int i, cw_published *out);

/* Reads the runs; CW_EINVAL without any, CW_ENOTFOUND names a folder that is no run or has no
 * evaluation yet. The runs' names are copied. */
cw_status cw_curves_create(cw_curves **out, const char *const *runs, int n_runs,
                           const cw_curves_options *options);
void cw_curves_destroy(cw_curves *curves); /* NULL allowed */

/* Curve i (0-based), in the order of the first of its runs; false when there is none. */
bool cw_curves_get(const cw_curves *curves, int i, cw_curve_info *out);

/* Draws them into a .svg or .png file, with published scores when all are of one task. An existing
 * file is CW_EIO unless `replace`. */
cw_status cw_curves_draw(const cw_curves *curves, const char *path, bool replace);

/* ---- one run in figures ---- */

#define CW_RUN_PARTS_MAX 24

typedef struct cw_run_part {
    const char *name; /* static */
    double seconds;   /* in all sessions */
    bool beside;      /* in a thread of its own: not part of the sum */
} cw_run_part;

typedef struct cw_run_summary {
    char task[128], profile[128];
    uint64_t seed;
    int64_t frames, frames_total; /* environment frames so far, and of the whole run */
    int64_t agent_steps, updates;
    double wall_s;                      /* seconds of training in all sessions */
    double frames_per_s, updates_per_s; /* without evaluations and checkpoints, NaN = not known */
    int n_parts;                        /* 0: the run has no timing.csv */
    cw_run_part part[CW_RUN_PARTS_MAX];
    int64_t evaluated_at;        /* frames of the last evaluation */
    double last_eval, best_eval; /* mean return */
} cw_run_summary;

/* A run that has not been evaluated yet is CW_ENOTFOUND. */
cw_status cw_run_summarize(const char *run, cw_run_summary *out);

/* ---- two runs ---- */

typedef struct cw_comparison cw_comparison;

/* A key that two runs have at different values; strings belong to the comparison. */
typedef struct cw_key_difference {
    const char *key;
    const char *a, *b;
} cw_key_difference;

/* Mean evaluation returns at equal frames: at every evaluation of either run that lies between the
 * first and the last of both, with straight lines between evaluations. */
typedef struct cw_score_pair {
    double frames;
    double a, b;
} cw_score_pair;

cw_status cw_comparison_create(cw_comparison **out, const char *run_a, const char *run_b);
void cw_comparison_destroy(cw_comparison *comparison); /* NULL allowed */
/* Run 0 or 1. */
const cw_run_summary *cw_comparison_run(const cw_comparison *comparison, int run);
/* Difference or pair i (0-based), in the order of the keys or frames; false beyond the last. */
bool cw_comparison_key(const cw_comparison *comparison, int i, cw_key_difference *out);
bool cw_comparison_score(const cw_comparison *comparison, int i, cw_score_pair *out);

/* ---- a page about one run ---- */

/* Writes one HTML page that needs nothing else: curves, video, what the encoder sees (crops,
 * saliency, nearest neighbours, similarity matrix), time, settings, machine. path NULL:
 * <run>/report.html. An existing file is CW_EIO unless `replace`. Reads the whole replay of the
 * newest checkpoint into memory; a run without one gets a page without those pictures. */
cw_status cw_report(const char *run, const char *path, bool replace);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
