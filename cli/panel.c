#include "panel.h"

#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST     100 /* columns; wider windows leave the rest empty */
#define LABEL      14  /* columns of a label */
#define GAP        2   /* columns between two columns of figures */
#define BAR_RIGHT  20  /* columns of "  38%  1h 12m left" */
#define MOST_CELLS 16

typedef enum style { PLAIN, STRONG, FAINT, TITLE, FULL, TREND } style;
static const char *const sgr[] = {"", "\033[1m", "\033[2m", "\033[1;36m", "\033[32m", "\033[33m"};

/* ---- a line that never grows wider than its limit ---- */
typedef struct line {
    char *text; /* CLI_PANEL_BYTES */
    int used, width, limit;
    const cli_look *look;
} line;

static void put_bytes(line *l, const char *bytes, int n) {
    if (l->used + n >= CLI_PANEL_BYTES) return;
    memcpy(l->text + l->used, bytes, (size_t)n);
    l->used += n;
    l->text[l->used] = '\0';
}

/* Columns of a character: what is no ASCII and none of our own block characters may be wide. */
static int columns_of(uint32_t code) {
    return code < 0x80 || (code >= 0x2500 && code < 0x25a0) ? 1 : 2;
}

/* Appends text up to the limit. Control characters, and without UTF-8 everything but ASCII, show
 * as '?'. */
static void put_text(line *l, style s, const char *text) {
    bool styled = l->look->color && s != PLAIN && text[0];
    if (styled) put_bytes(l, sgr[s], (int)strlen(sgr[s]));
    while (*text) {
        uint32_t code;
        int n = cli_utf8_next(text, &code);
        bool shown = code >= ' ' && code != 127 && code != CLI_UTF8_BROKEN && code - 0x80u >= 0x20u;
        if (code >= 0x80 && !l->look->utf8) shown = false;
        int columns = shown ? columns_of(code) : 1;
        /* Room for the end of the style is kept. */
        if (l->width + columns > l->limit || l->used + n + 8 >= CLI_PANEL_BYTES) break;
        put_bytes(l, shown ? text : "?", shown ? n : 1);
        l->width += columns;
        text += n;
    }
    if (styled) put_bytes(l, "\033[0m", 4);
}

static void put(line *l, style s, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(line *l, style s, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_text(l, s, text);
}

static void pad_to(line *l, int column) {
    while (l->width < column && l->width < l->limit) put_text(l, PLAIN, " ");
}

/* A figure with about four digits; "-" when it is unknown. */
static void put_real(line *l, style s, double value) {
    double size = fabs(value);
    if (!isfinite(value))
        put(l, FAINT, "-");
    else if (size != 0 && (size < 1e-3 || size >= 1e6))
        put(l, s, "%.2e", value);
    else
        put(l, s, "%.*f", size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4, value);
}

/* Parts of `width` columns, from eighths of a block or whole ASCII characters. */
static void put_bar(line *l, style s, double share, int width) {
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!(share > 0)) share = 0; /* also NaN */
    if (share > 1) share = 1;
    int eighths = (int)lround(share * width * 8);
    char text[WIDEST * 4] = "";
    size_t n = 0;
    for (int i = 0; i < eighths / 8; i++) {
        const char *block = l->look->utf8 ? "█" : "#";
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", block);
    }
    if (l->look->utf8) snprintf(text + n, sizeof text - n, "%s", part[eighths % 8]);
    put_text(l, s, text);
}

/* The newest values that fit, from the lowest shown to the highest. */
static void put_sparkline(line *l, const double *values, int n) {
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
    int room = l->limit - l->width;
    if (n > room) values += n - room, n = room;
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    char text[CW_PROGRESS_RETURNS * 4] = "";
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        double height = high > low ? (values[i] - low) / (high - low) : 0.5;
        int step = isfinite(height) ? (int)lround(height * 7) : 0;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                 l->look->utf8 ? blocks[step] : ascii[step]);
    }
    put_text(l, TREND, text);
}

