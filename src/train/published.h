/* Published scores as lines of a picture. */
#ifndef CW_TRAIN_PUBLISHED_H
#define CW_TRAIN_PUBLISHED_H

#include "io/plot.h"

#define CW_PUBLISHED_TEXT 96

/* Fills at most n_max levels with the scores of a task that are due within `frames` of training
 * (and at least the earliest); `text` (n_max) holds their labels. Returns how many. */
int cw_published_levels(const char *task, double frames, cw_plot_level *levels,
                        char (*text)[CW_PUBLISHED_TEXT], int n_max);

#endif
