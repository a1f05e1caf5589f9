/* Which of the tables of kernels.h and units.h the processor runs. */
#include "backend/onednn/matrix_units.h"
#include "backend/onednn/onednn.h"

int cw_kernels_all(const cw_kernels *out[3]) {
    int n = 0;
    out[n++] = &cw_kernels_generic;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        out[n++] = &cw_kernels_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
            out[n++] = &cw_kernels_avx512;
        }
    }
#endif
    return n;
}

const cw_kernels *cw_kernels_best(void) {
#if defined(__x86_64__)
    const cw_kernels *all[3];
    int n = cw_kernels_all(all);
    if (n > 2 && cw_onednn_offers(dnnl_cpu_isa_avx512_core)) return &cw_kernels_avx512;
    if (n > 1 && cw_onednn_offers(dnnl_cpu_isa_avx2)) return &cw_kernels_avx2;
#endif
    return &cw_kernels_generic;
}

const cw_kernels *cw_kernels_bf16(void) {
#if defined(__x86_64__)
    if (cw_kernels_best() == &cw_kernels_avx512 && __builtin_cpu_supports("avx512bf16")) {
        return &cw_kernels_avx512_bf16;
    }
#endif
    return NULL;
}

const cw_kernels *cw_kernels_units(void) {
#if defined(__x86_64__)
    if (cw_kernels_bf16() != NULL && cw_has_matrix_units()) return &cw_kernels_amx;
#endif
    return NULL;
}

const cw_unit_kernels *cw_unit_kernels_get(void) {
#if defined(__x86_64__)
    if (cw_kernels_units() != NULL) return &cw_unit_kernels_amx;
#endif
    return NULL;
}
