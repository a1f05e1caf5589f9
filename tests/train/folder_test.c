/* The run folder: what it refuses and says, and each call failing (-Wl,--wrap). */
#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "test.h"
#include "train/checkpoint_run.h"
#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *failing;  /* the call that fails; NULL: none */
static long failing_at;      /* its number */
static const char *intruder; /* a folder that a file appears in as soon as it is locked */

static bool due(const char *name) {
    return failing != NULL && strcmp(name, failing) == 0 && --failing_at == 0;
}

/* clang-format off */
#define FAILING(name, parameters, arguments)                                                       \
    cw_status __real_##name parameters;                                                            \
    cw_status __wrap_##name parameters;                                                            \
    cw_status __wrap_##name parameters {                                                           \
        return due(#name) ? cw_fail(CW_EIO, #name " went wrong") : __real_##name arguments;        \
    }
FAILING(cw_path_join, (char *out, size_t bytes, const char *folder, const char *name),
        (out, bytes, folder, name))
FAILING(cw_settings_load, (cw_settings *settings, const char *path), (settings, path))
FAILING(cw_settings_print, (const cw_settings *settings, char **out, size_t *n), (settings, out, n))
FAILING(cw_settings_get, (const cw_settings *settings, const char *name, char *out, size_t n),
        (settings, name, out, n))
FAILING(cw_file_write_atomic, (const char *path, const void *bytes, size_t n), (path, bytes, n))
FAILING(cw_dir_make, (const char *path), (path))
/* clang-format on */

cw_status __real_cw_dir_lock(const char *folder, int *fd);
cw_status __wrap_cw_dir_lock(const char *folder, int *fd);
cw_status __wrap_cw_dir_lock(const char *folder, int *fd) {
    if (due("cw_dir_lock")) return cw_fail(CW_EIO, "cw_dir_lock went wrong");
    if (intruder != NULL) {
        char path[PATH_MAX];
        assert_int_equal(__real_cw_path_join(path, sizeof path, intruder, "hello"), CW_OK);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    return __real_cw_dir_lock(folder, fd);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
    if (!due("opendir")) return __real_opendir(path);
    errno = EMFILE;
    return NULL;
}

/* ---- a folder of its own for each test ---- */

static cw_settings settings;
static char *folder; /* settings.run.out */

static int setup(void **state) {
    char made[PATH_MAX];
    (void)state;
    folder_make(made);
    cw_settings_default(&settings);
    folder = settings.run.out;
    int n = snprintf(folder, sizeof settings.run.out, "%s", made);
    assert_in_range(n, 1, sizeof settings.run.out - 1);
    failing = intruder = NULL;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char lock[PATH_MAX];
    failing = NULL;
    assert_int_equal(cw_path_join(lock, sizeof lock, folder, ".lock"), CW_OK);
    remove(lock);
    folder_remove(folder);
    assert_false(cw_file_exists(folder));
    return 0;
}

/* Opens and closes the folder. */
static cw_status open_once(bool *resumed, cw_settings *before) {
    int fd = -1;
    cw_status status = cw_folder_open(&settings, &fd, resumed, before);
    assert_true((status == CW_OK) == (fd >= 0));
    if (status == CW_OK) cw_folder_close(fd);
    return status;
}

static void check_open(cw_status want, const char *text) {
    bool resumed;
    cw_settings before;
    assert_int_equal(open_once(&resumed, &before), want);
    if (want != CW_OK && strstr(cw_last_error(), text) == NULL) fail_msg("%s", cw_last_error());
}

static void write_file(const char *name, const char *text) {
    char path[PATH_MAX];
    assert_int_equal(cw_path_join(path, sizeof path, folder, name), CW_OK);
    assert_int_equal(cw_file_write_atomic(path, text, strlen(text)), CW_OK);
}

static void test_begins_and_goes_on(void **state) {
    (void)state;
    bool resumed = true;
    cw_settings before, read;
    assert_int_equal(open_once(&resumed, &before), CW_OK);
    assert_false(resumed);
    settings.train.frames = 77;
    assert_int_equal(open_once(&resumed, &before), CW_OK);
    assert_true(resumed);
    assert_int_equal(before.train.frames, 100000);
    assert_int_equal(cw_folder_settings(folder, &read), CW_OK);
    assert_int_equal(read.train.frames, 77);
    assert_string_equal(read.run.out, folder);
}

static void test_one_process_to_a_folder(void **state) {
    (void)state;
    bool resumed;
    cw_settings before;
    int fd, second = -1;
    assert_int_equal(cw_folder_open(&settings, &fd, &resumed, &before), CW_OK);
    assert_int_equal(cw_folder_open(&settings, &second, &resumed, &before), CW_EBUSY);
    assert_int_equal(second, -1);
    cw_folder_close(fd);
    check_open(CW_OK, "");
}

static void test_what_may_not_change(void **state) {
    (void)state;
    check_open(CW_OK, "");
    settings.run.seed++;
    check_open(CW_EINVAL, "run.seed = ");
    for (int i = 1; i <= 2; i++) { /* the value before, the value now */
        failing = "cw_settings_get";
        failing_at = i;
        check_open(CW_EIO, "cw_settings_get");
    }
}

static void test_what_is_no_run(void **state) {
    (void)state;
    cw_settings read;
    assert_int_equal(cw_folder_settings(folder, &read), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "is not a run folder"));
    write_file(CW_CONFIG_NAME, "[train]\nspeed = 9\n");
    assert_int_equal(cw_folder_settings(folder, &read), CW_EFORMAT);
    assert_non_null(strstr(cw_last_error(), "is a run of another version of curlew"));
    check_open(CW_EFORMAT, "is a run of another version of curlew");
}

