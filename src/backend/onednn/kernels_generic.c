/* Vectors that x86-64 (SSE2) and 64-bit ARM have from the start; others split them. */
#define KERNELS cw_kernels_generic
#define ISA     "generic"
#define LANES   4
#if defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#include "backend/onednn/kernels_body.h"
