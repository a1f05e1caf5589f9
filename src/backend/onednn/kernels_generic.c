#define KERNELS cw_kernels_generic
#define ISA     "generic"
#define LANES   8
#include "backend/onednn/kernels_body.h"
