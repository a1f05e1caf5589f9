/* What the command shows of results, for its tests: two curves and a comparison that are made up.
 */
#include "base/error.h"
#include "cli/fake.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cw_curves {
    cw_curves_options options;
    int n_runs;
    const char *const *runs;
};

struct cw_comparison {
    cw_run_summary run[2];
};

bool cw_published_get(const char *task, int i, cw_published *out) {
    if (strcmp(task, "toy") != 0 || i > 0) return false;
    *out = (cw_published){"toy", "CURL", 1000, 30, 5, 10, "a paper"};
    return true;
}

cw_status cw_curves_create(cw_curves **out, const char *const *runs, int n_runs,
                           const cw_curves_options *options) {
    static cw_curves curves;
    CW_TRY(fake_ending());
    curves = (cw_curves){*options, n_runs, runs};
    *out = &curves;
    return CW_OK;
}

void cw_curves_destroy(cw_curves *curves) {
    (void)curves;
}

bool cw_curves_get(const cw_curves *curves, int i, cw_curve_info *out) {
    static const cw_curve_point points[] = {
        {0, 10.5, 9, 12, 2}, {1000, 30, 25, 35.5, 2}, {2000, 40, NAN, NAN, 1}};
    if (i > 0) return false;
    *out = (cw_curve_info){.task = curves->options.over_tasks ? "" : "toy",
                           .label = "tiny",
                           .n_runs = curves->n_runs,
                           .runs = curves->runs,
                           .n_points = 3,
                           .points = points};
    return true;
}

cw_status cw_curves_draw(const cw_curves *curves, const char *path, bool replace) {
    printf("draw %s%s%s\n", path, curves->options.hours ? " hours" : "", replace ? " replace" : "");
    return CW_OK;
}

cw_status cw_comparison_create(cw_comparison **out, const char *run_a, const char *run_b) {
    static cw_comparison made;
    (void)run_a;
    (void)run_b;
    CW_TRY(fake_ending());
    cw_run_summary run = {.task = "toy",
                          .profile = "tiny",
                          .seed = 3,
                          .frames = 4000,
                          .frames_total = 4000,
                          .agent_steps = 4000,
                          .updates = 3800,
                          .wall_s = 3600,
                          .frames_per_s = 100,
                          .updates_per_s = NAN,
                          .n_parts = 1,
                          .part = {{"optimisers", 4, false}}};
    made.run[0] = made.run[1] = run;
    made.run[1].frames_per_s = 250;
    *out = &made;
    return CW_OK;
}

void cw_comparison_destroy(cw_comparison *comparison) {
    (void)comparison;
}

const cw_run_summary *cw_comparison_run(const cw_comparison *comparison, int run) {
    return &comparison->run[run];
}

bool cw_comparison_key(const cw_comparison *comparison, int i, cw_key_difference *out) {
    (void)comparison;
    *out = (cw_key_difference){"update.batch_size", "128", "512"};
    return i == 0;
}

bool cw_comparison_score(const cw_comparison *comparison, int i, cw_score_pair *out) {
    (void)comparison;
    *out = (cw_score_pair){1000.0 * i, 10, 10 + i};
    return i < 3;
}

cw_status cw_report(const char *run, const char *path, bool replace) {
    CW_TRY(fake_ending());
    printf("page of %s to %s%s\n", run, path ? path : "(default)", replace ? " replace" : "");
    return CW_OK;
}
