/* The first layer reads 9 channels: is it faster to fill them up to 16 with zeros, images and
 * weights alike (16/9 of the bytes and sums, but whole blocks), or to leave them plain? */
#include "backend/onednn/conv.h"
#include "bench.h"

#include <stdio.h>
#include <string.h>

typedef struct layout {
    const char *name;
    dnnl_format_tag_t tag;
    int64_t block;    /* channels per block */
    int64_t channels; /* that the convolution is told of */
} layout;

/* A first layer whose input has a given layout. */
typedef struct first_layer {
    cw_onednn *state;
    cw_conv_shape shape;
    int64_t batch;
    cw_prim forward, weights;
    float *x, *w, *b, *y, *dw, *db, *sums;
    void *scratch;
    uint8_t *pixels;
} first_layer;

static void call_forward(void *context) {
    first_layer *f = context;
    void *pointers[4] = {f->x, f->w, f->b, f->y};
    must(cw_prim_run(&f->forward, f->state->stream, f->scratch, pointers));
}

static void call_weights(void *context) {
    first_layer *f = context;
    void *pointers[4] = {f->x, f->dw, f->db, f->y};
    must(cw_prim_run(&f->weights, f->state->stream, f->scratch, pointers));
}

/* One thread's share of what convnet_input and the backend's own gradient loop do. */
static void call_pixels(void *context) {
    first_layer *f = context;
    const cw_conv_shape *s = &f->shape;
    int64_t padded = (s->c + s->x_block - 1) / s->x_block * s->x_block;
    for (int64_t b = 0; b < f->batch; b++) {
        float *sample = f->x + b * padded * s->h * s->w;
        if (padded > s->c) memset(sample, 0, (size_t)(padded * s->h * s->w) * sizeof(float));
        for (int64_t c = 0; c < s->c; c++) {
            float *to = sample + c / s->x_block * s->h * s->w * s->x_block + c % s->x_block;
            f->state->kernels->pixels(to, f->pixels + (b * s->c + c) * s->h * s->w,
                                      (size_t)(s->h * s->w), (size_t)s->x_block);
        }
    }
}

static void call_own_weights(void *context) {
    first_layer *f = context;
    const cw_conv_shape *s = &f->shape;
    int64_t padded = (s->c + s->x_block - 1) / s->x_block * s->x_block;
    for (int64_t b = 0; b < f->batch; b++) {
        f->state->kernels->conv_weights(f->sums, f->db, f->x + b * padded * s->h * s->w,
                                        f->y + b * s->f * s->oh * s->ow, s);
    }
}

static int64_t floats(const cw_prim *prim, int argument) {
    cw_md md;
    must(cw_prim_md(prim, argument, &md));
    size_t bytes = cw_md_bytes(&md);
    cw_md_free(&md);
    return (int64_t)(bytes / sizeof(float));
}

static void make_prims(first_layer *f, const layout *l) {
    const cw_conv_shape *s = &f->shape;
    cw_conv_mds mds = {.stride = s->stride};
    must(cw_md_init(&mds.src, 4, (int64_t[]){f->batch, l->channels, s->h, s->w}, l->tag));
    must(cw_md_init(&mds.weights, 4, (int64_t[]){s->f, l->channels, 3, 3}, dnnl_format_tag_any));
    must(cw_md_init(&mds.bias, 1, &s->f, dnnl_x));
    must(cw_md_init(&mds.dst, 4, (int64_t[]){f->batch, s->f, s->oh, s->ow},
                    f->state->kernels->lanes == 16 ? dnnl_nChw16c : dnnl_nChw8c));
    must(cw_prim_conv_forward(&f->forward, f->state->engine, &mds, true));
    must(cw_prim_conv_backward_weights(&f->weights, f->state->engine, &mds, &f->forward));
    cw_md_free(&mds.src);
    cw_md_free(&mds.weights);
    cw_md_free(&mds.bias);
    cw_md_free(&mds.dst);
}

/* oneDNN's reference loops, a thousand times slower than anything else, are named but not timed. */
static void prim_row(const char *name, timed_fn call, first_layer *f, const cw_prim *prim,
                     double flops) {
    const char *kernel = cw_prim_kernel(prim);
    if (strncmp(kernel, "ref", 3) == 0) {
        printf("%-34s %9s  %s, not timed\n", name, "", kernel);
    } else {
        row(name, best_seconds(call, f), flops, 0, kernel);
    }
}

static void bench_layout(first_layer *f, const layout *l) {
    make_prims(f, l);
    f->shape.x_block = l->block;
    int64_t scratch = (int64_t)(f->forward.scratch + f->weights.scratch);
    f->scratch = block((size_t)scratch);
    f->x = reals(floats(&f->forward, DNNL_ARG_SRC));
    f->w = reals(floats(&f->forward, DNNL_ARG_WEIGHTS));
    f->b = reals(f->shape.f);
    f->y = reals(floats(&f->forward, DNNL_ARG_DST));
    f->dw = reals(floats(&f->weights, DNNL_ARG_DIFF_WEIGHTS));
    f->db = reals(f->shape.f);
    f->sums = reals(f->shape.f * f->shape.c * 9);
    f->pixels = block((size_t)(f->batch * f->shape.c * f->shape.h * f->shape.w));
    cw_convnet_desc d = {.batch = f->batch, .channels = 9, .height = 84, .width = 84};
    d.n_layers = 1;
    d.filters = f->shape.f;
    d.first_stride = 2;
    double flops = conv_flops(&d, 0);
    char name[64];
    snprintf(name, sizeof name, "  %s forward", l->name);
    prim_row(name, call_forward, f, &f->forward, flops);
    snprintf(name, sizeof name, "  %s backward weights", l->name);
    prim_row(name, call_weights, f, &f->weights, flops);
    snprintf(name, sizeof name, "  %s own loop, 1 thread", l->name);
    row(name, best_seconds(call_own_weights, f), flops, 0, "backward weights");
    snprintf(name, sizeof name, "  %s pixels, 1 thread", l->name);
    row(name, best_seconds(call_pixels, f), 0, 0, "");
    float *all[] = {f->x, f->w, f->b, f->y, f->dw, f->db, f->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cw_free(all[i]);
    cw_free(f->scratch);
    cw_free(f->pixels);
    cw_prim_free(&f->forward);
    cw_prim_free(&f->weights);
}

void bench_first_layer(cw_backend *be, int64_t batch) {
    first_layer f = {.state = be->state, .batch = batch};
    f.shape = (cw_conv_shape){.c = 9, .h = 84, .w = 84, .f = 32, .oh = 41, .ow = 41, .stride = 2};
    int64_t lanes = f.state->kernels->lanes;
    const layout layouts[] = {
        {"plain (9)", dnnl_nchw, 1, 9},
        {"pixels first (9)", dnnl_nhwc, 9, 9},
        {lanes == 16 ? "blocked (16)" : "blocked (8x2)", lanes == 16 ? dnnl_nChw16c : dnnl_nChw8c,
         lanes, 16},
    };
    printf("conv 1 by layout of its input:\n");
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) bench_layout(&f, &layouts[i]);
}
