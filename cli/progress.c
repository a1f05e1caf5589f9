#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PLAIN_EVERY_S 10.0
#define LINE_BYTES    512

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value && value[0];
}

void cli_screen_open(cli_screen *screen, bool quiet) {
    const char *terminal = getenv("TERM");
    memset(screen, 0, sizeof *screen);
    screen->quiet = quiet;
    screen->redraw = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    screen->color = screen->redraw && !is_set("NO_COLOR");
    screen->last_line_s = now_s();
}

static int columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

/* The length of a text of `used` bytes after `n` more were printed behind it in out_bytes. */
static int grown(int used, int n, size_t out_bytes) {
    if (n < 0) return used;
    return (size_t)n < out_bytes - (size_t)used ? used + n : (int)out_bytes - 1;
}

/* Appends to out[0..out_bytes), which always stays a string of `used` bytes. */
#define APPEND(...)                                                                                \
    (used = grown(used, snprintf(out + used, out_bytes - (size_t)used, __VA_ARGS__), out_bytes))

static int append_time(char *out, size_t out_bytes, int used, double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) return used; /* also NaN: unknown */
    long s = lround(seconds);
    if (s >= 86400) return APPEND(", %ldd %02ldh left", s / 86400, s / 3600 % 24);
    if (s >= 3600) return APPEND(", %ldh %02ldm left", s / 3600, s / 60 % 60);
    return APPEND(", %ldm %02lds left", s / 60, s % 60);
}

int cli_progress_format(const cw_progress *p, char *out, size_t out_bytes) {
    int used = 0;
    double percent = p->frames_total > 0 ? 100.0 * (double)p->frames / (double)p->frames_total : 0;
    out[0] = '\0';
    APPEND("%s %.0f%%: %" PRId64 "/%" PRId64 " frames", p->phase ? p->phase : "run", floor(percent),
           p->frames, p->frames_total);
    APPEND(", %" PRId64 " agent steps, %" PRId64 " updates", p->agent_steps, p->updates);
    if (isfinite(p->frames_per_s)) APPEND(", %.0f frames/s", p->frames_per_s);
    if (isfinite(p->updates_per_s)) APPEND(", %.1f updates/s", p->updates_per_s);
    if (isfinite(p->last_return)) APPEND(", return %.1f", p->last_return);
    if (isfinite(p->last_eval)) APPEND(", eval %.1f", p->last_eval);
    if (isfinite(p->best_eval)) APPEND(" (best %.1f)", p->best_eval);
    return append_time(out, out_bytes, used, p->seconds_left);
}

static void leave_line(cli_screen *screen) {
    if (screen->drawn) fputs("\r\033[K", stdout);
    screen->drawn = false;
}

static void show_line(void *user, const char *text) {
    cli_screen *screen = user;
    if (screen->quiet) return;
    leave_line(screen);
    puts(text);
    fflush(stdout);
}

static void show_progress(void *user, const cw_progress *progress) {
    cli_screen *screen = user;
    if (screen->quiet) return;
    char line[LINE_BYTES];
    int n = cli_progress_format(progress, line, sizeof line);
    if (!screen->redraw) {
        double now = now_s();
        if (now - screen->last_line_s < PLAIN_EVERY_S) return;
        screen->last_line_s = now;
        puts(line);
        fflush(stdout);
        return;
    }
    /* A line as wide as the terminal would wrap and could not be redrawn. */
    int width = columns() - 1;
    if (n > width) line[width > 0 ? width : 0] = '\0';
    int phase = (int)strcspn(line, " ");
    if (screen->color)
        printf("\r\033[1m%.*s\033[0m%s\033[K", phase, line, line + phase);
    else
        printf("\r%s\033[K", line);
    fflush(stdout);
    screen->drawn = true;
}

static bool should_stop(void *user) {
    cli_screen *screen = user;
    if (!cli_signals_caught()) return false;
    if (!screen->told_stop)
        show_line(screen, "stopping after a checkpoint; a second signal stops at once");
    screen->told_stop = true;
    return true;
}

cw_callbacks cli_screen_callbacks(cli_screen *screen) {
    return (cw_callbacks){
        .user = screen, .line = show_line, .progress = show_progress, .should_stop = should_stop};
}

void cli_screen_close(cli_screen *screen) {
    if (screen->drawn) putchar('\n');
    screen->drawn = false;
    fflush(stdout);
}
