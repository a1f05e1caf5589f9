/* help and version: the tables as text, as man pages, and as files for an installation. */
#include "cli.h"
#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_COMMANDS 64

const cli_command *cli_command_find(const char *word) {
    const char *names[MOST_COMMANDS];
    cli_suggestion suggestion;
    int n;
    const cli_command *commands = cli_commands(&n);
    if (n > MOST_COMMANDS) n = MOST_COMMANDS;
    for (int i = 0; i < n; i++) {
        if (strcmp(commands[i].name, word) == 0) return &commands[i];
        names[i] = commands[i].name;
    }
    cli_report(CLI_USAGE, "no command \"%.80s\"%s", word,
               cli_suggest(word, names, n, "`curlew help` lists them", &suggestion));
    return NULL;
}

static void print_commands(void) {
    int n;
    const cli_command *commands = cli_commands(&n);
    puts("curlew: reinforcement learning from pixels with CURL\n\n"
         "usage: curlew COMMAND [options]\n");
    for (int i = 0; i < n; i++) printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts(
        "\n`curlew help COMMAND` shows options and examples, `curlew help section.key` a setting.\n"
        "Exit codes: 0 done, 1 failed, 2 usage, 130/143 stopped by SIGINT/SIGTERM after a "
        "checkpoint.");
}

void cli_help_print(const cli_command *command) {
    const cli_option *options = command->options;
    printf("usage: curlew %s%s%s%s\n\n%s\n", command->name, command->synopsis[0] ? " " : "",
           command->synopsis, options ? " [options]" : "", command->description);
    if (options) puts("\noptions:");
    for (const cli_option *o = options; o && o->name; o++) {
        char left[96];
        int n = snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "",
                         o->value ? o->value : "");
        if (n > 20)
            printf("  %s\n  %-20s %s\n", left, "", o->help);
        else
            printf("  %-20s %s\n", left, o->help);
    }
    puts("\nexamples:");
    for (const char *line = command->examples; *line;) {
        int n = (int)strcspn(line, "\n");
        printf("  %.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
}

/* `help section.key`: one row of the key table. */
static int print_key(const char *word) {
    const char *names[CLI_MOST_KEYS];
    cli_suggestion suggestion;
    cw_key_info key;
    int n = 0;
    for (; n < CLI_MOST_KEYS && cw_key_info_get(n, &key); n++) {
        names[n] = key.name;
        if (strcmp(key.name, word) != 0) continue;
        printf("%s\n\n    %s\n\n", key.name, key.meaning);
        printf("type      %s\n", key.type);
        if (key.range[0]) printf("range     %s\n", key.range);
        printf("default   %s\n", key.initial[0] ? key.initial : "(empty)");
        printf("source    %s\n", key.source);
        return CLI_DONE;
    }
    return cli_report(
        CLI_USAGE, "no key \"%.80s\"%s", word,
        cli_suggest(word, names, n, "`curlew list keys` shows them all", &suggestion));
}

/* ---- files for an installation ---- */
static int make_folders(const char *path) {
    char part[1200];
    for (const char *end = path; (end = strchr(end + 1, '/')) != NULL;) {
        snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return cli_report(CLI_FAILED, "%s: %s", part, strerror(errno));
    }
    return CLI_DONE;
}

/* Writes below `folder` what `write` makes of `command` (NULL: of all of them). */
static int write_page(const char *folder, const char *name, void (*write)(FILE *, const void *),
                      const void *subject) {
    char path[1200];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return cli_report(CLI_USAGE, "--share: the path is too long");
    int code = make_folders(path);
    if (code != CLI_DONE) return code;
    FILE *out = fopen(path, "w");
    if (!out) return cli_report(CLI_FAILED, "%s: %s", path, strerror(errno));
    write(out, subject);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) return cli_report(CLI_FAILED, "%s: %s", path, strerror(errno));
    return CLI_DONE;
}

static int write_share(const char *folder) {
    static const struct {
        const char *name, *shell;
    } completions[] = {{"bash-completion/completions/curlew", "bash"},
                       {"zsh/site-functions/_curlew", "zsh"},
                       {"fish/vendor_completions.d/curlew.fish", "fish"}};
    char name[128];
    int n;
    const cli_command *commands = cli_commands(&n);
    int code = write_page(folder, "man/man1/curlew.1", cli_man_overview, NULL);
    if (code == CLI_DONE) code = write_page(folder, "man/man5/curlew-keys.5", cli_man_keys, NULL);
    for (int i = 0; i < n && code == CLI_DONE; i++) {
        snprintf(name, sizeof name, "man/man1/curlew-%s.1", commands[i].name);
        code = write_page(folder, name, cli_man_command, &commands[i]);
    }
    for (int i = 0; i < 3 && code == CLI_DONE; i++)
        code = write_page(folder, completions[i].name, cli_completion_script, completions[i].shell);
    return code;
}

int cli_help(const cli_args *args) {
    const char *word = cli_args_word(args, 0), *share = cli_args_value(args, "--share");
    bool man = cli_args_flag(args, "--man");
    if (share && (word || man))
        return cli_report(CLI_USAGE, "--share writes every page: it goes with no other word");
    if (share) return write_share(share);
    if (word && strcmp(word, "keys") == 0 && man) {
        cli_man_keys(stdout, NULL);
        return CLI_DONE;
    }
    if (word && strchr(word, '.')) return print_key(word);
    const cli_command *command = word ? cli_command_find(word) : NULL;
    if (word && !command) return CLI_USAGE;
    if (man && word)
        cli_man_command(stdout, command);
    else if (man)
        cli_man_overview(stdout, NULL);
    else if (word)
        cli_help_print(command);
    else
        print_commands();
    return CLI_DONE;
}

int cli_version(const cli_args *args) {
    (void)args;
    printf("curlew %s\n", cw_version());
    return CLI_DONE;
}
