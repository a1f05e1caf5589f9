/* Checkpoint folders that somebody tampered with: what is no plain file, forged names, sizes beyond
 * all disks. Nothing waits, nothing is read that the manifest does not ask for, and the generation
 * before is taken. */
#include "base/file.h"
#include "test.h"
#include "train/checkpoint_internal.h"
#include "train/checkpoint_run.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int lists_left = -1; /* entries until a list of names breaks off; -1: none does */

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir) {
    if (lists_left == 0) {
        errno = EIO;
        return NULL;
    }
    if (lists_left > 0) lists_left--;
    return __real_readdir(dir);
}

static int setup(void **state) {
    static char folder[PATH_MAX];
    folder_make(folder);
    *state = folder;
    alarm(60); /* opening a pipe may wait for ever */
    return 0;
}

static int teardown(void **state) {
    alarm(0);
    folder_remove(*state);
    return 0;
}

static const char *inside(const char *folder, const char *name) {
    static char path[PATH_MAX];
    assert_int_equal(cw_path_join(path, sizeof path, folder, name), CW_OK);
    return path;
}

/* Generations 1 of step 10 and 2 of step 20. */
static void make_two(const char *folder) {
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    for (int i = 0; i < 2; i++) {
        run_advance(&run, 10);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
    }
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* Loads; the step, and what the log was told. */
static int64_t load_step(const char *folder, last_line *line) {
    memset(line, 0, sizeof *line);
    const cw_log log = {.fn = last_line_write, .user = line};
    cw_checkpoint_store *store = store_open(folder, &log);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    if (status == CW_OK) run_check(&run);
    int64_t step = status == CW_OK ? run.step : -1;
    run_close(&run);
    cw_checkpoint_store_close(store);
    return step;
}

static void what_is_no_plain_file_is_refused(void **state) {
    const char *folder = *state;
    static const char *const names[] = {"manifest-2", "agent-2.safetensors", "state-2.bin",
                                        "frames/2-10.bin"};
    last_line line;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int kind = 0; kind < 2; kind++) {
            make_two(folder);
            const char *path = inside(folder, names[i]);
            assert_int_equal(unlink(path), 0);
            assert_int_equal(kind == 0 ? mkfifo(path, 0600) : mkdir(path, 0700), 0);
            assert_int_equal(load_step(folder, &line), 10);
            assert_non_null(strstr(line.text, names[i]));
            assert_non_null(strstr(line.text, "is not a regular file"));
            folder_remove(folder);
            assert_int_equal(mkdir(folder, 0700), 0);
        }
    }
}

/* A sparse file of a terabyte: its size is enough to refuse it. */
static void sizes_come_first(void **state) {
    const char *folder = *state;
    static const char *const names[] = {"manifest-2", "agent-2.safetensors", "state-2.bin",
                                        "frames/2-10.bin"};
    last_line line;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        make_two(folder);
        assert_int_equal(truncate(inside(folder, names[i]), (off_t)1 << 40), 0);
        assert_int_equal(load_step(folder, &line), 10);
        assert_non_null(strstr(line.text, "has 1099511627776 bytes"));
        folder_remove(folder);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
}

static void numbers_cannot_begin_anew(void **state) {
    const char *folder = *state;
    last_line line;
    make_two(folder);
    /* Beyond the largest number a name means nothing. */
    assert_int_equal(cw_file_write_atomic(inside(folder, "manifest-4611686018427387905"), "x", 1),
                     CW_OK);
    assert_int_equal(load_step(folder, &line), 20);
    assert_int_equal(line.n, 0);
    assert_int_equal(cw_file_write_atomic(inside(folder, "manifest-4611686018427387904"), "x", 1),
                     CW_OK);
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_OK);
    assert_int_equal(run.step, 20);
    assert_int_equal(run_save(&run, store, NULL), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "highest number"));
    run_close(&run);
    cw_checkpoint_store_close(store);
    assert_int_equal(load_step(folder, &line), 20);
}

/* A list of names that breaks off is no folder without checkpoints. */
static void lists_may_fail(void **state) {
    const char *folder = *state;
    make_two(folder);
    cw_checkpoint_store *store = store_open(folder, NULL);
    cw_checkpoint *checkpoint = NULL;
    for (int entries = 0; entries < 3; entries++) {
        lists_left = entries;
        assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_EIO);
        assert_non_null(strstr(cw_last_error(), "cannot list"));
    }
    const cw_checkpoint_parts nothing = {.n_blobs = 0};
    lists_left = 0;
    assert_int_equal(cw_checkpoint_save(store, &nothing, NULL), CW_EIO);
    lists_left = -1;
    cw_checkpoint_store_close(store);
    last_line line;
    assert_int_equal(load_step(folder, &line), 20);
}

static void folders_may_be_none(void **state) {
    const char *folder = *state;
    char file[PATH_MAX], endless[PATH_MAX + 8], out[PATH_MAX];
    snprintf(file, sizeof file, "%s", inside(folder, "file"));
    assert_int_equal(cw_file_write_atomic(file, "x", 1), CW_OK);
    cw_checkpoint_store *store = store_open(file, NULL);
    cw_checkpoint *checkpoint = NULL;
    assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_EIO);
    assert_non_null(strstr(cw_last_error(), "cannot list"));
    cw_checkpoint_store_close(store);
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(cw_checkpoint_store_open(&store, endless, 4, 2, NULL), CW_EINVAL);
    assert_int_equal(cw_checkpoint_path(out, endless, CW_FILE_STATE, 1), CW_EINVAL);
    assert_int_equal(cw_checkpoint_segment_path(out, endless, 1, 1), CW_EINVAL);
    cw_checkpoint_free(NULL);
    cw_checkpoint_store_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_plain_file_is_refused),
        TEST(sizes_come_first),
        TEST(numbers_cannot_begin_anew),
        TEST(lists_may_fail),
        TEST(folders_may_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
