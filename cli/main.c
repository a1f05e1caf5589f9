/* curlew: the command. */
#include "cli.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_line(void *user, const char *text) {
    (void)user;
    puts(text);
}

static void add_line(void *user, const char *text) {
    cli_json_text(user, NULL, text);
}

int cli_doctor(const cli_args *args) {
    cw_callbacks callbacks = {.line = print_line};
    if (!cli_args_flag(args, "--json")) return cli_report_status(cw_doctor(&callbacks));
    cli_json json;
    callbacks = (cw_callbacks){.user = &json, .line = add_line};
    cli_json_open(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "version", cw_version());
    cli_json_array(&json, "lines");
    cw_status status = cw_doctor(&callbacks);
    cli_json_end(&json);
    cli_json_boolean(&json, "works", status == CW_OK);
    cli_json_end(&json);
    return cli_report_status(status);
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
    if (argc < 2) return cli_report(CLI_USAGE, "no command given; `curlew help` lists them");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    if (strcmp(word, "--version") == 0) word = "version";
    const cli_command *command = cli_command_find(word);
    if (!command) return CLI_USAGE;
    /* Somebody at a keyboard waits for completion, which computes nothing. */
    if (command->run != cli_completion) wait_without_spinning(argv);
    cli_item *items = calloc((size_t)argc, sizeof *items);
    if (!items) return cli_report(CLI_FAILED, "no memory for %d arguments", argc);
    cli_args args;
    int code = cli_args_parse(command, argc - 2, argv + 2, items, &args);
    if (code == CLI_DONE && args.help)
        cli_help_print(command);
    else if (code == CLI_DONE)
        code = command->run(&args);
    free(items);
    return cli_flush(code);
}
