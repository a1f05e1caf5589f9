/* The op table: what a backend must compute, with shapes and meaning. Networks and losses are
 * written against this table and never see a vendor's header.
 *
 * Letters, used in every comment of nn/ and algo/ too:
 *   B samples of a minibatch     C channels of a stack      H, W crop height and width
 *   F filters of a convolution   P side of the last map     M, N inputs and outputs of a linear
 * layer D features of an encoder     A action dimensions        L convolution layers
 *
 * Rules for every op: outputs come first; outputs are overwritten, not accumulated, unless the
 * comment says so; outputs may not overlap inputs unless it says so; tensors are dense and of the
 * backend's element type (cw_backend.dtype) unless it says so; nothing is allocated, except that
 * a linear layer may prepare itself the first time its shape is seen; sums have a fixed order for
 * a given thread count. Shapes are checked where objects are created; ops return
 * CW_EINVAL with the op's name on a shape that cannot be. A backend is used by one thread at a
 * time. */
#ifndef CW_OPS_OPS_H
#define CW_OPS_OPS_H

#include "tensor/image.h"
#include "tensor/tensor.h"

#include <curlew/status.h>

#include <stdbool.h>

typedef struct cw_backend cw_backend;
typedef struct cw_convnet cw_convnet; /* a stack of convolutions prepared for one minibatch size */

/* L convolutions 3x3 without padding, each followed by ReLU: the first with stride
 * first_stride, the others with stride 1; all with `filters` output maps. */
typedef struct cw_convnet_desc {
    int64_t batch;    /* B */
    int64_t channels; /* C = stack * frame channels */
    int64_t height;   /* H, pixels of the crop */
    int64_t width;    /* W */
    int n_layers;     /* L >= 1 */
    int64_t filters;  /* F */
    int first_stride; /* >= 1 */
    bool train;       /* keeps what a backward pass needs */
} cw_convnet_desc;

#define CW_CONVNET_MAX_LAYERS 16

/* Side lengths after layer `layer` (0-based); CW_EINVAL when a map would vanish. */
cw_status cw_convnet_side(const cw_convnet_desc *desc, int layer, int64_t *out_h, int64_t *out_w);

/* Elements of the flat output per sample, F * H_L * W_L (channel-major); 0 when a map vanishes. */
int64_t cw_convnet_features(const cw_convnet_desc *desc);

/* Elements of the flat parameters: layer 0 weight OIHW, layer 0 bias, layer 1 weight, ... */
int64_t cw_convnet_param_count(const cw_convnet_desc *desc);

/* Bytes a caller provides for a convnet, aligned to CW_ALIGN. */
typedef struct cw_convnet_bytes {
    size_t acts;    /* one set of activations: input and every layer's output (all of them when
                       desc.train, else as few as the forward pass needs) */
    size_t packed;  /* one set of weights in the backend's own layout and precision */
    size_t scratch; /* shared by forward and backward; contents mean nothing between calls */
} cw_convnet_bytes;

/* softmax_xent's figures, averaged over the minibatch. */
typedef struct cw_xent_stats {
    double loss;     /* nats */
    double accuracy; /* share of rows whose diagonal logit is larger than all others, 0..1; a tie
                        counts as wrong, so that equal codes for everything do not score 1 */
} cw_xent_stats;

/* One Adam (Kingma & Ba 2015, algorithm 1, as torch.optim.Adam without weight decay):
 *   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
 *   p -= (lr / (1-b1^t)) * m / (sqrt(v) / sqrt(1-b2^t) + eps), subtracted `repeat` times. */
typedef struct cw_adam {
    double lr; /* learning rate */
    double beta1;
    double beta2;
    double eps;
    int64_t t;  /* this step's number, from 1 */
    int repeat; /* 1; 2 = two optimisers with equal state (the released CURL code) */
} cw_adam;

