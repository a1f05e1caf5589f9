/* The two op tables of the reference backend. */
#ifndef CW_BACKEND_REF_REF_H
#define CW_BACKEND_REF_REF_H

#include "ops/ops.h"

extern const cw_ops cw_ref_ops_f32;
extern const cw_ops cw_ref_ops_f64;

/* The entries that do not depend on the element type. */
void cw_ref_destroy(cw_backend *be);
void cw_ref_describe(const cw_backend *be, char *out, size_t out_bytes);

#endif
