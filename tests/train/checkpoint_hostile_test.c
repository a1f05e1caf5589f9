/* Checkpoint folders that somebody tampered with: what is no plain file, forged names, sizes beyond
 * all disks. Nothing waits, nothing is read that the manifest does not ask for, and the generation
 * before is taken. */
#include "base/crc.h"
#include "base/file.h"
#include "base/memory.h"
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

static const char *moving; /* a folder whose one checkpoint has a newer name after every list */

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir) {
    if (lists_left == 0) {
        errno = EIO;
        return NULL;
    }
    if (lists_left > 0) lists_left--;
    struct dirent *entry = __real_readdir(dir);
    if (entry == NULL && moving != NULL) {
        static int number = 1;
        char from[PATH_MAX], to[PATH_MAX];
        snprintf(from, sizeof from, "%s/manifest-%d", moving, number);
        snprintf(to, sizeof to, "%s/manifest-%d", moving, ++number);
        assert_int_equal(rename(from, to), 0);
        errno = 0;
    }
    return entry;
}

static bool no_links; /* the file system has none */

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to) {
    if (!no_links) return __real_link(from, to);
    errno = EXDEV;
    return -1;
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

/* Whether the failure that was asked for has come; there is none to come then. */
static bool fault_was_met(void) {
    bool pending = false;
    for (int i = 0; i < 10000 && !pending; i++) pending = cw_file_fault_due();
    cw_file_fault_after(0);
    return !pending;
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
    /* Beyond the largest number, and below the first, a name means nothing. */
    assert_int_equal(cw_file_write_atomic(inside(folder, "manifest-0"), "x", 1), CW_OK);
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
    char file[PATH_MAX], endless[PATH_MAX + 8];
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
    cw_checkpoint_free(NULL);
    cw_checkpoint_store_close(NULL);
}

/* A list that breaks off is an error. There is one list: one for each damaged generation would take
 * quadratic time where somebody forged many. */
static void falling_back_may_fail(void **state) {
    const char *folder = *state;
    make_two(folder);
    assert_int_equal(truncate(inside(folder, "state-2.bin"), 100), 0);
    int failed = 0;
    for (int entries = 0;; entries++) {
        cw_checkpoint_store *store = store_open(folder, NULL);
        cw_checkpoint *checkpoint = NULL;
        lists_left = entries;
        cw_status status = cw_checkpoint_load(store, true, &checkpoint);
        lists_left = -1;
        cw_checkpoint_free(checkpoint);
        cw_checkpoint_store_close(store);
        if (status == CW_OK) break;
        assert_int_equal(status, CW_EIO);
        failed++;
    }
    assert_int_equal(failed, 10); /* nine names, and the end of the list */
}

static void first_saves_may_fail(void **state) {
    const char *folder = *state;
    fake_run run;
    run_open(&run);
    run_advance(&run, 10);
    for (uint64_t n = 1;; n++) {
        folder_remove(folder);
        assert_int_equal(mkdir(folder, 0700), 0);
        cw_checkpoint_store *store = store_open(inside(folder, "checkpoint"), NULL);
        cw_file_fault_after(n);
        cw_status status = run_save(&run, store, NULL);
        bool met = fault_was_met();
        cw_checkpoint_store_close(store);
        if (!met) break;
        if (status != CW_OK) assert_int_equal(status, CW_EIO);
    }
    assert_int_equal(symlink("nowhere", inside(folder, "dangling")), 0);
    cw_checkpoint_store *store = store_open(inside(folder, "dangling"), NULL);
    assert_int_equal(run_save(&run, store, NULL), CW_EIO);
    assert_non_null(strstr(cw_last_error(), "cannot make folder"));
    cw_checkpoint_store_close(store);
    run_close(&run);
}

/* Frames that are not the continuation of those on disk, one bound at a time. */
static void spans_must_continue(void **state) {
    const char *folder = *state;
    make_two(folder);
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_OK);
    const cw_replay_span good = cw_replay_span_of(run.replay);
    cw_replay_span bad[3] = {good, good, good};
    bad[0].end--;
    bad[1].oldest--;
    bad[2].frame_bytes++;
    for (int i = 0; i < 3; i++) {
        const cw_checkpoint_parts parts = {.frames = &bad[i]};
        assert_int_equal(cw_checkpoint_save(store, &parts, NULL), CW_EINVAL);
        assert_non_null(strstr(cw_last_error(), "continuation"));
    }
    assert_int_equal(cw_checkpoint_first_unsaved(store, &good), good.end);
    cw_replay_span later = good;
    later.oldest = later.end + 5;
    assert_int_equal(cw_checkpoint_first_unsaved(store, &later), later.oldest);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* A run that was stopped before its first frame. */
static void no_frames_are_frames_too(void **state) {
    const char *folder = *state;
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    const cw_replay_span span = cw_replay_span_of(run.replay);
    assert_int_equal(cw_checkpoint_first_unsaved(store, &span), 0);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    last_line line;
    assert_int_equal(load_step(folder, &line), 0);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* A folder in which the checkpoint is a newer one whenever it is looked for: not for ever. */
static void looking_again_has_an_end(void **state) {
    const char *folder = *state;
    assert_int_equal(cw_file_write_atomic(inside(folder, "manifest-1"), "x", 1), CW_OK);
    cw_checkpoint_store *store = store_open(folder, NULL);
    cw_checkpoint *checkpoint = NULL;
    moving = folder;
    assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_EFORMAT);
    moving = NULL;
    assert_non_null(strstr(cw_last_error(), "is whole"));
    cw_checkpoint_store_close(store);
}

/* A table that makes no sense under right checksums. */
static void forged_tables_are_refused(void **state) {
    const char *folder = *state;
    make_two(folder);
    unsigned char *text = NULL, *file = NULL;
    size_t n, n_file;
    assert_int_equal(cw_file_read(inside(folder, "state-2.bin"), 1 << 20, &file, &n_file), CW_OK);
    file[0] = 'X';
    assert_int_equal(cw_file_write_atomic(inside(folder, "state-2.bin"), file, n_file), CW_OK);
    assert_int_equal(cw_file_read(inside(folder, "manifest-2"), 1 << 20, &text, &n), CW_OK);
    cw_manifest manifest;
    assert_int_equal(cw_manifest_parse(&manifest, (char *)text, n, 2), CW_OK);
    manifest.state.crc = cw_crc32c(0, file, n_file);
    char *forged;
    assert_int_equal(cw_manifest_render(&manifest, &forged, &n), CW_OK);
    assert_int_equal(cw_file_write_atomic(inside(folder, "manifest-2"), forged, n), CW_OK);
    last_line line;
    assert_int_equal(load_step(folder, &line), 10);
    assert_non_null(strstr(line.text, "state-2.bin: it does not begin with CWSTATE"));
    cw_manifest_clear(&manifest);
    cw_free(forged);
    cw_free(text);
    cw_free(file);
}

/* Where a second name cannot be made, the bytes are copied; nothing is lost when that fails. */
static void published_by_link_or_copy(void **state) {
    const char *folder = *state;
    char best[PATH_MAX], folder_too[PATH_MAX], endless[PATH_MAX + 8], before[PATH_MAX];
    make_two(folder);
    snprintf(best, sizeof best, "%s", inside(folder, "best"));
    cw_checkpoint_store *store = store_open(folder, NULL);
    assert_int_equal(cw_checkpoint_publish(store, best), CW_ENOTFOUND);
    cw_checkpoint *checkpoint = NULL;
    assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_OK);
    cw_checkpoint_free(checkpoint);
    unsigned char *want = NULL, *got = NULL;
    size_t n_want, n_got;
    assert_int_equal(cw_file_read(inside(folder, "agent-2.safetensors"), 1 << 20, &want, &n_want),
                     CW_OK);
    for (int copies = 0; copies < 2; copies++) {
        no_links = copies == 1;
        for (uint64_t n = 1;; n++) {
            cw_file_fault_after(n);
            cw_status status = cw_checkpoint_publish(store, best);
            if (!fault_was_met()) break;
            if (status != CW_OK) assert_int_equal(status, CW_EIO);
        }
        assert_int_equal(cw_checkpoint_publish(store, best), CW_OK);
        assert_int_equal(cw_file_read(best, 1 << 20, &got, &n_got), CW_OK);
        assert_int_equal(n_got, n_want);
        assert_memory_equal(got, want, n_want);
        cw_free(got);
    }
    cw_memory_fail_after(1);
    assert_int_equal(cw_checkpoint_publish(store, best), CW_ENOMEM);
    cw_memory_fail_after(0);
    no_links = false;
    snprintf(folder_too, sizeof folder_too, "%s", inside(folder, "folder"));
    assert_int_equal(mkdir(folder_too, 0700), 0);
    assert_int_equal(cw_checkpoint_publish(store, folder_too), CW_EIO);
    assert_non_null(strstr(cw_last_error(), "cannot rename"));
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(cw_checkpoint_publish(store, endless), CW_EINVAL);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(cw_checkpoint_publish(store, "here"), CW_OK);
    assert_int_equal(chdir(before), 0);
    assert_true(cw_file_exists(inside(folder, "here")));
    cw_free(want);
    cw_checkpoint_store_close(store);
}

