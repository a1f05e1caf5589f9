/* A growable text, for pages that are put together in memory. A failure is kept: later calls do
 * nothing, and one check at the end is enough. One thread at a time. */
#ifndef CW_BASE_TEXT_H
#define CW_BASE_TEXT_H

#include <curlew/status.h>

#include <stddef.h>

typedef struct cw_text {
    char *bytes; /* cw_alloc; n bytes and a zero byte, NULL while empty */
    size_t n;
    size_t room;
    cw_status status; /* CW_OK, or the first failure */
} cw_text;            /* {0} is an empty text */

void cw_text_append(cw_text *text, const void *bytes, size_t n);
void cw_text_add(cw_text *text, const char *string);
void cw_text_format(cw_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* RFC 4648, with padding and without line ends. */
void cw_text_base64(cw_text *text, const void *bytes, size_t n);
void cw_text_free(cw_text *text); /* leaves an empty text */

/* Puts '?' in place of control characters, those of Latin-1 in UTF-8 (0x80 to 0x9f) too. What comes
 * from files stands in messages: they stay one line and move no terminal. Any thread. */
void cw_text_plain_line(char *line);

#endif
