/* Running the command in an empty folder and looking at what comes out. */
#ifndef CW_TESTS_CLI_PROCESS_H
#define CW_TESTS_CLI_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct cw_process {
    int code; /* exit code, or 1000 + the signal that ended it */
    char out[65536 * 2];
    char err[8192];
    bool wrote; /* the folder is not empty any more */
} cw_process;

/* Makes and removes the folder; cmocka fixtures. */
int process_open(void **state);
int process_close(void **state);

/* The folder in which commands run. */
const char *process_folder(void);

/* Writes a file there. */
void process_write(const char *name, const char *text);

/* Runs `binary` with words (split at blanks; "''" is an empty word) and environment (NAME=VALUE,
 * NULL for none) to its end. */
void process_run(cw_process *p, const char *binary, const char *words, const char *environment);

/* The same in two halves; out and err are read by process_wait. */
pid_t process_start(const char *binary, const char *words, const char *environment);
void process_wait(cw_process *p, pid_t pid);

/* Waits until standard output so far holds `text`; fails the test after 10 s. */
void process_await_output(const char *text);

/* Whether the text is one whole line that starts with "curlew: ". */
bool process_is_one_line(const char *text);

#endif
