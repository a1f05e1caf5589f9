/* plot and report: learning curves of runs as pictures and numbers, and a page about one. */
#include "cli.h"
#include "json.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_curve_json(cli_json *json, const cw_curve_info *curve) {
    cli_json_object(json, NULL);
    cli_json_text(json, "task", curve->task[0] ? curve->task : NULL);
    cli_json_text(json, "label", curve->label);
    cli_json_array(json, "runs");
    for (int i = 0; i < curve->n_runs; i++) cli_json_text(json, NULL, curve->runs[i]);
    cli_json_end(json);
    cli_json_array(json, "points");
    for (int i = 0; i < curve->n_points; i++) {
        const cw_curve_point *point = &curve->points[i];
        cli_json_object(json, NULL);
        cli_json_real(json, "x", point->x);
        cli_json_real(json, "iqm", point->iqm);
        cli_json_real(json, "low", point->low);
        cli_json_real(json, "high", point->high);
        cli_json_integer(json, "n_runs", point->n_runs);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void print_published_json(cli_json *json, const char *task) {
    cw_published score;
    cli_json_array(json, "published");
    for (int i = 0; cw_published_get(task, i, &score); i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "task", score.task);
        cli_json_text(json, "method", score.method);
        cli_json_integer(json, "frames", score.frames);
        cli_json_real(json, "mean", score.mean);
        cli_json_real(json, "sd", score.sd);
        cli_json_integer(json, "seeds", score.seeds);
        cli_json_text(json, "source", score.source);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void print_json(const cw_curves *curves, bool hours) {
    cli_json json;
    cw_curve_info curve;
    cli_json_open(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "x", hours ? "hours" : "frames");
    cli_json_text(&json, "y", "evaluation return");
    cli_json_text(&json, "interval", "95%, stratified bootstrap over runs");
    cli_json_array(&json, "curves");
    for (int i = 0; cw_curves_get(curves, i, &curve); i++) print_curve_json(&json, &curve);
    cli_json_end(&json);
    if (cw_curves_get(curves, 0, &curve)) print_published_json(&json, curve.task);
    cli_json_end(&json);
}

/* The end of each curve, as far as all of its runs have got. */
static void print_ends(const cw_curves *curves, bool hours) {
    cw_curve_info curve;
    for (int i = 0; cw_curves_get(curves, i, &curve); i++) {
        int last = curve.n_points - 1;
        while (last > 0 && curve.points[last].n_runs < curve.n_runs) last--;
        const cw_curve_point *point = &curve.points[last];
        printf("%s%s%s: IQM %.1f", curve.task, curve.task[0] ? ", " : "", curve.label, point->iqm);
        if (!isnan(point->low)) printf(" [%.1f, %.1f]", point->low, point->high);
        if (hours)
            printf(" after %.4g hours", point->x);
        else
            printf(" at %.0f frames", point->x);
        printf(", %d of %d run%s\n", point->n_runs, curve.n_runs, curve.n_runs == 1 ? "" : "s");
    }
}

static int draw(const cli_args *args, const cw_curves *curves) {
    bool replace = cli_args_flag(args, "--force");
    for (int i = 0; i < args->n_items; i++) {
        const cli_item *item = &args->items[i];
        if (!item->option || strcmp(item->option->name, "--out") != 0) continue;
        int code = cli_report_status(cw_curves_draw(curves, item->value, replace));
        if (code != CLI_DONE) return code;
    }
    return CLI_DONE;
}

/* "frames" or "hours"; false after reporting. */
static bool read_axis(const cli_args *args, bool *hours) {
    const char *x = cli_args_value(args, "--x");
    *hours = x && strcmp(x, "hours") == 0;
    if (!x || *hours || strcmp(x, "frames") == 0) return true;
    cli_report(CLI_USAGE, "--x %s: must be frames or hours", x);
    return false;
}

int cli_plot(const cli_args *args) {
    bool json = cli_args_flag(args, "--json");
    cw_curves_options options = {.over_tasks = cli_args_flag(args, "--over-tasks")};
    if (!read_axis(args, &options.hours)) return CLI_USAGE;
    const char **runs = calloc((size_t)args->n_items, sizeof *runs);
    if (!runs) return cli_report(CLI_FAILED, "no memory for %d runs", args->n_items);
    int n = 0;
    while ((runs[n] = cli_args_word(args, n)) != NULL)
        if (++n == args->n_items) break;
    cw_curves *curves = NULL;
    int code = cli_report_status(cw_curves_create(&curves, runs, n, &options));
    if (code == CLI_DONE) code = draw(args, curves);
    if (code == CLI_DONE && json) print_json(curves, options.hours);
    if (code == CLI_DONE && !json) print_ends(curves, options.hours);
    cw_curves_destroy(curves);
    free(runs);
    return code;
}

int cli_report_page(const cli_args *args) {
    const char *run = cli_args_word(args, 0), *out = cli_args_value(args, "--out");
    cw_status status = cw_report(run, out, cli_args_flag(args, "--force"));
    if (status != CW_OK) return cli_report_status(status);
    if (out)
        printf("report: %s\n", out);
    else
        printf("report: %s/report.html\n", run);
    return CLI_DONE;
}
