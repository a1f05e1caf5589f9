/* The loops of units.h. */
#include "backend/onednn/amx.h"
#include "backend/onednn/units.h"

#include <string.h>

enum { BLOCK = 16, PAIR_TERMS = 2 };

static void begin(void) {
    amx_begin();
}

static void end(void) {
    amx_end();
}

/* ---- pixels ---- */

/* Bytes of 16 pixels of up to 16 planes, four planes to a register, in the order of the pixels. */
typedef struct weave {
    __m512i from[4];  /* byte of registers 0 and 1, or of 2 and 3 */
    __mmask64 far[4]; /* where it is of the latter */
    __mmask64 last;   /* bytes that count of the last register */
    int registers;
} weave;

static weave make_weave(int64_t planes) {
    weave w = {.registers = (int)((planes * BLOCK + 63) / 64)};
    for (int v = 0; v < w.registers; v++) {
        uint8_t from[64] = {0};
        uint64_t far = 0;
        for (int64_t i = 0; i < 64 && v * 64 + i < planes * BLOCK; i++) {
            int64_t pixel = (v * 64 + i) / planes;
            int64_t plane = (v * 64 + i) % planes;
            from[i] = (uint8_t)(plane % 8 * BLOCK + pixel);
            if (plane >= 8) far |= UINT64_C(1) << i;
        }
        w.from[v] = _mm512_loadu_si512(from);
        w.far[v] = far;
    }
    int64_t rest = planes * BLOCK - (w.registers - 1) * 64;
    w.last = rest == 64 ? ~UINT64_C(0) : (UINT64_C(1) << rest) - 1;
    return w;
}

static inline __m128i load_16(const uint8_t *from) {
    return _mm_loadu_si128((const __m128i *)from);
}

static inline void weave_16(uint8_t *to, const uint8_t *const planes[16], int64_t at,
                            const weave *w) {
    __m512i z[4];
    for (int q = 0; q < 4; q++) {
        const uint8_t *const *p = planes + (ptrdiff_t)4 * q;
        __m512i four = _mm512_castsi128_si512(load_16(p[0] + at));
        four = _mm512_inserti32x4(four, load_16(p[1] + at), 1);
        four = _mm512_inserti32x4(four, load_16(p[2] + at), 2);
        z[q] = _mm512_inserti32x4(four, load_16(p[3] + at), 3);
    }
    for (int v = 0; v < w->registers; v++) {
        __m512i near = _mm512_permutex2var_epi8(z[0], w->from[v], z[1]);
        __m512i far = _mm512_permutex2var_epi8(z[2], w->from[v], z[3]);
        __m512i all = _mm512_mask_mov_epi8(near, w->far[v], far);
        __mmask64 count = v + 1 == w->registers ? w->last : ~UINT64_C(0);
        _mm512_mask_storeu_epi8(to + (ptrdiff_t)64 * v, count, all);
    }
}

static void interleave(uint8_t *to, const uint8_t *const *planes, int64_t n, int64_t h, int64_t w,
                       int64_t step) {
    if (n > 16 || w < BLOCK) {
        for (int64_t y = 0; y < h; y++) {
            for (int64_t x = 0; x < w; x++) {
                for (int64_t p = 0; p < n; p++) *to++ = planes[p][y * step + x];
            }
        }
        return;
    }
    const uint8_t *filled[16];
    for (int64_t p = 0; p < 16; p++) filled[p] = planes[p < n ? p : 0];
    weave order = make_weave(n);
    for (int64_t y = 0; y < h; y++, to += w * n) {
        for (int64_t x = 0; x < w; x += BLOCK) {
            int64_t from = x + BLOCK <= w ? x : w - BLOCK;
            weave_16(to + from * n, filled, y * step + from, &order);
        }
    }
}

