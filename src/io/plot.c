#include "io/plot.h"

#include "base/error.h"
#include "base/file.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Points; a PNG has PNG_SCALE pixels for each. */
#define SHEET_WIDTH  800.0
#define SHEET_HEIGHT 480.0
#define PNG_SCALE    2.0
#define LEFT         78.0
#define Y_LABEL      16.0 /* base of the letters, from the left */
#define RIGHT        26.0
#define BOTTOM       62.0
#define TITLE_BASE   34.0
#define TITLE_SIZE   17.0
#define LEGEND_BASE  58.0
#define LEGEND_LINE  20.0
#define LEGEND_GAP   22.0
#define SAMPLE       24.0 /* length of a curve's sample in the legend */
#define TEXT_SIZE    12.5
#define X_TICKS      7 /* about so many */
#define Y_TICKS      5
#define TICKS_MAX    64
#define DOTS_MAX     60      /* curves of more points have no dots */
#define SUFFIX_FROM  10000.0 /* an axis that reaches this far has k and M */
#define LABEL_BYTES  256
#define VALUE_MAX    1e100 /* greater values are not drawn */
#define FONT         "sans-serif"
#define GREY_TEXT    0.27
#define GREY_GRID    0.89
#define GREY_AXIS    0.55
#define GREY_NO_DATA 0.6
#define GREY_LEVEL   0.45
#define LEVEL_SIZE   11.0
#define BAND_ALPHA   0.18

/* Okabe and Ito 2008, "Color universal design": told apart with any colour vision. */
static const double palette[][3] = {
    {0.000, 0.447, 0.698}, {0.835, 0.369, 0.000}, {0.000, 0.620, 0.451}, {0.800, 0.475, 0.655},
    {0.902, 0.624, 0.000}, {0.337, 0.706, 0.914}, {0.35, 0.35, 0.35},
};
#define N_COLOURS ((int)(sizeof palette / sizeof *palette))

typedef struct axis {
    double min, max;
    double step; /* between ticks; ticks lie on its multiples */
} axis;

typedef struct sheet {
    cairo_t *cr;
    const cw_plot *plot;
    axis x, y;
    double top, right, bottom; /* of the field of the curves, whose left border is LEFT */
} sheet;

/* ---- axes ---- */

static bool drawable(const cw_curve *curve, int i) {
    return fabs(curve->x[i]) <= VALUE_MAX && fabs(curve->y[i]) <= VALUE_MAX; /* false for NaN */
}

static bool has_band(const cw_curve *curve, int i) {
    return curve->low != NULL && fabs(curve->low[i]) <= VALUE_MAX &&
           fabs(curve->high[i]) <= VALUE_MAX;
}

/* The lowest and the highest that is drawn at point i. */
static double band_low(const cw_curve *curve, int i) {
    return has_band(curve, i) ? fmin(curve->low[i], curve->y[i]) : curve->y[i];
}

static double band_high(const cw_curve *curve, int i) {
    return has_band(curve, i) ? fmax(curve->high[i], curve->y[i]) : curve->y[i];
}

/* 1, 2 or 5 times a power of ten, so that about n steps span the range. */
static double nice_step(double range, int n) {
    double power = pow(10.0, floor(log10(range / n)));
    double left = range / n / power;
    return power * (left < 1.5 ? 1.0 : left < 3.5 ? 2.0 : left < 7.5 ? 5.0 : 10.0);
}

/* An axis that holds [min, max], which may be one point; whole steps when `round_ends`. */
static axis make_axis(double min, double max, int n_ticks, bool round_ends) {
    double size = fmax(fabs(min), fabs(max));
    if (max - min <= 1e-9 * size || max <= min) { /* no range that numbers could tell apart */
        double pad = size > 0 ? 0.1 * size : 1.0;
        min -= pad;
        max += pad;
    }
    axis out = {min, max, nice_step(max - min, n_ticks)};
    if (round_ends) {
        out.min = floor(min / out.step + 1e-6) * out.step;
        out.max = ceil(max / out.step - 1e-6) * out.step;
    }
    return out;
}

