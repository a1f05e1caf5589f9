/* The losses of soft actor-critic (Haarnoja et al. 2018) over a minibatch, with their gradients.
 * Small tensors of B elements: computed in double, stored in their own dtype; sums run in index
 * order. q tensors are (B, 1), the others (B). */
#ifndef CW_ALGO_SAC_LOSS_H
#define CW_ALGO_SAC_LOSS_H

#include "tensor/tensor.h"

/* y = r + discount * not_done * (min(q1, q2) - alpha log_prob), eqs 3 and 4. Returns its mean. */
double cw_td_target(cw_tensor *y, const float *reward, const float *not_done, const cw_tensor *q1,
                    const cw_tensor *q2, const cw_tensor *log_prob, double alpha, double discount);

/* mean (q1 - y)^2 + mean (q2 - y)^2; dq_i = 2 (q_i - y) / B. */
double cw_critic_loss(cw_tensor *dq1, cw_tensor *dq2, const cw_tensor *q1, const cw_tensor *q2,
                      const cw_tensor *y);

/* mean (alpha log_prob - min(q1, q2)), eq 9; dq_i = -1/B where q_i is the smaller (half each on a
 * tie, as torch.min). The gradient to log_prob is alpha / B for every sample. */
double cw_actor_loss(cw_tensor *dq1, cw_tensor *dq2, const cw_tensor *q1, const cw_tensor *q2,
                     const cw_tensor *log_prob, double alpha);

/* mean alpha (-log_prob - target_entropy), eq 18; *dlog_alpha has the same value, since the
 * derivative of alpha by log alpha is alpha. */
double cw_alpha_loss(double *dlog_alpha, const cw_tensor *log_prob, double alpha,
                     double target_entropy);

/* Mean of n elements. */
double cw_tensor_mean(const cw_tensor *tensor);

#endif
