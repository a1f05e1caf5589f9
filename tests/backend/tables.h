/* The tables of loops that the tests of the oneDNN backend go through. */
#ifndef CW_TESTS_BACKEND_TABLES_H
#define CW_TESTS_BACKEND_TABLES_H

#include "backend/onednn/kernels.h"

/* Every table that this machine runs, the one with bf16 factors last. Returns how many. */
static inline int all_tables(const cw_kernels *out[4]) {
    int n = cw_kernels_all(out);
    if (cw_kernels_bf16() != NULL) out[n++] = cw_kernels_bf16();
    return n;
}

#endif
