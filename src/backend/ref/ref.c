#include "backend/ref/ref.h"

#include "base/error.h"

#include <stdio.h>

cw_status cw_backend_ref_create(cw_backend **out, cw_dtype dtype) {
    if (dtype != CW_F32 && dtype != CW_F64) {
        return cw_fail(CW_EINVAL, "backend ref: the element type is %s; it must be f32 or f64",
                       cw_dtype_name(dtype));
    }
    cw_backend *be;
    CW_TRY(cw_alloc(&be, 1, sizeof *be, "the reference backend"));
    be->ops = dtype == CW_F32 ? &cw_ref_ops_f32 : &cw_ref_ops_f64;
    be->dtype = dtype;
    be->threads = 1;
    *out = be;
    return CW_OK;
}

void cw_ref_destroy(cw_backend *be) {
    cw_free(be);
}

void cw_ref_describe(const cw_backend *be, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "reference loops, %s, 1 thread", cw_dtype_name(be->dtype));
}