static void test_fresh(void **state) {
    (void)state;
    settings.run.fresh = true;
    check_open(CW_OK, "");
    check_open(CW_EINVAL, "is not empty");
    failing = "opendir";
    failing_at = 1;
    check_open(CW_EIO, "cannot list");
}

/* Somebody else's file that comes between the first look and the lock. */
static void test_fresh_looks_again_under_the_lock(void **state) {
    (void)state;
    settings.run.fresh = true;
    intruder = folder;
    check_open(CW_EINVAL, "is not empty");
}

static void test_any_call_may_fail(void **state) {
    (void)state;
    static const char *const calls[] = {"cw_path_join",      "cw_settings_load",
                                        "cw_settings_print", "cw_file_write_atomic",
                                        "cw_dir_make",       "cw_dir_lock"};
    check_open(CW_OK, "");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int faults = 0;
        for (bool came = true; came; faults += came) {
            failing = calls[i];
            failing_at = faults + 1;
            bool resumed;
            cw_settings before;
            cw_status status = open_once(&resumed, &before);
            came = failing_at <= 0;
            if (status != (came ? CW_EIO : CW_OK)) fail_msg("%s: %s", calls[i], cw_last_error());
            failing = NULL;
            check_open(CW_OK, "");
        }
        if (faults == 0) fail_msg("%s is not called", calls[i]);
    }
}

/* The library's own file faults reach the list of the folder, too. */
static void test_file_faults(void **state) {
    (void)state;
    settings.run.fresh = true;
    int failures = 0;
    for (uint64_t n = 1; n < 20; n++) {
        bool resumed;
        cw_settings before;
        cw_file_fault_after(n);
        failures += open_once(&resumed, &before) == CW_EIO;
        cw_file_fault_after(0);
        char path[PATH_MAX];
        assert_int_equal(cw_path_join(path, sizeof path, folder, CW_CONFIG_NAME), CW_OK);
        remove(path);
    }
    assert_true(failures >= 3);
}

int main(void) {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_begins_and_goes_on),
        IN_A_FOLDER(test_one_process_to_a_folder),
        IN_A_FOLDER(test_what_may_not_change),
        IN_A_FOLDER(test_what_is_no_run),
        IN_A_FOLDER(test_fresh),
        IN_A_FOLDER(test_fresh_looks_again_under_the_lock),
        IN_A_FOLDER(test_any_call_may_fail),
        IN_A_FOLDER(test_file_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
