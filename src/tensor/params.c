#include "tensor/params.h"

#include <stdio.h>
#include <string.h>

int cw_params_add(cw_param_table *table, const char *prefix, const char *name, int ndim,
                  const int64_t *shape) {
    if (table->n == CW_MAX_PARAMS) return -1;
    cw_param *row = &table->row[table->n];
    int n = snprintf(row->name, sizeof row->name, "%s%s", prefix, name);
    if (n < 0 || (size_t)n >= sizeof row->name) return -1;
    row->ndim = ndim;
    row->count = 1;
    for (int i = 0; i < ndim; i++) {
        row->shape[i] = shape[i];
        row->count *= (size_t)shape[i];
    }
    row->offset = table->count;
    table->count += row->count;
    return table->n++;
}

const cw_param *cw_params_find(const cw_param_table *table, const char *name) {
    for (int i = 0; i < table->n; i++) {
        if (strcmp(table->row[i].name, name) == 0) return &table->row[i];
    }
    return NULL;
}

cw_tensor cw_params_view(const cw_param *param, cw_dtype dtype, void *flat) {
    char *at = (char *)flat + param->offset * cw_dtype_bytes(dtype);
    return cw_tensor_nd(dtype, at, param->ndim, param->shape);
}
