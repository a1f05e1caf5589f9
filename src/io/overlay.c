#include "io/overlay.h"

#include "base/error.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FONT        "sans-serif"
#define BARS_SHOWN  24 /* actions at most */
#define SHADE_ALPHA 0.62

static void draw(cairo_t *cr, int width, double strip, double size, const cw_overlay *overlay) {
    char text[96];
    cairo_set_source_rgba(cr, 0.05, 0.06, 0.08, SHADE_ALPHA);
    cairo_paint(cr);
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
    cairo_set_source_rgb(cr, 1.0, 1.0, 1.0);
    snprintf(text, sizeof text, "return %.1f    value %.2f", overlay->episode_return,
             overlay->value);
    cairo_move_to(cr, 0.6 * size, 1.35 * size);
    cairo_show_text(cr, text);
    /* A bar for each action: from the middle to the right above zero, to the left below. */
    int n = overlay->n_actions < BARS_SHOWN ? overlay->n_actions : BARS_SHOWN;
    double left = 0.6 * size, room = width - 1.2 * size, slot = room / n;
    double top = 1.75 * size, tall = strip - top - 0.4 * size;
    for (int i = 0; i < n; i++) {
        double x = left + i * slot, wide = slot - (n > 1 ? 0.25 * size : 0.0);
        double value = fmax(-1.0, fmin(1.0, (double)overlay->action[i]));
        cairo_set_source_rgba(cr, 1.0, 1.0, 1.0, 0.22);
        cairo_rectangle(cr, x, top, wide, tall);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, 0.34, 0.71, 0.91);
        cairo_rectangle(cr, x + wide / 2 + fmin(0.0, value) * wide / 2, top, fabs(value) * wide / 2,
                        tall);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, 1.0, 1.0, 1.0);
        cairo_rectangle(cr, x + wide / 2 - 0.5, top, 1.0, tall);
        cairo_fill(cr);
    }
}

/* Lays the strip, whose colours are multiplied by their alpha, over the first rows. */
static void blend(uint8_t *rgb, int width, int rows, const unsigned char *strip, size_t stride) {
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < width; x++, rgb += 3) {
            uint32_t pixel;
            memcpy(&pixel, strip + (size_t)y * stride + 4 * (size_t)x, 4);
            uint32_t rest = 255 - (pixel >> 24);
            for (int c = 0; c < 3; c++) {
                uint32_t over = pixel >> (16 - 8 * c) & 255;
                uint32_t sum = over + (rgb[c] * rest + 127) / 255;
                rgb[c] = (uint8_t)(sum > 255 ? 255 : sum);
            }
        }
    }
}

cw_status cw_overlay_draw(uint8_t *rgb, int width, int height, const cw_overlay *overlay) {
    if (width < CW_OVERLAY_MIN_WIDTH) {
        return cw_fail(CW_EINVAL,
                       "an overlay on a video %d pixels wide; it needs %d or more: enlarge it (a "
                       "larger --scale)",
                       width, CW_OVERLAY_MIN_WIDTH);
    }
    double size = fmax(12.0, width / 26.0);
    int rows = (int)ceil(2.9 * size);
    if (rows > height) rows = height;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, rows);
    cairo_t *cr = cairo_create(surface);
    draw(cr, width, rows, size, overlay);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        blend(rgb, width, rows, cairo_image_surface_get_data(surface),
              (size_t)cairo_image_surface_get_stride(surface));
    }
    cairo_surface_destroy(surface);
    return status == CAIRO_STATUS_SUCCESS
               ? CW_OK
               : cw_fail(CW_ENOMEM, "an overlay: %s", cairo_status_to_string(status));
}
