/* Completion: `curlew completion words -- WORD ...` says what the last word may become; the scripts
 * for the shells ask it. All of it comes from the tables: a new row is completed by itself. */
#include "cli.h"
#include "pages.h"

#include <stdio.h>
#include <string.h>

/* ---- what may stand at the cursor ---- */
typedef struct query {
    const char *word; /* the unfinished word, without `before` */
    int n_before;     /* bytes of "--option=" in front of it */
    const char *before;
} query;

/* "CANDIDATE<tab>DESCRIPTION" when it begins with the unfinished word. */
static void offer(const query *q, const char *candidate, const char *description) {
    if (strncmp(candidate, q->word, strlen(q->word)) != 0) return;
    printf("%.*s%s\t%s\n", q->n_before, q->before, candidate, description);
}

/* Each name of "a|b | c", behind `before`. */
static void offer_alternatives(const query *q, const char *before, const char *text, int n,
                               const char *description) {
    for (const char *end = text + n; text < end;) {
        char candidate[160];
        int letters = (int)strspn(text, " |[");
        text += letters;
        letters = (int)strcspn(text, " |]");
        if (letters > end - text) letters = (int)(end - text);
        snprintf(candidate, sizeof candidate, "%s%.*s", before, letters, text);
        if (letters > 0) offer(q, candidate, description);
        text += letters > 0 ? letters : 1;
    }
}

static void offer_tasks(const query *q) {
    cw_task_info task;
    for (int i = 0; cw_task_info_get(i, &task); i++) offer(q, task.name, task.summary);
}

static void offer_profiles(const query *q) {
    const char *name;
    for (int i = 0; (name = cw_profile_name(i)) != NULL; i++) offer(q, name, "profile");
}

static void offer_commands(const query *q) {
    int n;
    const cli_command *commands = cli_commands(&n);
    for (int i = 0; i < n; i++) offer(q, commands[i].name, commands[i].summary);
}

static bool is(const char *text, size_t n, const char *name) {
    return strlen(name) == n && strncmp(text, name, n) == 0;
}

/* "section.key" of every key, with `end` behind it. */
static void offer_keys(const query *q, const char *end) {
    char candidate[160];
    cw_key_info key;
    for (int i = 0; cw_key_info_get(i, &key); i++) {
        snprintf(candidate, sizeof candidate, "%s%s", key.name, end);
        offer(q, candidate, key.meaning);
    }
}

/* What `help` explains; the keys would hide the commands from one who has typed nothing yet. */
static void offer_topics(const query *q) {
    offer_commands(q);
    if (q->word[0]) offer_keys(q, "");
}

/* What a placeholder such as TASK, FILE.mp4 or auto|ref stands for. ":files" and ":folders" leave
 * it to the shell. */
static void offer_placeholder(const query *q, const char *text, size_t n, const char *description) {
    if (n > 0 && text[0] == '[') text++, n--;
    while (n > 0 && strchr("].", text[n - 1])) n--;
    if (n > 0 && memchr(text, '|', n))
        offer_alternatives(q, "", text, (int)n, description);
    else if (is(text, n, "TASK"))
        offer_tasks(q);
    else if (is(text, n, "PROFILE"))
        offer_profiles(q);
    else if (is(text, n, "COMMAND"))
        offer_topics(q);
    else if (is(text, n, "DIR"))
        puts(":folders");
    else if (is(text, n, "RUN") || (n >= 4 && strncmp(text, "FILE", 4) == 0))
        puts(":files");
}

static bool find_key(const char *name, size_t n, cw_key_info *key) {
    for (int i = 0; cw_key_info_get(i, key); i++)
        if (strlen(key->name) == n && strncmp(key->name, name, n) == 0) return true;
    return false;
}

/* The values of a key that has a list of them, behind `before`. */
static void offer_key_values(const query *q, const char *before, const cw_key_info *key) {
    if (strcmp(key->type, "choice") == 0 || strcmp(key->type, "boolean") == 0)
        offer_alternatives(q, before, key->range, (int)strlen(key->range), key->meaning);
    else if (strcmp(key->name, "env.task") == 0 && before[0] == '\0')
        offer_tasks(q);
}

