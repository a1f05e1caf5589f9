#include "tensor/tensor.h"

#include "base/memory.h"

#include <string.h>

static const struct {
    size_t bytes;
    const char *name;
} dtypes[CW_DTYPE_COUNT] = {
    [CW_F32] = {4, "f32"}, [CW_F64] = {8, "f64"}, [CW_BF16] = {2, "bf16"},
    [CW_U8] = {1, "u8"},   [CW_I32] = {4, "i32"}, [CW_I64] = {8, "i64"},
};

size_t cw_dtype_bytes(cw_dtype dtype) {
    return dtypes[dtype].bytes;
}

const char *cw_dtype_name(cw_dtype dtype) {
    return dtypes[dtype].name;
}

int64_t cw_tensor_count(const cw_tensor *tensor) {
    int64_t n = 1;
    for (int i = 0; i < tensor->ndim; i++) n *= tensor->shape[i];
    return n;
}

size_t cw_tensor_bytes(const cw_tensor *tensor) {
    return cw_size_mul((size_t)cw_tensor_count(tensor), cw_dtype_bytes(tensor->dtype));
}

cw_tensor cw_tensor_1d(cw_dtype dtype, void *data, int64_t n0) {
    return cw_tensor_nd(dtype, data, 1, &n0);
}

cw_tensor cw_tensor_2d(cw_dtype dtype, void *data, int64_t n0, int64_t n1) {
    int64_t shape[2] = {n0, n1};
    return cw_tensor_nd(dtype, data, 2, shape);
}

cw_tensor cw_tensor_nd(cw_dtype dtype, void *data, int ndim, const int64_t *shape) {
    cw_tensor tensor = {.dtype = dtype, .ndim = ndim, .data = data};
    for (int i = 0; i < ndim; i++) tensor.shape[i] = shape[i];
    return tensor;
}

cw_tensor cw_arena_tensor_1d(cw_arena *arena, cw_dtype dtype, int64_t n0) {
    return cw_tensor_1d(dtype, cw_arena_take(arena, (size_t)n0, cw_dtype_bytes(dtype)), n0);
}

cw_tensor cw_arena_tensor_2d(cw_arena *arena, cw_dtype dtype, int64_t n0, int64_t n1) {
    size_t count = cw_size_mul((size_t)n0, (size_t)n1);
    return cw_tensor_2d(dtype, cw_arena_take(arena, count, cw_dtype_bytes(dtype)), n0, n1);
}

double cw_tensor_get(const cw_tensor *tensor, int64_t i) {
    if (tensor->dtype == CW_F32) return (double)((const float *)tensor->data)[i];
    return ((const double *)tensor->data)[i];
}

void cw_tensor_set(const cw_tensor *tensor, int64_t i, double value) {
    if (tensor->dtype == CW_F32) {
        ((float *)tensor->data)[i] = (float)value;
    } else {
        ((double *)tensor->data)[i] = value;
    }
}

/* An exponent of all ones is an infinity or NaN; the largest of all bit patterns without their
 * signs tells in one pass that needs no branch. */
#define FINITE(type, without_sign, infinity)                                                       \
    type largest = 0, bits;                                                                        \
    for (size_t i = 0; i < n; i++) {                                                               \
        memcpy(&bits, at + i * sizeof bits, sizeof bits);                                          \
        bits &= (without_sign);                                                                    \
        largest = bits > largest ? bits : largest;                                                 \
    }                                                                                              \
    return largest < (infinity)

static bool finite_f32(const unsigned char *at, size_t n) {
    FINITE(uint32_t, UINT32_C(0x7fffffff), UINT32_C(0x7f800000));
}

static bool finite_f64(const unsigned char *at, size_t n) {
    FINITE(uint64_t, UINT64_C(0x7fffffffffffffff), UINT64_C(0x7ff0000000000000));
}

bool cw_tensor_finite(const cw_tensor *tensor) {
    size_t n = (size_t)cw_tensor_count(tensor);
    if (tensor->dtype == CW_F32) return finite_f32(tensor->data, n);
    return tensor->dtype != CW_F64 || finite_f64(tensor->data, n);
}
