#include "train/backend.h"

#include "base/error.h"

#include <string.h>

cw_status cw_backend_select(cw_backend **out, const char *name, cw_precision precision,
                            int threads) {
    bool onednn = strcmp(name, "auto") == 0 || strcmp(name, "onednn") == 0;
    if (precision == CW_PRECISION_BF16) {
        if (onednn) return cw_backend_onednn_bf16_create(out, threads);
        return cw_fail(CW_EUNSUPPORTED, "backend '%s' has no bf16; use run.precision = f32", name);
    }
    if (onednn) {
        return cw_backend_onednn_create(out, threads);
    }
    if (strcmp(name, "ref") == 0) return cw_backend_ref_create(out, CW_F32);
    if (strcmp(name, "ref64") == 0) return cw_backend_ref_create(out, CW_F64);
    return cw_fail(CW_EINVAL, "unknown backend '%s'; it must be auto, onednn, ref or ref64", name);
}
