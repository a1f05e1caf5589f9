/* The calls of a convnet: pack, input, forward, backward. */
#include "backend/onednn/conv.h"

#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

#include <string.h>

static void *at(const void *base, size_t byte) {
    return (char *)base + byte;
}

static cw_status run(const cw_convnet *net, const cw_prim *prim, void *scratch,
                     void *const *pointers) {
    const cw_onednn *state = net->be->state;
    return cw_prim_run(prim, state->stream, scratch != NULL ? at(scratch, net->prim_scratch) : NULL,
                       pointers);
}

typedef struct direct_job {
    const cw_conv_layer *layer;
    float *y;
    const char *x; /* one sample after the other, of x_bytes */
    size_t x_bytes;
    const void *w;
    const float *bias;
} direct_job;

/* Items are output rows of all samples. */
static void direct_body(void *context, int64_t begin, int64_t end) {
    const direct_job *job = context;
    const cw_conv_shape *s = &job->layer->shape;
    for (int64_t row = begin; row < end;) {
        int64_t b = row / s->oh;
        int64_t stop = end < (b + 1) * s->oh ? end : (b + 1) * s->oh;
        job->layer->own->conv_forward(job->y + b * s->f * s->oh * s->ow,
                                      job->x + (size_t)b * job->x_bytes, job->w, job->bias, s,
                                      row - b * s->oh, stop - b * s->oh);
        row = stop;
    }
}

static void forward_direct(const cw_convnet *net, const cw_conv_layer *layer, float *y,
                           const void *x, const void *w, const float *bias) {
    direct_job job = {.layer = layer, .y = y, .x = x, .w = w, .bias = bias};
    job.x_bytes = net->input_bytes / (size_t)net->desc.batch;
    cw_parallel_for(net->desc.batch * layer->shape.oh, 1, direct_body, &job);
}

cw_status cw_onednn_convnet_pack(cw_convnet *net, void *packed, const void *params) {
    cw_onednn_enter(net->be);
    if (net->units != NULL) {
        cw_units_pack(net->units, packed, params);
        return CW_OK;
    }
    for (int i = 0; i < net->desc.n_layers; i++) {
        const cw_conv_layer *layer = &net->layer[i];
        const float *weight = (const float *)params + layer->param;
        if (layer->direct) {
            layer->own->conv_pack(at(packed, layer->packed_forward), weight,
                                  net->raw_pixels ? 255.0F : 1.0F, &layer->shape);
        } else if (layer->tiles) {
            cw_tiles_pack(layer, &layer->forward_tiles, at(packed, layer->packed_forward), weight);
        } else {
            void *forward[2] = {(void *)weight, at(packed, layer->packed_forward)};
            CW_TRY(run(net, &layer->pack_forward, NULL, forward));
        }
        memcpy(at(packed, layer->packed_bias), weight + layer->n_weight,
               (size_t)layer->shape.f * sizeof(float));
        if (layer->tiles_back) {
            cw_tiles_pack(layer, &layer->backward_tiles, at(packed, layer->packed_backward),
                          weight);
        }
        if (layer->pack_backward.primitive == NULL) continue;
        void *backward[2] = {(void *)weight, at(packed, layer->packed_backward)};
        CW_TRY(run(net, &layer->pack_backward, NULL, backward));
    }
    return CW_OK;
}

typedef struct input_job {
    const cw_kernels *kernels;
    const cw_image_batch *images;
    const cw_conv_shape *shape;
    char *to;
} input_job;

/* A sample whose channels lie in pairs. */
static void gather_pairs(const input_job *job, void *to, int64_t b) {
    const cw_conv_shape *s = job->shape;
    int64_t width = job->images->frame_width;
    uint16_t *out = to;
    for (int64_t c = 0; c < s->c; c += 2) {
        const uint8_t *first = cw_onednn_crop_corner(job->images, b, c);
        const uint8_t *second = c + 1 < s->c ? cw_onednn_crop_corner(job->images, b, c + 1) : NULL;
        for (int64_t i = 0; i < s->h; i++, out += 2 * s->w) {
            job->kernels->pixel_pairs(out, first + i * width,
                                      second != NULL ? second + i * width : NULL, (size_t)s->w);
        }
    }
}

