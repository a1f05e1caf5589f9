/* `curlew report`: one page about a run, with everything in it. */
#include "train/report_page.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "io/html.h"
#include "train/published.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VIDEO_BYTES_MAX (UINT64_C(1) << 28)
#define LOG_BYTES_MAX   (UINT64_C(1) << 28)
#define LEVELS_MAX      4

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1d2330;--dim:#586173;--line:#d9dde5;"
    "--card:#f5f6f8;--accent:#0072b2;--mark:#fff1cc}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171d;--fg:#e4e7ec;--dim:#9aa3b2;"
    "--line:#2c323d;--card:#1c2129;--accent:#56b4e9;--mark:#3d3213}"
    "img.plot{filter:invert(.92) hue-rotate(180deg)}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:16px;max-width:1180px;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.7em;margin:.3em 0 0}h2{font-size:1.25em;margin:2em 0 .5em;"
    "border-bottom:1px solid var(--line);padding-bottom:.2em}h3{font-size:1.05em;margin:1.6em 0 "
    ".3em}"
    "p{max-width:75ch;margin:.4em 0}.dim,figcaption{color:var(--dim)}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;"
    "margin:1em 0}.card{background:var(--card);border-radius:8px;padding:10px 14px}"
    ".card b{display:block;font-size:1.35em;font-weight:600;overflow-wrap:anywhere}"
    ".card span{color:var(--dim);font-size:.86em}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));"
    "gap:12px}.plots picture{display:block}img.plot{width:100%;height:auto;display:block}"
    "video{width:100%;max-width:400px;border-radius:8px;background:#000;display:block}"
    ".row{display:flex;flex-wrap:wrap;gap:10px;margin:.7em 0}figure{margin:0}"
    "img.tile{width:126px;height:auto;image-rendering:pixelated;border-radius:4px;display:block}"
    "img.matrix{width:min(100%,512px);height:auto;image-rendering:pixelated}"
    "figcaption{font-size:.78em;max-width:126px}"
    "table{border-collapse:collapse;width:100%;font-size:.9em}"
    "th,td{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}th{color:var(--dim);font-weight:500}"
    "th,td.k{overflow-wrap:normal}th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "td.n{white-space:nowrap}"
    "tr.mark td{background:var(--mark)}code{font:.92em ui-monospace,monospace}"
    ".bar{height:.8em;min-width:1px;border-radius:3px;background:var(--accent)}td.w{width:35%}"
    "summary{cursor:pointer;margin:.6em 0}"
    "@media(max-width:600px){body{padding:10px;font-size:15px}img.tile,figcaption{width:92px;"
    "max-width:92px}.row{gap:6px}.wide{display:none}}";

/* ---------------------------------------------------------------- head */

static void card(cw_text *page, const char *value, const char *name) {
    cw_text_add(page, "<div class=\"card\"><b>");
    cw_html_escape(page, value);
    cw_text_add(page, "</b><span>");
    cw_html_escape(page, name);
    cw_text_add(page, "</span></div>\n");
}

/* "40 s", "12.5 min", "3.25 h". */
static void duration(double seconds, char *out, size_t out_bytes) {
    if (seconds < 120) {
        snprintf(out, out_bytes, "%.0f s", seconds);
    } else if (seconds < 7200) {
        snprintf(out, out_bytes, "%.1f min", seconds / 60);
    } else {
        snprintf(out, out_bytes, "%.2f h", seconds / 3600);
    }
}

static void add_head(cw_text *page, const cw_run_summary *run) {
    char value[128], name[128];
    bool done = run->frames >= run->frames_total;
    cw_text_add(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<link rel=\"icon\" href=\"data:,\">\n<title>");
    cw_html_escape(page, run->task);
    cw_text_format(page, " &middot; curlew</title>\n<style>%s</style>\n</head>\n<body>\n<h1>",
                   style);
    cw_html_escape(page, run->task);
    cw_text_add(page, "</h1>\n<p class=\"dim\">profile ");
    cw_html_escape(page, run->profile);
    cw_text_format(page, ", seed %llu, %s</p>\n<div class=\"cards\">\n",
                   (unsigned long long)run->seed, done ? "finished" : "not finished");
    snprintf(value, sizeof value, "%.1f", run->last_eval);
    snprintf(name, sizeof name, "mean return at %lld frames", (long long)run->evaluated_at);
    card(page, value, name);
    snprintf(value, sizeof value, "%.1f", run->best_eval);
    card(page, value, "best evaluation");
    snprintf(value, sizeof value, "%lld", (long long)run->frames);
    snprintf(name, sizeof name, "of %lld frames", (long long)run->frames_total);
    card(page, value, name);
    snprintf(value, sizeof value, "%lld", (long long)run->updates);
    card(page, value, "updates");
    duration(run->wall_s, value, sizeof value);
    card(page, value, "of training");
    if (!isnan(run->frames_per_s)) {
        snprintf(value, sizeof value, "%.0f", run->frames_per_s);
        card(page, value, "frames/s while training");
    }
    cw_text_add(page, "</div>\n");
}

