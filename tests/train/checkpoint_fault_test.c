/* The store under failures: killed at any file operation, a full disk, failing system calls and
 * allocations, and a reader beside the writer. The linker routes this program's system calls
 * through the __wrap_ functions below (-Wl,--wrap). */
#include "base/file.h"
#include "base/memory.h"
#include "test.h"
#include "train/checkpoint.h"
#include "train/checkpoint_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- system calls ---- */

#define KILLED    77
#define MAX_FDS   256
#define MAX_PATHS 16

static struct {
    uint64_t kill_at;      /* the process ends instead of this operation; 0 = never */
    uint64_t n_operations; /* so far: creations, writes, syncs, renames, removals */
    int64_t writes_left;   /* then the disk is full; -1 = never */
    bool record;           /* keep the books below */
    bool dirty[MAX_FDS];   /* written since the last sync */
    int n_lost;            /* files closed before they were synced */
    int n_pending;         /* folders with names that are not synced yet */
    char pending[MAX_PATHS][PATH_MAX];
    int n_manifests; /* manifests that got their names */
    int n_early;     /* names or removals that came before what they rely on was synced */
} calls = {.writes_left = -1};

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);

static bool last_operation(void) {
    return ++calls.n_operations == calls.kill_at;
}

static void end_here_when_due(void) {
    if (last_operation()) _exit(KILLED);
}

/* Marks the folder of a name just made as not synced. */
static void pend(const char *path) {
    if (!calls.record) return;
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX], real[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    assert_non_null(realpath(folder, real));
    for (int i = 0; i < calls.n_pending; i++) {
        if (strcmp(calls.pending[i], real) == 0) return;
    }
    assert_true(calls.n_pending < MAX_PATHS);
    memcpy(calls.pending[calls.n_pending++], real, sizeof real);
}

