#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void cw_log_write(const cw_log *log, cw_log_level level, const char *format, ...) {
    if (log == NULL || log->fn == NULL) return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cw_text_plain_line(line);
    log->fn(log->user, level, line);
}
