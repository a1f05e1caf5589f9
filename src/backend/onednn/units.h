/* Convnets on matrix units (AMX), in bf16 with sums in f32: a thread takes whole samples through
 * all layers while their maps are in its second-level cache.
 *
 * Maps lie pixel by pixel, F bf16 of a pixel side by side, so that one load fills a tile register
 * with 32 channels of 16 neighbours. Every map has lines of `pitch` pixels, the width of the first
 * layer's output, though layer i's own pixels are only the first ow of them: a convolution is then
 * the same sum at every pixel of a map, whichever line it lies in. What stands in the columns
 * behind ow is never read by a pixel that counts. Gradients are zero there; that is the padding
 * that a gradient to the input needs. */
#ifndef CW_BACKEND_ONEDNN_UNITS_H
#define CW_BACKEND_ONEDNN_UNITS_H

#include "ops/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Terms, and output channels, that a product takes at once. */
#define CW_UNIT 32

/* Pixels behind a map's last line that are zero and may be read. */
#define CW_UNIT_TAIL 64

/* A convolution as sums over `terms` blocks of 32 neighbouring factors. */
typedef struct cw_unit_conv {
    int64_t terms;
    const int64_t *term_at; /* (terms) bytes from a pixel's place in the input to a block */
    int64_t pixel_bytes;    /* from a pixel's place to its neighbour's */
    int64_t groups;         /* of 32 output channels */
    int64_t blocks;         /* of 16 output pixels side by side; an even number, in ascending order.
                               One may reach into the next one's pixels, which then come right. */
    const int64_t *in_at;   /* (blocks) byte of the first pixel's place in the input */
    const int64_t *out_at;  /* (blocks) first pixel of the output */
} cw_unit_conv;

/* The pixels of two blocks that are pixels of the features, too: where the i-th of the 32 goes to
 * in a plane of theirs is at + i, the same `at` for all in one line. */
typedef struct cw_unit_lines {
    int n;
    uint32_t pixels[4]; /* bit i: the i-th */
    int64_t at[4];
} cw_unit_lines;

/* The last output's own pixels, (channels, h, w), in a map of that pitch. */
typedef struct cw_unit_features {
    int64_t channels, h, w, pitch;
    const cw_unit_lines *lines; /* (blocks / 2) of the last layer */
} cw_unit_features;

typedef struct cw_unit_region {
    const char *at, *end;
} cw_unit_region;

/* Memory that will be read soon, the last region first. Loops over products, which leave the paths
 * to memory idle, fetch some of it into the second-level cache and take that off. */
typedef struct cw_unit_soon {
    int n;
    cw_unit_region last_first[CW_CONVNET_MAX_LAYERS + 3];
} cw_unit_soon;

