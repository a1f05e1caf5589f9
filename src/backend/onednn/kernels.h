/* Single-thread loops compiled once per instruction set (kernels_body.h); a backend holds the
 * table of the best one that the machine runs. Plain pointers, f32, no allocation, no errors. */
#ifndef CW_BACKEND_ONEDNN_KERNELS_H
#define CW_BACKEND_ONEDNN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adam's scalars, rounded once. */
typedef struct cw_adam_scalars {
    float beta1, rest1; /* b1, 1-b1 */
    float beta2, rest2;
    float step;     /* lr / (1-b1^t) */
    float inv_root; /* 1 / sqrt(1-b2^t) */
    float eps;
    int repeat;
} cw_adam_scalars;

/* A map whose channels lie in blocks: element (channel c, pixel p) of a sample is at
 * (c / block * pixels + p) * block + c % block. block 1 is channel-major, block C pixel-major. */
typedef struct cw_conv_shape {
    int64_t c, h, w;   /* input */
    int64_t x_block;   /* channels per block of the input */
    int64_t f, oh, ow; /* output; its channels lie in blocks of `lanes` */
    int64_t stride;
} cw_conv_shape;

/* Tiles that go through the kernels together, their inputs and outputs in a core's second-level
 * cache beside the weights. */
#define CW_STRIP 24

/* One 3x3 convolution of a sample with stride 1 by tiles of 4x4 outputs (winograd_body.h). `in` and
 * `out` are what the kernel reads and writes: for backward data the gradients to the layer's output
 * and input. Channels are multiples of `lanes` and lie in blocks of it. */
typedef struct cw_winograd {
    int64_t in_c, in_h, in_w;
    int64_t out_c, out_h, out_w;
    int64_t padding;          /* zeros around the input on every side: 0, or 2 for backward data */
    int64_t tiles_h, tiles_w; /* tiles of the output */
    size_t factor_bytes;      /* of the kernel's table */
} cw_winograd;

/* A strip's inputs and outputs at the 36 places, and a vector more for each place, so that they do
 * not all fall into the same cache sets. */
static inline size_t cw_winograd_scratch(const cw_winograd *g) {
    enum { WIDEST = 16 };
    return 36 * (size_t)(CW_STRIP * (g->in_c + g->out_c) + 2 * WIDEST);
}

/* Memory that is needed soon: `rows` rows of `lines` times 64 bytes, `step` bytes apart. */
typedef struct cw_fetch {
    const char *from;
    int64_t rows, lines, step;
    int64_t line; /* of the first row: the next one to ask for */
} cw_fetch;

/* How many lines to ask for at a time, `times` times, for all of it. */
static inline int64_t cw_fetch_share(const cw_fetch *f, int64_t times) {
    return (f->rows * f->lines + times - 1) / times;
}

/* Asks for the next `lines`, as far as there are any. */
static inline void cw_fetch_next(cw_fetch *f, int64_t lines) {
    for (int64_t i = 0; i < lines && f->rows > 0; i++) {
        __builtin_prefetch(f->from + f->line * 64, 0, 2);
        if (++f->line == f->lines) {
            f->line = 0;
            f->from += f->step;
            f->rows--;
        }
    }
}

/* One tile of a matrix product: c (rows, columns) = a (rows, k) b (k, columns), or added to c. */
typedef struct cw_product_tile {
    const void *a, *b; /* from pack_rows and pack_columns */
    void *c;           /* f32, or bf16 */
    int64_t row_step,
        column_step;          /* elements from row to row, from column to column of c; one is 1 */
    int64_t rows, columns, k; /* at most product_rows, 2 * lanes, any */
    bool add;                 /* f32 only */
    cw_fetch soon;            /* to be asked for on the way */
    bool bf16;                /* c is bf16, column_step 1; only where pack_bf16_rows is not NULL */
} cw_product_tile;

