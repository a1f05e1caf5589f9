#include "bench/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cw_bench_row *cw_bench_add(cw_bench_result *result, const char *group, const char *name) {
    if (result->n_rows == CW_BENCH_ROWS) return NULL;
    cw_bench_row *row = &result->row[result->n_rows++];
    *row = (cw_bench_row){.count = 1};
    snprintf(row->group, sizeof row->group, "%s", group);
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

void cw_bench_figure_add(cw_bench_result *result, const char *name, double value,
                         const char *unit) {
    if (result->n_figures == CW_BENCH_FIGURES) return;
    cw_bench_figure *figure = &result->figure[result->n_figures++];
    *figure = (cw_bench_figure){.value = value};
    snprintf(figure->name, sizeof figure->name, "%s", name);
    snprintf(figure->unit, sizeof figure->unit, "%s", unit);
}

void cw_samples_add(cw_samples *samples, double seconds) {
    if (samples->n == CW_SAMPLES_MAX) {
        memmove(samples->at, samples->at + 1, (CW_SAMPLES_MAX - 1) * sizeof *samples->at);
        samples->n--;
    }
    samples->at[samples->n++] = seconds;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cw_samples_median(const cw_samples *samples) {
    if (samples->n == 0) return 0;
    double sorted[CW_SAMPLES_MAX];
    size_t n = (size_t)samples->n;
    memcpy(sorted, samples->at, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    return n % 2 == 1 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

double cw_samples_best(const cw_samples *samples) {
    double best = samples->n > 0 ? samples->at[0] : 0;
    for (int i = 1; i < samples->n; i++) {
        if (samples->at[i] < best) best = samples->at[i];
    }
    return best;
}

/* A line "KEY:   123 kB" of /proc/self/status, in bytes. */
static double own_status(const char *key) {
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return 0;
    char line[256];
    double bytes = 0;
    size_t n = strlen(key);
    while (bytes == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            bytes = 1024.0 * strtod(line + n + 1, NULL);
        }
    }
    fclose(file);
    return bytes;
}

void cw_bench_forget_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file == NULL) return;
    fputs("5", file);
    fclose(file);
}

double cw_bench_peak_memory(void) {
    return own_status("VmHWM");
}

double cw_bench_resident_memory(void) {
    return own_status("VmRSS");
}
