/* CSV logs: exact contents, resuming at a point, broken and foreign files, failing writes. */
#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "io/support.h"
#include "test.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The next call of each kind that fails, with this errno; 0: none. */
static struct { int ftruncate, write, fsync, newlocale; } fail_next;

static bool fails(int *error) {
    if (*error == 0) return false;
    errno = *error;
    *error = 0;
    return true;
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size) {
    return fails(&fail_next.ftruncate) ? -1 : __real_ftruncate(fd, size);
}

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
    return fails(&fail_next.write) ? -1 : __real_write(fd, bytes, n);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    return fails(&fail_next.fsync) ? -1 : __real_fsync(fd);
}

locale_t __real_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base) {
    return fails(&fail_next.newlocale) ? (locale_t)0 : __real_newlocale(mask, name, base);
}

static const char *const columns[] = {"frames", "return", "loss"};
#define HEADER "frames,return,loss\n"

static void expect_text(const char *path, const char *wanted) {
    size_t n;
    unsigned char *text = get_file(path, &n);
    assert_non_null(text);
    assert_string_equal((char *)text, wanted);
    assert_int_equal(n, strlen(wanted));
    free(text);
}

static void put_text(const char *path, const char *text) {
    put_file(path, text, strlen(text));
}

static void rows_are_written_as_they_come(void **state) {
    (void)state;
    const char *path = scratch("new.csv");
    cw_csv *csv;
    expect_ok(cw_csv_open(&csv, path, columns, 3, INFINITY));
    expect_text(path, HEADER);
    expect_ok(cw_csv_row(csv, (double[]){1000, 12.5, NAN}));
    expect_text(path, HEADER "1000,12.5,\n");
    expect_ok(cw_csv_row(csv, (double[]){2000, NAN, 0.1}));
    expect_ok(cw_csv_sync(csv));
    expect_ok(cw_csv_row(csv, (double[]){500000, -INFINITY, 0}));
    expect_text(path, HEADER "1000,12.5,\n2000,,0.1\n500000,-inf,0\n");
    expect_failure(cw_csv_row(csv, (double[]){NAN, 1, 1}), CW_EINVAL, "must not be NaN");
    cw_csv_close(csv);
    cw_csv_close(NULL);
    expect_text(path, HEADER "1000,12.5,\n2000,,0.1\n500000,-inf,0\n");
}

static void numbers_read_back_exactly(void **state) {
    (void)state;
    const double values[] = {0.1,
                             1.0 / 3,
                             DBL_MAX,
                             DBL_MIN,
                             4.9406564584124654e-324,
                             -1e-300,
                             1e15 + 1,
                             9007199254740993.0,
                             M_PI,
                             nextafter(1.0, 2.0),
                             -DBL_MAX,
                             123456789012345678.0};
    enum { N = sizeof values / sizeof values[0] };
    const char *path = scratch("exact.csv");
    cw_csv *csv;
    expect_ok(cw_csv_open(&csv, path, columns, 3, INFINITY));
    for (int i = 0; i < N; i++) expect_ok(cw_csv_row(csv, (double[]){i, values[i], -values[i]}));
    cw_csv_close(csv);
    char *text = (char *)get_file(path, NULL); /* no more digits than that takes */
    assert_non_null(strstr(text, "\n0,0.1,-0.1\n1,0.3333333333333333,-0.3333333333333333\n"));
    free(text);
    double *x, *y;
    int n;
    expect_ok(cw_csv_read(path, "return", "loss", &x, &y, &n));
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++) {
        assert_true(x[i] == values[i]);
        assert_true(y[i] == -values[i]);
    }
    cw_free(x);
    cw_free(y);
    /* The widest row fits its buffer and opens again. */
    expect_ok(cw_csv_open(&csv, path, columns, 3, INFINITY));
    expect_ok(cw_csv_row(csv, (double[]){-DBL_MIN * 1.1, -DBL_MIN * 1.1, -DBL_MIN * 1.1}));
    cw_csv_close(csv);
}

