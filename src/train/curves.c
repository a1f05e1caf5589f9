/* Learning curves over seeds. */
#include "base/error.h"
#include "base/memory.h"
#include "io/plot.h"
#include "train/published.h"
#include "train/run_data.h"
#include "train/statistics.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOTSTRAP_SEED     1
#define SECONDS_OF_AN_HOUR 3600.0

/* One curve: the runs that share its label and, unless over tasks, its task. */
typedef struct group {
    char *label;
    const char *task; /* of the first run; "" when the curve is over tasks */
    int n_runs;
    int *run; /* (n_runs) indices, task after task: the strata of the bootstrap */
    const char **names;
    int n_points;
    cw_curve_point *points;
} group;

struct cw_curves {
    cw_curves_options options;
    int n_runs;
    cw_run_data *run; /* (n_runs) */
    char **label;     /* (n_runs) of each run's group */
    int n_groups;
    group *group; /* (n_runs) */
};

/* Frames or seconds of the run's evaluations. */
static const double *run_x(const cw_curves *curves, const cw_run_data *run) {
    return curves->options.hours ? run->wall_s : run->frames;
}

/* ---------------------------------------------------------------- points */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Frames: wherever a run of the group was evaluated. */
static int grid_of_frames(const cw_curves *curves, const group *g, double *x) {
    int n = 0, kept = 0;
    for (int r = 0; r < g->n_runs; r++) {
        const cw_run_data *run = &curves->run[g->run[r]];
        for (int i = 0; i < run->n; i++) x[n++] = run->frames[i];
    }
    qsort(x, (size_t)n, sizeof *x, compare);
    for (int i = 0; i < n; i++) {
        if (kept == 0 || x[i] > x[kept - 1]) x[kept++] = x[i];
    }
    return kept;
}

/* Hours: no two runs are evaluated at the same moment. Even steps from the first evaluation to the
 * last, as many as the run with the most evaluations has. */
static int grid_of_hours(const cw_curves *curves, const group *g, double *x) {
    double first = INFINITY, last = 0;
    int n = 0;
    for (int r = 0; r < g->n_runs; r++) {
        const cw_run_data *run = &curves->run[g->run[r]];
        first = fmin(first, run->wall_s[0]);
        last = fmax(last, run->wall_s[run->n - 1]);
        if (run->n > n) n = run->n;
    }
    if (g->n_runs == 1) {
        for (int i = 0; i < n; i++) x[i] = curves->run[g->run[0]].wall_s[i];
        return n;
    }
    for (int i = 0; i < n; i++) x[i] = n == 1 ? last : first + i * (last - first) / (n - 1);
    x[n - 1] = last; /* free of rounding: the longest run still counts there */
    return n;
}

/* One point: the scores of the runs that count at x, task after task, and what they say. */
static cw_status make_point(const cw_curves *curves, const group *g, double x, double *score,
                            int *stratum, cw_curve_point *out) {
    int n = 0, n_strata = 0;
    const char *task = NULL;
    for (int r = 0; r < g->n_runs; r++) {
        const cw_run_data *run = &curves->run[g->run[r]];
        double value = cw_run_score_at(run, run_x(curves, run), x);
        if (isnan(value)) continue;
        if (task == NULL || strcmp(task, run->settings.env.task) != 0) {
            task = run->settings.env.task;
            stratum[n_strata++] = 0;
        }
        stratum[n_strata - 1]++;
        score[n++] = value;
    }
    double unit = curves->options.hours ? SECONDS_OF_AN_HOUR : 1.0;
    *out = (cw_curve_point){.x = x / unit, .iqm = NAN, .low = NAN, .high = NAN, .n_runs = n};
    if (n == 0) return CW_OK;
    cw_interval interval;
    CW_TRY(cw_iqm_interval(&interval, score, stratum, n_strata, BOOTSTRAP_SEED));
    out->low = interval.low;
    out->high = interval.high;
    out->iqm = cw_iqm(score, n);
    return CW_OK;
}

static cw_status make_points(const cw_curves *curves, group *g) {
    size_t room = 0;
    for (int r = 0; r < g->n_runs; r++) room += (size_t)curves->run[g->run[r]].n;
    double *x; /* the grid, then the scores of one point */
    int *stratum;
    CW_TRY(cw_alloc(&g->points, room, sizeof *g->points, "a learning curve"));
    CW_TRY(cw_alloc(&x, room + (size_t)g->n_runs, sizeof *x, "a learning curve"));
    cw_status status = cw_alloc(&stratum, (size_t)g->n_runs, sizeof *stratum, "a learning curve");
    if (status == CW_OK) {
        int n = curves->options.hours ? grid_of_hours(curves, g, x) : grid_of_frames(curves, g, x);
        for (int i = 0; i < n && status == CW_OK; i++) {
            status = make_point(curves, g, x[i], x + room, stratum, &g->points[g->n_points]);
            g->n_points += g->points[g->n_points].n_runs > 0;
        }
        cw_free(stratum);
    }
    cw_free(x);
    return status;
}

