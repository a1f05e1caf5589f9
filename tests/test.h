/* cmocka with the headers that it needs before itself, whatever order includes are sorted in. */
#ifndef CW_TEST_H
#define CW_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
