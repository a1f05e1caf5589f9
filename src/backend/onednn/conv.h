/* A convnet of the oneDNN backend: primitives made once, layouts, and where everything lies in
 * the caller's memory. */
#ifndef CW_BACKEND_ONEDNN_CONV_H
#define CW_BACKEND_ONEDNN_CONV_H

#include "backend/onednn/onednn.h"

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
    const cw_kernels *weights; /* whose conv_weights is used; NULL: oneDNN's primitive is */
    cw_prim backward_weights, unpack_dweight; /* none where the loop is used */
} cw_conv_layer;

struct cw_convnet {
    cw_backend *be;
    cw_convnet_desc desc;
    cw_convnet_bytes bytes;
    cw_conv_layer layer[CW_CONVNET_MAX_LAYERS];
    cw_prim features_out; /* last output to (B, F*H_L*W_L) */
    cw_prim features_in;  /* and a gradient of that shape back */

    size_t input_bytes;  /* the input, at byte 0 of `acts` */
    size_t gradient[2];  /* byte of `scratch`: gradients to layer outputs, in turn */
    size_t sums;         /* byte of `scratch`: partial weight gradients, one set per thread */
    size_t sums_count;   /* elements of one set */
    size_t prim_scratch; /* byte of `scratch`: for oneDNN */
};

#endif
