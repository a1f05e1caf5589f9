/* Shape checks that every backend makes at the head of an op. Each names the op and the argument
 * at fault and says what would be right; CW_OK or CW_EINVAL. Any thread. */
#ifndef CW_OPS_CHECK_H
#define CW_OPS_CHECK_H

#include "ops/ops.h"

/* Every field of a description in its range and no map vanishing; elements that fit a size_t. */
cw_status cw_check_convnet_desc(const cw_convnet_desc *desc);

/* Counts, channels and crop offsets of an image batch against a convnet. */
cw_status cw_check_images(const cw_convnet_desc *desc, const cw_image_batch *images);

/* A tensor of `dtype` and shape (B, F*H_L*W_L). */
cw_status cw_check_features(const char *op, const char *argument, const cw_convnet_desc *desc,
                            cw_dtype dtype, const cw_tensor *tensor);

/* Two-dimensional (rows, columns), rows and columns >= 1. */
cw_status cw_check_2d(const char *op, const char *argument, cw_dtype dtype, const cw_tensor *tensor,
                      int64_t rows, int64_t columns);

/* `count` elements in any shape. */
cw_status cw_check_count(const char *op, const char *argument, cw_dtype dtype,
                         const cw_tensor *tensor, int64_t count);

/* y (B,N), x (B,M) of x_dtype, w (N,M), b (N) or NULL: the shapes that all three linear ops share.
 */
cw_status cw_check_linear(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                          cw_dtype x_dtype, const cw_tensor *w, const cw_tensor *b);

/* c (m,n) = op(a) op(b); *k receives the length of the sums. */
cw_status cw_check_matmul(cw_dtype dtype, const cw_tensor *c, const cw_tensor *a, bool a_transposed,
                          const cw_tensor *b, bool b_transposed, int64_t *k);

/* y and x (B,D), stats (B,2), gamma and beta (D). */
cw_status cw_check_layernorm(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                             const cw_tensor *stats, const cw_tensor *gamma, const cw_tensor *beta);

/* y and x (B,D), norm (B). */
cw_status cw_check_l2norm(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                          const cw_tensor *norm);

/* Rates and counters of Adam that its formula can bear. */
cw_status cw_check_adam(const cw_adam *adam);

#endif
