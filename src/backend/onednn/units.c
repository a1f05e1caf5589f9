/* Convnets on matrix units: geometry, memory, and samples shared out among threads. */
#include "backend/onednn/units.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

#include <string.h>

/* Channels of an image. */
#define MAX_PLANES 256

/* One layer. Bytes are those of a map or a set of weights at a place of the caller's memory. */
typedef struct unit_layer {
    int64_t c, oh, ow;
    size_t param;     /* element of the flat parameters where the weight begins */
    size_t n_weight;  /* elements of the weight; the bias (F) follows it */
    size_t forward;   /* byte of `packed`: weights for forward */
    size_t backward;  /* byte of `packed`: and for the gradient to the input */
    size_t bias;      /* byte of `packed` */
    size_t map;       /* byte of `acts`: outputs of all samples; not of the last layer */
    size_t map_bytes; /* of one sample's */
    size_t sums;      /* float of a thread's sums: gradients of the weights; those of the biases
                         follow them */
    cw_unit_conv conv, data;
    int64_t *places; /* what conv and data point to */
} unit_layer;

struct cw_units {
    const cw_unit_kernels *kernels;
    cw_convnet_desc desc;
    int threads;
    int64_t pitch;
    unit_layer layer[CW_CONVNET_MAX_LAYERS];
    cw_unit_features features;
    int64_t *pixel_at; /* byte of the place of each of the first layer's output pixels */

    size_t image_bytes; /* of a sample's pixels in `acts`, from byte 0 */
    /* A thread's own memory: bytes of `scratch` from thread to thread, and of its parts. */
    size_t thread_bytes;
    size_t pixels, pixel_bytes; /* a sample's pixels in bf16 */
    size_t map[2];              /* without desc.train: outputs in turn */
    size_t gradient[2];         /* with it: gradients to outputs in turn, behind zeros */
    size_t rows;                /* a gradient channel by channel */
    int64_t row_step;           /* elements */
    size_t pairs[2];            /* a layer's input by pairs of pixels; from the second pixel on */
    size_t sums;                /* of all samples of the thread */
    size_t sum_count;           /* floats */
};

static void *at(const void *base, size_t byte) {
    return (char *)base + byte;
}

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

static void take(size_t *at, size_t *used, size_t bytes) {
    *at = (*used + CW_ALIGN - 1) / CW_ALIGN * CW_ALIGN;
    *used = *at + bytes;
}

/* ---- geometry ---- */

bool cw_units_fit(const cw_convnet_desc *d) {
    int64_t h, w;
    if (d->filters % CW_UNIT != 0 || cw_convnet_side(d, 0, &h, &w) != CW_OK) return false;
    return w >= 16 && d->channels <= MAX_PLANES;
}

/* Blocks of 32 terms of one line of the first layer's 3x3 window. */
static int64_t first_blocks(const cw_convnet_desc *d) {
    return (3 * d->channels + CW_UNIT - 1) / CW_UNIT;
}

static int64_t count_terms(const cw_units *u, int i) {
    return i == 0 ? 3 * first_blocks(&u->desc) : 9 * (u->desc.filters / CW_UNIT);
}

/* The first layer reads pixels as they lie, 3 C neighbours of three lines; its blocks of output
 * pixels begin anew with every line. */
static void place_first(const cw_units *u, unit_layer *l, int64_t *place) {
    const cw_convnet_desc *d = &u->desc;
    int64_t pixel = d->channels * (int64_t)sizeof(uint16_t);
    int64_t line = d->width * pixel;
    int64_t per_line = (l->ow + 15) / 16;
    cw_unit_conv *c = &l->conv;
    c->terms = count_terms(u, 0);
    c->pixel_bytes = d->first_stride * pixel;
    c->blocks = round_up(per_line * l->oh, 2);
    int64_t *term_at = place;
    int64_t *in_at = term_at + c->terms;
    int64_t *out_at = in_at + c->blocks;
    for (int64_t k = 0; k < c->terms; k++) {
        int64_t across = first_blocks(d);
        term_at[k] = k / across * line + k % across * CW_UNIT * (int64_t)sizeof(uint16_t);
    }
    for (int64_t b = 0; b < c->blocks; b++) {
        int64_t block = b < per_line * l->oh ? b : b - 1;
        int64_t y = block / per_line;
        int64_t x = block % per_line * 16;
        in_at[b] = (y * line + x * pixel) * d->first_stride;
        out_at[b] = y * u->pitch + x;
    }
    c->term_at = term_at;
    c->in_at = in_at;
    c->out_at = out_at;
}

