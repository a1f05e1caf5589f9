/* Learning curves: files of the right kind and size, the points where they belong, odd data, and
 * writes that fail. */
#include "io/plot.h"
#include "io/support.h"
#include "test.h"

#include <cairo.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PNG_WIDTH  1600
#define PNG_HEIGHT 960

/* fontconfig keeps what it once read for the life of the process; LeakSanitizer asks here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

static const double frames[] = {0, 25000, 50000, 75000, 100000};
static const double returns[] = {10, 200, 450, 700, 850};

#define CURVE(l, a, b, count)                                                                      \
    { .label = (l), .x = (a), .y = (b), .n = (count) }

static cw_plot make_plot(const cw_curve *curves, int n) {
    return (cw_plot){.title = "cartpole-swingup <1 & 2>",
                     .x_label = "environment frames",
                     .y_label = "return",
                     .curves = curves,
                     .n_curves = n};
}

static bool nearly(double a, double b) {
    return fabs(a - b) < 0.02;
}

/* Pixels of a PNG that have about this colour; their mean place goes to *x and *y. */
static int count_colour(const char *path, const double colour[3], double *x, double *y) {
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(surface), PNG_WIDTH);
    assert_int_equal(cairo_image_surface_get_height(surface), PNG_HEIGHT);
    const unsigned char *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface), n = 0;
    *x = *y = 0;
    for (int r = 150; r < PNG_HEIGHT; r++) { /* below the legend */
        for (int c = 0; c < PNG_WIDTH; c++) {
            uint32_t pixel;
            memcpy(&pixel, data + (size_t)r * (size_t)stride + 4 * (size_t)c, 4);
            if (!nearly((pixel >> 16 & 255) / 255.0, colour[0]) ||
                !nearly((pixel >> 8 & 255) / 255.0, colour[1]) ||
                !nearly((pixel & 255) / 255.0, colour[2])) {
                continue;
            }
            *x += c;
            *y += r;
            n++;
        }
    }
    cairo_surface_destroy(surface);
    if (n > 0) *x /= n, *y /= n;
    return n;
}

static const double blue[] = {0.000, 0.447, 0.698}, vermilion[] = {0.835, 0.369, 0.000};

static void png_has_the_curves(void **state) {
    (void)state;
    const char *path = scratch("curves.png");
    const cw_curve curves[] = {CURVE("seed 1", frames, returns, 5),
                               CURVE("seed 2", frames, returns, 1)};
    cw_plot plot = make_plot(curves, 2);
    expect_ok(cw_plot_write(path, &plot));
    double x, y;
    assert_in_range(count_colour(path, blue, &x, &y), 2000, 20000);
    /* one dot of radius 6.4 pixels at the left and near the bottom of the field */
    assert_in_range(count_colour(path, vermilion, &x, &y), 80, 140);
    assert_true(fabs(x - 156) < 3);
    assert_true(y > 800 && y < 836);
}

/* A point in the middle of fixed axes lies in the middle of the field. */
static void points_lie_where_they_belong(void **state) {
    (void)state;
    const char *path = scratch("place.png");
    const double x_of[] = {50, NAN, 100, 10, 10}, y_of[] = {500, 1, NAN, INFINITY, 1e200};
    const double x_end[] = {100}, y_end[] = {250};
    const cw_curve curves[] = {CURVE("a", x_of, y_of, 5), CURVE("b", x_end, y_end, 1)};
    cw_plot plot = make_plot(curves, 2);
    plot.y_min = 0;
    plot.y_max = 1000;
    expect_ok(cw_plot_write(path, &plot));
    double x, y, x2, y2;
    assert_in_range(count_colour(path, blue, &x, &y), 80, 140);
    assert_in_range(count_colour(path, vermilion, &x2, &y2), 80, 140);
    const double left = 2 * 78, right = 2 * (800 - 26), top = 2 * 76, bottom = 2 * (480 - 62);
    assert_true(fabs(x - (left + right) / 2) < 1.5);
    assert_true(fabs(y - (top + bottom) / 2) < 1.5);
    assert_true(fabs(x2 - right) < 1.5);
    assert_true(fabs(y2 - (top + 3 * bottom) / 4) < 1.5);
}

