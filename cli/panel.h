/* The live panel of a run as lines of text: counters and rates, returns, losses, where the time
 * goes, memory. Drawing only; progress.c puts it on the terminal. */
#ifndef CURLEW_CLI_PANEL_H
#define CURLEW_CLI_PANEL_H

#include <curlew/run.h>

#include <stdbool.h>

#define CLI_PANEL_LINES     14
#define CLI_PANEL_BYTES     1024 /* of a line, with escape sequences */
#define CLI_PANEL_COLUMNS   40   /* the narrowest window with a panel */
#define CLI_PANEL_ROWS      8    /* the lowest one */
#define CLI_PANEL_COLUMNS_2 72   /* from here on two columns of figures */

/* What does not change while the run goes on. */
typedef struct cli_panel {
    char task[128], profile[128], seed[32];
    char run[1024]; /* the run folder */
} cli_panel;

/* The terminal. */
typedef struct cli_look {
    int columns, rows;
    bool color; /* SGR escape sequences are allowed */
    bool utf8;  /* block characters are allowed */
} cli_look;

typedef struct cli_panel_text {
    char line[CLI_PANEL_LINES][CLI_PANEL_BYTES];
    int width[CLI_PANEL_LINES]; /* columns that the line takes, below look->columns */
    int n;
} cli_panel_text;

/* Draws the panel for a window of look->columns by look->rows: fewer columns than rows may be left
 * to it, fewer lines are drawn then. n = 0 where the window is too small for any. */
void cli_panel_draw(const cli_panel *panel, const cw_progress *progress, const cli_look *look,
                    cli_panel_text *out);

/* "1h 12m", "58m 12s", "3d 04h"; "" when the seconds are unknown (NaN) or absurd. */
void cli_duration(double seconds, char *out, size_t out_bytes);

#endif
