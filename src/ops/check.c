#include "ops/check.h"

#include "base/error.h"

#include <inttypes.h>

/* Far above any use, and small enough that no product of three overflows 63 bits. */
#define SIDE_LIMIT (1 << 20)

static cw_status check_field(const char *name, int64_t value, int64_t limit) {
    if (value >= 1 && value <= limit) return CW_OK;
    return cw_fail(CW_EINVAL, "convnet: %s is %" PRId64 "; it must be 1 to %" PRId64, name, value,
                   limit);
}

cw_status cw_check_convnet_desc(const cw_convnet_desc *desc) {
    CW_TRY(check_field("batch", desc->batch, SIDE_LIMIT));
    CW_TRY(check_field("channels", desc->channels, SIDE_LIMIT));
    CW_TRY(check_field("height", desc->height, SIDE_LIMIT));
    CW_TRY(check_field("width", desc->width, SIDE_LIMIT));
    CW_TRY(check_field("n_layers", desc->n_layers, CW_CONVNET_MAX_LAYERS));
    CW_TRY(check_field("filters", desc->filters, SIDE_LIMIT));
    CW_TRY(check_field("first_stride", desc->first_stride, SIDE_LIMIT));
    int64_t h, w;
    CW_TRY(cw_convnet_side(desc, desc->n_layers - 1, &h, &w));
    size_t map = cw_size_mul((size_t)desc->height, (size_t)desc->width);
    size_t maps = (size_t)(desc->channels > desc->filters ? desc->channels : desc->filters);
    size_t bytes = cw_size_mul(cw_size_mul(map, maps), cw_size_mul((size_t)desc->batch, 64));
    size_t weights = cw_size_mul(cw_size_mul(maps, maps), 9 * 64);
    if (cw_size_mul(cw_size_add(bytes, weights), 4 * CW_CONVNET_MAX_LAYERS) == SIZE_MAX) {
        return cw_fail(CW_EINVAL, "convnet: batch, channels, height, width and filters are too "
                                  "large together; their product must fit the address space");
    }
    return CW_OK;
}

cw_status cw_check_images(const cw_convnet_desc *desc, const cw_image_batch *images) {
    if (images->n != desc->batch) {
        return cw_fail(CW_EINVAL, "convnet_input: %" PRId64 " images; the convnet needs %" PRId64,
                       images->n, desc->batch);
    }
    if (images->stack < 1 || images->frame_channels < 1 ||
        images->stack * images->frame_channels != desc->channels) {
        return cw_fail(CW_EINVAL,
                       "convnet_input: %" PRId64 " frames of %" PRId64
                       " channels; the convnet needs %" PRId64 " channels in all",
                       images->stack, images->frame_channels, desc->channels);
    }
    int64_t slack_y = images->frame_height - desc->height;
    int64_t slack_x = images->frame_width - desc->width;
    if (slack_y < 0 || slack_x < 0) {
        return cw_fail(CW_EINVAL,
                       "convnet_input: frames are %" PRId64 "x%" PRId64
                       "; they must be at least the crop, %" PRId64 "x%" PRId64,
                       images->frame_height, images->frame_width, desc->height, desc->width);
    }
    for (int64_t i = 0; i < images->n; i++) {
        int32_t y = images->offset_y[i];
        int32_t x = images->offset_x[i];
        if (y < 0 || y > slack_y || x < 0 || x > slack_x) {
            return cw_fail(CW_EINVAL,
                           "convnet_input: crop offset (%d, %d) of sample %" PRId64
                           " leaves the frame; it must be 0 to (%" PRId64 ", %" PRId64 ")",
                           y, x, i, slack_y, slack_x);
        }
    }
    return CW_OK;
}

static cw_status check_dtype(const char *op, const char *argument, cw_dtype dtype,
                             const cw_tensor *tensor) {
    if (tensor->dtype == dtype && tensor->data != NULL) return CW_OK;
    if (tensor->data == NULL) {
        return cw_fail(CW_EINVAL, "%s: %s has no data", op, argument);
    }
    return cw_fail(CW_EINVAL, "%s: %s is %s; this backend needs %s", op, argument,
                   cw_dtype_name(tensor->dtype), cw_dtype_name(dtype));
}

