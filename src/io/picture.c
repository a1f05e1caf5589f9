#include "io/picture.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <cairo.h>
#include <string.h>

static int min_int(int a, int b) {
    return a < b ? a : b;
}

void cw_picture_enlarge(uint8_t *out, int out_width, int out_height, const uint8_t *planar,
                        int width, int height, int scale) {
    size_t plane = (size_t)width * (size_t)height;
    for (int y = 0; y < out_height; y++) {
        const uint8_t *row = planar + (size_t)min_int(y / scale, height - 1) * (size_t)width;
        for (int x = 0; x < out_width; x++, out += 3) {
            size_t from = (size_t)min_int(x / scale, width - 1);
            out[0] = row[from];
            out[1] = row[plane + from];
            out[2] = row[2 * plane + from];
        }
    }
}

static cairo_status_t take_bytes(void *closure, const unsigned char *bytes, unsigned int n) {
    cw_text *png = closure;
    cw_text_append(png, bytes, n);
    return png->status == CW_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

cw_status cw_picture_png(cw_text *out, const uint8_t *rgb, int width, int height) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_status_t status = cairo_surface_status(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        unsigned char *pixels = cairo_image_surface_get_data(surface);
        size_t stride = (size_t)cairo_image_surface_get_stride(surface);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++, rgb += 3) {
                uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
                memcpy(pixels + (size_t)y * stride + 4 * (size_t)x, &pixel, 4);
            }
        }
        cairo_surface_mark_dirty(surface);
        status = cairo_surface_write_to_png_stream(surface, take_bytes, out);
    }
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS) return CW_OK;
    return cw_fail(status == CAIRO_STATUS_INVALID_SIZE ? CW_EINVAL : CW_ENOMEM,
                   "a picture of %d x %d pixels: %s", width, height,
                   cairo_status_to_string(status));
}

static cw_status make_png(cw_text *png, uint8_t *rgb, int width, int height,
                          const cw_overlay *overlay) {
    if (overlay != NULL) CW_TRY(cw_overlay_draw(rgb, width, height, overlay));
    return cw_picture_png(png, rgb, width, height);
}

cw_status cw_picture_write(const char *path, const uint8_t *planar, int width, int height,
                           int scale, const cw_overlay *overlay) {
    uint8_t *rgb;
    cw_text png = {0};
    int out_width = width * scale, out_height = height * scale;
    CW_TRY(cw_alloc(&rgb, cw_size_mul((size_t)out_width, (size_t)out_height), 3, "a picture"));
    cw_picture_enlarge(rgb, out_width, out_height, planar, width, height, scale);
    cw_status status = make_png(&png, rgb, out_width, out_height, overlay);
    if (status == CW_OK) status = cw_file_write_atomic(path, png.bytes, png.n);
    cw_text_free(&png);
    cw_free(rgb);
    return status;
}
