/* What stands on a video's frame: figures of the moment, drawn over the picture (cairo). */
#ifndef CW_IO_OVERLAY_H
#define CW_IO_OVERLAY_H

#include <curlew/status.h>

#include <stdint.h>

#define CW_OVERLAY_MIN_WIDTH 240 /* pixels; on less the figures could not be read */

typedef struct cw_overlay {
    double episode_return; /* so far */
    double value;          /* the critic's estimate of what is to come, discounted */
    const float *action;   /* (n_actions) in [-1, 1], drawn as bars from the middle */
    int n_actions;
} cw_overlay;

/* Draws over the top of an interleaved RGB picture (height, width, 3). CW_EINVAL when it is
 * narrower than CW_OVERLAY_MIN_WIDTH, CW_ENOMEM. */
cw_status cw_overlay_draw(uint8_t *rgb, int width, int height, const cw_overlay *overlay);

#endif
