#include "io/html.h"

#include "io/picture.h"

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

void cw_html_picture(cw_text *out, const uint8_t *rgb, int width, int height, const char *classes,
                     const char *alt) {
    cw_text png = {0};
    keep(out, cw_picture_png(&png, rgb, width, height));
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
