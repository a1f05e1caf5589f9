/* curlew: the command. */
#include "cli.h"

#include <curlew/names.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_command *find_command(const char *word) {
    const char *names[32];
    int n;
    const cli_command *commands = cli_commands(&n);
    for (int i = 0; i < n; i++) {
        if (strcmp(commands[i].name, word) == 0) return &commands[i];
        if (i < 32) names[i] = commands[i].name;
    }
    const char *near = cw_nearest_name(word, names, n < 32 ? n : 32);
    if (near)
        cli_report(CLI_USAGE, "no command \"%.80s\"; did you mean %s?", word, near);
    else
        cli_report(CLI_USAGE, "no command \"%.80s\"; `curlew help` lists them", word);
    return NULL;
}

static void print_commands(void) {
    int n;
    const cli_command *commands = cli_commands(&n);
    puts("curlew: reinforcement learning from pixels with CURL\n\n"
         "usage: curlew COMMAND [options]\n");
    for (int i = 0; i < n; i++) printf("  %-9s %s\n", commands[i].name, commands[i].summary);
    puts("\n`curlew help COMMAND` shows options and examples.\n"
         "Exit codes: 0 done, 1 failed, 2 usage, 130/143 stopped by SIGINT/SIGTERM after a "
         "checkpoint.");
}

static void print_command(const cli_command *command) {
    const cli_option *options = command->options;
    printf("usage: curlew %s%s%s%s\n\n%s\n", command->name, command->synopsis[0] ? " " : "",
           command->synopsis, options ? " [options]" : "", command->description);
    if (options) puts("\noptions:");
    for (const cli_option *o = options; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
    puts("\nexamples:");
    for (const char *line = command->examples; *line;) {
        int n = (int)strcspn(line, "\n");
        printf("  %.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
}

int cli_help(const cli_args *args) {
    const char *word = cli_args_word(args, 0);
    if (!word) {
        print_commands();
        return CLI_DONE;
    }
    const cli_command *command = find_command(word);
    if (!command) return CLI_USAGE;
    print_command(command);
    return CLI_DONE;
}

int cli_version(const cli_args *args) {
    (void)args;
    printf("curlew %s\n", cw_version());
    return CLI_DONE;
}

static void print_line(void *user, const char *text) {
    (void)user;
    puts(text);
}

int cli_doctor(const cli_args *args) {
    (void)args;
    cw_callbacks callbacks = {.line = print_line};
    return cli_report_status(cw_doctor(&callbacks));
}

/* Threads that wait for each other should sleep, not spin: spinning takes the core that the
 * environment or another program needs, and an update beside a busy program then takes many times
 * longer. OpenMP reads this when the program is loaded, so it is started once more. */
static void wait_without_spinning(char **argv) {
    if (getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL) return;
    if (setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
    execv("/proc/self/exe", argv); /* returns only where that cannot be: then it spins */
}

int main(int argc, char **argv) {
    wait_without_spinning(argv);
    if (argc < 2) return cli_report(CLI_USAGE, "no command given; `curlew help` lists them");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    if (strcmp(word, "--version") == 0) word = "version";
    const cli_command *command = find_command(word);
    if (!command) return CLI_USAGE;
    cli_item *items = calloc((size_t)argc, sizeof *items);
    if (!items) return cli_report(CLI_FAILED, "no memory for %d arguments", argc);
    cli_args args;
    int code = cli_args_parse(command, argc - 2, argv + 2, items, &args);
    if (code == CLI_DONE && args.help)
        print_command(command);
    else if (code == CLI_DONE)
        code = command->run(&args);
    free(items);
    return cli_flush(code);
}
