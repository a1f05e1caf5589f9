#include "io/csv.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1ull << 30)
#define FIELD_BYTES    32 /* a double of 17 digits and its comma */
#define SHOWN_BYTES    120

struct cw_csv {
    int fd;
    int n_columns;
    off_t size;     /* bytes of complete rows */
    locale_t plain; /* "C": a host's locale may write a decimal comma */
    char *row;      /* (n_columns * FIELD_BYTES) */
    char path[PATH_MAX];
};

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
    char text[FIELD_BYTES * 2];
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

static cw_status make_header(char **out, const char *path, const char *const *columns,
                             int n_columns) {
    size_t bytes = 1;
    if (n_columns < 1) return cw_fail(CW_EINVAL, "%s: at least one column is needed", path);
    for (int i = 0; i < n_columns; i++) {
        if (columns[i][0] == '\0' || strpbrk(columns[i], ",\"\r\n") != NULL) {
            return cw_fail(CW_EINVAL,
                           "%s: column %d is '%.80s'; a name needs a letter or more, and no comma, "
                           "quote or line end",
                           path, i + 1, columns[i]);
        }
        bytes = cw_size_add(bytes, strlen(columns[i]) + 1);
    }
    CW_TRY(cw_alloc(out, bytes, 1, "the header of a CSV file"));
    char *at = *out;
    for (int i = 0; i < n_columns; i++) {
        size_t n = strlen(columns[i]);
        memcpy(at, columns[i], n);
        at[n] = i + 1 < n_columns ? ',' : '\n';
        at += n + 1;
    }
    return CW_OK;
}

/* How many bytes of the existing file stay: up to the first row beyond keep_up_to, and no row
 * without its end. 0 when not even the header was written out. */
static cw_status measure_kept(const char *path, const char *text, size_t n, const char *header,
                              int n_columns, double keep_up_to, locale_t plain, off_t *kept) {
    size_t header_bytes = strlen(header);
    if (n < header_bytes && memcmp(text, header, n) == 0) {
        *kept = 0;
        return CW_OK;
    }
    if (n < header_bytes || memcmp(text, header, header_bytes) != 0) {
        int found = (int)strcspn(text, "\n");
        return cw_fail(CW_EFORMAT, "%s: its header is '%.*s'; this run writes '%.*s'", path,
                       found > SHOWN_BYTES ? SHOWN_BYTES : found, text,
                       header_bytes > SHOWN_BYTES ? SHOWN_BYTES : (int)header_bytes - 1, header);
    }
    *kept = (off_t)header_bytes;
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
        *kept = (off_t)(r.end + 1 - text);
    }
    return CW_OK;
}