static void offer_value(const query *q, const cli_option *option) {
    cw_key_info key;
    if (option->key && find_key(option->key, strlen(option->key), &key) &&
        strcmp(key.type, "choice") == 0)
        offer_key_values(q, "", &key);
    else
        offer_placeholder(q, option->value, strlen(option->value), option->help);
}

/* "section.key=" of every key, or "section.key=value" once the key stands there. */
static void offer_settings(const query *q) {
    char candidate[160];
    cw_key_info key;
    size_t n = strcspn(q->word, "=");
    if (q->word[n] == '=') {
        if (!find_key(q->word, n, &key)) return;
        snprintf(candidate, sizeof candidate, "%s=", key.name);
        offer_key_values(q, candidate, &key);
        return;
    }
    offer_keys(q, "=");
}

/* Word i of a synopsis, "TASK [section.key=value ...]"; its last one may be repeated. */
static void offer_word(const query *q, const cli_command *command, int i) {
    const char *at = command->synopsis;
    if (i >= command->words_max) return;
    for (;;) {
        size_t n = strcspn(at, " ");
        const char *next = at + n + strspn(at + n, " ");
        bool last = *next == '\0' || *next == '.' || strncmp(next, "[section", 8) == 0;
        if (i == 0 || last) {
            if (strncmp(at, "[section", 8) != 0) offer_placeholder(q, at, n, "");
            return;
        }
        at = next;
        i--;
    }
}

static const cli_option *option_named(const cli_command *command, const char *word, size_t n) {
    for (const cli_option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, word, n) == 0) return o;
    return NULL;
}

static void offer_options(const query *q, const cli_command *command) {
    for (const cli_option *o = command->options; o && o->name; o++) offer(q, o->name, o->help);
    offer(q, "--help", "what the command does, with examples");
}

/* The unfinished word of a command whose words so far are words[0..n). */
static void complete(const cli_command *command, const char *const *words, int n, query *q) {
    const cli_option *waiting = NULL;
    int n_words = 0;
    for (int i = 0; i < n; i++) {
        if (waiting) {
            waiting = NULL;
        } else if (words[i][0] == '-' && words[i][1]) {
            waiting = option_named(command, words[i], strlen(words[i]));
            if (waiting && !waiting->value) waiting = NULL;
        } else if (!command->settings || !strchr(words[i], '=')) {
            n_words++;
        }
    }
    if (waiting) {
        offer_value(q, waiting);
        return;
    }
    if (q->word[0] == '-') {
        size_t name = strcspn(q->word, "=");
        const cli_option *option = option_named(command, q->word, name);
        if (q->word[name] != '=') {
            offer_options(q, command);
        } else if (option && option->value) {
            *q = (query){q->word + name + 1, (int)name + 1, q->word};
            offer_value(q, option);
        }
        return;
    }
    offer_word(q, command, n_words);
    /* All the keys would hide the tasks from one who has typed nothing yet. */
    if (command->settings && (q->word[0] || n_words >= command->words_max)) offer_settings(q);
}

static void complete_words(const char *const *words, int n) {
    query q = {.word = n > 0 ? words[n - 1] : "", .before = ""};
    int n_commands;
    const cli_command *commands = cli_commands(&n_commands);
    if (n <= 1) {
        offer_commands(&q);
        if (q.word[0] == '-') offer(&q, "--help", "the list of commands");
        if (q.word[0] == '-') offer(&q, "--version", "the version");
        return;
    }
    for (int i = 0; i < n_commands; i++)
        if (strcmp(commands[i].name, words[0]) == 0) complete(&commands[i], words + 1, n - 2, &q);
}

