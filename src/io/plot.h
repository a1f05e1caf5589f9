/* Learning curves as pictures (cairo): SVG and PNG by the file's ending. */
#ifndef CW_IO_PLOT_H
#define CW_IO_PLOT_H

#include <curlew/status.h>

typedef struct cw_curve {
    const char *label;
    const double *x; /* environment frames */
    const double *y; /* return */
    int n;           /* points */
} cw_curve;

typedef struct cw_plot {
    const char *title;
    const char *x_label;
    const char *y_label;
    const cw_curve *curves;
    int n_curves;
    double y_min, y_max; /* equal: from the data */
} cw_plot;

/* Draws into `path` (.svg or .png), atomically. */
cw_status cw_plot_write(const char *path, const cw_plot *plot);

#endif
