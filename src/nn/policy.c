#include "nn/policy.h"

#include <math.h>

#define LOG_PROB_EPS    1e-6
#define HALF_LOG_TWO_PI 0.91893853320467274178

/* One action dimension of one sample. */
typedef struct gaussian {
    double tanh_s;
    double log_sd;
    double sd;
    double action;
    double gap; /* max(1 - action^2, 0) */
} gaussian;

static gaussian squash(double mean, double s, double noise, const cw_policy_bounds *bounds) {
    gaussian g;
    g.tanh_s = tanh(s);
    g.log_sd =
        bounds->log_std_min + 0.5 * (bounds->log_std_max - bounds->log_std_min) * (g.tanh_s + 1.0);
    g.sd = exp(g.log_sd);
    g.action = tanh(mean + g.sd * noise);
    g.gap = fmax(1.0 - g.action * g.action, 0.0);
    return g;
}

void cw_policy_forward(cw_tensor *action, cw_tensor *log_prob, const cw_tensor *raw,
                       const float *noise, const cw_policy_bounds *bounds) {
    int64_t batch = action->shape[0], dim = action->shape[1];
    for (int64_t b = 0; b < batch; b++) {
        double sum = 0;
        for (int64_t a = 0; a < dim; a++) {
            double eps = noise[b * dim + a];
            gaussian g = squash(cw_tensor_get(raw, b * 2 * dim + a),
                                cw_tensor_get(raw, b * 2 * dim + dim + a), eps, bounds);
            cw_tensor_set(action, b * dim + a, g.action);
            sum += -0.5 * eps * eps - g.log_sd - HALF_LOG_TWO_PI - log(g.gap + LOG_PROB_EPS);
        }
        if (log_prob != NULL) cw_tensor_set(log_prob, b, sum);
    }
}

void cw_policy_backward(cw_tensor *draw, const cw_tensor *daction, double dlog_prob,
                        const cw_tensor *raw, const float *noise, const cw_policy_bounds *bounds) {
    int64_t batch = daction->shape[0], dim = daction->shape[1];
    double half_range = 0.5 * (bounds->log_std_max - bounds->log_std_min);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t a = 0; a < dim; a++) {
            double eps = noise[b * dim + a];
            int64_t at_mean = b * 2 * dim + a, at_s = at_mean + dim;
            gaussian g = squash(cw_tensor_get(raw, at_mean), cw_tensor_get(raw, at_s), eps, bounds);
            double dlog_gap = 2.0 * g.action / (g.gap + LOG_PROB_EPS);
            double du = (cw_tensor_get(daction, b * dim + a) + dlog_prob * dlog_gap) * g.gap;
            double dlog_sd = du * g.sd * eps - dlog_prob;
            cw_tensor_set(draw, at_mean, du);
            cw_tensor_set(draw, at_s, dlog_sd * half_range * (1.0 - g.tanh_s * g.tanh_s));
        }
    }
}

void cw_policy_mean_action(float *action, const cw_tensor *raw) {
    int64_t batch = raw->shape[0], dim = raw->shape[1] / 2;
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t a = 0; a < dim; a++) {
            action[b * dim + a] = (float)tanh(cw_tensor_get(raw, b * 2 * dim + a));
        }
    }
}
