/* Matrix products by tiles of our own, whose factors are rounded to what state->kernels multiplies.
 */
#ifndef CW_BACKEND_ONEDNN_PRODUCT_H
#define CW_BACKEND_ONEDNN_PRODUCT_H

#include "backend/onednn/onednn.h"

/* c (m, n) = a (m, k) b (k, n). Elements lie at any steps from each other: that is how a matrix is
 * transposed. One of each matrix's two steps is 1. A matrix may be bf16 where cw_tiled_product_bf16
 * says so; c only with c_column 1 and k at most CW_PRODUCT_PIECE. */
typedef struct cw_tiled_product {
    int64_t m, n, k;
    const void *a;
    int64_t a_row, a_k; /* elements from row to row, from k to k */
    const void *b;
    int64_t b_k, b_column;
    void *c;
    int64_t c_row, c_column;
    bool a_bf16, b_bf16, c_bf16; /* else f32 */
} cw_tiled_product;

/* Terms that are packed, and summed without a stop, together. */
#define CW_PRODUCT_PIECE 1024

static inline bool cw_tiled_product_bf16(const cw_onednn *state) {
    return state->kernels->pack_bf16_rows != NULL;
}

/* Memory is asked for when a shape is first seen; CW_ENOMEM then. Sums have an order that depends
 * on the shape and the number of threads. */
cw_status cw_tiled_product_run(cw_onednn *state, int threads, const cw_tiled_product *product);

#endif
