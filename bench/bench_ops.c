/* Times of the oneDNN backend's convolutions at the sizes of CURL's networks, layer by layer and by
 * each kernel that could do the work; `curlew bench ops` times what the backend offers as a whole.
 *
 * usage: bench_ops [THREADS] [BATCH] [f32|bf16]      (default: every core, 128, f32)
 *
 * With one thread the clock is the process's CPU time, which other work on the machine hardly
 * changes; with more it is wall time, and the machine has to be idle. */
#include "backend/onednn/conv.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/parallel.h"
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void must(cw_status status) {
    if (status == CW_OK) return;
    fprintf(stderr, "bench_ops: %s\n", cw_last_error());
    exit(1);
}

void *block(size_t bytes) {
    void *p;
    must(cw_alloc(&p, bytes == 0 ? 1 : bytes, 1, "memory of a benchmark"));
    return p;
}

float *reals(int64_t n) {
    float *p = block((size_t)n * sizeof *p);
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        int32_t high = (int32_t)state / 256; /* 24 bits */
        p[i] = (float)high / 8388608.0f;
    }
    return p;
}

static bool cpu_time;

static double now(void) {
    if (!cpu_time) return cw_clock_s();
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double best_seconds(timed_fn call, void *context) {
    call(context);
    double best = 1e9;
    double begin = now();
    for (int i = 0; i < 3 || (i < 200 && now() - begin < 0.5); i++) {
        double start = now();
        call(context);
        double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    return best;
}

void row(const char *name, double seconds, double flops, double bytes, const char *note) {
    printf("%-34s %9.3f", name, seconds * 1e3);
    flops > 0 ? printf(" %9.1f", flops / seconds * 1e-9) : printf(" %9s", "");
    bytes > 0 ? printf(" %8.1f", bytes / seconds * 1e-9) : printf(" %8s", "");
    printf("  %s\n", note);
    fflush(stdout);
}

static cw_image_batch random_images(const cw_convnet_desc *d) {
    enum { MARGIN = 16 };
    cw_image_batch im = {.n = d->batch, .stack = 1, .frame_channels = d->channels};
    if (d->channels % 3 == 0) {
        im.stack = d->channels / 3;
        im.frame_channels = 3;
    }
    im.frame_height = d->height + MARGIN;
    im.frame_width = d->width + MARGIN;
    size_t frame = (size_t)(im.frame_channels * im.frame_height * im.frame_width);
    size_t n = (size_t)(im.n * im.stack);
    uint8_t *pixels = block(n * frame);
    for (size_t i = 0; i < n * frame; i++) pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    const uint8_t **frames = block(n * sizeof *frames);
    for (size_t i = 0; i < n; i++) frames[i] = pixels + i * frame;
    int32_t *offset = block((size_t)im.n * sizeof *offset);
    for (int64_t i = 0; i < im.n; i++) offset[i] = (int32_t)(i * 7 % (MARGIN + 1));
    im.frames = frames;
    im.offset_y = offset;
    im.offset_x = offset;
    return im;
}

double conv_flops(const cw_convnet_desc *desc, int layer) {
    int64_t h, w;
    must(cw_convnet_side(desc, layer, &h, &w));
    int64_t inputs = layer == 0 ? desc->channels : desc->filters;
    return 2.0 * 9 * (double)(desc->batch * desc->filters * h * w * inputs);
}

static void call_input(void *context) {
    conv_bench *b = context;
    must(b->be->ops->convnet_input(b->net, b->acts, &b->images));
}

static void call_pack(void *context) {
    conv_bench *b = context;
    must(b->be->ops->convnet_pack(b->net, b->packed, b->params));
}

static void call_forward(void *context) {
    conv_bench *b = context;
    must(b->be->ops->convnet_forward(b->net, &b->features, b->acts, b->packed, b->scratch));
}

static void call_backward(void *context) {
    conv_bench *b = context;
    must(b->be->ops->convnet_backward(b->net, b->dparams, b->acts, b->packed, &b->features,
                                      &b->dfeatures, b->scratch));
}

void conv_bench_open(conv_bench *b, cw_backend *be, const cw_convnet_desc *desc) {
    *b = (conv_bench){.be = be, .desc = *desc};
    must(be->ops->convnet_create(be, &b->net, desc));
    cw_convnet_bytes bytes;
    be->ops->convnet_bytes(b->net, &bytes);
    b->acts = block(bytes.acts);
    b->packed = block(bytes.packed);
    b->scratch = block(bytes.scratch);
    int64_t n_params = cw_convnet_param_count(desc);
    b->params = reals(n_params);
    for (int64_t i = 0; i < n_params; i++) b->params[i] *= 0.1f;
    b->dparams = reals(n_params);
    int64_t n = cw_convnet_features(desc);
    b->features = cw_tensor_2d(CW_F32, reals(desc->batch * n), desc->batch, n);
    b->dfeatures = cw_tensor_2d(CW_F32, reals(desc->batch * n), desc->batch, n);
    b->images = random_images(desc);
    call_pack(b);
    call_input(b);
    call_forward(b);
    if (desc->train) call_backward(b);
}

void conv_bench_close(conv_bench *b) {
    b->be->ops->convnet_destroy(b->net);
    cw_free(b->acts);
    cw_free(b->packed);
    cw_free(b->scratch);
    cw_free(b->params);
    cw_free(b->dparams);
    cw_free(b->features.data);
    cw_free(b->dfeatures.data);
    cw_free((void *)b->images.frames[0]);
    cw_free((void *)b->images.frames);
    cw_free((void *)b->images.offset_y);
}

/* One primitive of a convnet's layer on memory of its own. */
typedef struct prim_call {
    const cw_prim *prim;
    dnnl_stream_t stream;
    void *scratch;
    void *pointers[CW_PRIM_MAX_ARGS];
} prim_call;

static void call_prim(void *context) {
    prim_call *p = context;
    must(cw_prim_run(p->prim, p->stream, p->scratch, p->pointers));
}

static size_t prim_bytes(const cw_prim *prim, int argument) {
    cw_md md;
    must(cw_prim_md(prim, argument, &md));
    size_t bytes = cw_md_bytes(&md);
    cw_md_free(&md);
    return bytes;
}

/* Times one primitive on random operands of its own sizes. */
static void bench_prim(const cw_backend *be, const char *name, const cw_prim *prim, double flops) {
    prim_call call = {.prim = prim, .stream = ((cw_onednn *)be->state)->stream};
    call.scratch = block(prim->scratch);
    int n = 0;
    for (int i = 0; i < prim->n_args; i++) {
        if (prim->arg[i].arg == DNNL_ARG_SCRATCHPAD) continue;
        size_t bytes = prim_bytes(prim, prim->arg[i].arg);
        call.pointers[n++] = reals((int64_t)(bytes / sizeof(float)));
    }
    row(name, best_seconds(call_prim, &call), flops, 0, cw_prim_kernel(prim));
    for (int i = 0; i < n; i++) cw_free(call.pointers[i]);
    cw_free(call.scratch);
}

/* The library's kernels on the layouts of the layer's forward kernel. */
static void bench_library(const cw_backend *be, const conv_bench *b, int i, const char *name,
                          double flops) {
    const cw_conv_layer *layer = &b->net->layer[i];
    const cw_conv_shape *s = &layer->shape;
    dnnl_engine_t engine = ((cw_onednn *)be->state)->engine;
    cw_conv_mds mds = {.stride = s->stride};
    must(cw_prim_md(&layer->forward, DNNL_ARG_SRC, &mds.src));
    must(cw_prim_md(&layer->forward, DNNL_ARG_DST, &mds.dst));
    must(cw_md_init(&mds.weights, 4, (int64_t[]){s->f, s->c, 3, 3}, dnnl_format_tag_any));
    must(cw_md_init(&mds.bias, 1, &s->f, dnnl_x));
    cw_prim data, weights;
    must(cw_prim_conv_backward_data(&data, engine, &mds, &layer->forward));
    must(cw_prim_conv_backward_weights(&weights, engine, &mds, &layer->forward));
    char text[80];
    snprintf(text, sizeof text, "%s forward", name);
    bench_prim(be, text, &layer->forward, flops);
    if (i > 0) {
        snprintf(text, sizeof text, "%s backward data", name);
        bench_prim(be, text, &data, flops);
        snprintf(text, sizeof text, "%s backward weights", name);
        bench_prim(be, text, &weights, flops);
    }
    cw_prim_free(&data);
    cw_prim_free(&weights);
    cw_md *all[] = {&mds.src, &mds.weights, &mds.bias, &mds.dst};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) cw_md_free(all[k]);
}

/* A layer of a convnet by tiles, on the convnet's own memory. */
typedef struct tiles_call {
    conv_bench *bench;
    const cw_conv_layer *layer;
    float *x, *y, *dx, *dy, *u_forward, *u_backward, *bias, *sums;
    int64_t inputs, outputs; /* floats of one sample */
    cw_range_fn body;        /* over samples */
} tiles_call;

static float *own_strips(const tiles_call *t) {
    const cw_convnet *net = t->bench->net;
    return cw_conv_at(cw_conv_own_memory(net, t->bench->scratch), net->strips);
}

/* Items are samples. */
static void tiles_forward(void *context, int64_t begin, int64_t end) {
    const tiles_call *t = context;
    for (int64_t b = begin; b < end; b++) {
        cw_tiles_forward(t->layer, t->y + b * t->outputs, t->x + b * t->inputs, t->u_forward,
                         t->bias, own_strips(t));
    }
}

static void tiles_data(void *context, int64_t begin, int64_t end) {
    const tiles_call *t = context;
    for (int64_t b = begin; b < end; b++) {
        cw_tiles_backward_data(t->layer, t->dx + b * t->inputs, t->x + b * t->inputs,
                               t->dy + b * t->outputs, t->u_backward, own_strips(t));
    }
}

static void tiles_gradient(void *context, int64_t begin, int64_t end) {
    const tiles_call *t = context;
    float *sums = t->sums + (size_t)cw_parallel_self() * cw_conv_sum_count(t->layer);
    for (int64_t b = begin; b < end; b++) {
        cw_tiles_add_gradient(t->layer, sums, t->x + b * t->inputs, t->dy + b * t->outputs,
                              own_strips(t));
    }
}

static void call_tiles(void *context) {
    const tiles_call *t = context;
    cw_parallel_for(t->bench->desc.batch, 1, t->body, context);
}

/* The rates are those of the direct convolution: products that tiles save count as done. */
static void bench_tiles(conv_bench *b, int layer, const char *name, double flops) {
    const cw_conv_layer *l = &b->net->layer[layer];
    tiles_call t = {.bench = b, .layer = l};
    t.inputs = l->shape.c * l->shape.h * l->shape.w;
    t.outputs = l->shape.f * l->shape.oh * l->shape.ow;
    t.x = reals(b->desc.batch * t.inputs);
    t.dx = reals(b->desc.batch * t.inputs);
    t.y = reals(b->desc.batch * t.outputs);
    t.dy = reals(b->desc.batch * t.outputs);
    t.sums = reals((int64_t)cw_conv_sum_count(l) * b->be->threads);
    t.u_forward = (float *)((char *)b->packed + l->packed_forward);
    t.u_backward = (float *)((char *)b->packed + l->packed_backward);
    t.bias = (float *)((char *)b->packed + l->packed_bias);
    static const cw_range_fn bodies[3] = {tiles_forward, tiles_data, tiles_gradient};
    static const char *const names[3] = {"forward", "backward data", "backward weights"};
    for (int i = 0; i < 3; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s %s", name, names[i]);
        t.body = bodies[i];
        row(text, best_seconds(call_tiles, &t), flops, 0, "own tiles; ReLU included");
    }
    float *all[] = {t.x, t.dx, t.y, t.dy, t.sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cw_free(all[i]);
}

/* Backward of one layer alone is its weights' gradient, the ReLU and the features' reorder. */
static void bench_weights(cw_backend *be, const cw_convnet_desc *whole, int layer,
                          const char *name) {
    cw_convnet_desc one = *whole;
    one.n_layers = 1;
    if (layer > 0) {
        must(cw_convnet_side(whole, layer - 1, &one.height, &one.width));
        one.channels = whole->filters;
        one.first_stride = 1;
    }
    conv_bench b;
    conv_bench_open(&b, be, &one);
    const cw_prim *prim = &b.net->layer[0].backward_weights;
    const char *kernel = prim->primitive != NULL ? cw_prim_kernel(prim) : "own loop";
    char note[80];
    snprintf(note, sizeof note, "%s; with ReLU and reorder", kernel);
    row(name, best_seconds(call_backward, &b), conv_flops(whole, layer), 0, note);
    conv_bench_close(&b);
}

static void bench_layers(cw_backend *be, conv_bench *b) {
    for (int i = 0; i < b->desc.n_layers; i++) {
        const cw_conv_layer *l = &b->net->layer[i];
        double flops = conv_flops(&b->desc, i);
        char name[40];
        snprintf(name, sizeof name, "conv %d", i + 1);
        bench_library(be, b, i, name, flops);
        if (l->tiles && l->tiles_back) {
            bench_tiles(b, i, name, flops);
        } else {
            snprintf(name, sizeof name, "conv %d backward weights", i + 1);
            bench_weights(be, &b->desc, i, name);
        }
    }
}

static void bench_convnet(cw_backend *be, int64_t batch) {
    cw_convnet_desc desc = {.batch = batch, .channels = 9, .height = 84, .width = 84};
    desc.n_layers = 4;
    desc.filters = 32;
    desc.first_stride = 2;
    desc.train = true;
    conv_bench b;
    conv_bench_open(&b, be, &desc);
    char note[64] = "on matrix units, layer after layer of a sample";
    if (b.net->units == NULL) {
        bench_layers(be, &b);
        snprintf(note, sizeof note, "channels in blocks of %" PRId64,
                 b.net->layer[0].shape.x_block);
    }
    double all = 0;
    for (int i = 0; i < desc.n_layers; i++) all += conv_flops(&desc, i);
    double bytes = (double)(batch * 9 * 84 * 84);
    row("convnet input (gather, crop, /255)", best_seconds(call_input, &b), 0, 5 * bytes, note);
    row("convnet pack", best_seconds(call_pack, &b), 0, 0, "");
    row("convnet forward", best_seconds(call_forward, &b), all, 0, "four layers");
    double back = 2 * all - conv_flops(&desc, 0);
    row("convnet backward", best_seconds(call_backward, &b), back, 0, "four layers");
    conv_bench_close(&b);
}

static int number(const char *text, const char *what) {
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > 4096) {
        fprintf(stderr, "bench_ops: %s is '%s'; it must be 1 to 4096\n", what, text);
        exit(2);
    }
    return (int)n;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? number(argv[1], "THREADS") : 0;
    int batch = argc > 2 ? number(argv[2], "BATCH") : 128;
    cw_backend *be;
    bool bf16 = argc > 3 && strcmp(argv[3], "bf16") == 0;
    must(bf16 ? cw_backend_onednn_bf16_create(&be, threads)
              : cw_backend_onednn_create(&be, threads));
    cpu_time = be->threads == 1;
    char text[128];
    must(cw_backend_describe(be, text, sizeof text));
    printf("%s; loops: %s; batch %d, 9x84x84; best %s time of several calls\n", text,
           ((cw_onednn *)be->state)->kernels->isa, batch, cpu_time ? "CPU" : "wall");
    printf("%-34s %9s %9s %8s\n", "", "ms", "GFLOP/s", "GB/s");
    bench_convnet(be, batch);
    if (((const cw_onednn *)be->state)->units == NULL) bench_first_layer(be, batch);
    cw_backend_destroy(be);
    return 0;
}
