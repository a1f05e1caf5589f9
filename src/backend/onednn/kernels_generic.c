#define KERNELS cw_kernels_generic
#define ISA     "generic"
#define LANES   0
#include "backend/onednn/kernels_body.h"
