/* Normalisation and cross-entropy: threads over rows, each row by one thread with its sums in
 * double, so that the result does not depend on the number of threads. Rows are short (tens to a
 * few hundred elements), and their cost is nothing beside a convolution. */
#include "backend/onednn/onednn.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

#include <math.h>

/* Rows below which another thread costs more than it saves. */
#define ROW_GRAIN 32

typedef struct rows_job {
    int64_t d, rows;
    float *y, *dx, *stats, *dgamma, *dbeta;
    const float *x, *dy, *gamma, *beta, *saved;
    double eps;
} rows_job;

static void layernorm_forward_body(void *context, int64_t begin, int64_t end) {
    const rows_job *job = context;
    int64_t d = job->d;
    for (int64_t b = begin; b < end; b++) {
        const float *x = job->x + b * d;
        double sum = 0;
        for (int64_t i = 0; i < d; i++) sum += x[i];
        double mean = sum / (double)d;
        double squares = 0;
        for (int64_t i = 0; i < d; i++) squares += (x[i] - mean) * (x[i] - mean);
        double rstd = 1 / sqrt(squares / (double)d + job->eps);
        for (int64_t i = 0; i < d; i++) {
            job->y[b * d + i] = (float)((x[i] - mean) * rstd) * job->gamma[i] + job->beta[i];
        }
        job->stats[2 * b] = (float)mean;
        job->stats[2 * b + 1] = (float)rstd;
    }
}

cw_status cw_onednn_layernorm_forward(cw_backend *be, cw_tensor *y, cw_tensor *stats,
                                      const cw_tensor *x, const cw_tensor *gamma,
                                      const cw_tensor *beta, double eps) {
    CW_TRY(cw_check_layernorm("layernorm_forward", CW_F32, y, x, stats, gamma, beta));
    cw_onednn_enter(be);
    rows_job job = {.d = x->shape[1], .rows = x->shape[0], .eps = eps};
    job.y = y->data;
    job.stats = stats->data;
    job.x = x->data;
    job.gamma = gamma->data;
    job.beta = beta->data;
    cw_parallel_for(job.rows, ROW_GRAIN, layernorm_forward_body, &job);
    return CW_OK;
}

/* With n = (x - mean) rstd and g = dy gamma:  dx = rstd (g - mean(g) - n mean(g n)). */
static void layernorm_backward_body(void *context, int64_t begin, int64_t end) {
    const rows_job *job = context;
    int64_t d = job->d;
    for (int64_t b = begin; b < end; b++) {
        const float *x = job->x + b * d;
        const float *dy = job->dy + b * d;
        double mean = job->saved[2 * b];
        double rstd = job->saved[2 * b + 1];
        double g_mean = 0;
        double gn_mean = 0;
        for (int64_t i = 0; i < d; i++) {
            double g = (double)dy[i] * job->gamma[i];
            g_mean += g;
            gn_mean += g * (x[i] - mean) * rstd;
        }
        g_mean /= (double)d;
        gn_mean /= (double)d;
        for (int64_t i = 0; i < d; i++) {
            double g = (double)dy[i] * job->gamma[i];
            double n = (x[i] - mean) * rstd;
            job->dx[b * d + i] = (float)(rstd * (g - g_mean - n * gn_mean));
        }
    }
}

/* Items are columns here: each parameter's sum runs over the rows in order. */
static void layernorm_params_body(void *context, int64_t begin, int64_t end) {
    const rows_job *job = context;
    for (int64_t i = begin; i < end; i++) {
        double scale = 0;
        double shift = 0;
        for (int64_t b = 0; b < job->rows; b++) {
            double dy = job->dy[b * job->d + i];
            double mean = job->saved[2 * b];
            scale += dy * (job->x[b * job->d + i] - mean) * job->saved[2 * b + 1];
            shift += dy;
        }
        job->dgamma[i] = (float)scale;
        job->dbeta[i] = (float)shift;
    }
}

cw_status cw_onednn_layernorm_backward(cw_backend *be, cw_tensor *dx, cw_tensor *dgamma,
                                       cw_tensor *dbeta, const cw_tensor *dy, const cw_tensor *x,
                                       const cw_tensor *stats, const cw_tensor *gamma) {
    const char *op = "layernorm_backward";
    CW_TRY(cw_check_layernorm(op, CW_F32, dx, x, stats, dgamma, dbeta));
    CW_TRY(cw_check_layernorm(op, CW_F32, dy, x, stats, gamma, gamma));
    cw_onednn_enter(be);
    rows_job job = {.d = x->shape[1], .rows = x->shape[0]};
    job.dx = dx->data;
    job.dgamma = dgamma->data;
    job.dbeta = dbeta->data;
    job.dy = dy->data;
    job.x = x->data;
    job.saved = stats->data;
    job.gamma = gamma->data;
    cw_parallel_for(job.rows, ROW_GRAIN, layernorm_backward_body, &job);
    cw_parallel_for(job.d, ROW_GRAIN, layernorm_params_body, &job);
    return CW_OK;
}

static void l2norm_forward_body(void *context, int64_t begin, int64_t end) {
    const rows_job *job = context;
    int64_t d = job->d;
    for (int64_t b = begin; b < end; b++) {
        const float *x = job->x + b * d;
        double sum = 0;
        for (int64_t i = 0; i < d; i++) sum += (double)x[i] * x[i];
        double length = sqrt(sum);
        double divisor = length < job->eps ? job->eps : length;
        for (int64_t i = 0; i < d; i++) job->y[b * d + i] = (float)(x[i] / divisor);
        job->stats[b] = (float)length;
    }
}