void cli_duration(double seconds, char *out, size_t out_bytes) {
    out[0] = '\0';
    if (!(seconds >= 0 && seconds < 1e9)) return; /* also NaN: unknown */
    long s = lround(seconds);
    if (s >= 86400)
        snprintf(out, out_bytes, "%ldd %02ldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, out_bytes, "%ldh %02ldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, out_bytes, "%ldm %02lds", s / 60, s % 60);
}

/* ---- cells: a label and a figure or two ---- */
typedef struct cell {
    const char *label;
    void (*draw)(line *l, const cw_progress *p, int i);
    int i; /* which of several of a kind */
} cell;

static void put_count(line *l, int64_t done, int64_t all) {
    put(l, STRONG, "%" PRId64, done);
    if (all > 0) put(l, PLAIN, " of %" PRId64, all);
}

static void put_rate(line *l, double per_s) {
    if (isfinite(per_s)) put(l, PLAIN, "  %.*f/s", per_s < 100 ? 1 : 0, per_s);
}

static void draw_frames(line *l, const cw_progress *p, int i) {
    (void)i;
    put_count(l, p->frames, p->frames_total);
    put_rate(l, p->frames_per_s);
}

static void draw_agent_steps(line *l, const cw_progress *p, int i) {
    (void)i;
    put_count(l, p->agent_steps, 0);
    if (p->frames > 0) put_rate(l, p->frames_per_s * ((double)p->agent_steps / (double)p->frames));
}

static void draw_updates(line *l, const cw_progress *p, int i) {
    (void)i;
    put_count(l, p->updates, 0);
    put_rate(l, p->updates_per_s);
}

static void draw_critic(line *l, const cw_progress *p, int i) {
    (void)i;
    put_real(l, STRONG, p->critic_loss);
}

static void draw_actor(line *l, const cw_progress *p, int i) {
    (void)i;
    put_real(l, STRONG, p->actor_loss);
}

static void draw_losses(line *l, const cw_progress *p, int i) {
    draw_critic(l, p, i);
    put(l, PLAIN, "  actor ");
    draw_actor(l, p, i);
}

static void draw_contrastive(line *l, const cw_progress *p, int i) {
    (void)i;
    put_real(l, STRONG, p->curl_loss);
    if (isfinite(p->curl_loss)) put(l, PLAIN, " nats");
    if (isfinite(p->curl_accuracy)) put(l, PLAIN, "  %.0f%% right", 100 * p->curl_accuracy);
}

static void draw_temperature(line *l, const cw_progress *p, int i) {
    (void)i;
    put_real(l, STRONG, p->alpha);
    if (!isfinite(p->entropy)) return;
    put(l, PLAIN, "  entropy ");
    put_real(l, PLAIN, p->entropy);
}

static void draw_memory(line *l, const cw_progress *p, int i) {
    (void)i;
    if (p->resident_bytes > 0)
        put(l, STRONG, "%.2f GB", (double)p->resident_bytes * 1e-9);
    else
        put(l, FAINT, "-");
    if (p->replay_capacity > 0)
        put(l, PLAIN, "  replay %.0f%% full",
            floor(100 * (double)p->replay_count / (double)p->replay_capacity));
}

static void draw_return(line *l, const cw_progress *p, int i) {
    (void)i;
    int from = l->width;
    put_real(l, STRONG, p->last_return);
    pad_to(l, from + 8);
    put_sparkline(l, p->returns, p->n_returns);
}

static void draw_evaluation(line *l, const cw_progress *p, int i) {
    (void)i;
    int from = l->width;
    put_real(l, STRONG, p->last_eval);
    pad_to(l, from + 8);
    if (!isfinite(p->best_eval)) return;
    put(l, PLAIN, "best ");
    put_real(l, PLAIN, p->best_eval);
}

static void draw_episodes(line *l, const cw_progress *p, int i) {
    (void)i;
    put_count(l, p->episodes, 0);
}

static void draw_time(line *l, const cw_progress *p, int i) {
    (void)i;
    char text[32];
    cli_duration(p->wall_s, text, sizeof text);
    put(l, text[0] ? STRONG : FAINT, "%s", text[0] ? text : "-");
}