/* Samples [begin, end): crops, in the first layer's layout; channels that only fill up a block
 * are zero. */
static void input_body(void *context, int64_t begin, int64_t end) {
    const input_job *job = context;
    const cw_image_batch *im = job->images;
    const cw_conv_shape *s = job->shape;
    int64_t block = s->x_block;
    int64_t padded = (s->c + block - 1) / block * block;
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * padded * s->h * s->w;
        if (block == 2) { /* fills up the last pair itself */
            gather_pairs(job, job->to + (size_t)first * sizeof(uint16_t), b);
            continue;
        }
        float *sample = (float *)job->to + first;
        if (padded > s->c) memset(sample, 0, (size_t)(padded * s->h * s->w) * sizeof *sample);
        for (int64_t c = 0; c < s->c; c++) {
            const uint8_t *from = cw_onednn_crop_corner(im, b, c);
            int64_t channel = c / block * s->h * s->w * block + c % block;
            for (int64_t i = 0; i < s->h; i++) {
                job->kernels->pixels(sample + channel + i * s->w * block,
                                     from + i * im->frame_width, (size_t)s->w, (size_t)block);
            }
        }
    }
}

cw_status cw_onednn_convnet_input(cw_convnet *net, void *acts, const cw_image_batch *images) {
    CW_TRY(cw_check_images(&net->desc, images));
    const cw_onednn *state = cw_onednn_enter(net->be);
    if (net->units != NULL) {
        cw_units_input(net->units, acts, images);
        return CW_OK;
    }
    input_job job = {.kernels = state->kernels, .images = images, .shape = &net->layer[0].shape};
    job.to = acts;
    cw_parallel_for(net->desc.batch, 1, input_body, &job);
    return CW_OK;
}

/* The input of layer i: the crops or the output before. */
static void *layer_input(const cw_convnet *net, const void *acts, int i) {
    return at(acts, i == 0 ? 0 : net->layer[i - 1].output);
}

/* Type that features are to be of: matrix units may have rounded them. */
static cw_dtype features_dtype(const cw_convnet *net, const cw_tensor *features) {
    return net->units != NULL && features->dtype == CW_BF16 ? CW_BF16 : CW_F32;
}

cw_status cw_onednn_convnet_forward(cw_convnet *net, cw_tensor *features, void *acts,
                                    const void *packed, void *scratch) {
    CW_TRY(cw_check_features("convnet_forward", "features", &net->desc,
                             features_dtype(net, features), features));
    cw_onednn_enter(net->be);
    if (net->units != NULL) {
        cw_units_forward(net->units, features, acts, packed, scratch);
        return CW_OK;
    }
    for (int i = 0; i < net->desc.n_layers; i++) {
        const cw_conv_layer *l = &net->layer[i];
        void *pointers[4] = {layer_input(net, acts, i), at(packed, l->packed_forward),
                             at(packed, l->packed_bias), at(acts, l->output)};
        if (l->direct) {
            forward_direct(net, l, pointers[3], pointers[0], pointers[1], pointers[2]);
        } else if (l->tiles) {
            cw_tiles_forward(net, l, pointers[3], pointers[0], pointers[1], pointers[2], scratch);
        } else {
            CW_TRY(run(net, &l->forward, scratch, pointers));
        }
    }
    void *pointers[2] = {at(acts, net->layer[net->desc.n_layers - 1].output), features->data};
    return run(net, &net->features_out, scratch, pointers);
}

typedef struct mask_job {
    const cw_kernels *kernels;
    float *dy;
    const float *y;
    size_t n;
} mask_job;