/* ---- scripts ---- */
static const char bash_script[] =
    "# bash completion for curlew; written by `curlew completion bash`.\n"
    "_curlew() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} current candidate description before=''\n"
    "    local -a words\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line != *[[:space:]] ]] || words+=('')\n"
    "    current=${words[-1]}\n"
    "    COMPREPLY=()\n"
    "    # bash ends words at = and replaces only what stands behind it.\n"
    "    if [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then\n"
    "        before=${current%\"${current##*=}\"}\n"
    "    fi\n"
    "    while IFS=$'\\t' read -r candidate description; do\n"
    "        case $candidate in\n"
    "        :files | :folders)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            [[ $candidate == :files ]] && set -- -f || set -- -d\n"
    "            mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY \\\n"
    "                < <(compgen \"$1\" -- \"${current#\"$before\"}\")\n"
    "            ;;\n"
    "        *)\n"
    "            [[ $candidate != *= ]] || compopt -o nospace 2>/dev/null\n"
    "            COMPREPLY+=(\"${candidate#\"$before\"}\")\n"
    "            ;;\n"
    "        esac\n"
    "    done < <(\"${words[0]}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _curlew curlew\n";

static const char zsh_script[] =
    "#compdef curlew\n"
    "# zsh completion for curlew; written by `curlew completion zsh`.\n"
    "_curlew() {\n"
    "    local line candidate\n"
    "    local -a whole open\n"
    "    for line in \"${(@f)$(\"$words[1]\" completion words -- \"${(@)words[2,CURRENT]}\" "
    "2>/dev/null)}\"; do\n"
    "        candidate=${line%%$'\\t'*}\n"
    "        case $candidate in\n"
    "        (:files) compset -P '--*='; _files ;;\n"
    "        (:folders) compset -P '--*='; _files -/ ;;\n"
    "        (*=) open+=(\"$candidate:${line#*$'\\t'}\") ;;\n"
    "        (?*) whole+=(\"$candidate:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( ! $#whole )) || _describe curlew whole\n"
    "    (( ! $#open )) || _describe setting open -S ''\n"
    "}\n"
    "if [[ $funcstack[1] == _curlew ]]; then\n"
    "    _curlew \"$@\"\n"
    "else\n"
    "    compdef _curlew curlew\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for curlew; written by `curlew completion fish`.\n"
    "function __curlew_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    set -l before (string match -r -- '^--[^=]*=' $current)\n"
    "    set -l rest (string replace -r -- '^--[^=]*=' '' $current)\n"
    "    for line in ($words[1] completion words -- $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        switch $line\n"
    "            case ':files'\n"
    "                for path in (__fish_complete_path \"$rest\")\n"
    "                    echo \"$before$path\"\n"
    "                end\n"
    "            case ':folders'\n"
    "                for path in (__fish_complete_directories \"$rest\")\n"
    "                    echo \"$before$path\"\n"
    "                end\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c curlew -f -a '(__curlew_complete)'\n";

static const struct {
    const char *shell, *script;
} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

void cli_completion_script(FILE *out, const void *shell) {
    for (int i = 0; i < 3; i++)
        if (strcmp(scripts[i].shell, shell) == 0) fputs(scripts[i].script, out);
}

int cli_completion(const cli_args *args) {
    static const char *const names[] = {"bash", "zsh", "fish", "words"};
    const char *words[CLI_MOST_WORDS], *what = cli_args_word(args, 0);
    cli_suggestion suggestion;
    int n = 0;
    while (n < CLI_MOST_WORDS && (words[n] = cli_args_word(args, n + 1)) != NULL) n++;
    if (strcmp(what, "words") == 0) {
        complete_words(words, n);
        return CLI_DONE;
    }
    if (n > 0) return cli_report(CLI_USAGE, "completion: unexpected \"%.80s\"", words[0]);
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], what) == 0) {
            cli_completion_script(stdout, what);
            return CLI_DONE;
        }
    return cli_report(CLI_USAGE, "no script for \"%.80s\"%s", what,
                      cli_suggest(what, names, 3, "there are bash, zsh and fish", &suggestion));
}
