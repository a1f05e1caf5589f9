/* Whole runs under failures: of the world, of files, of memory. After each the newest checkpoint
 * must be whole, nothing may leak, and the run that goes on must end in the same bits as one that
 * nothing ever happened to.
 *
 *   train_fault_test            every fault of the world, and every 31st of the file and memory
 * ones train_fault_test --every    each of them */
#include "base/crc.h"
#include "base/file.h"
#include "base/memory.h"
#include "test.h"
#include "train/checkpoint_internal.h"
#include "train/checkpoint_run.h"
#include "train/faulty_world.h"
#include "train/saving.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned whole;  /* fingerprint of the undisturbed run */
static uint64_t stride; /* of the ramps */

static uint64_t live_blocks(void) {
    cw_memory_stats stats;
    cw_memory_stats_get(&stats);
    return stats.live_blocks;
}

static int open_files(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) n++;
    closedir(dir);
    return n;
}

static cw_status train_soundly(const char *folder) {
    world_plan sound = {.fault = WORLD_SOUND};
    return world_train(folder, &sound, NULL, 0);
}

/* The run goes on, to the end and to the same bits. */
static void check_goes_on(const char *folder, const char *after) {
    if (train_soundly(folder) != CW_OK) fail_msg("going on after %s: %s", after, cw_last_error());
    if (world_fingerprint(folder) != whole) fail_msg("the run differs after %s", after);
}

static int setup_group(void **state) {
    (void)state;
    char folder[PATH_MAX];
    folder_make(folder);
    assert_int_equal(train_soundly(folder), CW_OK);
    whole = world_fingerprint(folder);
    folder_remove(folder);
    folder_make(folder); /* and once more: the comparison means something */
    assert_int_equal(train_soundly(folder), CW_OK);
    assert_int_equal(world_fingerprint(folder), whole);
    folder_remove(folder);
    return 0;
}

/* ---- the world ---- */

static void test_faults_of_the_world(void **state) {
    (void)state;
    /* Steps: 60 of training, 10 in each evaluation (at 0, 40, 60). Resets: 6 and 3. */
    static const struct {
        world_fault fault;
        long at;
        cw_status status;
        const char *text;
    } rows[] = {
        {WORLD_REWARD_NAN, 12, CW_EDIVERGED, "agent step 1"},
        {WORLD_REWARD_NAN, 45, CW_EDIVERGED, "agent step 34: replay: the reward is"},
        {WORLD_REWARD_NAN, 5, CW_EDIVERGED, "agent step 4 of an evaluation: the reward"},
        {WORLD_REWARD_INFINITE, 45, CW_EDIVERGED, "agent step 34: replay: the reward is inf"},
        {WORLD_DISCOUNT_NAN, 45, CW_EDIVERGED, "agent step 34: replay: not_done"},
        {WORLD_STEP_FAILS, 45, CW_EENV, "agent step 34: the world stands still"},
        {WORLD_STEP_FAILS, 52, CW_EENV, "agent step 1 of an evaluation: the world stands still"},
        {WORLD_RESET_FAILS, 4, CW_EENV, "agent step 20: the world does not begin"},
        {WORLD_RENDER_FAILS, 50, CW_EENV, "agent step 34: the picture is lost"},
        {WORLD_SAVE_FAILS, 2, CW_EENV, "the world cannot be written down"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char folder[PATH_MAX];
        folder_make(folder);
        uint64_t blocks = live_blocks();
        int files = open_files();
        world_plan plan = {.fault = rows[i].fault, .at = rows[i].at};
        cw_status status = world_train(folder, &plan, NULL, 0);
        if (status != rows[i].status || strstr(cw_last_error(), rows[i].text) == NULL) {
            fail_msg("row %zu: status %d: %s", i, (int)status, cw_last_error());
        }
        assert_int_equal(live_blocks(), blocks);
        assert_int_equal(open_files(), files);
        check_goes_on(folder, rows[i].text);
        folder_remove(folder);
    }
}

/* ---- files and memory ---- */

/* Sets the N-th operation from now to fail. */
typedef void (*set_fault)(uint64_t n);

static bool fault_pending(set_fault set) {
    if (set == cw_memory_fail_after) {
        void *block = NULL;
        bool pending = false;
        for (int i = 0; i < 100000 && !pending; i++) {
            pending = cw_alloc(&block, 1, 1, "a probe") != CW_OK;
            if (!pending) cw_free(block);
        }
        return pending;
    }
    bool pending = false;
    for (int i = 0; i < 100000 && !pending; i++) pending = cw_file_fault_due();
    return pending;
}

/* Trains in `folder` with fault number n; false when the run was over before it came. */
static bool train_with_fault(const char *folder, set_fault set, uint64_t n, int *failures) {
    uint64_t blocks = live_blocks();
    int files = open_files();
    set(n);
    cw_status status = train_soundly(folder);
    char error[1024];
    snprintf(error, sizeof error, "%s", cw_last_error());
    bool came = !fault_pending(set);
    set(0);
    if (status != CW_OK) {
        cw_status expected = set == cw_memory_fail_after ? CW_ENOMEM : CW_EIO;
        if (status != expected) fail_msg("fault %llu: %s", (unsigned long long)n, error);
        assert_true(came);
        assert_true(strlen(error) > 0);
        ++*failures;
    }
    if (live_blocks() != blocks) fail_msg("fault %llu leaks: %s", (unsigned long long)n, error);
    if (open_files() != files)
        fail_msg("fault %llu leaks a file: %s", (unsigned long long)n, error);
    return came;
}

/* Every fault of a run from its start to its end. */
static void ramp_fresh(set_fault set, const char *what) {
    uint64_t n = 1;
    int failures = 0;
    for (bool came = true; came; n += stride) {
        char folder[PATH_MAX], after[64];
        folder_make(folder);
        came = train_with_fault(folder, set, n, &failures);
        snprintf(after, sizeof after, "%s fault %llu", what, (unsigned long long)n);
        check_goes_on(folder, after);
        folder_remove(folder);
    }
    print_message("%s: N = 1 to %llu by %llu, %d runs failed, all went on bit for bit\n", what,
                  (unsigned long long)(n - stride), (unsigned long long)stride, failures);
    assert_true(failures > 20 / (int)stride);
}

/* The frames that a run has when it is to be gone on with: stopped in the middle by the world. */
static void half_a_run(const char *folder) {
    world_plan plan = {.fault = WORLD_STEP_FAILS, .at = 57};
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_EENV);
}

