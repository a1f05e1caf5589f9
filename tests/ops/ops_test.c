#include "ops/check.h"
#include "test.h"

#include <string.h>

static const cw_convnet_desc paper = {128, 9, 84, 84, 4, 32, 2, true};

static void test_sides_of_the_paper(void **state) {
    (void)state;
    static const int64_t sides[] = {41, 39, 37, 35};
    for (int i = 0; i < 4; i++) {
        int64_t h = 0, w = 0;
        assert_int_equal(cw_convnet_side(&paper, i, &h, &w), CW_OK);
        assert_int_equal(h, sides[i]);
        assert_int_equal(w, sides[i]);
    }
    assert_int_equal(cw_convnet_features(&paper), 39200);
    assert_int_equal(cw_convnet_param_count(&paper), 32 * 81 + 32 + 3 * (32 * 288 + 32));
}

static void test_odd_sides(void **state) {
    (void)state;
    cw_convnet_desc desc = {1, 1, 10, 41, 2, 5, 3, false};
    int64_t h = 0, w = 0;
    assert_int_equal(cw_convnet_side(&desc, 0, &h, &w), CW_OK);
    assert_int_equal(h, 3); /* rows 0, 3, 6 begin a window of 3; 9 does not */
    assert_int_equal(w, 13);
    assert_int_equal(cw_convnet_features(&desc), 5 * 1 * 11);
    assert_int_equal(cw_convnet_side(&desc, 2, &h, &w), CW_EINVAL);
    assert_int_equal(cw_convnet_side(&desc, -1, &h, &w), CW_EINVAL);
    desc.n_layers = 3;
    assert_int_equal(cw_convnet_side(&desc, 2, &h, &w), CW_EINVAL);
    assert_int_equal(cw_convnet_features(&desc), 0);
    desc.height = 2;
    assert_int_equal(cw_convnet_side(&desc, 0, &h, &w), CW_EINVAL);
}

static void test_refused_descriptions(void **state) {
    (void)state;
    assert_int_equal(cw_check_convnet_desc(&paper), CW_OK);
    cw_convnet_desc bad[8];
    for (int i = 0; i < 8; i++) bad[i] = paper;
    bad[0].batch = 0;
    bad[1].channels = -1;
    bad[2].height = 2;
    bad[3].width = 1 << 21;
    bad[4].n_layers = CW_CONVNET_MAX_LAYERS + 1;
    bad[5].filters = 0;
    bad[6].first_stride = 0;
    bad[7] = (cw_convnet_desc){1 << 20, 1 << 20, 1 << 20, 1 << 20, 1, 1, 1, false};
    static const char *const named[] = {"batch",    "channels", "leave nothing", "width",
                                        "n_layers", "filters",  "first_stride",  "together"};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(cw_check_convnet_desc(&bad[i]), CW_EINVAL);
        if (strstr(cw_last_error(), named[i]) == NULL) fail_msg("%d: %s", i, cw_last_error());
    }
}

static void test_refused_adam(void **state) {
    (void)state;
    cw_adam adam = {1e-3, 0.9, 0.999, 1e-8, 1, 1};
    assert_int_equal(cw_check_adam(&adam), CW_OK);
    adam.repeat = 0;
    assert_int_equal(cw_check_adam(&adam), CW_EINVAL);
    adam.repeat = 1;
    adam.beta2 = 1;
    assert_int_equal(cw_check_adam(&adam), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "beta2 is 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sides_of_the_paper),
        cmocka_unit_test(test_odd_sides),
        cmocka_unit_test(test_refused_descriptions),
        cmocka_unit_test(test_refused_adam),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
