/* What run.precision = auto comes to, and that a run keeps it. */
#include "base/file.h"
#include "config/config.h"
#include "test.h"
#include "train/backend.h"
#include "train/folder.h"
#include "train/precision.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const cw_convnet_desc small = {.batch = 4,
                                      .channels = 9,
                                      .height = 30,
                                      .width = 30,
                                      .n_layers = 2,
                                      .filters = 16,
                                      .first_stride = 2,
                                      .train = true};

static cw_settings settings_in(const char *folder, cw_precision precision) {
    cw_settings settings;
    cw_settings_default(&settings);
    snprintf(settings.run.out, sizeof settings.run.out, "%s", folder);
    settings.run.precision = precision;
    settings.run.threads = 1;
    return settings;
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[CW_PATH];
    assert_int_equal(cw_folder_path(path, folder, name), CW_OK);
    assert_int_equal(cw_file_write_atomic(path, text, strlen(text)), CW_OK);
}

static void remove_all(const char *folder) {
    static const char *const names[] = {CW_CONFIG_NAME, "precision"};
    char path[CW_PATH];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(cw_folder_path(path, folder, names[i]), CW_OK);
        unlink(path);
    }
}

static void test_a_named_precision_is_taken(void **state) {
    (void)state;
    static const cw_precision named[] = {CW_PRECISION_F32, CW_PRECISION_BF16};
    for (int i = 0; i < 2; i++) {
        cw_settings settings = settings_in("nowhere", named[i]);
        cw_precision out;
        char line[200] = "?";
        assert_int_equal(cw_precision_settle(&out, &settings, &small, line, sizeof line), CW_OK);
        assert_int_equal(out, named[i]);
        assert_string_equal(line, "");
    }
}

static void test_a_new_run(void **state) {
    (void)state;
    cw_settings settings = settings_in("no_such_run", CW_PRECISION_AUTO);
    assert_false(cw_backend_onednn_bf16_by_matrix_units(&small));
    cw_convnet_desc stacks[2] = {small, small};
    stacks[1].height = stacks[1].width = 36;
    stacks[1].filters = 32;
    for (int i = 0; i < 2; i++) {
        cw_precision out;
        char line[200];
        assert_int_equal(cw_precision_settle(&out, &settings, &stacks[i], line, sizeof line),
                         CW_OK);
        assert_int_not_equal(out, CW_PRECISION_AUTO);
        bool probed = cw_backend_onednn_bf16_by_matrix_units(&stacks[i]);
        assert_int_equal(line[0] != '\0', probed);
        if (!probed) assert_int_equal(out, CW_PRECISION_F32);
        assert_false(cw_file_exists("no_such_run"));
    }
}

static void test_a_run_goes_on_as_it_began(void **state) {
    (void)state;
    const char *folder = "precision_test_run";
    assert_int_equal(cw_dir_make(folder), CW_OK);
    remove_all(folder);
    cw_settings settings = settings_in(folder, CW_PRECISION_AUTO);
    cw_precision out;
    write_text(folder, CW_CONFIG_NAME, "");
    assert_int_equal(cw_precision_keep(&settings, CW_PRECISION_F32), CW_OK);
    assert_int_equal(cw_precision_settle(&out, &settings, NULL, NULL, 0), CW_OK);
    assert_int_equal(out, CW_PRECISION_F32);
    assert_int_equal(cw_precision_keep(&settings, CW_PRECISION_BF16), CW_OK);
    assert_int_equal(cw_precision_settle(&out, &settings, NULL, NULL, 0), CW_OK);
    assert_int_equal(out, CW_PRECISION_BF16);
    write_text(folder, "precision", "bf17\n");
    assert_int_equal(cw_precision_settle(&out, &settings, NULL, NULL, 0), CW_EFORMAT);
    assert_non_null(strstr(cw_last_error(), "precision_test_run/precision"));
    remove_all(folder);
    rmdir(folder);
}

/* The probe itself, wherever bf16 kernels exist. */
static void test_the_probe(void **state) {
    (void)state;
    cw_precision_times times;
    cw_status status = cw_precision_probe(&small, 1, &times);
    if (!cw_backend_onednn_has_bf16()) {
        assert_int_equal(status, CW_EUNSUPPORTED);
        return;
    }
    assert_int_equal(status, CW_OK);
    printf("f32 %.3f ms, bf16 %.3f ms\n", times.f32_s * 1e3, times.bf16_s * 1e3);
    assert_true(times.f32_s > 0 && times.bf16_s > 0 && times.f32_s != times.bf16_s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_named_precision_is_taken),
        cmocka_unit_test(test_a_new_run),
        cmocka_unit_test(test_a_run_goes_on_as_it_began),
        cmocka_unit_test(test_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
