/* Pieces of a page that stands alone: escaped text, and pictures as data in it. */
#ifndef CW_IO_HTML_H
#define CW_IO_HTML_H

#include "base/text.h"
#include "io/plot.h"

#include <stdint.h>

/* Text for between tags and for attributes in double quotes; control characters become blanks and
 * bytes that are no UTF-8 question marks. Failures are kept in `out`, here and below. */
void cw_html_escape(cw_text *out, const char *text);

/* An <img> of width x height pixels, interleaved RGB (height, width, 3), as PNG. `classes` and
 * `alt` are its attributes. */
void cw_html_picture(cw_text *out, const uint8_t *rgb, int width, int height, const char *classes,
                     const char *alt);

/* A <picture> of a plot as SVG, in one size for wide and one for narrow screens. */
void cw_html_plot(cw_text *out, const cw_plot *plot, const char *alt);

/* A <video> of the bytes of an MP4 file. */
void cw_html_video(cw_text *out, const unsigned char *mp4, size_t n);

#endif