/* ---------------------------------------------------------------- curves */

typedef struct chart {
    const char *file, *column; /* y over frames */
    const char *title, *y_label;
} chart;

/* The evaluations with the span of their episodes, and published scores. */
static cw_status add_evaluations(cw_text *page, const cw_run_data *data) {
    char path[CW_PATH], text[LEVELS_MAX][CW_PUBLISHED_TEXT];
    double *x = NULL, *low = NULL, *high = NULL, *again = NULL;
    int n_low = 0, n_high = 0;
    CW_TRY(cw_folder_path(path, data->path, "eval.csv"));
    CW_TRY(cw_csv_read(path, "frames", "return_min", &x, &low, &n_low));
    cw_status status = cw_csv_read(path, "frames", "return_max", &again, &high, &n_high);
    bool band = status == CW_OK && n_low == data->n && n_high == data->n;
    cw_plot_level levels[LEVELS_MAX];
    cw_curve curve = {.label = "mean and range of episodes",
                      .x = data->frames,
                      .y = data->score,
                      .n = data->n,
                      .low = band ? low : NULL,
                      .high = band ? high : NULL};
    cw_plot plot = {.title = "Evaluation",
                    .x_label = "environment frames",
                    .y_label = "return",
                    .curves = &curve,
                    .n_curves = 1,
                    .levels = levels,
                    .n_levels =
                        cw_published_levels(data->settings.env.task, data->frames[data->n - 1],
                                            levels, text, LEVELS_MAX)};
    cw_html_plot(page, &plot, "Mean evaluation return over environment frames");
    cw_free(x);
    cw_free(low);
    cw_free(again);
    cw_free(high);
    return status;
}

static cw_status add_chart(cw_text *page, const cw_run_data *data, const chart *c) {
    char path[CW_PATH];
    double *x, *y;
    int n;
    CW_TRY(cw_folder_path(path, data->path, c->file));
    if (!cw_file_exists(path)) return CW_OK;
    cw_status status = cw_csv_read(path, "frames", c->column, &x, &y, &n);
    if (status == CW_ENOTFOUND) return CW_OK; /* a run from before this column */
    CW_TRY(status);
    double chance = log((double)data->settings.update.batch_size);
    cw_plot_level level = {.label = "chance", .y = chance};
    cw_curve curve = {.label = c->y_label, .x = x, .y = y, .n = n};
    cw_plot plot = {.title = c->title,
                    .x_label = "environment frames",
                    .y_label = c->y_label,
                    .curves = &curve,
                    .n_curves = 1,
                    .levels = &level,
                    .n_levels = strcmp(c->column, "curl_loss_nats") == 0};
    if (n > 0) cw_html_plot(page, &plot, c->title);
    cw_free(x);
    cw_free(y);
    return CW_OK;
}

static cw_status add_curves(cw_text *page, const cw_run_data *data) {
    static const chart charts[] = {
        {"metrics.csv", "episode_return", "Training episodes", "return, with exploration"},
        {"metrics.csv", "curl_loss_nats", "Contrastive loss", "InfoNCE, nats"},
        {"metrics.csv", "curl_accuracy", "Contrastive accuracy", "share of anchors"},
        {"metrics.csv", "critic_loss", "Critic loss", "squared TD error"},
        {"metrics.csv", "q_mean", "Q on replayed actions", "mean of both Qs"},
        {"metrics.csv", "alpha", "Temperature", "alpha"},
        {"metrics.csv", "entropy_nats", "Entropy of the policy", "nats"},
    };
    cw_text_add(page, "<h2>Curves</h2>\n<div class=\"plots\">\n");
    CW_TRY(add_evaluations(page, data));
    for (size_t i = 0; i < sizeof charts / sizeof *charts; i++) {
        CW_TRY(add_chart(page, data, &charts[i]));
    }
    cw_text_add(page, "</div>\n");
    return page->status;
}

