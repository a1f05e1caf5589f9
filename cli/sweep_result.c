/* What came of the runs of a sweep. */
#include "json.h"
#include "sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one run ---- */

static bool run_path(const sweep *s, const sweep_run *run, const char *file, char *out,
                     size_t out_bytes) {
    return snprintf(out, out_bytes, "%s/%s/%s", s->out, run->name, file) < (int)out_bytes;
}

/* Index of a column in a CSV header, -1 when there is none. */
static int find_column(const char *header, const char *name) {
    size_t n = strlen(name);
    for (int i = 0;; i++, header++) {
        if (strncmp(header, name, n) == 0 && strchr(",\r\n", header[n])) return i;
        header += strcspn(header, ",\n");
        if (*header != ',') return -1;
    }
}

static double field(const char *line, int column) {
    for (; column > 0 && line; column--) {
        line = strchr(line, ',');
        if (line) line++;
    }
    char *end;
    double value = line ? strtod(line, &end) : NAN;
    return line && end != line ? value : NAN;
}

void sweep_read_result(const sweep *s, sweep_run *run) {
    char path[1100], header[1024], line[1024], last[1024] = "";
    if (!run_path(s, run, "eval.csv", path, sizeof path)) return;
    FILE *file = fopen(path, "r");
    if (!file) return;
    bool read = fgets(header, sizeof header, file) != NULL;
    while (read && fgets(line, sizeof line, file))
        if (strchr(line, '\n')) memcpy(last, line, sizeof last);
    fclose(file);
    int frames = read ? find_column(header, "frames") : -1;
    int score = read ? find_column(header, "return_mean") : -1;
    int wall = read ? find_column(header, "wall_s") : -1;
    if (!last[0] || frames < 0 || score < 0 || wall < 0) return;
    double count = field(last, frames);
    run->frames = count >= 0 && count < 9e15 ? (int64_t)count : 0;
    run->score = field(last, score);
    run->wall_s = field(last, wall);
}

/* Equal but for what says how and where a run is made, not what it is. */
static bool same_settings(const cw_config *a, const cw_config *b) {
    static const char *const free_keys[] = {"run.threads", "run.out", "run.fresh"};
    cw_key_info key;
    char x[1100], y[1100];
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        bool is_free = false;
        for (size_t k = 0; k < sizeof free_keys / sizeof *free_keys; k++)
            is_free = is_free || strcmp(key.name, free_keys[k]) == 0;
        /* In a run's own file the task's published repeat stands in place of "the published one".
         */
        if (strcmp(key.name, "env.action_repeat") == 0 &&
            cw_config_get(a, key.name, x, sizeof x) == CW_OK && strcmp(x, "0") == 0)
            continue;
        if (is_free) continue;
        if (cw_config_get(a, key.name, x, sizeof x) != CW_OK ||
            cw_config_get(b, key.name, y, sizeof y) != CW_OK || strcmp(x, y) != 0)
            return false;
    }
    return true;
}

bool sweep_is_done(const sweep *s, sweep_run *run, const cw_config *config) {
    char path[1100], frames[32];
    cw_config *before = NULL;
    if (!run_path(s, run, "weights.safetensors", path, sizeof path) || access(path, R_OK) != 0)
        return false;
    if (!run_path(s, run, "config.ini", path, sizeof path) || access(path, R_OK) != 0) return false;
    if (cw_config_create(&before) != CW_OK) return false;
    bool same = cw_config_load(before, path) == CW_OK && same_settings(config, before) &&
                cw_config_get(config, "train.frames", frames, sizeof frames) == CW_OK;
    cw_config_destroy(before);
    if (!same) return false;
    sweep_read_result(s, run);
    return run->frames >= strtoll(frames, NULL, 10);
}

/* ---- cells ---- */

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double sweep_iqm(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    int cut = n / 4;
    double sum = 0;
    for (int i = cut; i < n - cut; i++) sum += values[i];
    return n > 0 ? sum / (n - 2 * cut) : NAN;
}

typedef struct summary {
    int n; /* finished runs with a score */
    double mean, iqm, min, max;
    double wall_s; /* mean */
} summary;

/* values has room for s->n_seeds. */
static summary summarize(const sweep *s, int cell, double *values) {
    summary out = {.mean = NAN, .iqm = NAN, .min = NAN, .max = NAN, .wall_s = NAN};
    double sum = 0, seconds = 0;
    for (int i = 0; i < s->n_seeds; i++) {
        const sweep_run *run = &s->runs[cell * s->n_seeds + i];
        if (run->state != SWEEP_DONE || !isfinite(run->score)) continue;
        values[out.n++] = run->score;
        sum += run->score;
        seconds += run->wall_s;
    }
    if (out.n == 0) return out;
    out.iqm = sweep_iqm(values, out.n); /* sorts */
    out.mean = sum / out.n;
    out.min = values[0];
    out.max = values[out.n - 1];
    out.wall_s = seconds / out.n;
    return out;
}

/* ---- what is written ---- */

/* A column of its own: what differs between cells, task and profile always. */
static bool is_column(const sweep *s, int a) {
    return a == 0 || (s->axes[a].n != 1 && strcmp(s->axes[a].name, "profile") != 0);
}

static int width_of(const sweep *s, int a) {
    int width = (int)strlen(s->axes[a].name);
    for (int c = 0; c < s->n_cells; c++) {
        int n = (int)strlen(s->cells[c].value[a]);
        if (n > width) width = n;
    }
    return width;
}

static void put_number(double value, const char *format) {
    if (isfinite(value))
        printf(format, value);
    else
        printf("%9s", "-");
}