static void widen(uint16_t *to, const uint8_t *from, size_t n) {
    for (size_t i = 0; i < n; i += 32) {
        __mmask32 some = n - i < 32 ? (UINT32_C(1) << (n - i)) - 1 : ~UINT32_C(0);
        __m256i bytes = _mm256_maskz_loadu_epi8(some, from + i);
        __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm256_castsi256_si128(bytes)));
        __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm256_extracti128_si256(bytes, 1)));
        _mm512_mask_storeu_epi16(to + i, some, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

/* ---- forward and data ---- */

/* The next lines of what will be read soon. */
VECTOR_INLINE void fetch(cw_unit_soon *soon, int lines) {
    if (soon->n == 0) return;
    cw_unit_region *r = &soon->last_first[soon->n - 1];
#pragma GCC unroll 4
    for (int i = 0; i < lines; i++) _mm_prefetch(r->at + (ptrdiff_t)64 * i, _MM_HINT_T1);
    r->at += (ptrdiff_t)64 * lines;
    if (r->at >= r->end) soon->n--;
}

/* Sums of 32 pixels, two blocks of 16, for 32 channels. */
typedef float sum_tile[CW_UNIT][CW_UNIT];

/* Where a convolution's sums go. */
typedef struct target {
    const cw_unit_conv *conv;
    const float *bias; /* outputs: (channels) */
    uint16_t *map;     /* outputs and gradients */
    const uint16_t *x; /* gradients: the map that says which elements are alive */
    float *features;   /* features: (channels, h, w) */
    uint16_t *bf16_features;
    const cw_unit_features *shape;
    cw_unit_soon *soon;
} target;

/* Sums that wait to be put away while the next ones are made: the matrix unit and the rest of the
 * core then work at the same time. */
typedef struct waiting {
    float (*tile)[CW_UNIT];
    int64_t rows; /* CW_UNIT, or 0: nothing waits */
    int64_t block, group;
    int64_t at[2]; /* elements of the map: the blocks' first pixels */
    int64_t step;  /* from a pixel to the next */
} waiting;

/* Does the parts [first, stop) of CW_UNIT that putting away consists of. */
typedef void (*put_fn)(const target *to, const waiting *w, int64_t first, int64_t stop);

VECTOR_INLINE waiting wait_for(const cw_unit_conv *conv, float (*tile)[CW_UNIT], int64_t block,
                               int64_t group) {
    waiting w = {.tile = tile, .rows = CW_UNIT, .block = block, .group = group};
    w.step = conv->groups * CW_UNIT;
    for (int i = 0; i < 2; i++) w.at[i] = conv->out_at[block + i] * w.step + group * CW_UNIT;
    return w;
}

/* Element of the map for a row's first channel. */
VECTOR_INLINE int64_t map_at(const waiting *w, int64_t row) {
    return w->at[row / BLOCK] + row % BLOCK * w->step;
}

/* A NaN stays one. */
VECTOR_INLINE __m512 relu(__m512 x) {
    return _mm512_max_ps(_mm512_setzero_ps(), x);
}

/* A group's biases. */
typedef struct biases {
    __m512 low, high;
} biases;

VECTOR_INLINE biases take_biases(const target *to, const waiting *w) {
    const float *from = to->bias + w->group * CW_UNIT;
    return (biases){_mm512_loadu_ps(from), _mm512_loadu_ps(from + 16)};
}

/* A pixel's outputs. */
VECTOR_INLINE __m512i round_pixel(const waiting *w, int64_t row, biases bias) {
    __m512 low = relu(_mm512_add_ps(bias.low, _mm512_load_ps(w->tile[row])));
    __m512 high = relu(_mm512_add_ps(bias.high, _mm512_load_ps(w->tile[row] + 16)));
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

VECTOR_INLINE void put_outputs(const target *to, const waiting *w, int64_t first, int64_t stop) {
    biases bias = take_biases(to, w);
    for (int64_t r = first; r < stop; r++) {
        _mm512_storeu_si512(to->map + map_at(w, r), round_pixel(w, r, bias));
    }
}

VECTOR_INLINE void put_gradients(const target *to, const waiting *w, int64_t first, int64_t stop) {
    for (int64_t r = first; r < stop; r++) {
        int64_t at = map_at(w, r);
        __m512bh y =
            _mm512_cvtne2ps_pbh(_mm512_load_ps(w->tile[r] + 16), _mm512_load_ps(w->tile[r]));
        __m512i x = _mm512_loadu_si512(to->x + at);
        __mmask32 alive = _mm512_cmpgt_epi16_mask(x, _mm512_setzero_si512());
        _mm512_storeu_si512(to->map + at, _mm512_maskz_mov_epi16(alive, (__m512i)y));
    }
}

/* The sums of two blocks for a group of channels; meanwhile what waits is put away. */
VECTOR_INLINE void sum_up(sum_tile out, const char *in, int64_t block, const uint16_t *weights,
                          const target *to, put_fn put, const waiting *w) {
    const cw_unit_conv *conv = to->conv;
    const char *first = in + conv->in_at[block];
    const char *second = in + conv->in_at[block + 1];
    size_t step = (size_t)conv->pixel_bytes;
    int64_t rows = (CW_UNIT + conv->terms - 1) / conv->terms;
    int64_t row = 0;
    amx_zero();
    for (int64_t k = 0; k < conv->terms; k++, weights += CW_UNIT * CW_UNIT) {
        amx_step(first + conv->term_at[k], second + conv->term_at[k], step, weights,
                 weights + CW_UNIT * CW_UNIT / 2, 64);
        fetch(to->soon, 2);
        int64_t stop = row + rows < w->rows ? row + rows : w->rows;
        put(to, w, row, stop);
        row = stop;
    }
    amx_store(out[0], sizeof out[0]);
}

VECTOR_INLINE void convolve(const void *in, const uint16_t *weights, const target *to, put_fn put) {
    _Alignas(64) sum_tile tile[2];
    const cw_unit_conv *conv = to->conv;
    waiting w = {.tile = tile[0]};
    int turn = 0;
    for (int64_t block = 0; block < conv->blocks; block += 2) {
        const uint16_t *packed = weights;
        for (int64_t g = 0; g < conv->groups; g++, turn ^= 1) {
            sum_up(tile[turn], in, block, packed, to, put, &w);
            w = wait_for(conv, tile[turn], block, g);
            packed += conv->terms * CW_UNIT * CW_UNIT;
        }
    }
    put(to, &w, 0, w.rows);
}

static void forward(uint16_t *out, const void *in, const uint16_t *weights, const float *bias,
                    const cw_unit_conv *conv, cw_unit_soon *soon) {
    target to = {.conv = conv, .bias = bias, .map = out, .soon = soon};
    convolve(in, weights, &to, put_outputs);
}

static void data(uint16_t *dx, const void *dy, const uint16_t *weights, const uint16_t *x,
                 const cw_unit_conv *conv, cw_unit_soon *soon) {
    target to = {.conv = conv, .map = dx, .x = x, .soon = soon};
    convolve(dy, weights, &to, put_gradients);
}

/* ---- features ---- */

/* 16 pixels of 16 channels. */
VECTOR_INLINE void put_square(const target *to, const waiting *w, int64_t row, int64_t column) {
    __m512 bias = _mm512_loadu_ps(to->bias + w->group * CW_UNIT + column);
    __m512i r[16];
#pragma GCC unroll 16
    for (int64_t i = 0; i < 16; i++) {
        r[i] = (__m512i)relu(_mm512_add_ps(bias, _mm512_load_ps(w->tile[row + i] + column)));
    }
    transpose_16(r);
    int64_t plane = to->shape->h * to->shape->w;
    float *at = to->features + (w->group * CW_UNIT + column) * plane;
    const cw_unit_lines *l = &to->shape->lines[w->block / 2];
    for (int64_t c = 0; c < 16; c++, at += plane) {
        for (int k = 0; k < l->n; k++) {
            __mmask16 pixels = (__mmask16)(l->pixels[k] >> row);
            if (pixels != 0) _mm512_mask_storeu_epi32(at + l->at[k] + row, pixels, r[c]);
        }
    }
}

/* By squares of 16 rows and 16 channels, four for 32 rows. */
VECTOR_INLINE void put_features(const target *to, const waiting *w, int64_t first, int64_t stop) {
    for (int64_t square = (first + 7) / 8; 8 * square < stop; square++) {
        put_square(to, w, square / 2 * BLOCK, square % 2 * 16);
    }
}

static void features(float *out, const void *in, const uint16_t *weights, const float *bias,
                     const cw_unit_conv *conv, const cw_unit_features *shape, cw_unit_soon *soon) {
    target to = {.conv = conv, .bias = bias, .features = out, .shape = shape, .soon = soon};
    convolve(in, weights, &to, put_features);
}

/* ---- features in bf16 ---- */

/* Two pixels side by side, channel by channel: first[i], second[i], in cw_unit_column's order. */
VECTOR_INLINE void pair_up(__m512i *low, __m512i *high, const void *first, const void *second) {
    __m512i a = _mm512_loadu_si512(first);
    __m512i b = _mm512_loadu_si512(second);
    *low = _mm512_unpacklo_epi16(a, b);
    *high = _mm512_unpackhi_epi16(a, b);
}

/* Of 8 rounded pixels: pairs, and the first step of transposes of the channels that pair up. The
 * results take the pixels' places: those of cw_unit_column's first 16 in even ones. */
VECTOR_INLINE void pair_pixels(const waiting *w, int64_t first) {
    __m512i low[4];
    __m512i high[4];
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; i++) {
        pair_up(&low[i], &high[i], w->tile[first + 2 * i], w->tile[first + 2 * i + 1]);
    }
    transpose_16_rows(low);
    transpose_16_rows(high);
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; i++) {
        _mm512_store_si512(w->tile[first + 2 * i], low[i]);
        _mm512_store_si512(w->tile[first + 2 * i + 1], high[i]);
    }
}

