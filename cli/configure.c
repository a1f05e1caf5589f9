#include "cli.h"

#include <stdio.h>
#include <string.h>

#define MOST_TASKS 128

/* A refused setting is a mistake of the command line, whatever kind of failure it is inside. */
static int refused(cw_status status, const char *where) {
    if (status == CW_ENOMEM) return cli_report_status(status);
    return cli_report(CLI_USAGE, "%s%s%s", where ? where : "", where ? ": " : "", cw_last_error());
}

static int apply_profile(const cli_args *args, cw_config *config) {
    const char *profile = cli_args_value(args, "--profile");
    cw_status status = profile ? cw_config_profile(config, profile) : CW_OK;
    return status == CW_OK ? CLI_DONE : refused(status, "--profile");
}

static int apply_file(const cli_args *args, cw_config *config, const char *path) {
    const char *profile = cli_args_value(args, "--profile");
    char loaded[256];
    cw_status status = cw_config_load(config, path);
    if (status != CW_OK) return refused(status, "--config");
    status = cw_config_get(config, "run.profile", loaded, sizeof loaded);
    if (status != CW_OK) return refused(status, "--config");
    if (profile && strcmp(profile, loaded) != 0)
        return cli_report(CLI_USAGE,
                          "--profile %s, but %s starts from profile %s: give one of them", profile,
                          path, loaded);
    return CLI_DONE;
}

static int apply_word(cw_config *config, const char *word) {
    char key[64];
    size_t n = strcspn(word, "=");
    if (n >= sizeof key)
        return cli_report(CLI_USAGE, "no key \"%.80s\"; `curlew list keys` shows them all", word);
    memcpy(key, word, n);
    key[n] = '\0';
    if (strcmp(key, "run.profile") == 0)
        return cli_report(CLI_USAGE, "a profile is chosen with --profile %s", word + n + 1);
    cw_status status = cw_config_set(config, key, word + n + 1);
    return status == CW_OK ? CLI_DONE : refused(status, NULL);
}

static int apply_item(cw_config *config, const cli_item *item) {
    if (item->setting) return apply_word(config, item->value);
    if (!item->option || !item->option->key) return CLI_DONE;
    const char *value = item->option->value ? item->value : "true"; /* a flag */
    cw_status status = cw_config_set(config, item->option->key, value);
    return status == CW_OK ? CLI_DONE : refused(status, item->option->name);
}

static int apply_all(const cli_args *args, cw_config *config) {
    int code = apply_profile(args, config);
    for (int i = 0; i < args->n_items && code == CLI_DONE; i++)
        if (args->items[i].option && strcmp(args->items[i].option->name, "--config") == 0)
            code = apply_file(args, config, args->items[i].value);
    for (int i = 0; i < args->n_items && code == CLI_DONE; i++)
        code = apply_item(config, &args->items[i]);
    return code;
}

int cli_configure(const cli_args *args, cw_config **out) {
    cw_config *config = NULL;
    cw_status status = cw_config_create(&config);
    if (status != CW_OK) return cli_report_status(status);
    int code = apply_all(args, config);
    if (code == CLI_DONE)
        *out = config;
    else
        cw_config_destroy(config);
    return code;
}

/* Whether two task names are the same but for hyphens and underscores. */
static bool same_task(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        char x = *a == '_' ? '-' : *a, y = *b == '_' ? '-' : *b;
        if (x != y) return false;
    }
    return *a == *b;
}

const char *cli_task_name(const char *word) {
    const char *names[MOST_TASKS];
    cw_task_info task;
    int n = 0;
    for (; n < MOST_TASKS && cw_task_info_get(n, &task); n++) {
        names[n] = task.name;
        if (same_task(word, task.name)) return task.name;
    }
    cli_suggestion suggestion;
    cli_report(CLI_USAGE, "no task \"%.80s\"%s", word,
               cli_suggest(word, names, n, "`curlew list tasks` shows them all", &suggestion));
    return NULL;
}