static void print_table(const sweep *s, double *values) {
    int profile = 7;
    for (int c = 0; c < s->n_cells; c++)
        if ((int)strlen(s->cells[c].profile) > profile) profile = (int)strlen(s->cells[c].profile);
    printf("\n%-*s  %-*s", width_of(s, 0), "task", profile, "profile");
    for (int a = 1; a < s->n_axes; a++)
        if (is_column(s, a)) printf("  %*s", width_of(s, a), s->axes[a].name);
    printf("  %9s%9s%9s%9s%9s%9s\n", "runs", "mean", "IQM", "lowest", "highest", "s a run");
    for (int c = 0; c < s->n_cells; c++) {
        const sweep_cell *cell = &s->cells[c];
        char runs[32];
        summary sum = summarize(s, c, values);
        printf("%-*s  %-*s", width_of(s, 0), cell->value[0], profile, cell->profile);
        for (int a = 1; a < s->n_axes; a++)
            if (is_column(s, a)) printf("  %*s", width_of(s, a), cell->value[a]);
        snprintf(runs, sizeof runs, "%d/%d", sum.n, s->n_seeds);
        printf("  %9s", runs);
        put_number(sum.mean, "%9.1f");
        put_number(sum.iqm, "%9.1f");
        put_number(sum.min, "%9.1f");
        put_number(sum.max, "%9.1f");
        put_number(sum.wall_s, "%9.0f");
        putchar('\n');
    }
}

static const char *state_name(const sweep_run *run) {
    static const char *const names[] = {[SWEEP_WAITING] = "waiting",
                                        [SWEEP_RUNNING] = "running",
                                        [SWEEP_DONE] = "done",
                                        [SWEEP_FAILED] = "failed",
                                        [SWEEP_STOPPED] = "stopped"};
    return names[run->state];
}

static void write_csv(const sweep *s, FILE *out) {
    fputs("task,profile", out);
    for (int a = 1; a < s->n_axes; a++)
        if (is_column(s, a)) fprintf(out, ",%s", s->axes[a].name);
    fputs(",seed,state,frames,return_mean,wall_s,folder\n", out);
    for (int i = 0; i < s->n_runs; i++) {
        const sweep_run *run = &s->runs[i];
        const sweep_cell *cell = &s->cells[run->cell];
        fprintf(out, "%s,%s", cell->value[0], cell->profile);
        for (int a = 1; a < s->n_axes; a++)
            if (is_column(s, a)) fprintf(out, ",%s", cell->value[a]);
        fprintf(out, ",%" PRIu64 ",%s,%" PRId64 ",", run->seed, state_name(run), run->frames);
        if (isfinite(run->score)) fprintf(out, "%.17g", run->score);
        fputc(',', out);
        if (isfinite(run->wall_s)) fprintf(out, "%.1f", run->wall_s);
        fprintf(out, ",%s\n", run->name);
    }
}

static void write_json_cell(const sweep *s, int c, double *values, cli_json *json) {
    const sweep_cell *cell = &s->cells[c];
    summary sum = summarize(s, c, values);
    cli_json_object(json, NULL);
    cli_json_text(json, "task", cell->value[0]);
    cli_json_text(json, "profile", cell->profile);
    cli_json_object(json, "settings");
    for (int a = 1; a < s->n_axes; a++)
        if (is_column(s, a)) cli_json_text(json, s->axes[a].name, cell->value[a]);
    cli_json_end(json);
    cli_json_integer(json, "finished", sum.n);
    cli_json_real(json, "return_mean", sum.mean);
    cli_json_real(json, "return_iqm", sum.iqm);
    cli_json_real(json, "return_min", sum.min);
    cli_json_real(json, "return_max", sum.max);
    cli_json_real(json, "wall_s_mean", sum.wall_s);
    cli_json_array(json, "runs");
    for (int i = 0; i < s->n_seeds; i++) {
        const sweep_run *run = &s->runs[c * s->n_seeds + i];
        cli_json_object(json, NULL);
        cli_json_integer(json, "seed", (int64_t)run->seed);
        cli_json_text(json, "state", state_name(run));
        cli_json_integer(json, "frames", run->frames);
        cli_json_real(json, "return_mean", run->score);
        cli_json_real(json, "wall_s", run->wall_s);
        cli_json_text(json, "folder", run->name);
        cli_json_text(json, "error", run->why[0] ? run->why : NULL);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void write_json(const sweep *s, double *values, FILE *out) {
    cli_json json;
    cli_json_open(&json, out);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "sweep", s->out);
    cli_json_array(&json, "cells");
    for (int c = 0; c < s->n_cells; c++) write_json_cell(s, c, values, &json);
    cli_json_end(&json);
    cli_json_end(&json);
}

/* Under a name of its own first: the file is the old one or the new one. */
static int write_file(const sweep *s, const char *name, double *values) {
    char path[900], part[910];
    snprintf(path, sizeof path, "%s/%s", s->out, name);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "w");
    if (!file) return cli_report(CLI_FAILED, "cannot write %s: %s", part, strerror(errno));
    if (strcmp(name, "sweep.csv") == 0)
        write_csv(s, file);
    else
        write_json(s, values, file);
    bool good = !ferror(file) && fflush(file) == 0;
    if (fclose(file) == 0 && good && rename(part, path) == 0) return CLI_DONE;
    int code = cli_report(CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    (void)remove(part);
    return code;
}

int sweep_report(const sweep *s, bool json) {
    double *values = calloc((size_t)s->n_seeds, sizeof *values);
    if (!values) return cli_report(CLI_FAILED, "no memory for a table");
    int code = write_file(s, "sweep.csv", values);
    if (code == CLI_DONE) code = write_file(s, "sweep.json", values);
    if (json)
        write_json(s, values, stdout);
    else
        print_table(s, values);
    free(values);
    return code;
}
