/* Central differences for tests of gradients in f64.
 *
 * Error of (f(x+h) - f(x-h)) / 2h: truncation h^2 |f'''|/6 and rounding eps |f| / h. With
 * h = 1e-5 and values of order 1 both are below 1e-10; the tolerance leaves two orders for
 * larger third derivatives. */
#ifndef CW_TESTS_FINITE_DIFFERENCE_H
#define CW_TESTS_FINITE_DIFFERENCE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>

#define FD_STEP      1e-5
#define FD_TOLERANCE 1e-8

typedef double (*fd_function)(void *context);

/* Largest |difference quotient - gradient| / max(1, |gradient|) over n elements of x. */
static inline double fd_worst(fd_function f, void *context, double *x, const double *gradient,
                              int64_t n, const char *what) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double kept = x[i];
        x[i] = kept + FD_STEP;
        double high = f(context);
        x[i] = kept - FD_STEP;
        double low = f(context);
        x[i] = kept;
        double error = fabs((high - low) / (2 * FD_STEP) - gradient[i]);
        worst = fmax(worst, error / fmax(1.0, fabs(gradient[i])));
    }
    printf("  %-28s worst error %.1e (tolerance %.0e)\n", what, worst, FD_TOLERANCE);
    return worst;
}

/* |a - b| <= tolerance, printing both when not. */
#define assert_near(a, b, tolerance)                                                               \
    do {                                                                                           \
        double near_a_ = (a), near_b_ = (b);                                                       \
        if (!(fabs(near_a_ - near_b_) <= (tolerance))) {                                           \
            fail_msg("%s is %.17g, not %.17g within %g", #a, near_a_, near_b_,                     \
                     (double)(tolerance));                                                         \
        }                                                                                          \
    } while (0)

#endif
