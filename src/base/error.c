#include "base/error.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT 1024

/* The one mutable object with static storage that the library keeps per thread. */
static _Thread_local char last_error[ERROR_TEXT];

const char *cw_status_text(cw_status status) {
    switch (status) {
#define CW_STATUS_CASE(code, text)                                                                 \
    case code:                                                                                     \
        return text;
        CW_STATUS_LIST(CW_STATUS_CASE)
#undef CW_STATUS_CASE
    }
    return "unknown status";
}

const char *cw_last_error(void) {
    return last_error;
}

cw_status cw_fail(cw_status status, const char *format, ...) {
    char text[ERROR_TEXT]; /* the arguments may point into last_error */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cw_text_plain_line(text);
    memcpy(last_error, text, sizeof text);
    return status;
}

cw_status cw_fail_in(cw_status status, const char *format, ...) {
    char prefix[ERROR_TEXT], message[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(message, last_error, sizeof message);
    return cw_fail(status, "%s: %s", prefix, message);
}
