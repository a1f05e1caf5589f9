/* A CSV log of arbitrary bytes: reading a column pair, and going on with it. What is accepted for
 * going on must be accepted again, and keep its rows. */
#include "base/memory.h"
#include "io/csv.h"

#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void require(int holds) {
    if (!holds) abort();
}

static int read_pairs(const char *path) {
    double *x, *y;
    int n = 0;
    if (cw_csv_read(path, "a", "b", &x, &y, &n) != CW_OK) return -1;
    for (int i = 0; i < n; i++) require(!isnan(x[i]) && !isnan(y[i]));
    cw_free(x);
    cw_free(y);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static char path[64];
    if (path[0] == '\0') snprintf(path, sizeof path, "/dev/shm/cw_csv_fuzz_%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    require(fd >= 0);
    require(write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    read_pairs(path);
    static const char *const columns[] = {"a", "b"};
    cw_csv *csv;
    if (cw_csv_open(&csv, path, columns, 2, 100) == CW_OK) {
        require(cw_csv_row(csv, (double[]){100, 0.5}) == CW_OK);
        cw_csv_close(csv);
        int before = read_pairs(path);
        require(cw_csv_open(&csv, path, columns, 2, 100) == CW_OK);
        cw_csv_close(csv);
        require(read_pairs(path) == before);
    }
    unlink(path);
    return 0;
}
