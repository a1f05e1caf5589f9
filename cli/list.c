#include "cli.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

static void list_tasks(void) {
    cw_task_info task;
    printf("%-28s %-6s %s\n", "task", "repeat", "what it asks");
    for (int i = 0; cw_task_info_get(i, &task); i++)
        printf("%-28s %-6d %s\n", task.name, task.action_repeat, task.summary);
}

static void list_tasks_json(cli_json *json, const char *name) {
    cw_task_info task;
    cli_json_array(json, name);
    for (int i = 0; cw_task_info_get(i, &task); i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", task.name);
        cli_json_integer(json, "action_repeat", task.action_repeat);
        cli_json_text(json, "summary", task.summary);
        cli_json_end(json);
    }
    cli_json_end(json);
}

/* The keys whose value profile `name` changes from the default, as lines or (json != NULL) as
 * members of an object. */
static cw_status print_differences(const char *name, cli_json *json) {
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
        if (status != CW_OK || strcmp(value, initial) == 0) continue;
        if (json)
            cli_json_text(json, key.name, value);
        else
            printf("    %s=%s\n", key.name, value);
    }
    cw_config_destroy(config);
    cw_config_destroy(plain);
    return status;
}

static int list_profiles(void) {
    const char *name;
    for (int i = 0; (name = cw_profile_name(i)) != NULL; i++) {
        printf("%s%s\n", name, i == 0 ? " (default)" : ", compared with the default:");
        cw_status status = print_differences(name, NULL);
        if (status != CW_OK) return cli_report_status(status);
    }
    return CLI_DONE;
}

static int list_profiles_json(cli_json *json, const char *member) {
    const char *name;
    cw_status status = CW_OK;
    cli_json_array(json, member);
    for (int i = 0; status == CW_OK && (name = cw_profile_name(i)) != NULL; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", name);
        cli_json_object(json, "changes");
        status = print_differences(name, json);
        cli_json_end(json);
        cli_json_end(json);
    }
    cli_json_end(json);
    return cli_report_status(status);
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
        printf("%s =%s%s  (%s%s%s)\n", key.name, key.initial[0] ? " " : "", key.initial, key.type,
               key.range[0] ? ", " : "", key.range);
        printf("    %s\n    source: %s\n", key.meaning, key.source);
    }
}

static void list_keys_json(cli_json *json, const char *name) {
    cw_key_info key;
    cli_json_array(json, name);
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", key.name);
        cli_json_text(json, "type", key.type);
        cli_json_text(json, "default", key.initial);
        cli_json_text(json, "range", key.range);
        cli_json_text(json, "meaning", key.meaning);
        cli_json_text(json, "source", key.source);
        cli_json_end(json);
    }
    cli_json_end(json);
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

static int list_json(const char *topic) {
    cli_json json;
    int code = CLI_DONE;
    cli_json_open(&json, stdout);
    if (!topic) cli_json_object(&json, NULL);
    if (!topic || strcmp(topic, "tasks") == 0) list_tasks_json(&json, topic ? NULL : "tasks");
    if (!topic || strcmp(topic, "profiles") == 0)
        code = list_profiles_json(&json, topic ? NULL : "profiles");
    if (!topic || strcmp(topic, "keys") == 0) list_keys_json(&json, topic ? NULL : "keys");
    if (!topic) cli_json_end(&json);
    return code;
}

static int list_text(const char *topic) {
    int code = CLI_DONE;
    if (!topic || strcmp(topic, "tasks") == 0) list_tasks();
    if (!topic) putchar('\n');
    if (!topic || strcmp(topic, "profiles") == 0) code = list_profiles();
    if (!topic) putchar('\n');
    if (!topic || strcmp(topic, "keys") == 0) list_keys();
    return code;
}

static int no_topic(const char *word) {
    static const char *const topics[] = {"tasks", "profiles", "keys"};
    for (int i = 0; i < 3; i++)
        if (strcmp(word, topics[i]) == 0) return CLI_DONE;
    cli_suggestion suggestion;
    return cli_report(
        CLI_USAGE, "nothing to list under \"%s\"%s", word,
        cli_suggest(word, topics, 3, "there are tasks, profiles and keys", &suggestion));
}

int cli_list(const cli_args *args) {
    const char *topic = cli_args_word(args, 0);
    bool markdown = cli_args_flag(args, "--markdown"), json = cli_args_flag(args, "--json");
    int code = topic ? no_topic(topic) : CLI_DONE;
    if (code != CLI_DONE) return code;
    if (markdown && json) return cli_report(CLI_USAGE, "--markdown or --json, not both");
    if (markdown && (!topic || strcmp(topic, "keys") != 0))
        return cli_report(CLI_USAGE, "--markdown goes with `curlew list keys`");
    if (json) return list_json(topic);
    if (!markdown) return list_text(topic);
    list_keys_markdown();
    return CLI_DONE;
}
