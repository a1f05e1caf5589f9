/* What stands in a CSV log: rows, fields and numbers of n bytes in memory. */
#include "io/csv_parse.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES 120
#define FIELD_MAX   64 /* bytes; a number has at most 24 */

/* A row of a file in memory: [at, end), end is its newline. */
typedef struct row {
    const char *at, *end;
    int line; /* 1-based; the header is line 1 */
} row;

/* Walks to the next complete row; false at the end. Begin with at = end = NULL. */
static bool next_row(const char *text, size_t n, row *r) {
    const char *at = r->end == NULL ? text : r->end + 1;
    const char *end = memchr(at, '\n', n - (size_t)(at - text));
    if (end == NULL) return false;
    *r = (row){at, end, r->line + 1};
    return true;
}

static int count_fields(const row *r) {
    int n = 1;
    for (const char *p = r->at; p < r->end; p++) n += *p == ',';
    return n;
}

/* Field i of a row that has one. */
static row field(const row *r, int i) {
    row out = {r->at, r->end, r->line};
    for (; i > 0; i--) out.at = (const char *)memchr(out.at, ',', (size_t)(r->end - out.at)) + 1;
    const char *comma = memchr(out.at, ',', (size_t)(r->end - out.at));
    if (comma != NULL) out.end = comma;
    return out;
}

/* The number in a field; NaN when it is empty, false when it is something else: what strtod takes
 * besides decimal numbers and inf (blanks, hexadecimal, nan) is not written here. */
static bool parse_field(const row *f, locale_t plain, double *out) {
    char text[FIELD_MAX];
    size_t n = (size_t)(f->end - f->at);
    *out = NAN;
    if (n == 0) return true;
    if (n >= sizeof text) return false;
    memcpy(text, f->at, n);
    text[n] = '\0';
    const char *digits = text + (text[0] == '-');
    if (strcmp(digits, "inf") != 0 && strspn(text, "0123456789+-.e") != n) return false;
    char *end;
    *out = strtod_l(text, &end, plain);
    return end == text + n;
}

/* The number (from 1) of the first field that is wrong, 0 when none is: each must be a number or
 * empty, and the first one a number, which goes to *first. */
static int bad_field(const row *r, locale_t plain, double *first) {
    row f = {r->at, r->at, r->line};
    for (int i = 1;; i++) {
        double value;
        const char *comma = memchr(f.at, ',', (size_t)(r->end - f.at));
        f.end = comma != NULL ? comma : r->end;
        if (!parse_field(&f, plain, &value) || (i == 1 && isnan(value))) return i;
        if (i == 1) *first = value;
        if (comma == NULL) return 0;
        f.at = comma + 1;
    }
}

cw_status cw_csv_measure(const char *path, const char *text, size_t n, const char *header,
                         int n_columns, double keep_up_to, locale_t plain, size_t *kept) {
    size_t header_bytes = strlen(header);
    if (n < header_bytes && memcmp(text, header, n) == 0) {
        *kept = 0;
        return CW_OK;
    }
    if (n < header_bytes || memcmp(text, header, header_bytes) != 0) {
        const char *end = memchr(text, '\n', n);
        size_t found = end != NULL ? (size_t)(end - text) : n;
        return cw_fail(CW_EFORMAT, "%s: its header is '%.*s'; this run writes '%.*s'", path,
                       found > SHOWN_BYTES ? SHOWN_BYTES : (int)found, text,
                       header_bytes > SHOWN_BYTES ? SHOWN_BYTES : (int)header_bytes - 1, header);
    }
    *kept = header_bytes;
    row r = {text, text + header_bytes - 1, 1};
    while (next_row(text, n, &r)) {
        double first;
        if (count_fields(&r) != n_columns) {
            return cw_fail(CW_EFORMAT, "%s: line %d has %d fields; the header has %d", path, r.line,
                           count_fields(&r), n_columns);
        }
        int bad = bad_field(&r, plain, &first);
        if (bad != 0) {
            return cw_fail(CW_EFORMAT, "%s: line %d, field %d: not a number", path, r.line, bad);
        }
        if (first > keep_up_to) break;
        *kept = (size_t)(r.end + 1 - text);
    }
    return CW_OK;
}

/* -1 when there is none of that name. */
static int find_column(const row *header, const char *name) {
    size_t wanted = strlen(name);
    const char *at = header->at;
    for (int i = 0;; i++) {
        const char *comma = memchr(at, ',', (size_t)(header->end - at));
        size_t bytes = (size_t)((comma != NULL ? comma : header->end) - at);
        if (bytes == wanted && memcmp(at, name, bytes) == 0) return i;
        if (comma == NULL) return -1;
        at = comma + 1;
    }
}

/* Collects the pairs of text into out, where there is room for every row. */
static cw_status read_pairs(const char *path, const char *text, size_t n,
                            const char *const names[2], locale_t plain, double *const out[2],
                            int *n_out) {
    row header = {NULL, NULL, 0};
    int columns[2];
    if (!next_row(text, n, &header)) return cw_fail(CW_EFORMAT, "%s has no header line", path);
    for (int k = 0; k < 2; k++) {
        columns[k] = find_column(&header, names[k]);
        if (columns[k] < 0) return cw_fail(CW_ENOTFOUND, "%s has no column '%s'", path, names[k]);
    }
    int n_columns = count_fields(&header);
    *n_out = 0;
    for (row r = header; next_row(text, n, &r);) {
        if (count_fields(&r) != n_columns) {
            return cw_fail(CW_EFORMAT, "%s: line %d has %d fields; the header has %d", path, r.line,
                           count_fields(&r), n_columns);
        }
        double pair[2];
        for (int k = 0; k < 2; k++) {
            row f = field(&r, columns[k]);
            if (!parse_field(&f, plain, &pair[k])) {
                return cw_fail(CW_EFORMAT, "%s: line %d, column '%s': not a number", path, r.line,
                               names[k]);
            }
        }
        if (isnan(pair[0]) || isnan(pair[1])) continue;
        out[0][*n_out] = pair[0];
        out[1][*n_out] = pair[1];
        ++*n_out;
    }
    return CW_OK;
}

cw_status cw_csv_parse(const char *path, const char *text, size_t n, const char *const columns[2],
                       locale_t plain, double *out[2], int *n_out) {
    size_t n_rows = 0;
    for (size_t i = 0; i < n; i++) n_rows += text[i] == '\n';
    double *pairs[2] = {NULL, NULL};
    cw_status status = CW_OK;
    for (int k = 0; k < 2 && status == CW_OK; k++) {
        status = cw_alloc(&pairs[k], n_rows, sizeof(double), "a column of a CSV file");
    }
    if (status == CW_OK) status = read_pairs(path, text, n, columns, plain, pairs, n_out);
    if (status != CW_OK) {
        cw_free(pairs[0]);
        cw_free(pairs[1]);
        return status;
    }
    out[0] = pairs[0];
    out[1] = pairs[1];
    return CW_OK;
}