/* The others are the same sum at every pixel of `lines` lines; sign -1: over the pixels before it,
 * for the gradient to the input. */
static void place_inner(const cw_units *u, cw_unit_conv *c, int64_t lines, int sign,
                        int64_t *place) {
    int64_t pixel = u->desc.filters * (int64_t)sizeof(uint16_t);
    c->terms = count_terms(u, 1);
    c->pixel_bytes = pixel;
    c->blocks = round_up(lines * u->pitch, 32) / 16;
    int64_t *term_at = place;
    int64_t *in_at = term_at + c->terms;
    int64_t *out_at = in_at + c->blocks;
    int64_t blocks = u->desc.filters / CW_UNIT;
    for (int64_t k = 0; k < c->terms; k++) {
        int64_t tap = k / blocks;
        term_at[k] = sign * (tap / 3 * u->pitch + tap % 3) * pixel +
                     k % blocks * CW_UNIT * (int64_t)sizeof(uint16_t);
    }
    for (int64_t b = 0; b < c->blocks; b++) {
        in_at[b] = b * 16 * pixel;
        out_at[b] = b * 16;
    }
    c->term_at = term_at;
    c->in_at = in_at;
    c->out_at = out_at;
}

static int64_t map_pixels(const cw_units *u, int64_t lines) {
    return round_up(lines * u->pitch, CW_UNIT) + CW_UNIT_TAIL;
}

/* Zeros that a gradient to the input reads before and behind a gradient's lines. */
static int64_t gradient_border(const cw_units *u) {
    return 2 * u->pitch + CW_UNIT_TAIL;
}

static cw_status place_layer(cw_units *u, int i) {
    unit_layer *l = &u->layer[i];
    int64_t terms = count_terms(u, i);
    int64_t lines = i == 0 ? l->oh : u->layer[i - 1].oh;
    int64_t blocks = i == 0 ? (l->ow + 15) / 16 * l->oh + 1 : round_up(lines * u->pitch, 32) / 16;
    size_t each = (size_t)(terms + 2 * blocks);
    CW_TRY(cw_alloc(&l->places, 2 * each, sizeof *l->places, "the places of a convolution"));
    l->conv.groups = l->data.groups = u->desc.filters / CW_UNIT;
    if (i == 0) {
        place_first(u, l, l->places);
    } else {
        place_inner(u, &l->conv, l->oh, 1, l->places);
        place_inner(u, &l->data, lines, -1, l->places + each);
    }
    return CW_OK;
}

static void set_layers(cw_units *u) {
    const cw_convnet_desc *d = &u->desc;
    size_t param = 0;
    int64_t channels = d->channels;
    for (int i = 0; i < d->n_layers; i++) {
        unit_layer *l = &u->layer[i];
        (void)cw_convnet_side(d, i, &l->oh, &l->ow); /* checked with the description */
        l->c = channels;
        l->param = param;
        l->n_weight = (size_t)(d->filters * channels * 9);
        param += l->n_weight + (size_t)d->filters;
        channels = d->filters;
    }
    u->pitch = u->layer[0].ow;
    const unit_layer *last = &u->layer[d->n_layers - 1];
    u->features = (cw_unit_features){d->filters, last->oh, last->ow, u->pitch};
}

/* ---- memory ---- */

