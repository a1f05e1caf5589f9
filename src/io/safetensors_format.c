#include "io/safetensors_format.h"

#include <string.h>

static const char *const dtype_names[CW_DTYPE_COUNT] = {
    [CW_F32] = "F32", [CW_F64] = "F64", [CW_BF16] = "BF16",
    [CW_U8] = "U8",   [CW_I32] = "I32", [CW_I64] = "I64",
};

const char *cw_safetensors_dtype_name(cw_dtype dtype) {
    return dtype_names[dtype];
}

bool cw_safetensors_bytes(const cw_tensor *tensor, uint64_t *out) {
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->shape[i] == 0) {
            empty = true;
        } else if (__builtin_mul_overflow(product, tensor->shape[i], &product)) {
            return false;
        }
    }
    if (__builtin_mul_overflow(product, (int64_t)cw_dtype_bytes(tensor->dtype), &product)) {
        return false;
    }
    *out = empty ? 0 : (uint64_t)product;
    return true;
}

cw_shown cw_show(const char *text) {
    cw_shown out;
    size_t n = 0;
    while (n < CW_SAFETENSORS_SHOWN && text[n] != '\0') n++;
    memcpy(out.text, text, n);
    memcpy(out.text + n, text[n] == '\0' ? "" : "...", text[n] == '\0' ? 1 : 4);
    return out;
}
