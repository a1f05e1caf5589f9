#include "env/dmcontrol/reward.h"

/* At run time, so that the compiler does not turn pow(y, 2) into y * y. */
static const volatile double two = 2.0;

double cw_tolerance_at(const cw_tolerance *t, double x) {
    if (x >= t->low && x <= t->high) return 1.0;
    if (t->margin == 0.0) return 0.0;
    double d = (x < t->low ? t->low - x : x - t->high) / t->margin;
    double y;
    switch (t->falloff) {
    case CW_FALLOFF_GAUSSIAN:
        y = d * sqrt(-2.0 * log(t->at_margin));
        return exp(-0.5 * pow(y, two));
    case CW_FALLOFF_GAUSSIAN_ARRAY:
        y = d * sqrt(-2.0 * log(t->at_margin));
        return exp(-0.5 * (y * y));
    case CW_FALLOFF_LINEAR:
        y = d * (1.0 - t->at_margin);
        return fabs(y) < 1.0 ? 1.0 - y : 0.0;
    case CW_FALLOFF_QUADRATIC:
        y = d * sqrt(1.0 - t->at_margin);
        return fabs(y) < 1.0 ? 1.0 - y * y : 0.0;
    }
    return 0.0;
}

double cw_numpy_mean(const double *a, int n) {
    double sum;
    int i;
    if (n < 8) {
        sum = a[0];
        i = 1;
    } else {
        double s[8];
        for (int j = 0; j < 8; j++) s[j] = a[j];
        for (i = 8; i + 8 <= n; i += 8)
            for (int j = 0; j < 8; j++) s[j] += a[i + j];
        sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
    for (; i < n; i++) sum += a[i];
    return sum / (double)n;
}

double cw_small_control(const double *ctrl, int n) {
    static const cw_tolerance none = {0.0, 0.0, 1.0, CW_FALLOFF_QUADRATIC, 0.0};
    double value[64] = {0};
    for (int i = 0; i < n; i++) value[i] = cw_tolerance_at(&none, ctrl[i]);
    return cw_numpy_mean(value, n);
}
