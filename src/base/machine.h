/* The machine that this process runs on, for people to read. */
#ifndef CW_BASE_MACHINE_H
#define CW_BASE_MACHINE_H

#include <stddef.h>

/* The processor's own name, "unknown processor" where the system does not tell; cut to out_bytes.
 */
void cw_cpu_name(char *out, size_t out_bytes);

#endif
