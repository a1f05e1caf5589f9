/* Stands in for src/backend/onednn/kernels.c: the tables for AVX-512 and matrix units, whose
 * instructions are emulated. With CW_EMULATED=avx512_bf16 in the environment as on a processor
 * without the units. */
#include "backend/onednn/kernels.h"

#include "backend/onednn/units.h"

#include <stdlib.h>
#include <string.h>

static bool runs(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

int cw_kernels_all(const cw_kernels *out[3]) {
    out[0] = &cw_kernels_generic;
    out[1] = &cw_kernels_avx512;
    return runs() ? 2 : 1;
}

const cw_kernels *cw_kernels_best(void) {
    return runs() ? &cw_kernels_avx512 : &cw_kernels_generic;
}

static bool lacks(const char *what) {
    const char *most = getenv("CW_EMULATED");
    if (!runs()) return true;
    if (most == NULL) return false;
    return strcmp(what, "units") == 0 || strcmp(most, "avx512") == 0;
}

const cw_kernels *cw_kernels_bf16(void) {
    return lacks("bf16") ? NULL : &cw_kernels_avx512_bf16;
}

const cw_kernels *cw_kernels_units(void) {
    return lacks("units") ? NULL : &cw_kernels_amx;
}

const cw_unit_kernels *cw_unit_kernels_get(void) {
    return lacks("units") ? NULL : &cw_unit_kernels_amx;
}
