/* The squashed Gaussian policy head (Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and
 * Applications", appendix C; bounds of log sd and the 1e-6 as in the released CURL code).
 *   raw (B, 2A) = [mean | s];  log_sd = min + (max - min)/2 (tanh s + 1)
 *   u = mean + exp(log_sd) noise;  action = tanh u
 *   log_prob = sum(-noise^2/2 - log_sd) - A/2 ln 2 pi - sum ln(max(1 - action^2, 0) + 1e-6)
 * Small tensors: computed in double, stored in their own dtype. */
#ifndef CW_NN_POLICY_H
#define CW_NN_POLICY_H

#include "tensor/tensor.h"

typedef struct cw_policy_bounds {
    double log_std_min;
    double log_std_max;
} cw_policy_bounds;

/* action (B, A) and log_prob (B) from raw (B, 2A) and noise (B, A). log_prob may be NULL. */
void cw_policy_forward(cw_tensor *action, cw_tensor *log_prob, const cw_tensor *raw,
                       const float *noise, const cw_policy_bounds *bounds);

/* draw (B, 2A) from daction (B, A) and dlog_prob (the same for every sample). */
void cw_policy_backward(cw_tensor *draw, const cw_tensor *daction, double dlog_prob,
                        const cw_tensor *raw, const float *noise, const cw_policy_bounds *bounds);

/* The deterministic action tanh(mean) (B, A) as f32. */
void cw_policy_mean_action(float *action, const cw_tensor *raw);

#endif
