#define KERNELS      cw_kernels_avx512_bf16
#define ISA          "avx512_bf16"
#define LANES        16
#define REGISTERS    32
#define BF16_FACTORS 1
#include "backend/onednn/kernels_body.h"
