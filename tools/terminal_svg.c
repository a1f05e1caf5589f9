/* A picture of what a command shows on a terminal, as SVG:
 *
 *   terminal_svg OUT.svg COLUMNS ROWS SECONDS COMMAND [ARGUMENT ...]
 *
 * runs COMMAND on a terminal of that size and draws the screen when SECONDS have passed (the
 * command then gets SIGTERM) or, with 0, when it ends. Rows below the last text are left out. */
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_WIDTH  9.0
#define CELL_HEIGHT 19.0
#define FONT_SIZE   15.0
#define MARGIN      14.0
#define GROUND      "#16181d"

static const char *color_of(const terminal_cell *cell) {
    static const char *const colors[] = {"#545862", "#e06c75", "#98c379", "#e5c07b",
                                         "#61afef", "#c678dd", "#56b6c2", "#dfe3ec"};
    if (cell->faint) return "#7f8794";
    if (cell->color >= 0) return colors[cell->color];
    return cell->bold ? "#ffffff" : "#c8ccd4";
}

static void draw_rectangle(FILE *out, double x, double y, double width, double height,
                           const char *color) {
    fprintf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n", x, y,
            width, height, color);
}

/* Block characters are drawn, as fonts disagree about their size; false for all others. */
static bool draw_block(FILE *out, const terminal_cell *cell, double x, double y) {
    const unsigned char *c = (const unsigned char *)cell->text;
    const char *color = color_of(cell);
    if (c[0] != 0xe2 || (c[1] != 0x94 && c[1] != 0x96)) return false;
    if (c[1] == 0x94 && (c[2] == 0x80 || c[2] == 0x81)) { /* ─ and ━ */
        double thick = c[2] == 0x81 ? 4 : 1.5;
        draw_rectangle(out, x, y + (CELL_HEIGHT - thick) / 2, CELL_WIDTH + 0.1, thick, color);
    } else if (c[1] == 0x96 && c[2] >= 0x81 && c[2] <= 0x88) { /* ▁ to █ */
        double height = (c[2] - 0x80) / 8.0 * (CELL_HEIGHT - 5);
        draw_rectangle(out, x, y + CELL_HEIGHT - 3 - height, CELL_WIDTH + 0.1, height, color);
    } else if (c[1] == 0x96 && c[2] >= 0x89 && c[2] <= 0x8f) { /* ▉ to ▏ */
        double width = (0x90 - c[2]) / 8.0 * CELL_WIDTH;
        draw_rectangle(out, x, y + 2, width, CELL_HEIGHT - 5, color);
    } else {
        return false;
    }
    return true;
}

static void put_escaped(FILE *out, const char *text) {
    const char *entity = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : 0;
    fputs(entity ? entity : text, out);
}

static bool same_style(const terminal_cell *a, const terminal_cell *b) {
    return a->bold == b->bold && a->faint == b->faint && a->color == b->color;
}

/* Text of one style between blanks, held to the grid whatever the font's width. */
static int draw_text(FILE *out, const terminal *t, int y, int x) {
    const terminal_cell *row = t->cell[y];
    int end = x;
    while (end < t->columns && strcmp(row[end].text, " ") != 0 && same_style(&row[end], &row[x]) &&
           (unsigned char)row[end].text[0] != 0xe2)
        end++;
    if (end == x) end = x + 1;
    fprintf(out,
            "<text x=\"%.2f\" y=\"%.2f\" textLength=\"%.2f\" lengthAdjust=\"spacingAndGlyphs\" "
            "fill=\"%s\"%s>",
            MARGIN + x * CELL_WIDTH, MARGIN + y * CELL_HEIGHT + FONT_SIZE - 0.5,
            (end - x) * CELL_WIDTH, color_of(&row[x]), row[x].bold ? " font-weight=\"bold\"" : "");
    for (int i = x; i < end; i++) put_escaped(out, row[i].text);
    fputs("</text>\n", out);
    return end;
}

static void draw(FILE *out, const terminal *t) {
    char line[TERMINAL_COLUMNS * 4 + 1];
    int rows = 0;
    for (int y = 0; y < t->rows; y++) {
        terminal_row(t, y, line);
        if (line[0]) rows = y + 1;
    }
    double width = t->columns * CELL_WIDTH + 2 * MARGIN, height = rows * CELL_HEIGHT + 2 * MARGIN;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" font-size=\"%.0f\" "
            "font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', "
            "monospace\">\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"" GROUND "\"/>\n",
            width, height, width, height, FONT_SIZE);
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < t->columns;) {
            const terminal_cell *cell = &t->cell[y][x];
            if (strcmp(cell->text, " ") == 0 ||
                draw_block(out, cell, MARGIN + x * CELL_WIDTH, MARGIN + y * CELL_HEIGHT))
                x++;
            else
                x = draw_text(out, t, y, x);
        }
    fputs("</svg>\n", out);
}

int main(int argc, char **argv) {
    static terminal t;
    extern char **environ;
    if (argc < 6) {
        fputs("usage: terminal_svg OUT.svg COLUMNS ROWS SECONDS COMMAND [ARGUMENT ...]\n", stderr);
        return 2;
    }
    int columns = atoi(argv[2]), rows = atoi(argv[3]);
    if (columns < 1 || rows < 1 || columns > TERMINAL_COLUMNS || rows > TERMINAL_ROWS) {
        fprintf(stderr, "terminal_svg: at most %d columns and %d rows\n", TERMINAL_COLUMNS,
                TERMINAL_ROWS);
        return 2;
    }
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("COLUMNS");
    unsetenv("NO_COLOR");
    terminal_open(&t, columns, rows);
    if (terminal_run(&t, argv + 5, environ, atof(argv[4]), NULL, NULL) < 0) {
        fprintf(stderr, "terminal_svg: cannot run %s\n", argv[5]);
        return 1;
    }
    FILE *out = fopen(argv[1], "w");
    if (out) draw(out, &t);
    if (!out || fclose(out) != 0) {
        fprintf(stderr, "terminal_svg: cannot write %s\n", argv[1]);
        return 1;
    }
    return 0;
}
