/* Files: what is not a plain file is refused at once, and every call that the system may refuse
 * leaves what was there. The calls go through the __wrap_ functions below (-Wl,--wrap). */
#include "base/file.h"
#include "base/memory.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- calls that fail when a test says so ---- */

enum { PREAD, WRITE, FSTAT, FSYNC, CLOSE, RENAME, OPEN, CALLS };

static struct {
    int error; /* errno of the next call, 0: it works */
    int after; /* calls that work before */
} failing[CALLS];

static void fail_call(int call, int error, int after) {
    failing[call].error = error;
    failing[call].after = after;
}

static bool fails(int call) {
    if (failing[call].error == 0 || failing[call].after-- > 0) return false;
    errno = failing[call].error;
    failing[call].error = 0;
    return true;
}

ssize_t __real_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at) {
    /* One byte at a time: what is read in parts is read whole. */
    return fails(PREAD) ? -1 : __real_pread(fd, to, n > 1 ? 1 : n, at);
}

ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n) {
    return fails(WRITE) ? -1 : __real_write(fd, from, n > 3 ? 3 : n);
}

int __real_fstat(int fd, struct stat *out);
int __wrap_fstat(int fd, struct stat *out);
int __wrap_fstat(int fd, struct stat *out) {
    return fails(FSTAT) ? -1 : __real_fstat(fd, out);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    return fails(FSYNC) ? -1 : __real_fsync(fd);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    bool failed = fails(CLOSE);
    int error = errno;
    int result = __real_close(fd);
    if (failed) errno = error;
    return failed ? -1 : result;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    return fails(RENAME) ? -1 : __real_rename(from, to);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    return fails(OPEN) ? -1 : __real_open(path, flags, mode);
}

/* ---- a folder for each test ---- */

static char folder[64];

