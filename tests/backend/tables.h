/* The tables of loops that the tests of the oneDNN backend go through. */
#ifndef CW_TESTS_BACKEND_TABLES_H
#define CW_TESTS_BACKEND_TABLES_H

#include "backend/onednn/kernels.h"

#define MOST_TABLES 5

/* Every table that this machine runs, those with bf16 factors last. Returns how many. */
static inline int all_tables(const cw_kernels *out[MOST_TABLES]) {
    int n = cw_kernels_all(out);
    if (cw_kernels_bf16() != NULL) out[n++] = cw_kernels_bf16();
    if (cw_kernels_units() != NULL) out[n++] = cw_kernels_units();
    return n;
}

#endif
