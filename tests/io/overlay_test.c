/* Overlays: the strip at the top alone, a bar for each action on its side of the middle. */
#include "base/memory.h"
#include "io/overlay.h"
#include "io/support.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define SIDE 400

/* fontconfig keeps what it once read for the life of the process; LeakSanitizer asks here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

static uint8_t *draw(const float *action, int n) {
    uint8_t *rgb = malloc(3 * SIDE * SIDE);
    assert_non_null(rgb);
    memset(rgb, 200, 3 * SIDE * SIDE);
    const cw_overlay overlay = {
        .episode_return = 123.4, .value = 5.67, .action = action, .n_actions = n};
    expect_ok(cw_overlay_draw(rgb, SIDE, SIDE, &overlay));
    return rgb;
}

/* Pixels of the bars' blue with columns in [from, to). */
static int count_blue(const uint8_t *rgb, int from, int to) {
    int n = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int x = from; x < to; x++) {
            const uint8_t *p = rgb + 3 * (y * SIDE + x);
            n += abs(p[0] - 87) < 3 && abs(p[1] - 181) < 3 && abs(p[2] - 232) < 3;
        }
    }
    return n;
}

static void bars_lie_on_their_side(void **state) {
    (void)state;
    const float action[] = {-1, 0, 0.5F};
    uint8_t *rgb = draw(action, 3);
    /* three slots between the margins: the first one's left half, nothing, the last one's right */
    int third = SIDE / 3;
    assert_true(count_blue(rgb, 0, third / 2 + 8) > 300);
    assert_int_equal(count_blue(rgb, third / 2 + 10, 2 * third + third / 2 - 10), 0);
    int right = count_blue(rgb, 2 * third + third / 2 - 10, SIDE);
    assert_true(right > 150 && right < count_blue(rgb, 0, third));
    free(rgb);
}

static void the_rest_of_the_picture_is_untouched(void **state) {
    (void)state;
    const float action[] = {1};
    uint8_t *rgb = draw(action, 1);
    int changed = 0, last = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        if (rgb[3 * i] == 200 && rgb[3 * i + 1] == 200 && rgb[3 * i + 2] == 200) continue;
        changed++;
        last = i / SIDE;
    }
    assert_true(changed > 10000);
    assert_true(last < SIDE / 8);
    free(rgb);
}

static void narrow_pictures_are_refused(void **state) {
    (void)state;
    uint8_t rgb[12] = {0};
    const float action[] = {1};
    const cw_overlay overlay = {.action = action, .n_actions = 1};
    expect_failure(cw_overlay_draw(rgb, 2, 2, &overlay), CW_EINVAL, "larger --scale");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bars_lie_on_their_side),
        cmocka_unit_test(the_rest_of_the_picture_is_untouched),
        cmocka_unit_test(narrow_pictures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
