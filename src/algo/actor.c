#include "algo/agent_impl.h"
#include "base/error.h"

#include <math.h>

struct cw_actor {
    cw_agent *agent;
    cw_convnet *net; /* forward only, n stacks */
    int64_t n;
    void *acts, *packed, *scratch;
    cw_tensor features; /* (n, F*P*P) */
    cw_head_acts head;
    cw_head_acts query; /* what the critic sees, where the actor has a head of its own */
    cw_mlp_acts trunk;
    cw_mlp_acts q;
    cw_tensor q_input; /* (n, D+A) features and action */
    cw_tensor action;  /* (n, A) */
    void *block;
    size_t bytes;
};

static void carve(cw_actor *actor, cw_arena *arena) {
    const cw_agent *agent = actor->agent;
    cw_dtype dtype = agent->be->dtype;
    cw_convnet_bytes bytes;
    agent->be->ops->convnet_bytes(actor->net, &bytes);
    actor->acts = cw_arena_take(arena, bytes.acts, 1);
    actor->packed = cw_arena_take(arena, bytes.packed, 1);
    actor->scratch = cw_arena_take(arena, bytes.scratch, 1);
    actor->features = cw_arena_tensor_2d(arena, cw_agent_feature_dtype(agent, actor->n), actor->n,
                                         agent->layout.head.inputs);
    cw_head_carve(&actor->head, arena, dtype, &agent->layout.head, actor->n, false);
    cw_head_carve(&actor->query, arena, dtype, &agent->layout.head, actor->n, false);
    cw_mlp_carve(&actor->trunk, arena, dtype, &agent->layout.trunk, actor->n);
    cw_mlp_carve(&actor->q, arena, dtype, &agent->layout.q, actor->n);
    actor->q_input = cw_arena_tensor_2d(arena, dtype, actor->n, agent->layout.q.inputs);
    actor->action = cw_arena_tensor_2d(arena, dtype, actor->n, agent->spec.action_dim);
}

static cw_status create_parts(cw_actor *actor) {
    cw_convnet_desc desc = actor->agent->layout.conv;
    desc.batch = actor->n;
    desc.train = false;
    cw_backend *be = actor->agent->be;
    CW_TRY(be->ops->convnet_create(be, &actor->net, &desc));
    cw_arena arena = {0};
    carve(actor, &arena);
    CW_TRY(cw_alloc(&actor->block, arena.used, 1, "an actor"));
    actor->bytes = arena.used;
    arena = (cw_arena){.base = actor->block, .size = actor->bytes};
    carve(actor, &arena);
    return CW_OK;
}

cw_status cw_actor_create(cw_actor **out, cw_agent *agent, int64_t n) {
    if (n < 1) return cw_fail(CW_EINVAL, "an actor needs 1 or more stacks, not %lld", (long long)n);
    cw_actor *actor;
    CW_TRY(cw_alloc(&actor, 1, sizeof *actor, "an actor"));
    actor->agent = agent;
    actor->n = n;
    cw_status status = create_parts(actor);
    if (status != CW_OK) {
        cw_actor_destroy(actor);
        return status;
    }
    *out = actor;
    return CW_OK;
}

void cw_actor_destroy(cw_actor *actor) {
    if (actor == NULL) return;
    if (actor->net != NULL) actor->agent->be->ops->convnet_destroy(actor->net);
    cw_free(actor->block);
    cw_free(actor);
}

size_t cw_actor_bytes(const cw_actor *actor) {
    return actor->bytes;
}

static cw_status check_actions(const float *action, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(action[i])) continue;
        return cw_fail(CW_EDIVERGED, "the policy's action is not a finite number (%g)",
                       (double)action[i]);
    }
    return CW_OK;
}

/* Features of the stacks and the policy's raw output for them. */
static cw_status run_policy(cw_actor *actor, const cw_image_batch *images) {
    cw_agent *agent = actor->agent;
    const cw_ops *ops = agent->be->ops;
    if (images->n != actor->n) {
        return cw_fail(CW_EINVAL, "the actor was made for %lld stacks, not %lld",
                       (long long)actor->n, (long long)images->n);
    }
    CW_TRY(ops->convnet_pack(actor->net, actor->packed, agent->values.convs));
    CW_TRY(ops->convnet_input(actor->net, actor->acts, images));
    CW_TRY(ops->convnet_forward(actor->net, &actor->features, actor->acts, actor->packed,
                                actor->scratch));
    bool own_head = agent->spec.actor.encoder == CW_ACTOR_OWN_HEAD;
    CW_TRY(cw_head_forward(agent->be, &agent->layout.head, &actor->head,
                           own_head ? &agent->values.actor_head : &agent->values.head,
                           &actor->features));
    return cw_mlp_forward(agent->be, &actor->trunk, &agent->values.trunk, &actor->head.z);
}

cw_status cw_actor_act(cw_actor *actor, const cw_image_batch *images, const float *noise,
                       float *action) {
    cw_agent *agent = actor->agent;
    CW_TRY(run_policy(actor, images));
    int64_t count = actor->n * agent->spec.action_dim;
    if (noise == NULL) {
        cw_policy_mean_action(action, &actor->trunk.out);
        return check_actions(action, count);
    }
    cw_policy_bounds bounds = {agent->spec.actor.log_std_min, agent->spec.actor.log_std_max};
    cw_policy_forward(&actor->action, NULL, &actor->trunk.out, noise, &bounds);
    for (int64_t i = 0; i < count; i++) action[i] = (float)cw_tensor_get(&actor->action, i);
    return check_actions(action, count);
}

cw_status cw_actor_look(cw_actor *actor, const cw_image_batch *images, float *z, float *action,
                        float *value) {
    cw_agent *agent = actor->agent;
    CW_TRY(run_policy(actor, images));
    cw_policy_mean_action(action, &actor->trunk.out);
    const cw_tensor *seen = &actor->head.z;
    if (agent->spec.actor.encoder == CW_ACTOR_OWN_HEAD) {
        CW_TRY(cw_head_forward(agent->be, &agent->layout.head, &actor->query, &agent->values.head,
                               &actor->features));
        seen = &actor->query.z;
    }
    int64_t features = seen->shape[1], dim = agent->spec.action_dim;
    for (int64_t b = 0; b < actor->n; b++) {
        for (int64_t i = 0; i < features; i++) {
            double feature = cw_tensor_get(seen, b * features + i);
            z[b * features + i] = (float)feature;
            cw_tensor_set(&actor->q_input, b * (features + dim) + i, feature);
        }
        for (int64_t i = 0; i < dim; i++) {
            cw_tensor_set(&actor->q_input, b * (features + dim) + features + i,
                          (double)action[b * dim + i]);
        }
    }
    for (int k = 0; k < 2; k++) {
        CW_TRY(cw_mlp_forward(agent->be, &actor->q, &agent->values.q[k], &actor->q_input));
        for (int64_t b = 0; b < actor->n; b++) {
            float q = (float)cw_tensor_get(&actor->q.out, b);
            if (k == 0 || q < value[b]) value[b] = q;
        }
    }
    return CW_OK;
}
