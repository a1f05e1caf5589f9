#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

/* Whether the locale's characters are UTF-8, by its name: it need not be installed. The Linux
 * console speaks UTF-8 too, but its fonts lack the block characters. */
static bool speaks_utf8(void) {
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *terminal = getenv("TERM");
    if (terminal && strcmp(terminal, "linux") == 0) return false;
    for (int i = 0; i < 3; i++) {
        if (!is_set(variables[i])) continue;
        const char *set = strchr(getenv(variables[i]), '.');
        return set && (strncasecmp(set, ".utf-8", 6) == 0 || strncasecmp(set, ".utf8", 5) == 0);
    }
    return false;
}

void cli_screen_open(cli_screen *screen, bool quiet) {
    memset(screen, 0, sizeof *screen);
    screen->quiet = quiet;
    screen->last_line_s = now_s();
}

void cli_screen_panel(cli_screen *screen, const cli_panel *panel) {
    const char *terminal = getenv("TERM");
    if (screen->quiet || !isatty(STDOUT_FILENO)) return;
    if (!terminal || !terminal[0] || strcmp(terminal, "dumb") == 0) return;
    screen->panel = panel;
    screen->look.color = !is_set("NO_COLOR");
    screen->look.utf8 = speaks_utf8();
    cli_signals_watch_suspend();
}

/* The window; COLUMNS may ask for a narrower panel. */
static void measure_window(cli_look *look) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    look->columns = known ? size.ws_col : 80;
    look->rows = known && size.ws_row > 0 ? size.ws_row : 24;
    const char *asked = getenv("COLUMNS");
    long columns = asked ? strtol(asked, NULL, 10) : 0;
    if (columns > 0 && (columns < look->columns || !known))
        look->columns = columns < 10000 ? (int)columns : 10000;
}

/* In the background the terminal belongs to somebody else. */
static bool in_foreground(void) {
    pid_t owner = tcgetpgrp(STDOUT_FILENO);
    return owner < 0 || owner == getpgrp();
}

/* The length of a text of `used` bytes after `n` more were printed behind it in out_bytes. */
static int grown(int used, int n, size_t out_bytes) {
    if (n < 0) return used;
    return (size_t)n < out_bytes - (size_t)used ? used + n : (int)out_bytes - 1;
}

/* Appends to `out`, of which `used` bytes are taken. */
#define APPEND(...)                                                                                \
    (used = grown(used, snprintf(out + used, out_bytes - (size_t)used, __VA_ARGS__), out_bytes))

int cli_progress_format(const cw_progress *p, char *out, size_t out_bytes) {
    int used = 0;
    char left[32];
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
    cli_duration(p->seconds_left, left, sizeof left);
    if (left[0]) APPEND(", %s left", left);
    return used;
}

/* ---- the panel on the terminal ----
 * The cursor rests on the line below the panel, and no mode of the terminal is ever changed: there
 * is nothing to restore, however the process ends. A drawing is one write. */

/* Goes to the first line of the panel that stands there. A window that became narrower may have
 * broken its lines (terminals that reflow do); *clear says that what is there has to go. */
static void go_to_top(const cli_screen *screen, bool *clear) {
    int rows = 0, columns = screen->look.columns;
    const cli_panel_text *drawn = &screen->drawn;
    *clear = columns != screen->drawn_columns;
    for (int i = 0; i < drawn->n; i++)
        rows += drawn->width[i] > columns ? (drawn->width[i] + columns - 1) / columns : 1;
    fputc('\r', stdout);
    if (rows > 0) printf("\033[%dA", rows);
}

static void erase_panel(cli_screen *screen) {
    bool clear;
    if (cli_signals_take_suspend()) screen->drawn.n = 0; /* it stands above the shell's lines */
    if (screen->drawn.n == 0) return;
    measure_window(&screen->look);
    go_to_top(screen, &clear);
    fputs("\033[J", stdout);
    screen->drawn.n = 0;
}

/* Draws the last progress; false where no panel can be. */
static bool draw_panel(cli_screen *screen) {
    bool clear = true;
    if (!screen->panel || !in_foreground()) return false;
    if (cli_signals_take_suspend()) screen->drawn.n = 0;
    measure_window(&screen->look);
    bool stood = screen->drawn.n > 0;
    if (stood) go_to_top(screen, &clear);
    if (clear && stood) fputs("\033[J", stdout);
    cli_panel_draw(screen->panel, &screen->last, &screen->look, &screen->drawn);
    screen->drawn_columns = screen->look.columns;
    screen->drawn_rows = screen->look.rows;
    for (int i = 0; i < screen->drawn.n; i++) printf("%s\033[K\n", screen->drawn.line[i]);
    if (stood) fputs("\033[J", stdout);
    fflush(stdout);
    return screen->drawn.n > 0;
}

static void show_line(void *user, const char *text) {
    cli_screen *screen = user;
    if (screen->quiet) return;
    bool drawn = screen->drawn.n > 0;
    erase_panel(screen);
    puts(text);
    if (drawn) draw_panel(screen);
    fflush(stdout);
}

static void show_progress(void *user, const cw_progress *progress) {
    cli_screen *screen = user;
    if (screen->quiet) return;
    screen->last = *progress;
    if (draw_panel(screen)) return;
    char line[LINE_BYTES];
    double now = now_s();
    if (now - screen->last_line_s < PLAIN_EVERY_S) return;
    screen->last_line_s = now;
    cli_progress_format(progress, line, sizeof line);
    puts(line);
    fflush(stdout);
}

/* A window that changed its size is drawn anew without waiting for the next figures. */
static void follow_window(cli_screen *screen) {
    if (screen->drawn.n == 0) return;
    cli_look now = screen->look;
    measure_window(&now);
    if (now.columns != screen->drawn_columns || now.rows != screen->drawn_rows) draw_panel(screen);
}

static bool should_stop(void *user) {
    cli_screen *screen = user;
    follow_window(screen);
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
    screen->drawn.n = 0;
    fflush(stdout);
}