/* Tensor shapes below: x (B,M)  y (B,N)  w (N,M)  b (N). */
typedef struct cw_ops {
    const char *name;

    /* ---- convolution stack ---- */
    cw_status (*convnet_create)(cw_backend *be, cw_convnet **out, const cw_convnet_desc *desc);
    void (*convnet_destroy)(cw_convnet *net);
    void (*convnet_bytes)(const cw_convnet *net, cw_convnet_bytes *out);
    /* Converts flat parameters (backend dtype; OIHW) to the kernels' layout. To be called after
     * every change of the parameters. */
    cw_status (*convnet_pack)(cw_convnet *net, void *packed, const void *params);
    /* Gathers and crops images into the first layer's input and multiplies by 1/255
     * (in whichever layer the backend folds that factor). images->n must equal B.
     * The input stays in acts until the next call: forward may run again with other weights. */
    cw_status (*convnet_input)(cw_convnet *net, void *acts, const cw_image_batch *images);
    /* The element type that features, and the gradient to them, may have on their way between a
     * convnet of that kind and a linear layer of N outputs: bf16 where both round them to it
     * anyway, so that no result changes, else the backend's own type. */
    cw_dtype (*feature_dtype)(const cw_backend *be, const cw_convnet_desc *desc, int64_t outputs);
    /* features (B, F*H_L*W_L): output of the last ReLU; as feature_dtype says or of the backend's
     * type. */
    cw_status (*convnet_forward)(cw_convnet *net, cw_tensor *features, void *acts,
                                 const void *packed, void *scratch);
    /* dparams: flat gradient, laid out as the parameters. `features` is the forward's output and
     * dfeatures its gradient (both (B, F*H_L*W_L), of one type); dfeatures may be changed. The
     * gradient to the pixels is not computed. Only with desc.train. */
    cw_status (*convnet_backward)(cw_convnet *net, void *dparams, void *acts, const void *packed,
                                  const cw_tensor *features, cw_tensor *dfeatures, void *scratch);
    /* Test access: the gradient to the input (B,C,H,W), already multiplied by 1/255, i.e. with
     * respect to raw pixel values; NULL in backends that do not offer it. Call after backward
     * (before scratch is reused). */
    cw_status (*convnet_input_gradient)(cw_convnet *net, cw_tensor *dinput, const void *acts,
                                        const void *packed, void *scratch);

    /* ---- dense; x and dx may be features as feature_dtype says ---- */
    /* y = x w' + b, then ReLU if `relu`. b may be NULL. */
    cw_status (*linear_forward)(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                const cw_tensor *w, const cw_tensor *b, bool relu);
    /* dx = dy w */
    cw_status (*linear_backward_data)(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                      const cw_tensor *w);
    /* dw = dy' x;  db = column sums of dy (db may be NULL) */
    cw_status (*linear_backward_weights)(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                         const cw_tensor *dy, const cw_tensor *x);
    /* c (m,n) = op(a) op(b), op = transpose where the flag is set. */
    cw_status (*matmul)(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                        const cw_tensor *b, bool b_transposed);

    /* ---- elementwise; any shape ---- */
    cw_status (*relu_backward)(cw_backend *be, cw_tensor *dy,
                               const cw_tensor *y); /* dy = y > 0 ? dy : 0, in place */
    cw_status (*tanh_forward)(cw_backend *be, cw_tensor *y, const cw_tensor *x); /* y may be x */
    cw_status (*tanh_backward)(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                               const cw_tensor *y);                     /* dx may be dy */
    cw_status (*add)(cw_backend *be, cw_tensor *y, const cw_tensor *x); /* y += x */

    /* ---- rows: x (B,D) ---- */
    /* y = (x - mean) * rstd * gamma + beta per row, biased variance;
     * stats (B,2) receives mean and rstd = 1/sqrt(var + eps). */
    cw_status (*layernorm_forward)(cw_backend *be, cw_tensor *y, cw_tensor *stats,
                                   const cw_tensor *x, const cw_tensor *gamma,
                                   const cw_tensor *beta, double eps);
    cw_status (*layernorm_backward)(cw_backend *be, cw_tensor *dx, cw_tensor *dgamma,
                                    cw_tensor *dbeta, const cw_tensor *dy, const cw_tensor *x,
                                    const cw_tensor *stats, const cw_tensor *gamma);
    /* y = x / max(|x|_2, eps) per row; norm (B) receives |x|_2. */
    cw_status (*l2norm_forward)(cw_backend *be, cw_tensor *y, cw_tensor *norm, const cw_tensor *x,
                                double eps);
    cw_status (*l2norm_backward)(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                 const cw_tensor *y, const cw_tensor *norm, double eps);
    /* logits (B,B), label of row i is i. Subtracts each row's maximum, then
     * loss = -mean_i log softmax(logits_i)_i;  dlogits = (softmax - I)/B (NULL: not wanted). */
    cw_status (*softmax_xent)(cw_backend *be, cw_xent_stats *stats, cw_tensor *dlogits,
                              const cw_tensor *logits);

    /* ---- parameters: flat vectors of n elements of the backend's dtype ---- */
    cw_status (*adam)(cw_backend *be, void *param, void *m, void *v, const void *grad, size_t n,
                      const cw_adam *adam);
    /* target = tau * source + (1 - tau) * target */
    cw_status (*ema)(cw_backend *be, void *target, const void *source, size_t n, double tau);

    /* ---- the backend itself: what cw_backend_destroy and cw_backend_describe call ---- */
    void (*destroy)(cw_backend *be);
    void (*describe)(const cw_backend *be, char *out, size_t out_bytes);
} cw_ops;

struct cw_backend {
    const cw_ops *ops;
    cw_dtype dtype; /* element type of activations, gradients and parameters: f32 or f64 */
    int threads;    /* threads its kernels use */
    void *state;    /* backend's own */
};

/* The plain reference: loops as in the textbook, dtype CW_F32 or CW_F64. */
cw_status cw_backend_ref_create(cw_backend **out, cw_dtype dtype);

/* oneDNN kernels for convolutions and matrix products, threaded loops for the rest; f32.
 * threads as in cw_threads_set. */
cw_status cw_backend_onednn_create(cw_backend **out, int threads);

/* The same, but the factors of products are rounded to bf16, in the convolution stack and in large
 * linear layers; with matrix units the stack's maps and their gradients are bf16 as well. Every sum
 * is f32, and so are parameters and all tensors that cross this table. CW_EUNSUPPORTED where the
 * processor multiplies no bf16 (below AVX-512's avx512_bf16). */
cw_status cw_backend_onednn_bf16_create(cw_backend **out, int threads);
bool cw_backend_onednn_has_bf16(void);
/* Whether there a convnet of that kind goes by matrix units (AMX), not only by dot products of
 * vectors. */
bool cw_backend_onednn_bf16_by_matrix_units(const cw_convnet_desc *desc);

void cw_backend_destroy(cw_backend *be); /* NULL allowed */

/* What the machine offers to this backend, one line ("oneDNN 2.6.3, avx512_core, f32, 2 threads"),
 * cut to out_bytes. CW_EINVAL when out_bytes is 0. */
cw_status cw_backend_describe(const cw_backend *be, char *out, size_t out_bytes);

#endif