/* The second step, and the lines of four channels: `number` of 8 times four. */
VECTOR_INLINE void put_lines(const target *to, const waiting *w, int64_t number) {
    __m512i r[4];
#pragma GCC unroll 4
    for (int64_t a = 0; a < 4; a++) {
        r[a] = _mm512_load_si512(w->tile[8 * a + number % 4 * 2 + number / 4]);
    }
    transpose_16_parts(r);
    const cw_unit_lines *l = &to->shape->lines[w->block / 2];
    int64_t plane = to->shape->h * to->shape->w;
    uint16_t *at = to->bf16_features + (w->group * CW_UNIT + number) * plane;
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; i++, at += 8 * plane) {
        for (int k = 0; k < l->n; k++) {
            _mm512_mask_storeu_epi16(at + l->at[k], l->pixels[k], r[i]);
        }
    }
}

/* In the first half of the parts pixels are rounded where they lie. */
VECTOR_INLINE void put_bf16_features(const target *to, const waiting *w, int64_t first,
                                     int64_t stop) {
    biases bias = take_biases(to, w);
    for (int64_t part = first; part < stop; part++) {
        if (part < 16) {
            _mm512_store_si512(w->tile[2 * part], round_pixel(w, 2 * part, bias));
            _mm512_store_si512(w->tile[2 * part + 1], round_pixel(w, 2 * part + 1, bias));
        } else if (part < 24) {
            if (part % 2 == 0) pair_pixels(w, (part - 16) * 4);
        } else {
            put_lines(to, w, part - 24);
        }
    }
}

