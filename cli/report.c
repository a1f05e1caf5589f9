#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line whatever the message holds: a control character of a file name or of an argument would
 * break it or reach the terminal. */
static void write_line(const char *message) {
    char line[2048];
    size_t n = 0;
    for (; message[n] && n < sizeof line - 1; n++) {
        unsigned char c = (unsigned char)message[n];
        line[n] = (c < ' ' || c == 127) ? '?' : (char)c;
    }
    line[n] = '\0';
    fflush(stdout); /* what was printed before comes before */
    fprintf(stderr, "curlew: %s\n", line);
}

int cli_report(int code, const char *format, ...) {
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    write_line(message);
    return code;
}

int cli_report_status(cw_status status) {
    if (status == CW_OK) return CLI_DONE;
    int signal_number = cli_signals_caught();
    if (status == CW_EINTERRUPTED && signal_number)
        return cli_report(CLI_SIGNAL + signal_number,
                          "stopped by %s; the same command goes on from the checkpoint",
                          strsignal(signal_number));
    const char *message = cw_last_error();
    return cli_report(status == CW_EINVAL ? CLI_USAGE : CLI_FAILED, "%s",
                      message[0] ? message : cw_status_text(status));
}

int cli_flush(int code) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    int why = errno;
    return cli_report(code == CLI_DONE ? CLI_FAILED : code, "cannot write to standard output%s%s",
                      why ? ": " : "", why ? strerror(why) : "");
}
