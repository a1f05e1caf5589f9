/* Scores of several runs as one figure with its uncertainty, as recommended by Agarwal et al. 2021
 * ("Deep reinforcement learning at the edge of the statistical precipice") and computed by its
 * library rliable. Any thread. */
#ifndef CW_TRAIN_STATISTICS_H
#define CW_TRAIN_STATISTICS_H

#include <curlew/status.h>

#include <stdint.h>

#define CW_BOOTSTRAP_SAMPLES 10000

typedef struct cw_interval {
    double low, high; /* of a score; NaN = not known */
} cw_interval;

/* Interquartile mean: the mean without the lowest and highest quarter of the n >= 1 values (a
 * quarter rounded down to whole values, as scipy.stats.trim_mean(values, 0.25)). Sorts `values`. */
double cw_iqm(double *values, int n);

/* The value below which the share q, 0..1, of n >= 1 sorted values lies, by linear interpolation
 * between neighbours (numpy.percentile's default). */
double cw_quantile(const double *sorted, int n, double q);

/* 95% interval of the interquartile mean by the stratified percentile bootstrap: each of
 * CW_BOOTSTRAP_SAMPLES samples draws, within every stratum (a task), as many runs as it has, with
 * replacement. `scores` holds the strata one after another, stratum_size (n_strata), each 1 or
 * more. The draws depend on (seed, stratum, sample) and on nothing else. NaN when no stratum has
 * two runs: there is nothing to learn the spread from. CW_ENOMEM. */
cw_status cw_iqm_interval(cw_interval *out, const double *scores, const int *stratum_size,
                          int n_strata, uint64_t seed);

#endif
