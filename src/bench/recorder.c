#include "bench/recorder.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* The recorder's convnet: the inner backend's, and what it was made for. */
struct cw_convnet {
    cw_recorder *recorder;
    cw_convnet_desc desc;
    cw_convnet *inner; /* of the inner backend's own kind */
};

const char *cw_call_kind_name(cw_call_kind kind) {
    static const char *const names[CW_CALL_KINDS] = {"conv input",
                                                     "conv pack",
                                                     "conv forward",
                                                     "conv backward",
                                                     "linear forward",
                                                     "linear backward data",
                                                     "linear backward weights",
                                                     "matrix product",
                                                     "adam",
                                                     "momentum average"};
    return names[kind];
}

static bool same_conv(const cw_convnet_desc *a, const cw_convnet_desc *b) {
    return a->batch == b->batch && a->channels == b->channels && a->height == b->height &&
           a->width == b->width && a->n_layers == b->n_layers && a->filters == b->filters &&
           a->first_stride == b->first_stride && a->train == b->train;
}

static bool same_call(const cw_call *a, const cw_call *b) {
    return a->kind == b->kind && same_conv(&a->conv, &b->conv) && a->rows == b->rows &&
           a->inputs == b->inputs && a->outputs == b->outputs && a->bias == b->bias &&
           a->relu == b->relu && a->bf16_features == b->bf16_features &&
           a->a_transposed == b->a_transposed && a->b_transposed == b->b_transposed;
}

static void note(cw_recorder *recorder, const cw_call *call, double seconds) {
    int i = 0;
    while (i < recorder->n && !same_call(&recorder->call[i], call)) i++;
    if (i == CW_RECORDER_CALLS) {
        recorder->lost++;
        return;
    }
    if (i == recorder->n) recorder->call[recorder->n++] = *call;
    recorder->call[i].calls++;
    recorder->call[i].seconds += seconds;
}

/* Makes the inner call, notes it, returns its status. */
#define RECORD(recorder, call, expression)                                                         \
    do {                                                                                           \
        double from_ = cw_clock_s();                                                               \
        cw_status status_ = (expression);                                                          \
        note(recorder, call, cw_clock_s() - from_);                                                \
        return status_;                                                                            \
    } while (0)

/* ---------------------------------------------------------------- convolutions */

static cw_status convnet_create(cw_backend *be, cw_convnet **out, const cw_convnet_desc *desc) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_convnet *net;
    CW_TRY(cw_alloc(&net, 1, sizeof *net, "a recorded convnet"));
    cw_status status = recorder->inner->ops->convnet_create(recorder->inner, &net->inner, desc);
    if (status != CW_OK) {
        cw_free(net);
        return status;
    }
    net->recorder = recorder;
    net->desc = *desc;
    *out = net;
    return CW_OK;
}

static void convnet_destroy(cw_convnet *net) {
    if (net == NULL) return;
    net->recorder->inner->ops->convnet_destroy(net->inner);
    cw_free(net);
}

static void convnet_bytes(const cw_convnet *net, cw_convnet_bytes *out) {
    net->recorder->inner->ops->convnet_bytes(net->inner, out);
}

static cw_status convnet_pack(cw_convnet *net, void *packed, const void *params) {
    cw_call call = {.kind = CW_CALL_CONV_PACK, .conv = net->desc};
    RECORD(net->recorder, &call,
           net->recorder->inner->ops->convnet_pack(net->inner, packed, params));
}

static cw_status convnet_input(cw_convnet *net, void *acts, const cw_image_batch *images) {
    cw_call call = {.kind = CW_CALL_CONV_INPUT, .conv = net->desc};
    RECORD(net->recorder, &call,
           net->recorder->inner->ops->convnet_input(net->inner, acts, images));
}

static cw_dtype feature_dtype(const cw_backend *be, const cw_convnet_desc *desc, int64_t outputs) {
    const cw_recorder *recorder = (const cw_recorder *)be;
    return recorder->inner->ops->feature_dtype(recorder->inner, desc, outputs);
}