static void carve_layers(cw_units *u, cw_convnet_bytes *bytes) {
    const cw_convnet_desc *d = &u->desc;
    size_t pixel = (size_t)d->filters * sizeof(uint16_t);
    size_t input;
    u->image_bytes = (size_t)(d->height * d->width * d->channels);
    take(&input, &bytes->acts, (size_t)d->batch * u->image_bytes);
    for (int i = 0; i < d->n_layers; i++) {
        unit_layer *l = &u->layer[i];
        size_t weights = (size_t)(count_terms(u, i) * CW_UNIT * d->filters) * sizeof(uint16_t);
        take(&l->forward, &bytes->packed, weights);
        if (d->train && i > 0) take(&l->backward, &bytes->packed, weights);
        take(&l->bias, &bytes->packed, (size_t)d->filters * sizeof(float));
        l->map_bytes = (size_t)map_pixels(u, l->oh) * pixel;
        if (d->train && i + 1 < d->n_layers) {
            take(&l->map, &bytes->acts, (size_t)d->batch * l->map_bytes);
        }
        l->sums = u->sum_count;
        u->sum_count += (size_t)(count_terms(u, i) * CW_UNIT * d->filters + d->filters);
    }
}

/* What the first layer's blocks may read, in bf16. */
static size_t count_pixel_bytes(const cw_units *u) {
    const cw_unit_conv *c = &u->layer[0].conv;
    return (size_t)(c->in_at[c->blocks - 1] + 15 * c->pixel_bytes + c->term_at[c->terms - 1] + 64);
}

static void carve_threads(cw_units *u, cw_convnet_bytes *bytes) {
    const cw_convnet_desc *d = &u->desc;
    size_t pixel = (size_t)d->filters * sizeof(uint16_t);
    int64_t pixels = map_pixels(u, u->layer[0].oh);
    size_t used = 0;
    u->pixel_bytes = count_pixel_bytes(u);
    take(&u->pixels, &used, u->pixel_bytes);
    if (!d->train) {
        for (int i = 0; i < 2; i++) take(&u->map[i], &used, u->layer[0].map_bytes);
    } else {
        /* Rows that are a multiple of 4096 bytes apart would share their cache sets. */
        u->row_step = pixels + 32;
        size_t gradient = (size_t)(pixels + 2 * gradient_border(u)) * pixel;
        for (int i = 0; i < 2; i++) take(&u->gradient[i], &used, gradient);
        take(&u->rows, &used, (size_t)(u->row_step * d->filters) * sizeof(uint16_t));
        for (int i = 0; i < 2; i++) take(&u->pairs[i], &used, (size_t)pixels * pixel);
        take(&u->sums, &used, u->sum_count * sizeof(float));
    }
    take(&u->thread_bytes, &used, 0);
    bytes->scratch = (size_t)u->threads * u->thread_bytes;
}

static cw_status place_pixels(cw_units *u) {
    const unit_layer *l = &u->layer[0];
    int64_t pixels = round_up(l->oh * u->pitch, CW_UNIT);
    CW_TRY(cw_alloc(&u->pixel_at, (size_t)pixels, sizeof *u->pixel_at, "places of pixels"));
    int64_t line = u->desc.width * u->desc.channels * (int64_t)sizeof(uint16_t);
    for (int64_t p = 0; p < l->oh * u->pitch; p++) {
        u->pixel_at[p] =
            p / u->pitch * u->desc.first_stride * line + p % u->pitch * l->conv.pixel_bytes;
    }
    return CW_OK;
}

cw_status cw_units_create(cw_units **out, const cw_unit_kernels *kernels,
                          const cw_convnet_desc *desc, int threads, cw_convnet_bytes *bytes) {
    cw_units *u;
    CW_TRY(cw_alloc(&u, 1, sizeof *u, "a convnet on matrix units"));
    u->kernels = kernels;
    u->desc = *desc;
    u->threads = threads;
    set_layers(u);
    cw_status status = CW_OK;
    for (int i = 0; i < desc->n_layers && status == CW_OK; i++) status = place_layer(u, i);
    if (status == CW_OK) status = place_pixels(u);
    if (status != CW_OK) {
        cw_units_destroy(u);
        return status;
    }
    *bytes = (cw_convnet_bytes){0};
    carve_layers(u, bytes);
    carve_threads(u, bytes);
    *out = u;
    return CW_OK;
}

