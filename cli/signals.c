#include "cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught = 0, continued = 0;

static void on_signal(int number) {
    if (caught) _exit(CLI_SIGNAL + number);
    caught = number;
}

static void catch_unless_ignored(int number) {
    struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    /* nohup and shells with jobs in the background ignore signals on purpose. */
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
    (void)sigaction(number, &action, NULL);
}

void cli_signals_catch(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    catch_unless_ignored(SIGINT);
    catch_unless_ignored(SIGTERM);
    catch_unless_ignored(SIGHUP);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    /* A limit on the size of files is then a failed write like any other. */
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

int cli_signals_caught(void) {
    return caught;
}

static void on_continue(int number) {
    (void)number;
    continued = 1;
}

void cli_signals_watch_continue(void) {
    struct sigaction action = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGCONT, &action, NULL);
}

bool cli_signals_take_continue(void) {
    bool was = continued != 0;
    continued = 0;
    return was;
}
