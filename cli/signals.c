#include "cli.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* Signals within this time are one: job managers and timeout(1) send theirs to the process and to
 * its group. */
#define ONE_SIGNAL_NS 250000000LL

/* Any thread may be the one that a signal interrupts. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "handlers may use them");
static atomic_int caught, suspended;
static atomic_llong caught_at; /* ns of the monotonic clock, 0: not yet */

static long long now_ns(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* A terminal that goes away says so several times: by the kernel and by the shell. */
static void on_signal(int number) {
    long long now = now_ns();
    long long first = 0;
    if (atomic_compare_exchange_strong(&caught_at, &first, now)) {
        atomic_store(&caught, number);
        return;
    }
    if (number == SIGHUP || now - first < ONE_SIGNAL_NS) return;
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
    return atomic_load(&caught);
}

static void catch_suspend(void);

/* Suspends the process after all, as if nobody had caught the signal: it is let through while what
 * it does is the default, whatever the handler was entered with. */
static void on_suspend(int number) {
    sigset_t itself, before;
    sigemptyset(&itself);
    sigaddset(&itself, number);
    atomic_store(&suspended, 1);
    raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &itself, &before);
    catch_suspend();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void catch_suspend(void) {
    struct sigaction action = {.sa_handler = on_suspend, .sa_flags = SA_RESTART | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTSTP, &action, NULL);
}

void cli_signals_watch_suspend(void) {
    struct sigaction before;
    /* A shell without job control ignores it. */
    if (sigaction(SIGTSTP, NULL, &before) == 0 && before.sa_handler == SIG_DFL) catch_suspend();
}

bool cli_signals_take_suspend(void) {
    return atomic_exchange(&suspended, 0) != 0;
}
