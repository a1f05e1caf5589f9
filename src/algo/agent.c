#include "algo/agent_impl.h"
#include "base/error.h"

#include <string.h>

const char *cw_agent_phase_name(cw_agent_phase phase) {
    static const char *const names[CW_PHASE_COUNT] = {
        "input", "conv forward", "conv backward", "encoder heads", "losses", "optimisers"};
    return names[phase];
}

static bool needs_extra_pass(const cw_agent_spec *spec) {
    return spec->curl.enabled && spec->curl.single_frame && spec->update.order == CW_ORDER_JOINT;
}

static cw_optimiser *add_optimiser(cw_agent *agent, const char *name, size_t begin, size_t end,
                                   double lr, double beta1, double beta2) {
    cw_optimiser *opt = &agent->optimiser[agent->n_optimisers++];
    *opt = (cw_optimiser){
        .name = name, .range = {begin, end - begin}, .lr = lr, .beta1 = beta1, .beta2 = beta2};
    return opt;
}

/* Which optimiser owns what. In the sequential order of the released code the query encoder belongs
 * to two of them: the critic's, and the contrastive one. */
static void optimisers_init(cw_agent *agent) {
    const cw_agent_spec *spec = &agent->spec;
    const cw_layout *l = &agent->layout;
    const cw_encoder_settings *enc = &spec->encoder;
    bool joint = spec->update.order == CW_ORDER_JOINT;
    size_t encoder_end = l->encoder.begin + l->encoder.count;
    size_t q_end = l->q_range.begin + l->q_range.count;
    agent->critic_opt =
        add_optimiser(agent, "critic", joint ? l->q_range.begin : l->encoder.begin, q_end,
                      spec->critic.lr, spec->critic.beta1, spec->critic.beta2);
    if (joint || spec->curl.enabled) {
        agent->curl_opt =
            add_optimiser(agent, "curl", l->w.begin, encoder_end, enc->lr, enc->beta1, enc->beta2);
    }
    agent->actor_opt =
        add_optimiser(agent, "actor", l->actor.begin, l->actor.begin + l->actor.count,
                      spec->actor.lr, spec->actor.beta1, spec->actor.beta2);
    agent->alpha_opt = add_optimiser(agent, "alpha", l->log_alpha.begin, l->log_alpha.begin + 1,
                                     spec->sac.temperature_lr, spec->sac.temperature_beta1,
                                     spec->sac.temperature_beta2);
}

static void carve_heads(cw_agent *agent, cw_arena *arena) {
    cw_workspace *w = &agent->w;
    const cw_layout *l = &agent->layout;
    cw_dtype dtype = agent->be->dtype;
    int64_t batch = l->conv.batch, features = l->head.features;
    cw_head_carve(&w->obs, arena, dtype, &l->head, batch, true);
    cw_head_carve(&w->other, arena, dtype, &l->head, batch, false);
    if (needs_extra_pass(&agent->spec)) {
        cw_head_carve(&w->contrast, arena, dtype, &l->head, batch, true);
    }
    if (l->row_actor_head >= 0) {
        cw_head_carve(&w->actor, arena, dtype, &l->head, batch, true);
        cw_head_carve(&w->actor_next, arena, dtype, &l->head, batch, false);
    }
    w->head_unused = cw_arena_tensor_1d(arena, dtype, 2 * features);
    w->dz = cw_arena_tensor_2d(arena, dtype, batch, features);
    w->dz_contrast = cw_arena_tensor_2d(arena, dtype, batch, features);
    w->dz_actor = cw_arena_tensor_2d(arena, dtype, batch, features);
}

cw_dtype cw_agent_feature_dtype(const cw_agent *agent, int64_t n) {
    const cw_head_shape *head = &agent->layout.head;
    cw_convnet_desc desc = agent->layout.conv;
    desc.batch = n;
    return agent->be->ops->feature_dtype(agent->be, &desc,
                                         head->hidden > 0 ? head->hidden : head->features);
}

