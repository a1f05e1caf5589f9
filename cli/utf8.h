/* Text as its characters. */
#ifndef CURLEW_CLI_UTF8_H
#define CURLEW_CLI_UTF8_H

#include <stdint.h>

#define CLI_UTF8_BROKEN 0xfffd /* stands for a byte that is no UTF-8 */

/* The character at text[0], which is not the final zero; returns how many bytes it takes. A byte
 * that begins no character is CLI_UTF8_BROKEN, one byte long. */
int cli_utf8_next(const char *text, uint32_t *code);

#endif