void cw_units_destroy(cw_units *units) {
    if (units == NULL) return;
    for (int i = 0; i < units->desc.n_layers; i++) cw_free(units->layer[i].places);
    cw_free(units->pixel_at);
    cw_free(units);
}

/* ---- weights ---- */

/* Term t of a block of the first layer: its place in an OIHW weight's (C, 9), or -1 beyond it. */
static int64_t first_tap(const cw_units *u, int64_t block, int64_t t) {
    int64_t across = first_blocks(&u->desc);
    int64_t at = block % across * CW_UNIT + t;
    if (at >= 3 * u->desc.channels) return -1;
    return at % u->desc.channels * 9 + block / across * 3 + at / u->desc.channels;
}

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

typedef struct pack_job {
    const cw_units *units;
    void *packed;
    const float *params;
} pack_job;

static void pack_first(const cw_units *u, uint16_t *to, const float *weight, int64_t group) {
    const unit_layer *l = &u->layer[0];
    for (int64_t k = 0; k < l->conv.terms; k++, to += CW_UNIT * CW_UNIT) {
        for (int64_t t = 0; t < CW_UNIT; t++) {
            int64_t tap = first_tap(u, k, t);
            for (int64_t f = 0; f < CW_UNIT; f++) {
                float w = tap < 0 ? 0 : weight[(group * CW_UNIT + f) * l->c * 9 + tap] / 255.0F;
                to[cw_unit_weight_at(t, f)] = to_bf16(w);
            }
        }
    }
}

/* Output channels of `group`; input ones when `backward`, where both change places. */
static void pack_inner(const cw_units *u, uint16_t *to, const float *weight, int64_t group,
                       bool backward) {
    int64_t channels = u->desc.filters;
    int64_t blocks = channels / CW_UNIT;
    for (int64_t k = 0; k < 9 * blocks; k++, to += CW_UNIT * CW_UNIT) {
        for (int64_t f = 0; f < CW_UNIT; f++) {
            for (int64_t t = 0; t < CW_UNIT; t++) {
                int64_t out = group * CW_UNIT + f;
                int64_t in = k % blocks * CW_UNIT + t;
                int64_t from = backward ? in * channels + out : out * channels + in;
                to[cw_unit_weight_at(t, f)] = to_bf16(weight[from * 9 + k / blocks]);
            }
        }
    }
}

/* Items are groups of channels of all layers. */
static void pack_body(void *context, int64_t begin, int64_t end) {
    const pack_job *job = context;
    const cw_units *u = job->units;
    int64_t groups = u->desc.filters / CW_UNIT;
    for (int64_t item = begin; item < end; item++) {
        const unit_layer *l = &u->layer[item / groups];
        int64_t group = item % groups;
        const float *weight = job->params + l->param;
        size_t share = (size_t)(group * l->conv.terms * CW_UNIT * CW_UNIT) * sizeof(uint16_t);
        if (item < groups) {
            pack_first(u, at(job->packed, l->forward + share), weight, group);
        } else {
            pack_inner(u, at(job->packed, l->forward + share), weight, group, false);
            if (u->desc.train) {
                pack_inner(u, at(job->packed, l->backward + share), weight, group, true);
            }
        }
        memcpy((float *)at(job->packed, l->bias) + group * CW_UNIT,
               weight + l->n_weight + group * CW_UNIT, CW_UNIT * sizeof(float));
    }
}

void cw_units_pack(const cw_units *units, void *packed, const float *params) {
    pack_job job = {.units = units, .packed = packed, .params = params};
    cw_parallel_for(units->desc.n_layers * units->desc.filters / CW_UNIT, 1, pack_body, &job);
}

