/* Inside of `curlew sweep`: cells (a task, a profile, values of keys) times seeds; every run is a
 * `curlew train` in a process and a folder of its own. */
#ifndef CURLEW_CLI_SWEEP_H
#define CURLEW_CLI_SWEEP_H

#include "cli.h"

#include <sys/types.h>

enum { SWEEP_AXES = 16, SWEEP_VALUE = 64, SWEEP_NAME = 224, SWEEP_MOST_RUNS = 10000 };

/* What differs between cells: tasks, profiles, or values of one key. */
typedef struct sweep_axis {
    char name[SWEEP_VALUE]; /* "task", "profile" or the key */
    const char *list;       /* values between commas */
    int n;                  /* how many; 0 = a range */
    double low, high;       /* of a range */
    bool logarithmic;       /* drawn evenly between the logarithms */
    bool whole;             /* the key takes whole numbers */
} sweep_axis;

typedef enum sweep_state {
    SWEEP_WAITING,
    SWEEP_RUNNING,
    SWEEP_DONE,
    SWEEP_FAILED,
    SWEEP_STOPPED /* by a signal, after a checkpoint */
} sweep_state;

typedef struct sweep_run {
    int cell;
    uint64_t seed;
    char name[SWEEP_NAME]; /* its folder inside of the sweep's */
    sweep_state state;
    bool skipped; /* was done before */
    pid_t pid;    /* while it is running */
    /* From its last evaluation; NaN and 0 when there is none. */
    int64_t frames;
    double score;  /* mean return */
    double wall_s; /* seconds of training in all sessions */
    char why[512]; /* of a failed one */
} sweep_run;

typedef struct sweep_cell {
    char value[SWEEP_AXES][SWEEP_VALUE]; /* (n_axes) */
    char profile[SWEEP_VALUE];
    int64_t need_bytes; /* of one run; 0 when none is left to do */
} sweep_cell;

typedef struct sweep {
    const cli_args *args;
    char out[768]; /* folder */
    bool quiet;
    int jobs;    /* runs beside each other */
    int threads; /* of each */
    int64_t trials, trial_seed;
    sweep_axis axes[SWEEP_AXES]; /* tasks come first; profiles second when --profile is given */
    int n_axes;
    sweep_cell *cells;
    int n_cells;
    uint64_t *seeds;
    int n_seeds;
    sweep_run *runs; /* (n_cells * n_seeds), the seeds of a cell side by side */
    int n_runs;
} sweep;

/* ---- sweep_plan.c ---- */
/* Axes, cells, seeds from the command line. CLI_DONE, or an exit code after reporting; to be freed
 * either way. */
int sweep_plan(const cli_args *args, sweep *out);
void sweep_free(sweep *s);

/* ---- sweep_words.c ---- */
/* The words of `curlew train` for a run, from the task on, ending with NULL; NULL when there is no
 * memory. To be freed with sweep_words_free. */
char **sweep_words(const sweep *s, const sweep_run *run, int *n);
void sweep_words_free(char **words);

/* The configuration of a run, as its process will have it. Reports. */
int sweep_configure(const sweep *s, const sweep_run *run, cw_config **out);

/* ---- sweep_result.c ---- */
/* Takes frames, score and time from the run's eval.csv, where there is one. */
void sweep_read_result(const sweep *s, sweep_run *run);

/* Whether the run was finished with this very configuration. */
bool sweep_is_done(const sweep *s, sweep_run *run, const cw_config *config);

/* The table, and the files sweep.csv and sweep.json in the sweep's folder; with `json` the latter
 * on standard output in place of the table. */
int sweep_report(const sweep *s, bool json);

/* Mean of the middle half: a quarter of the values, rounded down, is left out at either end.
 * Sorts. NaN when n is 0. */
double sweep_iqm(double *values, int n);

/* ---- sweep_process.c ---- */
/* Runs what is waiting, s->jobs at a time; returns when all have ended, or after a signal was
 * handed on to them and all have stopped. */
int sweep_execute(sweep *s);

#endif