/* The i-th largest share of the time, as a bar. */
static void draw_part(line *l, const cw_progress *p, int i) {
    double sum = 0;
    for (int k = 0; k < p->n_parts; k++) sum += p->parts[k].seconds;
    double share = sum > 0 ? p->parts[i].seconds / sum : 0;
    int bar = l->limit - l->width - 6, from = l->width;
    if (bar > 0) put_bar(l, FULL, share, bar);
    pad_to(l, from + (bar > 0 ? bar : 0));
    put(l, PLAIN, " %3.0f%%", 100 * share);
}

/* The largest shares of the time in words. */
static void draw_parts(line *l, const cw_progress *p, int i) {
    (void)i;
    double sum = 0;
    for (int k = 0; k < p->n_parts; k++) sum += p->parts[k].seconds;
    for (int k = 0; k < p->n_parts && sum > 0; k++) {
        const char *comma = k > 0 ? ", " : "";
        int share = (int)lround(100 * p->parts[k].seconds / sum);
        char text[64];
        int n = snprintf(text, sizeof text, "%s%s %d%%", comma, p->parts[k].name, share);
        if (share == 0 || l->width + n > l->limit) break;
        put_text(l, PLAIN, text);
    }
}

static void draw_cell(line *l, const cell *c, const cw_progress *p) {
    int from = l->width;
    put_text(l, FAINT, c->label);
    pad_to(l, from + LABEL);
    c->draw(l, p, c->i);
}

/* ---- lines ---- */
static line begin_line(cli_panel_text *out, const cli_look *look, int limit) {
    out->line[out->n][0] = '\0';
    return (line){.text = out->line[out->n], .limit = limit, .look = look};
}

static void end_line(cli_panel_text *out, const line *l) {
    out->width[out->n++] = l->width;
}

static void draw_title(const cli_panel *panel, const cw_progress *p, const cli_look *look,
                       int width, cli_panel_text *out) {
    char right[96], time[32] = "";
    if (look->columns < CLI_PANEL_COLUMNS_2) cli_duration(p->wall_s, time, sizeof time);
    int n = snprintf(right, sizeof right, "%s", p->phase ? p->phase : "run");
    if (p->phase_total > 0)
        n += snprintf(right + n, sizeof right - (size_t)n, " %" PRId64 "/%" PRId64,
                      p->phase_done + 1, p->phase_total);
    if (time[0]) n += snprintf(right + n, sizeof right - (size_t)n, "  %s", time);
    line l = begin_line(out, look, width - n - 1);
    put_text(&l, TITLE, panel->task);
    put_text(&l, PLAIN, "  ");
    put_text(&l, PLAIN, panel->profile);
    put_text(&l, PLAIN, "  seed ");
    put_text(&l, PLAIN, panel->seed);
    l.limit = width;
    pad_to(&l, width - n);
    put_text(&l, STRONG, right);
    end_line(out, &l);
}

