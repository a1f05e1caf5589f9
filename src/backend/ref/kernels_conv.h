/* Part of kernels.h: the stack of convolutions. */
#include "backend/ref/ref.h"
#include "base/error.h"
#include "ops/check.h"

#include <string.h>

/* One convolution: x (B,c,h,w) -> y (B,f,oh,ow). */
typedef struct conv_layer {
    int64_t batch, c, h, w, f, oh, ow, stride;
    size_t weight;   /* element of the flat parameters where OIHW begins; the bias follows */
    size_t output;   /* element of acts where y begins */
    size_t doutput;  /* element of scratch where the gradient to y begins */
    size_t n_output; /* elements of y */
    size_t n_weight; /* elements of the weight */
} conv_layer;

struct cw_convnet {
    cw_convnet_desc desc;
    conv_layer layer[CW_CONVNET_MAX_LAYERS];
    size_t n_params;  /* elements of the flat parameters */
    size_t n_acts;    /* elements: the input, then every layer's output */
    size_t n_scratch; /* elements: the gradient to every layer's output */
};

static cw_status convnet_create(cw_backend *be, cw_convnet **out, const cw_convnet_desc *desc) {
    (void)be;
    CW_TRY(cw_check_convnet_desc(desc));
    cw_convnet *net;
    CW_TRY(cw_alloc(&net, 1, sizeof *net, "a reference convnet"));
    net->desc = *desc;
    int64_t c = desc->channels;
    int64_t h = desc->height;
    int64_t w = desc->width;
    net->n_acts = (size_t)(desc->batch * c * h * w);
    for (int i = 0; i < desc->n_layers; i++) {
        conv_layer *layer = &net->layer[i];
        *layer = (conv_layer){.batch = desc->batch, .c = c, .h = h, .w = w, .f = desc->filters};
        layer->stride = i == 0 ? desc->first_stride : 1;
        layer->oh = (h - 3) / layer->stride + 1;
        layer->ow = (w - 3) / layer->stride + 1;
        layer->n_weight = (size_t)(layer->f * c * 9);
        layer->n_output = (size_t)(desc->batch * layer->f * layer->oh * layer->ow);
        layer->weight = net->n_params;
        layer->output = net->n_acts;
        layer->doutput = net->n_scratch;
        net->n_params += layer->n_weight + (size_t)layer->f;
        net->n_acts += layer->n_output;
        net->n_scratch += layer->n_output;
        c = layer->f;
        h = layer->oh;
        w = layer->ow;
    }
    *out = net;
    return CW_OK;
}

static void convnet_destroy(cw_convnet *net) {
    cw_free(net);
}

static void convnet_bytes(const cw_convnet *net, cw_convnet_bytes *out) {
    out->acts = net->n_acts * sizeof(REAL);
    out->packed = net->n_params * sizeof(REAL);
    out->scratch = net->desc.train ? net->n_scratch * sizeof(REAL) : 0;
}

static cw_status convnet_pack(cw_convnet *net, void *packed, const void *params) {
    memcpy(packed, params, net->n_params * sizeof(REAL));
    return CW_OK;
}

static cw_status convnet_input(cw_convnet *net, void *acts, const cw_image_batch *images) {
    CW_TRY(cw_check_images(&net->desc, images));
    const cw_convnet_desc *d = &net->desc;
    int64_t plane = images->frame_height * images->frame_width;
    REAL *x = acts;
    for (int64_t b = 0; b < d->batch; b++) {
        for (int64_t c = 0; c < d->channels; c++) {
            const uint8_t *frame = images->frames[b * images->stack + c / images->frame_channels];
            const uint8_t *from = frame + c % images->frame_channels * plane +
                                  images->offset_y[b] * images->frame_width + images->offset_x[b];
            for (int64_t i = 0; i < d->height; i++) {
                for (int64_t j = 0; j < d->width; j++) {
                    *x++ = (REAL)(from[i * images->frame_width + j] / 255.0);
                }
            }
        }
    }
    return CW_OK;
}

/* y = max(conv(x) + bias, 0); a NaN stays a NaN. */
static void conv_forward(const conv_layer *l, REAL *y, const REAL *x, const REAL *weight) {
    const REAL *bias = weight + l->n_weight;
    for (int64_t b = 0; b < l->batch; b++) {
        for (int64_t f = 0; f < l->f; f++) {
            for (int64_t i = 0; i < l->oh; i++) {
                for (int64_t j = 0; j < l->ow; j++) {
                    double sum = bias[f];
                    for (int64_t c = 0; c < l->c; c++) {
                        for (int64_t ki = 0; ki < 3; ki++) {
                            const REAL *row = x +
                                              ((b * l->c + c) * l->h + i * l->stride + ki) * l->w +
                                              j * l->stride;
                            const REAL *k = weight + ((f * l->c + c) * 3 + ki) * 3;
                            for (int64_t kj = 0; kj < 3; kj++) sum += (double)k[kj] * row[kj];
                        }
                    }
                    *y++ = (REAL)(sum < 0 ? 0 : sum);
                }
            }
        }
    }
}

/* Sum over the outputs (i, j) that pixel (h, w) fed, of weight * dy. */
static double conv_pixel_gradient(const conv_layer *l, const REAL *dy, const REAL *weight,
                                  int64_t b, int64_t c, int64_t h, int64_t w) {
    double sum = 0;
    for (int64_t f = 0; f < l->f; f++) {
        for (int64_t ki = 0; ki < 3; ki++) {
            int64_t i = (h - ki) / l->stride;
            if (h < ki || (h - ki) % l->stride != 0 || i >= l->oh) continue;
            for (int64_t kj = 0; kj < 3; kj++) {
                int64_t j = (w - kj) / l->stride;
                if (w < kj || (w - kj) % l->stride != 0 || j >= l->ow) continue;
                sum += (double)weight[((f * l->c + c) * 3 + ki) * 3 + kj] *
                       dy[((b * l->f + f) * l->oh + i) * l->ow + j];
            }
        }
    }
    return sum;
}