/* ---- samples ---- */

/* A call at work; there are as many parts as threads, each with a share of the samples. */
typedef struct unit_job {
    const cw_units *units;
    const cw_image_batch *images;
    void *acts;
    const void *packed;
    void *scratch;
    float *out;            /* features */
    const float *features; /* backward: the same, and their gradient */
    const float *dfeatures;
    float *dparams;
} unit_job;

static void share_out(const cw_units *u, int64_t part, int64_t *begin, int64_t *end) {
    *begin = u->desc.batch * part / u->threads;
    *end = u->desc.batch * (part + 1) / u->threads;
}

static void input_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    const cw_image_batch *im = job->images;
    int64_t plane = im->frame_height * im->frame_width;
    const uint8_t *planes[MAX_PLANES];
    for (int64_t b = begin; b < end; b++) {
        int64_t corner = im->offset_y[b] * im->frame_width + im->offset_x[b];
        for (int64_t c = 0; c < u->desc.channels; c++) {
            planes[c] = im->frames[b * im->stack + c / im->frame_channels] +
                        c % im->frame_channels * plane + corner;
        }
        u->kernels->interleave(at(job->acts, (size_t)b * u->image_bytes), planes, u->desc.channels,
                               u->desc.height, u->desc.width, im->frame_width);
    }
}

void cw_units_input(const cw_units *units, void *acts, const cw_image_batch *images) {
    unit_job job = {.units = units, .images = images, .acts = acts};
    cw_parallel_for(units->desc.batch, 1, input_body, &job);
}

/* A sample's pixels in bf16, with zeros behind them. */
static const void *widen(const unit_job *job, char *own, int64_t b) {
    const cw_units *u = job->units;
    uint16_t *to = at(own, u->pixels);
    size_t used = u->image_bytes * sizeof *to;
    u->kernels->widen(to, at(job->acts, (size_t)b * u->image_bytes), u->image_bytes);
    if (used < u->pixel_bytes) memset(at(to, used), 0, u->pixel_bytes - used);
    return to;
}

static void *map_of(const unit_job *job, char *own, int i, int64_t b) {
    const cw_units *u = job->units;
    const unit_layer *l = &u->layer[i];
    if (!u->desc.train) return at(own, u->map[i % 2]);
    return at(job->acts, l->map + (size_t)b * l->map_bytes);
}

static void forward_sample(const unit_job *job, char *own, int64_t b) {
    const cw_units *u = job->units;
    const void *in = widen(job, own, b);
    for (int i = 0; i < u->desc.n_layers; i++) {
        const unit_layer *l = &u->layer[i];
        const uint16_t *weights = at(job->packed, l->forward);
        const float *bias = at(job->packed, l->bias);
        if (i + 1 == u->desc.n_layers) {
            float *out = job->out + b * u->desc.filters * l->oh * l->ow;
            u->kernels->features(out, in, weights, bias, &l->conv, &u->features);
            break;
        }
        uint16_t *out = map_of(job, own, i, b);
        u->kernels->forward(out, in, weights, bias, &l->conv);
        memset(out + l->oh * u->pitch * u->desc.filters, 0,
               (size_t)(CW_UNIT_TAIL * u->desc.filters) * sizeof *out);
        in = out;
    }
}

static void forward_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    for (int64_t part = begin; part < end; part++) {
        char *own = at(job->scratch, (size_t)part * u->thread_bytes);
        int64_t first, stop;
        share_out(u, part, &first, &stop);
        if (first == stop) continue;
        u->kernels->begin();
        for (int64_t b = first; b < stop; b++) forward_sample(job, own, b);
        u->kernels->end();
    }
}

void cw_units_forward(const cw_units *units, float *features, void *acts, const void *packed,
                      void *scratch) {
    unit_job job = {.units = units, .acts = acts, .packed = packed, .scratch = scratch};
    job.out = features;
    cw_parallel_for(units->threads, 1, forward_body, &job);
}