/* ---------------------------------------------------------------- groups */

static cw_status make_label(cw_curves *curves, int i) {
    const cw_settings *settings = &curves->run[i].settings;
    cw_settings usual;
    cw_text text = {0};
    CW_TRY(cw_settings_usual(settings, &usual));
    cw_text_add(&text, settings->run.profile);
    cw_settings_differences(&text, settings, &usual);
    curves->label[i] = text.bytes;
    return text.status;
}

static bool same_task(const cw_curves *curves, int a, int b) {
    return strcmp(curves->run[a].settings.env.task, curves->run[b].settings.env.task) == 0;
}

static bool same_curve(const cw_curves *curves, int a, int b) {
    return strcmp(curves->label[a], curves->label[b]) == 0 &&
           (curves->options.over_tasks || same_task(curves, a, b));
}

static bool begins_curve(const cw_curves *curves, int i) {
    for (int k = 0; k < i; k++) {
        if (same_curve(curves, i, k)) return false;
    }
    return true;
}

/* Appends the runs of one task to a group; true when it had some. */
static void add_runs(const cw_curves *curves, group *g, int first, int of_task) {
    for (int i = 0; i < curves->n_runs; i++) {
        if (!same_curve(curves, first, i) || !same_task(curves, of_task, i)) continue;
        g->run[g->n_runs] = i;
        g->names[g->n_runs++] = curves->run[i].path;
    }
}

static bool begins_task(const cw_curves *curves, int first, int i) {
    for (int k = first; k < i; k++) {
        if (same_curve(curves, first, k) && same_task(curves, i, k)) return false;
    }
    return same_curve(curves, first, i);
}

static cw_status make_group(cw_curves *curves, int first) {
    group *g = &curves->group[curves->n_groups++];
    size_t n = (size_t)curves->n_runs;
    CW_TRY(cw_alloc(&g->run, n, sizeof *g->run, "a learning curve"));
    CW_TRY(cw_alloc(&g->names, n, sizeof *g->names, "a learning curve"));
    g->label = curves->label[first];
    g->task = curves->run[first].settings.env.task;
    for (int i = first; i < curves->n_runs; i++) {
        if (!begins_task(curves, first, i)) continue;
        if (i > first) g->task = ""; /* a second task */
        add_runs(curves, g, first, i);
    }
    return make_points(curves, g);
}

static cw_status create(cw_curves *curves, const char *const *runs, int n_runs) {
    CW_TRY(cw_alloc(&curves->run, (size_t)n_runs, sizeof *curves->run, "runs"));
    CW_TRY(cw_alloc(&curves->label, (size_t)n_runs, sizeof *curves->label, "runs"));
    CW_TRY(cw_alloc(&curves->group, (size_t)n_runs, sizeof *curves->group, "runs"));
    for (int i = 0; i < n_runs; i++) {
        CW_TRY(cw_run_data_load(&curves->run[i], runs[i]));
        curves->n_runs++;
        CW_TRY(make_label(curves, i));
    }
    for (int i = 0; i < n_runs; i++) {
        if (begins_curve(curves, i)) CW_TRY(make_group(curves, i));
    }
    return CW_OK;
}

cw_status cw_curves_create(cw_curves **out, const char *const *runs, int n_runs,
                           const cw_curves_options *options) {
    if (n_runs < 1) return cw_fail(CW_EINVAL, "learning curves of no run; give one or more");
    for (int i = 0; i < n_runs; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(runs[i], runs[k]) != 0) continue;
            return cw_fail(CW_EINVAL, "%s is given twice: it would count as two runs", runs[i]);
        }
    }
    cw_curves *curves;
    CW_TRY(cw_alloc(&curves, 1, sizeof *curves, "learning curves"));
    curves->options = *options;
    cw_status status = create(curves, runs, n_runs);
    if (status != CW_OK) {
        cw_curves_destroy(curves);
        return status;
    }
    *out = curves;
    return CW_OK;
}

