/* Man pages and shell completion, made from the tables of commands, options and keys. */
#ifndef CURLEW_CLI_PAGES_H
#define CURLEW_CLI_PAGES_H

#include <stdio.h>

/* ---- man.c: pages in mdoc(7) ---- */
void cli_man_overview(FILE *out, const void *unused); /* curlew(1) */
void cli_man_keys(FILE *out, const void *unused);     /* curlew-keys(5) */
void cli_man_command(FILE *out, const void *subject); /* curlew-COMMAND(1); a cli_command */

/* ---- completion.c ---- */
/* The script that has a shell ("bash", "zsh" or "fish") ask `curlew completion words`. */
void cli_completion_script(FILE *out, const void *shell);

#endif