/* Resuming: what stays of a file for a given keep_up_to. */
static void resuming_cuts_what_comes_after(void **state) {
    (void)state;
    static const struct {
        const char *before;
        double keep_up_to;
        const char *after;
    } cases[] = {
        {HEADER "1,2,3\n2,3,4\n3,4,5\n", INFINITY, HEADER "1,2,3\n2,3,4\n3,4,5\n"},
        {HEADER "1,2,3\n2,3,4\n3,4,5\n", 2, HEADER "1,2,3\n2,3,4\n"},
        {HEADER "1,2,3\n2,3,4\n3,4,5\n", 2.5, HEADER "1,2,3\n2,3,4\n"},
        {HEADER "1,2,3\n2,3,4\n3,4,5\n", 0, HEADER},
        {HEADER "1,2,3\n2,3,4\n3,4,5\n", -INFINITY, HEADER},
        {HEADER "1,2,3\n9,3,4\n2,4,5\n", 2, HEADER "1,2,3\n"}, /* all after the first to go */
        {HEADER "1,2,3\n2,3", INFINITY, HEADER "1,2,3\n"},
        {HEADER "1,2,3\n2,3,4", INFINITY, HEADER "1,2,3\n"},
        {HEADER "1,2,3\n2,3,4\n3", 1, HEADER "1,2,3\n"},
        {HEADER "1,,\n2,,3\n", 1, HEADER "1,,\n"},
        {HEADER, INFINITY, HEADER},
        {"frames,ret", INFINITY, HEADER}, /* killed while the header was written */
        {"", INFINITY, HEADER},
    };
    const char *path = scratch("resume.csv");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text(path, cases[i].before);
        cw_csv *csv;
        expect_ok(cw_csv_open(&csv, path, columns, 3, cases[i].keep_up_to));
        expect_text(path, cases[i].after);
        expect_ok(cw_csv_row(csv, (double[]){7, 8, 9}));
        cw_csv_close(csv);
        char wanted[200];
        snprintf(wanted, sizeof wanted, "%s7,8,9\n", cases[i].after);
        expect_text(path, wanted);
    }
}

static void foreign_files_are_left_alone(void **state) {
    (void)state;
    static const struct {
        const char *text, *fragment;
    } cases[] = {
        {"frames,return\n1,2\n",
         "its header is 'frames,return'; this run writes 'frames,return,loss'"},
        {"frames,return,loss,more\n", "its header is 'frames,return,loss,more'"},
        {"frames,loss,return\n", "its header is"},
        {"frames,return,loss\r\n", "its header is"},
        {"hello", "its header is 'hello'"},
        {"\n", "its header is ''"},
        {HEADER "1,2,3\n1,2\n", "line 3 has 2 fields; the header has 3"},
        {HEADER "1,2,3,4\n", "line 2 has 4 fields; the header has 3"},
        {HEADER "\n", "line 2 has 1 fields"},
        {HEADER "x,2,3\n", "line 2, field 1: not a number"},
        {HEADER ",2,3\n", "line 2, field 1: not a number"},
        {HEADER "nan,2,3\n", "line 2, field 1: not a number"},
        {HEADER "1x,2,3\n", "line 2, field 1: not a number"},
        {HEADER "0x1,2,3\n", "line 2, field 1: not a number"},
        {HEADER " 1,2,3\n", "line 2, field 1: not a number"},
        {HEADER "1,2,3\n2,inf,-inf\n3,,\n4,-,3\n", "line 5, field 2: not a number"},
        {HEADER "1,2,nan\n", "line 2, field 3: not a number"},
        {HEADER "1,2,infinity\n", "line 2, field 3: not a number"},
        {"frames,\033[2J\n", "its header is 'frames,?[2J'"},
    };
    const char *path = scratch("foreign.csv");
    uint64_t before = live_blocks();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text(path, cases[i].text);
        cw_csv *csv;
        expect_failure(cw_csv_open(&csv, path, columns, 3, INFINITY), CW_EFORMAT,
                       cases[i].fragment);
        expect_failure(CW_EFORMAT, CW_EFORMAT, path);
        expect_text(path, cases[i].text);
        assert_int_equal(live_blocks(), before);
    }
}

static void bad_columns_are_named(void **state) {
    (void)state;
    const char *path = scratch("columns.csv");
    cw_csv *csv;
    static const char *const bad[] = {"", "a,b", "a\"b", "a\nb", "a\rb"};
    for (int i = 0; i < 5; i++) {
        const char *names[] = {"frames", bad[i]};
        assert_int_equal(cw_csv_open(&csv, path, names, 2, 0), CW_EINVAL);
        assert_non_null(strstr(cw_last_error(), "column 2 is"));
    }
    expect_failure(cw_csv_open(&csv, path, columns, 0, 0), CW_EINVAL, "at least one column");
    assert_false(is_file(path));
    char endless[6000];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    expect_failure(cw_csv_open(&csv, endless, columns, 3, 0), CW_EINVAL, "is too long");
}

