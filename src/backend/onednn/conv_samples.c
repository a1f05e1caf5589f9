/* Runs of layers by loops of our own: samples shared out among threads. */
#include "backend/onednn/conv.h"
#include "base/parallel.h"

#include <string.h>

bool cw_conv_own_forward(const cw_conv_layer *layer) {
    return layer->direct || layer->tiles;
}

size_t cw_conv_sum_count(const cw_conv_layer *layer) {
    return layer->n_sums + (size_t)cw_onednn_round_up(layer->shape.f, layer->own->lanes);
}

int cw_conv_forward_end(const cw_convnet *net, int from) {
    int to = from;
    while (to < net->desc.n_layers && cw_conv_own_forward(&net->layer[to])) to++;
    return to;
}

int cw_conv_backward_begin(const cw_convnet *net, int top) {
    int bottom = top;
    while (net->layer[bottom].tiles_back && net->layer[bottom - 1].own != NULL) bottom--;
    return bottom;
}

void *cw_conv_own_memory(const cw_convnet *net, void *scratch) {
    return cw_conv_at(scratch, net->threads + (size_t)cw_parallel_self() * net->thread_bytes);
}

/* A call at work: layers [from, to). */
typedef struct run_job {
    const cw_convnet *net;
    int from, to;
    void *acts;
    const void *packed;
    void *scratch;
    float *features; /* (B, F, H_L, W_L); where the run has the last layer */
    const float *dfeatures;
} run_job;

static bool is_last(const cw_convnet *net, int i) {
    return i == net->desc.n_layers - 1;
}

/* Where sample b's part of a block of `bytes` for the minibatch begins. */
static void *sample_at(const cw_convnet *net, const void *all, size_t bytes, int64_t b) {
    return cw_conv_at(all, bytes / (size_t)net->desc.batch * (size_t)b);
}

/* Sample b's output of layer i. One that the backward pass does not want, and no layer but the
 * run's next, stays in the thread's memory. */
static float *output_at(const run_job *job, void *own, int i, int64_t b) {
    const cw_convnet *net = job->net;
    const cw_conv_layer *l = &net->layer[i];
    bool inside = i >= job->from && (i + 1 < job->to || is_last(net, i));
    if (inside && !net->desc.train) return cw_conv_at(own, net->map[i % 2]);
    return sample_at(net, cw_conv_at(job->acts, l->output), l->output_bytes, b);
}

static float *input_at(const run_job *job, void *own, int i, int64_t b) {
    if (i > 0) return output_at(job, own, i - 1, b);
    return sample_at(job->net, job->acts, job->net->input_bytes, b);
}

/* Sample b's gradient to the output of layer i; one that no other run reads or writes is in the
 * thread's memory. */
static float *gradient_at(const run_job *job, void *own, int i, int64_t b) {
    const cw_convnet *net = job->net;
    const cw_conv_layer *l = &net->layer[i];
    bool inside = i >= job->from && i + 1 < job->to;
    if (is_last(net, i)) inside = cw_conv_own_forward(l);
    if (inside) return cw_conv_at(own, net->map[i % 2]);
    return sample_at(net, cw_conv_at(job->scratch, net->gradient[i % 2]), l->output_bytes, b);
}

/* ---------------------------------------------------------------- forward */

/* Blocks of channels to planes. */
static void put_features(const run_job *job, const float *y, int64_t b) {
    const cw_conv_layer *l = &job->net->layer[job->net->desc.n_layers - 1];
    int64_t pixels = l->shape.oh * l->shape.ow;
    float *to = job->features + b * l->shape.f * pixels;
    for (int64_t f = 0; f < l->shape.f; f += l->own->lanes) {
        l->own->to_planes(to + f * pixels, y + f * pixels, pixels);
    }
}

static void forward_sample(const run_job *job, void *own, int64_t b) {
    const cw_convnet *net = job->net;
    for (int i = job->from; i < job->to; i++) {
        const cw_conv_layer *l = &net->layer[i];
        const float *x = input_at(job, own, i, b);
        const void *weight = cw_conv_at(job->packed, l->packed_forward);
        const float *bias = cw_conv_at(job->packed, l->packed_bias);
        float *y = output_at(job, own, i, b);
        if (l->direct) {
            l->own->conv_forward(y, x, weight, bias, &l->shape, 0, l->shape.oh);
        } else {
            cw_tiles_forward(l, y, x, weight, bias, cw_conv_at(own, net->strips));
        }
        if (is_last(net, i)) put_features(job, y, b);
    }
}

/* Items are samples. */
static void forward_body(void *context, int64_t begin, int64_t end) {
    const run_job *job = context;
    for (int64_t b = begin; b < end; b++)
        forward_sample(job, cw_conv_own_memory(job->net, job->scratch), b);
}

void cw_conv_run_forward(const cw_convnet *net, int from, int to, float *features, void *acts,
                         const void *packed, void *scratch) {
    run_job job = {.net = net, .from = from, .to = to, .acts = acts, .packed = packed};
    job.scratch = scratch;
    job.features = features;
    cw_parallel_for(net->desc.batch, 1, forward_body, &job);
}

/* ---------------------------------------------------------------- backward */

static float *sums_of(const run_job *job, int64_t part) {
    return (float *)cw_conv_at(job->scratch, job->net->sums) + (size_t)part * job->net->sum_count;
}

/* The gradient to the last output, before its ReLU: planes to blocks of channels. */
static void take_features(const run_job *job, float *dy, const float *y, int64_t b) {
    const cw_conv_layer *l = &job->net->layer[job->net->desc.n_layers - 1];
    int64_t pixels = l->shape.oh * l->shape.ow;
    const float *from = job->dfeatures + b * l->shape.f * pixels;
    for (int64_t f = 0; f < l->shape.f; f += l->own->lanes) {
        l->own->from_planes(dy + f * pixels, from + f * pixels, y + f * pixels, pixels);
    }
}

