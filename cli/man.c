#include "cli.h"
#include "pages.h"

#include <ctype.h>
#include <string.h>

#define PAGES_DATE "November 25, 2026" /* of the last change to what the pages say */
#define LINE_MOST  76                  /* columns of a source line */

static bool ends_sentence(const char *word, int n) {
    while (n > 1 && strchr(")\"`", word[n - 1])) n--;
    return n > 1 && strchr(".!?", word[n - 1]) != NULL;
}

/* Running text: a source line ends after every sentence, and none is long. What roff would take
 * for a request or an escape is protected. */
static void put_text(FILE *out, const char *text) {
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (n > 0) {
            if (column > 0 && column + 1 + n > LINE_MOST) {
                fputc('\n', out);
                column = 0;
            }
            if (column > 0) fputc(' ', out);
            if (column == 0 && (text[0] == '.' || text[0] == '\'')) fputs("\\&", out);
            for (int i = 0; i < n; i++) {
                if (text[i] == '\\')
                    fputs("\\e", out);
                else if (text[i] == '-' && (text[i + 1] == '-' || (i > 0 && text[i - 1] == '-')))
                    fputs("\\-", out);
                else
                    fputc(text[i], out);
            }
            column += 1 + n;
            if (ends_sentence(text, n)) {
                fputc('\n', out);
                column = 0;
            }
        }
        text += n + (text[n] != '\0');
    }
    if (column > 0) fputc('\n', out);
}

