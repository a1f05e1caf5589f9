/* JSON on standard output, written as it comes: one document, one line. */
#ifndef CURLEW_CLI_JSON_H
#define CURLEW_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_JSON_DEPTH 16 /* objects and arrays inside each other */

/* In an object every value has a name; in an array and at the top `name` is NULL. */
typedef struct cli_json {
    FILE *out;
    int depth;                   /* open objects and arrays */
    char close[CLI_JSON_DEPTH];  /* what ends each of them */
    bool filled[CLI_JSON_DEPTH]; /* a value stands before the next one */
} cli_json;

void cli_json_open(cli_json *json, FILE *out);
void cli_json_object(cli_json *json, const char *name); /* until the matching cli_json_end */
void cli_json_array(cli_json *json, const char *name);  /* the same */
/* Ends the innermost object or array; the outermost one also ends the line. */
void cli_json_end(cli_json *json);

/* NULL is null. Bytes that are no UTF-8 become U+FFFD. */
void cli_json_text(cli_json *json, const char *name, const char *text);
/* Reads back as the same double; NaN and infinities, which JSON lacks, are null. */
void cli_json_real(cli_json *json, const char *name, double value);
void cli_json_integer(cli_json *json, const char *name, int64_t value);
void cli_json_boolean(cli_json *json, const char *name, bool value);

#endif