void cw_curves_destroy(cw_curves *curves) {
    if (curves == NULL) return;
    for (int i = 0; i < curves->n_groups; i++) {
        cw_free(curves->group[i].run);
        cw_free(curves->group[i].names);
        cw_free(curves->group[i].points);
    }
    for (int i = 0; i < curves->n_runs; i++) {
        cw_run_data_free(&curves->run[i]);
        cw_free(curves->label[i]);
    }
    cw_free(curves->run);
    cw_free(curves->label);
    cw_free(curves->group);
    cw_free(curves);
}

bool cw_curves_get(const cw_curves *curves, int i, cw_curve_info *out) {
    if (i < 0 || i >= curves->n_groups) return false;
    const group *g = &curves->group[i];
    *out = (cw_curve_info){.task = g->task,
                           .label = g->label,
                           .n_runs = g->n_runs,
                           .runs = g->names,
                           .n_points = g->n_points,
                           .points = g->points};
    return true;
}

/* ---------------------------------------------------------------- the picture */

/* The one task of all curves, NULL when there are several. */
static const char *only_task(const cw_curves *curves) {
    for (int i = 1; i < curves->n_runs; i++) {
        if (!same_task(curves, 0, i)) return NULL;
    }
    return curves->run[0].settings.env.task;
}

/* "authors, 3 runs", after the task where there are several. */
static cw_status legend(const cw_curves *curves, const group *g, cw_text *out) {
    bool tasks = only_task(curves) == NULL;
    if (tasks && g->task[0] != '\0') cw_text_format(out, "%s, ", g->task);
    cw_text_format(out, "%s, %d run%s", g->label, g->n_runs, g->n_runs == 1 ? "" : "s");
    return out->status;
}

/* The last points, at which not all runs of the group count. */
static int count_dashed(const group *g) {
    int n = 0;
    while (n < g->n_points && g->points[g->n_points - 1 - n].n_runs < g->n_runs) n++;
    return n;
}

static cw_status fill_curve(const cw_curves *curves, int i, cw_curve *curve, cw_text *text) {
    const group *g = &curves->group[i];
    double *block;
    CW_TRY(legend(curves, g, text));
    CW_TRY(cw_alloc(&block, 4 * (size_t)g->n_points, sizeof *block, "a picture"));
    size_t n = (size_t)g->n_points;
    for (size_t k = 0; k < n; k++) {
        block[k] = g->points[k].x;
        block[n + k] = g->points[k].iqm;
        block[2 * n + k] = g->points[k].low;
        block[3 * n + k] = g->points[k].high;
    }
    *curve = (cw_curve){.label = text->bytes,
                        .x = block,
                        .y = block + n,
                        .n = g->n_points,
                        .low = block + 2 * n,
                        .high = block + 3 * n,
                        .n_dashed = count_dashed(g)};
    return CW_OK;
}

#define LEVELS_MAX 4

static double last_frames(const cw_curves *curves) {
    double last = 0;
    for (int i = 0; i < curves->n_runs; i++) {
        last = fmax(last, curves->run[i].frames[curves->run[i].n - 1]);
    }
    return last;
}

static cw_status draw(const cw_curves *curves, const char *path, cw_curve *curve, cw_text *text) {
    for (int i = 0; i < curves->n_groups; i++) {
        CW_TRY(fill_curve(curves, i, &curve[i], &text[i]));
    }
    const char *task = only_task(curves);
    cw_plot_level levels[LEVELS_MAX];
    char level_text[LEVELS_MAX][CW_PUBLISHED_TEXT];
    cw_plot plot = {.title = task != NULL ? task : "Learning curves",
                    .x_label = curves->options.hours ? "hours of training" : "environment frames",
                    .y_label = "evaluation return, IQM and 95% interval",
                    .curves = curve,
                    .n_curves = curves->n_groups,
                    .levels = levels};
    if (task != NULL) {
        plot.n_levels =
            cw_published_levels(task, last_frames(curves), levels, level_text, LEVELS_MAX);
    }
    return cw_plot_write(path, &plot);
}

cw_status cw_curves_draw(const cw_curves *curves, const char *path, bool replace) {
    CW_TRY(cw_target_check(path, replace));
    size_t n = (size_t)curves->n_groups;
    cw_curve *curve;
    cw_text *text;
    CW_TRY(cw_alloc(&curve, n, sizeof *curve, "a picture"));
    cw_status status = cw_alloc(&text, n, sizeof *text, "a picture");
    if (status == CW_OK) {
        status = draw(curves, path, curve, text);
        for (size_t i = 0; i < n; i++) {
            cw_free((void *)curve[i].x);
            cw_text_free(&text[i]);
        }
        cw_free(text);
    }
    cw_free(curve);
    return status;
}
