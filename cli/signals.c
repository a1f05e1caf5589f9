#include "cli.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

/* Signals within this time are one: job managers and timeout(1) send theirs to the process and to
 * its group. */
#define ONE_SIGNAL_S 0.25

static volatile sig_atomic_t caught = 0, suspended = 0;
static struct timespec caught_at;

static double since(const struct timespec *then, const struct timespec *now) {
    return (double)(now->tv_sec - then->tv_sec) + 1e-9 * (double)(now->tv_nsec - then->tv_nsec);
}

/* A terminal that goes away says so several times: by the kernel and by the shell. */
static void on_signal(int number) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (!caught) {
        caught_at = now;
        caught = number;
        return;
    }
    if (number == SIGHUP || since(&caught_at, &now) < ONE_SIGNAL_S) return;
    _exit(CLI_SIGNAL + number);
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
