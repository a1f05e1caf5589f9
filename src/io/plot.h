/* Learning curves as pictures (cairo): SVG and PNG by the file's ending. */
#ifndef CW_IO_PLOT_H
#define CW_IO_PLOT_H

#include <curlew/status.h>

typedef struct cw_curve {
    const char *label;
    const double *x; /* (n) environment frames */
    const double *y; /* (n) return */
    int n;           /* points, 0 allowed */
} cw_curve;

typedef struct cw_plot {
    const char *title;
    const char *x_label;
    const char *y_label;
    const cw_curve *curves;
    int n_curves;
    double y_min, y_max; /* of the axis; from the data unless y_min < y_max */
} cw_plot;

/* Draws into `path` (.svg or .png), atomically. Texts are UTF-8; points that are NaN, infinite or
 * beyond 1e100 are left out. Any thread. CW_EINVAL (another ending, a text that is not UTF-8),
 * CW_EIO, CW_ENOMEM. */
cw_status cw_plot_write(const char *path, const cw_plot *plot);

#endif
