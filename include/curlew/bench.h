/* Measuring curlew on this machine: what an update, an environment, the replay and single kernels
 * cost. Figures come back as rows; the command prints them as a table and as JSON. */
#ifndef CURLEW_BENCH_H
#define CURLEW_BENCH_H

#include <curlew/run.h>
#include <curlew/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

typedef enum cw_bench_kind {
    CW_BENCH_UPDATE, /* one agent update, by phase and by kernel */
    CW_BENCH_ENV,    /* the configured task: simulation, drawing, a policy's action */
    CW_BENCH_REPLAY, /* a full replay: storing, sampling; memory of a whole run */
    CW_BENCH_OPS     /* the kernels of the configured networks, each alone */
} cw_bench_kind;

typedef struct cw_bench_options {
    const char *in; /* update: a file of `curlew update` whose weights and minibatches are used;
                       NULL: random weights, minibatches drawn from a small replay */
    int updates;    /* update: how many to time; 0: as many as fit into `seconds` */
    bool kernels;   /* update: time every kernel alone, too */
    double seconds; /* for each measurement, single kernels get a tenth; 0: three */
} cw_bench_options;

/* One measured thing. */
typedef struct cw_bench_row {
    char group[16]; /* "update", "phase", "kernel", "env", "replay", "memory" */
    char name[64];  /* "conv forward 128x9x84x84" */
    double count;   /* times that it happens in one update (or step); 1 where that says nothing */
    double seconds; /* median of one call */
    double best;    /* the fastest call */
    double alone;   /* the fastest call of this kernel with nothing else running, 0: not measured */
    double flops;   /* additions and multiplications of one call, 0: does not apply */
    double bytes;   /* bytes that one call must move, 0: not counted */
    double measured; /* group "memory": bytes measured; 0 elsewhere */
} cw_bench_row;

/* A figure of the whole: a ratio, a count, a peak. */
typedef struct cw_bench_figure {
    char name[48];
    double value;
    char unit[12]; /* "x", "GFLOP/s", "" for a count */
} cw_bench_figure;

#define CW_BENCH_ROWS    96
#define CW_BENCH_FIGURES 24

typedef struct cw_bench_result {
    char title[320];
    char machine[256]; /* processor, cores, memory */
    char backend[256]; /* kernels, precision, threads */
    double peak_flops; /* a second; the fastest kernel of this run, 0: not measured */
    int n_rows;
    cw_bench_row row[CW_BENCH_ROWS];
    int n_figures;
    cw_bench_figure figure[CW_BENCH_FIGURES];
} cw_bench_result;

/* Measures in the calling thread (CW_BENCH_ENV starts the environment's own), with the threads,
 * precision, sizes and task of `config`. options NULL: defaults without kernels. On failure *out
 * is as it was. */
cw_status cw_bench(const cw_config *config, cw_bench_kind kind, const cw_bench_options *options,
                   cw_bench_result *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
