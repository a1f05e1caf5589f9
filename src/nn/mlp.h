/* A multi-layer perceptron of three linear layers with ReLU between: the trunk of the actor and of
 * each Q-function. Letters as in ops/ops.h. */
#ifndef CW_NN_MLP_H
#define CW_NN_MLP_H

#include "base/memory.h"
#include "ops/ops.h"
#include "tensor/params.h"

#define CW_MLP_LAYERS 3

typedef struct cw_mlp_shape {
    int64_t inputs;  /* M */
    int64_t hidden;  /* units of both hidden layers */
    int64_t outputs; /* N */
} cw_mlp_shape;

/* Views into a flat vector of values or of gradients. */
typedef struct cw_mlp_params {
    cw_tensor w[CW_MLP_LAYERS]; /* (hidden, M), (hidden, hidden), (N, hidden) */
    cw_tensor b[CW_MLP_LAYERS]; /* (hidden), (hidden), (N) */
} cw_mlp_params;

typedef struct cw_mlp_acts {
    cw_tensor h[CW_MLP_LAYERS - 1]; /* (B, hidden) after ReLU */
    cw_tensor out;                  /* (B, N) */
    /* computed by cw_mlp_backward */
    cw_tensor dh[CW_MLP_LAYERS - 1]; /* (B, hidden) */
} cw_mlp_acts;

/* Appends trunk.0, trunk.2 and trunk.4 (PyTorch's names in a Sequential with ReLUs) to the table;
 * returns the first row, -1 when it does not fit. */
int cw_mlp_register(cw_param_table *table, const char *prefix, const cw_mlp_shape *shape);

/* Views of the rows from `row` on, in the flat vector `flat`. */
cw_mlp_params cw_mlp_view(const cw_param_table *table, int row, cw_dtype dtype, void *flat);

/* Carves activations for B samples. */
void cw_mlp_carve(cw_mlp_acts *acts, cw_arena *arena, cw_dtype dtype, const cw_mlp_shape *shape,
                  int64_t batch);

/* acts->out from x (B, M). */
cw_status cw_mlp_forward(cw_backend *be, cw_mlp_acts *acts, const cw_mlp_params *params,
                         const cw_tensor *x);

/* From dout (B, N): parameter gradients into grads (NULL: not wanted) and dx (B, M) (NULL: not
 * wanted). acts and x are those of the forward pass. */
cw_status cw_mlp_backward(cw_backend *be, cw_mlp_params *grads, cw_tensor *dx,
                          const cw_tensor *dout, cw_mlp_acts *acts, const cw_mlp_params *params,
                          const cw_tensor *x);

#endif
