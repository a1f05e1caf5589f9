#include "nn/mlp.h"

#include "base/error.h"

int cw_mlp_register(cw_param_table *table, const char *prefix, const cw_mlp_shape *shape) {
    static const char *const names[CW_MLP_LAYERS][2] = {
        {"trunk.0.weight", "trunk.0.bias"},
        {"trunk.2.weight", "trunk.2.bias"},
        {"trunk.4.weight", "trunk.4.bias"},
    };
    int64_t sizes[CW_MLP_LAYERS + 1] = {shape->inputs, shape->hidden, shape->hidden,
                                        shape->outputs};
    int first = -1;
    for (int i = 0; i < CW_MLP_LAYERS; i++) {
        int64_t weight[2] = {sizes[i + 1], sizes[i]};
        int row = cw_params_add(table, prefix, names[i][0], 2, weight);
        if (row < 0 || cw_params_add(table, prefix, names[i][1], 1, weight) < 0) return -1;
        if (i == 0) first = row;
    }
    return first;
}

cw_mlp_params cw_mlp_view(const cw_param_table *table, int row, cw_dtype dtype, void *flat) {
    cw_mlp_params params;
    for (int i = 0; i < CW_MLP_LAYERS; i++) {
        params.w[i] = cw_params_view(&table->row[row + 2 * i], dtype, flat);
        params.b[i] = cw_params_view(&table->row[row + 2 * i + 1], dtype, flat);
    }
    return params;
}

void cw_mlp_carve(cw_mlp_acts *acts, cw_arena *arena, cw_dtype dtype, const cw_mlp_shape *shape,
                  int64_t batch) {
    for (int i = 0; i < CW_MLP_LAYERS - 1; i++) {
        acts->h[i] = cw_arena_tensor_2d(arena, dtype, batch, shape->hidden);
        acts->dh[i] = cw_arena_tensor_2d(arena, dtype, batch, shape->hidden);
    }
    acts->out = cw_arena_tensor_2d(arena, dtype, batch, shape->outputs);
}

cw_status cw_mlp_forward(cw_backend *be, cw_mlp_acts *acts, const cw_mlp_params *params,
                         const cw_tensor *x) {
    const cw_ops *ops = be->ops;
    CW_TRY(ops->linear_forward(be, &acts->h[0], x, &params->w[0], &params->b[0], true));
    CW_TRY(ops->linear_forward(be, &acts->h[1], &acts->h[0], &params->w[1], &params->b[1], true));
    return ops->linear_forward(be, &acts->out, &acts->h[1], &params->w[2], &params->b[2], false);
}

cw_status cw_mlp_backward(cw_backend *be, cw_mlp_params *grads, cw_tensor *dx,
                          const cw_tensor *dout, cw_mlp_acts *acts, const cw_mlp_params *params,
                          const cw_tensor *x) {
    const cw_ops *ops = be->ops;
    const cw_tensor *dy = dout;
    for (int i = CW_MLP_LAYERS - 1; i >= 0; i--) {
        const cw_tensor *input = i > 0 ? &acts->h[i - 1] : x;
        if (grads != NULL) {
            CW_TRY(ops->linear_backward_weights(be, &grads->w[i], &grads->b[i], dy, input));
        }
        if (i > 0) {
            CW_TRY(ops->linear_backward_data(be, &acts->dh[i - 1], dy, &params->w[i]));
            CW_TRY(ops->relu_backward(be, &acts->dh[i - 1], &acts->h[i - 1]));
            dy = &acts->dh[i - 1];
        } else if (dx != NULL) {
            CW_TRY(ops->linear_backward_data(be, dx, dy, &params->w[0]));
        }
    }
    return CW_OK;
}
