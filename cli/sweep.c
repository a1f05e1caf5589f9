/* `curlew sweep`: many runs, one table. */
#include "sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int make_folder(const char *path) {
    char part[768];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part; slash; *slash = '/') {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return cli_report(CLI_FAILED, "cannot make %s: %s", part, strerror(errno));
        if (!slash) break;
    }
    return CLI_DONE;
}

/* Marks what was done before, and asks what a run of the cell needs if one is left. Whatever is
 * wrong with its settings is found here, before anything runs. */
static int check_cell(sweep *s, int c, int64_t *available) {
    for (int i = 0; i < s->n_seeds; i++) {
        sweep_run *run = &s->runs[c * s->n_seeds + i];
        cw_config *config = NULL;
        int code = sweep_configure(s, run, &config);
        if (code != CLI_DONE) return code;
        run->skipped = sweep_is_done(s, run, config);
        if (run->skipped)
            run->state = SWEEP_DONE;
        else if (s->cells[c].need_bytes == 0)
            code = cli_report_status(cw_train_memory(config, &s->cells[c].need_bytes, available));
        cw_config_destroy(config);
        if (code != CLI_DONE) return code;
    }
    return CLI_DONE;
}

static int largest_first(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

/* The largest runs may all be under way at once. */
static int check_memory(const sweep *s, int64_t available) {
    int64_t *needs = calloc((size_t)s->n_runs, sizeof *needs), sum = 0;
    if (!needs) return cli_report(CLI_FAILED, "no memory for %d runs", s->n_runs);
    int fit = 0;
    for (int i = 0; i < s->n_runs; i++)
        if (s->runs[i].state == SWEEP_WAITING) needs[i] = s->cells[s->runs[i].cell].need_bytes;
    qsort(needs, (size_t)s->n_runs, sizeof *needs, largest_first);
    for (int i = 0; i < s->n_runs && i < s->jobs; i++) {
        sum += needs[i];
        if (sum <= available) fit = i + 1;
    }
    free(needs);
    if (available == 0 || sum <= available) return CLI_DONE;
    return cli_report(CLI_FAILED,
                      "runs beside each other need %.2f GB and %.2f GB are available; --jobs %d "
                      "would fit",
                      (double)sum * 1e-9, (double)available * 1e-9, fit > 0 ? fit : 1);
}

static int prepare(sweep *s) {
    int64_t available = 0;
    int code = CLI_DONE, skipped = 0;
    for (int c = 0; c < s->n_cells && code == CLI_DONE; c++) code = check_cell(s, c, &available);
    if (code == CLI_DONE) code = check_memory(s, available);
    if (code == CLI_DONE) code = make_folder(s->out);
    for (int i = 0; i < s->n_runs; i++) skipped += s->runs[i].skipped;
    if (code == CLI_DONE && !s->quiet) {
        printf("%d runs in %s, %d beside each other, %d thread%s each\n", s->n_runs, s->out,
               s->jobs, s->threads, s->threads > 1 ? "s" : "");
        if (skipped > 0) printf("%d of them were done before\n", skipped);
    }
    return code;
}

/* Names every failed run on standard error. */
static int report_failures(const sweep *s) {
    int code = CLI_DONE;
    for (int i = 0; i < s->n_runs; i++)
        if (s->runs[i].state == SWEEP_FAILED)
            code = cli_report(CLI_FAILED, "%s failed: %s", s->runs[i].name, s->runs[i].why);
    return code;
}

static int run(sweep *s) {
    int code = prepare(s);
    if (code != CLI_DONE) return code;
    cli_signals_catch();
    int stopped = sweep_execute(s);
    code = sweep_report(s, cli_args_flag(s->args, "--json"));
    int failures = report_failures(s);
    if (stopped)
        return cli_report(stopped, "stopped by %s; the same command goes on from here",
                          strsignal(stopped - CLI_SIGNAL));
    return code == CLI_DONE ? failures : code;
}

int cli_sweep(const cli_args *args) {
    sweep s;
    int code = sweep_plan(args, &s);
    if (code == CLI_DONE) code = run(&s);
    sweep_free(&s);
    return code;
}