cw_status cw_onednn_l2norm_forward(cw_backend *be, cw_tensor *y, cw_tensor *norm,
                                   const cw_tensor *x, double eps) {
    CW_TRY(cw_check_l2norm("l2norm_forward", CW_F32, y, x, norm));
    cw_onednn_enter(be);
    rows_job job = {.d = x->shape[1], .rows = x->shape[0], .eps = eps};
    job.y = y->data;
    job.stats = norm->data;
    job.x = x->data;
    cw_parallel_for(job.rows, ROW_GRAIN, l2norm_forward_body, &job);
    return CW_OK;
}

/* dx = (dy - y (y . dy)) / |x|; below eps the divisor is a constant. */
static void l2norm_backward_body(void *context, int64_t begin, int64_t end) {
    const rows_job *job = context;
    int64_t d = job->d;
    for (int64_t b = begin; b < end; b++) {
        const float *unit = job->x + b * d;
        const float *dy = job->dy + b * d;
        double length = job->saved[b];
        bool constant = length < job->eps;
        double dot = 0;
        for (int64_t i = 0; i < d && !constant; i++) dot += (double)unit[i] * dy[i];
        double divisor = constant ? job->eps : length;
        for (int64_t i = 0; i < d; i++) {
            job->dx[b * d + i] = (float)((dy[i] - unit[i] * dot) / divisor);
        }
    }
}

cw_status cw_onednn_l2norm_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                    const cw_tensor *y, const cw_tensor *norm, double eps) {
    CW_TRY(cw_check_l2norm("l2norm_backward", CW_F32, dx, y, norm));
    CW_TRY(cw_check_l2norm("l2norm_backward", CW_F32, dy, y, norm));
    cw_onednn_enter(be);
    rows_job job = {.d = y->shape[1], .rows = y->shape[0], .eps = eps};
    job.dx = dx->data;
    job.dy = dy->data;
    job.x = y->data;
    job.saved = norm->data;
    cw_parallel_for(job.rows, ROW_GRAIN, l2norm_backward_body, &job);
    return CW_OK;
}

/* Loss of row b in nats; the row of dlogits (NULL: not wanted); whether the diagonal wins. */
static double xent_row(const float *row, float *drow, int64_t n, int64_t b, bool *right) {
    float max = row[0];
    int64_t beaten = 0;
    for (int64_t i = 0; i < n; i++) {
        if (row[i] > max) max = row[i];
        if (i != b && row[b] > row[i]) beaten++;
    }
    *right = beaten == n - 1;
    double sum = 0;
    if (drow == NULL) {
        for (int64_t i = 0; i < n; i++) sum += expf(row[i] - max);
        return log(sum) - ((double)row[b] - max);
    }
    for (int64_t i = 0; i < n; i++) {
        drow[i] = expf(row[i] - max);
        sum += drow[i];
    }
    double scale = 1 / (sum * (double)n);
    for (int64_t i = 0; i < n; i++) drow[i] = (float)(drow[i] * scale);
    /* The diagonal as minus the sum of the others keeps its digits when the softmax is near 1. */
    double others = 0;
    for (int64_t i = 0; i < n; i++) others += i == b ? 0 : drow[i];
    drow[b] = (float)-others;
    return log(sum) - ((double)row[b] - max);
}

/* Loss and hits are summed per part of the rows, then over the parts in order: the number of
 * threads changes nothing. */
#define XENT_PARTS 32

typedef struct xent_job {
    const float *logits;
    float *dlogits; /* NULL: not wanted */
    int64_t n;
    double loss[XENT_PARTS];
    int64_t hits[XENT_PARTS];
} xent_job;

static void xent_body(void *context, int64_t begin, int64_t end) {
    xent_job *job = context;
    int64_t n = job->n;
    for (int64_t part = begin; part < end; part++) {
        double loss = 0;
        int64_t hits = 0;
        for (int64_t b = n * part / XENT_PARTS; b < n * (part + 1) / XENT_PARTS; b++) {
            float *drow = job->dlogits != NULL ? job->dlogits + b * n : NULL;
            bool right;
            loss += xent_row(job->logits + b * n, drow, n, b, &right);
            hits += right;
        }
        job->loss[part] = loss;
        job->hits[part] = hits;
    }
}

cw_status cw_onednn_softmax_xent(cw_backend *be, cw_xent_stats *stats, cw_tensor *dlogits,
                                 const cw_tensor *logits) {
    const char *op = "softmax_xent";
    int64_t n = logits->shape[0];
    CW_TRY(cw_check_2d(op, "logits", CW_F32, logits, n, n));
    if (dlogits != NULL) CW_TRY(cw_check_2d(op, "dlogits", CW_F32, dlogits, n, n));
    cw_onednn_enter(be);
    xent_job job = {.logits = logits->data, .n = n};
    job.dlogits = dlogits != NULL ? dlogits->data : NULL;
    cw_parallel_for(XENT_PARTS, n < ROW_GRAIN ? XENT_PARTS : 1, xent_body, &job);
    double loss = 0;
    double hits = 0;
    for (int i = 0; i < XENT_PARTS; i++) {
        loss += job.loss[i];
        hits += (double)job.hits[i];
    }
    stats->loss = loss / (double)n;
    stats->accuracy = hits / (double)n;
    return CW_OK;
}