/* ---- backward ---- */

/* A thread's gradient map; its lines begin behind the border. */
static uint16_t *gradient_map(const cw_units *u, char *own, int i) {
    size_t border = (size_t)(gradient_border(u) * u->desc.filters) * sizeof(uint16_t);
    return at(own, u->gradient[i % 2] + border);
}

/* Zeros behind the last line. The columns that are no pixels are zero already: what a gradient to
 * an input sums there lies in such columns of a gradient to an output. */
static void clear_behind(const cw_units *u, uint16_t *map, int64_t lines) {
    memset(map + lines * u->pitch * u->desc.filters, 0,
           (size_t)(gradient_border(u) * u->desc.filters) * sizeof *map);
}

/* Adds a sample's gradient of the first layer's weights, from rows of the gradient. */
static void first_weights(const cw_units *u, char *own, const void *pixels, int64_t count) {
    const unit_layer *l = &u->layer[0];
    float *sums = (float *)at(own, u->sums) + l->sums;
    uint16_t *pairs = at(own, u->pairs[0]);
    const uint16_t *rows = at(own, u->rows);
    for (int64_t k = 0; k < l->conv.terms; k++) {
        u->kernels->pairs(pairs, at(pixels, (size_t)l->conv.term_at[k]), 0, u->pixel_at, count, 1);
        for (int64_t g = 0; g < l->conv.groups; g++, sums += CW_UNIT * CW_UNIT) {
            u->kernels->weights(sums, rows + g * CW_UNIT * u->row_step, u->row_step, pairs,
                                2 * CW_UNIT * (int64_t)sizeof *pairs, count);
        }
    }
}

static void inner_weights(const cw_units *u, char *own, int i, const uint16_t *x, int64_t count) {
    const unit_layer *l = &u->layer[i];
    float *sums = (float *)at(own, u->sums) + l->sums;
    const uint16_t *rows = at(own, u->rows);
    int64_t pixel_bytes = l->conv.pixel_bytes;
    int64_t groups = l->conv.groups;
    int64_t all = count + 2 * u->pitch + 4;
    for (int odd = 0; odd < 2; odd++) {
        u->kernels->pairs(at(own, u->pairs[odd]), at(x, (size_t)(odd * pixel_bytes)), pixel_bytes,
                          NULL, all, groups);
    }
    for (int64_t k = 0; k < l->conv.terms; k++) {
        int64_t away = l->conv.term_at[k] / pixel_bytes;
        int64_t block = l->conv.term_at[k] % pixel_bytes / (CW_UNIT * (int64_t)sizeof *x);
        const char *pairs = at(own, u->pairs[away % 2]);
        pairs += away / 2 * 2 * pixel_bytes + block * 2 * CW_UNIT * (int64_t)sizeof *x;
        for (int64_t g = 0; g < groups; g++, sums += CW_UNIT * CW_UNIT) {
            u->kernels->weights(sums, rows + g * CW_UNIT * u->row_step, u->row_step,
                                (const uint16_t *)pairs, 2 * pixel_bytes, count);
        }
    }
}

/* Adds a sample's gradient of layer i's weights and bias, from rows of the gradient to its output.
 */
static void add_gradients(const unit_job *job, char *own, int i, int64_t b) {
    const cw_units *u = job->units;
    const unit_layer *l = &u->layer[i];
    int64_t count = round_up(l->oh * u->pitch, CW_UNIT);
    float *sums = (float *)at(own, u->sums) + l->sums;
    float *bias_sums = sums + l->conv.terms * CW_UNIT * u->desc.filters;
    u->kernels->row_sums(bias_sums, at(own, u->rows), u->row_step, count, u->desc.filters);
    if (i == 0) {
        first_weights(u, own, widen(job, own, b), count);
    } else {
        inner_weights(u, own, i, map_of(job, own, i - 1, b), count);
    }
}

