/* Stands in for src/backend/onednn/matrix_units.c where amx_tiles.h is simulated: what the loops
 * need besides tiles and what every table with bf16 factors needs. */
#include "backend/onednn/matrix_units.h"

bool cw_has_matrix_units(void) {
    return __builtin_cpu_supports("avx512vbmi");
}
