/* From the command line to the list of runs. */
#include "sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lists ---- */

static int count_list(const char *list) {
    int n = 1;
    for (; *list; list++) n += *list == ',';
    return n;
}

/* Item i of a list between commas. False after reporting when it is empty or too long. */
static bool list_item(const char *what, const char *list, int i, char *out, size_t out_bytes) {
    const char *from = list;
    for (; i > 0; i--) from = strchr(from, ',') + 1;
    size_t n = strcspn(from, ",");
    if (n == 0 || n >= out_bytes) {
        cli_report(CLI_USAGE, "%s %s: a value is %s", what, list, n ? "too long" : "missing");
        return false;
    }
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

/* "1-5,8" as numbers; counts only when `out` is NULL. -1 after reporting. */
static int parse_seeds(const char *text, uint64_t *out) {
    int n = 0, parts = count_list(text);
    for (int i = 0; i < parts; i++) {
        char part[48];
        int64_t first, last;
        if (!list_item("--seeds", text, i, part, sizeof part)) return -1;
        char *dash = strchr(part, '-');
        if (dash) *dash = '\0';
        if (!cli_number("--seeds", part, 0, INT64_MAX - 1, &first)) return -1;
        last = first;
        if (dash && !cli_number("--seeds", dash + 1, first, INT64_MAX - 1, &last)) return -1;
        if (last - first >= SWEEP_MOST_RUNS || n + (last - first) >= SWEEP_MOST_RUNS) {
            cli_report(CLI_USAGE, "--seeds %s: at most %d", text, SWEEP_MOST_RUNS);
            return -1;
        }
        for (int64_t seed = first; seed <= last; seed++, n++)
            if (out) out[n] = (uint64_t)seed;
    }
    return n;
}

static int take_seeds(sweep *s) {
    const char *text = cli_args_value(s->args, "--seeds");
    if (!text) text = "1";
    s->n_seeds = parse_seeds(text, NULL);
    if (s->n_seeds < 1) return CLI_USAGE;
    s->seeds = calloc((size_t)s->n_seeds, sizeof *s->seeds);
    if (!s->seeds) return cli_report(CLI_FAILED, "no memory for %d seeds", s->n_seeds);
    (void)parse_seeds(text, s->seeds);
    return CLI_DONE;
}

/* ---- axes ---- */

/* A number that fills text[0..n). */
static bool parse_real(const char *text, size_t n, double *out) {
    char copy[SWEEP_VALUE], *end;
    if (n == 0 || n >= sizeof copy) return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

/* "low..high" or "log:low..high" into the axis; false after reporting. */
static bool parse_range(sweep_axis *axis) {
    const char *low = axis->list;
    axis->logarithmic = strncmp(low, "log:", 4) == 0;
    if (axis->logarithmic) low += 4;
    const char *dots = strstr(low, "..");
    bool good = dots && parse_real(low, (size_t)(dots - low), &axis->low) &&
                parse_real(dots + 2, strlen(dots + 2), &axis->high) && axis->low < axis->high &&
                (!axis->logarithmic || axis->low > 0);
    if (!good)
        cli_report(CLI_USAGE,
                   "%s=%s: a range is LOW..HIGH, or log:LOW..HIGH with LOW above 0; "
                   "LOW is the smaller one",
                   axis->name, axis->list);
    return good;
}

static int add_axis(sweep *s, const char *name, size_t n_name, const char *list) {
    if (s->n_axes == SWEEP_AXES)
        return cli_report(CLI_USAGE, "at most %d lists and ranges", SWEEP_AXES);
    sweep_axis *axis = &s->axes[s->n_axes];
    if (n_name >= sizeof axis->name) return cli_report(CLI_USAGE, "no key \"%.80s\"", name);
    memcpy(axis->name, name, n_name);
    axis->name[n_name] = '\0';
    for (int i = 0; i < s->n_axes; i++)
        if (strcmp(s->axes[i].name, axis->name) == 0)
            return cli_report(CLI_USAGE, "%s is given twice", axis->name);
    axis->list = list;
    bool range = strstr(list, "..") != NULL;
    if (range && s->trials == 0)
        return cli_report(CLI_USAGE, "%s=%s: a range needs --trials N, how often to draw",
                          axis->name, list);
    if (range && !parse_range(axis)) return CLI_USAGE;
    axis->n = range ? 0 : count_list(list);
    cw_key_info key;
    for (int i = 0; cw_key_info_get(i, &key); i++)
        if (strcmp(key.name, axis->name) == 0) axis->whole = strcmp(key.type, "integer") == 0;
    s->n_axes++;
    return CLI_DONE;
}

/* Keys that a sweep chooses by itself or in another way. */
static const char *owner_of(const char *word) {
    static const struct {
        const char *key, *owner;
    } owned[] = {{"run.seed=", "--seeds"},
                 {"run.out=", "--out"},
                 {"run.profile=", "--profile"},
                 {"run.threads=", "--threads"},
                 {"run.fresh=", "the sweep, which goes on where it stopped"},
                 {"env.task=", "the TASK words"}};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (strncmp(word, owned[i].key, strlen(owned[i].key)) == 0) return owned[i].owner;
    return NULL;
}

static bool is_axis(const cli_item *item) {
    const char *value = item->setting ? strchr(item->value, '=') + 1 : "";
    return strchr(value, ',') != NULL || strstr(value, "..") != NULL;
}

static int take_axes(sweep *s) {
    int code = add_axis(s, "task", 4, ""), n_tasks = 0;
    const char *profiles = cli_args_value(s->args, "--profile");
    if (code == CLI_DONE && profiles) code = add_axis(s, "profile", 7, profiles);
    while (cli_args_word(s->args, n_tasks)) n_tasks++;
    s->axes[0].n = n_tasks;
    for (int i = 0; i < s->args->n_items && code == CLI_DONE; i++) {
        const cli_item *item = &s->args->items[i];
        if (!item->setting) continue;
        const char *owner = owner_of(item->value);
        if (owner) return cli_report(CLI_USAGE, "%s is chosen with %s", item->value, owner);
        if (is_axis(item))
            code =
                add_axis(s, item->value, strcspn(item->value, "="), strchr(item->value, '=') + 1);
    }
    if (code == CLI_DONE && s->trials > 0 && s->n_axes == 1)
        return cli_report(CLI_USAGE, "--trials draws from lists and ranges, and none is given");
    return code;
}

/* ---- cells ---- */

/* Evenly in [0, 1): the same for the same seed, trial and axis, whatever else is drawn
 * (splitmix64, https://prng.di.unimi.it/splitmix64.c). */
static double draw(uint64_t seed, int trial, int axis) {
    uint64_t z = seed * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 2; i++) {
        z += (uint64_t)(i ? axis : trial) * 0x9e3779b97f4a7c15u + 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
    }
    return (double)(z >> 11) * 0x1.0p-53;
}

static void draw_range(const sweep_axis *axis, double u, char *out) {
    double low = axis->low, high = axis->high;
    double value =
        axis->logarithmic ? exp(log(low) + u * (log(high) - log(low))) : low + u * (high - low);
    if (axis->whole)
        snprintf(out, SWEEP_VALUE, "%.0f", value);
    else
        snprintf(out, SWEEP_VALUE, "%.6g", value);
}

/* The value of axis a in cell number `index`, where `*rest` numbers the choices still to make. */
static bool choose(const sweep *s, int a, int trial, int *rest, char *out) {
    const sweep_axis *axis = &s->axes[a];
    double u = draw((uint64_t)s->trial_seed, trial, a);
    if (axis->n == 0) {
        draw_range(axis, u, out);
        return true;
    }
    int i = s->trials > 0 && a > 0 ? (int)(u * axis->n) : *rest % axis->n;
    if (s->trials == 0 || a == 0) *rest /= axis->n;
    if (a == 0) {
        const char *name = cli_task_name(cli_args_word(s->args, i));
        if (name) snprintf(out, SWEEP_VALUE, "%s", name);
        return name != NULL;
    }
    return list_item(axis->name, axis->list, i, out, SWEEP_VALUE);
}

/* The first axis changes slowest: the axes are gone through from the last one. */
static int make_cells(sweep *s) {
    int64_t n = s->trials > 0 ? s->trials * s->axes[0].n : 1;
    for (int a = 0; s->trials == 0 && a < s->n_axes && n <= SWEEP_MOST_RUNS; a++) n *= s->axes[a].n;
    if (n < 1 || n * s->n_seeds > SWEEP_MOST_RUNS)
        return cli_report(CLI_USAGE, "these are more than %d runs", SWEEP_MOST_RUNS);
    s->n_cells = (int)n;
    s->cells = calloc((size_t)n, sizeof *s->cells);
    if (!s->cells) return cli_report(CLI_FAILED, "no memory for %d cells", s->n_cells);
    for (int c = 0; c < s->n_cells; c++) {
        int rest = s->trials > 0 ? c / (int)s->trials : c;
        int trial = s->trials > 0 ? c % (int)s->trials : 0;
        for (int a = s->n_axes - 1; a >= 0; a--)
            if (!choose(s, a, trial, &rest, s->cells[c].value[a])) return CLI_USAGE;
    }
    return CLI_DONE;
}

/* ---- runs ---- */

static bool append(char *name, const char *text) {
    size_t n = strlen(name);
    for (; *text && n < SWEEP_NAME - 1; text++, n++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        name[n] = plain || strchr("._+-=", c) ? (char)c : '_';
    }
    name[n] = '\0';
    return *text == '\0';
}

/* TASK-PROFILE[-key=value ...]-seedN, with the keys that differ between cells. */
static bool name_run(const sweep *s, sweep_run *run) {
    const sweep_cell *cell = &s->cells[run->cell];
    char seed[32];
    run->name[0] = '\0';
    bool fits = append(run->name, cell->value[0]) && append(run->name, "-") &&
                append(run->name, cell->profile);
    for (int a = 1; a < s->n_axes && fits; a++) {
        const sweep_axis *axis = &s->axes[a];
        if (axis->n == 1 || strcmp(axis->name, "profile") == 0) continue;
        fits = append(run->name, "-") && append(run->name, axis->name) && append(run->name, "=") &&
               append(run->name, cell->value[a]);
    }
    snprintf(seed, sizeof seed, "-seed%" PRIu64, run->seed);
    return fits && append(run->name, seed);
}

static int by_name(const void *a, const void *b) {
    const sweep_run *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int check_names(const sweep *s) {
    const sweep_run **sorted = calloc((unsigned)s->n_runs, sizeof(sweep_run *));
    if (!sorted) return cli_report(CLI_FAILED, "no memory for %d runs", s->n_runs);
    int code = CLI_DONE;
    for (int i = 0; i < s->n_runs; i++) sorted[i] = &s->runs[i];
    qsort(sorted, (size_t)s->n_runs, sizeof(sweep_run *), by_name);
    for (int i = 1; i < s->n_runs && code == CLI_DONE; i++)
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            code = cli_report(CLI_USAGE, "%s would be run twice%s", sorted[i]->name,
                              s->trials ? "; draw fewer --trials from so few choices" : "");
    free(sorted);
    return code;
}

/* The cell's profile, which a file may have named, by way of its configuration. */
static int find_profile(sweep *s, int cell) {
    sweep_run first = {.cell = cell, .seed = s->seeds[0]};
    cw_config *config = NULL;
    int code = sweep_configure(s, &first, &config);
    if (code != CLI_DONE) return code;
    sweep_cell *c = &s->cells[cell];
    code = cli_report_status(cw_config_get(config, "run.profile", c->profile, sizeof c->profile));
    cw_config_destroy(config);
    return code;
}

static int make_runs(sweep *s) {
    s->n_runs = s->n_cells * s->n_seeds;
    s->runs = calloc((size_t)s->n_runs, sizeof *s->runs);
    if (!s->runs) return cli_report(CLI_FAILED, "no memory for %d runs", s->n_runs);
    for (int c = 0; c < s->n_cells; c++) {
        int code = find_profile(s, c);
        if (code != CLI_DONE) return code;
    }
    for (int i = 0; i < s->n_runs; i++) {
        sweep_run *run = &s->runs[i];
        *run = (sweep_run){.cell = i / s->n_seeds, .seed = s->seeds[i % s->n_seeds]};
        run->score = run->wall_s = NAN;
        if (!name_run(s, run))
            return cli_report(CLI_USAGE, "the name %s... is too long; list fewer keys", run->name);
    }
    return check_names(s);
}

/* ---- options ---- */

static int take_number(const cli_args *args, const char *option, int64_t least, int64_t most,
                       int64_t otherwise, int64_t *out) {
    const char *text = cli_args_value(args, option);
    *out = otherwise;
    return !text || cli_number(option, text, least, most, out) ? CLI_DONE : CLI_USAGE;
}

int sweep_plan(const cli_args *args, sweep *out) {
    const char *folder = cli_args_value(args, "--out");
    int64_t jobs, threads;
    *out = (sweep){.args = args};
    out->quiet = cli_args_flag(args, "--quiet") || cli_args_flag(args, "--json");
    if (snprintf(out->out, sizeof out->out, "%s", folder ? folder : "runs/sweep") >=
        (int)sizeof out->out)
        return cli_report(CLI_USAGE, "--out: the path is too long");
    int code = take_number(args, "--jobs", 1, 256, 1, &jobs);
    if (code != CLI_DONE) return code;
    int64_t share = cw_train_cores() / jobs;
    code = take_number(args, "--threads", 1, 4096, share > 0 ? share : 1, &threads);
    if (code == CLI_DONE) code = take_number(args, "--trials", 1, SWEEP_MOST_RUNS, 0, &out->trials);
    if (code == CLI_DONE)
        code = take_number(args, "--trial-seed", 0, INT64_MAX - 1, 1, &out->trial_seed);
    if (code != CLI_DONE) return code;
    out->jobs = (int)jobs;
    out->threads = (int)threads;
    code = take_seeds(out);
    if (code == CLI_DONE) code = take_axes(out);
    if (code == CLI_DONE) code = make_cells(out);
    return code == CLI_DONE && out->cells ? make_runs(out) : code;
}

void sweep_free(sweep *s) {
    free(s->cells);
    free(s->seeds);
    free(s->runs);
}