int __wrap_open(const char *path, int flags, ...) {
    if ((flags & O_CREAT) == 0) return __real_open(path, flags);
    end_here_when_due();
    return __real_open(path, flags, 0644);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
    if (last_operation()) {
        ssize_t torn = __real_write(fd, bytes, n / 2);
        (void)torn;
        _exit(KILLED);
    }
    if (calls.writes_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (calls.writes_left > 0) calls.writes_left--;
    if (fd < MAX_FDS) calls.dirty[fd] = true;
    return __real_write(fd, bytes, n);
}

/* Nothing here loses power, so the disk need not be waited for. */
int __wrap_fsync(int fd) {
    end_here_when_due();
    if (fd < MAX_FDS) calls.dirty[fd] = false;
    if (!calls.record) return 0;
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    assert_true(readlink(link, path, sizeof path - 1) > 0);
    for (int i = 0; i < calls.n_pending; i++) {
        if (strcmp(calls.pending[i], path) != 0) continue;
        calls.n_pending--;
        memmove(calls.pending[i], calls.pending[calls.n_pending], PATH_MAX);
        break;
    }
    return 0;
}

int __wrap_close(int fd) {
    if (fd < MAX_FDS && calls.dirty[fd]) {
        calls.n_lost++;
        calls.dirty[fd] = false;
    }
    return __real_close(fd);
}

int __wrap_rename(const char *from, const char *to) {
    end_here_when_due();
    if (calls.record && strstr(to, "/manifest-") != NULL) {
        bool early = calls.n_pending > 0 || calls.n_lost > 0;
        for (int fd = 0; fd < MAX_FDS; fd++) early |= calls.dirty[fd];
        calls.n_early += early;
        calls.n_manifests++;
    }
    int result = __real_rename(from, to);
    if (result == 0) pend(to);
    return result;
}

/* A file may go only once it is certain that the manifest which named it has gone. */
int __wrap_unlink(const char *path) {
    end_here_when_due();
    bool manifest = strstr(path, "/manifest-") != NULL;
    if (calls.record && !manifest) calls.n_early += calls.n_pending > 0;
    int result = __real_unlink(path);
    if (result == 0 && manifest) pend(path);
    return result;
}

int __wrap_mkdir(const char *path, mode_t mode) {
    end_here_when_due();
    int result = __real_mkdir(path, mode);
    if (result == 0) pend(path);
    return result;
}

/* ---- helpers ---- */

typedef struct place {
    char run[PATH_MAX];    /* the folder above */
    char folder[PATH_MAX]; /* the store's */
} place;

static place place_make(void) {
    place p;
    folder_make(p.run);
    assert_int_equal(cw_path_join(p.folder, sizeof p.folder, p.run, "checkpoint"), CW_OK);
    return p;
}

/* Loads the newest checkpoint, -1 when there is none; whatever loads is a whole run. */
static int64_t loaded_step(const char *folder) {
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    if (status != CW_OK && status != CW_ENOTFOUND) fail_msg("%s", cw_last_error());
    if (status == CW_OK) run_check(&run);
    int64_t step = status == CW_OK ? run.step : -1;
    run_close(&run);
    cw_checkpoint_store_close(store);
    return step;
}

static const int64_t saves_at[] = {10, 19, 31, 34, 60};
#define N_SAVES 5

static void go_to(fake_run *run, int64_t step) {
    run_advance(run, step - run->step);
}

/* Whether the fault that was set has come; takes it back. */
static bool fault_came(void) {
    bool pending = false;
    for (int i = 0; i < 10000 && !pending; i++) pending = cw_file_fault_due();
    cw_file_fault_after(0);
    return !pending;
}

/* A fresh run with the first n saves. */
static void first_saves(fake_run *run, cw_checkpoint_store *store, int n) {
    for (int i = 0; i < n; i++) {
        go_to(run, saves_at[i]);
        assert_int_equal(run_save(run, store, NULL), CW_OK);
    }
}

/* The run goes on from what the folder holds, and leaves nothing behind. */
static void check_goes_on(const char *folder) {
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    assert_true(status == CW_OK || status == CW_ENOTFOUND);
    run_advance(&run, 6);
    if (run_save(&run, store, NULL) != CW_OK) fail_msg("%s", cw_last_error());
    folder_check_clean(folder);
    assert_int_equal(loaded_step(folder), run.step);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* ---- tests ---- */

static void test_killed_at_any_operation(void **state) {
    (void)state;
    volatile int *done =
        mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(done != MAP_FAILED);
    int exit_code = KILLED, seen_old = 0, seen_new = 0;
    uint64_t kill_at = 0;
    while (exit_code == KILLED) {
        kill_at++;
        place p = place_make();
        *done = 0;
        pid_t child = fork();
        if (child == 0) {
            calls.n_operations = 0;
            calls.kill_at = kill_at;
            cw_checkpoint_store *store = store_open(p.folder, NULL);
            fake_run run;
            run_open(&run);
            for (int i = 0; i < N_SAVES; i++, *done = i) {
                go_to(&run, saves_at[i]);
                if (run_save(&run, store, NULL) != CW_OK) _exit(1);
            }
            run_close(&run);
            cw_checkpoint_store_close(store);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        exit_code = WEXITSTATUS(status);
        int64_t old = *done > 0 ? saves_at[*done - 1] : -1;
        int64_t step = loaded_step(p.folder);
        if (exit_code == KILLED) {
            assert_true(step == old || step == saves_at[*done]);
            seen_old += step == old;
            seen_new += step != old;
        } else {
            assert_int_equal(exit_code, 0);
            assert_int_equal(step, saves_at[N_SAVES - 1]);
        }
        check_goes_on(p.folder);
        folder_remove(p.run);
    }
    print_message("killed at %" PRIu64 " operations: %d times the old checkpoint, %d the new\n",
                  kill_at - 1, seen_old, seen_new);
    assert_true(seen_old > 100 && seen_new > 10);
    munmap((void *)done, sizeof *done);
}

static void test_all_is_synced_before_a_manifest_names_it(void **state) {
    (void)state;
    place p = place_make();
    cw_checkpoint_store *store = store_open(p.folder, NULL);
    fake_run run;
    run_open(&run);
    calls.record = true;
    calls.n_lost = 0;
    for (int i = 0; i < N_SAVES; i++) {
        go_to(&run, saves_at[i]);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
        assert_int_equal(calls.n_manifests, i + 1);
        assert_int_equal(calls.n_early, 0);
        assert_int_equal(calls.n_pending, 0); /* the manifest's own name as well */
        assert_int_equal(calls.n_lost, 0);
    }
    calls.record = false;
    run_close(&run);
    cw_checkpoint_store_close(store);
    folder_remove(p.run);
}

static void test_any_operation_of_a_save_may_fail(void **state) {
    (void)state;
    int failed = 0, survived = 0;
    bool faulted = true;
    for (uint64_t n = 1; faulted; n++) {
        place p = place_make();
        last_line last = {{0}, 0};
        const cw_log log = {.fn = last_line_write, .user = &last};
        cw_checkpoint_store *store = store_open(p.folder, &log);
        fake_run run;
        run_open(&run);
        first_saves(&run, store, 4);
        go_to(&run, saves_at[4]);
        cw_file_fault_after(n);
        cw_status status = run_save(&run, store, NULL);
        faulted = fault_came();
        if (status == CW_OK) {
            /* Only removing what is old may fail without failing the save, and it is told. */
            assert_int_equal(loaded_step(p.folder), saves_at[4]);
            assert_true(faulted == (last.n > 0));
            survived += faulted;
        } else {
            assert_int_equal(status, CW_EIO);
            assert_int_equal(last.n, 0);
            assert_int_equal(loaded_step(p.folder), saves_at[3]);
            folder_check_clean(p.folder);
            failed++;
            /* The same store tries again. */
            assert_int_equal(run_save(&run, store, NULL), CW_OK);
            assert_int_equal(loaded_step(p.folder), saves_at[4]);
        }
        check_goes_on(p.folder);
        run_close(&run);
        cw_checkpoint_store_close(store);
        folder_remove(p.run);
    }
    print_message("%d operations failed a save, %d only left old files\n", failed, survived);
    assert_true(failed > 40 && survived > 3);
}

static void test_full_disk(void **state) {
    (void)state;
    int failed = 0;
    cw_status status = CW_EIO;
    for (int64_t n = 0; status != CW_OK; n++) {
        place p = place_make();
        cw_checkpoint_store *store = store_open(p.folder, NULL);
        fake_run run;
        run_open(&run);
        first_saves(&run, store, 3);
        for (int attempt = 0; attempt < 2; attempt++) {
            go_to(&run, saves_at[3] + attempt);
            calls.writes_left = n;
            status = run_save(&run, store, NULL);
            calls.writes_left = -1;
            if (status == CW_OK) break;
            assert_int_equal(status, CW_EIO);
            assert_non_null(strstr(cw_last_error(), strerror(ENOSPC)));
            assert_int_equal(loaded_step(p.folder), saves_at[2]);
            folder_check_clean(p.folder);
            failed++;
        }
        check_goes_on(p.folder);
        run_close(&run);
        cw_checkpoint_store_close(store);
        folder_remove(p.run);
    }
    assert_true(failed > 10);
}

/* Each operation of a load, in a folder with the generations of n_saves saves. */
static void load_under_faults(int n_saves, int *fell_back, int *refused) {
    place p = place_make();
    cw_checkpoint_store *store = store_open(p.folder, NULL);
    fake_run run;
    run_open(&run);
    first_saves(&run, store, n_saves);
    run_close(&run);
    cw_checkpoint_store_close(store);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    *fell_back = *refused = 0;
    bool faulted = true;
    for (uint64_t n = 1; faulted; n++) {
        last_line last = {{0}, 0};
        const cw_log log = {.fn = last_line_write, .user = &last};
        store = store_open(p.folder, &log);
        run_open(&run);
        cw_file_fault_after(n);
        cw_status status = run_load(&run, store);
        faulted = fault_came();
        if (status == CW_OK) {
            run_check(&run);
            assert_int_equal(run.step, saves_at[n_saves - 1 - (last.n > 0)]);
            *fell_back += last.n > 0;
        } else {
            assert_int_equal(status, CW_EIO);
            ++*refused;
        }
        run_close(&run);
        cw_checkpoint_store_close(store);
        cw_memory_stats_get(&after);
        assert_int_equal(after.live_blocks, before.live_blocks);
    }
    folder_remove(p.run);
}

static void test_any_operation_of_a_load_may_fail(void **state) {
    (void)state;
    int fell_back, refused;
    load_under_faults(N_SAVES, &fell_back, &refused);
    print_message("%d operations fell back, %d refused\n", fell_back, refused);
    assert_true(fell_back > 10 && refused > 10); /* refused: frames are read after all checks */
    load_under_faults(1, &fell_back, &refused);  /* nothing to fall back on */
    assert_true(fell_back == 0 && refused > 10);
}

static void test_any_allocation_may_fail(void **state) {
    (void)state;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    place p = place_make();
    cw_checkpoint_store *store = store_open(p.folder, NULL);
    fake_run run;
    run_open(&run);
    first_saves(&run, store, 2);
    go_to(&run, saves_at[2]);
    cw_status status = CW_ENOMEM;
    uint64_t n;
    for (n = 1; status != CW_OK; n++) {
        cw_memory_fail_after(n);
        status = run_save(&run, store, NULL);
        cw_memory_fail_after(0);
        assert_true(status == CW_OK || status == CW_ENOMEM);
        folder_check_clean(p.folder);
        assert_int_equal(loaded_step(p.folder), saves_at[status == CW_OK ? 2 : 1]);
    }
    assert_true(n > 10);
    run_close(&run);
    cw_checkpoint_store_close(store);

    status = CW_ENOMEM;
    for (n = 1; status != CW_OK; n++) {
        run_open(&run);
        cw_checkpoint_store *reader = NULL;
        cw_memory_fail_after(n);
        status = cw_checkpoint_store_open(&reader, p.folder, 4, 2, NULL);
        if (status == CW_OK) status = run_load(&run, reader);
        cw_memory_fail_after(0);
        assert_true(status == CW_OK || status == CW_ENOMEM);
        if (status == CW_OK) assert_int_equal(run.step, saves_at[2]);
        cw_checkpoint_store_close(reader);
        run_close(&run);
    }
    assert_true(n > 8);
    cw_memory_stats_get(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
    folder_remove(p.run);
}

static void test_reading_beside_the_writer(void **state) {
    (void)state;
    place p = place_make();
    cw_checkpoint_store *store = store_open(p.folder, NULL);
    fake_run run;
    run_open(&run);
    first_saves(&run, store, 1);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 400; i++) {
            run_advance(&run, 3);
            if (run_save(&run, store, NULL) != CW_OK) _exit(1);
        }
        _exit(0);
    }
    int loads = 0, status;
    int64_t newest = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        last_line last = {{0}, 0};
        const cw_log log = {.fn = last_line_write, .user = &last};
        cw_checkpoint_store *reader = store_open(p.folder, &log);
        cw_checkpoint *checkpoint = NULL;
        cw_status got = cw_checkpoint_load(reader, loads++ % 2 == 0, &checkpoint);
        if (got != CW_OK) fail_msg("load %d: %s", loads, cw_last_error());
        const void *bytes;
        size_t n;
        int64_t step;
        assert_int_equal(cw_checkpoint_blob_find(checkpoint, "step", &bytes, &n), CW_OK);
        memcpy(&step, bytes, sizeof step);
        assert_true(step >= newest);
        newest = step;
        cw_checkpoint_free(checkpoint);
        cw_checkpoint_store_close(reader);
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    print_message("%d loads beside 400 saves\n", loads);
    assert_true(loads > 10);
    run_close(&run);
    cw_checkpoint_store_close(store);
    folder_remove(p.run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_any_operation),
        cmocka_unit_test(test_all_is_synced_before_a_manifest_names_it),
        cmocka_unit_test(test_any_operation_of_a_save_may_fail),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_any_operation_of_a_load_may_fail),
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_reading_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