static void svg_has_the_labels(void **state) {
    (void)state;
    const char *path = scratch("curves.svg");
    const cw_curve curves[] = {CURVE("seed 1", frames, returns, 5),
                               CURVE("mean of 3 \"ä\"", frames, returns, 5)};
    cw_plot plot = make_plot(curves, 2);
    expect_ok(cw_plot_write(path, &plot));
    char *text = (char *)get_file(path, NULL);
    assert_non_null(text);
    assert_memory_equal(text, "<?xml", 5);
    assert_non_null(strstr(text, "<title>cartpole-swingup &lt;1 &amp; 2&gt;</title>"));
    assert_non_null(strstr(text, "<desc>return over environment frames: seed 1, mean of 3 \"ä\""));
    assert_non_null(strstr(text, "viewBox=\"0 0 800 480\""));
    assert_true(strstr(text, "<title>") > strstr(text, "<svg "));
    /* The blue of the first curve, as cairo 1.16 writes it and as 1.18 does. */
    assert_true(strstr(text, "stroke:rgb(0%,44.7") != NULL ||
                strstr(text, "stroke=\"rgb(0%, 44.7") != NULL);
    assert_non_null(strstr(text, "</svg>\n"));
    free(text);
}

/* A band is pale, a level is a grey line, and the end of a curve may be dashed. */
static void bands_and_levels_are_drawn(void **state) {
    (void)state;
    static const double low[] = {5, 100, 300, 600, NAN}, high[] = {15, 300, 600, 800, NAN};
    const double pale[] = {0.82, 0.90, 0.945};
    const char *path = scratch("bands.png");
    double x, y;
    cw_curve curve = CURVE("seed 1", frames, returns, 5);
    cw_plot plot = make_plot(&curve, 1);
    expect_ok(cw_plot_write(path, &plot));
    int solid = count_colour(path, blue, &x, &y);
    assert_true(count_colour(path, pale, &x, &y) < 1000); /* borders of the curve */
    curve.low = low;
    curve.high = high;
    curve.n_dashed = 4;
    expect_ok(cw_plot_write(path, &plot));
    int dashed = count_colour(path, blue, &x, &y);
    assert_true(dashed < 9 * solid / 10 && dashed > solid / 3);
    assert_true(count_colour(path, pale, &x, &y) > 20000);
    assert_true(x < 1000); /* the last point has no band */

    /* A level without a label adds nothing but its line, half way up an axis from 0 to 1000. */
    const cw_plot_level level = {"", 500};
    const double grey[] = {0.45, 0.45, 0.45};
    double before_y;
    int before = count_colour(path, grey, &x, &before_y);
    plot.levels = &level;
    plot.n_levels = 1;
    expect_ok(cw_plot_write(path, &plot));
    int after = count_colour(path, grey, &x, &y);
    double line_y = (after * y - before * before_y) / (after - before);
    double middle = (2 * 76 + 2 * (480 - 62)) / 2.0;
    if (after < before + 500 || fabs(line_y - middle) > 5)
        fail_msg("%d more grey pixels, at %g, not near %g", after - before, line_y, middle);
}

static void svg_goes_into_a_text(void **state) {
    (void)state;
    const cw_curve curve = CURVE("seed 1", frames, returns, 5);
    cw_plot plot = make_plot(&curve, 1);
    plot.width = 500;
    plot.height = 320;
    cw_text text = {0};
    cw_text_add(&text, "before");
    expect_ok(cw_plot_svg(&text, &plot));
    assert_memory_equal(text.bytes, "before<?xml", 11);
    assert_non_null(strstr(text.bytes, "viewBox=\"0 0 500 320\""));
    assert_int_equal(strlen(text.bytes), text.n);
    cw_text_free(&text);
    assert_null(text.bytes);
}

/* Nothing to draw, one point, equal points, extremes: always a picture. */
static void odd_data_are_drawn(void **state) {
    (void)state;
    static const double nan_only[] = {NAN, NAN}, zero[] = {0}, five[] = {5, 5}, down[] = {-3, -900};
    static const double huge[] = {-1e100, 1e100}, tiny[] = {1e-100, 2e-100};
    static const double close[] = {1e9, 1e9 + 1e-6}, micro[] = {0.000001, 0.000002};
    const cw_curve cases[] = {
        CURVE("none", NULL, NULL, 0),    CURVE("not a number", nan_only, nan_only, 2),
        CURVE("zero", zero, zero, 1),    CURVE("same", five, five, 2),
        CURVE("down", five, down, 2),    CURVE("huge", huge, huge, 2),
        CURVE("tiny", tiny, tiny, 2),    CURVE("close", close, close, 2),
        CURVE("micro", micro, micro, 2), CURVE("left", down, five, 2),
        CURVE("mixed", frames, huge, 2),
    };
    const char *png = scratch("odd.png"), *svg = scratch("odd.svg");
    double x, y;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_plot plot = make_plot(&cases[i], 1);
        expect_ok(cw_plot_write(png, &plot));
        expect_ok(cw_plot_write(svg, &plot));
        int n = count_colour(png, blue, &x, &y);
        if ((i < 2) != (n == 0)) fail_msg("%s: %d coloured pixels", cases[i].label, n);
    }
    cw_plot plot = make_plot(NULL, 0);
    expect_ok(cw_plot_write(png, &plot));
    assert_int_equal(count_colour(png, blue, &x, &y), 0);
    plot = make_plot(&cases[3], 1);
    plot.y_min = -1e-3; /* far from the data: nothing in the field, and no harm */
    plot.y_max = 1e-3;
    expect_ok(cw_plot_write(png, &plot));
}

