/* The parts of csv.c that read bytes, for csv.c and the fuzz target. `path` stands in messages;
 * `plain` is the "C" locale. Any thread. */
#ifndef CW_IO_CSV_PARSE_H
#define CW_IO_CSV_PARSE_H

#include <curlew/status.h>

#include <locale.h>
#include <stddef.h>

/* How many of a log's n bytes stay when a run with this header (its newline included) and number of
 * columns goes on with it: up to the first row beyond keep_up_to, and no row without its end. 0
 * when not even the header was written out. CW_EFORMAT: another header, or names a broken row. */
cw_status cw_csv_measure(const char *path, const char *text, size_t n, const char *header,
                         int n_columns, double keep_up_to, locale_t plain, size_t *kept);

/* cw_csv_read on n bytes: the values of two columns, *n_out of each, in cw_alloc blocks that the
 * caller frees. */
cw_status cw_csv_parse(const char *path, const char *text, size_t n, const char *const columns[2],
                       locale_t plain, double *out[2], int *n_out);

#endif
