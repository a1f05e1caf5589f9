/* Layers by Winograd's tiles: which ones, and their calls on every thread. */
#include "backend/onednn/conv.h"
#include "base/parallel.h"

#include <string.h>

/* The tiles of a strip, inputs and outputs, are to stay in a core's second-level cache beside the
 * weights. */
#define STRIP_BYTES (384 * 1024)

/* Channels below which the transforms cost more than they save. */
#define FEWEST_CHANNELS 8

bool cw_tiles_choose(cw_winograd *out, const cw_kernels *kernels, const cw_conv_shape *shape,
                     int64_t batch, bool backward) {
    const cw_conv_shape *s = shape;
    int64_t lanes = kernels->lanes;
    if (s->stride != 1 || s->x_block != lanes || s->c % lanes != 0 || s->f % lanes != 0) {
        return false;
    }
    if (s->c < FEWEST_CHANNELS || s->f < FEWEST_CHANNELS) return false;
    cw_winograd g = {.batch = batch, .in_c = s->c, .in_h = s->h, .in_w = s->w};
    g.out_c = s->f;
    g.out_h = s->oh;
    g.out_w = s->ow;
    if (backward) {
        g = (cw_winograd){.batch = batch, .in_c = s->f, .in_h = s->oh, .in_w = s->ow};
        g.out_c = s->c;
        g.out_h = s->h;
        g.out_w = s->w;
        g.padding = 2;
    }
    g.factor_bytes = kernels->factor_bytes;
    g.tiles_h = (g.out_h + 3) / 4;
    g.tiles_w = (g.out_w + 3) / 4;
    /* Transforms and small products cost about as much again as half of the products. */
    int64_t direct = 9 * g.out_h * g.out_w;
    if (3 * 36 * g.tiles_h * g.tiles_w > 2 * direct) return false;
    int64_t fitting = STRIP_BYTES / (36 * (int64_t)sizeof(float) * (g.in_c + g.out_c));
    int64_t all = cw_onednn_round_up(batch * g.tiles_h * g.tiles_w, kernels->tile_rows);
    g.strip = fitting / kernels->tile_rows * kernels->tile_rows;
    if (g.strip < kernels->tile_rows) g.strip = kernels->tile_rows;
    if (g.strip > all) g.strip = all;
    *out = g;
    return true;
}

size_t cw_tiles_scratch(const cw_winograd *tiles) {
    /* A vector more per place, so that the 36 places do not fall into the same cache sets. */
    return 36 * ((size_t)(tiles->strip * (tiles->in_c + tiles->out_c)) + 2 * 16);
}

static void *at(const void *base, size_t byte) {
    return (char *)base + byte;
}

/* What the parts of a call share; there are as many parts as threads, each with a contiguous
 * share of the strips. */
typedef struct tiles_job {
    const cw_convnet *net;
    const cw_kernels *kernels;
    const cw_winograd *tiles;
    float *out;
    const float *in;
    const void *u;
    const float *bias;
    const float *relu;
    const float *dy;
    float *strips; /* scratch, one set per thread */
    float *sums;   /* partial gradients, one set per part: as many as threads */
} tiles_job;

static tiles_job make_job(const cw_convnet *net, const cw_conv_layer *layer,
                          const cw_winograd *tiles, void *scratch) {
    tiles_job job = {.net = net, .kernels = layer->own, .tiles = tiles};
    job.strips = at(scratch, net->strips);
    job.sums = at(scratch, net->sums);
    return job;
}

static int64_t count_strips(const cw_winograd *g) {
    return (g->batch * g->tiles_h * g->tiles_w + g->strip - 1) / g->strip;
}

/* The calling thread's tiles at work. */
static float *own_strips(const tiles_job *job) {
    return job->strips + (size_t)cw_parallel_self() * job->net->strip_count;
}

/* Items are strips. */
static void apply_body(void *context, int64_t begin, int64_t end) {
    const tiles_job *job = context;
    job->kernels->winograd_apply(job->out, job->in, job->u, job->bias, job->relu, job->tiles,
                                 own_strips(job), begin, end);
}

void cw_tiles_forward(const cw_convnet *net, const cw_conv_layer *layer, float *y, const float *x,
                      const void *u, const float *bias, void *scratch) {
    tiles_job job = make_job(net, layer, &layer->forward_tiles, scratch);
    job.out = y;
    job.in = x;
    job.u = u;
    job.bias = bias;
    cw_parallel_for(count_strips(job.tiles), 1, apply_body, &job);
}

void cw_tiles_backward_data(const cw_convnet *net, const cw_conv_layer *layer, float *dx,
                            const float *x, const float *dy, const void *u, void *scratch) {
    tiles_job job = make_job(net, layer, &layer->backward_tiles, scratch);
    job.out = dx;
    job.in = dy;
    job.u = u;
    job.relu = x;
    cw_parallel_for(count_strips(job.tiles), 1, apply_body, &job);
}

static size_t count_products(const cw_winograd *g) {
    return (size_t)(36 * g->in_c * g->out_c);
}

static void gradient_body(void *context, int64_t begin, int64_t end) {
    const tiles_job *job = context;
    size_t count = count_products(job->tiles);
    for (int64_t part = begin; part < end; part++) {
        int64_t first = count_strips(job->tiles) * part / job->net->be->threads;
        int64_t stop = count_strips(job->tiles) * (part + 1) / job->net->be->threads;
        float *sums = job->sums + (size_t)part * job->net->sums_count;
        memset(sums, 0, (count + (size_t)job->tiles->out_c) * sizeof *sums);
        job->kernels->winograd_gradient(sums, sums + count, job->in, job->dy, job->tiles,
                                        own_strips(job), first, stop);
    }
}

static void collect_body(void *context, int64_t begin, int64_t end) {
    const tiles_job *job = context;
    job->kernels->winograd_collect(job->out, job->sums, job->net->sums_count, job->net->be->threads,
                                   job->tiles, begin, end);
}

void cw_tiles_backward_weights(const cw_convnet *net, const cw_conv_layer *layer, float *dweight,
                               const float *x, const float *dy, void *scratch) {
    tiles_job job = make_job(net, layer, &layer->forward_tiles, scratch);
    job.out = dweight;
    job.in = x;
    job.dy = dy;
    cw_parallel_for(net->be->threads, 1, gradient_body, &job);
    cw_parallel_for(layer->shape.c, 8, collect_body, &job);
    const float *bias_sums = job.sums + count_products(job.tiles);
    for (int64_t f = 0; f < layer->shape.f; f++) {
        float sum = 0;
        for (int p = 0; p < net->be->threads; p++) {
            sum += bias_sums[(size_t)p * net->sums_count + (size_t)f];
        }
        dweight[layer->n_weight + (size_t)f] = sum;
    }
}

typedef struct pack_job {
    const cw_kernels *kernels;
    const cw_winograd *tiles;
    void *u;
    const float *weight;
} pack_job;

static void pack_body(void *context, int64_t begin, int64_t end) {
    const pack_job *job = context;
    job->kernels->winograd_pack(job->u, job->weight, job->tiles, job->tiles->padding > 0, begin,
                                end);
}

void cw_tiles_pack(const cw_conv_layer *layer, const cw_winograd *tiles, void *u,
                   const float *weight) {
    pack_job job = {.kernels = layer->own, .tiles = tiles, .u = u, .weight = weight};
    cw_parallel_for(tiles->in_c, 8, pack_body, &job);
}
