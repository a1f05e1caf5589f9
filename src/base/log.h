/* The log sink: the library hands lines to the host and never prints. */
#ifndef CW_BASE_LOG_H
#define CW_BASE_LOG_H

typedef enum cw_log_level { CW_LOG_INFO, CW_LOG_WARN } cw_log_level;

/* Called with one line without newline; may be called from any thread. */
typedef void (*cw_log_fn)(void *user, cw_log_level level, const char *line);

typedef struct cw_log {
    cw_log_fn fn; /* NULL: lines are dropped */
    void *user;
} cw_log;

void cw_log_write(const cw_log *log, cw_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