static const char *in(const char *name) {
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static int setup(void **state) {
    (void)state;
    memset(failing, 0, sizeof failing);
    snprintf(folder, sizeof folder, "/tmp/cw_file_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command); // NOLINT(cert-env33-c): a folder of the test's own
}

static void expect(cw_status status, cw_status wanted, const char *part) {
    assert_int_equal(status, wanted);
    if (strstr(cw_last_error(), part) == NULL) fail_msg("no '%s' in: %s", part, cw_last_error());
}

static void expect_file(const char *path, const char *text) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (cw_file_read(path, 1000, &bytes, &n) != CW_OK) fail_msg("%s", cw_last_error());
    assert_int_equal(n, strlen(text));
    assert_string_equal((char *)bytes, text); /* with its zero byte */
    cw_free(bytes);
}

static uint64_t live_blocks(void) {
    cw_memory_stats stats;
    cw_memory_stats_get(&stats);
    return stats.live_blocks;
}

static int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- reading ---- */

static void only_plain_files_are_read(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t n;
    expect(cw_file_read(in("none"), 10, &bytes, &n), CW_ENOTFOUND, "none: No such file");
    expect(cw_file_read(folder, 10, &bytes, &n), CW_EIO, "is not a regular file");
    expect(cw_file_read("/dev/zero", 10, &bytes, &n), CW_EIO, "is not a regular file");
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    alarm(20); /* a reader of a pipe that waits for a writer would stay here */
    expect(cw_file_read(in("pipe"), 10, &bytes, &n), CW_EIO, "pipe is not a regular file");
    alarm(0);
    assert_int_equal(symlink("loop", in("loop")), 0);
    expect(cw_file_read(in("loop"), 10, &bytes, &n), CW_EIO, "loop: Too many levels");
    assert_int_equal(cw_file_write_atomic(in("file"), "hello", 5), CW_OK);
    assert_int_equal(symlink("file", in("link")), 0);
    expect_file(in("link"), "hello");
    expect(cw_file_read(in("file"), 4, &bytes, &n), CW_EFORMAT, "has 5 bytes; at most 4");
    assert_int_equal(cw_file_write_atomic(in("empty"), "", 0), CW_OK);
    expect_file(in("empty"), "");
}

/* A sparse file of a terabyte is refused before memory is asked for. */
static void size_comes_before_memory(void **state) {
    (void)state;
    assert_int_equal(cw_file_write_atomic(in("big"), "x", 1), CW_OK);
    assert_int_equal(truncate(in("big"), (off_t)1 << 40), 0);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    unsigned char *bytes;
    size_t n;
    expect(cw_file_read(in("big"), 1 << 20, &bytes, &n), CW_EFORMAT, "has 1099511627776 bytes");
    cw_memory_stats_get(&after);
    assert_int_equal(before.n_allocs, after.n_allocs);
}

static void reading_may_fail(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t n;
    assert_int_equal(cw_file_write_atomic(in("file"), "hello", 5), CW_OK);
    uint64_t blocks = live_blocks();
    int files = open_files();
    fail_call(OPEN, EACCES, 0);
    expect(cw_file_read(in("file"), 10, &bytes, &n), CW_EIO, "file: Permission denied");
    fail_call(FSTAT, EIO, 0);
    expect(cw_file_read(in("file"), 10, &bytes, &n), CW_EIO, "file: Input/output error");
    fail_call(PREAD, EIO, 2);
    expect(cw_file_read(in("file"), 10, &bytes, &n), CW_EIO, "file: Input/output error");
    for (uint64_t k = 1; k <= 3; k++) {
        cw_file_fault_after(k);
        expect(cw_file_read(in("file"), 10, &bytes, &n), CW_EIO, "file: Input/output error");
    }
    cw_memory_fail_after(1);
    expect(cw_file_read(in("file"), 10, &bytes, &n), CW_ENOMEM, "file");
    cw_memory_fail_after(0);
    assert_int_equal(live_blocks(), blocks);
    assert_int_equal(open_files(), files);
    fail_call(PREAD, EINTR, 2); /* a signal is no failure */
    expect_file(in("file"), "hello");
    int fd;
    uint64_t size;
    char six[6];
    assert_int_equal(cw_file_open(in("file"), &fd, &size), CW_OK);
    assert_int_equal(size, 5);
    expect(cw_file_read_at(fd, "it", six, 6, 0), CW_EIO, "it became shorter while it was read");
    assert_int_equal(cw_file_read_at(fd, "it", six, 2, 3), CW_OK);
    assert_memory_equal(six, "lo", 2);
    close(fd);
}

/* ---- writing ---- */

static void what_lies_in_the_way_is_not_written_to(void **state) {
    (void)state;
    assert_int_equal(cw_file_write_atomic(in("other"), "other", 5), CW_OK);
    assert_int_equal(symlink("other", in("file.tmp")), 0);
    assert_int_equal(cw_file_write_atomic(in("file"), "new", 3), CW_OK);
    expect_file(in("file"), "new");
    expect_file(in("other"), "other");
    assert_int_equal(mkfifo(in("file.tmp"), 0600), 0);
    assert_int_equal(cw_file_write_atomic(in("file"), "newer", 5), CW_OK);
    expect_file(in("file"), "newer");
    assert_int_equal(symlink("other", in("link")), 0);
    assert_int_equal(cw_file_write_atomic(in("link"), "own", 3), CW_OK);
    expect_file(in("link"), "own");
    expect_file(in("other"), "other");
    assert_int_equal(mkdir(in("file.tmp"), 0700), 0);
    expect(cw_file_write_atomic(in("file"), "x", 1), CW_EIO, "cannot write");
    expect_file(in("file"), "newer");
}

static void writing_may_fail(void **state) {
    (void)state;
    static const struct {
        int call, error, after;
        const char *part;
    } cases[] = {
        {OPEN, EROFS, 0, "cannot write"},     {WRITE, ENOSPC, 0, "No space left"},
        {WRITE, ENOSPC, 1, "No space left"},  {FSYNC, EIO, 0, "cannot sync"},
        {CLOSE, EDQUOT, 0, "quota exceeded"}, {RENAME, EACCES, 0, "cannot rename to"},
        {OPEN, EACCES, 1, "open folder"},     {FSYNC, EIO, 1, "cannot sync folder"},
    };
    assert_int_equal(cw_file_write_atomic(in("file"), "old", 3), CW_OK);
    uint64_t blocks = live_blocks();
    int files = open_files();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fail_call(cases[i].call, cases[i].error, cases[i].after);
        expect(cw_file_write_atomic(in("file"), "hello", 5), CW_EIO, cases[i].part);
        assert_false(cw_file_exists(in("file.tmp")));
        /* After the rename only the folder's sync is left: the new file has its name. */
        expect_file(in("file"), i < 6 ? "old" : "hello");
    }
    fail_call(FSYNC, EIO, 0);
    fail_call(CLOSE, EIO, 0);
    expect(cw_file_write_atomic(in("file"), "x", 1), CW_EIO, "cannot sync");
    cw_memory_fail_after(1);
    expect(cw_file_write_atomic(in("file"), "x", 1), CW_ENOMEM, "a file writer");
    cw_memory_fail_after(0);
    for (uint64_t k = 1;; k++) {
        cw_file_fault_after(k);
        if (cw_file_write_atomic(in("file"), "hello", 5) == CW_OK) break;
        assert_true(k < 20);
    }
    cw_file_fault_after(0);
    fail_call(WRITE, EINTR, 1);
    assert_int_equal(cw_file_write_atomic(in("file"), "signal", 6), CW_OK);
    expect_file(in("file"), "signal");
    fail_call(FSYNC, EINVAL, 1); /* a file system that cannot sync folders */
    assert_int_equal(cw_file_write_atomic(in("file"), "done", 4), CW_OK);
    cw_file_writer_abort(NULL);
    assert_int_equal(live_blocks(), blocks);
    assert_int_equal(open_files(), files);
}

