/* One update, in the order that the settings ask for; docs/algorithm.md walks through it.
 *
 *   joint:       TD target -> critic and contrastive gradients, one backward pass, one step
 *                -> actor and temperature on the same features -> targets -> key encoder
 *   sequential:  TD target -> critic step -> actor and temperature -> targets -> contrastive step
 *                (the order of curl_sac.py in the released code) -> key encoder
 *
 * No stack is encoded twice with the same weights: in the sequential order the actor and the
 * contrastive loss share the anchors' features, in the joint order critic, actor and contrastive
 * loss do. */
#include "algo/agent_impl.h"
#include "algo/sac_loss.h"
#include "base/clock.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

#define ADAM_EPS 1e-8 /* PyTorch's default */
#define SMALL_GRADIENT                                                                             \
    16384 /* elements that are looked at for infinities; a convolution's, too                      \
           */

/* Runs a call that returns cw_status and adds its time to a phase. */
#define TIMED(agent, phase, call)                                                                  \
    do {                                                                                           \
        double timed_from_ = cw_clock_s();                                                         \
        cw_status timed_status_ = (call);                                                          \
        (agent)->seconds[phase] += cw_clock_s() - timed_from_;                                     \
        if (timed_status_ != CW_OK) return timed_status_;                                          \
    } while (0)

/* ---------------------------------------------------------------- encoding */

/* Forward pass of the convolutions in the training net on the stacks of `images` (NULL: those
 * already loaded), with the online weights. */
static cw_status convs_train(cw_agent *agent, void *acts, cw_tensor *features,
                             const cw_image_batch *images) {
    const cw_ops *ops = agent->be->ops;
    cw_workspace *w = &agent->w;
    if (images != NULL) {
        TIMED(agent, CW_PHASE_INPUT, ops->convnet_input(agent->train_net, acts, images));
    }
    TIMED(agent, CW_PHASE_CONV_FORWARD,
          ops->convnet_pack(agent->train_net, w->packed_train, agent->values.convs));
    TIMED(agent, CW_PHASE_CONV_FORWARD,
          ops->convnet_forward(agent->train_net, features, acts, w->packed_train, w->scratch));
    return CW_OK;
}

/* Forward pass without a later backward pass, with any weights. */
static cw_status convs_infer(cw_agent *agent, const void *convs, const cw_image_batch *images) {
    const cw_ops *ops = agent->be->ops;
    cw_workspace *w = &agent->w;
    if (images != NULL) {
        TIMED(agent, CW_PHASE_INPUT, ops->convnet_input(agent->infer_net, w->acts_other, images));
    }
    TIMED(agent, CW_PHASE_CONV_FORWARD,
          ops->convnet_pack(agent->infer_net, w->packed_infer, convs));
    TIMED(agent, CW_PHASE_CONV_FORWARD,
          ops->convnet_forward(agent->infer_net, &w->features_other, w->acts_other, w->packed_infer,
                               w->scratch));
    return CW_OK;
}

static cw_status head(cw_agent *agent, cw_head_acts *acts, const cw_head_params *params,
                      const cw_tensor *features) {
    TIMED(agent, CW_PHASE_HEAD,
          cw_head_forward(agent->be, &agent->layout.head, acts, params, features));
    return CW_OK;
}

/* The query encoder on the anchor view: features_obs and obs.z. */
static cw_status encode_obs(cw_agent *agent, const cw_image_batch *images) {
    cw_workspace *w = &agent->w;
    CW_TRY(convs_train(agent, w->acts_obs, &w->features_obs, images));
    return head(agent, &w->obs, &agent->values.head, &w->features_obs);
}

/* The same stacks with the newest frame in every place (ablation "single-frame contrast"). */
static cw_image_batch single_frame_view(cw_agent *agent, const cw_image_batch *images) {
    cw_image_batch view = *images;
    for (int64_t i = 0; i < images->n; i++) {
        for (int64_t k = 0; k < images->stack; k++) {
            agent->w.single_frames[i * images->stack + k] =
                images->frames[(i + 1) * images->stack - 1];
        }
    }
    view.frames = agent->w.single_frames;
    return view;
}

/* ---------------------------------------------------------------- Qs */

