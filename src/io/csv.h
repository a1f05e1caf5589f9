/* CSV logs: a header line with units, one row per record, absent values empty (never 0). */
#ifndef CW_IO_CSV_H
#define CW_IO_CSV_H

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_csv cw_csv;

/* Opens for appending with the given columns (names without comma, quote or line end). A missing
 * file is made. An existing file must have the same header; from the first row on whose first
 * column is greater than keep_up_to it is cut off (a resumed run writes those rows again; INFINITY
 * keeps all), as is a last row without its newline. One thread at a time. CW_EINVAL, CW_EFORMAT
 * (another header, a broken row: nothing was changed), CW_EIO, CW_ENOMEM. */
cw_status cw_csv_open(cw_csv **out, const char *path, const char *const *columns, int n_columns,
                      double keep_up_to);
/* Appends one row of n_columns values and hands it to the kernel; NaN is written as an empty field,
 * and is refused in the first column. Numbers read back as the same double, whatever the locale.
 * CW_EIO leaves the file without any part of the row. */
cw_status cw_csv_row(cw_csv *csv, const double *values);
cw_status cw_csv_sync(cw_csv *csv); /* fsync, for checkpoints */
void cw_csv_close(cw_csv *csv);     /* NULL allowed */

/* Reads one column pair of a CSV written here: n rows into cw_alloc blocks that the caller frees.
 * Rows with an empty field in either column are skipped, as is a last row without its newline.
 * CW_ENOTFOUND (file or column), CW_EFORMAT (naming the line), CW_EIO, CW_ENOMEM. */
cw_status cw_csv_read(const char *path, const char *column_x, const char *column_y, double **x,
                      double **y, int *n);

#endif