/* Raw pixels by pairs of channels, as plain maps. */
static void unpack_pixels(const cw_conv_layer *layer, float *plain, const uint16_t *from) {
    const cw_conv_shape *s = &layer->shape;
    size_t pixels = (size_t)(s->h * s->w);
    for (int64_t c = 0; c < s->c; c += 2, from += 2 * pixels) {
        float *first = plain + (size_t)c * pixels;
        layer->own->from_pixel_pairs(first, c + 1 < s->c ? first + pixels : NULL, from, pixels);
    }
}

/* Adds the gradient to the weights of layer i, which no tiles serve. */
static void add_direct_gradient(const run_job *job, void *own, int i, float *sums, const float *x,
                                const float *dy) {
    const cw_convnet *net = job->net;
    const cw_conv_layer *l = &net->layer[i];
    cw_conv_shape shape = l->shape;
    if (i == 0 && net->raw_pixels) {
        float *plain = cw_conv_at(own, net->strips);
        unpack_pixels(l, plain, (const uint16_t *)x);
        x = plain;
        shape.x_block = 1;
    }
    l->own->conv_weights(sums, sums + l->n_sums, x, dy, &shape);
}

static void backward_sample(const run_job *job, void *own, float *part_sums, int64_t b) {
    const cw_convnet *net = job->net;
    for (int i = job->to - 1; i >= job->from; i--) {
        const cw_conv_layer *l = &net->layer[i];
        const float *x = input_at(job, own, i, b);
        float *dy = gradient_at(job, own, i, b);
        float *sums = part_sums + l->sums;
        float *strips = cw_conv_at(own, net->strips);
        if (is_last(net, i) && cw_conv_own_forward(l)) {
            take_features(job, dy, output_at(job, own, i, b), b);
        }
        if (l->tiles) {
            cw_tiles_add_gradient(l, sums, x, dy, strips);
        } else {
            add_direct_gradient(job, own, i, sums, x, dy);
        }
        if (l->tiles_back) {
            cw_tiles_backward_data(l, gradient_at(job, own, i - 1, b), x, dy,
                                   cw_conv_at(job->packed, l->packed_backward), strips);
        }
    }
}

/* Items are parts of the minibatch. */
static void backward_body(void *context, int64_t begin, int64_t end) {
    const run_job *job = context;
    const cw_convnet *net = job->net;
    for (int64_t part = begin; part < end; part++) {
        float *sums = sums_of(job, part);
        for (int i = job->from; i < job->to; i++) {
            const cw_conv_layer *l = &net->layer[i];
            memset(sums + l->sums, 0, cw_conv_sum_count(l) * sizeof *sums);
        }
        int64_t stop = net->desc.batch * (part + 1) / net->parts;
        for (int64_t b = net->desc.batch * part / net->parts; b < stop; b++) {
            backward_sample(job, cw_conv_own_memory(net, job->scratch), sums, b);
        }
    }
}

typedef struct collect_job {
    const cw_convnet *net;
    const cw_conv_layer *layer;
    const float *sums; /* the layer's, of the first part */
    float *dweight;
} collect_job;

static float add_parts(const collect_job *job, size_t at) {
    float sum = 0;
    for (int64_t p = 0; p < job->net->parts; p++) {
        sum += job->sums[(size_t)p * job->net->sum_count + at];
    }
    return sum;
}

/* From the kernel's layout to OIHW. Items are filters. */
static void collect_direct(void *context, int64_t begin, int64_t end) {
    const collect_job *job = context;
    const cw_conv_layer *l = job->layer;
    int64_t lanes = l->own->lanes;
    int64_t taps = l->shape.c * 9;
    for (int64_t f = begin; f < end; f++) {
        for (int64_t k = 0; k < taps; k++) {
            size_t at = (size_t)(f / lanes * taps * lanes + k * lanes + f % lanes);
            job->dweight[f * taps + k] = add_parts(job, at);
        }
    }
}

/* Items are input channels. */
static void collect_tiles(void *context, int64_t begin, int64_t end) {
    const collect_job *job = context;
    job->layer->own->winograd_collect(job->dweight, job->sums, job->net->sum_count,
                                      (int)job->net->parts, &job->layer->forward_tiles, begin, end);
}

/* Adds the parts' sums in order. */
static void collect(const run_job *run, int i, float *dparams) {
    const cw_conv_layer *l = &run->net->layer[i];
    collect_job job = {.net = run->net, .layer = l, .sums = sums_of(run, 0) + l->sums};
    job.dweight = dparams + l->param;
    if (l->tiles) {
        cw_parallel_for(l->shape.c, 8, collect_tiles, &job);
    } else {
        cw_parallel_for(l->shape.f, 8, collect_direct, &job);
    }
    float *dbias = job.dweight + l->n_weight;
    for (int64_t f = 0; f < l->shape.f; f++) dbias[f] = add_parts(&job, l->n_sums + (size_t)f);
}

void cw_conv_run_backward(const cw_convnet *net, int bottom, int top, float *dparams,
                          const void *acts, const void *packed, const float *dfeatures,
                          void *scratch) {
    run_job job = {.net = net, .from = bottom, .to = top + 1, .acts = (void *)acts};
    job.packed = packed;
    job.scratch = scratch;
    job.dfeatures = dfeatures;
    cw_parallel_for(net->parts, 1, backward_body, &job);
    for (int i = bottom; i <= top; i++) collect(&job, i, dparams);
}