static void carve_convs(cw_agent *agent, cw_arena *arena) {
    cw_workspace *w = &agent->w;
    const cw_ops *ops = agent->be->ops;
    int64_t batch = agent->layout.conv.batch, flat = agent->layout.head.inputs;
    cw_dtype dtype = cw_agent_feature_dtype(agent, batch);
    cw_convnet_bytes train, infer;
    ops->convnet_bytes(agent->train_net, &train);
    ops->convnet_bytes(agent->infer_net, &infer);
    w->acts_obs = cw_arena_take(arena, train.acts, 1);
    w->acts_other = cw_arena_take(arena, infer.acts, 1);
    w->packed_train = cw_arena_take(arena, train.packed, 1);
    w->packed_infer = cw_arena_take(arena, infer.packed, 1);
    w->scratch =
        cw_arena_take(arena, train.scratch > infer.scratch ? train.scratch : infer.scratch, 1);
    w->features_obs = cw_arena_tensor_2d(arena, dtype, batch, flat);
    w->features_other = cw_arena_tensor_2d(arena, dtype, batch, flat);
    w->dfeatures = cw_arena_tensor_2d(arena, dtype, batch, flat);
    if (needs_extra_pass(&agent->spec)) {
        w->acts_contrast = cw_arena_take(arena, train.acts, 1);
        w->features_contrast = cw_arena_tensor_2d(arena, dtype, batch, flat);
    }
    w->single_frames =
        cw_arena_take(arena, (size_t)(batch * agent->spec.frame_stack), sizeof *w->single_frames);
}

static void carve_losses(cw_agent *agent, cw_arena *arena) {
    cw_workspace *w = &agent->w;
    const cw_layout *l = &agent->layout;
    cw_dtype dtype = agent->be->dtype;
    int64_t batch = l->conv.batch, dim = agent->spec.action_dim;
    for (int i = 0; i < 2; i++) {
        cw_mlp_carve(&w->q[i], arena, dtype, &l->q, batch);
        w->dq_input[i] = cw_arena_tensor_2d(arena, dtype, batch, l->q.inputs);
        w->dq[i] = cw_arena_tensor_2d(arena, dtype, batch, 1);
    }
    cw_mlp_carve(&w->trunk, arena, dtype, &l->trunk, batch);
    w->q_input = cw_arena_tensor_2d(arena, dtype, batch, l->q.inputs);
    w->y = cw_arena_tensor_1d(arena, dtype, batch);
    w->action = cw_arena_tensor_2d(arena, dtype, batch, dim);
    w->log_prob = cw_arena_tensor_1d(arena, dtype, batch);
    w->daction = cw_arena_tensor_2d(arena, dtype, batch, dim);
    w->draw = cw_arena_tensor_2d(arena, dtype, batch, 2 * dim);
    cw_contrast_carve(&w->infonce, arena, dtype, batch, l->head.features);
}

static void carve(cw_agent *agent, cw_arena *arena) {
    size_t element = cw_dtype_bytes(agent->be->dtype);
    size_t n_online = agent->layout.online.count;
    agent->value = cw_arena_take(arena, n_online, element);
    agent->grad = cw_arena_take(arena, n_online, element);
    agent->target = cw_arena_take(arena, agent->layout.target.count, element);
    if (needs_extra_pass(&agent->spec)) {
        size_t n = agent->layout.encoder.begin + agent->layout.encoder.count;
        agent->extra = cw_arena_take(arena, n, element);
    }
    for (int i = 0; i < agent->n_optimisers; i++) {
        cw_optimiser *opt = &agent->optimiser[i];
        opt->m = cw_arena_take(arena, opt->range.count, element);
        opt->v = cw_arena_take(arena, opt->range.count, element);
    }
    carve_convs(agent, arena);
    carve_heads(agent, arena);
    carve_losses(agent, arena);
}

static cw_status check_spec(const cw_agent_spec *spec) {
    if (spec->action_dim < 1) {
        return cw_fail(CW_EINVAL, "the action has %d dimensions; it must have 1 or more",
                       spec->action_dim);
    }
    if (spec->update.batch_size < 1 || (spec->curl.enabled && spec->update.batch_size < 2)) {
        return cw_fail(CW_EINVAL,
                       "update.batch_size is %d; the contrastive loss needs 2 or more samples",
                       spec->update.batch_size);
    }
    return CW_OK;
}

