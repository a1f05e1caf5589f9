/* Learning curves as pictures (cairo): SVG and PNG by the file's ending. */
#ifndef CW_IO_PLOT_H
#define CW_IO_PLOT_H

#include "base/text.h"

#include <curlew/status.h>

typedef struct cw_curve {
    const char *label;
    const double *x;    /* (n) */
    const double *y;    /* (n) */
    int n;              /* points, 0 allowed */
    const double *low;  /* (n) a band around the curve, NaN where it has none; NULL: no band */
    const double *high; /* (n) */
    int n_dashed;       /* so many points at the end are joined by dashes */
} cw_curve;

/* A horizontal line for comparison, dashed and grey, with its label on it. */
typedef struct cw_plot_level {
    const char *label;
    double y;
} cw_plot_level;

typedef struct cw_plot {
    const char *title;
    const char *x_label;
    const char *y_label;
    const cw_curve *curves;
    int n_curves;
    double y_min, y_max; /* of the axis; from the data unless y_min < y_max */
    const cw_plot_level *levels;
    int n_levels;
    double width, height; /* of the sheet, points; 0: 800 x 480 */
} cw_plot;

/* Draws into `path` (.svg or .png), atomically. Texts are UTF-8; points that are NaN, infinite or
 * beyond 1e100 are left out. Any thread. CW_EINVAL (another ending, a text that is not UTF-8),
 * CW_EIO, CW_ENOMEM. */
cw_status cw_plot_write(const char *path, const cw_plot *plot);

/* The same as SVG text, appended to `out`. CW_EINVAL, CW_ENOMEM. */
cw_status cw_plot_svg(cw_text *out, const cw_plot *plot);

#endif