static cw_status convnet_forward(cw_convnet *net, cw_tensor *features, void *acts,
                                 const void *packed, void *scratch) {
    cw_call call = {.kind = CW_CALL_CONV_FORWARD,
                    .conv = net->desc,
                    .bf16_features = features->dtype == CW_BF16};
    RECORD(net->recorder, &call,
           net->recorder->inner->ops->convnet_forward(net->inner, features, acts, packed, scratch));
}

static cw_status convnet_backward(cw_convnet *net, void *dparams, void *acts, const void *packed,
                                  const cw_tensor *features, cw_tensor *dfeatures, void *scratch) {
    cw_call call = {.kind = CW_CALL_CONV_BACKWARD,
                    .conv = net->desc,
                    .bf16_features = features->dtype == CW_BF16};
    RECORD(net->recorder, &call,
           net->recorder->inner->ops->convnet_backward(net->inner, dparams, acts, packed, features,
                                                       dfeatures, scratch));
}

/* ---------------------------------------------------------------- products and parameters */

static cw_status linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                const cw_tensor *w, const cw_tensor *b, bool relu) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_LINEAR_FORWARD,
                    .rows = x->shape[0],
                    .inputs = x->shape[1],
                    .outputs = w->shape[0],
                    .bias = b != NULL,
                    .relu = relu,
                    .bf16_features = x->dtype == CW_BF16};
    RECORD(recorder, &call,
           recorder->inner->ops->linear_forward(recorder->inner, y, x, w, b, relu));
}

static cw_status linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                      const cw_tensor *w) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_LINEAR_DATA,
                    .rows = dy->shape[0],
                    .inputs = w->shape[1],
                    .outputs = w->shape[0],
                    .bf16_features = dx->dtype == CW_BF16};
    RECORD(recorder, &call, recorder->inner->ops->linear_backward_data(recorder->inner, dx, dy, w));
}

static cw_status linear_backward_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                         const cw_tensor *dy, const cw_tensor *x) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_LINEAR_WEIGHTS,
                    .rows = dy->shape[0],
                    .inputs = dw->shape[1],
                    .outputs = dw->shape[0],
                    .bias = db != NULL,
                    .bf16_features = x->dtype == CW_BF16};
    RECORD(recorder, &call,
           recorder->inner->ops->linear_backward_weights(recorder->inner, dw, db, dy, x));
}

static cw_status matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                        const cw_tensor *b, bool b_transposed) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_MATMUL,
                    .rows = c->shape[0],
                    .inputs = a->shape[a_transposed ? 0 : 1],
                    .outputs = c->shape[1],
                    .a_transposed = a_transposed,
                    .b_transposed = b_transposed};
    RECORD(recorder, &call,
           recorder->inner->ops->matmul(recorder->inner, c, a, a_transposed, b, b_transposed));
}

static cw_status adam(cw_backend *be, void *param, void *m, void *v, const void *grad, size_t n,
                      const cw_adam *step) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_ADAM, .rows = 1, .inputs = (int64_t)n, .outputs = 1};
    RECORD(recorder, &call,
           recorder->inner->ops->adam(recorder->inner, param, m, v, grad, n, step));
}

static cw_status ema(cw_backend *be, void *target, const void *source, size_t n, double tau) {
    cw_recorder *recorder = (cw_recorder *)be;
    cw_call call = {.kind = CW_CALL_EMA, .rows = 1, .inputs = (int64_t)n, .outputs = 1};
    RECORD(recorder, &call, recorder->inner->ops->ema(recorder->inner, target, source, n, tau));
}

/* ---------------------------------------------------------------- the recorder */

