/* A CSV log of arbitrary bytes: reading a column pair, and going on with it. What is accepted for
 * going on is accepted again with a row more, which keeps all rows. In memory; now and then as a
 * file, which must give the same. */
#include "base/memory.h"
#include "fuzz.h"
#include "io/csv.h"
#include "io/csv_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "a,b\n"
#define ROW    "100,0.5\n"
#define LAST   100.0

static const char *const columns[] = {"a", "b"};

/* The number of pairs, -1 when the text is refused. */
static int read_pairs(const void *text, size_t n, locale_t plain) {
    double *pair[2];
    int n_pairs = 0;
    cw_status status = cw_csv_parse("LOG", text, n, columns, plain, pair, &n_pairs);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return -1;
    }
    for (int i = 0; i < n_pairs; i++) REQUIRE(!isnan(pair[0][i]) && !isnan(pair[1][i]));
    cw_free(pair[0]);
    cw_free(pair[1]);
    return n_pairs;
}

/* False when the bytes are refused. */
static bool go_on(const uint8_t *bytes, size_t n, locale_t plain) {
    size_t kept = 0, again = 0;
    cw_status status = cw_csv_measure("LOG", (const char *)bytes, n, HEADER, 2, LAST, plain, &kept);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return false;
    }
    REQUIRE(kept <= n && (kept == 0 || bytes[kept - 1] == '\n'));
    if (kept == 0) bytes = (const uint8_t *)HEADER, kept = strlen(HEADER);
    int pairs = read_pairs(bytes, kept, plain);
    size_t longer = kept + strlen(ROW);
    char *text = malloc(longer);
    REQUIRE(text != NULL && pairs >= 0);
    memcpy(text, bytes, kept);
    memcpy(text + kept, ROW, strlen(ROW));
    REQUIRE(cw_csv_measure("LOG", text, longer, HEADER, 2, LAST, plain, &again) == CW_OK);
    REQUIRE(again == longer && read_pairs(text, longer, plain) == pairs + 1);
    free(text);
    return true;
}

static void as_file(const uint8_t *bytes, size_t n, int pairs, bool goes_on) {
    const char *path = fuzz_path("log.csv");
    double *x, *y;
    int n_pairs = 0;
    fuzz_put(path, bytes, n);
    REQUIRE((cw_csv_read(path, "a", "b", &x, &y, &n_pairs) == CW_OK) == (pairs >= 0));
    if (pairs >= 0) {
        REQUIRE(n_pairs == pairs);
        cw_free(x);
        cw_free(y);
    }
    cw_csv *csv;
    REQUIRE((cw_csv_open(&csv, path, columns, 2, LAST) == CW_OK) == goes_on);
    if (!goes_on) return;
    REQUIRE(cw_csv_row(csv, (double[]){LAST, 0.5}) == CW_OK);
    cw_csv_close(csv);
    REQUIRE(cw_csv_open(&csv, path, columns, 2, LAST) == CW_OK);
    cw_csv_close(csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static locale_t plain;
    if (plain == (locale_t)0) plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int pairs = read_pairs(bytes, n, plain);
    bool goes_on = go_on(bytes, n, plain);
    if (fuzz_one_in(256, bytes, n)) as_file(bytes, n, pairs, goes_on);
    return 0;
}