/* q_input = [z | action]. */
static void join_features_action(cw_tensor *joined, const cw_tensor *z, const cw_tensor *action) {
    int64_t batch = z->shape[0], features = z->shape[1], dim = action->shape[1];
    for (int64_t b = 0; b < batch; b++) {
        int64_t row = b * (features + dim);
        for (int64_t i = 0; i < features; i++) {
            cw_tensor_set(joined, row + i, cw_tensor_get(z, b * features + i));
        }
        for (int64_t i = 0; i < dim; i++) {
            cw_tensor_set(joined, row + features + i, cw_tensor_get(action, b * dim + i));
        }
    }
}

/* part (B, n) = columns [first, first + n) of the sum of both Qs' input gradients. */
static void sum_input_gradients(cw_tensor *part, const cw_workspace *w, int64_t first) {
    int64_t batch = part->shape[0], n = part->shape[1], width = w->dq_input[0].shape[1];
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t i = 0; i < n; i++) {
            int64_t at = b * width + first + i;
            cw_tensor_set(part, b * n + i,
                          cw_tensor_get(&w->dq_input[0], at) + cw_tensor_get(&w->dq_input[1], at));
        }
    }
}

static cw_status q_forward(cw_agent *agent, const cw_mlp_params params[2], const cw_tensor *z,
                           const cw_tensor *action) {
    cw_workspace *w = &agent->w;
    join_features_action(&w->q_input, z, action);
    for (int i = 0; i < 2; i++) {
        TIMED(agent, CW_PHASE_LOSS, cw_mlp_forward(agent->be, &w->q[i], &params[i], &w->q_input));
    }
    return CW_OK;
}

/* From dq: input gradients of both Qs, and parameter gradients where wanted. */
static cw_status q_backward(cw_agent *agent, bool want_params) {
    cw_workspace *w = &agent->w;
    for (int i = 0; i < 2; i++) {
        TIMED(agent, CW_PHASE_LOSS,
              cw_mlp_backward(agent->be, want_params ? &agent->grads.q[i] : NULL, &w->dq_input[i],
                              &w->dq[i], &w->q[i], &agent->values.q[i], &w->q_input));
    }
    return CW_OK;
}

/* ---------------------------------------------------------------- optimisers */

/* Looks at the small gradients only: those of the biases are sums over the minibatch of what the
 * large matrices' gradients are made of, so what is not finite shows in them. */
static cw_status check_gradients(const cw_agent *agent, cw_range range) {
    const cw_param_table *table = &agent->layout.online;
    for (int i = 0; i < table->n; i++) {
        const cw_param *param = &table->row[i];
        if (param->offset < range.begin || param->offset >= range.begin + range.count) continue;
        if (param->count > SMALL_GRADIENT) continue;
        cw_tensor grad = cw_params_view(param, agent->be->dtype, agent->grad);
        if (cw_tensor_finite(&grad)) continue;
        return cw_fail(CW_EDIVERGED, "update %lld: the gradient of %s is not finite",
                       (long long)agent->step, param->name);
    }
    return CW_OK;
}

/* An Adam step on part of an optimiser's range, without advancing its step number. */
static cw_status adam_range(cw_agent *agent, cw_optimiser *opt, cw_range range, int repeat) {
    cw_dtype dtype = agent->be->dtype;
    size_t inside = range.begin - opt->range.begin;
    cw_adam adam = {.lr = opt->lr,
                    .beta1 = opt->beta1,
                    .beta2 = opt->beta2,
                    .eps = ADAM_EPS,
                    .t = opt->t,
                    .repeat = repeat};
    TIMED(agent, CW_PHASE_OPTIMISER, check_gradients(agent, range));
    TIMED(agent, CW_PHASE_OPTIMISER,
          agent->be->ops->adam(agent->be, cw_flat_at(agent->value, dtype, range.begin),
                               cw_flat_at(opt->m, dtype, inside), cw_flat_at(opt->v, dtype, inside),
                               cw_flat_at(agent->grad, dtype, range.begin), range.count, &adam));
    return CW_OK;
}

static cw_status adam_step(cw_agent *agent, cw_optimiser *opt) {
    opt->t++;
    return adam_range(agent, opt, opt->range, 1);
}

/* target range = tau * online range + (1 - tau) * target range. */
static cw_status momentum(cw_agent *agent, cw_range target, size_t online_begin, double tau) {
    if (target.count == 0) return CW_OK;
    cw_dtype dtype = agent->be->dtype;
    TIMED(agent, CW_PHASE_OPTIMISER,
          agent->be->ops->ema(agent->be, cw_flat_at(agent->target, dtype, target.begin),
                              cw_flat_at(agent->value, dtype, online_begin), target.count, tau));
    return CW_OK;
}

