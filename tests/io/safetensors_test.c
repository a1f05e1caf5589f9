/* The safetensors reader: a file of the reference implementation, every malformed variant by its
 * message, alignment, limits, and failing allocations. */
#include "io/safetensors.h"
#include "io/support.h"
#include "test.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCE CW_TEST_DATA "/io/data/reference.safetensors"

/* A file of a header and n_data bytes 0, 1, 2, ...; in malloc's memory. */
static unsigned char *make_file(const char *header, size_t header_bytes, size_t n_data, size_t *n) {
    *n = 8 + header_bytes + n_data;
    unsigned char *bytes = malloc(*n);
    assert_non_null(bytes);
    uint64_t length = header_bytes;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, header_bytes);
    for (size_t i = 0; i < n_data; i++) bytes[8 + header_bytes + i] = (unsigned char)i;
    return bytes;
}

static cw_status parse(cw_safetensors **out, const char *header, size_t n_data) {
    size_t n;
    unsigned char *bytes = make_file(header, strlen(header), n_data, &n);
    cw_status status = cw_safetensors_parse(out, bytes, n);
    free(bytes);
    return status;
}

static void expect_tensor(const cw_safetensors *file, const char *name, cw_dtype dtype, int ndim,
                          const int64_t *shape, const void *data) {
    const cw_tensor *tensor = cw_safetensors_find(file, name);
    if (tensor == NULL) fail_msg("no tensor '%s'", name);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->ndim, ndim);
    for (int i = 0; i < ndim; i++) assert_int_equal(tensor->shape[i], shape[i]);
    assert_int_equal((uintptr_t)tensor->data % cw_dtype_bytes(dtype), 0);
    if (cw_tensor_bytes(tensor) > 0) {
        assert_memory_equal(tensor->data, data, cw_tensor_bytes(tensor));
    }
}

static void reads_the_reference_implementation(void **state) {
    (void)state;
    cw_safetensors *file;
    expect_ok(cw_safetensors_open(&file, REFERENCE, 1 << 20));
    assert_int_equal(cw_safetensors_count(file), 9);
    assert_string_equal(cw_safetensors_metadata(file, "format"), "pt");
    assert_null(cw_safetensors_metadata(file, "other"));
    assert_null(cw_safetensors_find(file, "other"));
    assert_null(cw_safetensors_find(file, "__metadata__"));
    float weight[12];
    for (int i = 0; i < 12; i++) weight[i] = (float)i / 8 - 0.5f;
    expect_tensor(file, "encoder.conv.0.weight", CW_F32, 4, (int64_t[]){1, 3, 2, 2}, weight);
    expect_tensor(file, "double", CW_F64, 1, (int64_t[]){3},
                  (double[]){0.1, -1e300, 4.9406564584124654e-324});
    expect_tensor(file, "half.bf16", CW_BF16, 1, (int64_t[]){3},
                  (uint16_t[]){0x3f80, 0xc020, 0x4049});
    expect_tensor(file, "bytes", CW_U8, 1, (int64_t[]){5}, (uint8_t[]){0, 1, 127, 128, 255});
    expect_tensor(file, "int", CW_I32, 2, (int64_t[]){2, 1}, (int32_t[]){INT32_MIN, INT32_MAX});
    expect_tensor(file, "long", CW_I64, 1, (int64_t[]){2}, (int64_t[]){INT64_MIN, INT64_MAX});
    expect_tensor(file, "scalar", CW_F32, 0, NULL, (float[]){2.5f});
    expect_tensor(file, "empty", CW_F32, 2, (int64_t[]){0, 4}, NULL);
    expect_tensor(file, "fünf.dims", CW_F32, 5, (int64_t[]){1, 2, 1, 1, 1}, (float[]){7.0f, 8.0f});
    for (int i = 0; i < 9; i++) {
        const char *name = cw_safetensors_name(file, i);
        assert_ptr_equal(cw_safetensors_find(file, name), cw_safetensors_tensor(file, i));
    }
    assert_string_equal(cw_safetensors_name(file, 0), "long");
    assert_string_equal(cw_safetensors_name(file, 8), "bytes");
    cw_safetensors_close(file);
    cw_safetensors_close(NULL);
}

#define T(body)     "{\"t\":{" body "}}"
#define F32_2       "\"dtype\":\"F32\",\"shape\":[2]"
#define U8(a, b, n) "{\"dtype\":\"U8\",\"shape\":[" #n "],\"data_offsets\":[" #a "," #b "]}"

