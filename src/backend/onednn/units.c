/* Convnets on matrix units: samples shared out among threads. */
#include "backend/onednn/units_impl.h"
#include "base/parallel.h"

#include <string.h>

/* A call at work. */
typedef struct unit_job {
    const cw_units *units;
    const cw_image_batch *images;
    void *acts;
    const void *packed;
    void *scratch;
    bool bf16;            /* features and dfeatures are; else f32 */
    void *out;            /* features */
    const void *features; /* backward: the same, and their gradient */
    const void *dfeatures;
} unit_job;

/* The calling thread's own memory. */
static char *own_memory(const unit_job *job) {
    return cw_unit_at(job->scratch, (size_t)cw_parallel_self() * job->units->thread_bytes);
}

static void input_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    const cw_image_batch *im = job->images;
    const uint8_t *planes[CW_UNIT_PLANES];
    for (int64_t b = begin; b < end; b++) {
        for (int64_t c = 0; c < u->desc.channels; c++) {
            planes[c] = cw_onednn_crop_corner(im, b, c);
        }
        u->kernels->interleave(cw_unit_at(job->acts, (size_t)b * u->image_bytes), planes,
                               u->desc.channels, u->desc.height, u->desc.width, im->frame_width);
    }
}

void cw_units_input(const cw_units *units, void *acts, const cw_image_batch *images) {
    unit_job job = {.units = units, .images = images, .acts = acts};
    cw_parallel_for(units->desc.batch, 1, input_body, &job);
}

static const void *image_of(const unit_job *job, int64_t b) {
    return cw_unit_at(job->acts, (size_t)b * job->units->image_bytes);
}

/* A sample's pixels in bf16, with zeros behind them. */
static const void *widen(const unit_job *job, char *own, int64_t b) {
    const cw_units *u = job->units;
    uint16_t *to = cw_unit_at(own, u->pixels);
    size_t used = u->image_bytes * sizeof *to;
    u->kernels->widen(to, image_of(job, b), u->image_bytes);
    if (used < u->pixel_bytes) memset(cw_unit_at(to, used), 0, u->pixel_bytes - used);
    return to;
}

static void *map_of(const unit_job *job, char *own, int i, int64_t b) {
    const cw_units *u = job->units;
    const unit_layer *l = &u->layer[i];
    if (!u->desc.train) return cw_unit_at(own, u->map[i % 2]);
    return cw_unit_at(job->acts, l->map + (size_t)b * l->map_bytes);
}

static void read_soon(cw_unit_soon *soon, const void *from, size_t bytes) {
    soon->last_first[soon->n++] = (cw_unit_region){from, cw_unit_at(from, bytes)};
}

/* A sample's part of features or of their gradient. */
static size_t features_bytes(const unit_job *job) {
    const cw_unit_features *s = &job->units->features;
    size_t element = job->bf16 ? sizeof(uint16_t) : sizeof(float);
    return (size_t)(s->channels * s->h * s->w) * element;
}

static void *features_of(const unit_job *job, const void *all, int64_t b) {
    return cw_unit_at(all, (size_t)b * features_bytes(job));
}

static void put_features(const unit_job *job, int64_t b, const void *in, const uint16_t *weights,
                         const float *bias, cw_unit_soon *soon) {
    const cw_units *u = job->units;
    const cw_unit_conv *conv = &u->layer[u->desc.n_layers - 1].conv;
    void *out = features_of(job, job->out, b);
    if (job->bf16) {
        u->kernels->bf16_features(out, in, weights, bias, conv, &u->features, soon);
    } else {
        u->kernels->features(out, in, weights, bias, conv, &u->features, soon);
    }
}

static void forward_sample(const unit_job *job, char *own, int64_t b) {
    const cw_units *u = job->units;
    cw_unit_soon soon = {0};
    if (b + 1 < u->desc.batch) read_soon(&soon, image_of(job, b + 1), u->image_bytes);
    const void *in = widen(job, own, b);
    for (int i = 0; i < u->desc.n_layers; i++) {
        const unit_layer *l = &u->layer[i];
        const uint16_t *weights = cw_unit_at(job->packed, l->forward);
        const float *bias = cw_unit_at(job->packed, l->bias);
        if (i + 1 == u->desc.n_layers) {
            put_features(job, b, in, weights, bias, &soon);
            break;
        }
        uint16_t *out = map_of(job, own, i, b);
        u->kernels->forward(out, in, weights, bias, &l->conv, &soon);
        memset(out + l->oh * u->pitch * u->desc.filters, 0,
               (size_t)(CW_UNIT_TAIL * u->desc.filters) * sizeof *out);
        in = out;
    }
}