/* ---------------------------------------------------------------- encoder gradients */

static cw_status convs_backward(cw_agent *agent, void *dconvs, void *acts,
                                const cw_tensor *features) {
    cw_workspace *w = &agent->w;
    TIMED(agent, CW_PHASE_CONV_BACKWARD,
          agent->be->ops->convnet_backward(agent->train_net, dconvs, acts, w->packed_train,
                                           features, &w->dfeatures, w->scratch));
    return CW_OK;
}

static cw_status head_backward(cw_agent *agent, cw_head_params *grads, cw_tensor *dfeatures,
                               const cw_tensor *dz, cw_head_acts *acts, const cw_tensor *features) {
    TIMED(agent, CW_PHASE_HEAD,
          cw_head_backward(agent->be, &agent->layout.head, grads, dfeatures, dz, acts,
                           &agent->values.head, features, &agent->w.head_unused));
    return CW_OK;
}

static void zero_conv_gradient(cw_agent *agent) {
    size_t n = (size_t)cw_convnet_param_count(&agent->layout.conv);
    memset(agent->grads.convs, 0, n * cw_dtype_bytes(agent->be->dtype));
}

/* Gradients of the query encoder from the TD gradient w->dz alone. */
static cw_status encoder_backward_td(cw_agent *agent) {
    cw_workspace *w = &agent->w;
    bool detach = agent->spec.critic.detach_encoder;
    CW_TRY(head_backward(agent, &agent->grads.head, detach ? NULL : &w->dfeatures, &w->dz, &w->obs,
                         &w->features_obs));
    if (!detach) return convs_backward(agent, agent->grads.convs, w->acts_obs, &w->features_obs);
    zero_conv_gradient(agent);
    return CW_OK;
}

/* Gradients of the query encoder from the contrastive gradient alone, on the anchors in
 * features_obs. */
static cw_status encoder_backward_contrast(cw_agent *agent) {
    cw_workspace *w = &agent->w;
    CW_TRY(head_backward(agent, &agent->grads.head, &w->dfeatures, &w->dz_contrast, &w->obs,
                         &w->features_obs));
    return convs_backward(agent, agent->grads.convs, w->acts_obs, &w->features_obs);
}

/* Gradients from both losses at the same anchors, in one pass. */
static cw_status encoder_backward_joint(cw_agent *agent) {
    cw_workspace *w = &agent->w;
    TIMED(agent, CW_PHASE_LOSS, agent->be->ops->add(agent->be, &w->dz, &w->dz_contrast));
    bool detach = agent->spec.critic.detach_encoder;
    CW_TRY(head_backward(agent, &agent->grads.head, detach ? NULL : &w->dfeatures, &w->dz, &w->obs,
                         &w->features_obs));
    if (detach) { /* the convolutions see the contrastive part only */
        CW_TRY(
            head_backward(agent, NULL, &w->dfeatures, &w->dz_contrast, &w->obs, &w->features_obs));
    }
    return convs_backward(agent, agent->grads.convs, w->acts_obs, &w->features_obs);
}

/* Adds the gradients of a second encoder pass, over the single-frame anchors. */
static cw_status encoder_backward_extra(cw_agent *agent) {
    cw_workspace *w = &agent->w;
    cw_dtype dtype = agent->be->dtype;
    CW_TRY(head_backward(agent, &agent->extras.head, &w->dfeatures, &w->dz_contrast, &w->contrast,
                         &w->features_contrast));
    CW_TRY(convs_backward(agent, agent->extras.convs, w->acts_contrast, &w->features_contrast));
    cw_range range = agent->layout.encoder;
    cw_tensor sum =
        cw_tensor_1d(dtype, cw_flat_at(agent->grad, dtype, range.begin), (int64_t)range.count);
    cw_tensor extra =
        cw_tensor_1d(dtype, cw_flat_at(agent->extra, dtype, range.begin), (int64_t)range.count);
    TIMED(agent, CW_PHASE_OPTIMISER, agent->be->ops->add(agent->be, &sum, &extra));
    return CW_OK;
}

/* ---------------------------------------------------------------- losses */

/* Losses are checked before the step that they drive, so a bad one changes no parameter of its own.
 */
static cw_status check_finite(const cw_agent *agent, const char *name, double value) {
    if (isfinite(value)) return CW_OK;
    return cw_fail(CW_EDIVERGED, "update %lld: the %s is not a finite number (%g)",
                   (long long)agent->step, name, value);
}

