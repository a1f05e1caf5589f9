#include "io/html.h"

#include "base/error.h"
#include "base/memory.h"

#include <cairo.h>
#include <string.h>

/* Points of a plot on a wide and on a narrow screen, so that its letters stay readable. */
#define WIDE_WIDTH    560.0
#define WIDE_HEIGHT   340.0
#define NARROW_WIDTH  400.0
#define NARROW_HEIGHT 290.0
#define NARROW_SCREEN 600 /* pixels */

static void keep(cw_text *out, cw_status status) {
    if (out->status == CW_OK) out->status = status;
}

/* Bytes of the UTF-8 character at `text`, 0 when it is none. */
static int character(const unsigned char *text) {
    int n = text[0] < 0x80 ? 1 : text[0] >= 0xf0 && text[0] < 0xf8 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] >= 0x80 && (text[0] < 0xc2 || text[0] >= 0xf8)) return 0;
    for (int i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    return n;
}

void cw_html_escape(cw_text *out, const char *text) {
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;
        int n = character((const unsigned char *)text);
        const char *entity = c == '&'   ? "&amp;"
                             : c == '<' ? "&lt;"
                             : c == '>' ? "&gt;"
                             : c == '"' ? "&quot;"
                             : c < ' '  ? " "
                             : n == 0   ? "?"
                                        : NULL;
        if (entity != NULL) {
            cw_text_add(out, entity);
            text++;
        } else {
            cw_text_append(out, text, (size_t)n);
            text += n;
        }
    }
}

static cairo_status_t take_bytes(void *closure, const unsigned char *bytes, unsigned int n) {
    cw_text *png = closure;
    cw_text_append(png, bytes, n);
    return png->status == CW_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

static cw_status make_png(cw_text *png, const uint8_t *rgb, int width, int height) {
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
        status = cairo_surface_write_to_png_stream(surface, take_bytes, png);
    }
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS) return CW_OK;
    return cw_fail(status == CAIRO_STATUS_NO_MEMORY ? CW_ENOMEM : CW_EIO,
                   "cannot make a picture of %d x %d pixels: %s", width, height,
                   cairo_status_to_string(status));
}

void cw_html_picture(cw_text *out, const uint8_t *rgb, int width, int height, const char *classes,
                     const char *alt) {
    cw_text png = {0};
    keep(out, make_png(&png, rgb, width, height));
    cw_text_format(out, "<img class=\"%s\" width=\"%d\" height=\"%d\" alt=\"", classes, width,
                   height);
    cw_html_escape(out, alt);
    cw_text_add(out, "\" src=\"data:image/png;base64,");
    cw_text_base64(out, png.bytes, png.n);
    cw_text_add(out, "\">");
    cw_text_free(&png);
}

static void add_svg(cw_text *out, const cw_plot *plot, double width, double height) {
    cw_text svg = {0};
    cw_plot sized = *plot;
    sized.width = width;
    sized.height = height;
    keep(out, cw_plot_svg(&svg, &sized));
    cw_text_add(out, "data:image/svg+xml;base64,");
    cw_text_base64(out, svg.bytes, svg.n);
    cw_text_free(&svg);
}

void cw_html_plot(cw_text *out, const cw_plot *plot, const char *alt) {
    cw_text_format(out, "<picture><source media=\"(max-width: %dpx)\" srcset=\"", NARROW_SCREEN);
    add_svg(out, plot, NARROW_WIDTH, NARROW_HEIGHT);
    cw_text_add(out, "\"><img class=\"plot\" alt=\"");
    cw_html_escape(out, alt);
    cw_text_add(out, "\" src=\"");
    add_svg(out, plot, WIDE_WIDTH, WIDE_HEIGHT);
    cw_text_add(out, "\"></picture>\n");
}

void cw_html_video(cw_text *out, const unsigned char *mp4, size_t n) {
    cw_text_add(out,
                "<video controls autoplay loop muted playsinline src=\"data:video/mp4;base64,");
    cw_text_base64(out, mp4, n);
    cw_text_add(out, "\"></video>\n");
}
