/* CSV logs: a header line with units, one row per record, absent values empty (never 0). */
#ifndef CW_IO_CSV_H
#define CW_IO_CSV_H

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_csv cw_csv;

/* Opens for appending with the given columns. An existing file must have the same header; rows
 * whose first column is greater than keep_up_to are cut off (a resumed run rewrites them), as is a
 * last row without its newline. */
cw_status cw_csv_open(cw_csv **out, const char *path, const char *const *columns, int n_columns,
                      double keep_up_to);
/* Appends and flushes one row of n_columns values; NaN is written as an empty field. */
cw_status cw_csv_row(cw_csv *csv, const double *values);
cw_status cw_csv_sync(cw_csv *csv); /* fsync, for checkpoints */
void cw_csv_close(cw_csv *csv);     /* NULL allowed */

/* Reads one column pair of a CSV written here: n rows into cw_alloc blocks. Rows with an empty
 * field in either column are skipped. */
cw_status cw_csv_read(const char *path, const char *column_x, const char *column_y, double **x,
                      double **y, int *n);

#endif