static double alpha_of(const cw_agent *agent) {
    return exp(cw_tensor_get(&agent->values.log_alpha, 0));
}

static cw_status td_target(cw_agent *agent, const cw_minibatch *batch, cw_update_stats *out) {
    cw_workspace *w = &agent->w;
    const cw_agent_spec *spec = &agent->spec;
    bool own_actor_head = spec->actor.encoder == CW_ACTOR_OWN_HEAD;
    bool own_target = spec->critic.target_encoder == CW_TARGET_OWN;
    cw_policy_bounds bounds = {spec->actor.log_std_min, spec->actor.log_std_max};

    CW_TRY(convs_infer(agent, agent->values.convs, &batch->next_obs));
    const cw_tensor *z_actor = own_actor_head ? &w->actor_next.z : &w->other.z;
    if (own_actor_head) {
        CW_TRY(head(agent, &w->actor_next, &agent->values.actor_head, &w->features_other));
    }
    if (!own_actor_head || !own_target) {
        CW_TRY(head(agent, &w->other, &agent->values.head, &w->features_other));
    }
    TIMED(agent, CW_PHASE_LOSS,
          cw_mlp_forward(agent->be, &w->trunk, &agent->values.trunk, z_actor));
    cw_policy_forward(&w->action, &w->log_prob, &w->trunk.out, batch->noise_next, &bounds);

    if (own_target) {
        CW_TRY(convs_infer(agent, agent->targets.convs, NULL));
        CW_TRY(head(agent, &w->other, &agent->targets.head, &w->features_other));
    }
    CW_TRY(q_forward(agent, agent->targets.q, &w->other.z, &w->action));
    out->target_mean =
        cw_td_target(&w->y, batch->reward, batch->not_done, &w->q[0].out, &w->q[1].out,
                     &w->log_prob, alpha_of(agent), spec->sac.discount);
    return check_finite(agent, "TD target", out->target_mean);
}

/* Critic loss on obs.z: gradients of both Qs, and w->dz. */
static cw_status critic_gradient(cw_agent *agent, const cw_minibatch *batch, cw_update_stats *out) {
    cw_workspace *w = &agent->w;
    int64_t n = batch->n * batch->action_dim;
    for (int64_t i = 0; i < n; i++) cw_tensor_set(&w->action, i, (double)batch->action[i]);
    CW_TRY(q_forward(agent, agent->values.q, &w->obs.z, &w->action));
    out->critic_loss = cw_critic_loss(&w->dq[0], &w->dq[1], &w->q[0].out, &w->q[1].out, &w->y);
    CW_TRY(check_finite(agent, "critic loss", out->critic_loss));
    out->q_mean = 0.5 * (cw_tensor_mean(&w->q[0].out) + cw_tensor_mean(&w->q[1].out));
    CW_TRY(q_backward(agent, true));
    sum_input_gradients(&w->dz, w, 0);
    return CW_OK;
}

/* The keys: features of the positive view, in w->other.z. */
static cw_status encode_keys(cw_agent *agent, const cw_minibatch *batch) {
    cw_workspace *w = &agent->w;
    const void *convs = agent->targets.key_convs;
    const cw_head_params *params = &agent->targets.key_head;
    if (agent->spec.curl.key_encoder == CW_KEY_CRITIC_TARGET) {
        convs = agent->targets.convs;
        params = &agent->targets.head;
    } else if (agent->spec.curl.key_encoder == CW_KEY_QUERY) {
        convs = agent->values.convs;
        params = &agent->values.head;
    }
    cw_image_batch images = batch->pos;
    if (agent->spec.curl.single_frame) images = single_frame_view(agent, &batch->pos);
    CW_TRY(convs_infer(agent, convs, &images));
    return head(agent, &w->other, params, &w->features_other);
}

/* InfoNCE between the anchors z and the keys: w->dz_contrast and the gradient of W. */
static cw_status contrast_gradient(cw_agent *agent, const cw_minibatch *batch, const cw_tensor *z,
                                   cw_update_stats *out) {
    cw_workspace *w = &agent->w;
    CW_TRY(encode_keys(agent, batch));
    cw_xent_stats stats;
    TIMED(agent, CW_PHASE_LOSS,
          cw_contrast_loss(agent->be, &stats, &w->dz_contrast, &agent->grads.w, &w->infonce, z,
                           &w->other.z, &agent->values.w, &agent->spec.curl));
    out->curl_loss = stats.loss;
    out->curl_accuracy = stats.accuracy;
    return check_finite(agent, "contrastive loss", out->curl_loss);
}

