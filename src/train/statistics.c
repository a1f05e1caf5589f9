#include "train/statistics.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

#define TAIL 0.025 /* on each side of a 95% interval */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cw_iqm(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, compare);
    int cut = n / 4;
    double sum = 0;
    for (int i = cut; i < n - cut; i++) sum += values[i];
    return sum / (n - 2 * cut);
}

double cw_quantile(const double *sorted, int n, double q) {
    double at = q * (n - 1);
    int below = (int)floor(at);
    if (below >= n - 1) return sorted[n - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

/* One bootstrap sample: within each stratum as many draws as it has scores. */
static void resample(double *out, uint32_t *index, const double *scores, const int *stratum_size,
                     int n_strata, uint64_t seed, uint64_t sample) {
    int first = 0;
    for (int s = 0; s < n_strata; s++) {
        cw_stream stream = {.seed = seed, .shard = (uint32_t)s, .purpose = CW_RNG_BOOTSTRAP};
        int n = stratum_size[s];
        cw_rng_integers(&stream, sample, (uint32_t)n, index, (size_t)n);
        for (int i = 0; i < n; i++) out[first + i] = scores[first + (int)index[i]];
        first += n;
    }
}

cw_status cw_iqm_interval(cw_interval *out, const double *scores, const int *stratum_size,
                          int n_strata, uint64_t seed) {
    int n = 0, largest = 0;
    for (int s = 0; s < n_strata; s++) {
        n += stratum_size[s];
        if (stratum_size[s] > largest) largest = stratum_size[s];
    }
    *out = (cw_interval){NAN, NAN};
    if (largest < 2) return CW_OK;
    double *block; /* the bootstrap's means, then one sample */
    uint32_t *index;
    CW_TRY(cw_alloc(&block, (size_t)n + CW_BOOTSTRAP_SAMPLES, sizeof *block, "a bootstrap"));
    cw_status status = cw_alloc(&index, (size_t)largest, sizeof *index, "a bootstrap");
    double *iqm = block, *sample = block + CW_BOOTSTRAP_SAMPLES;
    if (status == CW_OK) {
        for (int i = 0; i < CW_BOOTSTRAP_SAMPLES; i++) {
            resample(sample, index, scores, stratum_size, n_strata, seed, (uint64_t)i);
            iqm[i] = cw_iqm(sample, n);
        }
        qsort(iqm, CW_BOOTSTRAP_SAMPLES, sizeof *iqm, compare);
        *out = (cw_interval){cw_quantile(iqm, CW_BOOTSTRAP_SAMPLES, TAIL),
                             cw_quantile(iqm, CW_BOOTSTRAP_SAMPLES, 1 - TAIL)};
        cw_free(index);
    }
    cw_free(block);
    return status;
}
