/* A run of a sweep as the words of `curlew train`: for its process, and for what is checked before
 * one is started. */
#include "sweep.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes the word at *at and moves on. False: no memory. */
static bool put(char **words, int *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool put(char **words, int *at, const char *format, ...) {
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    words[*at] = strdup(text);
    return words[(*at)++] != NULL;
}

/* Options and settings that are the same for every run, as they were given. */
static bool put_common(const sweep *s, char **words, int *at) {
    bool good = true;
    for (int i = 0; i < s->args->n_items && good; i++) {
        const cli_item *item = &s->args->items[i];
        const cli_option *option = item->option;
        if (option && (option->key || strcmp(option->name, "--config") == 0))
            good = put(words, at, "%s", option->name) && put(words, at, "%s", item->value);
        else if (item->setting && !strchr(item->value, ',') && !strstr(item->value, ".."))
            good = put(words, at, "%s", item->value);
    }
    return good;
}

char **sweep_words(const sweep *s, const sweep_run *run, int *n) {
    const sweep_cell *cell = &s->cells[run->cell];
    /* Task, seed, threads, folder, --quiet and the end; two words for everything else. */
    size_t most = 2 * (size_t)(s->args->n_items + SWEEP_AXES) + 12;
    char **words = calloc(most, sizeof *words);
    *n = 0;
    if (!words) return NULL;
    bool good = put(words, n, "%s", cell->value[0]);
    for (int a = 1; a < s->n_axes && good; a++)
        if (strcmp(s->axes[a].name, "profile") == 0)
            good = put(words, n, "--profile") && put(words, n, "%s", cell->value[a]);
        else
            good = put(words, n, "%s=%s", s->axes[a].name, cell->value[a]);
    good = good && put_common(s, words, n) && put(words, n, "--seed") &&
           put(words, n, "%" PRIu64, run->seed) && put(words, n, "--threads") &&
           put(words, n, "%d", s->threads) && put(words, n, "--out") &&
           put(words, n, "%s/%s", s->out, run->name) && put(words, n, "--quiet");
    if (good) return words;
    sweep_words_free(words);
    return NULL;
}

void sweep_words_free(char **words) {
    for (char **word = words; word && *word; word++) free(*word);
    free(words);
}

static const cli_command *train_command(void) {
    int n;
    const cli_command *commands = cli_commands(&n);
    while (strcmp(commands->name, "train") != 0) commands++;
    return commands;
}

int sweep_configure(const sweep *s, const sweep_run *run, cw_config **out) {
    int n;
    char **words = sweep_words(s, run, &n);
    cli_item *items = calloc((size_t)n + 1, sizeof *items);
    cli_args args;
    int code = words && items ? cli_args_parse(train_command(), n, words, items, &args)
                              : cli_report(CLI_FAILED, "no memory for a run's settings");
    if (code == CLI_DONE) code = cli_configure(&args, out);
    if (code == CLI_DONE) {
        code = cli_report_status(cw_config_set(*out, "env.task", cli_args_word(&args, 0)));
        if (code != CLI_DONE) cw_config_destroy(*out);
    }
    free(items);
    sweep_words_free(words);
    return code;
}
