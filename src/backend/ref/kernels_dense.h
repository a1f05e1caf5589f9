/* Part of kernels.h: matrix products and elementwise loops. */
#include "backend/ref/ref.h"
#include "base/error.h"
#include "ops/check.h"

#include <math.h>

/* y = x w' + b: rows of x against rows of w. */
static cw_status linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                const cw_tensor *w, const cw_tensor *b, bool relu) {
    CW_TRY(cw_check_linear("linear_forward", be->dtype, y, x, be->dtype, w, b));
    int64_t inputs = x->shape[1];
    int64_t outputs = w->shape[0];
    REAL *to = y->data;
    for (int64_t i = 0; i < x->shape[0]; i++) {
        const REAL *row = (const REAL *)x->data + i * inputs;
        for (int64_t n = 0; n < outputs; n++) {
            const REAL *weight = (const REAL *)w->data + n * inputs;
            double sum = b != NULL ? ((const REAL *)b->data)[n] : 0;
            for (int64_t m = 0; m < inputs; m++) sum += (double)row[m] * weight[m];
            *to++ = (REAL)(relu && sum < 0 ? 0 : sum);
        }
    }
    return CW_OK;
}

static cw_status linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                      const cw_tensor *w) {
    CW_TRY(cw_check_linear("linear_backward_data", be->dtype, dy, dx, be->dtype, w, NULL));
    int64_t inputs = dx->shape[1];
    int64_t outputs = w->shape[0];
    REAL *to = dx->data;
    for (int64_t i = 0; i < dx->shape[0]; i++) {
        const REAL *row = (const REAL *)dy->data + i * outputs;
        for (int64_t m = 0; m < inputs; m++) {
            double sum = 0;
            for (int64_t n = 0; n < outputs; n++) {
                sum += (double)row[n] * ((const REAL *)w->data)[n * inputs + m];
            }
            *to++ = (REAL)sum;
        }
    }
    return CW_OK;
}

static cw_status linear_backward_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                         const cw_tensor *dy, const cw_tensor *x) {
    CW_TRY(cw_check_linear("linear_backward_weights", be->dtype, dy, x, be->dtype, dw, db));
    int64_t inputs = x->shape[1];
    int64_t outputs = dw->shape[0];
    int64_t batch = x->shape[0];
    const REAL *from = dy->data;
    REAL *to = dw->data;
    for (int64_t n = 0; n < outputs; n++) {
        for (int64_t m = 0; m < inputs; m++) {
            double sum = 0;
            for (int64_t i = 0; i < batch; i++) {
                sum += (double)from[i * outputs + n] * ((const REAL *)x->data)[i * inputs + m];
            }
            *to++ = (REAL)sum;
        }
    }
    for (int64_t n = 0; db != NULL && n < outputs; n++) {
        double sum = 0;
        for (int64_t i = 0; i < batch; i++) sum += from[i * outputs + n];
        ((REAL *)db->data)[n] = (REAL)sum;
    }
    return CW_OK;
}

static cw_status matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                        const cw_tensor *b, bool b_transposed) {
    int64_t sums;
    CW_TRY(cw_check_matmul(be->dtype, c, a, a_transposed, b, b_transposed, &sums));
    int64_t m = c->shape[0];
    int64_t n = c->shape[1];
    const REAL *pa = a->data;
    const REAL *pb = b->data;
    REAL *to = c->data;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < sums; k++) {
                double left = a_transposed ? pa[k * m + i] : pa[i * sums + k];
                double right = b_transposed ? pb[j * sums + k] : pb[k * n + j];
                sum += left * right;
            }
            *to++ = (REAL)sum;
        }
    }
    return CW_OK;
}

static cw_status relu_backward(cw_backend *be, cw_tensor *dy, const cw_tensor *y) {
    int64_t n = cw_tensor_count(y);
    CW_TRY(cw_check_count("relu_backward", "y", be->dtype, y, n));
    CW_TRY(cw_check_count("relu_backward", "dy", be->dtype, dy, n));
    for (int64_t i = 0; i < n; i++) {
        if (!(((const REAL *)y->data)[i] > 0)) ((REAL *)dy->data)[i] = 0;
    }
    return CW_OK;
}

static cw_status tanh_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x) {
    int64_t n = cw_tensor_count(x);
    CW_TRY(cw_check_count("tanh_forward", "x", be->dtype, x, n));
    CW_TRY(cw_check_count("tanh_forward", "y", be->dtype, y, n));
    for (int64_t i = 0; i < n; i++) {
        ((REAL *)y->data)[i] = (REAL)tanh((double)((const REAL *)x->data)[i]);
    }
    return CW_OK;
}

static cw_status tanh_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                               const cw_tensor *y) {
    int64_t n = cw_tensor_count(y);
    CW_TRY(cw_check_count("tanh_backward", "y", be->dtype, y, n));
    CW_TRY(cw_check_count("tanh_backward", "dy", be->dtype, dy, n));
    CW_TRY(cw_check_count("tanh_backward", "dx", be->dtype, dx, n));
    for (int64_t i = 0; i < n; i++) {
        double t = ((const REAL *)y->data)[i];
        ((REAL *)dx->data)[i] = (REAL)(((const REAL *)dy->data)[i] * (1 - t * t));
    }
    return CW_OK;
}

static cw_status add(cw_backend *be, cw_tensor *y, const cw_tensor *x) {
    int64_t n = cw_tensor_count(x);
    CW_TRY(cw_check_count("add", "x", be->dtype, x, n));
    CW_TRY(cw_check_count("add", "y", be->dtype, y, n));
    for (int64_t i = 0; i < n; i++) ((REAL *)y->data)[i] += ((const REAL *)x->data)[i];
    return CW_OK;
}

static cw_status adam_step(cw_backend *be, void *param, void *m, void *v, const void *grad,
                           size_t n, const cw_adam *adam) {
    (void)be;
    CW_TRY(cw_check_adam(adam));
    double step = adam->lr / (1 - pow(adam->beta1, (double)adam->t));
    double root = sqrt(1 - pow(adam->beta2, (double)adam->t));
    for (size_t i = 0; i < n; i++) {
        double g = ((const REAL *)grad)[i];
        double mi = adam->beta1 * ((REAL *)m)[i] + (1 - adam->beta1) * g;
        double vi = adam->beta2 * ((REAL *)v)[i] + (1 - adam->beta2) * g * g;
        double change = step * mi / (sqrt(vi) / root + adam->eps);
        ((REAL *)m)[i] = (REAL)mi;
        ((REAL *)v)[i] = (REAL)vi;
        for (int k = 0; k < adam->repeat; k++) {
            ((REAL *)param)[i] = (REAL)(((REAL *)param)[i] - change);
        }
    }
    return CW_OK;
}

static cw_status ema(cw_backend *be, void *target, const void *source, size_t n, double tau) {
    (void)be;
    for (size_t i = 0; i < n; i++) {
        double mixed = tau * ((const REAL *)source)[i] + (1 - tau) * ((REAL *)target)[i];
        ((REAL *)target)[i] = (REAL)mixed;
    }
    return CW_OK;
}
