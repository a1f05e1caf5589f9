/* Layers by Winograd's tiles: which ones, and their calls. */
#include "backend/onednn/conv.h"
#include "base/parallel.h"

/* Channels below which the transforms cost more than they save. */
#define FEWEST_CHANNELS 8

bool cw_tiles_choose(cw_winograd *out, const cw_kernels *kernels, const cw_conv_shape *shape,
                     bool backward) {
    const cw_conv_shape *s = shape;
    int64_t lanes = kernels->lanes;
    if (s->stride != 1 || s->x_block != lanes || s->c % lanes != 0 || s->f % lanes != 0) {
        return false;
    }
    if (s->c < FEWEST_CHANNELS || s->f < FEWEST_CHANNELS) return false;
    cw_winograd g = {.in_c = s->c, .in_h = s->h, .in_w = s->w};
    g.out_c = s->f;
    g.out_h = s->oh;
    g.out_w = s->ow;
    if (backward) {
        g = (cw_winograd){.in_c = s->f, .in_h = s->oh, .in_w = s->ow};
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
    *out = g;
    return true;
}

void cw_tiles_forward(const cw_conv_layer *layer, float *y, const float *x, const void *u,
                      const float *bias, float *strips) {
    layer->own->winograd_apply(y, x, u, bias, NULL, &layer->forward_tiles, strips);
}

void cw_tiles_backward_data(const cw_conv_layer *layer, float *dx, const float *x, const float *dy,
                            const void *u, float *strips) {
    layer->own->winograd_apply(dx, dy, u, NULL, x, &layer->backward_tiles, strips);
}

void cw_tiles_add_gradient(const cw_conv_layer *layer, float *sums, const float *x, const float *dy,
                           float *strips) {
    layer->own->winograd_gradient(sums, sums + layer->n_sums, x, dy, &layer->forward_tiles, strips);
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
