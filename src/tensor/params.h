/* Named parameters as ranges of flat vectors.
 *
 * All parameters of an agent that are trained lie in one vector, so that an optimiser, a
 * momentum average, a checkpoint or a reduction over machines is one loop over one range. */
#ifndef CW_TENSOR_PARAMS_H
#define CW_TENSOR_PARAMS_H

#include "tensor/tensor.h"

#include <curlew/status.h>

#define CW_PARAM_NAME 80
#define CW_MAX_PARAMS 160

typedef struct cw_range {
    size_t begin; /* first element */
    size_t count; /* elements */
} cw_range;

typedef struct cw_param {
    char name[CW_PARAM_NAME]; /* PyTorch state-dict name, "critic.Q1.trunk.0.weight" */
    int ndim;
    int64_t shape[4]; /* OIHW for convolutions, (out, in) for linear layers, () for a scalar */
    size_t offset;    /* elements from the start of the flat vector */
    size_t count;     /* elements */
} cw_param;

/* The table of one flat vector; filled once by the nets that live in it. */
typedef struct cw_param_table {
    int n;
    size_t count; /* elements of the flat vector */
    cw_param row[CW_MAX_PARAMS];
} cw_param_table;

/* Appends a parameter "<prefix><name>" and returns its row index, -1 when the table is full
 * or the name too long. */
int cw_params_add(cw_param_table *table, const char *prefix, const char *name, int ndim,
                  const int64_t *shape);

/* Row of a name, NULL when there is none. */
const cw_param *cw_params_find(const cw_param_table *table, const char *name);

/* View of one parameter inside a flat vector of `dtype`. */
cw_tensor cw_params_view(const cw_param *param, cw_dtype dtype, void *flat);

#endif