/* More curves than colours, texts longer than the sheet, characters of several bytes. */
static void long_texts_and_many_curves(void **state) {
    (void)state;
    static const char *const starts[] = {"", "a", "ab", "abc"}; /* move the place of the cut */
    for (int k = 0; k < 4; k++) {
        char label[2000];
        int n = snprintf(label, sizeof label, "%s", starts[k]);
        for (; n + 4 < (int)sizeof label; n += 3) memcpy(label + n, "€", 4);
        cw_curve curves[40];
        for (int i = 0; i < 40; i++) curves[i] = (cw_curve)CURVE(label, frames, returns, 5);
        cw_plot plot = {
            .title = label, .x_label = label, .y_label = label, .curves = curves, .n_curves = 40};
        expect_ok(cw_plot_write(scratch("many.png"), &plot));
        expect_ok(cw_plot_write(scratch("many.svg"), &plot));
    }
}

static void refused_arguments_are_named(void **state) {
    (void)state;
    const cw_curve curves[] = {CURVE("seed 1", frames, returns, 5),
                               CURVE("\xff", frames, returns, 5)};
    cw_plot plot = make_plot(curves, 1);
    static const char *const names[] = {"a.pdf", "a", ".png", "a.svgz", "a.PNG", "png", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_failure(cw_plot_write(names[i], &plot), CW_EINVAL, "must end in .svg or .png");
    }
    plot.n_curves = 2;
    const char *png = scratch("utf8.png"), *svg = scratch("utf8.svg");
    expect_failure(cw_plot_write(png, &plot), CW_EINVAL, "UTF-8");
    expect_failure(cw_plot_write(svg, &plot), CW_EINVAL, "UTF-8");
    assert_false(is_file(png));
    assert_false(is_file(svg));
}

static cw_status write_png(void *context) {
    const cw_curve curve = CURVE("seed 1", frames, returns, 5);
    cw_plot plot = make_plot(&curve, 1);
    return cw_plot_write(context, &plot);
}

static void old_or_new(void *context) {
    size_t n;
    unsigned char *bytes = get_file(context, &n);
    assert_non_null(bytes);
    assert_true((n == 3 && memcmp(bytes, "old", 3) == 0) || n > 1000);
    free(bytes);
    char path[600];
    snprintf(path, sizeof path, "%s.tmp", (const char *)context);
    assert_false(is_file(path));
}

static void writes_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"faults.png", "faults.svg"};
    for (int i = 0; i < 2; i++) {
        const char *path = scratch(names[i]);
        put_file(path, "old", 3);
        allocation_ramp(write_png, (void *)path, 1);
        put_file(path, "old", 3);
        fault_ramp(write_png, old_or_new, (void *)path, 5);
        put_file(path, "old", 3);
        struct rlimit before, small;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = before;
        small.rlim_cur = 900;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        cw_status status = write_png((void *)path);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        expect_failure(status, CW_EIO, path);
        old_or_new((void *)path);
    }
    expect_failure(write_png((void *)scratch("missing/a.png")), CW_EIO, "No such file");
    expect_failure(write_png("/proc/a.svg"), CW_EIO, "/proc/a.svg");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_has_the_curves),
        cmocka_unit_test(points_lie_where_they_belong),
        cmocka_unit_test(svg_has_the_labels),
        cmocka_unit_test(bands_and_levels_are_drawn),
        cmocka_unit_test(svg_goes_into_a_text),
        cmocka_unit_test(odd_data_are_drawn),
        cmocka_unit_test(long_texts_and_many_curves),
        cmocka_unit_test(refused_arguments_are_named),
        cmocka_unit_test(writes_may_fail),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