/* Items are samples. */
static void forward_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    job->units->kernels->begin();
    for (int64_t b = begin; b < end; b++) forward_sample(job, own_memory(job), b);
    job->units->kernels->end();
}

void cw_units_forward(const cw_units *units, cw_tensor *features, void *acts, const void *packed,
                      void *scratch) {
    unit_job job = {.units = units, .acts = acts, .packed = packed, .scratch = scratch};
    job.bf16 = features->dtype == CW_BF16;
    job.out = features->data;
    cw_parallel_for(units->desc.batch, 1, forward_body, &job);
}

/* ---- backward ---- */

/* A thread's gradient map; its lines begin behind the border. */
static uint16_t *gradient_map(const cw_units *u, char *own, int i) {
    size_t border = (size_t)(cw_unit_border(u) * u->desc.filters) * sizeof(uint16_t);
    return cw_unit_at(own, u->gradient[i % 2] + border);
}

/* Zeros behind the last line. The columns that are no pixels are zero already: what a gradient to
 * an input sums there lies in such columns of a gradient to an output. */
static void clear_behind(const cw_units *u, uint16_t *map, int64_t lines) {
    memset(map + lines * u->pitch * u->desc.filters, 0,
           (size_t)(cw_unit_border(u) * u->desc.filters) * sizeof *map);
}

static float *sums_of(const unit_job *job, int64_t part) {
    return cw_unit_at(job->scratch, job->units->sums + (size_t)part * job->units->sum_bytes);
}

/* Adds a sample's gradient of the first layer's weights to a part's sums, from rows of the
 * gradient.
 */
static void first_weights(const cw_units *u, char *own, float *sums, const void *pixels,
                          int64_t count, cw_unit_soon *soon) {
    const unit_layer *l = &u->layer[0];
    uint16_t *pairs = cw_unit_at(own, u->pairs[0]);
    const uint16_t *rows = cw_unit_at(own, u->rows);
    for (int64_t k = 0; k < l->conv.terms; k++) {
        u->kernels->pairs_at(pairs, cw_unit_at(pixels, (size_t)l->conv.term_at[k]), u->pixel_at,
                             count);
        for (int64_t g = 0; g < l->conv.groups; g++, sums += CW_UNIT * CW_UNIT) {
            u->kernels->weights(sums, rows + g * CW_UNIT * u->row_step, u->row_step, pairs,
                                2 * CW_UNIT * (int64_t)sizeof *pairs, count, soon);
        }
    }
}

static void inner_weights(const cw_units *u, char *own, float *sums, int i, const uint16_t *x,
                          int64_t count, cw_unit_soon *soon) {
    const unit_layer *l = &u->layer[i];
    const uint16_t *rows = cw_unit_at(own, u->rows);
    int64_t pixel_bytes = l->conv.pixel_bytes;
    int64_t groups = l->conv.groups;
    int64_t all = count + 2 * u->pitch + 4;
    u->kernels->pairs(cw_unit_at(own, u->pairs[0]), cw_unit_at(own, u->pairs[1]), x, pixel_bytes,
                      all);
    for (int64_t k = 0; k < l->conv.terms; k++) {
        int64_t away = l->conv.term_at[k] / pixel_bytes;
        int64_t block = l->conv.term_at[k] % pixel_bytes / (CW_UNIT * (int64_t)sizeof *x);
        const char *pairs = cw_unit_at(own, u->pairs[away % 2]);
        pairs += away / 2 * 2 * pixel_bytes + block * 2 * CW_UNIT * (int64_t)sizeof *x;
        for (int64_t g = 0; g < groups; g++, sums += CW_UNIT * CW_UNIT) {
            u->kernels->weights(sums, rows + g * CW_UNIT * u->row_step, u->row_step,
                                (const uint16_t *)pairs, 2 * pixel_bytes, count, soon);
        }
    }
}

/* Adds a sample's gradient of layer i's weights and bias, from rows of the gradient to its output.
 */
static void add_gradients(const unit_job *job, char *own, float *sums, int i, int64_t b,
                          cw_unit_soon *soon) {
    const cw_units *u = job->units;
    const unit_layer *l = &u->layer[i];
    int64_t count = cw_onednn_round_up(l->oh * u->pitch, CW_UNIT);
    sums += l->sums;
    float *bias_sums = sums + l->conv.terms * CW_UNIT * u->desc.filters;
    u->kernels->row_sums(bias_sums, cw_unit_at(own, u->rows), u->row_step, count, u->desc.filters);
    if (i == 0) {
        first_weights(u, own, sums, widen(job, own, b), count, soon);
    } else {
        inner_weights(u, own, sums, i, map_of(job, own, i - 1, b), count, soon);
    }
}