static void backward_sample(const unit_job *job, char *own, int64_t b) {
    const cw_units *u = job->units;
    int last = u->desc.n_layers - 1;
    int64_t filters = u->desc.filters;
    int64_t per_sample = filters * u->features.h * u->features.w;
    uint16_t *rows = at(own, u->rows);
    uint16_t *dy = gradient_map(u, own, last);
    u->kernels->feature_rows(rows, u->row_step, job->dfeatures + b * per_sample,
                             job->features + b * per_sample, &u->features);
    u->kernels->transpose(dy, filters, rows, u->row_step, filters,
                          round_up(u->features.h * u->pitch, CW_UNIT));
    clear_behind(u, dy, u->features.h);
    for (int i = last; i > 0; i--) {
        add_gradients(job, own, i, b);
        int64_t lines = u->layer[i - 1].oh;
        uint16_t *dx = gradient_map(u, own, i - 1);
        u->kernels->data(dx, dy, at(job->packed, u->layer[i].backward), map_of(job, own, i - 1, b),
                         &u->layer[i].data);
        clear_behind(u, dx, lines);
        u->kernels->transpose(rows, u->row_step, dx, filters, round_up(lines * u->pitch, CW_UNIT),
                              filters);
        dy = dx;
    }
    add_gradients(job, own, 0, b);
}

static void backward_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    size_t border = (size_t)(gradient_border(u) * u->desc.filters) * sizeof(uint16_t);
    for (int64_t part = begin; part < end; part++) {
        char *own = at(job->scratch, (size_t)part * u->thread_bytes);
        int64_t first, stop;
        share_out(u, part, &first, &stop);
        memset(at(own, u->sums), 0, u->sum_count * sizeof(float));
        for (int i = 0; i < 2; i++) memset(at(own, u->gradient[i]), 0, border);
        u->kernels->begin();
        for (int64_t b = first; b < stop; b++) backward_sample(job, own, b);
        u->kernels->end();
    }
}

/* Adds the parts in order and turns them into OIHW. Items are filters. */
static void collect_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    int64_t groups = u->desc.filters / CW_UNIT;
    size_t step = u->thread_bytes / sizeof(float);
    for (int i = 0; i < u->desc.n_layers; i++) {
        const unit_layer *l = &u->layer[i];
        const float *sums = (const float *)at(job->scratch, u->sums) + l->sums;
        float *dweight = job->dparams + l->param;
        for (int64_t f = begin; f < end; f++) {
            const float *row = sums + f / CW_UNIT * CW_UNIT * CW_UNIT + f % CW_UNIT * CW_UNIT;
            for (int64_t k = 0; k < l->conv.terms; k++, row += groups * CW_UNIT * CW_UNIT) {
                for (int64_t t = 0; t < CW_UNIT; t++) {
                    int64_t tap = first_tap(u, k, t);
                    if (i > 0) tap = (k % groups * CW_UNIT + t) * 9 + k / groups;
                    if (i == 0 && tap < 0) continue;
                    float sum = 0;
                    for (int p = 0; p < u->threads; p++) {
                        sum += row[(size_t)p * step + (size_t)cw_unit_column(t)];
                    }
                    dweight[f * l->c * 9 + tap] = i == 0 ? sum / 255.0F : sum;
                }
            }
            const float *bias = sums + l->conv.terms * CW_UNIT * u->desc.filters + f;
            float sum = 0;
            for (int p = 0; p < u->threads; p++) sum += bias[(size_t)p * step];
            dweight[l->n_weight + (size_t)f] = sum;
        }
    }
}

void cw_units_backward(const cw_units *units, float *dparams, const void *acts, const void *packed,
                       const float *features, const float *dfeatures, void *scratch) {
    unit_job job = {.units = units, .acts = (void *)acts, .packed = packed, .scratch = scratch};
    job.features = features;
    job.dfeatures = dfeatures;
    job.dparams = dparams;
    cw_parallel_for(units->threads, 1, backward_body, &job);
    cw_parallel_for(units->desc.filters, 8, collect_body, &job);
}
