/* The processes of a sweep. */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a run says about a failure goes to DIR/NAME.err, which stays only when something went
 * wrong. */
static void error_path(const sweep *s, const sweep_run *run, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "%s/%s.err", s->out, run->name);
}

/* In the new process. A group of its own: Ctrl-C reaches the sweep, which hands it on once. When
 * the sweep is killed its runs are asked to stop. */
static void become_run(pid_t parent, const char *errors, char **argv) {
    int null = open("/dev/null", O_RDWR);
    int err = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (null < 0 || err < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(err, 2) < 0)
        _exit(CLI_FAILED);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) _exit(CLI_FAILED);
    execv("/proc/self/exe", argv);
    _exit(CLI_FAILED);
}

static bool start(sweep *s, sweep_run *run) {
    char errors[1100];
    int n;
    char **words = sweep_words(s, run, &n);
    char **argv = calloc((size_t)n + 3, sizeof *argv);
    if (words && argv) {
        char curlew[] = "curlew", train[] = "train";
        error_path(s, run, errors, sizeof errors);
        argv[0] = curlew;
        argv[1] = train;
        memcpy(argv + 2, words, (size_t)n * sizeof *argv);
        fflush(NULL);
        pid_t parent = getpid();
        run->pid = fork();
        if (run->pid == 0) become_run(parent, errors, argv);
        if (run->pid < 0) snprintf(run->why, sizeof run->why, "fork: %s", strerror(errno));
    } else {
        run->pid = -1;
        snprintf(run->why, sizeof run->why, "no memory to start it");
    }
    run->state = run->pid > 0 ? SWEEP_RUNNING : SWEEP_FAILED;
    if (!s->quiet && run->pid > 0) printf("start   %s\n", run->name);
    free(argv);
    sweep_words_free(words);
    return run->pid > 0;
}

/* The last line that the run wrote to its standard error. */
static void read_reason(const char *path, char *out, size_t out_bytes) {
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        const char *text = strncmp(line, "curlew: ", 8) == 0 ? line + 8 : line;
        line[strcspn(line, "\n")] = '\0';
        if (*text) snprintf(out, out_bytes, "%s", text);
    }
    fclose(file);
}

static int count(const sweep *s, sweep_state state) {
    int n = 0;
    for (int i = 0; i < s->n_runs; i++) n += s->runs[i].state == state;
    return n;
}

/* Takes in a run whose process has ended. */
static void finish(sweep *s, sweep_run *run, int status) {
    char errors[1100];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    error_path(s, run, errors, sizeof errors);
    run->pid = 0;
    sweep_read_result(s, run);
    run->state = code == CLI_DONE ? SWEEP_DONE : code > CLI_SIGNAL ? SWEEP_STOPPED : SWEEP_FAILED;
    if (run->state == SWEEP_FAILED) {
        if (code < 0)
            snprintf(run->why, sizeof run->why, "ended by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(run->why, sizeof run->why, "ended with code %d", code);
        read_reason(errors, run->why, sizeof run->why);
    } else {
        (void)remove(errors);
    }
    if (s->quiet) return;
    if (run->state == SWEEP_DONE)
        printf("done    %s: mean return %.1f at %" PRId64 " frames, %.0f s (%d of %d)\n", run->name,
               run->score, run->frames, run->wall_s, count(s, SWEEP_DONE), s->n_runs);
    else if (run->state == SWEEP_STOPPED)
        printf("stopped %s\n", run->name);
    else
        printf("failed  %s: %s\n", run->name, run->why);
}

static void hand_on(const sweep *s, int signal_number) {
    for (int i = 0; i < s->n_runs; i++)
        if (s->runs[i].state == SWEEP_RUNNING) (void)kill(s->runs[i].pid, signal_number);
}

/* Looks after every running process once; true when one had ended. */
static bool tend(sweep *s) {
    bool any = false;
    for (int i = 0; i < s->n_runs; i++) {
        int status;
        sweep_run *run = &s->runs[i];
        if (run->state != SWEEP_RUNNING || waitpid(run->pid, &status, WNOHANG) != run->pid)
            continue;
        finish(s, run, status);
        any = true;
    }
    return any;
}

int sweep_execute(sweep *s) {
    int next = 0, told = 0;
    for (;;) {
        int signal_number = cli_signals_caught();
        if (signal_number && !told) {
            hand_on(s, signal_number);
            told = signal_number;
            if (!s->quiet) puts("stopping every run after a checkpoint");
        }
        for (; !told && next < s->n_runs && count(s, SWEEP_RUNNING) < s->jobs; next++)
            if (s->runs[next].state == SWEEP_WAITING) (void)start(s, &s->runs[next]);
        fflush(stdout);
        if (count(s, SWEEP_RUNNING) == 0 && (told || next == s->n_runs)) break;
        if (!tend(s)) nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    }
    return told ? CLI_SIGNAL + told : CLI_DONE;
}
