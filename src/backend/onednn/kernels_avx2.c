#define KERNELS   cw_kernels_avx2
#define ISA       "avx2"
#define LANES     8
#define REGISTERS 16
#include "backend/onednn/kernels_body.h"
