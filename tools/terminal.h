/* A terminal in memory: what a program that writes text and a few escape sequences leaves on the
 * screen. Knows UTF-8, CR, LF, and of the CSI sequences A (up), J and K (erase to the end) and m
 * (bold, faint, the first eight colours). For tests and for pictures of the panel. */
#ifndef CURLEW_TOOLS_TERMINAL_H
#define CURLEW_TOOLS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMINAL_COLUMNS 160 /* at most */
#define TERMINAL_ROWS    60  /* at most */

typedef struct terminal_cell {
    char text[5]; /* one character in UTF-8 */
    bool bold, faint;
    int color; /* 0 to 7 as in SGR 30 to 37, -1 = default */
} terminal_cell;

typedef struct terminal {
    int columns, rows;
    int x, y;          /* the cursor; x == columns: the next character wraps */
    int scrolled;      /* lines that left the screen at its top */
    int wrapped;       /* lines that were broken because they were too long */
    int unknown;       /* bytes and sequences that it does not know */
    terminal_cell pen; /* style of what comes next */
    char sequence[32]; /* an unfinished escape sequence or character */
    int n_sequence;
    terminal_cell cell[TERMINAL_ROWS][TERMINAL_COLUMNS];
} terminal;

void terminal_open(terminal *t, int columns, int rows);
void terminal_write(terminal *t, const char *bytes, size_t n);

/* Another window size, as a terminal that cuts lines (and reflows none) does it. */
void terminal_resize(terminal *t, int columns, int rows);

/* Row y without the blanks at its end; out has room for TERMINAL_COLUMNS * 4 + 1 bytes. */
void terminal_row(const terminal *t, int y, char *out);

/* Runs argv with env on a pseudoterminal of the terminal's size and feeds what it writes, until it
 * ends (returns its wait status) or, when seconds > 0, that time has passed: then it gets SIGTERM,
 * and what it writes from there on is not shown. -1 when it cannot be started. `seen`, when not
 * NULL, is called after each read and may write to the program or change its window (fd). */
int terminal_run(terminal *t, char *const argv[], char *const env[], double seconds,
                 void (*seen)(void *user, terminal *t, int fd, const char *bytes, size_t n),
                 void *user);

#endif
