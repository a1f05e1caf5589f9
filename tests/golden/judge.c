#include "golden/judge.h"

#include "test.h"

#include <curlew/status.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void golden_open(golden *g, const char *path, const char *prefix) {
    *g = (golden){0};
    if (cw_safetensors_open(&g->file, path, GOLDEN_MAX_BYTES) != CW_OK) {
        fail_msg("%s", cw_last_error());
    }
    for (int i = 0; i < cw_safetensors_count(g->file); i++) {
        const char *name = cw_safetensors_name(g->file, i);
        if (strcmp(name, "band") == 0 || strncmp(name, prefix, strlen(prefix)) != 0) continue;
        assert_true(g->n < GOLDEN_MAX_TENSORS);
        g->name[g->n++] = name;
    }
    qsort(g->name, (size_t)g->n, sizeof *g->name, by_name);
    const cw_tensor *band = cw_safetensors_find(g->file, "band");
    assert_non_null(band);
    assert_int_equal(band->dtype, CW_F64);
    assert_int_equal(cw_tensor_count(band), g->n);
    assert_true(g->n > 20); /* an empty golden would agree with everything */
    g->band = band->data;
}

void golden_close(golden *g) {
    cw_safetensors_close(g->file);
}

verdict golden_judge(const golden *g, int i, const cw_tensor *got, double epsilon) {
    const cw_tensor *want = cw_safetensors_find(g->file, g->name[i]);
    int64_t n = cw_tensor_count(want);
    if (cw_tensor_count(got) != n) fail_msg("%s: wrong number of elements", g->name[i]);
    double largest = 0, top = DBL_MIN, squares = 0, expected_squares = 0;
    for (int64_t k = 0; k < n; k++) {
        double expected = cw_tensor_get(want, k);
        double error = fabs(cw_tensor_get(got, k) - expected);
        if (!isfinite(error)) fail_msg("%s: element %lld: not finite", g->name[i], (long long)k);
        largest = fmax(largest, error);
        top = fmax(top, fabs(expected));
        squares += error * error;
        expected_squares += expected * expected;
    }
    double unit = epsilon / FLT_EPSILON * g->band[i] + epsilon * sqrt(expected_squares / (double)n);
    double rms = sqrt(squares / (double)n);
    verdict v = {.used = rms / (GOLDEN_BAND_FACTOR * unit + DBL_MIN),
                 .relative = largest / top,
                 .name = g->name[i]};
    if (v.used > 1) {
        print_error("%s: error %.3e (rms), %.3e (largest, relative): %.1f times what is allowed\n",
                    v.name, rms, v.relative, v.used);
    }
    return v;
}
