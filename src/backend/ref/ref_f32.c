#define REAL      float
#define REF_DTYPE CW_F32
#define REF_TABLE cw_ref_ops_f32
#include "backend/ref/kernels.h"