/* Every fault of a run that goes on: loading first of all. */
static void ramp_resumed(set_fault set, const char *what) {
    uint64_t n = 1;
    int failures = 0;
    for (bool came = true; came; n += stride) {
        char folder[PATH_MAX], after[64];
        folder_make(folder);
        half_a_run(folder);
        came = train_with_fault(folder, set, n, &failures);
        snprintf(after, sizeof after, "%s fault %llu", what, (unsigned long long)n);
        check_goes_on(folder, after);
        folder_remove(folder);
    }
    print_message("%s: N = 1 to %llu by %llu, %d runs failed, all went on bit for bit\n", what,
                  (unsigned long long)(n - stride), (unsigned long long)stride, failures);
    assert_true(failures > 20 / (int)stride);
}

static void test_any_file_operation_may_fail(void **state) {
    (void)state;
    ramp_fresh(cw_file_fault_after, "file, new run");
}

static void test_any_file_operation_may_fail_when_going_on(void **state) {
    (void)state;
    ramp_resumed(cw_file_fault_after, "file, going on");
}

static void test_any_allocation_may_fail(void **state) {
    (void)state;
    ramp_fresh(cw_memory_fail_after, "memory, new run");
}

static void test_any_allocation_may_fail_when_going_on(void **state) {
    (void)state;
    ramp_resumed(cw_memory_fail_after, "memory, going on");
}

/* ---- what a checkpoint says of itself ---- */

/* Puts escape sequences into the newest checkpoint's account of where it was written, under right
 * checksums. */
static void forge_account(const char *run) {
    char folder[PATH_MAX], path[PATH_MAX];
    uint64_t *list;
    unsigned char *bytes;
    char *text;
    size_t n;
    cw_manifest manifest;
    assert_int_equal(cw_path_join(folder, sizeof folder, run, "checkpoint"), CW_OK);
    assert_int_equal(cw_checkpoint_list(folder, &list, &n), CW_OK);
    assert_true(n > 0);
    const uint64_t newest = list[0];
    cw_free(list);
    cw_checkpoint_path(path, folder, CW_FILE_MANIFEST, newest);
    assert_int_equal(cw_file_read(path, 1 << 20, &bytes, &n), CW_OK);
    assert_int_equal(cw_manifest_parse(&manifest, (char *)bytes, n, newest), CW_OK);
    cw_free(bytes);

    cw_checkpoint_path(path, folder, CW_FILE_STATE, newest);
    assert_int_equal(cw_file_read(path, 1 << 20, &bytes, &n), CW_OK);
    const cw_state_row *row = ((const cw_state_head *)bytes)->row;
    while (strcmp(row->name, CW_BLOB_ABOUT) != 0) row++;
    memcpy(bytes + row->offset,
           "\033[2J\r\xc2\x9b"
           "2J",
           9);
    assert_int_equal(cw_file_write_atomic(path, bytes, n), CW_OK);
    manifest.state.crc = cw_crc32c(0, bytes, n);
    cw_free(bytes);

    cw_checkpoint_path(path, folder, CW_FILE_MANIFEST, newest);
    assert_int_equal(cw_manifest_render(&manifest, &text, &n), CW_OK);
    assert_int_equal(cw_file_write_atomic(path, text, n), CW_OK);
    cw_free(text);
    cw_manifest_clear(&manifest);
}

static void test_lines_hold_no_control_characters(void **state) {
    (void)state;
    char folder[PATH_MAX], path[PATH_MAX];
    unsigned char *log;
    size_t n;
    folder_make(folder);
    half_a_run(folder);
    forge_account(folder);
    assert_int_equal(train_soundly(folder), CW_OK);
    assert_int_equal(cw_path_join(path, sizeof path, folder, "log.txt"), CW_OK);
    assert_int_equal(cw_file_read(path, 1 << 20, &log, &n), CW_OK);
    assert_non_null(strstr((char *)log, "the checkpoint was written with ?[2J???2J"));
    for (size_t i = 0; i < n; i++) assert_true(log[i] >= 0x20 || log[i] == '\n');
    cw_free(log);
    folder_remove(folder);
}

int main(int argc, char **argv) {
    stride = argc > 1 && strcmp(argv[1], "--every") == 0 ? 1 : 31;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_of_the_world),
        cmocka_unit_test(test_any_file_operation_may_fail),
        cmocka_unit_test(test_any_file_operation_may_fail_when_going_on),
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_any_allocation_may_fail_when_going_on),
        cmocka_unit_test(test_lines_hold_no_control_characters),
    };
    return cmocka_run_group_tests(tests, setup_group, NULL);
}
