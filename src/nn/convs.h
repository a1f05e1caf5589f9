/* Parameters of an encoder's convolutions: convs.0.weight (F, C, 3, 3), convs.0.bias (F), ... */
#ifndef CW_NN_CONVS_H
#define CW_NN_CONVS_H

#include "ops/ops.h"
#include "tensor/params.h"

/* Appends the convolutions of `desc`; first row or -1. Their elements are contiguous and in the
 * order that convnet_pack reads. */
int cw_convs_register(cw_param_table *table, const char *prefix, const cw_convnet_desc *desc);

#endif
