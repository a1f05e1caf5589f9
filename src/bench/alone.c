#include "bench/alone.h"

#include "base/clock.h"
#include "base/error.h"

#include <string.h>

enum { MARGIN = 16, MOST_BLOCKS = 8 }; /* pixels that a frame is larger than its crop */

/* The operands of one kernel. */
typedef struct stand {
    cw_backend *be;
    const cw_call *call;
    cw_convnet *net;
    void *acts, *packed, *scratch, *params, *dparams;
    cw_tensor features, dfeatures;
    cw_image_batch images;
    cw_tensor x, w, b, y; /* also p, m, v, g of adam */
    void *block[MOST_BLOCKS + 8];
    int n_blocks;
} stand;

static cw_status take(stand *s, size_t bytes, void *out) {
    void *block;
    CW_TRY(cw_alloc(&block, bytes == 0 ? 1 : bytes, 1, "operands of a kernel"));
    s->block[s->n_blocks++] = block;
    memcpy(out, &block, sizeof block);
    return CW_OK;
}

/* A flat tensor of reals in [-0.5, 0.5) that are the same in every run. */
static cw_status reals(stand *s, int64_t rows, int64_t columns, cw_tensor *out) {
    void *data;
    cw_dtype dtype = s->be->dtype;
    size_t n = cw_size_mul((size_t)rows, (size_t)columns);
    CW_TRY(take(s, cw_size_mul(n, cw_dtype_bytes(dtype)), &data));
    *out = cw_tensor_2d(dtype, data, rows, columns);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        cw_tensor_set(out, (int64_t)i, (double)state * 0x1p-32 - 0.5);
    }
    return CW_OK;
}

/* Features, or a gradient to them, in the type that the call had them in; zeros when bf16. */
static cw_status features(stand *s, int64_t rows, int64_t columns, cw_tensor *out) {
    if (!s->call->bf16_features) return reals(s, rows, columns, out);
    *out = cw_tensor_2d(CW_BF16, NULL, rows, columns);
    return take(s, cw_tensor_bytes(out), &out->data);
}

static cw_status random_images(stand *s, const cw_convnet_desc *d) {
    cw_image_batch im = {.n = d->batch,
                         .stack = 1,
                         .frame_channels = d->channels,
                         .frame_height = d->height + MARGIN,
                         .frame_width = d->width + MARGIN};
    if (d->channels % 3 == 0) {
        im.stack = d->channels / 3;
        im.frame_channels = 3;
    }
    size_t frame = (size_t)(im.frame_channels * im.frame_height * im.frame_width);
    size_t n = (size_t)(im.n * im.stack);
    uint8_t *pixels;
    const uint8_t **frames;
    int32_t *offset;
    CW_TRY(take(s, cw_size_mul(n, frame), &pixels));
    CW_TRY(take(s, n * sizeof *frames, (void *)&frames));
    CW_TRY(take(s, (size_t)im.n * sizeof *offset, &offset));
    for (size_t i = 0; i < n * frame; i++) pixels[i] = (uint8_t)((uint32_t)i * 2654435761u >> 13);
    for (size_t i = 0; i < n; i++) frames[i] = pixels + i * frame;
    for (int64_t i = 0; i < im.n; i++) offset[i] = (int32_t)(i * 7 % (MARGIN + 1));
    im.frames = frames;
    im.offset_y = offset;
    im.offset_x = offset;
    s->images = im;
    return CW_OK;
}

static cw_status open_conv(stand *s) {
    const cw_ops *ops = s->be->ops;
    const cw_convnet_desc *desc = &s->call->conv;
    cw_tensor params, dparams;
    CW_TRY(ops->convnet_create(s->be, &s->net, desc));
    cw_convnet_bytes bytes;
    ops->convnet_bytes(s->net, &bytes);
    CW_TRY(take(s, bytes.acts, &s->acts));
    CW_TRY(take(s, bytes.packed, &s->packed));
    CW_TRY(take(s, bytes.scratch, &s->scratch));
    CW_TRY(reals(s, 1, cw_convnet_param_count(desc), &params));
    CW_TRY(reals(s, 1, cw_convnet_param_count(desc), &dparams));
    CW_TRY(features(s, desc->batch, cw_convnet_features(desc), &s->features));
    CW_TRY(features(s, desc->batch, cw_convnet_features(desc), &s->dfeatures));
    CW_TRY(random_images(s, desc));
    s->params = params.data;
    s->dparams = dparams.data;
    CW_TRY(ops->convnet_pack(s->net, s->packed, s->params));
    CW_TRY(ops->convnet_input(s->net, s->acts, &s->images));
    return ops->convnet_forward(s->net, &s->features, s->acts, s->packed, s->scratch);
}

