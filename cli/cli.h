/* The command line: a table of commands, each with a table of options. The command knows only the
 * public headers; everything it does, a host program can do. */
#ifndef CURLEW_CLI_H
#define CURLEW_CLI_H

#include "panel.h"

#include <curlew/run.h>
#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes; a run stopped by signal N after its checkpoint exits with 128 + N. */
#define CLI_MOST_WORDS 256 /* of a command line that is completed */
#define CLI_MOST_KEYS  256

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_SIGNAL = 128 };

typedef struct cli_option {
    const char *name;  /* "--seed" */
    const char *value; /* what follows it ("N"), NULL for a flag */
    const char *key;  /* the setting that it is short for (a flag: at true), NULL when it is none */
    const char *help; /* one line */
} cli_option;

typedef struct cli_args cli_args;

typedef struct cli_command {
    const char *name;
    const char *synopsis;             /* "TASK [section.key=value ...]", without the options */
    const char *summary;              /* one line for the list of commands */
    const char *description;          /* lines for its own help */
    const char *examples;             /* lines, each a command */
    const cli_option *options;        /* ends with a NULL name; NULL when there are none */
    int words_min, words_max;         /* how many words without '=' may stand beside the options */
    bool settings;                    /* section.key=value words are allowed */
    int (*run)(const cli_args *args); /* returns the exit code */
} cli_command;

/* One argument of the command line: an option with its value, or a word. */
typedef struct cli_item {
    const cli_option *option; /* NULL for a word */
    const char *value;        /* the option's value, NULL for a flag; or the word */
    bool setting;             /* a word of the form section.key=value */
} cli_item;

struct cli_args {
    const cli_command *command;
    cli_item *items; /* in the order given */
    int n_items;
    bool help; /* --help was among them */
};

/* ---- commands.c ---- */
/* All commands; *n of them. */
const cli_command *cli_commands(int *n);

/* The command of that name, NULL after reporting that there is none. (help.c) */
const cli_command *cli_command_find(const char *word);
/* What `help COMMAND` prints. (help.c) */
void cli_help_print(const cli_command *command);

/* One function per command, each in a file of its name or its family's. */
int cli_train(const cli_args *args);
int cli_eval(const cli_args *args);
int cli_record(const cli_args *args);
int cli_plot(const cli_args *args);
int cli_report_page(const cli_args *args);
int cli_compare(const cli_args *args);
int cli_sweep(const cli_args *args);
int cli_list(const cli_args *args);
int cli_rollout(const cli_args *args);
int cli_update(const cli_args *args);
int cli_bench(const cli_args *args);
int cli_doctor(const cli_args *args);
int cli_help(const cli_args *args);
int cli_completion(const cli_args *args);
int cli_version(const cli_args *args);
int cli_export(const cli_args *args);

/* ---- args.c ---- */
/* Splits argv[0..argc) (without program and command name) by the command's tables. items has room
 * for argc entries. Returns CLI_DONE, or CLI_USAGE after reporting. */
int cli_args_parse(const cli_command *command, int argc, char **argv, cli_item *items,
                   cli_args *out);

/* The last value of an option, NULL when it was not given. */
const char *cli_args_value(const cli_args *args, const char *option);
bool cli_args_flag(const cli_args *args, const char *option);

/* Word i (0-based) that is no setting, NULL when there are fewer. */
const char *cli_args_word(const cli_args *args, int i);

/* The value of an option that must be given, NULL after reporting that it was not. */
const char *cli_args_required(const cli_args *args, const char *option);

/* A whole number in [min, max] from text: digits and nothing else. False after reporting, with
 * `what` naming the option. */
bool cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out);

/* ---- configure.c ---- */
/* Settings from the command line: defaults < --profile < --config < words and options in the order
 * given. Returns CLI_DONE with *out to be freed by cw_config_destroy, or an exit code after
 * reporting. */
int cli_configure(const cli_args *args, cw_config **out);

/* The listed name of a task (hyphens and underscores are interchangeable), NULL after reporting
 * that there is none. */
const char *cli_task_name(const char *word);

/* ---- suggest.c ---- */
typedef struct cli_suggestion {
    char text[512];
} cli_suggestion;

/* What to say about a word that is none of the names: "; did you mean A or B?", or "; " and
 * `otherwise` when nothing is near. The text lies in *out. */
const char *cli_suggest(const char *word, const char *const *names, int n, const char *otherwise,
                        cli_suggestion *out);

/* ---- report.c ---- */
/* Writes "curlew: MESSAGE" to stderr as one line and returns `code`. */
int cli_report(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a failed library call, with its message: CW_EINVAL is CLI_USAGE, a stop by a signal
 * CLI_SIGNAL + its number, everything else CLI_FAILED. CW_OK is CLI_DONE without a word. */
int cli_report_status(cw_status status);

/* Flushes stdout; CLI_FAILED after reporting when what was printed did not get through. */
int cli_flush(int code);

/* ---- signals.c ---- */
/* From now on the first SIGINT, SIGTERM or SIGHUP is remembered and the second one ends the
 * process at once with the code that a clean stop would give. SIGPIPE is ignored: a run outlives
 * the reader of its output. SIGXFSZ is ignored: the write that goes too far then fails. */
void cli_signals_catch(void);

/* The signal that asked for a stop, 0 when none did. */
int cli_signals_caught(void);

/* Whether the process was suspended from the terminal (Ctrl-Z) since the last call, counted from
 * cli_signals_watch_suspend on. */
void cli_signals_watch_suspend(void);
bool cli_signals_take_suspend(void);

/* ---- progress.c ---- */
/* Callbacks that show a run on stdout: messages, and either the panel, redrawn in place below
 * them, or a line every ten seconds; `quiet` shows nothing. They stop the run when a signal was
 * caught. */
typedef struct cli_screen {
    bool quiet;
    const cli_panel *panel; /* NULL: lines only */
    cli_look look;
    cw_progress last;              /* what the panel shows */
    cli_panel_text drawn;          /* the panel that stands on the terminal, n = 0: none */
    int drawn_columns, drawn_rows; /* of the window for which it was drawn */
    bool told_stop;                /* the message about the signal was shown */
    double last_line_s;            /* when the last plain progress line was printed */
} cli_screen;

void cli_screen_open(cli_screen *screen, bool quiet);
/* From now on with a panel, where stdout is a terminal that can draw one; `panel` must outlive the
 * screen. */
void cli_screen_panel(cli_screen *screen, const cli_panel *panel);
cw_callbacks cli_screen_callbacks(cli_screen *screen);

/* Leaves the panel as it stands; what is printed next comes below it. */
void cli_screen_close(cli_screen *screen);

/* The plain progress line; returns its length. `out` has room for out_bytes. */
int cli_progress_format(const cw_progress *progress, char *out, size_t out_bytes);

#endif