static cw_status create_parts(cw_agent *agent) {
    const cw_ops *ops = agent->be->ops;
    cw_convnet_desc infer = agent->layout.conv;
    infer.train = false;
    CW_TRY(ops->convnet_create(agent->be, &agent->train_net, &agent->layout.conv));
    CW_TRY(ops->convnet_create(agent->be, &agent->infer_net, &infer));
    cw_arena arena = {0};
    carve(agent, &arena);
    CW_TRY(cw_alloc(&agent->block, arena.used, 1, "the agent"));
    agent->bytes = arena.used;
    arena = (cw_arena){.base = agent->block, .size = agent->bytes};
    carve(agent, &arena);
    cw_dtype dtype = agent->be->dtype;
    cw_layout_online(&agent->layout, dtype, agent->value, &agent->values);
    cw_layout_online(&agent->layout, dtype, agent->grad, &agent->grads);
    if (agent->extra != NULL) {
        cw_layout_online(&agent->layout, dtype, agent->extra, &agent->extras);
    }
    cw_layout_target(&agent->layout, dtype, agent->target, &agent->targets);
    return CW_OK;
}

cw_status cw_agent_create(cw_agent **out, cw_backend *be, const cw_agent_spec *spec) {
    CW_TRY(check_spec(spec));
    cw_agent *agent;
    CW_TRY(cw_alloc(&agent, 1, sizeof *agent, "an agent"));
    agent->be = be;
    agent->spec = *spec;
    cw_status status = cw_layout_init(&agent->layout, spec);
    if (status == CW_OK) {
        optimisers_init(agent);
        status = create_parts(agent);
    }
    if (status != CW_OK) {
        cw_agent_destroy(agent);
        return status;
    }
    *out = agent;
    return CW_OK;
}

void cw_agent_destroy(cw_agent *agent) {
    if (agent == NULL) return;
    if (agent->train_net != NULL) agent->be->ops->convnet_destroy(agent->train_net);
    if (agent->infer_net != NULL) agent->be->ops->convnet_destroy(agent->infer_net);
    cw_free(agent->block);
    cw_free(agent);
}

size_t cw_agent_bytes(const cw_agent *agent) {
    return agent->bytes;
}

const cw_agent_spec *cw_agent_get_spec(const cw_agent *agent) {
    return &agent->spec;
}

void cw_agent_times(const cw_agent *agent, double out[CW_PHASE_COUNT]) {
    memcpy(out, agent->seconds, sizeof agent->seconds);
}

bool cw_agent_param(const cw_agent *agent, int i, const char **name, cw_tensor *value) {
    const cw_param_table *table = &agent->layout.online;
    void *flat = agent->value;
    if (i >= table->n) {
        i -= table->n;
        table = &agent->layout.target;
        flat = agent->target;
    }
    if (i < 0 || i >= table->n) return false;
    *name = table->row[i].name;
    *value = cw_params_view(&table->row[i], agent->be->dtype, flat);
    return true;
}

int cw_agent_optimisers(const cw_agent *agent) {
    return agent->n_optimisers;
}

const char *cw_agent_optimiser_name(const cw_agent *agent, int optimiser) {
    return agent->optimiser[optimiser].name;
}

int64_t *cw_agent_optimiser_steps(cw_agent *agent, int optimiser) {
    return &agent->optimiser[optimiser].t;
}

bool cw_agent_moment(const cw_agent *agent, int optimiser, int i, const char **name, cw_tensor *m,
                     cw_tensor *v) {
    const cw_optimiser *opt = &agent->optimiser[optimiser];
    const cw_param_table *table = &agent->layout.online;
    for (int row = 0; row < table->n; row++) {
        cw_param param = table->row[row];
        bool inside = param.offset >= opt->range.begin &&
                      param.offset + param.count <= opt->range.begin + opt->range.count;
        if (!inside || i-- > 0) continue;
        *name = table->row[row].name;
        param.offset -= opt->range.begin;
        *m = cw_params_view(&param, agent->be->dtype, opt->m);
        *v = cw_params_view(&param, agent->be->dtype, opt->v);
        return true;
    }
    return false;
}