/* ---------------------------------------------------------------- steps */

static cw_status joint_step(cw_agent *agent, const cw_minibatch *batch, cw_update_stats *out) {
    cw_workspace *w = &agent->w;
    const cw_curl_settings *curl = &agent->spec.curl;
    if (!curl->enabled) {
        CW_TRY(encoder_backward_td(agent));
    } else if (!curl->single_frame) {
        CW_TRY(contrast_gradient(agent, batch, &w->obs.z, out));
        CW_TRY(encoder_backward_joint(agent));
    } else {
        CW_TRY(encoder_backward_td(agent));
        cw_image_batch single = single_frame_view(agent, &batch->obs);
        CW_TRY(convs_train(agent, w->acts_contrast, &w->features_contrast, &single));
        CW_TRY(head(agent, &w->contrast, &agent->values.head, &w->features_contrast));
        CW_TRY(contrast_gradient(agent, batch, &w->contrast.z, out));
        CW_TRY(encoder_backward_extra(agent));
    }
    CW_TRY(adam_step(agent, agent->curl_opt));
    return adam_step(agent, agent->critic_opt);
}

/* Actor and temperature on the features that obs holds. */
static cw_status actor_step(cw_agent *agent, const cw_minibatch *batch, cw_update_stats *out) {
    cw_workspace *w = &agent->w;
    const cw_agent_spec *spec = &agent->spec;
    bool own_head = spec->actor.encoder == CW_ACTOR_OWN_HEAD;
    cw_policy_bounds bounds = {spec->actor.log_std_min, spec->actor.log_std_max};
    const cw_tensor *z = &w->obs.z;
    if (own_head) {
        CW_TRY(head(agent, &w->actor, &agent->values.actor_head, &w->features_obs));
        z = &w->actor.z;
    }
    TIMED(agent, CW_PHASE_LOSS, cw_mlp_forward(agent->be, &w->trunk, &agent->values.trunk, z));
    cw_policy_forward(&w->action, &w->log_prob, &w->trunk.out, batch->noise_actor, &bounds);
    CW_TRY(q_forward(agent, agent->values.q, &w->obs.z, &w->action));

    double alpha = alpha_of(agent), dlog_alpha;
    out->actor_loss =
        cw_actor_loss(&w->dq[0], &w->dq[1], &w->q[0].out, &w->q[1].out, &w->log_prob, alpha);
    out->entropy = -cw_tensor_mean(&w->log_prob);
    double target_entropy =
        spec->sac.auto_target_entropy ? -(double)spec->action_dim : spec->sac.target_entropy;
    out->alpha_loss = cw_alpha_loss(&dlog_alpha, &w->log_prob, alpha, target_entropy);
    cw_tensor_set(&agent->grads.log_alpha, 0, dlog_alpha);
    CW_TRY(check_finite(agent, "actor loss", out->actor_loss));
    CW_TRY(check_finite(agent, "temperature loss", out->alpha_loss));

    CW_TRY(q_backward(agent, false));
    sum_input_gradients(&w->daction, w, agent->layout.head.features);
    cw_policy_backward(&w->draw, &w->daction, alpha / (double)batch->n, &w->trunk.out,
                       batch->noise_actor, &bounds);
    TIMED(agent, CW_PHASE_LOSS,
          cw_mlp_backward(agent->be, &agent->grads.trunk, own_head ? &w->dz_actor : NULL, &w->draw,
                          &w->trunk, &agent->values.trunk, z));
    if (own_head) {
        TIMED(agent, CW_PHASE_HEAD,
              cw_head_backward(agent->be, &agent->layout.head, &agent->grads.actor_head, NULL,
                               &w->dz_actor, &w->actor, &agent->values.actor_head, &w->features_obs,
                               &w->head_unused));
    }
    CW_TRY(adam_step(agent, agent->actor_opt));
    return adam_step(agent, agent->alpha_opt);
}

static cw_status target_step(cw_agent *agent) {
    const cw_layout *l = &agent->layout;
    const cw_critic_settings *critic = &agent->spec.critic;
    CW_TRY(momentum(agent, l->target_q, l->q_range.begin, critic->tau));
    return momentum(agent, l->target_encoder, l->encoder.begin, critic->encoder_tau);
}

/* The contrastive loss as a step of its own; obs holds the anchors' features already unless the
 * anchors are single frames. */
