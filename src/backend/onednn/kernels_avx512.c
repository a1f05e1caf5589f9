#define KERNELS cw_kernels_avx512
#define ISA     "avx512"
#define LANES   16
#include "backend/onednn/kernels_body.h"
