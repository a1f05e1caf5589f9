/* Arithmetic of dm_control's rewards, bit for bit: the tolerance function and numpy's sums. */
#ifndef CW_ENV_DMCONTROL_REWARD_H
#define CW_ENV_DMCONTROL_REWARD_H

#include <math.h>

/* How the tolerance falls off outside the bounds; v is its value at distance `margin`. */
typedef enum cw_falloff {
    CW_FALLOFF_GAUSSIAN,       /* exp(-(d s)^2 / 2), s = sqrt(-2 ln v), of a Python scalar */
    CW_FALLOFF_GAUSSIAN_ARRAY, /* the same of an array element: numpy squares by multiplying where
                                  a scalar goes through pow(), one ulp apart now and then */
    CW_FALLOFF_LINEAR,         /* 1 - d (1 - v), at least 0 */
    CW_FALLOFF_QUADRATIC       /* 1 - (d sqrt(1 - v))^2, at least 0; of an array element */
} cw_falloff;

typedef struct cw_tolerance {
    double low, high; /* inclusive bounds within which the value is 1 */
    double margin;    /* >= 0; 0: the value is 0 outside the bounds */
    cw_falloff falloff;
    double at_margin; /* v */
} cw_tolerance;

/* A tolerance without a margin: 1 inside, 0 outside. */
#define CW_WITHIN(low, high) ((cw_tolerance){(low), (high), 0.0, CW_FALLOFF_GAUSSIAN, 0.1})

double cw_tolerance_at(const cw_tolerance *tolerance, double x);

/* numpy.mean of n >= 1 values: its order of additions (eight running sums from 8 values on). */
double cw_numpy_mean(const double *a, int n);

/* Mean over n controls of the quadratic tolerance {0, 0, margin 1, v 0}: 1 for no effort. */
double cw_small_control(const double *ctrl, int n);

#endif
