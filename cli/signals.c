#include "cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught = 0, suspended = 0;

/* A terminal that goes away says so several times: by the kernel and by the shell. */
static void on_signal(int number) {
    if (caught && number == SIGHUP) return;
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

static void catch_suspend(void);

/* Suspends the process after all, as if nobody had caught the signal. */
static void on_suspend(int number) {
    suspended = 1;
    raise(number);
    catch_suspend();
}

static void catch_suspend(void) {
    struct sigaction action = {.sa_handler = on_suspend,
                               .sa_flags = SA_RESTART | SA_RESETHAND | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTSTP, &action, NULL);
}

void cli_signals_watch_suspend(void) {
    struct sigaction before;
    /* A shell without job control ignores it. */
    if (sigaction(SIGTSTP, NULL, &before) == 0 && before.sa_handler == SIG_DFL) catch_suspend();
}

bool cli_signals_take_suspend(void) {
    bool was = suspended != 0;
    suspended = 0;
    return was;
}