typedef struct cw_kernels {
    const char *isa;
    int64_t lanes; /* channel block of the output that conv_weights works on */

    void (*adam)(float *p, float *m, float *v, const float *g, size_t n, const cw_adam_scalars *s);
    void (*ema)(float *target, const float *source, size_t n, float tau, float rest);
    void (*relu_backward)(float *dy, const float *y, size_t n);
    void (*tanh_backward)(float *dx, const float *dy, const float *y, size_t n);
    void (*add)(float *y, const float *x, size_t n);
    /* y (rows, n) += b (n) unless b is NULL, then ReLU if wanted */
    void (*bias_relu)(float *y, const float *b, size_t rows, size_t n, bool relu);
    /* out[begin..end) = column sums of x (rows, n) */
    void (*column_sums)(float *out, const float *x, size_t rows, size_t n, size_t begin,
                        size_t end);
    /* out[i * block] = in[i] / 255 */
    void (*pixels)(float *out, const uint8_t *in, size_t n, size_t block);
    /* planes (lanes, n) = map (n, lanes) */
    void (*to_planes)(float *planes, const float *map, int64_t n);
    /* dmap (n, lanes) = dplanes (lanes, n) where map is above 0, else 0 */
    void (*from_planes)(float *dmap, const float *dplanes, const float *map, int64_t n);
    /* bf16: to = from, rounded to nearest even */
    void (*to_bf16)(uint16_t *to, const float *from, size_t n);
    /* Pixels of two channels side by side, (n, 2), and back, divided by 255. `second` may be NULL:
     * zeros; left out. */
    void (*pixel_pairs)(uint16_t *out, const uint8_t *first, const uint8_t *second, size_t n);
    void (*from_pixel_pairs)(float *first, float *second, const uint16_t *in, size_t n);
    /* Adds one sample's gradient of a 3x3 convolution: sums (F/lanes, C, 9, lanes) and
     * bias_sums (F). x is the input, dy the gradient to the output. */
    void (*conv_weights)(float *sums, float *bias_sums, const float *x, const float *dy,
                         const cw_conv_shape *shape);
    /* y = ReLU(conv(x) + bias) of one sample, output rows [begin, end). x and w are factors: f32;
     * or bf16 by pairs of channels, x in blocks of 2, an odd last channel beside zeros. w from
     * conv_pack, F a multiple of lanes. */
    void (*conv_forward)(float *y, const void *x, const void *w, const float *bias,
                         const cw_conv_shape *shape, int64_t begin, int64_t end);
    /* w (F/lanes, C, 9, lanes), bf16 (F/lanes, C/2 rounded up, 9, lanes, 2), from OIHW weights
     * divided by `divisor`. */
    void (*conv_pack)(void *w, const float *weight, float divisor, const cw_conv_shape *shape);

    size_t factor_bytes;   /* of what products multiply: 4, f32; 2, bf16 */
    int64_t product_rows;  /* of a matrix product's tile */
    int64_t term_multiple; /* terms of a matrix product are filled up to a multiple of it */
    /* A thread calls these around its calls of product_tile. */
    void (*begin_products)(void);
    void (*end_products)(void);
    /* Packs up to product_rows rows of k terms into product_rows * k factors (k rounded up to
     * term_multiple), and columns by blocks of 2 * lanes into 2 * lanes * k of them each; one of
     * the two steps is 1. Both packed at a multiple of 64 bytes. */
    void (*pack_rows)(void *to, const float *from, int64_t row_step, int64_t k_step, int64_t rows,
                      int64_t k);
    void (*pack_columns)(void *to, const float *from, int64_t k_step, int64_t column_step,
                         int64_t columns, int64_t k);
    /* The same from bf16; NULL where products take f32 alone. */
    void (*pack_bf16_rows)(void *to, const uint16_t *from, int64_t row_step, int64_t k_step,
                           int64_t rows, int64_t k);
    void (*pack_bf16_columns)(void *to, const uint16_t *from, int64_t k_step, int64_t column_step,
                              int64_t columns, int64_t k);
    void (*product_tile)(const cw_product_tile *tile);
    /* Input channels [begin, end), an even number when factors are bf16, of u (36, out_c/lanes,
     * in_c, lanes), bf16 by pairs of channels (36, out_c/lanes, in_c/2, lanes, 2), from OIHW
     * weights, whose outputs and inputs change places when `backward`. */
    void (*winograd_pack)(void *u, const float *weight, const cw_winograd *g, bool backward,
                          int64_t begin, int64_t end);
    /* With bias (out_c): out = ReLU(conv + bias). Without: out = conv where relu (shaped as out) is
     * above 0, else 0. scratch: cw_winograd_scratch floats. */
    void (*winograd_apply)(float *out, const float *in, const void *u, const float *bias,
                           const float *relu, const cw_winograd *g, float *scratch);
    /* Adds a sample's gradient, still in the tiles' domain: du (36, out_c/lanes, in_c, lanes) f32
     * and dbias (out_c). scratch: cw_winograd_scratch floats. */
    void (*winograd_gradient)(float *du, float *dbias, const float *x, const float *dy,
                              const cw_winograd *g, float *scratch);
    /* Input channels [begin, end) of the OIHW gradient from `sets` du, each `set` floats after
     * the one before. */
    void (*winograd_collect)(float *dweight, const float *sums, size_t set, int sets,
                             const cw_winograd *g, int64_t begin, int64_t end);
} cw_kernels;

extern const cw_kernels cw_kernels_generic;
#if defined(__x86_64__)
extern const cw_kernels cw_kernels_avx2;
extern const cw_kernels cw_kernels_avx512;
/* As avx512, but the tiles' factors are bf16. */
extern const cw_kernels cw_kernels_avx512_bf16;
/* As avx512_bf16, but matrix products go through matrix units (AMX). */
extern const cw_kernels cw_kernels_amx;
#endif

/* The fastest f32 table that this machine runs and oneDNN may use: its variable
 * ONEDNN_MAX_CPU_ISA holds curlew's own loops to an instruction set as well. */
const cw_kernels *cw_kernels_best(void);

/* The table with bf16 factors; NULL where the best one is not for AVX-512, or the machine has no
 * dot products of bf16. */
const cw_kernels *cw_kernels_bf16(void);

/* The table whose matrix products go through matrix units, as cw_kernels_bf16's otherwise; NULL
 * where cw_has_matrix_units says that there are none. */
const cw_kernels *cw_kernels_units(void);

/* Every f32 table that this machine runs, best last. Returns how many (at most 3). */
int cw_kernels_all(const cw_kernels *out[3]);

#endif
