/* Which generations stay, and the second name of a generation's parameters. */
#include "base/file.h"
#include "io/safetensors.h"
#include "test.h"
#include "train/checkpoint.h"
#include "train/checkpoint_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state) {
    char *folder = malloc(PATH_MAX);
    assert_non_null(folder);
    folder_make(folder);
    *state = folder;
    return 0;
}

static int teardown(void **state) {
    folder_remove(*state);
    free(*state);
    return 0;
}

static cw_checkpoint_store *open_keeping(const char *folder, int keep) {
    cw_checkpoint_store *store = NULL;
    assert_int_equal(cw_checkpoint_store_open(&store, folder, 4, keep, NULL), CW_OK);
    return store;
}

static void save_times(const char *folder, int keep, int n) {
    cw_checkpoint_store *store = open_keeping(folder, keep);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    assert_true(status == CW_OK || status == CW_ENOTFOUND);
    for (int i = 0; i < n; i++) {
        run_advance(&run, 7);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
    }
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void expect_manifests(const char *folder, const char *want) {
    char found[4096];
    folder_list(folder, "manifest-", found, sizeof found);
    assert_string_equal(found, want);
}

static void test_the_newest_stay(void **state) {
    const char *folder = *state;
    save_times(folder, 3, 2);
    expect_manifests(folder, "manifest-1 manifest-2 ");
    save_times(folder, 3, 4); /* another process goes on */
    expect_manifests(folder, "manifest-4 manifest-5 manifest-6 ");
    save_times(folder, 1, 1); /* fewer from now on */
    expect_manifests(folder, "manifest-7 ");
    save_times(folder, 5, 2); /* more from now on */
    expect_manifests(folder, "manifest-7 manifest-8 manifest-9 ");
}

/* Every generation that stays can be gone back to: the ones after it are taken away in turn. */
static void test_each_that_stays_is_whole(void **state) {
    const char *folder = *state;
    const int keep = 4, n = 9; /* the ring holds 30 frames: the first ones are overwritten */
    save_times(folder, keep, n);
    for (int back = 0; back < keep; back++) {
        cw_checkpoint_store *store = open_keeping(folder, keep);
        fake_run run;
        run_open(&run);
        assert_int_equal(run_load(&run, store), CW_OK);
        assert_int_equal(run.step, 7 * (n - back));
        run_check(&run);
        run_close(&run);
        cw_checkpoint_store_close(store);
        char path[PATH_MAX + 128];
        snprintf(path, sizeof path, "%s/manifest-%d", folder, n - back);
        assert_int_equal(unlink(path), 0);
    }
}

/* The step that published parameters belong to, read from the weight that counts steps. */
static float published(const char *path) {
    cw_safetensors *file;
    assert_int_equal(cw_safetensors_open(&file, path, 1 << 20), CW_OK);
    float weight = *(const float *)cw_safetensors_find(file, "weights")->data;
    cw_safetensors_close(file);
    return weight;
}

static void test_published_parameters_stay(void **state) {
    const char *folder = *state;
    char inside[PATH_MAX + 8], path[PATH_MAX + 128];
    snprintf(inside, sizeof inside, "%s/store", folder);
    snprintf(path, sizeof path, "%s/best", folder);
    cw_checkpoint_store *store = open_keeping(inside, 1);
    assert_int_equal(cw_checkpoint_publish(store, path), CW_ENOTFOUND);
    fake_run run;
    run_open(&run);
    run_advance(&run, 7);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    float best = run.weights[0];
    assert_int_equal(cw_checkpoint_publish(store, path), CW_OK);
    assert_int_equal(cw_checkpoint_publish(store, path), CW_OK); /* again: no harm */
    for (int i = 0; i < 3; i++) {
        run_advance(&run, 7);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
        assert_true(published(path) == best);
    }
    folder_check_clean(inside);
    assert_int_equal(cw_checkpoint_publish(store, path), CW_OK);
    assert_true(published(path) == run.weights[0] && published(path) != best);
    char left[4096];
    folder_list(folder, "best", left, sizeof left);
    assert_string_equal(left, "best ");
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* Whatever operation fails, `path` holds the old parameters or the new ones; a link that cannot be
 * made becomes a copy. */
static void test_publishing_under_faults(void **state) {
    const char *folder = *state;
    char inside[PATH_MAX + 8], path[PATH_MAX + 128];
    snprintf(inside, sizeof inside, "%s/store", folder);
    snprintf(path, sizeof path, "%s/best", folder);
    cw_checkpoint_store *store = open_keeping(inside, 2);
    fake_run run;
    run_open(&run);
    run_advance(&run, 7);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    assert_int_equal(cw_checkpoint_publish(store, path), CW_OK);
    float old = run.weights[0];
    run_advance(&run, 7);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    float new = run.weights[0];
    int failed = 0, copied = 0;
    for (uint64_t n = 1; n < 20; n++) {
        cw_file_fault_after(n);
        cw_status status = cw_checkpoint_publish(store, path);
        cw_file_fault_after(0);
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        copied += status == CW_OK && info.st_nlink == 1;
        failed += status != CW_OK;
        if (status == CW_OK) assert_true(published(path) == new);
        assert_true(published(path) == old || published(path) == new);
    }
    assert_true(failed >= 2);
    assert_int_equal(copied, 1);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_newest_stay),
        TEST(test_each_that_stays_is_whole),
        TEST(test_published_parameters_stay),
        TEST(test_publishing_under_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
