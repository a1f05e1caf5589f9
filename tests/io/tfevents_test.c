/* Event files: the bytes of TensorBoard's own writer, cutting back, failing writes. */
#include "base/crc.h"
#include "base/error.h"
#include "base/memory.h"
#include "io/support.h"
#include "io/tfevents.h"
#include "test.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const double values[] = {-1.0, -0.5, NAN, 0.25, 0.5, INFINITY, 3.0};

static void write_golden(const char *path) {
    cw_tfevents *file;
    expect_ok(cw_tfevents_open(&file, path, 0, 1700000000.25));
    const cw_tfscalar scalars[] = {{"rollout/ep_rew_mean", 12.75},
                                   {"eval/absent", NAN},
                                   {"train/critic_loss", 0},
                                   {"train/actor_loss", -1e-8}};
    expect_ok(cw_tfevents_scalars(file, 8000, 1700000001.5, scalars, 4));
    double copy[7];
    memcpy(copy, values, sizeof copy);
    cw_tensor weights = cw_tensor_1d(CW_F64, copy, 7);
    expect_ok(
        cw_tfevents_histogram(file, INT64_C(1) << 40, 1700000002.0, "weights/curl.W", &weights));
    float half[] = {0.5f, 0.5f};
    cw_tensor bias = cw_tensor_1d(CW_F32, half, 2);
    expect_ok(cw_tfevents_histogram(file, 0, 1700000003.0, "weights/bias", &bias));
    expect_ok(cw_tfevents_sync(file));
    cw_tfevents_close(file);
}

static void expect_same_file(const char *path, const char *wanted) {
    size_t n, n_wanted;
    unsigned char *bytes = get_file(path, &n), *other = get_file(wanted, &n_wanted);
    assert_non_null(bytes);
    assert_non_null(other);
    assert_int_equal(n, n_wanted);
    assert_memory_equal(bytes, other, n);
    free(bytes);
    free(other);
}

static void bytes_are_tensorboards_own(void **state) {
    (void)state;
    write_golden(scratch("events"));
    expect_same_file(scratch("events"), CW_TEST_DATA "/io/data/events.golden");
}

static void events_without_values_are_not_written(void **state) {
    (void)state;
    cw_tfevents *file;
    expect_ok(cw_tfevents_open(&file, scratch("none"), 0, 1));
    uint64_t bytes = cw_tfevents_bytes(file);
    assert_int_equal(bytes, 12 + 9 + 2 + strlen("brain.Event:2") + 4);
    expect_ok(cw_tfevents_scalars(file, 1, 1, &(cw_tfscalar){"x", NAN}, 1));
    double nothing[] = {NAN, -INFINITY};
    cw_tensor tensor = cw_tensor_1d(CW_F64, nothing, 2);
    expect_ok(cw_tfevents_histogram(file, 1, 1, "x", &tensor));
    assert_int_equal(cw_tfevents_bytes(file), bytes);
    cw_tfscalar many[CW_TFEVENTS_SCALARS + 1] = {{"x", 0}};
    expect_failure(cw_tfevents_scalars(file, 1, 1, many, CW_TFEVENTS_SCALARS + 1), CW_EINVAL,
                   "at most 32 scalars");
    cw_tfevents_close(file);
    cw_tfevents_close(NULL);
}

static uint64_t little(const unsigned char *bytes, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void expect_crc(const unsigned char *bytes, size_t n, const unsigned char *stored) {
    uint32_t crc = cw_crc32c(0, bytes, n);
    crc = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    assert_int_equal(little(stored, 4), crc);
}

/* Walks over the records of a file, checking both CRCs; how many there are. */
static int count_records(const char *path) {
    size_t n, at = 0;
    int records = 0;
    unsigned char *bytes = get_file(path, &n);
    assert_non_null(bytes);
    for (; at < n; records++) {
        assert_true(n - at >= 16);
        size_t length = (size_t)little(bytes + at, 8);
        assert_true(length <= n - at - 16);
        expect_crc(bytes + at, 8, bytes + at + 8);
        expect_crc(bytes + at + 12, length, bytes + at + 12 + length);
        at += 16 + length;
    }
    free(bytes);
    return records;
}

static void images_are_png(void **state) {
    (void)state;
    enum { W = 70, H = 33 };
    static uint8_t rgb[W * H * 3];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 31 + i / 7);
    cw_tfevents *file;
    expect_ok(cw_tfevents_open(&file, scratch("image"), 0, 1));
    expect_ok(cw_tfevents_image(file, 5, 1, "curl/crops", W, H, rgb));
    expect_ok(cw_tfevents_image(file, 6, 1, "curl/crops", 1, 1, rgb));
    expect_failure(cw_tfevents_image(file, 5, 1, "curl/crops", 0, 4, rgb), CW_EINVAL, "0 x 4");
    expect_failure(cw_tfevents_image(file, 5, 1, "curl/crops", 4, 16385, rgb), CW_EINVAL, "16384");
    uint64_t bytes = cw_tfevents_bytes(file);
    cw_tfevents_close(file);
    assert_int_equal(count_records(scratch("image")), 3);
    size_t n;
    unsigned char *text = get_file(scratch("image"), &n);
    assert_int_equal(n, bytes);
    assert_non_null(memmem(text, n, "\x89PNG\r\n\x1a\n", 8));
    free(text);
}

