/* Every op as the textbook writes it, in element type REAL. Included once by ref_f32.c and once by
 * ref_f64.c, which define REAL, REF_DTYPE and REF_TABLE. All sums run in double, in index order. */
#include "backend/ref/kernels_conv.h"
#include "backend/ref/kernels_dense.h"
#include "backend/ref/kernels_rows.h"

const cw_ops REF_TABLE = {
    .name = "ref",
    .convnet_create = convnet_create,
    .convnet_destroy = convnet_destroy,
    .convnet_bytes = convnet_bytes,
    .convnet_pack = convnet_pack,
    .convnet_input = convnet_input,
    .feature_dtype = feature_dtype,
    .convnet_forward = convnet_forward,
    .convnet_backward = convnet_backward,
    .convnet_input_gradient = convnet_input_gradient,
    .linear_forward = linear_forward,
    .linear_backward_data = linear_backward_data,
    .linear_backward_weights = linear_backward_weights,
    .matmul = matmul,
    .relu_backward = relu_backward,
    .tanh_forward = tanh_forward,
    .tanh_backward = tanh_backward,
    .add = add,
    .layernorm_forward = layernorm_forward,
    .layernorm_backward = layernorm_backward,
    .l2norm_forward = l2norm_forward,
    .l2norm_backward = l2norm_backward,
    .softmax_xent = softmax_xent,
    .adam = adam_step,
    .ema = ema,
    .destroy = cw_ref_destroy,
    .describe = cw_ref_describe,
};