/* Headers, the bytes of data behind them, and what is said of them. */
static const struct {
    const char *header;
    size_t n_data;
    cw_status status;
    const char *fragment;
} malformed[] = {
    /* JSON */
    {"", 0, CW_EFORMAT, "the header of 0 bytes does not begin with '{'"},
    {" {}", 0, CW_EFORMAT, "does not begin with '{'"},
    {"[]", 0, CW_EFORMAT, "does not begin with '{'"},
    {"{", 0, CW_EFORMAT, "header byte 1"},
    {"{}x", 0, CW_EFORMAT, "end of file expected"},
    {"{\"t\":}", 0, CW_EFORMAT, "header byte 6"},
    {"{\"a\":1,}", 0, CW_EFORMAT, "header byte"},
    {"{\"t\":\"\n\"}", 0, CW_EFORMAT, "unexpected newline"},
    {"{\"\xff\":1}", 0, CW_EFORMAT, "header byte"},
    {"{\"a\\u0000b\":1}", 0, CW_EFORMAT, "NUL byte in object key"},
    {"{\"t\":" U8(0, 1, 1) ",\"t\":" U8(0, 1, 1) "}", 1, CW_EFORMAT, "duplicate object key"},
    {T("\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]"), 1, CW_EFORMAT,
     "duplicate object key"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, CW_EFORMAT, "duplicate object key"},
    /* metadata */
    {"{\"__metadata__\":[]}", 0, CW_EFORMAT, "__metadata__ must be an object of strings"},
    {"{\"__metadata__\":{\"a\":1}}", 0, CW_EFORMAT, "__metadata__ key 'a' must have a string"},
    {"{\"__metadata__\":{\"a\":null}}", 0, CW_EFORMAT, "__metadata__ key 'a' must have a string"},
    /* entries */
    {"{\"t\":1}", 0, CW_EFORMAT, "tensor 't' must be an object"},
    {"{\"a\\nb\":1}", 0, CW_EFORMAT, "tensor 'a?b' must be an object"},
    {T("\"shape\":[],\"data_offsets\":[0,0]"), 0, CW_EFORMAT, "tensor 't' has no dtype"},
    {T("\"dtype\":\"F32\",\"data_offsets\":[0,0]"), 0, CW_EFORMAT, "tensor 't' has no shape"},
    {T(F32_2), 8, CW_EFORMAT, "tensor 't' has no data_offsets"},
    {T(F32_2 ",\"data_offsets\":[0,8],\"x\":1"), 8, CW_EFORMAT, "tensor 't' has keys other than"},
    /* dtype */
    {T("\"dtype\":7,\"shape\":[],\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "tensor 't': dtype must be a string"},
    {T("\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]"), 4, CW_EUNSUPPORTED,
     "tensor 't': dtype 'F16' is not one of F32, F64"},
    {T("\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]"), 4, CW_EUNSUPPORTED,
     "tensor 't': dtype 'BOOL' is not one of F32"},
    {T("\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, CW_EUNSUPPORTED,
     "dtype 'f32' is not one of"},
    /* shape */
    {T("\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "tensor 't': shape must be an array"},
    {T("\"dtype\":\"F32\",\"shape\":[1,1.0],\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "tensor 't': shape[1] must be an integer of 0 or more"},
    {T("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "tensor 't': shape[0] must be an integer of 0 or more"},
    {T("\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "too big integer"},
    {T("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, CW_EUNSUPPORTED,
     "tensor 't': 6 dimensions; at most 5"},
    {T("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"), 0, CW_EFORMAT,
     "tensor 't': the product of its shape is too large"},
    {T("\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]"), 0, CW_EFORMAT,
     "tensor 't': the product of its shape is too large"},
    {T("\"dtype\":\"U8\",\"shape\":[9223372036854775807,0,2],\"data_offsets\":[0,0]"), 0,
     CW_EFORMAT, "tensor 't': the product of its shape is too large"},
    /* offsets */
    {T(F32_2 ",\"data_offsets\":8"), 8, CW_EFORMAT, "data_offsets must be an array of 2 integers"},
    {T(F32_2 ",\"data_offsets\":[8]"), 8, CW_EFORMAT, "must be an array of 2 integers"},
    {T(F32_2 ",\"data_offsets\":[0,8,8]"), 8, CW_EFORMAT, "must be an array of 2 integers"},
    {T(F32_2 ",\"data_offsets\":[-8,0]"), 8, CW_EFORMAT,
     "tensor 't': data_offsets[0] must be an integer of 0 or more"},
    {T(F32_2 ",\"data_offsets\":[0,\"8\"]"), 8, CW_EFORMAT,
     "tensor 't': data_offsets[1] must be an integer of 0 or more"},
    {T(F32_2 ",\"data_offsets\":[8,0]"), 8, CW_EFORMAT,
     "data_offsets [8, 0] do not lie in the 8 bytes of data"},
    {T(F32_2 ",\"data_offsets\":[0,8]"), 7, CW_EFORMAT,
     "data_offsets [0, 8] do not lie in the 7 bytes of data"},
    {T(F32_2 ",\"data_offsets\":[9223372036854775800,9223372036854775807]"), 8, CW_EFORMAT,
     "do not lie in the 8 bytes of data"},
    {T(F32_2 ",\"data_offsets\":[0,7]"), 8, CW_EFORMAT,
     "tensor 't': data_offsets span 7 bytes, but its shape and dtype need 8"},
    {T("\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]"), 4, CW_EFORMAT,
     "data_offsets span 4 bytes, but its shape and dtype need 0"},
    /* tiling */
    {"{\"a\":" U8(0, 3, 3) ",\"b\":" U8(2, 4, 2) "}", 4, CW_EFORMAT,
     "tensor 'b' begins at byte 2, inside of tensor 'a'"},
    {"{\"b\":" U8(0, 3, 3) ",\"a\":" U8(0, 3, 3) "}", 3, CW_EFORMAT,
     "tensor 'a' begins at byte 0, inside of tensor 'b'"},
    {"{\"a\":" U8(0, 2, 2) ",\"b\":" U8(3, 4, 1) "}", 4, CW_EFORMAT,
     "bytes 2 to 3 before tensor 'b' belong to no tensor"},
    {"{\"a\":" U8(1, 2, 1) "}", 2, CW_EFORMAT, "bytes 0 to 1 before tensor 'a'"},
    {"{\"a\":" U8(0, 2, 2) "}", 3, CW_EFORMAT, "bytes 2 to 3 at the end belong to no tensor"},
    {"{}", 1, CW_EFORMAT, "bytes 0 to 1 at the end belong to no tensor"},
    {"{\"a\":" U8(0, 2, 2) ",\"e\":" U8(1, 1, 0) "}", 2, CW_EFORMAT,
     "tensor 'e' begins at byte 1, inside of tensor 'a'"},
};

static void malformed_files_are_named(void **state) {
    (void)state;
    uint64_t before = live_blocks();
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        cw_safetensors *file = NULL;
        cw_status status = parse(&file, malformed[i].header, malformed[i].n_data);
        expect_failure(status, malformed[i].status, malformed[i].fragment);
        assert_null(file);
        assert_int_equal(live_blocks(), before);
    }
}

static void lengths_are_checked_first(void **state) {
    (void)state;
    cw_safetensors *file;
    expect_failure(cw_safetensors_parse(&file, NULL, 0), CW_EFORMAT, "0 bytes are too few");
    expect_failure(cw_safetensors_parse(&file, "\2\0\0\0\0\0\0", 7), CW_EFORMAT,
                   "7 bytes are too few");
    expect_failure(cw_safetensors_parse(&file, "\3\0\0\0\0\0\0\0{}", 10), CW_EFORMAT,
                   "the header of 3 bytes goes beyond the end at byte 10");
    uint64_t lengths[] = {CW_SAFETENSORS_HEADER_MAX + 1, UINT64_MAX, UINT64_MAX - 7};
    for (int i = 0; i < 3; i++) {
        expect_failure(cw_safetensors_parse(&file, &lengths[i], 8), CW_EFORMAT,
                       "at most 100000000 bytes are allowed");
    }
    uint64_t most = CW_SAFETENSORS_HEADER_MAX;
    expect_failure(cw_safetensors_parse(&file, &most, 8), CW_EFORMAT, "goes beyond the end");
}

/* Every shorter form of a sound file is refused, and so is a longer one. */
static void cut_files_are_refused(void **state) {
    (void)state;
    size_t n;
    unsigned char *bytes = get_file(REFERENCE, &n);
    assert_non_null(bytes);
    cw_safetensors *file;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(cw_safetensors_parse(&file, bytes, i), CW_EFORMAT);
    }
    assert_int_equal(cw_safetensors_parse(&file, bytes, n + 1), CW_EFORMAT);
    expect_ok(cw_safetensors_parse(&file, bytes, n));
    cw_safetensors_close(file);
    free(bytes);
}

static void sound_corners_are_read(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        int count;
    } cases[] = {
        {"{}", 0, 0},
        {"{}   ", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{ \"t\" : { \"shape\" : [ ] , \"data_offsets\" : [ 0 , 1 ] , \"dtype\" : \"U8\" } } ", 1,
         1},
        {"{\"\":" U8(0, 1, 1) "}", 1, 1},
        {"{\"b\":" U8(2, 4, 2) ",\"a\":" U8(0, 2, 2) ",\"e\":" U8(2, 2, 0) "}", 4, 3},
        {T("\"dtype\":\"F64\",\"shape\":[0,1152921504606846975],\"data_offsets\":[0,0]"), 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_safetensors *file;
        expect_ok(parse(&file, cases[i].header, cases[i].n_data));
        assert_int_equal(cw_safetensors_count(file), cases[i].count);
        cw_safetensors_close(file);
    }
    cw_safetensors *file;
    expect_ok(parse(&file, cases[5].header, 4));
    assert_string_equal(cw_safetensors_name(file, 0), "a");
    assert_string_equal(cw_safetensors_name(file, 1), "e");
    assert_string_equal(cw_safetensors_name(file, 2), "b");
    assert_memory_equal(cw_safetensors_find(file, "b")->data, "\2\3", 2);
    cw_safetensors_close(file);
}

/* One byte first, so that all that follows lies unaligned in the file, whatever the header's
 * length. */
static void unaligned_data_are_aligned(void **state) {
    (void)state;
    static const char header[] =
        "{\"a\":" U8(0, 1, 1) ",\"b\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]},"
                              "\"c\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[17,19]},"
                              "\"d\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[19,27]},"
                              "\"e\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[27,27]}}";
    char padded[sizeof header + 8];
    unsigned char data[27];
    for (int i = 0; i < 27; i++) data[i] = (unsigned char)i;
    for (int pad = 0; pad < 8; pad++) {
        snprintf(padded, sizeof padded, "%s%*s", header, pad, "");
        cw_safetensors *file;
        expect_ok(parse(&file, padded, 27));
        expect_tensor(file, "a", CW_U8, 1, (int64_t[]){1}, data);
        expect_tensor(file, "b", CW_F64, 1, (int64_t[]){2}, data + 1);
        expect_tensor(file, "c", CW_BF16, 1, (int64_t[]){1}, data + 17);
        expect_tensor(file, "d", CW_F32, 1, (int64_t[]){2}, data + 19);
        expect_tensor(file, "e", CW_I64, 1, (int64_t[]){0}, NULL);
        cw_safetensors_close(file);
    }
}

/* A header of legal length that would be gigabytes as a tree is refused before the tree. */
static void greedy_headers_are_refused(void **state) {
    (void)state;
    static const char *const units[] = {"[],", "{},", "0,", "[[[["};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++) {
        size_t n_header = 6000000, step = strlen(units[k]), n;
        char *header = malloc(n_header);
        assert_non_null(header);
        memset(header, ' ', n_header);
        memcpy(header, "{\"t\":[", 6);
        for (size_t i = 6; i + step <= n_header; i += step) memcpy(header + i, units[k], step);
        unsigned char *bytes = make_file(header, n_header, 0, &n);
        cw_safetensors *file;
        expect_failure(cw_safetensors_parse(&file, bytes, n), CW_EFORMAT,
                       "the header has more values than 65536 tensors need");
        free(bytes);
        free(header);
    }
    /* The same characters within a string are no values. */
    size_t n_text = 6000000, n;
    char *header = malloc(n_text + 64);
    assert_non_null(header);
    int at = snprintf(header, 64, "{\"__metadata__\":{\"a\":\"\\\"");
    memset(header + at, ',', n_text);
    snprintf(header + (size_t)at + n_text, 8, "\"}}");
    unsigned char *bytes = make_file(header, strlen(header), 0, &n);
    cw_safetensors *file;
    expect_ok(cw_safetensors_parse(&file, bytes, n));
    assert_int_equal(strlen(cw_safetensors_metadata(file, "a")), n_text + 1);
    cw_safetensors_close(file);
    free(bytes);
    free(header);
}

static void names_may_be_many_or_long(void **state) {
    (void)state;
    enum { NAMES = CW_SAFETENSORS_TENSORS_MAX + 1 };
    char *header = calloc(NAMES, 16);
    assert_non_null(header);
    size_t at = 0;
    for (int i = 0; i < NAMES; i++) {
        at += (size_t)snprintf(header + at, 16, "%c\"%d\":0", i == 0 ? '{' : ',', i);
    }
    memcpy(header + at, "}", 2);
    cw_safetensors *file;
    expect_failure(parse(&file, header, 0), CW_EFORMAT, "the header names 65537 tensors");
    memset(header, 'n', 200);
    memcpy(header, "{\"", 2);
    memcpy(header + 200, "\":0}", 5);
    expect_failure(parse(&file, header, 0), CW_EFORMAT, "nnn...' must be an object");
    free(header);
}

/* Deep nesting ends at the JSON parser's own limit, not at that of the stack. */
static void deep_headers_are_refused(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    char *header = calloc(DEPTH + 16, 1);
    assert_non_null(header);
    int at = snprintf(header, 16, "{\"t\":");
    memset(header + at, '[', DEPTH);
    cw_safetensors *file;
    expect_failure(parse(&file, header, 0), CW_EFORMAT, "maximum parsing depth");
    free(header);
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    cw_safetensors *file;
    const char *missing = scratch("missing.safetensors"), *cut = scratch("cut.safetensors");
    expect_failure(cw_safetensors_open(&file, missing, 100), CW_ENOTFOUND, missing);
    expect_failure(cw_safetensors_open(&file, scratch("."), 100), CW_EIO, "not a regular file");
    expect_failure(cw_safetensors_open(&file, "/dev/full", 100), CW_EIO, "not a regular file");
    expect_failure(cw_safetensors_open(&file, REFERENCE, 742), CW_EFORMAT,
                   "743 bytes; at most 742 are allowed");
    put_file(cut, "\2\0\0\0\0\0\0\0{", 9);
    expect_failure(cw_safetensors_open(&file, cut, 100), CW_EFORMAT, cut);
    expect_failure(cw_safetensors_open(&file, cut, 100), CW_EFORMAT, "goes beyond the end");
}

static cw_status open_and_close(void *context) {
    cw_safetensors *file = NULL;
    cw_status status = cw_safetensors_open(&file, context, 1 << 20);
    cw_safetensors_close(file);
    return status;
}

static void allocations_may_fail(void **state) {
    (void)state;
    allocation_ramp(open_and_close, (void *)REFERENCE, 4);
    const char *unaligned = scratch("unaligned.safetensors");
    size_t n;
    static const char header[] = "{\"a\":" U8(0, 1, 1) ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
                                                       "\"data_offsets\":[1,5]}}";
    unsigned char *bytes = make_file(header, strlen(header), 5, &n);
    put_file(unaligned, bytes, n);
    free(bytes);
    allocation_ramp(open_and_close, (void *)unaligned, 6);
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

static void allocations_of_the_json_parser_may_fail(void **state) {
    (void)state;
    uint64_t before = live_blocks();
    long n = 0;
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (;; n++) {
        json_allocations_left = n;
        cw_status status = open_and_close((void *)REFERENCE);
        assert_int_equal(live_blocks(), before);
        assert_int_equal(json_live, 0);
        if (status == CW_OK) break;
        /* jansson cannot tell a string that it lacks memory for from one that is malformed. */
        if (status != CW_ENOMEM) assert_int_equal(status, CW_EFORMAT);
    }
    json_set_alloc_funcs(malloc, free);
    assert_in_range(n, 50, 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_reference_implementation),
        cmocka_unit_test(malformed_files_are_named),
        cmocka_unit_test(lengths_are_checked_first),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(sound_corners_are_read),
        cmocka_unit_test(unaligned_data_are_aligned),
        cmocka_unit_test(greedy_headers_are_refused),
        cmocka_unit_test(names_may_be_many_or_long),
        cmocka_unit_test(deep_headers_are_refused),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(allocations_of_the_json_parser_may_fail),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
