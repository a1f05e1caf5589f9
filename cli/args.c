#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOST_OPTIONS 32

static const cli_option *find_option(const cli_command *command, const char *name, size_t n) {
    for (const cli_option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0) return o;
    return NULL;
}

static int unknown_option(const cli_command *command, const char *word, size_t n) {
    const char *names[MOST_OPTIONS + 1] = {"--help"};
    int n_names = 1;
    for (const cli_option *o = command->options; o && o->name && n_names <= MOST_OPTIONS; o++)
        names[n_names++] = o->name;
    char name[64], otherwise[96];
    cli_suggestion suggestion;
    if (n >= sizeof name) n = sizeof name - 1;
    memcpy(name, word, n);
    name[n] = '\0';
    snprintf(otherwise, sizeof otherwise, "see `curlew help %s`", command->name);
    return cli_report(CLI_USAGE, "%s has no option %s%s", command->name, name,
                      cli_suggest(name, names, n_names, otherwise, &suggestion));
}

/* Takes argv[*i], which begins with '-', and its value. */
static int take_option(const cli_command *command, int argc, char **argv, int *i, cli_args *out) {
    const char *word = argv[*i];
    size_t n_name = strcspn(word, "=");
    const char *attached = word[n_name] == '=' ? word + n_name + 1 : NULL;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        out->help = true;
        return CLI_DONE;
    }
    const cli_option *option = find_option(command, word, n_name);
    if (!option) return unknown_option(command, word, n_name);
    const char *value = attached;
    if (!option->value) {
        if (attached) return cli_report(CLI_USAGE, "%s takes no value", option->name);
    } else if (!attached) {
        if (*i + 1 >= argc)
            return cli_report(CLI_USAGE, "%s needs a value: %s %s", option->name, option->name,
                              option->value);
        value = argv[++*i];
    }
    if (value && !value[0])
        return cli_report(CLI_USAGE, "%s has an empty value: %s %s", option->name, option->name,
                          option->value);
    out->items[out->n_items++] = (cli_item){.option = option, .value = value};
    return CLI_DONE;
}

static int count_words(const cli_args *args) {
    int n = 0;
    while (cli_args_word(args, n)) n++;
    return n;
}

static int take_word(const cli_command *command, const char *word, cli_args *out) {
    bool setting = command->settings && strchr(word, '=') != NULL;
    if (!setting && count_words(out) >= command->words_max)
        return cli_report(CLI_USAGE, "%s: unexpected \"%s\"%s", command->name, word,
                          command->settings ? "; settings are written section.key=value" : "");
    out->items[out->n_items++] = (cli_item){.value = word, .setting = setting};
    return CLI_DONE;
}

int cli_args_parse(const cli_command *command, int argc, char **argv, cli_item *items,
                   cli_args *out) {
    *out = (cli_args){.command = command, .items = items};
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        int code;
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
            continue;
        }
        if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0')
            code = take_option(command, argc, argv, &i, out);
        else
            code = take_word(command, argv[i], out);
        if (code != CLI_DONE) return code;
        if (out->help) return CLI_DONE;
    }
    if (count_words(out) < command->words_min)
        return cli_report(CLI_USAGE, "%s needs more words: curlew %s %s", command->name,
                          command->name, command->synopsis);
    return CLI_DONE;
}

const char *cli_args_value(const cli_args *args, const char *option) {
    const char *value = NULL;
    for (int i = 0; i < args->n_items; i++)
        if (args->items[i].option && strcmp(args->items[i].option->name, option) == 0)
            value = args->items[i].value;
    return value;
}

bool cli_args_flag(const cli_args *args, const char *option) {
    for (int i = 0; i < args->n_items; i++)
        if (args->items[i].option && strcmp(args->items[i].option->name, option) == 0) return true;
    return false;
}

const char *cli_args_word(const cli_args *args, int i) {
    for (int k = 0; k < args->n_items; k++)
        if (!args->items[k].option && !args->items[k].setting && i-- == 0)
            return args->items[k].value;
    return NULL;
}

const char *cli_args_required(const cli_args *args, const char *option) {
    const char *value = cli_args_value(args, option);
    if (!value)
        cli_report(CLI_USAGE, "%s needs %s; see `curlew help %s`", args->command->name, option,
                   args->command->name);
    return value;
}

bool cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out) {
    errno = 0;
    bool digits = text[0] && text[strspn(text, "0123456789")] == '\0';
    intmax_t value = digits ? strtoimax(text, NULL, 10) : 0;
    if (!digits || errno == ERANGE || value < min || value > max) {
        cli_report(CLI_USAGE, "%s %s: must be a whole number, %" PRId64 " to %" PRId64, what, text,
                   min, max);
        return false;
    }
    *out = (int64_t)value;
    return true;
}