void cw_recorder_init(cw_recorder *recorder, cw_backend *inner) {
    *recorder = (cw_recorder){.inner = inner, .be = *inner, .ops = *inner->ops};
    cw_ops *ops = &recorder->ops;
    ops->convnet_create = convnet_create;
    ops->convnet_destroy = convnet_destroy;
    ops->convnet_bytes = convnet_bytes;
    ops->convnet_pack = convnet_pack;
    ops->convnet_input = convnet_input;
    ops->feature_dtype = feature_dtype;
    ops->convnet_forward = convnet_forward;
    ops->convnet_backward = convnet_backward;
    ops->convnet_input_gradient = NULL; /* test access of real backends only */
    ops->linear_forward = linear_forward;
    ops->linear_backward_data = linear_backward_data;
    ops->linear_backward_weights = linear_backward_weights;
    ops->matmul = matmul;
    ops->adam = adam;
    ops->ema = ema;
    recorder->be.ops = ops;
}

void cw_recorder_reset(cw_recorder *recorder) {
    recorder->n = 0;
    recorder->lost = 0;
}

/* ---------------------------------------------------------------- figures of a call */

/* Multiply-adds of one layer's forward pass, twice; each backward product has as many. */
static double layer_flops(const cw_convnet_desc *desc, int layer) {
    int64_t h, w;
    if (cw_convnet_side(desc, layer, &h, &w) != CW_OK) return 0;
    int64_t inputs = layer == 0 ? desc->channels : desc->filters;
    return 2.0 * 9 * (double)(desc->batch * desc->filters * h * w) * (double)inputs;
}

static double conv_flops(const cw_convnet_desc *desc) {
    double sum = 0;
    for (int i = 0; i < desc->n_layers; i++) sum += layer_flops(desc, i);
    return sum;
}

double cw_call_flops(const cw_call *call) {
    switch (call->kind) {
    case CW_CALL_CONV_FORWARD:
        return conv_flops(&call->conv);
    case CW_CALL_CONV_BACKWARD: /* the gradient to the pixels is not computed */
        return 2 * conv_flops(&call->conv) - layer_flops(&call->conv, 0);
    case CW_CALL_LINEAR_FORWARD:
    case CW_CALL_LINEAR_DATA:
    case CW_CALL_LINEAR_WEIGHTS:
    case CW_CALL_MATMUL:
        return 2.0 * (double)call->rows * (double)call->inputs * (double)call->outputs;
    default:
        return 0;
    }
}

double cw_call_bytes(const cw_call *call, cw_dtype dtype) {
    double element = (double)cw_dtype_bytes(dtype);
    const cw_convnet_desc *conv = &call->conv;
    double pixels = (double)(conv->batch * conv->channels) * (double)(conv->height * conv->width);
    switch (call->kind) {
    case CW_CALL_CONV_INPUT:
        return pixels * (1 + element);
    case CW_CALL_CONV_PACK:
        return 2 * element * (double)cw_convnet_param_count(conv);
    case CW_CALL_ADAM:
        return 7 * element * (double)call->inputs; /* p, m, v both ways, g */
    case CW_CALL_EMA:
        return 3 * element * (double)call->inputs;
    default:
        return 0;
    }
}

void cw_call_name(const cw_call *call, char *out, size_t out_bytes) {
    const cw_convnet_desc *conv = &call->conv;
    const char *kind = cw_call_kind_name(call->kind);
    if (call->kind <= CW_CALL_CONV_BACKWARD) {
        snprintf(out, out_bytes, "%s%s %lldx%lldx%lldx%lld", kind,
                 call->kind == CW_CALL_CONV_FORWARD && conv->train ? " (kept)" : "",
                 (long long)conv->batch, (long long)conv->channels, (long long)conv->height,
                 (long long)conv->width);
    } else if (call->kind >= CW_CALL_ADAM) {
        snprintf(out, out_bytes, "%s %lld", kind, (long long)call->inputs);
    } else {
        snprintf(out, out_bytes, "%s %lld%sx%lldx%lld%s", kind, (long long)call->rows,
                 call->a_transposed ? "'" : "", (long long)call->inputs, (long long)call->outputs,
                 call->b_transposed ? "'" : "");
    }
}