cw_status cw_check_2d(const char *op, const char *argument, cw_dtype dtype, const cw_tensor *tensor,
                      int64_t rows, int64_t columns) {
    CW_TRY(check_dtype(op, argument, dtype, tensor));
    if (rows < 1 || columns < 1) {
        return cw_fail(CW_EINVAL,
                       "%s: %s would be (%" PRId64 ", %" PRId64 "); it must not be empty", op,
                       argument, rows, columns);
    }
    if (tensor->ndim != 2) {
        return cw_fail(CW_EINVAL, "%s: %s has %d dimensions; it must have 2", op, argument,
                       tensor->ndim);
    }
    if (tensor->shape[0] != rows || tensor->shape[1] != columns) {
        return cw_fail(CW_EINVAL,
                       "%s: %s is (%" PRId64 ", %" PRId64 "); it must be (%" PRId64 ", %" PRId64
                       ")",
                       op, argument, tensor->shape[0], tensor->shape[1], rows, columns);
    }
    return CW_OK;
}

cw_status cw_check_count(const char *op, const char *argument, cw_dtype dtype,
                         const cw_tensor *tensor, int64_t count) {
    CW_TRY(check_dtype(op, argument, dtype, tensor));
    if (cw_tensor_count(tensor) == count) return CW_OK;
    return cw_fail(CW_EINVAL, "%s: %s has %" PRId64 " elements; it must have %" PRId64, op,
                   argument, cw_tensor_count(tensor), count);
}

cw_status cw_check_features(const char *op, const char *argument, const cw_convnet_desc *desc,
                            cw_dtype dtype, const cw_tensor *tensor) {
    return cw_check_2d(op, argument, dtype, tensor, desc->batch, cw_convnet_features(desc));
}

cw_status cw_check_linear(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                          cw_dtype x_dtype, const cw_tensor *w, const cw_tensor *b) {
    CW_TRY(cw_check_2d(op, "the input", x_dtype, x, x->shape[0], x->shape[1]));
    CW_TRY(cw_check_2d(op, "the weight", dtype, w, w->shape[0], x->shape[1]));
    CW_TRY(cw_check_2d(op, "the output", dtype, y, x->shape[0], w->shape[0]));
    return b == NULL ? CW_OK : cw_check_count(op, "the bias", dtype, b, w->shape[0]);
}

cw_status cw_check_matmul(cw_dtype dtype, const cw_tensor *c, const cw_tensor *a, bool a_transposed,
                          const cw_tensor *b, bool b_transposed, int64_t *k) {
    CW_TRY(cw_check_2d("matmul", "c", dtype, c, c->shape[0], c->shape[1]));
    int64_t m = c->shape[0];
    int64_t n = c->shape[1];
    int64_t sum = a_transposed ? a->shape[0] : a->shape[1];
    CW_TRY(cw_check_2d("matmul", "a", dtype, a, a_transposed ? sum : m, a_transposed ? m : sum));
    CW_TRY(cw_check_2d("matmul", "b", dtype, b, b_transposed ? n : sum, b_transposed ? sum : n));
    *k = sum;
    return CW_OK;
}

cw_status cw_check_layernorm(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                             const cw_tensor *stats, const cw_tensor *gamma,
                             const cw_tensor *beta) {
    CW_TRY(cw_check_2d(op, "the input", dtype, x, x->shape[0], x->shape[1]));
    CW_TRY(cw_check_2d(op, "the output or its gradient", dtype, y, x->shape[0], x->shape[1]));
    CW_TRY(cw_check_count(op, "stats", dtype, stats, 2 * x->shape[0]));
    CW_TRY(cw_check_count(op, "gamma", dtype, gamma, x->shape[1]));
    return cw_check_count(op, "beta", dtype, beta, x->shape[1]);
}

cw_status cw_check_l2norm(const char *op, cw_dtype dtype, const cw_tensor *y, const cw_tensor *x,
                          const cw_tensor *norm) {
    CW_TRY(cw_check_2d(op, "the input", dtype, x, x->shape[0], x->shape[1]));
    CW_TRY(cw_check_2d(op, "the output or its gradient", dtype, y, x->shape[0], x->shape[1]));
    return cw_check_count(op, "norm", dtype, norm, x->shape[0]);
}

cw_status cw_check_adam(const cw_adam *adam) {
    if (adam->t < 1) {
        return cw_fail(CW_EINVAL, "adam: t is %" PRId64 "; steps count from 1", adam->t);
    }
    if (adam->repeat < 1) {
        return cw_fail(CW_EINVAL, "adam: repeat is %d; it must be 1 or more", adam->repeat);
    }
    if (!(adam->beta1 >= 0 && adam->beta1 < 1 && adam->beta2 >= 0 && adam->beta2 < 1)) {
        return cw_fail(CW_EINVAL, "adam: beta1 is %g and beta2 is %g; both must be in [0, 1)",
                       adam->beta1, adam->beta2);
    }
    return CW_OK;
}
