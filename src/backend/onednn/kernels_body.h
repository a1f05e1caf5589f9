/* The loops of kernels.h. Included once per instruction set by a file that defines KERNELS (the
 * table's name), ISA (its text), LANES (floats of one vector, and channels of a block) and
 * REGISTERS (vectors that the processor holds); the build gives that file the matching compiler
 * options. BF16_FACTORS: see factors_body.h. MATRIX_UNITS: matrix products go through AMX. */
#include "backend/onednn/kernels.h"

#include <math.h>
#include <string.h>
#ifdef BF16_FACTORS
#include "backend/onednn/avx512.h"
#endif

static void adam(float *restrict p, float *restrict m, float *restrict v, const float *restrict g,
                 size_t n, const cw_adam_scalars *s) {
    const cw_adam_scalars a = *s;
    float change[256];
    for (size_t begin = 0; begin < n; begin += 256) {
        size_t count = n - begin < 256 ? n - begin : 256;
        float *restrict pb = p + begin;
        float *restrict mb = m + begin;
        float *restrict vb = v + begin;
        const float *restrict gb = g + begin;
        for (size_t i = 0; i < count; i++) {
            mb[i] = a.beta1 * mb[i] + a.rest1 * gb[i];
            vb[i] = a.beta2 * vb[i] + a.rest2 * gb[i] * gb[i];
            change[i] = a.step * mb[i] / (sqrtf(vb[i]) * a.inv_root + a.eps);
        }
        for (int k = 0; k < a.repeat; k++) {
            for (size_t i = 0; i < count; i++) pb[i] -= change[i];
        }
    }
}

static void ema(float *restrict target, const float *restrict source, size_t n, float tau,
                float rest) {
    for (size_t i = 0; i < n; i++) target[i] = tau * source[i] + rest * target[i];
}

static void relu_backward(float *restrict dy, const float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) dy[i] = y[i] > 0 ? dy[i] : 0;
}

static void tanh_backward(float *dx, const float *dy, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

static void add(float *restrict y, const float *restrict x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void bias_relu(float *restrict y, const float *restrict b, size_t rows, size_t n,
                      bool relu) {
    for (size_t r = 0; r < rows; r++) {
        float *restrict row = y + r * n;
        if (b != NULL) {
            for (size_t i = 0; i < n; i++) row[i] += b[i];
        }
        if (relu) {
            for (size_t i = 0; i < n; i++) row[i] = row[i] < 0 ? 0 : row[i];
        }
    }
}

static void column_sums(float *restrict out, const float *restrict x, size_t rows, size_t n,
                        size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) out[i] = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = begin; i < end; i++) out[i] += x[r * n + i];
    }
}

static void pixels(float *restrict out, const uint8_t *restrict in, size_t n, size_t block) {
    if (block == 1) {
        for (size_t i = 0; i < n; i++) out[i] = (float)in[i] / 255.0f;
    } else {
        for (size_t i = 0; i < n; i++) out[i * block] = (float)in[i] / 255.0f;
    }
}

