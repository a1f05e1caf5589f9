/* Matrix products of f32 matrices by tiles of our own, whose factors are rounded to what
 * state->kernels multiplies. */
#ifndef CW_BACKEND_ONEDNN_PRODUCT_H
#define CW_BACKEND_ONEDNN_PRODUCT_H

#include "backend/onednn/onednn.h"

/* c (m, n) = a (m, k) b (k, n). Elements lie at any steps from each other: that is how a matrix is
 * transposed. One of each matrix's two steps is 1. */
typedef struct cw_tiled_product {
    int64_t m, n, k;
    const float *a;
    int64_t a_row, a_k; /* floats from row to row, from k to k */
    const float *b;
    int64_t b_k, b_column;
    float *c;
    int64_t c_row, c_column;
} cw_tiled_product;

/* Memory is asked for when a shape is first seen; CW_ENOMEM then. Sums have an order that depends
 * on the shape and the number of threads. */
cw_status cw_tiled_product_run(cw_onednn *state, int threads, const cw_tiled_product *product);

#endif
