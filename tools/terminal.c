#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const terminal_cell blank = {.text = " ", .color = -1};

static void erase(terminal *t, int y, int from) {
    for (int x = from; x < TERMINAL_COLUMNS; x++) t->cell[y][x] = blank;
}

void terminal_open(terminal *t, int columns, int rows) {
    memset(t, 0, sizeof *t);
    t->pen = blank;
    for (int y = 0; y < TERMINAL_ROWS; y++) erase(t, y, 0);
    terminal_resize(t, columns, rows);
}

void terminal_resize(terminal *t, int columns, int rows) {
    t->columns = columns < TERMINAL_COLUMNS ? columns : TERMINAL_COLUMNS;
    t->rows = rows < TERMINAL_ROWS ? rows : TERMINAL_ROWS;
    for (int y = 0; y < TERMINAL_ROWS; y++) erase(t, y, t->columns);
    if (t->x > t->columns) t->x = t->columns;
    if (t->y >= t->rows) t->y = t->rows - 1;
}

static void line_feed(terminal *t) {
    if (t->y + 1 < t->rows) {
        t->y++;
        return;
    }
    memmove(t->cell[0], t->cell[1], sizeof t->cell[0] * (size_t)(t->rows - 1));
    erase(t, t->rows - 1, 0);
    t->scrolled++;
}

static void show_character(terminal *t) {
    if (t->x >= t->columns) {
        t->x = 0;
        t->wrapped++;
        line_feed(t);
    }
    terminal_cell *cell = &t->cell[t->y][t->x++];
    *cell = t->pen;
    memcpy(cell->text, t->sequence, (size_t)t->n_sequence);
    cell->text[t->n_sequence] = '\0';
}

static void select_style(terminal *t, int number) {
    if (number == 0)
        t->pen = blank;
    else if (number == 1)
        t->pen.bold = true;
    else if (number == 2)
        t->pen.faint = true;
    else if (number >= 30 && number < 38)
        t->pen.color = number - 30;
    else
        t->unknown++;
}

/* A whole "ESC [ numbers letter". */
static void obey(terminal *t) {
    const char *numbers = t->sequence + 2;
    char last = t->sequence[t->n_sequence - 1];
    char *end;
    long first = strtol(numbers, &end, 10);
    if (last == 'A') {
        t->y -= first > 0 ? (int)first : 1;
        if (t->y < 0) t->y = 0;
    } else if ((last == 'J' || last == 'K') && first == 0) {
        erase(t, t->y, t->x);
        for (int y = t->y + 1; last == 'J' && y < t->rows; y++) erase(t, y, 0);
    } else if (last == 'm') {
        select_style(t, (int)first);
        while (*end == ';') select_style(t, (int)strtol(end + 1, &end, 10));
    } else {
        t->unknown++;
    }
}

static int length_of(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static void take_byte(terminal *t, char byte) {
    unsigned char c = (unsigned char)byte;
    if (t->n_sequence == 0 && (c < ' ' && c != '\033')) {
        if (c == '\r')
            t->x = 0;
        else if (c == '\n')
            line_feed(t);
        else
            t->unknown++;
        return;
    }
    if (t->n_sequence == (int)sizeof t->sequence - 1) t->n_sequence = 0, t->unknown++;
    t->sequence[t->n_sequence++] = byte;
    t->sequence[t->n_sequence] = '\0';
    if (t->sequence[0] == '\033') {
        if (t->n_sequence == 2 && byte != '[') t->unknown++;
        if (t->n_sequence == 2 ? byte == '[' : t->n_sequence < 3 || c < '@') return;
        if (t->n_sequence > 2) obey(t);
    } else if (t->n_sequence < length_of((unsigned char)t->sequence[0])) {
        return;
    } else {
        show_character(t);
    }
    t->n_sequence = 0;
}

void terminal_write(terminal *t, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) take_byte(t, bytes[i]);
}

void terminal_row(const terminal *t, int y, char *out) {
    size_t n = 0, end = 0;
    for (int x = 0; x < t->columns; x++) {
        const char *text = t->cell[y][x].text;
        size_t bytes = strlen(text);
        memcpy(out + n, text, bytes);
        n += bytes;
        if (strcmp(text, " ") != 0) end = n;
    }
    out[end] = '\0';
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int terminal_run(terminal *t, char *const argv[], char *const env[], double seconds,
                 void (*seen)(void *user, terminal *t, int fd, const char *bytes, size_t n),
                 void *user) {
    struct winsize size = {.ws_row = (unsigned short)t->rows, .ws_col = (unsigned short)t->columns};
    int fd, status = -1;
    pid_t pid = forkpty(&fd, NULL, NULL, &size);
    if (pid < 0) return -1;
    if (pid == 0) {
        execve(argv[0], argv, env);
        _exit(127);
    }
    bool stopped = false;
    double end = now_s() + seconds;
    for (;;) {
        char bytes[4096];
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (seconds > 0 && !stopped && now_s() >= end) {
            kill(pid, SIGTERM);
            stopped = true;
        }
        int any = poll(&ready, 1, 100);
        if (any == 0 || (any < 0 && errno == EINTR)) continue;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break; /* EIO: the other side is gone */
        if (stopped) continue;
        terminal_write(t, bytes, (size_t)n);
        if (seen) seen(user, t, fd, bytes, (size_t)n);
    }
    close(fd);
    return waitpid(pid, &status, 0) == pid ? status : -1;
}
