/* Choosing the backend of a run. */
#ifndef CW_TRAIN_BACKEND_H
#define CW_TRAIN_BACKEND_H

#include "config/settings.h"
#include "ops/ops.h"

/* `name` is "auto" (the fastest that this machine and precision allow), "onednn", "ref" (plain f32
 * loops) or "ref64" (plain f64 loops). CW_EUNSUPPORTED when the precision cannot be had. */
cw_status cw_backend_select(cw_backend **out, const char *name, cw_precision precision,
                            int threads);

#endif
