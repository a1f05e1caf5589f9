/* A convnet on matrix units: its geometry and its memory. */
#include "backend/onednn/units_impl.h"
#include "base/error.h"
#include "base/memory.h"

/* ---- geometry ---- */

bool cw_units_fit(const cw_convnet_desc *d) {
    int64_t h, w;
    if (d->filters % CW_UNIT != 0 || cw_convnet_side(d, 0, &h, &w) != CW_OK) return false;
    return w >= 16 && d->channels <= CW_UNIT_PLANES;
}

static int64_t count_terms(const cw_units *u, int i) {
    return i == 0 ? 3 * cw_unit_first_blocks(&u->desc) : 9 * (u->desc.filters / CW_UNIT);
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
    c->blocks = cw_onednn_round_up(per_line * l->oh, 2);
    int64_t *term_at = place;
    int64_t *in_at = term_at + c->terms;
    int64_t *out_at = in_at + c->blocks;
    for (int64_t k = 0; k < c->terms; k++) {
        int64_t across = cw_unit_first_blocks(d);
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
    c->blocks = cw_onednn_round_up(lines * u->pitch, 32) / 16;
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
    return cw_onednn_round_up(lines * u->pitch, CW_UNIT) + CW_UNIT_TAIL;
}

static cw_status place_layer(cw_units *u, int i) {
    unit_layer *l = &u->layer[i];
    int64_t terms = count_terms(u, i);
    int64_t lines = i == 0 ? l->oh : u->layer[i - 1].oh;
    int64_t blocks =
        i == 0 ? (l->ow + 15) / 16 * l->oh + 1 : cw_onednn_round_up(lines * u->pitch, 32) / 16;
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

/* Adds the i-th pixel of two blocks, pixel `pixel` of the last map. */
static void add_pixel(cw_unit_lines *l, int i, int64_t pixel, const cw_unit_features *s) {
    int64_t y = pixel / s->pitch;
    int64_t x = pixel % s->pitch;
    if (y >= s->h || x >= s->w) return;
    int64_t at = y * s->w + x - i;
    if (l->n == 0 || l->at[l->n - 1] != at) l->at[l->n++] = at;
    l->pixels[l->n - 1] |= UINT32_C(1) << i;
}

/* A pixel that two blocks share is the second one's. */
static cw_status place_features(cw_units *u) {
    const cw_unit_conv *c = &u->layer[u->desc.n_layers - 1].conv;
    CW_TRY(cw_alloc(&u->lines, (size_t)c->blocks / 2, sizeof *u->lines, "lines of features"));
    for (int64_t i = 0; i < 16 * c->blocks; i++) {
        int64_t block = i / 16;
        int64_t pixel = c->out_at[block] + i % 16;
        bool shared = block + 1 < c->blocks && pixel >= c->out_at[block + 1];
        if (!shared) add_pixel(&u->lines[block / 2], (int)(i % 32), pixel, &u->features);
    }
    u->features.lines = u->lines;
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
    u->features = (cw_unit_features){d->filters, last->oh, last->ow, u->pitch, NULL};
}

/* ---- memory ---- */

static void carve_layers(cw_units *u, cw_convnet_bytes *bytes) {
    const cw_convnet_desc *d = &u->desc;
    size_t pixel = (size_t)d->filters * sizeof(uint16_t);
    size_t input;
    u->image_bytes = (size_t)(d->height * d->width * d->channels);
    cw_onednn_take(&input, &bytes->acts, (size_t)d->batch * u->image_bytes);
    for (int i = 0; i < d->n_layers; i++) {
        unit_layer *l = &u->layer[i];
        size_t weights = (size_t)(count_terms(u, i) * CW_UNIT * d->filters) * sizeof(uint16_t);
        cw_onednn_take(&l->forward, &bytes->packed, weights);
        if (d->train && i > 0) cw_onednn_take(&l->backward, &bytes->packed, weights);
        cw_onednn_take(&l->bias, &bytes->packed, (size_t)d->filters * sizeof(float));
        l->map_bytes = (size_t)map_pixels(u, l->oh) * pixel;
        if (d->train && i + 1 < d->n_layers) {
            cw_onednn_take(&l->map, &bytes->acts, (size_t)d->batch * l->map_bytes);
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
    cw_onednn_take(&u->pixels, &used, u->pixel_bytes);
    if (!d->train) {
        for (int i = 0; i < 2; i++) cw_onednn_take(&u->map[i], &used, u->layer[0].map_bytes);
    } else {
        /* Rows that are a multiple of 4096 bytes apart would share their cache sets. */
        u->row_step = pixels + 32;
        size_t gradient = (size_t)(pixels + 2 * cw_unit_border(u)) * pixel;
        for (int i = 0; i < 2; i++) cw_onednn_take(&u->gradient[i], &used, gradient);
        cw_onednn_take(&u->rows, &used, (size_t)(u->row_step * d->filters) * sizeof(uint16_t));
        for (int i = 0; i < 2; i++) cw_onednn_take(&u->pairs[i], &used, (size_t)pixels * pixel);
    }
    cw_onednn_take(&u->thread_bytes, &used, 0);
    bytes->scratch = (size_t)u->threads * u->thread_bytes;
    if (!d->train) return;
    u->parts = cw_onednn_parts(d->batch, u->threads);
    u->sum_bytes = cw_onednn_aligned(u->sum_count * sizeof(float));
    cw_onednn_take(&u->sums, &bytes->scratch, (size_t)u->parts * u->sum_bytes);
}

static cw_status place_pixels(cw_units *u) {
    const unit_layer *l = &u->layer[0];
    int64_t pixels = cw_onednn_round_up(l->oh * u->pitch, CW_UNIT);
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
    if (status == CW_OK) status = place_features(u);
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
    cw_free(units->lines);
    cw_free(units->pixel_at);
    cw_free(units);
}
