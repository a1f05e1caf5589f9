/* compare: two runs side by side. */
#include "cli.h"
#include "json.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCORES_SHOWN 12 /* about so many rows of text; JSON has all */

static void print_run_json(cli_json *json, const char *path, const cw_run_summary *run) {
    cli_json_object(json, NULL);
    cli_json_text(json, "run", path);
    cli_json_text(json, "task", run->task);
    cli_json_text(json, "profile", run->profile);
    cli_json_integer(json, "frames", run->frames);
    cli_json_integer(json, "frames_total", run->frames_total);
    cli_json_integer(json, "agent_steps", run->agent_steps);
    cli_json_integer(json, "updates", run->updates);
    cli_json_real(json, "wall_s", run->wall_s);
    cli_json_real(json, "frames_per_s", run->frames_per_s);
    cli_json_real(json, "updates_per_s", run->updates_per_s);
    cli_json_real(json, "last_eval", run->last_eval);
    cli_json_real(json, "best_eval", run->best_eval);
    cli_json_array(json, "time");
    for (int i = 0; i < run->n_parts; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "part", run->part[i].name);
        cli_json_real(json, "seconds", run->part[i].seconds);
        cli_json_boolean(json, "beside", run->part[i].beside);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void print_json(const cw_comparison *c, const char *const path[2]) {
    cli_json json;
    cw_key_difference key;
    cw_score_pair score;
    cli_json_open(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_array(&json, "runs");
    for (int i = 0; i < 2; i++) print_run_json(&json, path[i], cw_comparison_run(c, i));
    cli_json_end(&json);
    cli_json_array(&json, "settings");
    for (int i = 0; cw_comparison_key(c, i, &key); i++) {
        cli_json_object(&json, NULL);
        cli_json_text(&json, "key", key.key);
        cli_json_text(&json, "a", key.a);
        cli_json_text(&json, "b", key.b);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_array(&json, "scores");
    for (int i = 0; cw_comparison_score(c, i, &score); i++) {
        cli_json_object(&json, NULL);
        cli_json_real(&json, "frames", score.frames);
        cli_json_real(&json, "a", score.a);
        cli_json_real(&json, "b", score.b);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

static void print_settings(const cw_comparison *c) {
    cw_key_difference key;
    if (!cw_comparison_key(c, 0, &key)) {
        puts("\nsettings: the same");
        return;
    }
    puts("\nsettings that differ");
    for (int i = 0; cw_comparison_key(c, i, &key); i++)
        printf("  %-28s %16s %16s\n", key.key, key.a[0] ? key.a : "(none)",
               key.b[0] ? key.b : "(none)");
}

/* A figure of both runs, the second also as a multiple of the first; "-" where it is not known. */
static void print_figure(const char *name, double a, double b, const char *format) {
    const double value[2] = {a, b};
    printf("  %-28s", name);
    for (int i = 0; i < 2; i++) {
        char text[64];
        snprintf(text, sizeof text, format, value[i]);
        printf(" %16s", isnan(value[i]) ? "-" : text);
    }
    if (a > 0 && b > 0) printf("   x %.2f", b / a);
    putchar('\n');
}

static void print_speed(const cw_run_summary *a, const cw_run_summary *b) {
    puts("\nspeed");
    print_figure("frames/s while training", a->frames_per_s, b->frames_per_s, "%.1f");
    print_figure("updates/s while training", a->updates_per_s, b->updates_per_s, "%.1f");
    print_figure("frames", (double)a->frames, (double)b->frames, "%.0f");
    print_figure("hours in all", a->wall_s / 3600, b->wall_s / 3600, "%.3f");
    if (a->n_parts == 0 || b->n_parts == 0) {
        puts("  time by part: not known for a run without timing.csv");
        return;
    }
    puts("\nmilliseconds per agent step");
    for (int i = 0; i < a->n_parts && i < b->n_parts; i++)
        print_figure(a->part[i].name, 1e3 * a->part[i].seconds / (double)a->agent_steps,
                     1e3 * b->part[i].seconds / (double)b->agent_steps, "%.3f");
}

static void print_scores(const cw_comparison *c) {
    cw_score_pair score;
    int n = 0;
    while (cw_comparison_score(c, n, &score)) n++;
    if (n == 0) {
        puts("\nmean evaluation return: at no frames have both runs a score");
        return;
    }
    puts("\nmean evaluation return at equal frames");
    int step = (n + SCORES_SHOWN - 1) / SCORES_SHOWN;
    for (int i = (n - 1) % step; cw_comparison_score(c, i, &score); i += step) {
        printf("  %-28.0f %16.1f %16.1f   %+.1f\n", score.frames, score.a, score.b,
               score.b - score.a);
    }
}

int cli_compare(const cli_args *args) {
    const char *path[2] = {cli_args_word(args, 0), cli_args_word(args, 1)};
    cw_comparison *c = NULL;
    int code = cli_report_status(cw_comparison_create(&c, path[0], path[1]));
    if (code != CLI_DONE) return code;
    if (cli_args_flag(args, "--json")) {
        print_json(c, path);
    } else {
        for (int i = 0; i < 2; i++) {
            const cw_run_summary *run = cw_comparison_run(c, i);
            printf("%c: %s (%s, profile %s, seed %llu)\n", "ab"[i], path[i], run -> task,
                   run -> profile, (unsigned long long)run -> seed);
        }
        printf("  %-28s %16s %16s\n", "", "a", "b");
        print_settings(c);
        print_speed(cw_comparison_run(c, 0), cw_comparison_run(c, 1));
        print_scores(c);
    }
    cw_comparison_destroy(c);
    return code;
}