static void reading_pairs(void **state) {
    (void)state;
    const char *path = scratch("read.csv");
    double *x, *y;
    int n;
    put_text(path, HEADER "1,10,\n2,,5\n3,30,6\n4,40,7\n5,50");
    expect_ok(cw_csv_read(path, "frames", "return", &x, &y, &n));
    assert_int_equal(n, 3);
    assert_true(x[0] == 1 && x[1] == 3 && x[2] == 4 && y[0] == 10 && y[1] == 30 && y[2] == 40);
    cw_free(x);
    cw_free(y);
    put_text(path, HEADER);
    expect_ok(cw_csv_read(path, "frames", "loss", &x, &y, &n));
    assert_int_equal(n, 0);
    cw_free(x);
    cw_free(y);
    uint64_t before = live_blocks();
    expect_failure(cw_csv_read(path, "frames", "gain", &x, &y, &n), CW_ENOTFOUND,
                   "has no column 'gain'");
    expect_failure(cw_csv_read(path, "frame", "loss", &x, &y, &n), CW_ENOTFOUND,
                   "has no column 'frame'");
    put_text(path, HEADER "1,2,3\n2,3,4,5\n");
    expect_failure(cw_csv_read(path, "frames", "loss", &x, &y, &n), CW_EFORMAT,
                   "line 3 has 4 fields");
    put_text(path, HEADER "1,2,3\n2,3,x\n");
    expect_failure(cw_csv_read(path, "frames", "loss", &x, &y, &n), CW_EFORMAT,
                   "line 3, column 'loss': not a number");
    put_text(path, "");
    expect_failure(cw_csv_read(path, "frames", "loss", &x, &y, &n), CW_EFORMAT,
                   "has no header line");
    expect_failure(cw_csv_read(scratch("none.csv"), "a", "b", &x, &y, &n), CW_ENOTFOUND,
                   "none.csv");
    assert_int_equal(live_blocks(), before);
}

/* As many columns as bytes: a search that began anew for each would take hours. */
static void a_header_of_commas_is_read_once(void **state) {
    (void)state;
    const char *path = scratch("commas.csv");
    size_t n = 4000000;
    char *text = test_malloc(n + 1);
    memset(text, ',', n);
    text[n - 1] = '\n';
    text[n] = '\0';
    put_text(path, text);
    test_free(text);
    double *x, *y;
    int rows;
    expect_failure(cw_csv_read(path, "frames", "loss", &x, &y, &rows), CW_ENOTFOUND,
                   "has no column 'frames'");
}

/* A host whose locale writes 1,5 for 1.5 must not change the file. */
static void the_locale_does_not_matter(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "nl_NL.UTF-8"};
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found) skip(); /* no such locale on this machine */
    const char *path = scratch("locale.csv");
    cw_csv *csv;
    expect_ok(cw_csv_open(&csv, path, columns, 3, INFINITY));
    expect_ok(cw_csv_row(csv, (double[]){1.5, 2.25, 0.1}));
    cw_csv_close(csv);
    double *x, *y;
    int n;
    expect_ok(cw_csv_read(path, "frames", "return", &x, &y, &n));
    setlocale(LC_NUMERIC, "C");
    expect_text(path, HEADER "1.5,2.25,0.1\n");
    assert_true(n == 1 && x[0] == 1.5 && y[0] == 2.25);
    cw_free(x);
    cw_free(y);
}

static cw_status open_write_read(void *context) {
    const char *path = context;
    cw_csv *csv = NULL;
    double *x = NULL, *y = NULL;
    int n;
    cw_status status = cw_csv_open(&csv, path, columns, 3, 1);
    if (status == CW_OK) status = cw_csv_row(csv, (double[]){2, 3, 4});
    if (status == CW_OK) status = cw_csv_sync(csv);
    cw_csv_close(csv);
    if (status == CW_OK) status = cw_csv_read(path, "frames", "loss", &x, &y, &n);
    cw_free(x);
    cw_free(y);
    return status;
}

/* Whatever failed, the rows to keep are there and no half row is. */
static void kept_rows_are_there(void *context) {
    size_t n;
    unsigned char *text = get_file(context, &n);
    assert_non_null(text);
    assert_true(n >= strlen(HEADER "1,2,3\n"));
    assert_memory_equal(text, HEADER "1,2,3\n", strlen(HEADER "1,2,3\n"));
    assert_int_equal(text[n - 1], '\n');
    free(text);
    put_text(context, HEADER "1,2,3\n5,6,7\n");
}

static void allocations_and_files_may_fail(void **state) {
    (void)state;
    const char *path = scratch("faults.csv");
    put_text(path, HEADER "1,2,3\n5,6,7\n");
    allocation_ramp(open_write_read, (void *)path, 7);
    put_text(path, HEADER "1,2,3\n5,6,7\n");
    fault_ramp(open_write_read, kept_rows_are_there, (void *)path, 6);
    expect_text(path, HEADER "1,2,3\n2,3,4\n");
}