/* Lines as they are. */
static void put_literal(FILE *out, const char *text) {
    fputs(".Bd -literal -offset indent\n", out);
    bool begin = true;
    for (; *text; text++) {
        if (begin && (*text == '.' || *text == '\'')) fputs("\\&", out);
        begin = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
    fputs(begin ? ".Ed\n" : "\n.Ed\n", out);
}

static void put_upper(FILE *out, const char *text) {
    for (; *text; text++) fputc(toupper((unsigned char)*text), out);
}

static void begin_page(FILE *out, const char *name, int section, const char *summary) {
    fprintf(out, ".\\\" Written by `curlew help --share`; cli/man.c.\n.Dd " PAGES_DATE "\n.Dt ");
    put_upper(out, name);
    fprintf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", section, name);
    put_text(out, summary);
}

/* ".It Fl -seed Ar N" */
static void put_option(FILE *out, const cli_option *option) {
    fprintf(out, ".It Fl %s", option->name + 1);
    if (option->value) fprintf(out, " Ar %s", option->value);
    fputc('\n', out);
    put_text(out, option->help);
    if (!option->key) return;
    fprintf(out, ".Pq short for Ql %s=%s\n", option->key, option->value ? option->value : "true");
}

static void put_exit_status(FILE *out) {
    fputs(".Sh EXIT STATUS\n"
          ".Bl -tag -width 130\n"
          ".It 0\nDone.\n"
          ".It 1\nFailed; one line on standard error says why.\n"
          ".It 2\nThe command line or a file is wrong; nothing was written.\n"
          ".It 130 , 143\nStopped by\n.Dv SIGINT\nor\n.Dv SIGTERM\nafter a checkpoint.\n"
          ".El\n",
          out);
}

/* "TASK [section.key=value ...]": a word a line, what stands in brackets is optional. */
static void put_synopsis(FILE *out, const char *text) {
    while (*text) {
        bool optional = text[0] == '[';
        int n = (int)strcspn(text, optional ? "]" : " ");
        if (optional)
            fprintf(out, ".Op Ar %.*s\n", n - 1, text + 1);
        else
            fprintf(out, ".Ar %.*s\n", n, text);
        text += n;
        text += strspn(text, "] ");
    }
}

void cli_man_command(FILE *out, const void *subject) {
    const cli_command *command = subject;
    char name[64];
    snprintf(name, sizeof name, "curlew-%s", command->name);
    begin_page(out, name, 1, command->summary);
    fprintf(out, ".Sh SYNOPSIS\n.Nm curlew\n.Cm %s\n", command->name);
    if (command->options) fputs(".Op Ar options\n", out);
    put_synopsis(out, command->synopsis);
    fputs(".Sh DESCRIPTION\n", out);
    put_text(out, command->description);
    if (command->options) {
        fputs(".Pp\nThe options are as follows:\n.Bl -tag -width Ds\n", out);
        for (const cli_option *o = command->options; o->name; o++) put_option(out, o);
        fputs(".El\n", out);
    }
    put_exit_status(out);
    fputs(".Sh EXAMPLES\n", out);
    put_literal(out, command->examples);
    fputs(".Sh SEE ALSO\n.Xr curlew 1", out);
    fputs(command->settings ? " ,\n.Xr curlew-keys 5\n" : "\n", out);
}

static void put_environment(FILE *out) {
    fputs(".Sh ENVIRONMENT\n"
          ".Bl -tag -width OMP_WAIT_POLICY\n"
          ".It Ev COLUMNS\nThe panel is no wider than this many columns.\n"
          ".It Ev LC_ALL , Ev LC_CTYPE , Ev LANG\n"
          "Block characters are used where the locale's characters are UTF-8.\n"
          ".It Ev NO_COLOR\nWhen it is set and not empty, nothing is coloured.\n"
          ".It Ev OMP_WAIT_POLICY\nSet to\n.Ql passive\nwhen it is not set: threads that wait "
          "sleep.\n"
          ".It Ev TERM\nOn a\n.Ql dumb\nterminal there is no panel.\n"
          ".El\n",
          out);
}

static void put_files(FILE *out) {
    fputs(".Sh FILES\n"
          ".Bl -tag -width Ds\n"
          ".It Pa runs/TASK-PROFILE-seedN/\nThe run folder of\n.Xr curlew-train 1 .\n"
          ".It Pa config.ini\nEvery setting of the run, in the format of\n.Xr curlew-keys 5 .\n"
          ".It Pa metrics.csv , eval.csv\nLosses and evaluations, a unit in each column's name.\n"
          ".It Pa checkpoint/\nWhat the same command goes on from.\n"
          ".It Pa weights.safetensors\nThe parameters at the end.\n"
          ".El\n",
          out);
}

void cli_man_overview(FILE *out, const void *unused) {
    (void)unused;
    int n;
    const cli_command *commands = cli_commands(&n);
    begin_page(out, "curlew", 1, "reinforcement learning from pixels with CURL");
    fputs(".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n.Nm\n", out);
    put_text(out,
             "trains agents from camera frames with soft actor-critic and a contrastive loss, and "
             "works with what they leave behind. The same command again goes on with a run that "
             "was stopped or killed.");
    fputs(".Pp\nThe commands are as follows; each has a page of its own, as\n"
          ".Xr curlew-train 1 .\n.Bl -tag -width completion\n",
          out);
    for (int i = 0; i < n; i++) {
        fprintf(out, ".It Cm %s\n", commands[i].name);
        put_text(out, commands[i].summary);
    }
    fputs(".El\n", out);
    put_environment(out);
    put_files(out);
    put_exit_status(out);
    fputs(".Sh EXAMPLES\n", out);
    put_literal(out, commands[0].examples);
    fputs(".Sh SEE ALSO\n.Xr curlew-keys 5\n", out);
}

void cli_man_keys(FILE *out, const void *unused) {
    (void)unused;
    cw_key_info key;
    const char *section = "";
    begin_page(out, "curlew-keys", 5, "settings of curlew");
    fputs(".Sh DESCRIPTION\n", out);
    put_text(out,
             "A setting is written section.key=value on the command line of curlew train, or in an "
             "INI file: [section] lines and key = value lines. Lines that begin with # or ; are "
             "comments. Later wins: defaults, the profile, files, then options and words in the "
             "order given. An unknown key or a bad value is an error.");
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        int n = (int)strcspn(key.name, ".");
        if (strncmp(section, key.name, (size_t)n + 1) != 0) {
            if (i > 0) fputs(".El\n", out);
            fprintf(out, ".Ss Section %.*s\n.Bl -tag -width Ds\n", n, key.name);
        }
        section = key.name;
        fprintf(out, ".It Ic %s\n", key.name);
        put_text(out, key.meaning);
        fprintf(out, ".br\nType: %s", key.type);
        if (key.range[0]) fprintf(out, ", %s", key.range);
        fprintf(out, ".\n.br\nDefault: %s\n.br\n", key.initial[0] ? key.initial : "empty");
        fputs("Source: ", out);
        put_text(out, key.source);
    }
    fputs(".El\n.Sh SEE ALSO\n.Xr curlew 1 ,\n.Xr curlew-train 1\n", out);
}
