#include "backend/onednn/matrix_units.h"

#if defined(__x86_64__) && defined(__linux__)
#include "backend/onednn/onednn.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool processor_has_them(void) {
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    const unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24, avx512_vbmi = 1U << 1;
    return (d & amx_bf16) != 0 && (d & amx_tile) != 0 && (c & avx512_vbmi) != 0;
}

/* Linux lends the registers to processes that ask for them. */
static bool linux_lends_them(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) == 0;
}

bool cw_has_matrix_units(void) {
    return cw_onednn_offers(dnnl_cpu_isa_avx512_core_amx) && processor_has_them() &&
           linux_lends_them();
}
#else
bool cw_has_matrix_units(void) {
    return false;
}
#endif
