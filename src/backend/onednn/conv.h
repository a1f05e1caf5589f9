/* A convnet of the oneDNN backend: primitives made once, layouts, and where everything lies in
 * the caller's memory. */
#ifndef CW_BACKEND_ONEDNN_CONV_H
#define CW_BACKEND_ONEDNN_CONV_H

#include "backend/onednn/onednn.h"
#include "backend/onednn/units.h"

typedef struct cw_conv_layer {
    cw_conv_shape shape;
    size_t param;           /* element of the flat parameters where the weight begins */
    size_t n_weight;        /* elements of the weight; the bias (F) follows it */
    size_t packed_forward;  /* byte of `packed`: weight as the forward kernel wants it */
    size_t packed_backward; /* byte of `packed`: weight as the backward-data kernel wants it */
    size_t packed_bias;     /* byte of `packed` */
    size_t output;          /* byte of `acts`: the output after ReLU */
    size_t output_bytes;    /* bytes of the output in its layout, padding included */
    size_t dweight;         /* byte of `scratch`: weight gradient in the kernel's layout */

    cw_prim forward, pack_forward;
    cw_prim backward_data, pack_backward;
    /* Loops of our own by the channel blocks of the output; NULL where none fits. */
    const cw_kernels *own;
    bool direct;            /* the first layer, forward, by the loop of our own */
    bool tiles, tiles_back; /* by Winograd's tiles: forward and backward weights; backward data */
    cw_winograd forward_tiles, backward_tiles; /* where they are used */
    cw_prim backward_weights, unpack_dweight;  /* only when `own` is NULL */
} cw_conv_layer;

struct cw_convnet {
    cw_backend *be;
    cw_convnet_desc desc;
    cw_convnet_bytes bytes;
    cw_units *units;        /* does everything where it is not NULL; nothing below is set then */
    dnnl_format_tag_t maps; /* layout of every layer's output; any: oneDNN chooses */
    cw_conv_layer layer[CW_CONVNET_MAX_LAYERS];
    cw_prim features_out; /* last output to (B, F*H_L*W_L) */
    cw_prim features_in;  /* and a gradient of that shape back */

    size_t input_bytes;  /* the input, at byte 0 of `acts` */
    bool raw_pixels;     /* the input is bf16 pixels of 0..255 by pairs of channels; the first
                            weight is 1/255 of its value */
    size_t gradient[2];  /* byte of `scratch`: gradients to layer outputs, in turn */
    size_t sums;         /* byte of `scratch`: partial weight gradients, one set per thread */
    size_t sums_count;   /* elements of one set */
    size_t strips;       /* byte of `scratch`: tiles at work, one set per thread */
    size_t strip_count;  /* elements of one set */
    size_t prim_scratch; /* byte of `scratch`: for oneDNN */
};

/* ---- layers by Winograd's tiles: conv_tiles.c ---- */

/* The tiles of layer->shape; false where they would save too little. */
bool cw_tiles_choose(cw_winograd *out, const cw_kernels *kernels, const cw_conv_shape *shape,
                     int64_t batch, bool backward);
/* Floats that one thread needs at work. */
size_t cw_tiles_scratch(const cw_winograd *tiles);
/* u (36, out, in) from the layer's OIHW weight, in elements of layer->own->factor_bytes. */
void cw_tiles_pack(const cw_conv_layer *layer, const cw_winograd *tiles, void *u,
                   const float *weight);
/* y = ReLU(conv(x) + bias) */
void cw_tiles_forward(const cw_convnet *net, const cw_conv_layer *layer, float *y, const float *x,
                      const void *u, const float *bias, void *scratch);
/* dx = gradient to x before the ReLU that x came out of */
void cw_tiles_backward_data(const cw_convnet *net, const cw_conv_layer *layer, float *dx,
                            const float *x, const float *dy, const void *u, void *scratch);
/* dweight: OIHW weight and bias */
void cw_tiles_backward_weights(const cw_convnet *net, const cw_conv_layer *layer, float *dweight,
                               const float *x, const float *dy, void *scratch);

#endif
