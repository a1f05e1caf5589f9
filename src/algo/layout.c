#include "algo/layout.h"

#include "base/error.h"
#include "nn/convs.h"

cw_convnet_desc cw_agent_convs(const cw_agent_spec *spec) {
    return (cw_convnet_desc){
        .batch = spec->update.batch_size,
        .channels = (int64_t)spec->frame_stack * spec->frame_channels,
        .height = spec->crop_height,
        .width = spec->crop_width,
        .n_layers = spec->encoder.layers,
        .filters = spec->encoder.filters,
        .first_stride = spec->encoder.first_stride,
        .train = true,
    };
}

static cw_status shapes_init(cw_layout *layout, const cw_agent_spec *spec) {
    layout->conv = cw_agent_convs(spec);
    int64_t flat = cw_convnet_features(&layout->conv);
    if (flat <= 0) {
        return cw_fail(CW_EINVAL,
                       "encoder.layers = %d leaves nothing of a %d x %d image; fewer layers, a "
                       "smaller encoder.first_stride or a larger augment.crop_size would fit",
                       spec->encoder.layers, spec->crop_height, spec->crop_width);
    }
    layout->head = (cw_head_shape){.inputs = flat,
                                   .hidden = spec->encoder.hidden,
                                   .features = spec->encoder.feature_dim,
                                   .tanh = spec->encoder.tanh};
    layout->q = (cw_mlp_shape){.inputs = spec->encoder.feature_dim + spec->action_dim,
                               .hidden = spec->critic.hidden,
                               .outputs = 1};
    layout->trunk = (cw_mlp_shape){.inputs = spec->encoder.feature_dim,
                                   .hidden = spec->actor.hidden,
                                   .outputs = 2 * spec->action_dim};
    return CW_OK;
}

/* Registers through `row` and returns the range it covers. */
#define PART(table, range, statement)                                                              \
    do {                                                                                           \
        (range).begin = (table).count;                                                             \
        statement;                                                                                 \
        (range).count = (table).count - (range).begin;                                             \
    } while (0)

static void online_init(cw_layout *l, const cw_agent_spec *spec) {
    cw_param_table *table = &l->online;
    int64_t square[2] = {l->head.features, l->head.features};
    l->row_w = l->row_actor_head = -1;
    PART(*table, l->w, {
        if (spec->curl.enabled && spec->curl.score == CW_SCORE_BILINEAR) {
            l->row_w = cw_params_add(table, "curl.", "W", 2, square);
        }
    });
    PART(*table, l->encoder, {
        l->row_convs = cw_convs_register(table, "critic.encoder.", &l->conv);
        l->row_head = cw_head_register(table, "critic.encoder.", &l->head);
    });
    PART(*table, l->q_range, {
        l->row_q[0] = cw_mlp_register(table, "critic.Q1.", &l->q);
        l->row_q[1] = cw_mlp_register(table, "critic.Q2.", &l->q);
    });
    PART(*table, l->actor, {
        if (spec->actor.encoder == CW_ACTOR_OWN_HEAD) {
            l->row_actor_head = cw_head_register(table, "actor.encoder.", &l->head);
        }
        l->row_trunk = cw_mlp_register(table, "actor.", &l->trunk);
    });
    PART(*table, l->log_alpha, l->row_log_alpha = cw_params_add(table, "", "log_alpha", 0, NULL));
}

static void target_init(cw_layout *l, const cw_agent_spec *spec) {
    cw_param_table *table = &l->target;
    l->target_row_convs = l->target_row_head = l->key_row_convs = l->key_row_head = -1;
    PART(*table, l->target_q, {
        l->target_row_q[0] = cw_mlp_register(table, "critic_target.Q1.", &l->q);
        l->target_row_q[1] = cw_mlp_register(table, "critic_target.Q2.", &l->q);
    });
    PART(*table, l->target_encoder, {
        if (spec->critic.target_encoder == CW_TARGET_OWN) {
            l->target_row_convs = cw_convs_register(table, "critic_target.encoder.", &l->conv);
            l->target_row_head = cw_head_register(table, "critic_target.encoder.", &l->head);
        }
    });
    PART(*table, l->key_encoder, {
        if (spec->curl.enabled && spec->curl.key_encoder == CW_KEY_MOMENTUM) {
            l->key_row_convs = cw_convs_register(table, "key_encoder.", &l->conv);
            l->key_row_head = cw_head_register(table, "key_encoder.", &l->head);
        }
    });
}

cw_status cw_layout_init(cw_layout *layout, const cw_agent_spec *spec) {
    *layout = (cw_layout){0};
    if (spec->encoder.layers > CW_CONVNET_MAX_LAYERS) {
        return cw_fail(CW_EINVAL, "encoder.layers is %d; it must be at most %d",
                       spec->encoder.layers, CW_CONVNET_MAX_LAYERS);
    }
    if (spec->curl.enabled && spec->curl.key_encoder == CW_KEY_CRITIC_TARGET &&
        spec->critic.target_encoder != CW_TARGET_OWN) {
        return cw_fail(CW_EINVAL, "curl.key_encoder = critic_target needs "
                                  "critic.target_encoder = own");
    }
    CW_TRY(shapes_init(layout, spec));
    online_init(layout, spec);
    target_init(layout, spec);
    return CW_OK;
}

void *cw_flat_at(void *flat, cw_dtype dtype, size_t offset) {
    return (char *)flat + offset * cw_dtype_bytes(dtype);
}

static void *convs_at(const cw_param_table *table, int row, cw_dtype dtype, void *flat) {
    return row < 0 ? NULL : cw_flat_at(flat, dtype, table->row[row].offset);
}

void cw_layout_online(const cw_layout *l, cw_dtype dtype, void *flat, cw_online *out) {
    const cw_param_table *table = &l->online;
    *out = (cw_online){0};
    if (l->row_w >= 0) out->w = cw_params_view(&table->row[l->row_w], dtype, flat);
    out->convs = convs_at(table, l->row_convs, dtype, flat);
    out->head = cw_head_view(table, l->row_head, &l->head, dtype, flat);
    for (int i = 0; i < 2; i++) out->q[i] = cw_mlp_view(table, l->row_q[i], dtype, flat);
    if (l->row_actor_head >= 0) {
        out->actor_head = cw_head_view(table, l->row_actor_head, &l->head, dtype, flat);
    }
    out->trunk = cw_mlp_view(table, l->row_trunk, dtype, flat);
    out->log_alpha = cw_params_view(&table->row[l->row_log_alpha], dtype, flat);
}

void cw_layout_target(const cw_layout *l, cw_dtype dtype, void *flat, cw_target *out) {
    const cw_param_table *table = &l->target;
    *out = (cw_target){0};
    for (int i = 0; i < 2; i++) out->q[i] = cw_mlp_view(table, l->target_row_q[i], dtype, flat);
    out->convs = convs_at(table, l->target_row_convs, dtype, flat);
    if (l->target_row_head >= 0) {
        out->head = cw_head_view(table, l->target_row_head, &l->head, dtype, flat);
    }
    out->key_convs = convs_at(table, l->key_row_convs, dtype, flat);
    if (l->key_row_head >= 0) {
        out->key_head = cw_head_view(table, l->key_row_head, &l->head, dtype, flat);
    }
}
