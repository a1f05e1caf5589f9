#include "json.h"

#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

void cli_json_open(cli_json *json, FILE *out) {
    *json = (cli_json){.out = out};
}

static void put_string(FILE *out, const char *text) {
    fputc('"', out);
    while (*text) {
        uint32_t code;
        int n = cli_utf8_next(text, &code);
        if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (char)code);
        else if (code == '\n')
            fputs("\\n", out);
        else if (code == '\t')
            fputs("\\t", out);
        else if (code < ' ' || code == 127 || code == CLI_UTF8_BROKEN)
            fprintf(out, "\\u%04" PRIx32, code);
        else
            fwrite(text, 1, (size_t)n, out);
        text += n;
    }
    fputc('"', out);
}

/* What stands before a value: a comma, its name. */
static void begin(cli_json *json, const char *name) {
    if (json->depth > 0) {
        bool *filled = &json->filled[json->depth - 1];
        if (*filled) fputs(", ", json->out);
        *filled = true;
    }
    if (name) {
        put_string(json->out, name);
        fputs(": ", json->out);
    }
}

static void nest(cli_json *json, const char *name, char open, char close) {
    begin(json, name);
    fputc(open, json->out);
    if (json->depth == CLI_JSON_DEPTH) abort(); /* a mistake of the calling code */
    json->close[json->depth] = close;
    json->filled[json->depth] = false;
    json->depth++;
}

void cli_json_object(cli_json *json, const char *name) {
    nest(json, name, '{', '}');
}

void cli_json_array(cli_json *json, const char *name) {
    nest(json, name, '[', ']');
}

void cli_json_end(cli_json *json) {
    fputc(json->close[--json->depth], json->out);
    if (json->depth == 0) fputc('\n', json->out);
}

void cli_json_text(cli_json *json, const char *name, const char *text) {
    begin(json, name);
    if (text)
        put_string(json->out, text);
    else
        fputs("null", json->out);
}

void cli_json_real(cli_json *json, const char *name, double value) {
    char text[32];
    begin(json, name);
    if (!isfinite(value)) {
        fputs("null", json->out);
        return;
    }
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) snprintf(text, sizeof text, "%.17g", value);
    fputs(text, json->out);
}

void cli_json_integer(cli_json *json, const char *name, int64_t value) {
    begin(json, name);
    fprintf(json->out, "%" PRId64, value);
}

void cli_json_boolean(cli_json *json, const char *name, bool value) {
    begin(json, name);
    fputs(value ? "true" : "false", json->out);
}
