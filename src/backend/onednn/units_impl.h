/* The insides of a convnet on matrix units, shared by its files. */
#ifndef CW_BACKEND_ONEDNN_UNITS_IMPL_H
#define CW_BACKEND_ONEDNN_UNITS_IMPL_H

#include "backend/onednn/onednn.h"

/* Most channels of an image. */
#define CW_UNIT_PLANES 256

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
    size_t sums;      /* float of a part's sums: gradients of the weights; those of the biases
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
    cw_unit_lines *lines; /* what features points to */
    int64_t *pixel_at;    /* byte of the place of each of the first layer's output pixels */

    size_t image_bytes; /* of a sample's pixels in `acts`, from byte 0 */
    /* A thread's own memory: bytes of `scratch` from thread to thread, and of its parts. */
    size_t thread_bytes;
    size_t pixels, pixel_bytes; /* a sample's pixels in bf16 */
    size_t map[2];              /* without desc.train: outputs in turn */
    size_t gradient[2];         /* with it: gradients to outputs in turn, behind zeros */
    size_t rows;                /* a gradient channel by channel */
    int64_t row_step;           /* elements */
    size_t pairs[2];            /* a layer's input by pairs of pixels; from the second pixel on */

    int64_t parts;    /* of the minibatch */
    size_t sums;      /* byte of `scratch`: those of all parts */
    size_t sum_bytes; /* from part to part */
    size_t sum_count; /* floats of one */
};

static inline void *cw_unit_at(const void *base, size_t byte) {
    return (char *)base + byte;
}

/* Blocks of 32 terms of one line of the first layer's 3x3 window. */
static inline int64_t cw_unit_first_blocks(const cw_convnet_desc *d) {
    return (3 * d->channels + CW_UNIT - 1) / CW_UNIT;
}

/* Zeros that a gradient to the input reads before and behind a gradient's lines. */
static inline int64_t cw_unit_border(const cw_units *u) {
    return 2 * u->pitch + CW_UNIT_TAIL;
}

/* Adds the parts' sums in order and turns them into the flat gradient. */
void cw_units_collect(const cw_units *units, float *dparams, const void *scratch);

#endif
