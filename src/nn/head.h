/* The head of an encoder: from the flat convolution output to D features.
 *   hidden > 0:  x -> linear -> ReLU -> linear -> LayerNorm [-> tanh]   (the paper's pseudocode)
 *   hidden = 0:  x -> linear -> LayerNorm [-> tanh]                     (the released code, no
 * tanh) Letters as in ops/ops.h. */
#ifndef CW_NN_HEAD_H
#define CW_NN_HEAD_H

#include "base/memory.h"
#include "ops/ops.h"
#include "tensor/params.h"

#define CW_LAYERNORM_EPS 1e-5 /* PyTorch's default */

typedef struct cw_head_shape {
    int64_t inputs;   /* M = F * P * P */
    int64_t hidden;   /* 0 = one linear layer */
    int64_t features; /* D */
    bool tanh;
} cw_head_shape;

/* Views into a flat vector of values or of gradients. fc[0] is unused without a hidden layer. */
typedef struct cw_head_params {
    cw_tensor fc_w[2];  /* (hidden, M), (D, hidden or M) */
    cw_tensor fc_b[2];  /* (hidden), (D) */
    cw_tensor ln_gamma; /* (D) */
    cw_tensor ln_beta;  /* (D) */
} cw_head_params;

typedef struct cw_head_acts {
    cw_tensor hidden; /* (B, hidden) after ReLU */
    cw_tensor linear; /* (B, D) before LayerNorm */
    cw_tensor stats;  /* (B, 2) LayerNorm's mean and 1/sd */
    cw_tensor z;      /* (B, D) the features */
    /* computed by cw_head_backward */
    cw_tensor dhidden; /* (B, hidden) */
    cw_tensor dnorm;   /* (B, D) gradient at the LayerNorm's output */
    cw_tensor dlinear; /* (B, D) */
} cw_head_acts;

/* Rows that cw_head_register adds. */
int cw_head_rows(const cw_head_shape *shape);

/* Appends fc.weight ... ln.bias (fc.0 and fc.2 with a hidden layer); first row or -1. */
int cw_head_register(cw_param_table *table, const char *prefix, const cw_head_shape *shape);
cw_head_params cw_head_view(const cw_param_table *table, int row, const cw_head_shape *shape,
                            cw_dtype dtype, void *flat);
void cw_head_carve(cw_head_acts *acts, cw_arena *arena, cw_dtype dtype, const cw_head_shape *shape,
                   int64_t batch, bool train);

/* acts->z from x (B, M). */
cw_status cw_head_forward(cw_backend *be, const cw_head_shape *shape, cw_head_acts *acts,
                          const cw_head_params *params, const cw_tensor *x);

/* From dz (B, D): parameter gradients into grads (NULL: not wanted) and dx (B, M) (NULL: not
 * wanted). acts and x are those of the forward pass. `unused` is scratch for the gradients that
 * LayerNorm computes when grads is NULL: 2 D elements. */
cw_status cw_head_backward(cw_backend *be, const cw_head_shape *shape, cw_head_params *grads,
                           cw_tensor *dx, const cw_tensor *dz, cw_head_acts *acts,
                           const cw_head_params *params, const cw_tensor *x, cw_tensor *unused);

#endif