/* The gradient to the features before their ReLU, channel by channel. */
static void take_features(const unit_job *job, uint16_t *rows, int64_t b) {
    const cw_units *u = job->units;
    const void *features = features_of(job, job->features, b);
    const void *dfeatures = features_of(job, job->dfeatures, b);
    if (job->bf16) {
        u->kernels->bf16_feature_rows(rows, u->row_step, dfeatures, features, &u->features);
    } else {
        u->kernels->feature_rows(rows, u->row_step, dfeatures, features, &u->features);
    }
}

/* What a sample's backward pass reads of its own behind the last layer, and of the next one's. */
static void backward_soon(const unit_job *job, char *own, int64_t b, cw_unit_soon *soon) {
    const cw_units *u = job->units;
    int last = u->desc.n_layers - 1;
    soon->n = 0;
    if (b + 1 < u->desc.batch) {
        size_t bytes = features_bytes(job);
        if (last > 0) {
            read_soon(soon, map_of(job, own, last - 1, b + 1), u->layer[last - 1].map_bytes);
        }
        read_soon(soon, features_of(job, job->dfeatures, b + 1), bytes);
        read_soon(soon, features_of(job, job->features, b + 1), bytes);
    }
    read_soon(soon, image_of(job, b), u->image_bytes);
    for (int i = 0; i < last - 1; i++) {
        read_soon(soon, map_of(job, own, i, b), u->layer[i].map_bytes);
    }
}

static void backward_sample(const unit_job *job, char *own, float *sums, int64_t b) {
    const cw_units *u = job->units;
    int last = u->desc.n_layers - 1;
    int64_t filters = u->desc.filters;
    uint16_t *rows = cw_unit_at(own, u->rows);
    uint16_t *dy = gradient_map(u, own, last);
    cw_unit_soon soon;
    backward_soon(job, own, b, &soon);
    take_features(job, rows, b);
    u->kernels->transpose(dy, filters, rows, u->row_step, filters,
                          cw_onednn_round_up(u->features.h * u->pitch, CW_UNIT));
    clear_behind(u, dy, u->features.h);
    for (int i = last; i > 0; i--) {
        add_gradients(job, own, sums, i, b, &soon);
        int64_t lines = u->layer[i - 1].oh;
        uint16_t *dx = gradient_map(u, own, i - 1);
        u->kernels->data(dx, dy, cw_unit_at(job->packed, u->layer[i].backward),
                         map_of(job, own, i - 1, b), &u->layer[i].data, &soon);
        clear_behind(u, dx, lines);
        u->kernels->transpose(rows, u->row_step, dx, filters,
                              cw_onednn_round_up(lines * u->pitch, CW_UNIT), filters);
        dy = dx;
    }
    add_gradients(job, own, sums, 0, b, &soon);
}

/* Zeros that samples leave as they are. */
static void clear_borders(const cw_units *u, char *own) {
    size_t border = (size_t)(cw_unit_border(u) * u->desc.filters) * sizeof(uint16_t);
    for (int i = 0; i < 2; i++) memset(cw_unit_at(own, u->gradient[i]), 0, border);
}

/* Items are parts of the minibatch. */
static void backward_body(void *context, int64_t begin, int64_t end) {
    const unit_job *job = context;
    const cw_units *u = job->units;
    char *own = own_memory(job);
    clear_borders(u, own);
    u->kernels->begin();
    for (int64_t part = begin; part < end; part++) {
        float *sums = sums_of(job, part);
        memset(sums, 0, u->sum_count * sizeof *sums);
        int64_t stop = u->desc.batch * (part + 1) / u->parts;
        for (int64_t b = u->desc.batch * part / u->parts; b < stop; b++) {
            backward_sample(job, own, sums, b);
        }
    }
    u->kernels->end();
}

void cw_units_backward(const cw_units *units, float *dparams, const void *acts, const void *packed,
                       const cw_tensor *features, const cw_tensor *dfeatures, void *scratch) {
    unit_job job = {.units = units, .acts = (void *)acts, .packed = packed, .scratch = scratch};
    job.bf16 = features->dtype == CW_BF16;
    job.features = features->data;
    job.dfeatures = dfeatures->data;
    cw_parallel_for(units->parts, 1, backward_body, &job);
    cw_units_collect(units, dparams, scratch);
}
