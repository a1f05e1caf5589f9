#include "cli.h"

#include <curlew/names.h>

#include <stdio.h>
#include <string.h>

static void list_tasks(void) {
    cw_task_info task;
    printf("%-28s %-6s %s\n", "task", "repeat", "what it asks");
    for (int i = 0; cw_task_info_get(i, &task); i++)
        printf("%-28s %-6d %s\n", task.name, task.action_repeat, task.summary);
}

/* Prints the keys whose value profile `name` changes from the default. */
static cw_status print_differences(const char *name) {
    cw_config *config = NULL;
    cw_status status = cw_config_create(&config);
    if (status == CW_OK) status = cw_config_profile(config, name);
    cw_config *plain = NULL;
    if (status == CW_OK) status = cw_config_create(&plain);
    cw_key_info key;
    char value[1024], initial[1024];
    for (int i = 0; status == CW_OK && cw_key_info_get(i, &key); i++) {
        if (strcmp(key.name, "run.profile") == 0) continue;
        status = cw_config_get(config, key.name, value, sizeof value);
        if (status == CW_OK) status = cw_config_get(plain, key.name, initial, sizeof initial);
        if (status == CW_OK && strcmp(value, initial) != 0) printf("    %s=%s\n", key.name, value);
    }
    cw_config_destroy(config);
    cw_config_destroy(plain);
    return status;
}

static int list_profiles(void) {
    const char *name;
    for (int i = 0; (name = cw_profile_name(i)) != NULL; i++) {
        printf("%s%s\n", name, i == 0 ? " (default)" : ", compared with the default:");
        cw_status status = print_differences(name);
        if (status != CW_OK) return cli_report_status(status);
    }
    return CLI_DONE;
}

/* Length of the section of "section.key". */
static int section_length(const char *name) {
    return (int)strcspn(name, ".");
}

static void list_keys(void) {
    cw_key_info key;
    const char *section = "";
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        int n = section_length(key.name);
        if (strncmp(section, key.name, (size_t)n + 1) != 0)
            printf("%s[%.*s]\n", i > 0 ? "\n" : "", n, key.name);
        section = key.name;
        printf("%s =%s%s", key.name, key.initial[0] ? " " : "", key.initial);
        if (key.range[0]) printf("  (%s)", key.range);
        printf("\n    %s\n", key.meaning);
    }
}

/* A table cell: '|' would end it. */
static void print_cell(const char *text) {
    fputs("| ", stdout);
    for (; *text; text++) {
        if (*text == '|') putchar('\\');
        putchar(*text);
    }
    putchar(' ');
}

static void list_keys_markdown(void) {
    cw_key_info key;
    const char *section = "";
    puts(
        "# Configuration\n\n"
        "Every key, its default (profile `paper`), what it may be, what it means and where the\n"
        "default comes from. Set one on the command line (`curlew train TASK section.key=value`)\n"
        "or in an INI file (`--config FILE`). Later wins: defaults, then `--profile`, then\n"
        "`--config`, then options and words in the order given. An INI file is `[section]` lines,\n"
        "`key = value` lines and lines that begin with `#` or `;`, each at most 197 bytes; a\n"
        "blank and `;` after a value begin a comment. An unknown key, a key set twice or a bad\n"
        "value is an error that names the line. A file with `profile` under `[run]` starts from\n"
        "that profile wherever the line stands.\n\n"
        "Source tags: *paper* is arXiv 2004.04136, *code* its released implementation\n"
        "(MishaLaskin/curl, commit 8416d6e), *run.sh* that code's training script, *curlew* a\n"
        "choice of this program. This page is written by `curlew list keys --markdown`.");
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        int n = section_length(key.name);
        if (strncmp(section, key.name, (size_t)n + 1) != 0)
            printf("\n## %.*s\n\n| key | default | range | meaning | source |\n"
                   "|---|---|---|---|---|\n",
                   n, key.name);
        section = key.name;
        printf("| `%s` ", key.name);
        print_cell(key.initial);
        print_cell(key.range);
        print_cell(key.meaning);
        print_cell(key.source);
        puts("|");
    }
}

int cli_list(const cli_args *args) {
    static const char *const topics[] = {"tasks", "profiles", "keys"};
    const char *topic = cli_args_word(args, 0);
    bool markdown = cli_args_flag(args, "--markdown");
    if (markdown && (!topic || strcmp(topic, "keys") != 0))
        return cli_report(CLI_USAGE, "--markdown goes with `curlew list keys`");
    if (topic && strcmp(topic, "tasks") == 0) {
        list_tasks();
        return CLI_DONE;
    }
    if (topic && strcmp(topic, "profiles") == 0) return list_profiles();
    if (topic && strcmp(topic, "keys") == 0) {
        if (markdown)
            list_keys_markdown();
        else
            list_keys();
        return CLI_DONE;
    }
    if (topic) {
        const char *near = cw_nearest_name(topic, topics, 3);
        if (near)
            return cli_report(CLI_USAGE, "nothing to list under \"%s\"; did you mean %s?", topic,
                              near);
        return cli_report(
            CLI_USAGE, "nothing to list under \"%s\"; there are tasks, profiles and keys", topic);
    }
    list_tasks();
    putchar('\n');
    int code = list_profiles();
    putchar('\n');
    list_keys();
    return code;
}
