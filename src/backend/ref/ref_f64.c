#define REAL      double
#define REF_DTYPE CW_F64
#define REF_TABLE cw_ref_ops_f64
#include "backend/ref/kernels.h"