/* Single-thread loops; begin and end go around calls of the others on the same thread. */
typedef struct cw_unit_kernels {
    void (*begin)(void);
    void (*end)(void);
    /* to (h, w, n): n planes of h lines, `step` bytes apart, of which the first w count. */
    void (*interleave)(uint8_t *to, const uint8_t *const *planes, int64_t n, int64_t h, int64_t w,
                       int64_t step);
    /* to[i] = from[i] */
    void (*widen)(uint16_t *to, const uint8_t *from, size_t n);
    /* out = ReLU(conv(in) + bias), rounded to bf16. weights (groups, terms, 32, 32) as
     * cw_unit_weight_at says. */
    void (*forward)(uint16_t *out, const void *in, const uint16_t *weights, const float *bias,
                    const cw_unit_conv *conv, cw_unit_soon *soon);
    /* The same as (channels, h, w): f32, without rounding; or bf16. */
    void (*features)(float *out, const void *in, const uint16_t *weights, const float *bias,
                     const cw_unit_conv *conv, const cw_unit_features *shape, cw_unit_soon *soon);
    void (*bf16_features)(uint16_t *out, const void *in, const uint16_t *weights, const float *bias,
                          const cw_unit_conv *conv, const cw_unit_features *shape,
                          cw_unit_soon *soon);
    /* dx = conv(dy) where x > 0, else 0 */
    void (*data)(uint16_t *dx, const void *dy, const uint16_t *weights, const uint16_t *x,
                 const cw_unit_conv *conv, cw_unit_soon *soon);
    /* rows (channels, `step` elements apart) = dfeatures where features > 0, else 0, in lines as a
     * map has them: zero in the columns behind w, and in 32 pixels behind the last line. */
    void (*feature_rows)(uint16_t *rows, int64_t step, const float *dfeatures,
                         const float *features, const cw_unit_features *shape);
    void (*bf16_feature_rows)(uint16_t *rows, int64_t step, const uint16_t *dfeatures,
                              const uint16_t *features, const cw_unit_features *shape);
    /* to (columns, lines) = from (lines, columns), both counts multiples of 32; steps in elements
     */
    void (*transpose)(uint16_t *to, int64_t to_step, const uint16_t *from, int64_t from_step,
                      int64_t lines, int64_t columns);
    /* sums (count) += sums of rows of n, a multiple of 32, `step` elements apart */
    void (*row_sums)(float *sums, const uint16_t *rows, int64_t step, int64_t n, int64_t count);
    /* Pairs of factors for a sum over pixels: to (pixels / 2, 32, 2), of 32 factors of each pixel
     * from byte at[pixel] on. The places of the 32 are those that cw_unit_column says. */
    void (*pairs_at)(uint16_t *to, const void *from, const int64_t *at, int64_t pixels);
    /* The same of all factors of pixels `step` bytes apart, each block of 32 on its own: even
     * (pixels / 2, step / 64, 32, 2) of pixels 0 and 1, 2 and 3, ..., odd of 1 and 2, 3 and 4, ...
     */
    void (*pairs)(uint16_t *even, uint16_t *odd, const void *from, int64_t step, int64_t pixels);
    /* sum (32, 32) += the first 32 rows times the pairs, over `pixels`, a multiple of 32; pairs
     * (pixels / 2) of pair_bytes. */
    void (*weights)(float *sum, const uint16_t *rows, int64_t step, const uint16_t *pairs,
                    int64_t pair_bytes, int64_t pixels, cw_unit_soon *soon);
} cw_unit_kernels;

#if defined(__x86_64__)
extern const cw_unit_kernels cw_unit_kernels_amx;
#endif

/* NULL where the machine or the system has no matrix units for us. */
const cw_unit_kernels *cw_unit_kernels_get(void);

/* Element of a (32, 32) block of packed weights: of the product of term `t` for output channel c.
 */
static inline int64_t cw_unit_weight_at(int64_t t, int64_t c) {
    return (c / 16 * 16 + t / 2) * 32 + c % 16 * 2 + t % 2;
}

/* Column of a sum of weights' gradients where term `t` of a block of 32 stands. */
static inline int64_t cw_unit_column(int64_t t) {
    return t / 4 % 2 * 16 + t / 8 * 4 + t % 4;
}

typedef struct cw_units cw_units;

/* Whether a convnet of that kind can be made: filters in groups of 32, lines of at least 16. */
bool cw_units_fit(const cw_convnet_desc *desc);
/* As the entries of cw_ops; `bytes` receives what the caller is to provide. Features and their
 * gradient are f32, or both bf16. */
cw_status cw_units_create(cw_units **out, const cw_unit_kernels *kernels,
                          const cw_convnet_desc *desc, int threads, cw_convnet_bytes *bytes);
void cw_units_destroy(cw_units *units);
void cw_units_pack(const cw_units *units, void *packed, const float *params);
void cw_units_input(const cw_units *units, void *acts, const cw_image_batch *images);
void cw_units_forward(const cw_units *units, cw_tensor *features, void *acts, const void *packed,
                      void *scratch);
void cw_units_backward(const cw_units *units, float *dparams, const void *acts, const void *packed,
                       const cw_tensor *features, const cw_tensor *dfeatures, void *scratch);

#endif
