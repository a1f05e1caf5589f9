/* Shared by the files of the library that trains nothing. */
#ifndef CW_TESTS_CLI_FAKE_H
#define CW_TESTS_CLI_FAKE_H

#include <curlew/status.h>

/* How a call ends, by the environment variable FAKE (fake_run.c). */
cw_status fake_ending(void);

#endif
