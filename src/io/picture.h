/* Pictures of single frames: enlarged, with an overlay, as PNG (cairo). Any thread. */
#ifndef CW_IO_PICTURE_H
#define CW_IO_PICTURE_H

#include "base/text.h"
#include "io/overlay.h"

#include <curlew/status.h>

#include <stdint.h>

/* Planar u8 (3, height, width), red first, to interleaved (out_height, out_width, 3): each pixel
 * `scale` times in both directions, then the last column and row as often as the room asks. */
void cw_picture_enlarge(uint8_t *out, int out_width, int out_height, const uint8_t *planar,
                        int width, int height, int scale);

/* Interleaved u8 (height, width, 3) as PNG, appended to `out`. CW_EINVAL (cairo takes sides up to
 * 32767), CW_ENOMEM. */
cw_status cw_picture_png(cw_text *out, const uint8_t *rgb, int width, int height);

/* A planar frame (3, height, width) as a PNG file, `scale` times enlarged, with an overlay on the
 * enlarged picture unless NULL; atomically. CW_EINVAL, CW_EIO, CW_ENOMEM. */
cw_status cw_picture_write(const char *path, const uint8_t *planar, int width, int height,
                           int scale, const cw_overlay *overlay);

#endif