/* A disk that fills in the middle of a row: the part is taken back, and rows go on later. */
static void full_disk(void **state) {
    (void)state;
    const char *path = scratch("full.csv");
    cw_csv *csv;
    expect_ok(cw_csv_open(&csv, path, columns, 3, INFINITY));
    expect_ok(cw_csv_row(csv, (double[]){1, 2, 3}));
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = strlen(HEADER) + 10;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cw_status status = cw_csv_row(csv, (double[]){2.125, 3.125, 4.125});
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_failure(status, CW_EIO, path);
    expect_text(path, HEADER "1,2,3\n");
    expect_ok(cw_csv_row(csv, (double[]){2, 3, 4}));
    cw_csv_close(csv);
    expect_text(path, HEADER "1,2,3\n2,3,4\n");
}

static void places_that_cannot_be_written(void **state) {
    (void)state;
    cw_csv *csv;
    expect_failure(cw_csv_open(&csv, scratch("missing/a.csv"), columns, 3, 0), CW_EIO,
                   "No such file or directory");
    expect_failure(cw_csv_open(&csv, "/proc/a.csv", columns, 3, 0), CW_EIO, "/proc/a.csv");
    expect_failure(cw_csv_open(&csv, "/dev/full", columns, 3, 0), CW_EIO, "not a regular file");
}

static void the_system_may_refuse(void **state) {
    (void)state;
    const char *path = scratch("refused.csv");
    uint64_t before = live_blocks();
    cw_csv *csv;
    put_text(path, HEADER "1,2,3\n5,6,7\n");
    fail_next.newlocale = ENOMEM;
    expect_failure(cw_csv_open(&csv, path, columns, 3, 1), CW_ENOMEM, "a locale to write");
    fail_next.ftruncate = EIO;
    expect_failure(cw_csv_open(&csv, path, columns, 3, 1), CW_EIO, "cannot shorten");
    expect_text(path, HEADER "1,2,3\n5,6,7\n");
    expect_ok(cw_csv_open(&csv, path, columns, 3, 1));
    fail_next.write = EINTR; /* a signal is no failure */
    expect_ok(cw_csv_row(csv, (double[]){2, 3, 4}));
    fail_next.write = ENOSPC;
    expect_failure(cw_csv_row(csv, (double[]){3, 3, 4}), CW_EIO, "No space left on device");
    fail_next.write = ENOSPC;
    fail_next.ftruncate = EIO;
    expect_failure(cw_csv_row(csv, (double[]){3, 3, 4}), CW_EIO, ", and a part of it stays");
    fail_next.fsync = EIO;
    expect_failure(cw_csv_sync(csv), CW_EIO, "cannot sync");
    expect_ok(cw_csv_sync(csv));
    cw_csv_close(csv);
    expect_text(path, HEADER "1,2,3\n2,3,4\n");
    double *x, *y;
    int n;
    fail_next.newlocale = ENOMEM;
    expect_failure(cw_csv_read(path, "frames", "loss", &x, &y, &n), CW_ENOMEM, "a locale to read");
    assert_int_equal(live_blocks(), before);
}

/* Headers beyond what a message shows, fields beyond what a number needs, rows without an x. */
static void long_and_missing_fields(void **state) {
    (void)state;
    const char *path = scratch("long.csv");
    char name[200], text[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text, "%sx\n", name);
    put_text(path, text);
    const char *const names[] = {name};
    cw_csv *csv;
    expect_failure(cw_csv_open(&csv, path, names, 1, 0), CW_EFORMAT, "its header is 'nnn");
    snprintf(text, sizeof text, HEADER "1,%064d,3\n", 1);
    put_text(path, text);
    expect_failure(cw_csv_open(&csv, path, columns, 3, 9), CW_EFORMAT, "line 2, field 2");
    put_text(path, HEADER "1,,3\n2,5,\n3,6,7\n");
    double *x, *y;
    int n;
    expect_ok(cw_csv_read(path, "return", "loss", &x, &y, &n));
    assert_true(n == 1 && x[0] == 6 && y[0] == 7);
    cw_free(x);
    cw_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_written_as_they_come),
        cmocka_unit_test(numbers_read_back_exactly),
        cmocka_unit_test(resuming_cuts_what_comes_after),
        cmocka_unit_test(foreign_files_are_left_alone),
        cmocka_unit_test(bad_columns_are_named),
        cmocka_unit_test(reading_pairs),
        cmocka_unit_test(a_header_of_commas_is_read_once),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(allocations_and_files_may_fail),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(places_that_cannot_be_written),
        cmocka_unit_test(the_system_may_refuse),
        cmocka_unit_test(long_and_missing_fields),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
