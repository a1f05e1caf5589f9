/* Part of kernels.h: normalisation and cross-entropy over rows x (B,D). */
#include "backend/ref/ref.h"
#include "base/error.h"
#include "ops/check.h"

#include <math.h>

static cw_status layernorm_forward(cw_backend *be, cw_tensor *y, cw_tensor *stats,
                                   const cw_tensor *x, const cw_tensor *gamma,
                                   const cw_tensor *beta, double eps) {
    CW_TRY(cw_check_layernorm("layernorm_forward", be->dtype, y, x, stats, gamma, beta));
    int64_t d = x->shape[1];
    const REAL *scale = gamma->data;
    const REAL *shift = beta->data;
    for (int64_t b = 0; b < x->shape[0]; b++) {
        const REAL *from = (const REAL *)x->data + b * d;
        REAL *to = (REAL *)y->data + b * d;
        double mean = 0;
        for (int64_t i = 0; i < d; i++) mean += from[i];
        mean /= (double)d;
        double var = 0;
        for (int64_t i = 0; i < d; i++) var += (from[i] - mean) * (from[i] - mean);
        double rstd = 1 / sqrt(var / (double)d + eps);
        for (int64_t i = 0; i < d; i++) {
            to[i] = (REAL)((from[i] - mean) * rstd * scale[i] + shift[i]);
        }
        ((REAL *)stats->data)[2 * b] = (REAL)mean;
        ((REAL *)stats->data)[2 * b + 1] = (REAL)rstd;
    }
    return CW_OK;
}

/* With n = (x - mean) rstd and g = dy gamma:  dx = rstd (g - mean(g) - n mean(g n)). */
static cw_status layernorm_backward(cw_backend *be, cw_tensor *dx, cw_tensor *dgamma,
                                    cw_tensor *dbeta, const cw_tensor *dy, const cw_tensor *x,
                                    const cw_tensor *stats, const cw_tensor *gamma) {
    const char *op = "layernorm_backward";
    CW_TRY(cw_check_layernorm(op, be->dtype, dx, x, stats, dgamma, dbeta));
    CW_TRY(cw_check_layernorm(op, be->dtype, dy, x, stats, gamma, gamma));
    int64_t d = x->shape[1];
    int64_t batch = x->shape[0];
    const REAL *row_stats = stats->data;
    for (int64_t i = 0; i < d; i++) {
        double scale_sum = 0;
        double shift_sum = 0;
        for (int64_t b = 0; b < batch; b++) {
            double n = (((const REAL *)x->data)[b * d + i] - (double)row_stats[2 * b]) *
                       row_stats[2 * b + 1];
            scale_sum += ((const REAL *)dy->data)[b * d + i] * n;
            shift_sum += ((const REAL *)dy->data)[b * d + i];
        }
        ((REAL *)dgamma->data)[i] = (REAL)scale_sum;
        ((REAL *)dbeta->data)[i] = (REAL)shift_sum;
    }
    for (int64_t b = 0; b < batch; b++) {
        const REAL *from = (const REAL *)x->data + b * d;
        const REAL *dfrom = (const REAL *)dy->data + b * d;
        double mean = row_stats[2 * b];
        double rstd = row_stats[2 * b + 1];
        double g_mean = 0;
        double gn_mean = 0;
        for (int64_t i = 0; i < d; i++) {
            double g = (double)dfrom[i] * ((const REAL *)gamma->data)[i];
            g_mean += g;
            gn_mean += g * (from[i] - mean) * rstd;
        }
        g_mean /= (double)d;
        gn_mean /= (double)d;
        for (int64_t i = 0; i < d; i++) {
            double g = (double)dfrom[i] * ((const REAL *)gamma->data)[i];
            double n = (from[i] - mean) * rstd;
            ((REAL *)dx->data)[b * d + i] = (REAL)(rstd * (g - g_mean - n * gn_mean));
        }
    }
    return CW_OK;
}

static cw_status l2norm_forward(cw_backend *be, cw_tensor *y, cw_tensor *norm, const cw_tensor *x,
                                double eps) {
    CW_TRY(cw_check_l2norm("l2norm_forward", be->dtype, y, x, norm));
    int64_t d = x->shape[1];
    for (int64_t b = 0; b < x->shape[0]; b++) {
        const REAL *from = (const REAL *)x->data + b * d;
        double sum = 0;
        for (int64_t i = 0; i < d; i++) sum += (double)from[i] * from[i];
        double length = sqrt(sum);
        double divisor = length < eps ? eps : length;
        for (int64_t i = 0; i < d; i++) ((REAL *)y->data)[b * d + i] = (REAL)(from[i] / divisor);
        ((REAL *)norm->data)[b] = (REAL)length;
    }
    return CW_OK;
}

/* dx = (dy - y (y . dy)) / |x|; below eps the divisor is a constant. */
static cw_status l2norm_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                 const cw_tensor *y, const cw_tensor *norm, double eps) {
    CW_TRY(cw_check_l2norm("l2norm_backward", be->dtype, dx, y, norm));
    CW_TRY(cw_check_l2norm("l2norm_backward", be->dtype, dy, y, norm));
    int64_t d = y->shape[1];
    for (int64_t b = 0; b < y->shape[0]; b++) {
        const REAL *unit = (const REAL *)y->data + b * d;
        const REAL *from = (const REAL *)dy->data + b * d;
        double length = ((const REAL *)norm->data)[b];
        bool constant = length < eps;
        double dot = 0;
        for (int64_t i = 0; i < d && !constant; i++) dot += (double)unit[i] * from[i];
        double divisor = constant ? eps : length;
        for (int64_t i = 0; i < d; i++) {
            ((REAL *)dx->data)[b * d + i] = (REAL)((from[i] - unit[i] * dot) / divisor);
        }
    }
    return CW_OK;
}

static cw_status softmax_xent(cw_backend *be, cw_xent_stats *stats, cw_tensor *dlogits,
                              const cw_tensor *logits) {
    const char *op = "softmax_xent";
    int64_t n = logits->shape[0];
    CW_TRY(cw_check_2d(op, "logits", be->dtype, logits, n, n));
    if (dlogits != NULL) CW_TRY(cw_check_2d(op, "dlogits", be->dtype, dlogits, n, n));
    double loss = 0;
    int64_t right = 0;
    for (int64_t b = 0; b < n; b++) {
        const REAL *row = (const REAL *)logits->data + b * n;
        double max = row[0];
        int64_t beaten = 0;
        for (int64_t i = 0; i < n; i++) {
            if (row[i] > max) max = row[i];
            if (i != b && row[b] > row[i]) beaten++;
        }
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += exp(row[i] - max);
        loss += log(sum) - (row[b] - max);
        if (beaten == n - 1) right++;
        for (int64_t i = 0; dlogits != NULL && i < n; i++) {
            double share = exp(row[i] - max) / sum - (i == b ? 1 : 0);
            ((REAL *)dlogits->data)[b * n + i] = (REAL)(share / (double)n);
        }
    }
    stats->loss = loss / (double)n;
    stats->accuracy = (double)right / (double)n;
    return CW_OK;
}
