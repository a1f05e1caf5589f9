/* The calls of a convnet: pack, input, forward, backward. */
#include "backend/onednn/conv.h"

#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

#include <string.h>

static cw_status run(const cw_convnet *net, const cw_prim *prim, void *scratch,
                     void *const *pointers) {
    const cw_onednn *state = net->be->state;
    return cw_prim_run(prim, state->stream,
                       scratch != NULL ? cw_conv_at(scratch, net->prim_scratch) : NULL, pointers);
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
            layer->own->conv_pack(cw_conv_at(packed, layer->packed_forward), weight,
                                  net->raw_pixels ? 255.0F : 1.0F, &layer->shape);
        } else if (layer->tiles) {
            cw_tiles_pack(layer, &layer->forward_tiles, cw_conv_at(packed, layer->packed_forward),
                          weight);
        } else {
            void *forward[2] = {(void *)weight, cw_conv_at(packed, layer->packed_forward)};
            CW_TRY(run(net, &layer->pack_forward, NULL, forward));
        }
        memcpy(cw_conv_at(packed, layer->packed_bias), weight + layer->n_weight,
               (size_t)layer->shape.f * sizeof(float));
        if (layer->tiles_back) {
            cw_tiles_pack(layer, &layer->backward_tiles, cw_conv_at(packed, layer->packed_backward),
                          weight);
        }
        if (layer->pack_backward.primitive == NULL) continue;
        void *backward[2] = {(void *)weight, cw_conv_at(packed, layer->packed_backward)};
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
    return cw_conv_at(acts, i == 0 ? 0 : net->layer[i - 1].output);
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
    int n = net->desc.n_layers;
    for (int i = 0; i < n;) {
        const cw_conv_layer *l = &net->layer[i];
        if (cw_conv_own_forward(l)) {
            int end = cw_conv_forward_end(net, i);
            cw_conv_run_forward(net, i, end, features->data, acts, packed, scratch);
            i = end;
            continue;
        }
        void *pointers[4] = {layer_input(net, acts, i), cw_conv_at(packed, l->packed_forward),
                             cw_conv_at(packed, l->packed_bias), cw_conv_at(acts, l->output)};
        CW_TRY(run(net, &l->forward, scratch, pointers));
        i++;
    }
    if (cw_conv_own_forward(&net->layer[n - 1])) return CW_OK;
    void *pointers[2] = {cw_conv_at(acts, net->layer[n - 1].output), features->data};
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

/* The gradient to a layer's output, of the whole minibatch. */
static void *gradient_of(const cw_convnet *net, void *scratch, int i) {
    return cw_conv_at(scratch, net->gradient[i % 2]);
}

/* The gradient to the weights of a layer that is oneDNN's. */
static cw_status library_weights(const cw_convnet *net, int i, float *dparams, const void *acts,
                                 void *scratch) {
    const cw_conv_layer *l = &net->layer[i];
    float *dweight = dparams + l->param;
    void *native = cw_conv_at(scratch, l->dweight);
    void *pointers[4] = {layer_input(net, acts, i), native, dweight + l->n_weight,
                         gradient_of(net, scratch, i)};
    CW_TRY(run(net, &l->backward_weights, scratch, pointers));
    void *unpack[2] = {native, dweight};
    return run(net, &l->unpack_dweight, scratch, unpack);
}

/* The gradient to the output of layer i-1, before its ReLU. */
static cw_status library_data(const cw_convnet *net, int i, const void *acts, const void *packed,
                              void *scratch) {
    const cw_conv_layer *l = &net->layer[i];
    void *dx = gradient_of(net, scratch, i - 1);
    void *pointers[3] = {dx, cw_conv_at(packed, l->packed_backward), gradient_of(net, scratch, i)};
    CW_TRY(run(net, &l->backward_data, scratch, pointers));
    mask(net, &net->layer[i - 1], dx, layer_input(net, acts, i));
    return CW_OK;
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
    if (!cw_conv_own_forward(&net->layer[last])) {
        void *dy = gradient_of(net, scratch, last);
        void *in[2] = {dfeatures->data, dy};
        CW_TRY(run(net, &net->features_in, scratch, in));
        mask(net, &net->layer[last], dy, cw_conv_at(acts, net->layer[last].output));
    }
    for (int i = last; i >= 0; i--) {
        const cw_conv_layer *l = &net->layer[i];
        if (l->own != NULL) {
            int top = i;
            i = cw_conv_backward_begin(net, top);
            l = &net->layer[i];
            cw_conv_run_backward(net, i, top, dparams, acts, packed, dfeatures->data, scratch);
        } else {
            CW_TRY(library_weights(net, i, dparams, acts, scratch));
        }
        if (i > 0 && !l->tiles_back) CW_TRY(library_data(net, i, acts, packed, scratch));
    }
    return CW_OK;
}