static cw_status contrast_step(cw_agent *agent, const cw_minibatch *batch, cw_update_stats *out) {
    cw_optimiser *opt = agent->curl_opt;
    if (agent->spec.curl.single_frame) {
        cw_image_batch single = single_frame_view(agent, &batch->obs);
        CW_TRY(encode_obs(agent, &single));
    }
    CW_TRY(contrast_gradient(agent, batch, &agent->w.obs.z, out));
    CW_TRY(encoder_backward_contrast(agent));
    opt->t++;
    CW_TRY(adam_range(agent, opt, agent->layout.w, 1));
    return adam_range(agent, opt, agent->layout.encoder, agent->spec.curl.encoder_steps);
}

/* ---------------------------------------------------------------- the update */

static cw_status check_minibatch(const cw_agent *agent, const cw_minibatch *batch) {
    const cw_agent_spec *spec = &agent->spec;
    if (batch->n != spec->update.batch_size || batch->action_dim != spec->action_dim) {
        return cw_fail(CW_EINVAL,
                       "the minibatch has %lld samples of %lld action dimensions; this agent was "
                       "made for %d of %d",
                       (long long)batch->n, (long long)batch->action_dim, spec->update.batch_size,
                       spec->action_dim);
    }
    return CW_OK;
}

static double mean_reward(const cw_minibatch *batch) {
    double sum = 0;
    for (int64_t i = 0; i < batch->n; i++) sum += (double)batch->reward[i];
    return sum / (double)batch->n;
}

cw_status cw_agent_update(cw_agent *agent, const cw_minibatch *batch, int64_t step,
                          cw_update_stats *out) {
    CW_TRY(check_minibatch(agent, batch));
    const cw_agent_spec *spec = &agent->spec;
    bool joint = spec->update.order == CW_ORDER_JOINT;
    bool actor_due = step % spec->actor.update_every == 0;
    bool target_due = step % spec->critic.target_every == 0;
    bool key_due = step % spec->curl.key_every == 0;
    cw_update_stats stats = {.actor_loss = NAN,
                             .alpha_loss = NAN,
                             .curl_loss = NAN,
                             .curl_accuracy = NAN,
                             .entropy = NAN};
    agent->step = step;
    stats.alpha = alpha_of(agent);
    stats.reward_mean = mean_reward(batch);

    CW_TRY(td_target(agent, batch, &stats));
    CW_TRY(encode_obs(agent, &batch->obs));
    CW_TRY(critic_gradient(agent, batch, &stats));
    if (joint) {
        CW_TRY(joint_step(agent, batch, &stats));
    } else {
        CW_TRY(encoder_backward_td(agent));
        CW_TRY(adam_step(agent, agent->critic_opt));
        bool shared_anchor = spec->curl.enabled && !spec->curl.single_frame;
        if (actor_due || shared_anchor) CW_TRY(encode_obs(agent, NULL));
    }
    if (actor_due) CW_TRY(actor_step(agent, batch, &stats));
    if (target_due) CW_TRY(target_step(agent));
    if (!joint && spec->curl.enabled) CW_TRY(contrast_step(agent, batch, &stats));
    if (key_due) {
        CW_TRY(momentum(agent, agent->layout.key_encoder, agent->layout.encoder.begin,
                        spec->curl.key_tau));
    }
    *out = stats;
    return CW_OK;
}

cw_status cw_agent_contrast(cw_agent *agent, const cw_minibatch *batch, cw_contrast_view *out) {
    CW_TRY(check_minibatch(agent, batch));
    double seconds[CW_PHASE_COUNT];
    memcpy(seconds, agent->seconds, sizeof seconds); /* those of updates */
    cw_update_stats stats = {.curl_loss = NAN, .curl_accuracy = NAN};
    bool curl = agent->spec.curl.enabled;
    cw_image_batch images = batch->obs;
    if (curl && agent->spec.curl.single_frame) images = single_frame_view(agent, &batch->obs);
    cw_status status = encode_obs(agent, &images);
    if (status == CW_OK && curl) {
        status = contrast_gradient(agent, batch, &agent->w.obs.z, &stats);
    }
    memcpy(agent->seconds, seconds, sizeof seconds);
    CW_TRY(status);
    *out = (cw_contrast_view){.features = agent->w.obs.z,
                              .scores = {.dtype = agent->be->dtype},
                              .loss = stats.curl_loss,
                              .accuracy = stats.curl_accuracy};
    if (curl) out->scores = agent->w.infonce.logits;
    return CW_OK;
}
