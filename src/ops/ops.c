#include "ops/ops.h"

#include "base/error.h"

#include <inttypes.h>

static int64_t side_after(int64_t side, int64_t stride) {
    return side < 3 ? 0 : (side - 3) / stride + 1;
}

cw_status cw_convnet_side(const cw_convnet_desc *desc, int layer, int64_t *out_h, int64_t *out_w) {
    if (layer < 0 || layer >= desc->n_layers || desc->first_stride < 1) {
        return cw_fail(CW_EINVAL,
                       "convnet: layer %d of %d with first_stride %d; the layer must be below the "
                       "number of layers and the stride 1 or more",
                       layer, desc->n_layers, desc->first_stride);
    }
    int64_t h = desc->height;
    int64_t w = desc->width;
    for (int i = 0; i <= layer; i++) {
        h = side_after(h, i == 0 ? desc->first_stride : 1);
        w = side_after(w, i == 0 ? desc->first_stride : 1);
    }
    if (h < 1 || w < 1) {
        return cw_fail(CW_EINVAL,
                       "convnet: %d layers leave nothing of %" PRId64 "x%" PRId64
                       " pixels; take larger images or fewer layers",
                       layer + 1, desc->height, desc->width);
    }
    *out_h = h;
    *out_w = w;
    return CW_OK;
}

int64_t cw_convnet_features(const cw_convnet_desc *desc) {
    int64_t h = 0, w = 0;
    if (cw_convnet_side(desc, desc->n_layers - 1, &h, &w) != CW_OK) return 0;
    return desc->filters * h * w;
}

int64_t cw_convnet_param_count(const cw_convnet_desc *desc) {
    int64_t first = desc->filters * (desc->channels * 9 + 1);
    int64_t other = desc->filters * (desc->filters * 9 + 1);
    return first + (desc->n_layers - 1) * other;
}

void cw_backend_destroy(cw_backend *be) {
    if (be != NULL) be->ops->destroy(be);
}

cw_status cw_backend_describe(const cw_backend *be, char *out, size_t out_bytes) {
    if (out_bytes == 0) return cw_fail(CW_EINVAL, "backend_describe: out_bytes is 0");
    be->ops->describe(be, out, out_bytes);
    return CW_OK;
}
