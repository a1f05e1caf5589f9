/* The machine in one line, for logs and reports. */
#ifndef CW_TRAIN_MACHINE_H
#define CW_TRAIN_MACHINE_H

#include <stddef.h>

/* "AMD EPYC 9B14, 2 cores, 8.3 GB, Linux 6.1.0 x86_64", cut to out_bytes (1 or more); what the
 * system does not tell is left out. Any thread. */
void cw_machine_describe(char *out, size_t out_bytes);

#endif
