/* A convnet of the oneDNN backend: primitives made once, layouts, and where everything lies in
 * the caller's memory.
 *
 * Layers by loops of our own (conv_samples.c) go by runs: a thread takes a sample through all
 * layers of a run while its maps are in that core's caches. A layer by oneDNN's kernels takes the
 * whole minibatch on every thread (conv.c). */
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
    size_t output;          /* byte of `acts`: the output after ReLU, where it is kept */
    size_t output_bytes;    /* bytes of the output in its layout, padding included */
    size_t sums;            /* float of a part's sums: those of the layer, then of the bias */
    size_t n_sums;          /* floats of the layer's sums, those of the bias left out */
    size_t dweight;         /* byte of `scratch`: weight gradient in the kernel's layout */

    cw_prim forward, pack_forward;
    cw_prim backward_data, pack_backward;
    /* Loops of our own by the channel blocks of the output; NULL where none fits. They do the
     * gradient to the weights. */
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
    cw_prim features_out; /* last output to (B, F*H_L*W_L), where the last layer is oneDNN's */
    cw_prim features_in;  /* and a gradient of that shape back */

    size_t input_bytes;  /* the input, at byte 0 of `acts` */
    bool raw_pixels;     /* the input is bf16 pixels of 0..255 by pairs of channels; the first
                            weight is 1/255 of its value */
    size_t gradient[2];  /* byte of `scratch`: gradients to layer outputs, in turn, of the whole
                            minibatch; only where not all layers are one run */
    size_t prim_scratch; /* byte of `scratch`: for oneDNN */

    int64_t parts;       /* of the minibatch: their gradients of weights are summed on their own */
    size_t sums;         /* byte of `scratch`: those of all parts */
    size_t sum_count;    /* floats of a part's */
    size_t threads;      /* byte of `scratch`: memory of every thread's own */
    size_t thread_bytes; /* of one thread's, and in it: */
    size_t map[2];       /* byte: maps of a sample, in turn */
    size_t strips;       /* byte: tiles at work, or a sample's pixels */
};

static inline void *cw_conv_at(const void *base, size_t byte) {
    return (char *)base + byte;
}

/* ---- runs of layers by loops of our own: conv_samples.c ---- */

/* The calling thread's own part of `scratch`, inside of a loop over samples. */
void *cw_conv_own_memory(const cw_convnet *net, void *scratch);
/* Whether the layer goes forward by them. */
bool cw_conv_own_forward(const cw_conv_layer *layer);
/* Floats of the sums that its gradient to weights and bias takes. */
size_t cw_conv_sum_count(const cw_conv_layer *layer);
/* One behind the last layer of the run that begins with layer `from`. */
int cw_conv_forward_end(const cw_convnet *net, int from);
/* The first layer of the run that the backward pass begins with layer `top`: the gradient to its
 * input is the only one that may be left to oneDNN. */
int cw_conv_backward_begin(const cw_convnet *net, int top);
/* Layers [from, to). The last layer's output goes to `features`. */
void cw_conv_run_forward(const cw_convnet *net, int from, int to, float *features, void *acts,
                         const void *packed, void *scratch);
/* Layers [bottom, top]: gradients to their weights, and by tiles the one to the input of `bottom`.
 * The gradient to the last layer's output comes from `dfeatures`. */
void cw_conv_run_backward(const cw_convnet *net, int bottom, int top, float *dparams,
                          const void *acts, const void *packed, const float *dfeatures,
                          void *scratch);

/* ---- layers by Winograd's tiles, a sample on one thread: conv_tiles.c ---- */

/* The tiles of a sample of that shape; false where they would save too little. */
bool cw_tiles_choose(cw_winograd *out, const cw_kernels *kernels, const cw_conv_shape *shape,
                     bool backward);
/* u (36, out, in) from the layer's OIHW weight, in elements of layer->own->factor_bytes; on every
 * thread. */
void cw_tiles_pack(const cw_conv_layer *layer, const cw_winograd *tiles, void *u,
                   const float *weight);
/* y = ReLU(conv(x) + bias) */
void cw_tiles_forward(const cw_conv_layer *layer, float *y, const float *x, const void *u,
                      const float *bias, float *strips);
/* dx = gradient to x before the ReLU that x came out of */
void cw_tiles_backward_data(const cw_conv_layer *layer, float *dx, const float *x, const float *dy,
                            const void *u, float *strips);
/* Adds to the layer's sums and those of the bias. */
void cw_tiles_add_gradient(const cw_conv_layer *layer, float *sums, const float *x, const float *dy,
                           float *strips);

#endif
