#ifndef CW_BACKEND_ONEDNN_MATRIX_UNITS_H
#define CW_BACKEND_ONEDNN_MATRIX_UNITS_H

#include <stdbool.h>

/* Whether this process may use matrix units (AMX): the processor has those for bf16, and the
 * permutations of bytes that curlew's loops around them take; Linux lends it their registers; and
 * oneDNN's variable ONEDNN_MAX_CPU_ISA does not forbid them. Any thread. */
bool cw_has_matrix_units(void);

#endif