static void a_resumed_run_repeats_what_it_cuts(void **state) {
    (void)state;
    const char *path = scratch("resumed");
    const cw_tfscalar scalar = {"rollout/ep_rew_mean", 1.5};
    cw_tfevents *file;
    expect_ok(cw_tfevents_open(&file, path, 0, 1));
    expect_ok(cw_tfevents_scalars(file, 1, 2, &scalar, 1));
    uint64_t keep = cw_tfevents_bytes(file);
    expect_ok(cw_tfevents_scalars(file, 2, 3, &scalar, 1));
    expect_ok(cw_tfevents_scalars(file, 3, 4, &scalar, 1));
    cw_tfevents_close(file);
    size_t n;
    unsigned char *whole = get_file(path, &n);
    expect_ok(cw_tfevents_open(&file, path, keep, 99));
    assert_int_equal(cw_tfevents_bytes(file), keep);
    expect_ok(cw_tfevents_scalars(file, 2, 3, &scalar, 1));
    expect_ok(cw_tfevents_scalars(file, 3, 4, &scalar, 1));
    cw_tfevents_close(file);
    put_file(scratch("whole"), whole, n);
    expect_same_file(path, scratch("whole"));

    put_file(path, whole, (size_t)keep - 1); /* shorter than the checkpoint says: not touched */
    expect_failure(cw_tfevents_open(&file, path, keep, 1), CW_EFORMAT, "goes on with a new one");
    free(get_file(path, &n));
    assert_int_equal(n, keep - 1);
    free(whole);

    remove(path); /* gone: begun anew */
    expect_ok(cw_tfevents_open(&file, path, keep, 1));
    assert_true(cw_tfevents_bytes(file) < keep);
    cw_tfevents_close(file);
    assert_int_equal(count_records(path), 1);
}

static void a_full_disk_leaves_whole_records(void **state) {
    (void)state;
    const cw_tfscalar scalar = {"rollout/ep_rew_mean", 1.5};
    const char *path = scratch("full");
    cw_tfevents *file;
    expect_ok(cw_tfevents_open(&file, path, 0, 1));
    expect_ok(cw_tfevents_scalars(file, 1, 2, &scalar, 1));
    uint64_t bytes = cw_tfevents_bytes(file);
    struct rlimit before, low = {.rlim_cur = bytes + 10};
    getrlimit(RLIMIT_FSIZE, &before);
    low.rlim_max = before.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    cw_status status = cw_tfevents_scalars(file, 2, 3, &scalar, 1);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    expect_failure(status, CW_EIO, "cannot write an event");
    assert_int_equal(count_records(path), 2);
    expect_ok(cw_tfevents_scalars(file, 2, 3, &scalar, 1));
    cw_tfevents_close(file);
    assert_int_equal(count_records(path), 3);
}

static cw_status write_all(void *context) {
    (void)context;
    static uint8_t rgb[64 * 64 * 3];
    const cw_tfscalar scalar = {"x", 1};
    cw_tfevents *file;
    CW_TRY(cw_tfevents_open(&file, scratch("ramp"), 0, 1));
    cw_status status = cw_tfevents_scalars(file, 1, 1, &scalar, 1);
    if (status == CW_OK) status = cw_tfevents_image(file, 1, 1, "image", 64, 64, rgb);
    if (status == CW_OK) status = cw_tfevents_sync(file);
    cw_tfevents_close(file);
    return status;
}

static void whole_records(void *context) {
    (void)context;
    if (is_file(scratch("ramp"))) count_records(scratch("ramp"));
}

static void every_failure_is_reported(void **state) {
    (void)state;
    allocation_ramp(write_all, NULL, 3);
    fault_ramp(write_all, whole_records, NULL, 5);
    expect_failure(cw_tfevents_open(&(cw_tfevents *){NULL}, scratch("no/such/folder"), 0, 1),
                   CW_EIO, "no/such/folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_tensorboards_own),
        cmocka_unit_test(events_without_values_are_not_written),
        cmocka_unit_test(images_are_png),
        cmocka_unit_test(a_resumed_run_repeats_what_it_cuts),
        cmocka_unit_test(a_full_disk_leaves_whole_records),
        cmocka_unit_test(every_failure_is_reported),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
