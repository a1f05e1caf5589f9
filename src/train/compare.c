/* Two runs side by side. */
#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"
#include "train/run_data.h"

#include <curlew/results.h>

#include <math.h>
#include <string.h>

#define VALUE_BYTES 1024

typedef struct difference {
    const char *key;
    char a[VALUE_BYTES], b[VALUE_BYTES];
} difference;

struct cw_comparison {
    cw_run_data run[2];
    cw_run_summary summary[2];
    int n_keys;
    difference *key; /* of every key */
    int n_scores;
    cw_score_pair *score;
};

static cw_status compare_keys(cw_comparison *c) {
    int n;
    const cw_key *keys = cw_keys(&n);
    CW_TRY(cw_alloc(&c->key, (size_t)n, sizeof *c->key, "a comparison"));
    for (int i = 0; i < n; i++) {
        if (strcmp(keys[i].name, "run.out") == 0) continue; /* where the folders lie now */
        difference *d = &c->key[c->n_keys];
        d->key = keys[i].name;
        CW_TRY(cw_settings_get(&c->run[0].settings, d->key, d->a, sizeof d->a));
        CW_TRY(cw_settings_get(&c->run[1].settings, d->key, d->b, sizeof d->b));
        c->n_keys += strcmp(d->a, d->b) != 0;
    }
    return CW_OK;
}

/* Both runs' evaluations in one ascending order, where both runs have a score. */
static cw_status compare_scores(cw_comparison *c) {
    const cw_run_data *a = &c->run[0], *b = &c->run[1];
    size_t room = (size_t)a->n + (size_t)b->n;
    CW_TRY(cw_alloc(&c->score, room, sizeof *c->score, "a comparison"));
    for (int i = 0, k = 0; i < a->n || k < b->n;) {
        double at_a = i < a->n ? a->frames[i] : INFINITY, at_b = k < b->n ? b->frames[k] : INFINITY;
        double x = fmin(at_a, at_b);
        i += at_a == x;
        k += at_b == x;
        double score_a = cw_run_score_at(a, a->frames, x);
        double score_b = cw_run_score_at(b, b->frames, x);
        if (isnan(score_a) || isnan(score_b)) continue;
        c->score[c->n_scores++] = (cw_score_pair){x, score_a, score_b};
    }
    return CW_OK;
}

static cw_status create(cw_comparison *c, const char *const run[2]) {
    for (int i = 0; i < 2; i++) {
        CW_TRY(cw_run_data_load(&c->run[i], run[i]));
        CW_TRY(cw_run_summarize(run[i], &c->summary[i]));
    }
    CW_TRY(compare_keys(c));
    return compare_scores(c);
}

cw_status cw_comparison_create(cw_comparison **out, const char *run_a, const char *run_b) {
    cw_comparison *c;
    CW_TRY(cw_alloc(&c, 1, sizeof *c, "a comparison"));
    cw_status status = create(c, (const char *const[2]){run_a, run_b});
    if (status != CW_OK) {
        cw_comparison_destroy(c);
        return status;
    }
    *out = c;
    return CW_OK;
}

void cw_comparison_destroy(cw_comparison *comparison) {
    if (comparison == NULL) return;
    for (int i = 0; i < 2; i++) cw_run_data_free(&comparison->run[i]);
    cw_free(comparison->key);
    cw_free(comparison->score);
    cw_free(comparison);
}

const cw_run_summary *cw_comparison_run(const cw_comparison *comparison, int run) {
    return &comparison->summary[run];
}

bool cw_comparison_key(const cw_comparison *comparison, int i, cw_key_difference *out) {
    if (i < 0 || i >= comparison->n_keys) return false;
    const difference *d = &comparison->key[i];
    *out = (cw_key_difference){d->key, d->a, d->b};
    return true;
}

bool cw_comparison_score(const cw_comparison *comparison, int i, cw_score_pair *out) {
    if (i < 0 || i >= comparison->n_scores) return false;
    *out = comparison->score[i];
    return true;
}