static void draw_bar(const cw_progress *p, const cli_look *look, int width, cli_panel_text *out) {
    double share = p->frames_total > 0 ? (double)p->frames / (double)p->frames_total : 0;
    int bar = width - BAR_RIGHT;
    int full = (int)floor(fmin(fmax(share, 0), 1) * bar);
    char text[WIDEST * 4] = "", time[32];
    size_t n = 0;
    line l = begin_line(out, look, width);
    for (int i = 0; i < full; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", look->utf8 ? "━" : "#");
    put_text(&l, FULL, text);
    n = 0;
    text[0] = '\0';
    for (int i = full; i < bar; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", look->utf8 ? "─" : "-");
    put_text(&l, FAINT, text);
    put(&l, STRONG, " %3.0f%%", floor(100 * share));
    cli_duration(p->seconds_left, time, sizeof time);
    if (time[0]) put(&l, PLAIN, "  %s left", time);
    end_line(out, &l);
}

/* The end of a long path says more than its beginning. */
static void draw_run(const cli_panel *panel, const cli_look *look, int width, cli_panel_text *out) {
    const char *path = panel->run;
    size_t n = strlen(path);
    line l = begin_line(out, look, width);
    if (n > (size_t)width) {
        path += n - (size_t)(width - 3);
        while (((unsigned char)*path & 0xc0) == 0x80) path++; /* not into a character */
        put_text(&l, FAINT, "...");
    }
    put_text(&l, FAINT, path);
    end_line(out, &l);
}

static int by_seconds(const void *a, const void *b) {
    double x = ((const cw_part_time *)a)->seconds, y = ((const cw_part_time *)b)->seconds;
    return (x < y) - (x > y);
}

/* Largest part first; beyond `most` parts the last one shown is all the others. */
static void sort_parts(cw_progress *p, int most) {
    qsort(p->parts, (size_t)p->n_parts, sizeof *p->parts, by_seconds);
    if (p->n_parts <= most) return;
    double rest = 0;
    for (int i = most - 1; i < p->n_parts; i++) rest += p->parts[i].seconds;
    p->n_parts = most;
    p->parts[most - 1] = (cw_part_time){.name = "other", .seconds = rest};
}

/* One column: what matters most, in the order in which a low window keeps it. */
static void draw_narrow(cw_progress *p, const cli_look *look, int width, int rows,
                        cli_panel_text *out) {
    static const cell cells[] = {{"frames", draw_frames, 0},
                                 {"agent steps", draw_agent_steps, 0},
                                 {"updates", draw_updates, 0},
                                 {"return", draw_return, 0},
                                 {"evaluation", draw_evaluation, 0},
                                 {"contrastive", draw_contrastive, 0},
                                 {"critic loss", draw_losses, 0},
                                 {"temperature", draw_temperature, 0},
                                 {"time", draw_parts, 0},
                                 {"memory", draw_memory, 0}};
    int n = (int)(sizeof cells / sizeof cells[0]);
    sort_parts(p, CW_PROGRESS_PARTS);
    for (int i = 0; i < n && i < rows; i++) {
        line l = begin_line(out, look, width);
        draw_cell(&l, &cells[i], p);
        end_line(out, &l);
    }
}

static void draw_wide(cw_progress *p, const cli_look *look, int width, int rows,
                      cli_panel_text *out) {
    static const cell left[] = {{"frames", draw_frames, 0},
                                {"agent steps", draw_agent_steps, 0},
                                {"updates", draw_updates, 0},
                                {"episodes", draw_episodes, 0},
                                {"contrastive", draw_contrastive, 0},
                                {"critic loss", draw_critic, 0},
                                {"actor loss", draw_actor, 0},
                                {"temperature", draw_temperature, 0},
                                {"memory", draw_memory, 0}};
    cell right[MOST_CELLS] = {
        {"return", draw_return, 0}, {"evaluation", draw_evaluation, 0}, {"time", draw_time, 0}};
    int n = (int)(sizeof left / sizeof left[0]), n_right = 3, half = (width - GAP) / 2;
    if (n > rows) n = rows;
    sort_parts(p, n - n_right > 1 ? n - n_right : 1);
    for (int i = 0; i < p->n_parts && n_right < n; i++)
        right[n_right++] = (cell){p->parts[i].name, draw_part, i};
    for (int i = 0; i < n; i++) {
        line l = begin_line(out, look, half);
        draw_cell(&l, &left[i], p);
        l.limit = width;
        pad_to(&l, half + GAP);
        if (i < n_right) draw_cell(&l, &right[i], p);
        end_line(out, &l);
    }
}

void cli_panel_draw(const cli_panel *panel, const cw_progress *progress, const cli_look *look,
                    cli_panel_text *out) {
    out->n = 0;
    if (look->columns < CLI_PANEL_COLUMNS || look->rows < CLI_PANEL_ROWS) return;
    /* A line as wide as the window would wrap, and the cursor takes a row below the panel. */
    int width = look->columns - 1 < WIDEST ? look->columns - 1 : WIDEST;
    int rows = look->rows - 1 - 3; /* without title, bar and folder */
    cw_progress sorted = *progress;
    draw_title(panel, progress, look, width, out);
    draw_bar(progress, look, width, out);
    if (look->columns < CLI_PANEL_COLUMNS_2)
        draw_narrow(&sorted, look, width, rows, out);
    else
        draw_wide(&sorted, look, width, rows, out);
    draw_run(panel, look, width, out);
}
