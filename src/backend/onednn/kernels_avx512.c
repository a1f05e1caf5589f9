#define KERNELS   cw_kernels_avx512
#define ISA       "avx512"
#define LANES     16
#define REGISTERS 32
#include "backend/onednn/kernels_body.h"