/* Fills the axes and says whether there is a point to draw. */
static bool choose_axes(sheet *s) {
    const cw_plot *plot = s->plot;
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (int c = 0; c < plot->n_curves; c++) {
        const cw_curve *curve = &plot->curves[c];
        for (int i = 0; i < curve->n; i++) {
            if (!drawable(curve, i)) continue;
            x0 = fmin(x0, curve->x[i]);
            x1 = fmax(x1, curve->x[i]);
            y0 = fmin(y0, band_low(curve, i));
            y1 = fmax(y1, band_high(curve, i));
        }
    }
    bool any = x0 <= x1;
    for (int i = 0; any && i < plot->n_levels; i++) {
        y0 = fmin(y0, plot->levels[i].y);
        y1 = fmax(y1, plot->levels[i].y);
    }
    if (!any) {
        x0 = y0 = 0.0;
        x1 = 1e5;
        y1 = 1.0;
    }
    if (x0 > 0) x0 = 0.0; /* training starts at frame 0 */
    if (x0 == 0.0 && x1 == 0.0) x1 = 1.0;
    if (y0 > 0 && y0 < 0.5 * y1) y0 = 0.0;
    s->x = make_axis(x0, x1, X_TICKS, false);
    if (plot->y_min < plot->y_max) {
        s->y = make_axis(plot->y_min, plot->y_max, Y_TICKS, false);
    } else {
        s->y = make_axis(y0, y1, Y_TICKS, true);
    }
    return any;
}

/* Tick i of an axis; false beyond its end. */
static bool tick(const axis *a, int i, double *out) {
    double first = ceil(a->min / a->step - 1e-6);
    *out = (first + i) * a->step;
    return i < TICKS_MAX && *out <= a->max + 1e-6 * a->step;
}

/* "0", "250", "50k", "1.5M", with the digits that the step needs. */
static void tick_label(char out[LABEL_BYTES], double value, const axis *a) {
    bool short_form = fmax(fabs(a->min), fabs(a->max)) >= SUFFIX_FROM && a->step >= 100.0;
    double unit = !short_form || fabs(value) < 1e3 ? 1.0 : fabs(value) < 1e6 ? 1e3 : 1e6;
    if (fabs(value) < 1e-6 * a->step) value = 0.0; /* not "-0" */
    double digits = ceil(-log10(a->step / unit) - 1e-9);
    if (fabs(value) >= 1e10 || digits > 6.0) {
        snprintf(out, LABEL_BYTES, "%.6g", value);
        return;
    }
    int n = snprintf(out, LABEL_BYTES, "%.*f", digits > 0 ? (int)digits : 0, value / unit);
    if (unit > 1.0 && strchr(out, '.') != NULL) { /* 1.50M is 1.5M */
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
    }
    snprintf(out + n, LABEL_BYTES - (size_t)n, "%s", unit == 1e6 ? "M" : unit == 1e3 ? "k" : "");
}

/* ---- drawing ---- */

static void grey(cairo_t *cr, double level) {
    cairo_set_source_rgb(cr, level, level, level);
}

