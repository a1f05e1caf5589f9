/* Pieces of a page: escaping, pictures that decode, plots. */
#include "base/memory.h"
#include "io/html.h"
#include "io/support.h"
#include "test.h"

#include <cairo.h>
#include <stdlib.h>
#include <string.h>

/* fontconfig keeps what it once read for the life of the process; LeakSanitizer asks here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

static void text_is_escaped(void **state) {
    (void)state;
    cw_text text = {0};
    cw_html_escape(&text, "a<b>&\"c\"\n\x01 \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6");
    assert_string_equal(text.bytes, "a&lt;b&gt;&amp;&quot;c&quot;   \xc3\xa4 \xe2\x82\xac "
                                    "\xf0\x9f\x90\xa6");
    cw_text_free(&text);
    cw_html_escape(&text, "\xff|\xc3|\xc0\x80|\x80|\xe2\x82");
    assert_string_equal(text.bytes, "?|?|??|?|??");
    cw_text_free(&text);
}

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

/* The bytes of base64 up to the closing quote. */
static size_t decode(const char *in, unsigned char *out) {
    size_t n = 0;
    uint32_t word = 0;
    int bits = 0;
    for (; *in != '"' && *in != '='; in++) {
        assert_true(digit(*in) >= 0);
        word = word << 6 | (uint32_t)digit(*in);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(word >> bits);
        }
    }
    return n;
}

typedef struct reader {
    const unsigned char *bytes;
    size_t left;
} reader;

static cairo_status_t give(void *closure, unsigned char *out, unsigned int n) {
    reader *r = closure;
    if (n > r->left) return CAIRO_STATUS_READ_ERROR;
    memcpy(out, r->bytes, n);
    r->bytes += n;
    r->left -= n;
    return CAIRO_STATUS_SUCCESS;
}

static void pictures_decode_to_their_pixels(void **state) {
    (void)state;
    static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 9, 8, 7, 250, 251, 252};
    unsigned char png[1024];
    cw_text text = {0};
    cw_html_picture(&text, rgb, 3, 2, "tile", "a \"frame\"");
    assert_int_equal(text.status, CW_OK);
    assert_non_null(strstr(text.bytes, "<img class=\"tile\" width=\"3\" height=\"2\" "
                                       "alt=\"a &quot;frame&quot;\" src=\"data:image/png;base64,"));
    assert_string_equal(text.bytes + text.n - 2, "\">");
    reader r = {png, decode(strstr(text.bytes, "base64,") + 7, png)};
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(give, &r);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(surface), 3);
    assert_int_equal(cairo_image_surface_get_height(surface), 2);
    const unsigned char *data = cairo_image_surface_get_data(surface);
    for (int i = 0; i < 6; i++) {
        uint32_t pixel;
        memcpy(&pixel, data + i / 3 * cairo_image_surface_get_stride(surface) + 4 * (i % 3), 4);
        uint32_t wanted =
            (uint32_t)rgb[3 * i] << 16 | (uint32_t)rgb[3 * i + 1] << 8 | rgb[3 * i + 2];
        assert_int_equal(pixel & 0xffffff, wanted);
    }
    cairo_surface_destroy(surface);
    cw_text_free(&text);
}

static void plots_have_two_sizes(void **state) {
    (void)state;
    static const double x[] = {0, 1}, y[] = {1, 2};
    const cw_curve curve = {.label = "one", .x = x, .y = y, .n = 2};
    const cw_plot plot = {
        .title = "t", .x_label = "x", .y_label = "y", .curves = &curve, .n_curves = 1};
    unsigned char *svg = malloc(1 << 20);
    cw_text text = {0};
    assert_non_null(svg);
    cw_html_plot(&text, &plot, "a curve");
    assert_int_equal(text.status, CW_OK);
    const char *first = strstr(text.bytes, "base64,");
    svg[decode(first + 7, svg)] = '\0';
    assert_non_null(strstr((char *)svg, "viewBox=\"0 0 400 290\""));
    svg[decode(strstr(first + 7, "base64,") + 7, svg)] = '\0';
    assert_non_null(strstr((char *)svg, "viewBox=\"0 0 560 340\""));
    free(svg);
    cw_text_free(&text);
}

static cw_status attempt(void *context) {
    (void)context;
    static const uint8_t rgb[12] = {1};
    cw_text text = {0};
    cw_html_picture(&text, rgb, 2, 2, "c", "alt");
    cw_html_video(&text, rgb, sizeof rgb);
    cw_status status = text.status;
    cw_text_free(&text);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    allocation_ramp(attempt, NULL, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(pictures_decode_to_their_pixels),
        cmocka_unit_test(plots_have_two_sizes),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
