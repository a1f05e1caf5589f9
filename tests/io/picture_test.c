/* Pictures: the pixels that were handed in, enlarged, in a PNG that cairo reads; bad targets. */
#include "base/memory.h"
#include "io/picture.h"
#include "io/support.h"
#include "test.h"

#include <cairo.h>
#include <stdio.h>
#include <string.h>

/* fontconfig keeps what it once read for the life of the process; LeakSanitizer asks here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

enum { WIDTH = 3, HEIGHT = 2, SCALE = 100 };

/* Planes red, green, blue; every pixel another colour. */
static const uint8_t frame[3 * HEIGHT * WIDTH] = {10, 20,  30,  40,  50,  60,  70,  80,  90,
                                                  99, 110, 120, 130, 140, 150, 160, 170, 255};

static cw_overlay figures(const float *action) {
    return (cw_overlay){.episode_return = 1, .value = 2, .action = action, .n_actions = 1};
}

/* The red, green and blue of pixel (x, y) of a PNG file. */
static uint32_t pixel_of(const char *path, int x, int y, int *width, int *height) {
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    *width = cairo_image_surface_get_width(surface);
    *height = cairo_image_surface_get_height(surface);
    assert_in_range(x, 0, *width - 1);
    assert_in_range(y, 0, *height - 1);
    const unsigned char *row =
        cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface);
    uint32_t pixel;
    memcpy(&pixel, row + 4 * (size_t)x, 4);
    cairo_surface_destroy(surface);
    return pixel & 0xffffff;
}

static void a_picture_has_the_pixels(void **state) {
    (void)state;
    int width, height;
    const char *path = scratch("frame.png");
    expect_ok(cw_picture_write(path, frame, WIDTH, HEIGHT, SCALE, NULL));
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        int left = SCALE * (i % WIDTH), top = SCALE * (i / WIDTH);
        uint32_t wanted = (uint32_t)frame[i] << 16 | (uint32_t)frame[i + WIDTH * HEIGHT] << 8 |
                          frame[i + 2 * WIDTH * HEIGHT];
        assert_int_equal(pixel_of(path, left, top, &width, &height), wanted);
        assert_int_equal(pixel_of(path, left + SCALE - 1, top + SCALE - 1, &width, &height),
                         wanted);
    }
    assert_int_equal(width, WIDTH * SCALE);
    assert_int_equal(height, HEIGHT * SCALE);
}

static void an_overlay_changes_the_top_alone(void **state) {
    (void)state;
    int width, height;
    const float action[] = {1};
    const cw_overlay overlay = figures(action);
    const char *path = scratch("overlay.png");
    expect_ok(cw_picture_write(path, frame, WIDTH, HEIGHT, SCALE, &overlay));
    assert_int_not_equal(pixel_of(path, 0, 0, &width, &height), 0x0a4682);
    assert_int_equal(pixel_of(path, 0, HEIGHT * SCALE - 1, &width, &height), 0x2863a0);
}

static void odd_room_repeats_the_last_pixels(void **state) {
    (void)state;
    uint8_t out[3 * 3 * 4];
    cw_picture_enlarge(out, 4, 3, frame, WIDTH, HEIGHT, 1);
    assert_memory_equal(out + 3 * 3, out + 3 * 2, 3); /* column 3 is column 2 */
    assert_memory_equal(out + 2 * 12, out + 12, 12);  /* row 2 is row 1 */
    assert_memory_not_equal(out + 12, out, 12);
}

static void bad_input(void **state) {
    (void)state;
    const float action[] = {1};
    const cw_overlay overlay = figures(action);
    cw_text png = {0};
    uint8_t rgb[3] = {0};
    expect_failure(cw_picture_png(&png, rgb, 40000, 1), CW_EINVAL, "40000 x 1 pixels");
    cw_text_free(&png);
    expect_failure(cw_picture_write(scratch("no/a.png"), frame, WIDTH, HEIGHT, SCALE, NULL), CW_EIO,
                   "no/a.png");
    expect_failure(cw_picture_write(scratch("small.png"), frame, WIDTH, HEIGHT, 1, &overlay),
                   CW_EINVAL, "--scale");
    assert_false(is_file(scratch("small.png")));
}

static cw_status write_one(void *path) {
    return cw_picture_write(path, frame, WIDTH, HEIGHT, SCALE, NULL);
}

/* The old picture, or, when only the folder could not be synced, the new one; never a part. */
static void check_whole(void *path) {
    int width, height;
    assert_int_equal(pixel_of(path, 0, 0, &width, &height), 0x0a4682);
    assert_true(width == WIDTH || width == WIDTH * SCALE);
}

static void failures_leave_a_whole_picture(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch("old.png"));
    expect_ok(cw_picture_write(path, frame, WIDTH, HEIGHT, 1, NULL));
    uint64_t before = live_blocks();
    fault_ramp(write_one, check_whole, path, 3);
    allocation_ramp(write_one, path, 2);
    assert_true(live_blocks() == before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_has_the_pixels),
        cmocka_unit_test(an_overlay_changes_the_top_alone),
        cmocka_unit_test(odd_room_repeats_the_last_pixels),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(failures_leave_a_whole_picture),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
