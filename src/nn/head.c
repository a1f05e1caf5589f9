#include "nn/head.h"

#include "base/error.h"

int cw_head_rows(const cw_head_shape *shape) {
    return shape->hidden > 0 ? 6 : 4;
}

int cw_head_register(cw_param_table *table, const char *prefix, const cw_head_shape *shape) {
    int first = table->n;
    int64_t inputs = shape->inputs;
    if (shape->hidden > 0) {
        int64_t weight[2] = {shape->hidden, inputs};
        if (cw_params_add(table, prefix, "fc.0.weight", 2, weight) < 0) return -1;
        if (cw_params_add(table, prefix, "fc.0.bias", 1, weight) < 0) return -1;
        inputs = shape->hidden;
    }
    int64_t weight[2] = {shape->features, inputs};
    const char *weight_name = shape->hidden > 0 ? "fc.2.weight" : "fc.weight";
    const char *bias_name = shape->hidden > 0 ? "fc.2.bias" : "fc.bias";
    if (cw_params_add(table, prefix, weight_name, 2, weight) < 0) return -1;
    if (cw_params_add(table, prefix, bias_name, 1, weight) < 0) return -1;
    if (cw_params_add(table, prefix, "ln.weight", 1, weight) < 0) return -1;
    if (cw_params_add(table, prefix, "ln.bias", 1, weight) < 0) return -1;
    return first;
}

cw_head_params cw_head_view(const cw_param_table *table, int row, const cw_head_shape *shape,
                            cw_dtype dtype, void *flat) {
    cw_head_params params = {0};
    for (int i = shape->hidden > 0 ? 0 : 1; i < 2; i++) {
        params.fc_w[i] = cw_params_view(&table->row[row++], dtype, flat);
        params.fc_b[i] = cw_params_view(&table->row[row++], dtype, flat);
    }
    params.ln_gamma = cw_params_view(&table->row[row++], dtype, flat);
    params.ln_beta = cw_params_view(&table->row[row], dtype, flat);
    return params;
}

void cw_head_carve(cw_head_acts *acts, cw_arena *arena, cw_dtype dtype, const cw_head_shape *shape,
                   int64_t batch, bool train) {
    int64_t features = shape->features;
    acts->hidden = cw_arena_tensor_2d(arena, dtype, batch, shape->hidden);
    acts->linear = cw_arena_tensor_2d(arena, dtype, batch, features);
    acts->stats = cw_arena_tensor_2d(arena, dtype, batch, 2);
    acts->z = cw_arena_tensor_2d(arena, dtype, batch, features);
    if (!train) return;
    acts->dhidden = cw_arena_tensor_2d(arena, dtype, batch, shape->hidden);
    acts->dnorm = cw_arena_tensor_2d(arena, dtype, batch, features);
    acts->dlinear = cw_arena_tensor_2d(arena, dtype, batch, features);
}

cw_status cw_head_forward(cw_backend *be, const cw_head_shape *shape, cw_head_acts *acts,
                          const cw_head_params *params, const cw_tensor *x) {
    const cw_ops *ops = be->ops;
    if (shape->hidden > 0) {
        CW_TRY(ops->linear_forward(be, &acts->hidden, x, &params->fc_w[0], &params->fc_b[0], true));
        x = &acts->hidden;
    }
    CW_TRY(ops->linear_forward(be, &acts->linear, x, &params->fc_w[1], &params->fc_b[1], false));
    CW_TRY(ops->layernorm_forward(be, &acts->z, &acts->stats, &acts->linear, &params->ln_gamma,
                                  &params->ln_beta, CW_LAYERNORM_EPS));
    return shape->tanh ? ops->tanh_forward(be, &acts->z, &acts->z) : CW_OK;
}

cw_status cw_head_backward(cw_backend *be, const cw_head_shape *shape, cw_head_params *grads,
                           cw_tensor *dx, const cw_tensor *dz, cw_head_acts *acts,
                           const cw_head_params *params, const cw_tensor *x, cw_tensor *unused) {
    const cw_ops *ops = be->ops;
    const cw_tensor *dnorm = dz;
    if (shape->tanh) {
        CW_TRY(ops->tanh_backward(be, &acts->dnorm, dz, &acts->z));
        dnorm = &acts->dnorm;
    }
    size_t half = (size_t)shape->features * cw_dtype_bytes(be->dtype);
    cw_tensor spare_gamma = cw_tensor_1d(be->dtype, unused->data, shape->features);
    cw_tensor spare_beta = cw_tensor_1d(be->dtype, (char *)unused->data + half, shape->features);
    CW_TRY(ops->layernorm_backward(be, &acts->dlinear,
                                   grads != NULL ? &grads->ln_gamma : &spare_gamma,
                                   grads != NULL ? &grads->ln_beta : &spare_beta, dnorm,
                                   &acts->linear, &acts->stats, &params->ln_gamma));
    const cw_tensor *dy = &acts->dlinear;
    if (shape->hidden > 0) {
        if (grads != NULL) {
            CW_TRY(ops->linear_backward_weights(be, &grads->fc_w[1], &grads->fc_b[1], dy,
                                                &acts->hidden));
        }
        CW_TRY(ops->linear_backward_data(be, &acts->dhidden, dy, &params->fc_w[1]));
        CW_TRY(ops->relu_backward(be, &acts->dhidden, &acts->hidden));
        dy = &acts->dhidden;
    }
    int first = shape->hidden > 0 ? 0 : 1;
    if (grads != NULL) {
        CW_TRY(ops->linear_backward_weights(be, &grads->fc_w[first], &grads->fc_b[first], dy, x));
    }
    return dx != NULL ? ops->linear_backward_data(be, dx, dy, &params->fc_w[first]) : CW_OK;
}
