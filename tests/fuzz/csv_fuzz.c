/* A CSV log of arbitrary bytes: reading a column pair, and going on with it. What is accepted for
 * going on must be accepted again, and keep its rows. */
#include "base/memory.h"
#include "fuzz.h"
#include "io/csv.h"

#include <math.h>

static int read_pairs(const char *path) {
    double *x, *y;
    int n = 0;
    cw_status status = cw_csv_read(path, "a", "b", &x, &y, &n);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return -1;
    }
    for (int i = 0; i < n; i++) REQUIRE(!isnan(x[i]) && !isnan(y[i]));
    cw_free(x);
    cw_free(y);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const char *path = fuzz_path("log.csv");
    fuzz_put(path, bytes, n);
    read_pairs(path);
    static const char *const columns[] = {"a", "b"};
    cw_csv *csv;
    if (cw_csv_open(&csv, path, columns, 2, 100) == CW_OK) {
        REQUIRE(cw_csv_row(csv, (double[]){100, 0.5}) == CW_OK);
        cw_csv_close(csv);
        int before = read_pairs(path);
        REQUIRE(cw_csv_open(&csv, path, columns, 2, 100) == CW_OK);
        cw_csv_close(csv);
        REQUIRE(read_pairs(path) == before);
    }
    return 0;
}