static void bf16_features(uint16_t *out, const void *in, const uint16_t *weights, const float *bias,
                          const cw_unit_conv *conv, const cw_unit_features *shape,
                          cw_unit_soon *soon) {
    target to = {.conv = conv, .bias = bias, .bf16_features = out, .shape = shape, .soon = soon};
    convolve(in, weights, &to, put_bf16_features);
}

/* ---- gradients of features ---- */

/* Up to 16 gradients, zero where the feature is not above 0 and behind the n-th. */
VECTOR_INLINE __m512 alive_gradients(const float *dfeatures, const float *features, int64_t n) {
    __mmask16 lanes = lanes_of_16(n);
    __m512 y = _mm512_maskz_loadu_ps(lanes, features);
    __mmask16 alive = _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_loadu_ps(alive & lanes, dfeatures);
}

/* Gradients x to x + 32 of a line, rounded. */
VECTOR_INLINE __m512i round_gradients(const float *dfeatures, const float *features, int64_t x,
                                      int64_t w) {
    int64_t at = x < w ? x : 0;
    __m512 low = alive_gradients(dfeatures + at, features + at, w - x);
    at = x + 16 < w ? x + 16 : 0;
    __m512 high = alive_gradients(dfeatures + at, features + at, w - x - 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* The same of a line in bf16. */
VECTOR_INLINE __m512i take_gradients(const uint16_t *dfeatures, const uint16_t *features, int64_t x,
                                     int64_t w) {
    int64_t at = x < w ? x : 0;
    __m512i y = _mm512_maskz_loadu_epi16(lanes_of_32(w - x), features + at);
    __mmask32 alive = _mm512_cmpgt_epi16_mask(y, _mm512_setzero_si512());
    return _mm512_maskz_loadu_epi16(alive, dfeatures + at);
}

VECTOR_INLINE void put_any_rows(uint16_t *rows, int64_t step, const void *dfeatures,
                                const void *features, const cw_unit_features *shape, bool bf16) {
    int64_t at = 0; /* the line's first element */
    for (int64_t c = 0; c < shape->channels; c++, rows += step) {
        for (int64_t y = 0; y < shape->h; y++, at += shape->w) {
            for (int64_t x = 0; x < shape->pitch; x += 32) {
                __m512i line = bf16 ? take_gradients((const uint16_t *)dfeatures + at,
                                                     (const uint16_t *)features + at, x, shape->w)
                                    : round_gradients((const float *)dfeatures + at,
                                                      (const float *)features + at, x, shape->w);
                _mm512_storeu_si512(rows + y * shape->pitch + x, line);
            }
        }
        _mm512_storeu_si512(rows + shape->h * shape->pitch, _mm512_setzero_si512());
    }
}

static void feature_rows(uint16_t *rows, int64_t step, const float *dfeatures,
                         const float *features, const cw_unit_features *shape) {
    put_any_rows(rows, step, dfeatures, features, shape, false);
}

static void bf16_feature_rows(uint16_t *rows, int64_t step, const uint16_t *dfeatures,
                              const uint16_t *features, const cw_unit_features *shape) {
    put_any_rows(rows, step, dfeatures, features, shape, true);
}

/* ---- gradients of weights ---- */

static void transpose_32(uint16_t *to, int64_t to_step, const uint16_t *from, int64_t from_step) {
    __m512i low[16];
    __m512i high[16];
#pragma GCC unroll 16
    for (int64_t i = 0; i < 16; i++) {
        pair_up(&low[i], &high[i], from + 2 * i * from_step, from + (2 * i + 1) * from_step);
    }
    transpose_16(low);
    transpose_16(high);
    for (int64_t i = 0; i < 16; i++) {
        int64_t line = i / 4 * 8 + i % 4;
        _mm512_storeu_si512(to + line * to_step, low[i]);
        _mm512_storeu_si512(to + (line + 4) * to_step, high[i]);
    }
}

static void transpose(uint16_t *to, int64_t to_step, const uint16_t *from, int64_t from_step,
                      int64_t lines, int64_t columns) {
    for (int64_t i = 0; i < lines; i += 32) {
        for (int64_t j = 0; j < columns; j += 32) {
            transpose_32(to + j * to_step + i, to_step, from + i * from_step + j, from_step);
        }
    }
}

static void row_sums(float *sums, const uint16_t *rows, int64_t step, int64_t n, int64_t count) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int64_t c = 0; c < count; c++, rows += step) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t p = 0; p < n; p += 32) {
            sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_loadu_si512(rows + p), ones);
        }
        sums[c] += _mm512_reduce_add_ps(sum);
    }
}