/* ---- names and folders ---- */

static void paths_may_be_too_long(void **state) {
    (void)state;
    char path[PATH_MAX + 8], out[16];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    expect(cw_file_write_atomic(path, "x", 1), CW_EINVAL, "is too long");
    expect(cw_dir_make(path), CW_EINVAL, "not a usable folder name");
    expect(cw_dir_make(""), CW_EINVAL, "not a usable folder name");
    expect(cw_path_join(out, sizeof out, "0123456789", "abcde"), CW_EINVAL, "is too long");
    assert_int_equal(cw_path_join(out, sizeof out, "0123456789", "abcd"), CW_OK);
    assert_string_equal(out, "0123456789/abcd");
    path[PATH_MAX - 2] = '\0';
    int fd;
    expect(cw_dir_lock(path, &fd), CW_EINVAL, "is too long");
}

static void a_name_without_folder_is_here(void **state) {
    (void)state;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(cw_file_write_atomic("plain", "here", 4), CW_OK);
    expect_file("plain", "here");
    assert_int_equal(chdir(before), 0);
    expect_file(in("plain"), "here");
}

static void folders_are_made(void **state) {
    (void)state;
    assert_int_equal(cw_dir_make(in("a/b//c/")), CW_OK);
    assert_int_equal(cw_dir_make(in("a/b/c")), CW_OK);
    assert_int_equal(cw_file_write_atomic(in("file"), "x", 1), CW_OK);
    expect(cw_dir_make(in("file/below")), CW_EIO, "cannot make folder");
    expect(cw_dir_make(in("file")), CW_EIO, "file is not a folder");
    assert_int_equal(symlink("nowhere", in("dangling")), 0);
    expect(cw_dir_make(in("dangling")), CW_EIO, "dangling is not a folder");
    expect(cw_dir_sync(in("none")), CW_EIO, "cannot open folder");
}

static void one_process_has_the_lock(void **state) {
    (void)state;
    int fd = -1, other = -1;
    assert_int_equal(cw_dir_lock(folder, &fd), CW_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(cw_dir_lock(folder, &other) == CW_EBUSY ? 0 : 1);
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    expect(cw_dir_lock(folder, &other), CW_EBUSY, "another process is using");
    cw_dir_unlock(fd);
    assert_int_equal(cw_dir_lock(folder, &fd), CW_OK);
    cw_dir_unlock(fd);
    cw_dir_unlock(-1);
    expect(cw_dir_lock(in("none"), &fd), CW_EIO, "cannot write");
    assert_int_equal(unlink(in(".lock")), 0);
    assert_int_equal(symlink("/tmp/cw_file_test_elsewhere", in(".lock")), 0);
    expect(cw_dir_lock(folder, &fd), CW_EIO, "cannot write"); /* no file is made elsewhere */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_plain_files_are_read),
        TEST(size_comes_before_memory),
        TEST(reading_may_fail),
        TEST(what_lies_in_the_way_is_not_written_to),
        TEST(writing_may_fail),
        TEST(paths_may_be_too_long),
        TEST(a_name_without_folder_is_here),
        TEST(folders_are_made),
        TEST(one_process_has_the_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