static void conv_backward_data(const conv_layer *l, REAL *dx, const REAL *dy, const REAL *weight,
                               double scale) {
    for (int64_t b = 0; b < l->batch; b++) {
        for (int64_t c = 0; c < l->c; c++) {
            for (int64_t h = 0; h < l->h; h++) {
                for (int64_t w = 0; w < l->w; w++) {
                    *dx++ = (REAL)(scale * conv_pixel_gradient(l, dy, weight, b, c, h, w));
                }
            }
        }
    }
}

/* dw of one weight (f, c, ki, kj): the sum over samples and output pixels of dy * x. */
static double conv_weight_gradient(const conv_layer *l, const REAL *dy, const REAL *x, int64_t f,
                                   int64_t c, int64_t ki, int64_t kj) {
    double sum = 0;
    for (int64_t b = 0; b < l->batch; b++) {
        for (int64_t i = 0; i < l->oh; i++) {
            const REAL *from = dy + ((b * l->f + f) * l->oh + i) * l->ow;
            const REAL *row = x + ((b * l->c + c) * l->h + i * l->stride + ki) * l->w + kj;
            for (int64_t j = 0; j < l->ow; j++) sum += (double)from[j] * row[j * l->stride];
        }
    }
    return sum;
}

static void conv_backward_weights(const conv_layer *l, REAL *dweight, const REAL *dy,
                                  const REAL *x) {
    REAL *dw = dweight;
    for (int64_t f = 0; f < l->f; f++) {
        for (int64_t c = 0; c < l->c; c++) {
            for (int64_t k = 0; k < 9; k++) {
                *dw++ = (REAL)conv_weight_gradient(l, dy, x, f, c, k / 3, k % 3);
            }
        }
    }
    REAL *dbias = dweight + l->n_weight;
    for (int64_t f = 0; f < l->f; f++) {
        double sum = 0;
        for (int64_t b = 0; b < l->batch; b++) {
            const REAL *from = dy + (b * l->f + f) * l->oh * l->ow;
            for (int64_t i = 0; i < l->oh * l->ow; i++) sum += from[i];
        }
        dbias[f] = (REAL)sum;
    }
}

static const REAL *layer_input(const cw_convnet *net, const REAL *acts, int i) {
    return i == 0 ? acts : acts + net->layer[i - 1].output;
}

static cw_dtype feature_dtype(const cw_backend *be, const cw_convnet_desc *desc, int64_t outputs) {
    (void)desc, (void)outputs;
    return be->dtype;
}

static cw_status convnet_forward(cw_convnet *net, cw_tensor *features, void *acts,
                                 const void *packed, void *scratch) {
    (void)scratch;
    CW_TRY(cw_check_features("convnet_forward", "features", &net->desc, REF_DTYPE, features));
    REAL *a = acts;
    for (int i = 0; i < net->desc.n_layers; i++) {
        const conv_layer *l = &net->layer[i];
        conv_forward(l, a + l->output, layer_input(net, a, i), (const REAL *)packed + l->weight);
    }
    const conv_layer *last = &net->layer[net->desc.n_layers - 1];
    memcpy(features->data, a + last->output, last->n_output * sizeof(REAL));
    return CW_OK;
}

static cw_status convnet_backward(cw_convnet *net, void *dparams, void *acts, const void *packed,
                                  const cw_tensor *features, cw_tensor *dfeatures, void *scratch) {
    const char *op = "convnet_backward";
    if (!net->desc.train) {
        return cw_fail(CW_EINVAL, "%s: the convnet was created without train", op);
    }
    CW_TRY(cw_check_features(op, "features", &net->desc, REF_DTYPE, features));
    CW_TRY(cw_check_features(op, "dfeatures", &net->desc, REF_DTYPE, dfeatures));
    const REAL *a = acts;
    const conv_layer *last = &net->layer[net->desc.n_layers - 1];
    memcpy((REAL *)scratch + last->doutput, dfeatures->data, last->n_output * sizeof(REAL));
    for (int i = net->desc.n_layers - 1; i >= 0; i--) {
        const conv_layer *l = &net->layer[i];
        const REAL *y = a + l->output;
        REAL *dy = (REAL *)scratch + l->doutput;
        for (size_t k = 0; k < l->n_output; k++) {
            if (!(y[k] > 0)) dy[k] = 0;
        }
        conv_backward_weights(l, (REAL *)dparams + l->weight, dy, layer_input(net, a, i));
        if (i > 0) {
            conv_backward_data(l, (REAL *)scratch + net->layer[i - 1].doutput, dy,
                               (const REAL *)packed + l->weight, 1);
        }
    }
    return CW_OK;
}

static cw_status convnet_input_gradient(cw_convnet *net, cw_tensor *dinput, const void *acts,
                                        const void *packed, void *scratch) {
    (void)acts;
    const conv_layer *l = &net->layer[0];
    CW_TRY(cw_check_count("convnet_input_gradient", "dinput", REF_DTYPE, dinput,
                          l->batch * l->c * l->h * l->w));
    conv_backward_data(l, dinput->data, (const REAL *)scratch + l->doutput, packed, 1.0 / 255.0);
    return CW_OK;
}
