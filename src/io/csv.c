#include "io/csv.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/csv_parse.h"

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

struct cw_csv {
    int fd;
    int n_columns;
    off_t size;     /* bytes of complete rows */
    locale_t plain; /* "C": a host's locale may write a decimal comma */
    char *row;      /* (n_columns * FIELD_BYTES) */
    char path[PATH_MAX];
};

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

/* Leaves a file with the header and the rows to keep, and its size in csv->size. */
static cw_status prepare(cw_csv *csv, const char *header, double keep_up_to) {
    unsigned char *text = NULL;
    size_t n = 0, kept = 0;
    if (cw_file_exists(csv->path)) {
        CW_TRY(cw_file_read(csv->path, FILE_BYTES_MAX, &text, &n));
        cw_status status = cw_csv_measure(csv->path, (const char *)text, n, header, csv->n_columns,
                                          keep_up_to, csv->plain, &kept);
        cw_free(text);
        if (status != CW_OK) return status;
    }
    if (kept == 0) {
        n = kept = strlen(header);
        CW_TRY(cw_file_write_atomic(csv->path, header, kept));
    }
    csv->size = (off_t)kept;
    csv->fd = cw_file_fault_due() ? -1 : open(csv->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (csv->fd < 0) return cw_fail(CW_EIO, "cannot write %s: %s", csv->path, strerror(errno));
    if (kept < n && (cw_file_fault_due() || ftruncate(csv->fd, csv->size) != 0)) {
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

cw_status cw_csv_read(const char *path, const char *column_x, const char *column_y, double **x,
                      double **y, int *n) {
    unsigned char *text;
    size_t bytes;
    CW_TRY(cw_file_read(path, FILE_BYTES_MAX, &text, &bytes));
    const char *const columns[2] = {column_x, column_y};
    double *out[2] = {NULL, NULL};
    int n_out = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    cw_status status =
        plain == (locale_t)0
            ? cw_fail(CW_ENOMEM, "out of memory: a locale to read numbers in")
            : cw_csv_parse(path, (const char *)text, bytes, columns, plain, out, &n_out);
    if (plain != (locale_t)0) freelocale(plain);
    cw_free(text);
    if (status != CW_OK) return status;
    *x = out[0];
    *y = out[1];
    *n = n_out;
    return CW_OK;
}
