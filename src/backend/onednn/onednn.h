/* The oneDNN backend's insides, shared by its files. */
#ifndef CW_BACKEND_ONEDNN_ONEDNN_H
#define CW_BACKEND_ONEDNN_ONEDNN_H

#include "backend/onednn/kernels.h"
#include "backend/onednn/primitive.h"
#include "backend/onednn/units.h"
#include "ops/ops.h"

/* Matrix products prepared for one shape; see dense.c. */
#define CW_PRODUCT_CACHE 32

typedef struct cw_product_entry {
    cw_product product;
    cw_prim prim;
} cw_product_entry;

typedef struct cw_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    const cw_kernels *kernels;
    const cw_unit_kernels *units; /* where convnets go by matrix units, else NULL */
    cw_product_entry product[CW_PRODUCT_CACHE];
    int n_products;        /* entries made so far */
    void *product_scratch; /* as large as the neediest entry asks */
    size_t product_scratch_bytes;
} cw_onednn;

/* The backend's state, after making sure that the calling thread's loops and oneDNN's use
 * be->threads: sums then have the same order whichever thread calls. */
cw_onednn *cw_onednn_enter(const cw_backend *be);

/* The next multiple of `to`. */
static inline int64_t cw_onednn_round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/* Bytes of a part of a block of memory, so that the next part is aligned. */
static inline size_t cw_onednn_aligned(size_t bytes) {
    return (bytes + CW_ALIGN - 1) / CW_ALIGN * CW_ALIGN;
}

/* A part of a block of memory: its byte, behind what is used so far. */
static inline void cw_onednn_take(size_t *at, size_t *used, size_t bytes) {
    cw_arena arena = {.used = *used};
    *at = arena.used;
    cw_arena_take(&arena, bytes, 1);
    *used = arena.used;
}

/* Parts of a minibatch whose gradients of convolutions' weights are summed on their own, by
 * whichever thread has time. The same for up to a quarter as many threads as the fewest parts, so
 * that the sums are, too. */
static inline int64_t cw_onednn_parts(int64_t batch, int threads) {
    enum { FEWEST = 16 };
    int64_t parts = 4 * (int64_t)threads > FEWEST ? 4 * (int64_t)threads : FEWEST;
    return parts < batch ? parts : batch;
}

/* A sample's crop in its frame: the first pixel of a channel. */
static inline const uint8_t *cw_onednn_crop_corner(const cw_image_batch *im, int64_t b,
                                                   int64_t channel) {
    const uint8_t *frame = im->frames[b * im->stack + channel / im->frame_channels];
    int64_t plane = im->frame_height * im->frame_width;
    return frame + channel % im->frame_channels * plane + im->offset_y[b] * im->frame_width +
           im->offset_x[b];
}

/* Makes state->product_scratch at least that large. */
cw_status cw_onednn_grow_scratch(cw_onednn *state, size_t bytes);

/* Elements handed to one thread at a time by elementwise loops. A split at multiples of it does
 * not depend on the number of threads. */
#define CW_CHUNK 4096

/* One entry per op: see ops.h. */
/* Whether this processor and oneDNN's word, its environment variable, allow an instruction set. */
bool cw_onednn_offers(dnnl_cpu_isa_t isa);

cw_status cw_onednn_convnet_create(cw_backend *be, cw_convnet **out, const cw_convnet_desc *desc);
void cw_onednn_convnet_destroy(cw_convnet *net);
cw_dtype cw_onednn_feature_dtype(const cw_backend *be, const cw_convnet_desc *desc,
                                 int64_t outputs);
void cw_onednn_convnet_bytes(const cw_convnet *net, cw_convnet_bytes *out);
cw_status cw_onednn_convnet_pack(cw_convnet *net, void *packed, const void *params);
cw_status cw_onednn_convnet_input(cw_convnet *net, void *acts, const cw_image_batch *images);
cw_status cw_onednn_convnet_forward(cw_convnet *net, cw_tensor *features, void *acts,
                                    const void *packed, void *scratch);
cw_status cw_onednn_convnet_backward(cw_convnet *net, void *dparams, void *acts, const void *packed,
                                     const cw_tensor *features, cw_tensor *dfeatures,
                                     void *scratch);

cw_status cw_onednn_linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                   const cw_tensor *w, const cw_tensor *b, bool relu);
cw_status cw_onednn_linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                         const cw_tensor *w);
cw_status cw_onednn_linear_backward_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                            const cw_tensor *dy, const cw_tensor *x);
cw_status cw_onednn_matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                           const cw_tensor *b, bool b_transposed);

cw_status cw_onednn_relu_backward(cw_backend *be, cw_tensor *dy, const cw_tensor *y);
cw_status cw_onednn_tanh_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x);
cw_status cw_onednn_tanh_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                  const cw_tensor *y);
cw_status cw_onednn_add(cw_backend *be, cw_tensor *y, const cw_tensor *x);
cw_status cw_onednn_adam(cw_backend *be, void *param, void *m, void *v, const void *grad, size_t n,
                         const cw_adam *adam);
cw_status cw_onednn_ema(cw_backend *be, void *target, const void *source, size_t n, double tau);

cw_status cw_onednn_layernorm_forward(cw_backend *be, cw_tensor *y, cw_tensor *stats,
                                      const cw_tensor *x, const cw_tensor *gamma,
                                      const cw_tensor *beta, double eps);
cw_status cw_onednn_layernorm_backward(cw_backend *be, cw_tensor *dx, cw_tensor *dgamma,
                                       cw_tensor *dbeta, const cw_tensor *dy, const cw_tensor *x,
                                       const cw_tensor *stats, const cw_tensor *gamma);
cw_status cw_onednn_l2norm_forward(cw_backend *be, cw_tensor *y, cw_tensor *norm,
                                   const cw_tensor *x, double eps);
cw_status cw_onednn_l2norm_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                    const cw_tensor *y, const cw_tensor *norm, double eps);
cw_status cw_onednn_softmax_xent(cw_backend *be, cw_xent_stats *stats, cw_tensor *dlogits,
                                 const cw_tensor *logits);

#endif