static void mask_body(void *context, int64_t begin, int64_t end) {
    const mask_job *job = context;
    size_t first = (size_t)begin * CW_CHUNK;
    size_t stop = (size_t)end * CW_CHUNK < job->n ? (size_t)end * CW_CHUNK : job->n;
    job->kernels->relu_backward(job->dy + first, job->y + first, stop - first);
}

/* The ReLU's gradient. Both maps have one layout, so it does not matter which; what only fills up
 * a block is zero in both. */
static void mask(const cw_convnet *net, const cw_conv_layer *layer, void *dy, const void *y) {
    const cw_onednn *state = net->be->state;
    mask_job job = {.kernels = state->kernels, .dy = dy, .y = y};
    job.n = layer->output_bytes / sizeof(float);
    cw_parallel_for((int64_t)((job.n + CW_CHUNK - 1) / CW_CHUNK), 4, mask_body, &job);
}

typedef struct weights_job {
    const cw_convnet *net;
    const cw_conv_layer *layer;
    const float *x;
    const float *dy;
    float *sums; /* one set per part */
    float *dweight;
    float *plain; /* one per part: a sample of raw pixels as f32 maps; NULL when x is that */
} weights_job;

static int64_t padded_filters(const weights_job *job) {
    int64_t lanes = job->layer->own->lanes;
    return (job->layer->shape.f + lanes - 1) / lanes * lanes;
}

/* One sample of raw pixels by pairs of channels, as plain maps. */
static const float *unpack_pixels(const weights_job *job, float *plain, int64_t b) {
    const cw_conv_shape *s = &job->layer->shape;
    size_t pixels = (size_t)(s->h * s->w);
    size_t bytes = job->net->input_bytes / (size_t)job->net->desc.batch;
    const uint16_t *from = (const uint16_t *)((const char *)job->x + (size_t)b * bytes);
    for (int64_t c = 0; c < s->c; c += 2, from += 2 * pixels) {
        float *first = plain + (size_t)c * pixels;
        job->layer->own->from_pixel_pairs(first, c + 1 < s->c ? first + pixels : NULL, from,
                                          pixels);
    }
    return plain;
}

/* Each part sums its share of the samples; there are as many parts as threads. */
static void weights_body(void *context, int64_t begin, int64_t end) {
    const weights_job *job = context;
    cw_conv_shape shape = job->layer->shape;
    if (job->plain != NULL) shape.x_block = 1;
    const cw_conv_shape *s = &shape;
    int64_t filters = padded_filters(job);
    int64_t channels = (s->c + s->x_block - 1) / s->x_block * s->x_block;
    int64_t batch = job->net->desc.batch;
    int64_t parts = job->net->be->threads;
    for (int64_t part = begin; part < end; part++) {
        float *sums = job->sums + (size_t)part * job->net->sums_count;
        float *bias_sums = sums + filters * s->c * 9;
        memset(sums, 0, (size_t)(filters * (s->c * 9 + 1)) * sizeof(float));
        for (int64_t b = batch * part / parts; b < batch * (part + 1) / parts; b++) {
            const float *x = job->x + b * channels * s->h * s->w;
            if (job->plain != NULL) {
                x = unpack_pixels(job, job->plain + (size_t)part * job->net->strip_count, b);
            }
            job->layer->own->conv_weights(sums, bias_sums, x, job->dy + b * filters * s->oh * s->ow,
                                          s);
        }
    }
}

/* Adds the parts in order and turns the kernel's layout into OIHW. Items are filters. */
static void collect_body(void *context, int64_t begin, int64_t end) {
    const weights_job *job = context;
    const cw_conv_shape *s = &job->layer->shape;
    int64_t lanes = job->layer->own->lanes;
    int64_t taps = s->c * 9;
    float *dbias = job->dweight + job->layer->n_weight;
    const float *bias_sums = job->sums + padded_filters(job) * taps;
    size_t step = job->net->sums_count;
    for (int64_t f = begin; f < end; f++) {
        const float *from = job->sums + f / lanes * taps * lanes + f % lanes;
        for (int64_t k = 0; k < taps; k++) {
            float sum = 0;
            for (int p = 0; p < job->net->be->threads; p++) {
                sum += from[(size_t)p * step + (size_t)(k * lanes)];
            }
            job->dweight[f * taps + k] = sum;
        }
        float sum = 0;
        for (int p = 0; p < job->net->be->threads; p++) sum += bias_sums[(size_t)p * step + f];
        dbias[f] = sum;
    }
}

