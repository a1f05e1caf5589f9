/* The safetensors writer: the same bytes as the reference implementation, round trips, refused
 * arguments, and writes that fail without harm to the file of before. */
#include "base/memory.h"
#include "io/safetensors.h"
#include "io/support.h"
#include "test.h"

#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFERENCE CW_TEST_DATA "/io/data/reference.safetensors"

/* Reading the reference implementation's file and writing it again makes the same bytes. */
static void writes_what_the_reference_implementation_writes(void **state) {
    (void)state;
    const char *path = scratch("again.safetensors");
    cw_safetensors *file;
    expect_ok(cw_safetensors_open(&file, REFERENCE, 1 << 20));
    cw_safetensors_entry entries[16];
    int n = cw_safetensors_count(file);
    for (int i = 0; i < n; i++) {
        entries[i].name = cw_safetensors_name(file, i);
        entries[i].tensor = *cw_safetensors_tensor(file, i);
    }
    cw_safetensors_meta meta = {"format", cw_safetensors_metadata(file, "format")};
    expect_ok(cw_safetensors_write(path, entries, n, &meta, 1));
    cw_safetensors_close(file);
    size_t n_bytes, n_wanted;
    unsigned char *bytes = get_file(path, &n_bytes), *wanted = get_file(REFERENCE, &n_wanted);
    assert_int_equal(n_bytes, n_wanted);
    assert_memory_equal(bytes, wanted, n_bytes);
    free(bytes);
    free(wanted);
}

/* A fixed set of entries in an order that the writer has to change. */
typedef struct set {
    uint8_t bytes[3];
    double doubles[2];
    float floats[6];
    uint16_t halves[1];
    cw_safetensors_entry entries[5];
    cw_safetensors_meta meta[2];
    const char *path;
} set;

static void make_set(set *s, const char *path) {
    *s = (set){.bytes = {1, 2, 255}, .doubles = {0.1, -2.0}, .halves = {0x3f80}, .path = path};
    for (int i = 0; i < 6; i++) s->floats[i] = (float)i - 2.5f;
    s->entries[0] = (cw_safetensors_entry){"bytes", cw_tensor_1d(CW_U8, s->bytes, 3)};
    s->entries[1] = (cw_safetensors_entry){"flöats \"\\/\n", cw_tensor_2d(CW_F32, s->floats, 2, 3)};
    s->entries[2] = (cw_safetensors_entry){"half", cw_tensor_nd(CW_BF16, s->halves, 0, NULL)};
    s->entries[3] = (cw_safetensors_entry){"doubles", cw_tensor_1d(CW_F64, s->doubles, 2)};
    s->entries[4] = (cw_safetensors_entry){"none", cw_tensor_2d(CW_I64, NULL, 0, 7)};
    s->meta[0] = (cw_safetensors_meta){"step", "1000"};
    s->meta[1] = (cw_safetensors_meta){"config", "a=1\nb=\"\t\"\n"};
}

static cw_status write_set(void *context) {
    set *s = context;
    return cw_safetensors_write(s->path, s->entries, 5, s->meta, 2);
}

static void expect_set(const set *s) {
    cw_safetensors *file;
    expect_ok(cw_safetensors_open(&file, s->path, 1 << 20));
    assert_int_equal(cw_safetensors_count(file), 5);
    for (int i = 0; i < 5; i++) {
        const cw_tensor *in = &s->entries[i].tensor;
        const cw_tensor *out = cw_safetensors_find(file, s->entries[i].name);
        assert_non_null(out);
        assert_int_equal(out->dtype, in->dtype);
        assert_int_equal(out->ndim, in->ndim);
        for (int d = 0; d < in->ndim; d++) assert_int_equal(out->shape[d], in->shape[d]);
        if (cw_tensor_bytes(in) > 0) {
            assert_memory_equal(out->data, in->data, cw_tensor_bytes(in));
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_string_equal(cw_safetensors_metadata(file, s->meta[i].key), s->meta[i].value);
    }
    cw_safetensors_close(file);
}

static void round_trip(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("set.safetensors"));
    expect_ok(write_set(&s));
    expect_set(&s);
    cw_safetensors *file;
    expect_ok(cw_safetensors_open(&file, s.path, 1 << 20));
    static const char *const order[] = {"doubles", "none", "flöats \"\\/\n", "half", "bytes"};
    for (int i = 0; i < 5; i++) assert_string_equal(cw_safetensors_name(file, i), order[i]);
    cw_safetensors_close(file);
    size_t n, n_again;
    unsigned char *bytes = get_file(s.path, &n);
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes, 8);
    assert_int_equal(header_bytes % 8, 0);
    expect_ok(write_set(&s));
    unsigned char *again = get_file(s.path, &n_again);
    assert_int_equal(n, n_again);
    assert_memory_equal(bytes, again, n);
    free(bytes);
    free(again);
    struct stat info;
    assert_int_equal(stat(s.path, &info), 0);
    assert_int_equal(info.st_mode & 0400, 0400);
}