static void font(cairo_t *cr, double size, bool bold) {
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

static double text_width(cairo_t *cr, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

/* Copies text, shortened at a character's border until it is at most `width` points wide. */
static void fit_text(cairo_t *cr, const char *text, double width, char out[LABEL_BYTES]) {
    size_t n = strlen(text);
    bool cut = n > LABEL_BYTES - 4;
    if (cut) n = LABEL_BYTES - 4;
    for (;;) {
        while (cut && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
        memcpy(out, text, n);
        memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
        if (n == 0 || text_width(cr, out) <= width) return;
        cut = true;
        n--;
    }
}

/* Text whose middle, or left end for align 0, or right end for align 1, is at x. */
static void draw_text(cairo_t *cr, double x, double y, double align, const char *text) {
    cairo_move_to(cr, x - align * text_width(cr, text), y);
    cairo_show_text(cr, text);
}

static double place_x(const sheet *s, double value) {
    double at = (value - s->x.min) / (s->x.max - s->x.min);
    return LEFT + at * (s->right - LEFT);
}

/* Clamped to a little beyond the field: cairo's coordinates end soon after. */
static double place_y(const sheet *s, double value) {
    double at = (value - s->y.min) / (s->y.max - s->y.min);
    return s->bottom - fmax(-2.0, fmin(3.0, at)) * (s->bottom - s->top);
}

/* The title and the legend under it, wrapped; sets the top of the field. */
static void draw_head(sheet *s) {
    cairo_t *cr = s->cr;
    char text[LABEL_BYTES];
    grey(cr, GREY_TEXT / 2);
    font(cr, TITLE_SIZE, true);
    fit_text(cr, s->plot->title, s->right - LEFT, text);
    draw_text(cr, LEFT, TITLE_BASE, 0.0, text);
    font(cr, TEXT_SIZE, false);
    double x = LEFT, y = LEGEND_BASE;
    for (int c = 0; c < s->plot->n_curves; c++) {
        fit_text(cr, s->plot->curves[c].label, (s->right - LEFT) / (s->plot->n_curves > 1 ? 2 : 1),
                 text);
        double width = SAMPLE + 8.0 + text_width(cr, text);
        if (x > LEFT && x + width > s->right) {
            if (y + LEGEND_LINE > (s->bottom + BOTTOM) / 2)
                break; /* the field needs its half of the sheet */
            x = LEFT;
            y += LEGEND_LINE;
        }
        const double *colour = palette[c % N_COLOURS];
        cairo_set_source_rgb(cr, colour[0], colour[1], colour[2]);
        cairo_set_line_width(cr, 3.0);
        cairo_move_to(cr, x, y - 4.5);
        cairo_line_to(cr, x + SAMPLE, y - 4.5);
        cairo_stroke(cr);
        grey(cr, GREY_TEXT);
        draw_text(cr, x + SAMPLE + 8.0, y, 0.0, text);
        x += width + LEGEND_GAP;
    }
    s->top = (s->plot->n_curves > 0 ? y : TITLE_BASE) + 18.0;
}

static void draw_axes(const sheet *s) {
    cairo_t *cr = s->cr;
    char text[LABEL_BYTES];
    double value;
    font(cr, TEXT_SIZE, false);
    cairo_set_line_width(cr, 1.0);
    for (int i = 0; tick(&s->x, i, &value); i++) {
        double x = place_x(s, value);
        grey(cr, GREY_GRID);
        cairo_move_to(cr, x, s->top);
        cairo_line_to(cr, x, s->bottom);
        cairo_stroke(cr);
        grey(cr, GREY_TEXT);
        tick_label(text, value, &s->x);
        draw_text(cr, x, s->bottom + 19.0, 0.5, text);
    }
    for (int i = 0; tick(&s->y, i, &value); i++) {
        double y = place_y(s, value);
        grey(cr, GREY_GRID);
        cairo_move_to(cr, LEFT, y);
        cairo_line_to(cr, s->right, y);
        cairo_stroke(cr);
        grey(cr, GREY_TEXT);
        tick_label(text, value, &s->y);
        draw_text(cr, LEFT - 9.0, y + 4.5, 1.0, text);
    }
    grey(cr, GREY_AXIS);
    cairo_move_to(cr, LEFT, s->top);
    cairo_line_to(cr, LEFT, s->bottom);
    cairo_line_to(cr, s->right, s->bottom);
    cairo_stroke(cr);
    grey(cr, GREY_TEXT);
    fit_text(cr, s->plot->x_label, s->right - LEFT, text);
    draw_text(cr, (LEFT + s->right) / 2, s->bottom + BOTTOM - 18.0, 0.5, text);
    fit_text(cr, s->plot->y_label, s->bottom - s->top, text);
    cairo_save(cr);
    cairo_translate(cr, Y_LABEL, (s->top + s->bottom) / 2);
    cairo_rotate(cr, -M_PI / 2);
    draw_text(cr, 0.0, 0.0, 0.5, text);
    cairo_restore(cr);
}

static void set_colour(cairo_t *cr, int c, double alpha) {
    const double *colour = palette[c % N_COLOURS];
    cairo_set_source_rgba(cr, colour[0], colour[1], colour[2], alpha);
}

/* The field between low and high, in one piece for each row of points that have both. */
static void draw_band(const sheet *s, int c) {
    const cw_curve *curve = &s->plot->curves[c];
    cairo_t *cr = s->cr;
    set_colour(cr, c, BAND_ALPHA);
    for (int i = 0; i < curve->n; i++) {
        int first = i;
        while (i < curve->n && drawable(curve, i) && has_band(curve, i)) {
            cairo_line_to(cr, place_x(s, curve->x[i]), place_y(s, curve->high[i]));
            i++;
        }
        for (int k = i - 1; k >= first; k--) {
            cairo_line_to(cr, place_x(s, curve->x[k]), place_y(s, curve->low[k]));
        }
        if (i > first) cairo_close_path(cr);
    }
    cairo_fill(cr);
}

/* Points [from, to), joined by a line; returns how many were drawn. */
static int draw_line(const sheet *s, int c, int from, int to, bool dashed) {
    static const double dashes[] = {5.0, 4.0};
    const cw_curve *curve = &s->plot->curves[c];
    cairo_t *cr = s->cr;
    int n = 0;
    for (int i = from; i < to; i++) {
        if (!drawable(curve, i)) continue;
        cairo_line_to(cr, place_x(s, curve->x[i]), place_y(s, curve->y[i]));
        n++;
    }
    cairo_set_line_width(cr, n > 400 ? 1.2 : 2.2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    if (dashed) cairo_set_dash(cr, dashes, 2, 0.0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0.0);
    return n;
}

/* A circle for the first curves; a square where colours come a second time. */
static void draw_dot(const sheet *s, int c, int i) {
    const cw_curve *curve = &s->plot->curves[c];
    double x = place_x(s, curve->x[i]), y = place_y(s, curve->y[i]);
    cairo_new_sub_path(s->cr);
    if (c < N_COLOURS) {
        cairo_arc(s->cr, x, y, 3.2, 0.0, 2 * M_PI);
    } else {
        cairo_rectangle(s->cr, x - 3.5, y - 3.5, 7.0, 7.0);
    }
}

static void draw_curve(const sheet *s, int c) {
    const cw_curve *curve = &s->plot->curves[c];
    int dashed_from = curve->n - curve->n_dashed;
    set_colour(s->cr, c, 1.0);
    int n = draw_line(s, c, 0, dashed_from, false);
    if (curve->n_dashed > 0) {
        n += draw_line(s, c, dashed_from > 0 ? dashed_from - 1 : 0, curve->n, true);
    }
    if (n > DOTS_MAX) return;
    for (int i = 0; i < curve->n; i++) {
        if (drawable(curve, i)) draw_dot(s, c, i);
    }
    cairo_fill(s->cr);
}

/* Lines for comparison; their labels stand in turn at the right and at the left end, on white so
 * that a curve does not cross the letters. */
static void draw_level(const sheet *s, int i) {
    static const double dashes[] = {7.0, 5.0};
    cairo_t *cr = s->cr;
    double y = place_y(s, s->plot->levels[i].y);
    grey(cr, GREY_LEVEL);
    cairo_set_line_width(cr, 1.3);
    cairo_set_dash(cr, dashes, 2, 0.0);
    cairo_move_to(cr, LEFT, y);
    cairo_line_to(cr, s->right, y);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0.0);
}

static void draw_level_label(const sheet *s, int i) {
    cairo_t *cr = s->cr;
    char text[LABEL_BYTES];
    double y = place_y(s, s->plot->levels[i].y);
    font(cr, LEVEL_SIZE, false);
    fit_text(cr, s->plot->levels[i].label, (s->right - LEFT) * 0.9, text);
    double width = text_width(cr, text);
    double x = i % 2 == 0 ? s->right - width - 6.0 : LEFT + 6.0;
    if (y < s->top + LEVEL_SIZE + 6.0) y += LEVEL_SIZE + 8.0; /* under the line, inside the field */
    cairo_set_source_rgba(cr, 1.0, 1.0, 1.0, 0.8);
    cairo_rectangle(cr, x - 3.0, y - LEVEL_SIZE - 4.0, width + 6.0, LEVEL_SIZE + 3.0);
    cairo_fill(cr);
    grey(cr, GREY_TEXT);
    draw_text(cr, x, y - 5.0, 0.0, text);
}

static double sheet_width(const cw_plot *plot) {
    return plot->width > 0 ? plot->width : SHEET_WIDTH;
}

static double sheet_height(const cw_plot *plot) {
    return plot->height > 0 ? plot->height : SHEET_HEIGHT;
}

static void draw_plot(cairo_t *cr, const cw_plot *plot) {
    sheet s = {.cr = cr,
               .plot = plot,
               .right = sheet_width(plot) - RIGHT,
               .bottom = sheet_height(plot) - BOTTOM};
    grey(cr, 1.0);
    cairo_paint(cr);
    bool any = choose_axes(&s);
    draw_head(&s);
    draw_axes(&s);
    cairo_save(cr); /* a little more than the field, for the dots on its border */
    cairo_rectangle(cr, LEFT - 4.0, s.top - 4.0, s.right - LEFT + 8.0, s.bottom - s.top + 8.0);
    cairo_clip(cr);
    for (int i = 0; i < plot->n_levels; i++) draw_level(&s, i);
    for (int c = 0; c < plot->n_curves; c++) draw_band(&s, c);
    for (int c = 0; c < plot->n_curves; c++) draw_curve(&s, c);
    for (int i = 0; any && i < plot->n_levels; i++) draw_level_label(&s, i);
    cairo_restore(cr);
    if (!any) {
        grey(cr, GREY_NO_DATA);
        font(cr, TITLE_SIZE, false);
        draw_text(cr, (LEFT + s.right) / 2, (s.top + s.bottom) / 2, 0.5, "no data yet");
    }
}

/* ---- files ---- */

/* Where the bytes go: a file or a text. */
typedef struct sink {
    cw_file_writer *writer; /* NULL: to `text` */
    cw_text *text;
    const cw_plot *plot;
    cw_status status;
    int tags_left; /* tags of an SVG file that still come before its description */
} sink;

static void append(sink *out, const void *bytes, size_t n) {
    if (out->status != CW_OK) return;
    if (out->writer != NULL) {
        out->status = cw_file_writer_append(out->writer, bytes, n);
    } else {
        cw_text_append(out->text, bytes, n);
        out->status = out->text->status;
    }
}

static void append_text(sink *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *mark = *text == '&'   ? "&amp;"
                           : *text == '<' ? "&lt;"
                           : *text == '>' ? "&gt;"
                                          : "";
        if (*mark != '\0') {
            append(out, mark, strlen(mark));
        } else {
            append(out, (unsigned char)*text < 0x20 ? " " : text, 1);
        }
    }
}

#define APPEND_LITERAL(out, text) append(out, text, sizeof(text) - 1)

/* Cairo writes letters as outlines; this is what a search or a screen reader finds. */
static void append_description(sink *out) {
    const cw_plot *plot = out->plot;
    APPEND_LITERAL(out, "\n<title>");
    append_text(out, plot->title);
    APPEND_LITERAL(out, "</title>\n<desc>");
    append_text(out, plot->y_label);
    APPEND_LITERAL(out, " over ");
    append_text(out, plot->x_label);
    for (int c = 0; c < plot->n_curves; c++) {
        append(out, c == 0 ? ": " : ", ", 2);
        append_text(out, plot->curves[c].label);
    }
    APPEND_LITERAL(out, "</desc>");
}

static cairo_status_t take_bytes(void *closure, const unsigned char *bytes, unsigned int n) {
    sink *out = closure;
    unsigned int done = 0;
    for (unsigned int i = 0; i < n && out->tags_left > 0; i++) {
        if (bytes[i] != '>' || --out->tags_left > 0) continue;
        append(out, bytes, i + 1);
        append_description(out);
        done = i + 1;
    }
    append(out, bytes + done, n - done);
    return out->status == CW_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t render(sink *out, bool svg) {
    double width = sheet_width(out->plot), height = sheet_height(out->plot);
    cairo_surface_t *surface =
        svg ? cairo_svg_surface_create_for_stream(take_bytes, out, width, height)
            : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(width * PNG_SCALE),
                                         (int)(height * PNG_SCALE));
    cairo_t *cr = cairo_create(surface);
    if (!svg) cairo_scale(cr, PNG_SCALE, PNG_SCALE);
    draw_plot(cr, out->plot);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    if (svg) {
        cairo_surface_finish(surface);
    } else if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png_stream(surface, take_bytes, out);
    }
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return status;
}

/* Draws; `name` is for messages. Numbers get decimal points, whatever the host's locale. */
static cw_status render_named(sink *out, const char *name, bool svg) {
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return cw_fail(CW_ENOMEM, "out of memory: a locale for %s", name);
    locale_t host = uselocale(plain);
    cairo_status_t drawn = render(out, svg);
    uselocale(host);
    freelocale(plain);
    if (out->status != CW_OK || drawn == CAIRO_STATUS_SUCCESS) return out->status;
    cw_status status = drawn == CAIRO_STATUS_NO_MEMORY        ? CW_ENOMEM
                       : drawn == CAIRO_STATUS_INVALID_STRING ? CW_EINVAL
                                                              : CW_EIO;
    return cw_fail(status, "cannot draw %s: %s", name, cairo_status_to_string(drawn));
}

cw_status cw_plot_write(const char *path, const cw_plot *plot) {
    size_t n = strlen(path);
    bool svg = n > 4 && strcmp(path + n - 4, ".svg") == 0;
    if (!svg && !(n > 4 && strcmp(path + n - 4, ".png") == 0)) {
        return cw_fail(CW_EINVAL, "%s: a plot's name must end in .svg or .png", path);
    }
    sink out = {.plot = plot, .tags_left = svg ? 2 : 0};
    CW_TRY(cw_file_writer_open(&out.writer, path));
    cw_status status = render_named(&out, path, svg);
    if (status != CW_OK) {
        cw_file_writer_abort(out.writer);
        return status;
    }
    return cw_file_writer_commit(out.writer);
}

cw_status cw_plot_svg(cw_text *out, const cw_plot *plot) {
    sink to = {.plot = plot, .text = out, .tags_left = 2};
    return render_named(&to, plot->title, true);
}