/* ---------------------------------------------------------------- video */

static cw_status add_video(cw_text *page, const char *run) {
    static const char *const names[] = {"video/final.mp4", "video/record.mp4"};
    cw_text_add(page, "<h2>Video</h2>\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[CW_PATH];
        unsigned char *bytes;
        size_t n;
        CW_TRY(cw_folder_path(path, run, names[i]));
        if (!cw_file_exists(path)) continue;
        CW_TRY(cw_file_read(path, VIDEO_BYTES_MAX, &bytes, &n));
        bool mp4 = n >= 8 && memcmp(bytes + 4, "ftyp", 4) == 0;
        if (mp4) cw_html_video(page, bytes, n);
        cw_free(bytes);
        if (!mp4) return cw_fail(CW_EFORMAT, "%s is no MP4 file", path);
        cw_text_format(page,
                       "<p class=\"dim\">%s: one episode of the policy without exploration</p>"
                       "\n",
                       names[i]);
        return page->status;
    }
    cw_text_add(page, "<p>This run has no video yet; <code>curlew record</code> makes one.</p>\n");
    return page->status;
}

/* ---------------------------------------------------------------- time */

static void cell(cw_text *page, const char *text) {
    cw_text_add(page, "<td>");
    cw_html_escape(page, text);
    cw_text_add(page, "</td>");
}

static void add_time(cw_text *page, const cw_run_summary *run) {
    cw_text_add(page, "<h2>Time</h2>\n");
    if (run->n_parts == 0 || run->agent_steps == 0) {
        cw_text_add(page, "<p>This run has no <code>timing.csv</code> yet.</p>\n");
        return;
    }
    cw_text_add(page, "<table><tr><th>part</th><th class=\"wide\"></th><th class=\"n\">share</th>"
                      "<th class=\"n\">seconds</th><th class=\"n\">ms per agent step</th></tr>\n");
    for (int i = 0; i < run->n_parts; i++) {
        const cw_run_part *part = &run->part[i];
        double share = run->wall_s > 0 ? 100 * part->seconds / run->wall_s : 0;
        cw_text_format(
            page,
            "<tr><td class=\"k\">%s</td>"
            "<td class=\"w wide\"><div class=\"bar\" style=\"width:%.1f%%%s\"></div></td>"
            "<td class=\"n\">%.1f%%</td><td class=\"n\">%.1f</td>"
            "<td class=\"n\">%.3f</td></tr>\n",
            part->name, share, part->beside ? ";opacity:.4" : "", share, part->seconds,
            1e3 * part->seconds / (double)run->agent_steps);
    }
    cw_text_add(page, "</table>\n<p class=\"dim\">Parts come one after another and add up to the "
                      "time of training; the environment's own thread runs beside them.</p>\n");
}

/* ---------------------------------------------------------------- settings and machine */

/* All keys, or those alone whose value is not the usual one. */
static cw_status add_keys(cw_text *page, const cw_settings *settings, const cw_settings *usual,
                          bool all) {
    int n, shown = 0;
    const cw_key *keys = cw_keys(&n);
    cw_text_format(page,
                   "<table><tr><th>key</th><th>value</th><th>profile %s</th>"
                   "<th class=\"wide\">meaning</th></tr>\n",
                   settings->run.profile);
    for (int i = 0; i < n; i++) {
        char value[1024], expected[1024];
        CW_TRY(cw_settings_get(settings, keys[i].name, value, sizeof value));
        CW_TRY(cw_settings_get(usual, keys[i].name, expected, sizeof expected));
        bool differs = strcmp(value, expected) != 0;
        if (strcmp(keys[i].name, "run.out") == 0 || (!all && !differs)) continue;
        cw_text_format(page, "<tr%s><td><code>%s</code></td>",
                       all && differs ? " class=\"mark\"" : "", keys[i].name);
        cell(page, value);
        cell(page, expected);
        cw_text_add(page, "<td class=\"wide dim\">");
        cw_html_escape(page, keys[i].meaning);
        cw_text_add(page, "</td></tr>\n");
        shown++;
    }
    if (shown == 0) cw_text_add(page, "<tr><td colspan=\"4\">nothing</td></tr>\n");
    cw_text_add(page, "</table>\n");
    return page->status;
}