static void nothing_is_a_file_too(void **state) {
    (void)state;
    const char *path = scratch("nothing.safetensors");
    expect_ok(cw_safetensors_write(path, NULL, 0, NULL, 0));
    size_t n;
    unsigned char *bytes = get_file(path, &n);
    assert_int_equal(n, 16);
    assert_memory_equal(bytes, "\10\0\0\0\0\0\0\0{}      ", 16);
    free(bytes);
}

static void refused_arguments_are_named(void **state) {
    (void)state;
    float data[2] = {1, 2};
    const cw_tensor sound = cw_tensor_1d(CW_F32, data, 2);
    const cw_tensor no_data = cw_tensor_1d(CW_F32, NULL, 2);
    const cw_tensor negative = cw_tensor_2d(CW_F32, data, 2, -1);
    const cw_tensor huge = cw_tensor_2d(CW_F32, data, INT64_MAX / 2, 4);
    const cw_tensor large = cw_tensor_1d(CW_U8, data, INT64_MAX);
    cw_tensor strange = sound, deep = sound;
    strange.dtype = CW_DTYPE_COUNT;
    deep.ndim = CW_MAX_DIMS + 1;
    const struct {
        cw_safetensors_entry entries[2];
        cw_safetensors_meta meta[2];
        const char *fragment;
    } cases[] = {
        {{{"a", sound}, {"a", sound}}, {{"k", "v"}, {"l", "v"}}, "the tensor 'a' is given twice"},
        {{{"a", sound}, {NULL, sound}}, {{"k", "v"}, {"l", "v"}}, "name must not be NULL"},
        {{{"a", sound}, {"\xff", sound}}, {{"k", "v"}, {"l", "v"}}, "is not valid UTF-8"},
        {{{"a", sound}, {"__metadata__", sound}}, {{"k", "v"}, {"l", "v"}}, "cannot have the name"},
        {{{"a", sound}, {"b", no_data}}, {{"k", "v"}, {"l", "v"}}, "tensor 'b': data is NULL"},
        {{{"a", sound}, {"b", negative}}, {{"k", "v"}, {"l", "v"}}, "'b': shape[1] is -1"},
        {{{"a", sound}, {"b", huge}}, {{"k", "v"}, {"l", "v"}}, "'b': the product of its shape"},
        {{{"a", large}, {"b", large}}, {{"k", "v"}, {"l", "v"}}, "larger than a file can be"},
        {{{"a", sound}, {"b", strange}}, {{"k", "v"}, {"l", "v"}}, "'b': 6 is not a dtype"},
        {{{"a", sound}, {"b", deep}}, {{"k", "v"}, {"l", "v"}}, "'b': 6 dimensions; 0 to 5"},
        {{{"a", sound}, {"b", sound}}, {{"k", "v"}, {"k", "v"}}, "metadata key 'k' is given twice"},
        {{{"a", sound}, {"b", sound}}, {{"k", "v"}, {NULL, "v"}}, "a metadata key must not be"},
        {{{"a", sound}, {"b", sound}}, {{"k", "v"}, {"l", NULL}}, "a metadata value must not be"},
        {{{"a", sound}, {"b", sound}}, {{"k", "v"}, {"l", "\xc3"}}, "a metadata value"},
        {{{"a", sound}, {"b", sound}}, {{"k", "v"}, {"\x80", "v"}}, "is not valid UTF-8"},
    };
    uint64_t before = live_blocks();
    const char *path = scratch("refused.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_failure(cw_safetensors_write(path, cases[i].entries, 2, cases[i].meta, 2), CW_EINVAL,
                       cases[i].fragment);
        expect_failure(CW_EINVAL, CW_EINVAL, path);
        assert_false(is_file(path));
        assert_int_equal(live_blocks(), before);
    }
    expect_failure(cw_safetensors_write(path, NULL, -1, NULL, 0), CW_EINVAL, "-1 tensors");
    expect_failure(cw_safetensors_write(path, NULL, 0, NULL, -1), CW_EINVAL, "-1 metadata");
    cw_safetensors_entry flat = {"flat", sound};
    flat.tensor.ndim = -1;
    expect_failure(cw_safetensors_write(path, &flat, 1, NULL, 0), CW_EINVAL, "-1 dimensions");
    char *long_text = malloc(CW_SAFETENSORS_HEADER_MAX + 1);
    assert_non_null(long_text);
    memset(long_text, 'a', CW_SAFETENSORS_HEADER_MAX);
    long_text[CW_SAFETENSORS_HEADER_MAX] = '\0';
    const cw_safetensors_meta endless = {"key", long_text};
    expect_failure(cw_safetensors_write(path, NULL, 0, &endless, 1), CW_EINVAL, "need a header of");
    free(long_text);
    expect_failure(cw_safetensors_write(path, NULL, 65536, NULL, 0), CW_EINVAL, "below 65536");
    expect_failure(cw_safetensors_write(path, NULL, 0, NULL, 65536), CW_EINVAL, "below 65536");
}

