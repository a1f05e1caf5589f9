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
    /* Adds one sample's gradient of a 3x3 convolution: sums (F/lanes, C, 9, lanes) and
     * bias_sums (F). x is the input, dy the gradient to the output. */
    void (*conv_weights)(float *sums, float *bias_sums, const float *x, const float *dy,
                         const cw_conv_shape *shape);
} cw_kernels;

extern const cw_kernels cw_kernels_generic;
#if defined(__x86_64__)
extern const cw_kernels cw_kernels_avx2;
extern const cw_kernels cw_kernels_avx512;
#endif

/* The fastest table that this machine runs. */
const cw_kernels *cw_kernels_best(void);

/* Every table that this machine runs, best last; for tests. Returns how many (at most 3). */
int cw_kernels_all(const cw_kernels *out[3]);

#endif
