/* A tensor is a view: element type, shape and a pointer that somebody else owns.
 * Always dense and row-major (last dimension contiguous). Blocked or vendor layouts
 * never leave src/backend. */
#ifndef CW_TENSOR_TENSOR_H
#define CW_TENSOR_TENSOR_H

#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CW_MAX_DIMS 5

typedef enum cw_dtype { CW_F32, CW_F64, CW_BF16, CW_U8, CW_I32, CW_I64, CW_DTYPE_COUNT } cw_dtype;

typedef struct cw_tensor {
    cw_dtype dtype;
    int ndim;                   /* 0..CW_MAX_DIMS; 0 is a scalar */
    int64_t shape[CW_MAX_DIMS]; /* elements along each dimension */
    void *data;                 /* not owned; aligned to the element size at least */
} cw_tensor;

size_t cw_dtype_bytes(cw_dtype dtype);
const char *cw_dtype_name(cw_dtype dtype); /* "f32", "f64", ... */

int64_t cw_tensor_count(const cw_tensor *tensor); /* product of the shape, 1 for a scalar */
size_t cw_tensor_bytes(const cw_tensor *tensor);

cw_tensor cw_tensor_1d(cw_dtype dtype, void *data, int64_t n0);
cw_tensor cw_tensor_2d(cw_dtype dtype, void *data, int64_t n0, int64_t n1);
cw_tensor cw_tensor_nd(cw_dtype dtype, void *data, int ndim, const int64_t *shape);

/* The same on the next free part of an arena; data is NULL while the arena measures. */
cw_tensor cw_arena_tensor_1d(cw_arena *arena, cw_dtype dtype, int64_t n0);
cw_tensor cw_arena_tensor_2d(cw_arena *arena, cw_dtype dtype, int64_t n0, int64_t n1);

/* Element i of a flat f32 or f64 tensor as double, and back (rounded to the dtype).
 * For the small per-sample arithmetic of losses; kernels use typed loops. */
double cw_tensor_get(const cw_tensor *tensor, int64_t i);
void cw_tensor_set(const cw_tensor *tensor, int64_t i, double value);

/* Whether no element of an f32 or f64 tensor is an infinity or NaN; true for other dtypes. */
bool cw_tensor_finite(const cw_tensor *tensor);

#endif