static cw_status add_settings(cw_text *page, const cw_settings *settings) {
    cw_settings usual;
    CW_TRY(cw_settings_usual(settings, &usual));
    cw_text_add(page, "<h2>Configuration</h2>\n<h3>What differs from the profile</h3>\n");
    CW_TRY(add_keys(page, settings, &usual, false));
    cw_text_add(page, "<details><summary>Every key</summary>\n");
    CW_TRY(add_keys(page, settings, &usual, true));
    cw_text_add(page, "</details>\n");
    return page->status;
}

/* The last line of the log that begins with `word` after its time, without that word. */
static void last_line(const char *log, const char *word, char *out, size_t out_bytes) {
    out[0] = '\0';
    for (const char *line = log; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *text = memchr(line, ' ', end != NULL ? (size_t)(end - line) : strlen(line));
        if (end != NULL && text != NULL && strncmp(text + 1, word, strlen(word)) == 0) {
            text += 1 + strlen(word);
            snprintf(out, out_bytes, "%.*s", (int)(end - text), text);
        }
        line = end != NULL ? end + 1 : NULL;
    }
}

/* What log.txt says about where the run went on last. */
static cw_status add_machine(cw_text *page, const char *run) {
    static const char *const words[] = {"machine: ", "backend: ", "renderer: ", "memory: "};
    char path[CW_PATH], text[600];
    unsigned char *log = NULL;
    size_t n;
    CW_TRY(cw_folder_path(path, run, "log.txt"));
    cw_text_add(page, "<h2>Machine</h2>\n<table>\n");
    if (cw_file_exists(path)) CW_TRY(cw_file_read(path, LOG_BYTES_MAX, &log, &n));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        last_line(log != NULL ? (const char *)log : "", words[i], text, sizeof text);
        cw_text_format(page, "<tr><th>%.*s</th>", (int)strlen(words[i]) - 2, words[i]);
        cell(page, text[0] != '\0' ? text : "not in log.txt");
        cw_text_add(page, "</tr>\n");
    }
    cw_free(log);
    cw_text_format(page, "<tr><th>this page</th><td>curlew %s</td></tr>\n</table>\n", cw_version());
    return page->status;
}

/* ---------------------------------------------------------------- the page */

static cw_status add_encoder(cw_text *page, const char *run) {
    cw_text_add(page, "<h2>What the encoder sees</h2>\n");
    size_t before = page->n;
    cw_status status = cw_report_encoder(page, run);
    if (status != CW_ENOTFOUND) return status;
    page->n = before; /* no checkpoint yet, or a host's own environment */
    cw_text_add(page, "<p>");
    cw_html_escape(page, cw_last_error());
    cw_text_add(page, "</p>\n");
    return page->status;
}

static cw_status make_page(cw_text *page, const char *run, const cw_run_data *data) {
    cw_run_summary summary;
    CW_TRY(cw_run_summarize(run, &summary));
    add_head(page, &summary);
    CW_TRY(add_curves(page, data));
    CW_TRY(add_video(page, run));
    CW_TRY(add_encoder(page, run));
    add_time(page, &summary);
    CW_TRY(add_settings(page, &data->settings));
    CW_TRY(add_machine(page, run));
    cw_text_add(page, "</body>\n</html>\n");
    return page->status;
}

cw_status cw_report(const char *run, const char *path, bool replace) {
    char usual[CW_PATH];
    cw_run_data data;
    CW_TRY(cw_run_data_load(&data, run));
    cw_file_writer *writer = NULL;
    cw_text page = {0};
    cw_status status = CW_OK;
    if (path == NULL) {
        status = cw_folder_path(usual, run, "report.html");
        path = usual;
    }
    if (status == CW_OK) status = cw_target_check(path, replace);
    /* Opened first: a target that cannot be written fails before the work. */
    if (status == CW_OK) status = cw_file_writer_open(&writer, path);
    if (status == CW_OK) status = make_page(&page, run, &data);
    if (status == CW_OK) status = cw_file_writer_append(writer, page.bytes, page.n);
    if (status == CW_OK) {
        status = cw_file_writer_commit(writer);
    } else {
        cw_file_writer_abort(writer);
    }
    cw_text_free(&page);
    cw_run_data_free(&data);
    return status;
}
