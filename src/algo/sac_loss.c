#include "algo/sac_loss.h"

#include <math.h>

double cw_td_target(cw_tensor *y, const float *reward, const float *not_done, const cw_tensor *q1,
                    const cw_tensor *q2, const cw_tensor *log_prob, double alpha, double discount) {
    int64_t batch = y->shape[0];
    double sum = 0;
    for (int64_t i = 0; i < batch; i++) {
        double value =
            fmin(cw_tensor_get(q1, i), cw_tensor_get(q2, i)) - alpha * cw_tensor_get(log_prob, i);
        double target = (double)reward[i] + discount * (double)not_done[i] * value;
        cw_tensor_set(y, i, target);
        sum += target;
    }
    return sum / (double)batch;
}

double cw_critic_loss(cw_tensor *dq1, cw_tensor *dq2, const cw_tensor *q1, const cw_tensor *q2,
                      const cw_tensor *y) {
    int64_t batch = y->shape[0];
    double loss = 0;
    for (int64_t i = 0; i < batch; i++) {
        double target = cw_tensor_get(y, i);
        double error1 = cw_tensor_get(q1, i) - target;
        double error2 = cw_tensor_get(q2, i) - target;
        cw_tensor_set(dq1, i, 2.0 * error1 / (double)batch);
        cw_tensor_set(dq2, i, 2.0 * error2 / (double)batch);
        loss += error1 * error1 + error2 * error2;
    }
    return loss / (double)batch;
}

double cw_actor_loss(cw_tensor *dq1, cw_tensor *dq2, const cw_tensor *q1, const cw_tensor *q2,
                     const cw_tensor *log_prob, double alpha) {
    int64_t batch = log_prob->shape[0];
    double loss = 0;
    for (int64_t i = 0; i < batch; i++) {
        double value1 = cw_tensor_get(q1, i), value2 = cw_tensor_get(q2, i);
        double share1 = value1 < value2 ? 1.0 : value1 > value2 ? 0.0 : 0.5;
        cw_tensor_set(dq1, i, -share1 / (double)batch);
        cw_tensor_set(dq2, i, (share1 - 1.0) / (double)batch);
        loss += alpha * cw_tensor_get(log_prob, i) - fmin(value1, value2);
    }
    return loss / (double)batch;
}

double cw_alpha_loss(double *dlog_alpha, const cw_tensor *log_prob, double alpha,
                     double target_entropy) {
    double loss = alpha * (-cw_tensor_mean(log_prob) - target_entropy);
    *dlog_alpha = loss;
    return loss;
}

double cw_tensor_mean(const cw_tensor *tensor) {
    int64_t n = cw_tensor_count(tensor);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += cw_tensor_get(tensor, i);
    return sum / (double)n;
}