/* x, w, b and y with the shapes that the call's op takes. */
static cw_status open_dense(stand *s) {
    const cw_call *c = s->call;
    int64_t m = c->rows, k = c->inputs, n = c->outputs;
    bool product = c->kind == CW_CALL_MATMUL;
    bool flip_a = product && c->a_transposed;
    bool as_columns = product && !c->b_transposed; /* a linear layer's weights are (N, M) */
    CW_TRY(features(s, flip_a ? k : m, flip_a ? m : k, &s->x));
    CW_TRY(reals(s, as_columns ? k : n, as_columns ? n : k, &s->w));
    CW_TRY(reals(s, m, n, &s->y));
    CW_TRY(reals(s, 1, n, &s->b));
    s->b = cw_tensor_1d(s->be->dtype, s->b.data, n);
    return CW_OK;
}

static cw_status open_flat(stand *s) {
    int64_t n = s->call->inputs;
    CW_TRY(reals(s, 1, n, &s->x));
    CW_TRY(reals(s, 1, n, &s->w));
    CW_TRY(reals(s, 1, n, &s->b));
    CW_TRY(reals(s, 1, n, &s->y));
    memset(s->b.data, 0, cw_tensor_bytes(&s->b)); /* second moments are not negative */
    return CW_OK;
}

static cw_status open_stand(stand *s) {
    if (s->call->kind <= CW_CALL_CONV_BACKWARD) return open_conv(s);
    return s->call->kind >= CW_CALL_ADAM ? open_flat(s) : open_dense(s);
}

static void close_stand(stand *s) {
    if (s->net != NULL) s->be->ops->convnet_destroy(s->net);
    for (int i = 0; i < s->n_blocks; i++) cw_free(s->block[i]);
}

static cw_status call_once(stand *s) {
    const cw_ops *ops = s->be->ops;
    const cw_call *c = s->call;
    size_t n = (size_t)c->inputs;
    switch (c->kind) {
    case CW_CALL_CONV_INPUT:
        return ops->convnet_input(s->net, s->acts, &s->images);
    case CW_CALL_CONV_PACK:
        return ops->convnet_pack(s->net, s->packed, s->params);
    case CW_CALL_CONV_FORWARD:
        return ops->convnet_forward(s->net, &s->features, s->acts, s->packed, s->scratch);
    case CW_CALL_CONV_BACKWARD:
        return ops->convnet_backward(s->net, s->dparams, s->acts, s->packed, &s->features,
                                     &s->dfeatures, s->scratch);
    case CW_CALL_LINEAR_FORWARD:
        return ops->linear_forward(s->be, &s->y, &s->x, &s->w, c->bias ? &s->b : NULL, c->relu);
    case CW_CALL_LINEAR_DATA:
        return ops->linear_backward_data(s->be, &s->x, &s->y, &s->w);
    case CW_CALL_LINEAR_WEIGHTS:
        return ops->linear_backward_weights(s->be, &s->w, c->bias ? &s->b : NULL, &s->y, &s->x);
    case CW_CALL_MATMUL:
        return ops->matmul(s->be, &s->y, &s->x, c->a_transposed, &s->w, c->b_transposed);
    case CW_CALL_ADAM: {
        cw_adam step = {
            .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .t = 10, .repeat = 1};
        return ops->adam(s->be, s->x.data, s->w.data, s->b.data, s->y.data, n, &step);
    }
    case CW_CALL_EMA:
        return ops->ema(s->be, s->x.data, s->w.data, n, 0.05);
    default:
        return cw_fail(CW_EINVAL, "kernel %d does not exist", (int)c->kind);
    }
}

static cw_status time_calls(stand *s, double budget_s, double *seconds) {
    CW_TRY(call_once(s));
    double begin = cw_clock_s();
    *seconds = 0;
    for (int i = 0; i < 3 || (i < 1000 && cw_clock_s() - begin < budget_s); i++) {
        double from = cw_clock_s();
        CW_TRY(call_once(s));
        double took = cw_clock_s() - from;
        if (i == 0 || took < *seconds) *seconds = took;
    }
    return CW_OK;
}

cw_status cw_call_alone(cw_backend *be, const cw_call *call, double budget_s, double *seconds) {
    stand s = {.be = be, .call = call};
    cw_status status = open_stand(&s);
    if (status == CW_OK) status = time_calls(&s, budget_s, seconds);
    close_stand(&s);
    return status;
}