/* A place's pair. */
VECTOR_INLINE void put_pair(uint16_t *to, const void *first, const void *second) {
    __m512i low;
    __m512i high;
    pair_up(&low, &high, first, second);
    _mm512_storeu_si512(to, low);
    _mm512_storeu_si512(to + 32, high);
}

static void pairs_at(uint16_t *to, const void *from, const int64_t *at, int64_t pixels) {
    for (int64_t p = 0; p < pixels; p += 2, to += (ptrdiff_t)PAIR_TERMS * CW_UNIT) {
        put_pair(to, (const char *)from + at[p], (const char *)from + at[p + 1]);
    }
}

static void pairs(uint16_t *even, uint16_t *odd, const void *from, int64_t step, int64_t pixels) {
    const char *x = from;
    for (int64_t p = 0; p < pixels; p += 2, x += 2 * step) {
        for (int64_t at = 0; at < step; at += 64) {
            put_pair(even, x + at, x + step + at);
            put_pair(odd, x + step + at, x + 2 * step + at);
            even += (ptrdiff_t)PAIR_TERMS * CW_UNIT;
            odd += (ptrdiff_t)PAIR_TERMS * CW_UNIT;
        }
    }
}

static void weights(float *sum, const uint16_t *rows, int64_t step, const uint16_t *pairs,
                    int64_t pair_bytes, int64_t pixels, cw_unit_soon *soon) {
    amx_load(sum, CW_UNIT * sizeof *sum);
    size_t row_bytes = (size_t)step * sizeof *rows;
    for (int64_t p = 0; p < pixels; p += 32) {
        fetch(soon, 4);
        const char *b = (const char *)pairs + p / 2 * pair_bytes;
        amx_step(rows + p, rows + 16 * step + p, row_bytes, b, b + 64, (size_t)pair_bytes);
    }
    amx_store(sum, CW_UNIT * sizeof *sum);
}

const cw_unit_kernels cw_unit_kernels_amx = {
    .begin = begin,
    .end = end,
    .interleave = interleave,
    .widen = widen,
    .forward = forward,
    .features = features,
    .bf16_features = bf16_features,
    .data = data,
    .feature_rows = feature_rows,
    .bf16_feature_rows = bf16_feature_rows,
    .transpose = transpose,
    .row_sums = row_sums,
    .pairs = pairs,
    .pairs_at = pairs_at,
    .weights = weights,
};
