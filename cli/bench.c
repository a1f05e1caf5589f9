/* bench: what updates, environments, the replay and kernels cost on this machine. */
#include "cli.h"
#include "json.h"

#include <curlew/bench.h>
#include <curlew/names.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [CW_BENCH_UPDATE] = "update",
    [CW_BENCH_ENV] = "env",
    [CW_BENCH_REPLAY] = "replay",
    [CW_BENCH_OPS] = "ops",
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static int find_kind(const char *word, cw_bench_kind *out) {
    for (int i = 0; i < N_KINDS; i++) {
        if (strcmp(word, kinds[i]) == 0) {
            *out = (cw_bench_kind)i;
            return CLI_DONE;
        }
    }
    return cli_report(CLI_USAGE, "no benchmark \"%.80s\": it is update, env, replay or ops", word);
}

/* A column of nine characters, empty for a figure that does not apply. */
static void column(double value, const char *format) {
    char text[32] = "";
    if (value > 0) snprintf(text, sizeof text, format, value);
    printf(" %9s", text);
}

static void print_row(const cw_bench_row *row, double peak) {
    double speed = row->alone > 0 ? row->alone : row->seconds;
    double rate = speed > 0 ? row->flops / speed : 0;
    printf("%-38s", row->name);
    column(row->count, "%.3g");
    column(row->seconds * 1e3, "%.3f");
    column(row->best * 1e3, "%.3f");
    column(row->alone * 1e3, "%.3f");
    column(rate * 1e-9, "%.1f");
    column(peak > 0 ? 100 * rate / peak : 0, "%.0f %%");
    column(speed > 0 ? row->bytes / speed * 1e-9 : 0, "%.1f");
    putchar('\n');
}

static void print_memory(const cw_bench_result *result) {
    bool any = false;
    for (int i = 0; i < result->n_rows; i++) {
        const cw_bench_row *row = &result->row[i];
        if (strcmp(row->group, "memory") != 0) continue;
        if (!any) printf("\n%-38s %9s %9s\n", "memory, MB", "foretold", "measured");
        any = true;
        printf("%-38s", row->name);
        column(row->bytes * 1e-6, "%.1f");
        column(row->measured * 1e-6, "%.1f");
        putchar('\n');
    }
}

static void print_table(const cw_bench_result *result) {
    printf("%s\nmachine: %s\nkernels: %s\n", result->title, result->machine, result->backend);
    const char *group = "";
    for (int i = 0; i < result->n_rows; i++) {
        const cw_bench_row *row = &result->row[i];
        if (strcmp(row->group, "memory") == 0) continue;
        if (strcmp(group, row->group) != 0) {
            printf("\n%-38s %9s %9s %9s %9s %9s %9s %9s\n", row->group, "times", "ms", "best ms",
                   "alone ms", "GFLOP/s", "of peak", "GB/s");
        }
        group = row->group;
        print_row(row, result->peak_flops);
    }
    print_memory(result);
    if (result->n_figures > 0) putchar('\n');
    for (int i = 0; i < result->n_figures; i++) {
        const cw_bench_figure *figure = &result->figure[i];
        printf("%-38s %9.4g %s\n", figure->name, figure->value, figure->unit);
    }
}

static void write_json(FILE *file, cw_bench_kind kind, const cw_bench_result *result) {
    cli_json json;
    cli_json_open(&json, file);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "bench", kinds[kind]);
    cli_json_text(&json, "title", result->title);
    cli_json_text(&json, "machine", result->machine);
    cli_json_text(&json, "kernels", result->backend);
    cli_json_real(&json, "peak_flops", result->peak_flops);
    cli_json_array(&json, "rows");
    for (int i = 0; i < result->n_rows; i++) {
        const cw_bench_row *row = &result->row[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "group", row->group);
        cli_json_text(&json, "name", row->name);
        cli_json_real(&json, "count", row->count);
        cli_json_real(&json, "seconds", row->seconds);
        cli_json_real(&json, "best", row->best);
        cli_json_real(&json, "alone", row->alone);
        cli_json_real(&json, "flops", row->flops);
        cli_json_real(&json, "bytes", row->bytes);
        cli_json_real(&json, "measured", row->measured);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_array(&json, "figures");
    for (int i = 0; i < result->n_figures; i++) {
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", result->figure[i].name);
        cli_json_real(&json, "value", result->figure[i].value);
        cli_json_text(&json, "unit", result->figure[i].unit);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

/* A file that could not be written whole is removed. */
static int save_json(const char *path, cw_bench_kind kind, const cw_bench_result *result) {
    FILE *file = fopen(path, "we");
    if (!file) return cli_report(CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    write_json(file, kind, result);
    bool failed = ferror(file) != 0;
    if (fclose(file) == 0 && !failed) return CLI_DONE;
    remove(path);
    return cli_report(CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
}

static int choose_task(cw_config *config) {
    char task[256];
    cw_status status = cw_config_get(config, "env.task", task, sizeof task);
    if (status == CW_OK && task[0] == '\0') {
        status = cw_config_set(config, "env.task", "cartpole-swingup");
    }
    return cli_report_status(status);
}

static int bench(const cli_args *args, cw_bench_kind kind, cw_config *config) {
    const char *updates = cli_args_value(args, "--updates");
    const char *json = cli_args_value(args, "--json");
    cw_bench_options options = {.in = cli_args_value(args, "--in"),
                                .kernels = !cli_args_flag(args, "--no-kernels")};
    const char *seconds = cli_args_value(args, "--seconds");
    int64_t n = 0;
    if (seconds && !cli_number("--seconds", seconds, 1, 3600, &n)) return CLI_USAGE;
    options.seconds = (double)n;
    n = 0;
    if (updates && !cli_number("--updates", updates, 1, 1000000, &n)) return CLI_USAGE;
    options.updates = (int)n;
    if (kind == CW_BENCH_ENV) {
        int code = choose_task(config);
        if (code != CLI_DONE) return code;
    }
    cw_bench_result *result = calloc(1, sizeof *result);
    if (!result) return cli_report(CLI_FAILED, "no memory for the figures");
    int code = cli_report_status(cw_bench(config, kind, &options, result));
    if (code == CLI_DONE) print_table(result);
    if (code == CLI_DONE && json) code = save_json(json, kind, result);
    free(result);
    return cli_flush(code);
}

int cli_bench(const cli_args *args) {
    const char *word = cli_args_word(args, 0);
    cw_bench_kind kind = CW_BENCH_UPDATE;
    if (word && find_kind(word, &kind) != CLI_DONE) return CLI_USAGE;
    cw_config *config = NULL;
    int code = cli_configure(args, &config);
    if (code != CLI_DONE) return code;
    code = bench(args, kind, config);
    cw_config_destroy(config);
    return code;
}