/* Leaves a file with the header and the rows to keep, and its size in csv->size. */
static cw_status prepare(cw_csv *csv, const char *header, double keep_up_to) {
    unsigned char *text = NULL;
    size_t n = 0;
    off_t kept = 0;
    if (cw_file_exists(csv->path)) {
        CW_TRY(cw_file_read(csv->path, FILE_BYTES_MAX, &text, &n));
        cw_status status = measure_kept(csv->path, (const char *)text, n, header, csv->n_columns,
                                        keep_up_to, csv->plain, &kept);
        cw_free(text);
        if (status != CW_OK) return status;
    }
    if (kept == 0) {
        kept = (off_t)strlen(header);
        CW_TRY(cw_file_write_atomic(csv->path, header, (size_t)kept));
        n = (size_t)kept;
    }
    csv->size = kept;
    csv->fd = cw_file_fault_due() ? -1 : open(csv->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (csv->fd < 0) return cw_fail(CW_EIO, "cannot write %s: %s", csv->path, strerror(errno));
    if ((size_t)kept < n && (cw_file_fault_due() || ftruncate(csv->fd, kept) != 0)) {
        return cw_fail(CW_EIO, "cannot shorten %s: %s", csv->path, strerror(errno));
    }
    return CW_OK;
}

cw_status cw_csv_open(cw_csv **out, const char *path, const char *const *columns, int n_columns,
                      double keep_up_to) {
    size_t path_bytes = strlen(path) + 1;
    if (path_bytes > sizeof((cw_csv *)0)->path) {
        return cw_fail(CW_EINVAL, "the path %.40s... is too long", path);
    }
    char *header;
    CW_TRY(make_header(&header, path, columns, n_columns));
    cw_csv *csv;
    cw_status status = cw_alloc(&csv, 1, sizeof *csv, "a CSV writer");
    if (status != CW_OK) {
        cw_free(header);
        return status;
    }
    csv->fd = -1;
    csv->n_columns = n_columns;
    memcpy(csv->path, path, path_bytes);
    csv->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    status = csv->plain == (locale_t)0
                 ? cw_fail(CW_ENOMEM, "out of memory: a locale to write numbers in")
                 : cw_alloc(&csv->row, (size_t)n_columns, FIELD_BYTES, "a row of a CSV file");
    if (status == CW_OK) status = prepare(csv, header, keep_up_to);
    cw_free(header);
    if (status != CW_OK) {
        cw_csv_close(csv);
        return status;
    }
    *out = csv;
    return CW_OK;
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
static int format_field(char *out, double value) {
    for (int digits = 15; digits < 17; digits++) {
        int n = snprintf(out, FIELD_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return n;
    }
    return snprintf(out, FIELD_BYTES, "%.17g", value);
}

cw_status cw_csv_row(cw_csv *csv, const double *values) {
    if (isnan(values[0])) {
        return cw_fail(CW_EINVAL, "%s: the first column of a row must not be NaN", csv->path);
    }
    locale_t host = uselocale(csv->plain);
    size_t n = 0;
    for (int i = 0; i < csv->n_columns; i++) {
        if (!isnan(values[i])) n += (size_t)format_field(csv->row + n, values[i]);
        csv->row[n++] = i + 1 < csv->n_columns ? ',' : '\n';
    }
    uselocale(host);
    size_t done = 0;
    while (done < n) {
        ssize_t wrote = cw_file_fault_due() ? -1 : write(csv->fd, csv->row + done, n - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            int error = errno;
            /* Half a row must not be glued to the next one. */
            const char *rest = ftruncate(csv->fd, csv->size) == 0 ? "" : ", and a part of it stays";
            return cw_fail(CW_EIO, "cannot write a row of %s: %s%s", csv->path, strerror(error),
                           rest);
        }
        done += (size_t)wrote;
    }
    csv->size += (off_t)n;
    return CW_OK;
}

cw_status cw_csv_sync(cw_csv *csv) {
    if (cw_file_fault_due() || fsync(csv->fd) != 0) {
        return cw_fail(CW_EIO, "cannot sync %s: %s", csv->path, strerror(errno));
    }
    return CW_OK;
}

void cw_csv_close(cw_csv *csv) {
    if (csv == NULL) return;
    if (csv->fd >= 0) close(csv->fd);
    if (csv->plain != (locale_t)0) freelocale(csv->plain);
    cw_free(csv->row);
    cw_free(csv);
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

/* Collects the pairs of text into x and y, whose n_max values are enough for every row. */
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

cw_status cw_csv_read(const char *path, const char *column_x, const char *column_y, double **x,
                      double **y, int *n) {
    unsigned char *text;
    size_t bytes;
    CW_TRY(cw_file_read(path, FILE_BYTES_MAX, &text, &bytes));
    size_t n_rows = 0;
    for (size_t i = 0; i < bytes; i++) n_rows += text[i] == '\n';
    double *out[2] = {NULL, NULL};
    int n_out = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    cw_status status = plain == (locale_t)0
                           ? cw_fail(CW_ENOMEM, "out of memory: a locale to read numbers in")
                           : CW_OK;
    for (int k = 0; k < 2 && status == CW_OK; k++) {
        status = cw_alloc(&out[k], n_rows, sizeof(double), "a column of a CSV file");
    }
    if (status == CW_OK) {
        const char *const names[2] = {column_x, column_y};
        status = read_pairs(path, (const char *)text, bytes, names, plain, out, &n_out);
    }
    if (plain != (locale_t)0) freelocale(plain);
    cw_free(text);
    if (status != CW_OK) {
        cw_free(out[0]);
        cw_free(out[1]);
        return status;
    }
    *x = out[0];
    *y = out[1];
    *n = n_out;
    return CW_OK;
}