/* dx: the gradient to the output of layer i-1, before its ReLU. */
static cw_status backward_data(const cw_convnet *net, int i, void *dx, const void *acts,
                               const void *packed, void *dy, void *scratch) {
    const cw_conv_layer *l = &net->layer[i];
    void *u = at(packed, l->packed_backward);
    if (l->tiles_back) {
        cw_tiles_backward_data(net, l, dx, layer_input(net, acts, i), dy, u, scratch);
        return CW_OK;
    }
    void *pointers[3] = {dx, u, dy};
    CW_TRY(run(net, &l->backward_data, scratch, pointers));
    mask(net, &net->layer[i - 1], dx, layer_input(net, acts, i));
    return CW_OK;
}

static cw_status backward_weights(const cw_convnet *net, int i, float *dparams, const void *acts,
                                  void *dy, void *scratch) {
    const cw_conv_layer *l = &net->layer[i];
    float *dweight = dparams + l->param;
    void *x = layer_input(net, acts, i);
    if (l->tiles) {
        cw_tiles_backward_weights(net, l, dweight, x, dy, scratch);
        return CW_OK;
    }
    if (l->own != NULL) {
        weights_job job = {.net = net, .layer = l, .x = x, .dy = dy, .dweight = dweight};
        job.sums = at(scratch, net->sums);
        if (i == 0 && net->raw_pixels) job.plain = at(scratch, net->strips);
        cw_parallel_for(net->be->threads, 1, weights_body, &job);
        cw_parallel_for(l->shape.f, 8, collect_body, &job);
        return CW_OK;
    }
    void *native = at(scratch, l->dweight);
    void *pointers[4] = {x, native, dweight + l->n_weight, dy};
    CW_TRY(run(net, &l->backward_weights, scratch, pointers));
    void *unpack[2] = {native, dweight};
    return run(net, &l->unpack_dweight, scratch, unpack);
}

cw_status cw_onednn_convnet_backward(cw_convnet *net, void *dparams, void *acts, const void *packed,
                                     const cw_tensor *features, cw_tensor *dfeatures,
                                     void *scratch) {
    const char *op = "convnet_backward";
    if (!net->desc.train) {
        return cw_fail(CW_EINVAL, "%s: the convnet was created without train", op);
    }
    cw_dtype dtype = features_dtype(net, features);
    CW_TRY(cw_check_features(op, "features", &net->desc, dtype, features));
    CW_TRY(cw_check_features(op, "dfeatures", &net->desc, dtype, dfeatures));
    cw_onednn_enter(net->be);
    if (net->units != NULL) {
        cw_units_backward(net->units, dparams, acts, packed, features, dfeatures, scratch);
        return CW_OK;
    }
    int last = net->desc.n_layers - 1;
    void *dy = at(scratch, net->gradient[last % 2]);
    void *in[2] = {dfeatures->data, dy};
    CW_TRY(run(net, &net->features_in, scratch, in));
    mask(net, &net->layer[last], dy, at(acts, net->layer[last].output));
    for (int i = last; i >= 0; i--) {
        CW_TRY(backward_weights(net, i, dparams, acts, dy, scratch));
        if (i == 0) break;
        void *dx = at(scratch, net->gradient[(i - 1) % 2]);
        CW_TRY(backward_data(net, i, dx, acts, packed, dy, scratch));
        dy = dx;
    }
    return CW_OK;
}
