/* What the benchmarks share: rows and figures of a result, medians. For the files of this room. */
#ifndef CW_BENCH_RESULT_H
#define CW_BENCH_RESULT_H

#include "config/settings.h"
#include "ops/ops.h"

#include <curlew/bench.h>

/* A new row; NULL when there is no room for another. */
cw_bench_row *cw_bench_add(cw_bench_result *result, const char *group, const char *name);
void cw_bench_figure_add(cw_bench_result *result, const char *name, double value, const char *unit);

/* Times of the same thing, in seconds. */
#define CW_SAMPLES_MAX 512
typedef struct cw_samples {
    int n; /* the newest CW_SAMPLES_MAX are kept */
    double at[CW_SAMPLES_MAX];
} cw_samples;
void cw_samples_add(cw_samples *samples, double seconds);
double cw_samples_median(const cw_samples *samples); /* 0 when there are none */
double cw_samples_best(const cw_samples *samples);

/* The backend that a run with these settings would compute on. */
cw_status cw_bench_backend(cw_backend **out, const cw_settings *settings);

/* Peak resident memory of this process so far and what is resident now, bytes; 0 when the system
 * does not tell. */
double cw_bench_peak_memory(void);
double cw_bench_resident_memory(void);
/* The peak starts anew from what is resident now, where the system allows it. */
void cw_bench_forget_peak(void);

cw_status cw_bench_update(const cw_settings *settings, const cw_bench_options *options,
                          cw_bench_result *out);
cw_status cw_bench_env(const cw_settings *settings, const cw_bench_options *options,
                       cw_bench_result *out);
cw_status cw_bench_replay(const cw_settings *settings, const cw_bench_options *options,
                          cw_bench_result *out);
cw_status cw_bench_ops(const cw_settings *settings, const cw_bench_options *options,
                       cw_bench_result *out);

#endif