/* What cannot be removed is told, and the save is good. */
static void leftovers_may_stay(void **state) {
    const char *folder = *state;
    make_two(folder);
    last_line line = {0};
    const cw_log log = {.fn = last_line_write, .user = &line};
    cw_checkpoint_store *store = store_open(folder, &log);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_OK);
    assert_int_equal(mkdir(inside(folder, "agent-9.safetensors.tmp"), 0700), 0);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    assert_non_null(strstr(line.text, "cannot remove"));
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* Frames of another size than the replay's, though as many. */
static void frames_must_fit_the_replay(void **state) {
    const char *folder = *state;
    make_two(folder);
    const cw_replay_desc other = {
        .capacity = 30,
        .episode_steps = 7,
        .stack = 3,
        .action_dim = 2,
        .frame = {.channels = 1, .height = 4, .width = 5},
        .batch_size = 8,
        .crop_size = 2,
    };
    cw_replay *replay;
    assert_int_equal(cw_replay_create(&replay, &other), CW_OK);
    cw_checkpoint_store *store = store_open(folder, NULL);
    cw_checkpoint *checkpoint;
    assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_OK);
    assert_int_equal(cw_checkpoint_read_frames(checkpoint, replay), CW_EFORMAT);
    const float action[2] = {0, 0};
    for (int i = 0; i < 20; i++) {
        memset(cw_replay_lend(replay), 0, 20);
        if (cw_replay_commit(replay, action, 0, 1, false) == CW_OK) continue;
        assert_int_equal(cw_replay_commit_first(replay), CW_OK);
    }
    assert_int_equal(cw_checkpoint_read_frames(checkpoint, replay), CW_EFORMAT);
    assert_non_null(strstr(cw_last_error(), "of 15 bytes"));
    for (int i = 0; i < 60; i++) { /* the oldest frame is another one too */
        memset(cw_replay_lend(replay), 0, 20);
        assert_int_equal(cw_replay_commit(replay, action, 0, 1, false), CW_OK);
    }
    assert_int_equal(cw_checkpoint_read_frames(checkpoint, replay), CW_EFORMAT);
    cw_checkpoint_free(checkpoint);
    cw_checkpoint_store_close(store);
    cw_replay_destroy(replay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_plain_file_is_refused),
        TEST(sizes_come_first),
        TEST(numbers_cannot_begin_anew),
        TEST(lists_may_fail),
        TEST(folders_may_be_none),
        TEST(falling_back_may_fail),
        TEST(first_saves_may_fail),
        TEST(spans_must_continue),
        TEST(forged_tables_are_refused),
        TEST(published_by_link_or_copy),
        TEST(no_frames_are_frames_too),
        TEST(looking_again_has_an_end),
        TEST(leftovers_may_stay),
        TEST(frames_must_fit_the_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