/* Four floats; maps are turned into planes and back by squares of them. */
typedef float quad __attribute__((vector_size(16)));
typedef float memory_quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int quad_bits __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) void transpose_square(quad row[4]) {
    quad low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
    quad low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
    quad high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
    quad high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
    row[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    row[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    row[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    row[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

static void to_planes(float *restrict planes, const float *restrict map, int64_t n) {
    int64_t p = 0;
    for (; p + 4 <= n; p += 4) {
        for (int64_t c = 0; c < LANES; c += 4) {
            quad row[4];
            for (int i = 0; i < 4; i++) row[i] = *(const memory_quad *)(map + (p + i) * LANES + c);
            transpose_square(row);
            for (int i = 0; i < 4; i++) *(memory_quad *)(planes + (c + i) * n + p) = row[i];
        }
    }
    for (; p < n; p++) {
        for (int64_t c = 0; c < LANES; c++) planes[c * n + p] = map[p * LANES + c];
    }
}

static void from_planes(float *restrict dmap, const float *restrict dplanes,
                        const float *restrict map, int64_t n) {
    int64_t p = 0;
    for (; p + 4 <= n; p += 4) {
        for (int64_t c = 0; c < LANES; c += 4) {
            quad row[4];
            for (int i = 0; i < 4; i++) row[i] = *(const memory_quad *)(dplanes + (c + i) * n + p);
            transpose_square(row);
            for (int i = 0; i < 4; i++) {
                int64_t at = (p + i) * LANES + c;
                quad_bits keep = *(const memory_quad *)(map + at) > 0.0F;
                *(memory_quad *)(dmap + at) = (quad)((quad_bits)row[i] & keep);
            }
        }
    }
    for (; p < n; p++) {
        for (int64_t c = 0; c < LANES; c++) {
            float gradient = dplanes[c * n + p];
            dmap[p * LANES + c] = map[p * LANES + c] > 0 ? gradient : 0;
        }
    }
}

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void to_bf16(uint16_t *restrict to, const float *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = float_bits(from[i]);
        uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
        bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
        to[i] = (uint16_t)(is_nan ? 0x7fc0 : rounded >> 16);
    }
}

static void pixel_pairs(uint16_t *restrict out, const uint8_t *restrict first,
                        const uint8_t *restrict second, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t low = float_bits((float)first[i]) >> 16;
        uint32_t high = second != NULL ? float_bits((float)second[i]) : 0;
        uint32_t pair = low | high;
        memcpy(out + 2 * i, &pair, sizeof pair);
    }
}

static void from_pixel_pairs(float *restrict first, float *restrict second,
                             const uint16_t *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t pair;
        memcpy(&pair, in + 2 * i, sizeof pair);
        first[i] = bits_float(pair << 16) / 255.0f;
        if (second != NULL) second[i] = bits_float(pair & 0xffff0000U) / 255.0f;
    }
}

/* A register of LANES floats; through memory_vec, one at any address. */
typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float memory_vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

typedef int vec_bits __attribute__((vector_size(LANES * 4)));

#include "backend/onednn/factors_body.h"

/* Rows of the output that are taken together, so that dy stays in the first-level cache while
 * every input channel passes. */
#define ROWS 4

/* `blocks` (1 or 2) vectors of output channels against one input channel: nine sums each, held in
 * registers over the rows. x points at the channel's pixel under output (row, 0). */
static inline __attribute__((always_inline)) void
channel_weights(float *restrict sums, int64_t sums_step, const float *restrict x,
                const float *restrict dy, int64_t dy_step, const cw_conv_shape *s, int64_t rows,
                int blocks) {
    vec acc[2][9];
    for (int b = 0; b < blocks; b++) {
        for (int k = 0; k < 9; k++) {
            acc[b][k] = *(const memory_vec *)(sums + b * sums_step + k * LANES);
        }
    }
    int64_t x_row = s->w * s->x_block;
    int64_t x_pixel = s->x_block;
    for (int64_t i = 0; i < rows; i++) {
        const float *at = x + i * s->stride * x_row;
        const float *from = dy + i * s->ow * LANES;
        for (int64_t j = 0; j < s->ow; j++) {
            vec d[2];
            for (int b = 0; b < blocks; b++) {
                d[b] = *(const memory_vec *)(from + b * dy_step + j * LANES);
            }
            const float *corner = at + j * s->stride * x_pixel;
            for (int k = 0; k < 9; k++) {
                float pixel = corner[k / 3 * x_row + k % 3 * x_pixel];
                for (int b = 0; b < blocks; b++) acc[b][k] += d[b] * pixel;
            }
        }
    }
    for (int b = 0; b < blocks; b++) {
        for (int k = 0; k < 9; k++) {
            *(memory_vec *)(sums + b * sums_step + k * LANES) = acc[b][k];
        }
    }
}

static void conv_weights(float *sums, float *bias_sums, const float *x, const float *dy,
                         const cw_conv_shape *s) {
    int64_t dy_step = s->oh * s->ow * LANES;
    int64_t sums_step = s->c * 9 * LANES;
    int64_t n_blocks = (s->f + LANES - 1) / LANES;
    int blocks = REGISTERS == 32 ? 2 : 1; /* 18 of 32 or 9 of 16 hold sums */
    for (int64_t row = 0; row < s->oh; row += ROWS) {
        int64_t rows = s->oh - row < ROWS ? s->oh - row : ROWS;
        for (int64_t f = 0; f < n_blocks; f += blocks) {
            const float *from = dy + f * dy_step + row * s->ow * LANES;
            int n = n_blocks - f < blocks ? 1 : blocks;
            for (int b = 0; b < n; b++) {
                memory_vec *bias = (memory_vec *)(bias_sums + (f + b) * LANES);
                vec sum = *bias;
                for (int64_t p = 0; p < rows * s->ow; p++) {
                    sum += *(const memory_vec *)(from + b * dy_step + p * LANES);
                }
                *bias = sum;
            }
            for (int64_t c = 0; c < s->c; c++) {
                int64_t block = c / s->x_block * s->h * s->w * s->x_block;
                const float *at = x + block + c % s->x_block + row * s->stride * s->w * s->x_block;
                float *to = sums + f * sums_step + c * 9 * LANES;
                if (n == 2) {
                    channel_weights(to, sums_step, at, from, dy_step, s, rows, 2);
                } else {
                    channel_weights(to, sums_step, at, from, dy_step, s, rows, 1);
                }
            }
        }
    }
}

/* Pixels of a row that conv_forward holds in registers, two vectors of filters each. */
#if REGISTERS == 32
#define PIXELS 14
#else
#define PIXELS 6
#endif

/* Terms of an output, with those that only fill up pairs. */
static int64_t count_terms(const cw_conv_shape *s) {
    return (s->c + PAIR - 1) / PAIR * PAIR * 9;
}

static void conv_pack(void *to, const float *weight, float divisor, const cw_conv_shape *s) {
    int64_t terms = count_terms(s);
    factor *w = to;
    memset(w, 0, (size_t)(s->f * terms) * sizeof *w);
    for (int64_t f = 0; f < s->f; f++) {
        factor *lane = w + f / LANES * terms * LANES + f % LANES * PAIR;
        for (int64_t i = 0; i < s->c * 9; i++) {
            int64_t c = i / 9;
            int64_t tap = i % 9;
            lane[(c / PAIR * 9 + tap) * LANES * PAIR + c % PAIR] =
                round_factor(weight[f * s->c * 9 + i] / divisor);
        }
    }
}

/* `n` neighbouring pixels from the output's at `y`; x points at the first one's corner in channel
 * 0. `blocks` (1 or 2) vectors of filters. */
static inline __attribute__((always_inline)) void
forward_pixels(float *restrict y, const factor *restrict x, const factor *restrict w,
               const float *restrict bias, const cw_conv_shape *s, int64_t step, int n,
               int blocks) {
    vec acc[PIXELS][2];
    int64_t w_step = count_terms(s) * LANES;
    int64_t y_step = s->oh * s->ow * LANES;
    int64_t x_row = s->w * s->x_block;
    int64_t tap_at[9];
    for (int64_t k = 0; k < 9; k++) tap_at[k] = k / 3 * x_row + k % 3 * s->x_block;
    for (int b = 0; b < blocks; b++) {
        for (int p = 0; p < n; p++) acc[p][b] = *(const memory_vec *)(bias + b * LANES);
    }
    for (int64_t c = 0; c < s->c; c += PAIR) {
        const factor *channel = x + c / s->x_block * s->h * x_row + c % s->x_block;
        for (int64_t k = 0; k < 9; k++) {
            const factor *pixel = channel + tap_at[k];
            /* A pointer that gcc knows nothing about: else it adds up every pixel's address. */
            __asm__("" : "+r"(pixel));
            const factor *tap = w + (c * 9 + k * PAIR) * LANES;
            factors g[2];
            for (int b = 0; b < blocks; b++) g[b] = load_factors(tap + b * w_step);
            for (int p = 0; p < n; p++) {
                for (int b = 0; b < blocks; b++) {
                    acc[p][b] = multiply_add(acc[p][b], g[b], pixel + p * step);
                }
            }
        }
    }
    for (int p = 0; p < n; p++) {
        for (int b = 0; b < blocks; b++) {
            vec value = acc[p][b];
            *(memory_vec *)(y + b * y_step + p * LANES) = (vec)((vec_bits)value & ~(value < 0.0F));
        }
    }
}

/* A row by groups of pixels; a row shorter than a group one by one. */
static inline __attribute__((always_inline)) void forward_row(float *y, const factor *x,
                                                              const factor *w, const float *bias,
                                                              const cw_conv_shape *s, int64_t step,
                                                              int blocks) {
    int64_t j = 0;
    for (; j + PIXELS <= s->ow; j += PIXELS) {
        forward_pixels(y + j * LANES, x + j * step, w, bias, s, step, PIXELS, blocks);
    }
    if (j < s->ow && s->ow >= PIXELS) { /* some pixels twice: cheaper than one by one */
        j = s->ow - PIXELS;
        forward_pixels(y + j * LANES, x + j * step, w, bias, s, step, PIXELS, blocks);
        return;
    }
    for (; j < s->ow; j++) {
        forward_pixels(y + j * LANES, x + j * step, w, bias, s, step, 1, blocks);
    }
}

static void conv_forward(float *y, const void *x, const void *w, const float *bias,
                         const cw_conv_shape *s, int64_t begin, int64_t end) {
    int64_t step = s->stride * s->x_block;
    for (int64_t i = begin; i < end; i++) {
        const factor *from = (const factor *)x + i * s->stride * s->w * s->x_block;
        for (int64_t f = 0; f < s->f; f += 2 * LANES) {
            float *to = y + (f / LANES * s->oh + i) * s->ow * LANES;
            const factor *wf = (const factor *)w + f * count_terms(s);
            if (s->f - f <= LANES) {
                forward_row(to, from, wf, bias + f, s, step, 1);
            } else if (step == 2 * PAIR) { /* known to the compiler: addresses without arithmetic */
                forward_row(to, from, wf, bias + f, s, 2 * PAIR, 2);
            } else {
                forward_row(to, from, wf, bias + f, s, step, 2);
            }
        }
    }
}

#ifdef MATRIX_UNITS
#include "backend/onednn/product_amx.h"
#else
#include "backend/onednn/product_body.h"
#endif
#include "backend/onednn/winograd_body.h"

const cw_kernels KERNELS = {
    .isa = ISA,
    .lanes = LANES,
    .adam = adam,
    .ema = ema,
    .relu_backward = relu_backward,
    .tanh_backward = tanh_backward,
    .add = add,
    .bias_relu = bias_relu,
    .column_sums = column_sums,
    .pixels = pixels,
    .to_planes = to_planes,
    .from_planes = from_planes,
    .to_bf16 = to_bf16,
    .pixel_pairs = pixel_pairs,
    .from_pixel_pairs = from_pixel_pairs,
    .conv_weights = conv_weights,
    .conv_forward = conv_forward,
    .conv_pack = conv_pack,
    .factor_bytes = sizeof(factor),
    .product_rows = PRODUCT_ROWS,
    .term_multiple = TERM_MULTIPLE,
    .begin_products = begin_products,
    .end_products = end_products,
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
#ifdef MATRIX_UNITS
    .pack_bf16_rows = pack_bf16_rows,
    .pack_bf16_columns = pack_bf16_columns,
#endif
    .product_tile = product_tile,
    .winograd_pack = winograd_pack,
    .winograd_apply = winograd_apply,
    .winograd_gradient = winograd_gradient,
    .winograd_collect = winograd_collect,
};
