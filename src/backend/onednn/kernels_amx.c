#define KERNELS      cw_kernels_amx
#define ISA          "amx"
#define LANES        16
#define REGISTERS    32
#define BF16_FACTORS 1
#define MATRIX_UNITS 1
#include "backend/onednn/kernels_body.h"
