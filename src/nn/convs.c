#include "nn/convs.h"

#include <stdio.h>

int cw_convs_register(cw_param_table *table, const char *prefix, const cw_convnet_desc *desc) {
    int first = table->n;
    int64_t channels = desc->channels;
    for (int layer = 0; layer < desc->n_layers; layer++) {
        char name[32];
        int64_t weight[4] = {desc->filters, channels, 3, 3};
        snprintf(name, sizeof name, "convs.%d.weight", layer);
        if (cw_params_add(table, prefix, name, 4, weight) < 0) return -1;
        snprintf(name, sizeof name, "convs.%d.bias", layer);
        if (cw_params_add(table, prefix, name, 1, weight) < 0) return -1;
        channels = desc->filters;
    }
    return first;
}