/* As many tensors as the writer takes can be read back. */
static void the_greatest_number_of_tensors(void **state) {
    (void)state;
    enum { N = CW_SAFETENSORS_TENSORS_MAX - 1 };
    cw_safetensors_entry *entries = calloc(N, sizeof *entries);
    char(*names)[16] = calloc(N, sizeof *names);
    assert_non_null(entries);
    assert_non_null(names);
    uint8_t byte = 7;
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        entries[i].name = names[i];
        entries[i].tensor = cw_tensor_nd(CW_U8, &byte, 5, (int64_t[]){1, 1, 1, 1, i % 2});
    }
    const char *path = scratch("many.safetensors");
    cw_safetensors_meta meta = {"k", "v"};
    expect_ok(cw_safetensors_write(path, entries, N, &meta, 1));
    cw_safetensors *file;
    expect_ok(cw_safetensors_open(&file, path, 1ull << 30));
    assert_int_equal(cw_safetensors_count(file), N);
    for (int i = 0; i < N; i++) {
        const cw_tensor *tensor = cw_safetensors_find(file, names[i]);
        assert_non_null(tensor);
        assert_int_equal(tensor->shape[4], i % 2);
    }
    cw_safetensors_close(file);
    free(entries);
    free(names);
}

static void allocations_may_fail(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("memory.safetensors"));
    allocation_ramp(write_set, &s, 3);
    expect_set(&s);
}

static long json_allocations_left, json_live;

static void *failing_malloc(size_t n) {
    if (json_allocations_left-- <= 0) return NULL;
    json_live++;
    return malloc(n);
}

static void counting_free(void *block) {
    if (block != NULL) json_live--;
    free(block);
}

static void allocations_of_the_json_library_may_fail(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("json.safetensors"));
    uint64_t before = live_blocks();
    long n = 0;
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (;; n++) {
        json_allocations_left = n;
        cw_status status = write_set(&s);
        assert_int_equal(live_blocks(), before);
        assert_int_equal(json_live, 0);
        if (status == CW_OK) break;
        if (status != CW_ENOMEM) fail_msg("allocation %ld: %s", n, cw_last_error());
        assert_false(is_file(s.path));
    }
    json_set_alloc_funcs(malloc, free);
    assert_in_range(n, 50, 10000);
    expect_set(&s);
}

/* After a failed write the file is the old one or, when only the last sync failed, the new one. */
static void old_or_new(void *context) {
    const set *s = context;
    size_t n;
    unsigned char *bytes = get_file(s->path, &n);
    assert_non_null(bytes);
    if (n != 3 || memcmp(bytes, "old", 3) != 0) expect_set(s);
    free(bytes);
    char path[600];
    snprintf(path, sizeof path, "%s.tmp", s->path);
    assert_false(is_file(path));
}

static void writes_may_fail(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("faults.safetensors"));
    put_file(s.path, "old", 3);
    fault_ramp(write_set, old_or_new, &s, 8);
    expect_set(&s);
}

static void full_disk(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("full.safetensors"));
    put_file(s.path, "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cw_status status = write_set(&s);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_failure(status, CW_EIO, s.path);
    size_t n;
    unsigned char *bytes = get_file(s.path, &n);
    assert_int_equal(n, 3);
    free(bytes);
    old_or_new(&s);
}

static void folders_that_cannot_be_written(void **state) {
    (void)state;
    set s;
    make_set(&s, scratch("missing/a.safetensors"));
    expect_failure(write_set(&s), CW_EIO, "No such file or directory");
    s.path = "/proc/a.safetensors"; /* root may write to a folder of mode 0555, but not here */
    expect_failure(write_set(&s), CW_EIO, "/proc/a.safetensors");
    const char *folder = scratch("taken.safetensors");
    assert_int_equal(mkdir(folder, 0755), 0);
    s.path = folder;
    expect_failure(write_set(&s), CW_EIO, "cannot rename");
    if (geteuid() != 0) {
        folder = scratch("readonly");
        assert_int_equal(mkdir(folder, 0555), 0);
        s.path = scratch("readonly/a.safetensors");
        expect_failure(write_set(&s), CW_EIO, "Permission denied");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_the_reference_implementation_writes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(nothing_is_a_file_too),
        cmocka_unit_test(refused_arguments_are_named),
        cmocka_unit_test(the_greatest_number_of_tensors),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(allocations_of_the_json_library_may_fail),
        cmocka_unit_test(writes_may_fail),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(folders_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
