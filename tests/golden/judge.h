/* How far results lie from a golden, and how far they may. */
#ifndef CW_TESTS_GOLDEN_JUDGE_H
#define CW_TESTS_GOLDEN_JUDGE_H

#include "io/safetensors.h"

#define GOLDEN_BAND_FACTOR 8.0 /* README.md says where it comes from */
#define GOLDEN_MAX_TENSORS 512
#define GOLDEN_MAX_BYTES   (UINT64_C(1) << 24)

/* The expected tensors of a file and the spread of f32 runs for each. */
typedef struct golden {
    cw_safetensors *file;
    int n;
    const char *name[GOLDEN_MAX_TENSORS]; /* ascending */
    const double *band;                   /* (n) root mean square error of PyTorch's f32 runs */
} golden;

/* How much of its tolerance a tensor uses (1 = all). */
typedef struct verdict {
    double used;
    double relative; /* largest error beside the tensor's largest element */
    const char *name;
} verdict;

/* Fails the running test when the file cannot be read or `band` does not fit it. Only names that
 * start with `prefix` are expected values. */
void golden_open(golden *g, const char *path, const char *prefix);
void golden_close(golden *g);

/* Holds `got` against expected tensor i. The tolerance of its root mean square error is
 *   GOLDEN_BAND_FACTOR (epsilon / 2^-23 band_i + epsilon rms(expected))
 * with epsilon the machine epsilon of the arithmetic that made `got`. Prints what is off. */
verdict golden_judge(const golden *g, int i, const cw_tensor *got, double epsilon);

#endif
