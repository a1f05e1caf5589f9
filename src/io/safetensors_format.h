/* What the safetensors reader and writer share; included by nothing else. */
#ifndef CW_IO_SAFETENSORS_FORMAT_H
#define CW_IO_SAFETENSORS_FORMAT_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

#define CW_SAFETENSORS_METADATA "__metadata__" /* the header's key that is no tensor */
#define CW_SAFETENSORS_SHOWN    80             /* bytes of a name in a message */

/* The format's name of a dtype: "F32", ... */
const char *cw_safetensors_dtype_name(cw_dtype dtype);

/* Bytes of a tensor; false when they, or the product of the dimensions other than 0, do not fit an
 * int64 (so that no order of multiplication can overflow later). */
bool cw_safetensors_bytes(const cw_tensor *tensor, uint64_t *out);

/* A text of the file, shortened for a message. */
typedef struct cw_shown {
    char text[CW_SAFETENSORS_SHOWN + 4];
} cw_shown;
cw_shown cw_show(const char *text);

#endif
