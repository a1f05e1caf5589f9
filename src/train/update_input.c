#include "train/update_input.h"

#include "algo/layout.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Units, maps, actions or samples: far above any use, and small enough that no product of the
 * shapes that follow from three of them overflows. */
#define SIZE_LIMIT (1 << 20)

static const char *const batch_names[CW_UPDATE_TENSORS] = {
    "obs", "next_obs", "pos", "action", "reward", "not_done", "noise_next", "noise_actor"};

void cw_update_input_name(char out[CW_UPDATE_NAME], const cw_update_input *in, int update,
                          const char *name) {
    if (in->prefixed) {
        snprintf(out, CW_UPDATE_NAME, "u%d.%s", update, name);
    } else {
        snprintf(out, CW_UPDATE_NAME, "%s", name);
    }
}

static cw_status count_updates(cw_update_input *in) {
    in->prefixed = cw_safetensors_find(in->file, "obs") == NULL;
    if (!in->prefixed) {
        in->n_updates = 1;
        return CW_OK;
    }
    char name[CW_UPDATE_NAME];
    while (in->n_updates < CW_UPDATE_MAX) {
        cw_update_input_name(name, in, in->n_updates, "obs");
        if (cw_safetensors_find(in->file, name) == NULL) break;
        in->n_updates++;
    }
    if (in->n_updates == 0) {
        return cw_fail(CW_EFORMAT, "no minibatch: neither 'obs' nor 'u0.obs' is there");
    }
    return CW_OK;
}

/* Dimension `dim` of a tensor that must have `ndim` dimensions. */
static cw_status dimension(const cw_safetensors *file, const char *name, int ndim, int dim,
                           int *out) {
    const cw_tensor *tensor = cw_safetensors_find(file, name);
    if (tensor == NULL) return cw_fail(CW_EFORMAT, "tensor '%s' is missing", name);
    if (tensor->ndim != ndim || tensor->shape[dim] < 1 || tensor->shape[dim] > SIZE_LIMIT) {
        return cw_fail(CW_EFORMAT, "tensor '%s' must have %d dimensions of 1 to %d", name, ndim,
                       SIZE_LIMIT);
    }
    *out = (int)tensor->shape[dim];
    return CW_OK;
}

static cw_status spec_networks(const cw_safetensors *file, cw_agent_spec *spec) {
    char name[64];
    int raw = 0;
    spec->encoder.layers = 0;
    for (;;) {
        snprintf(name, sizeof name, "critic.encoder.convs.%d.weight", spec->encoder.layers);
        if (cw_safetensors_find(file, name) == NULL) break;
        spec->encoder.layers++;
    }
    CW_TRY(dimension(file, "critic.encoder.convs.0.weight", 4, 0, &spec->encoder.filters));
    CW_TRY(dimension(file, "critic.encoder.ln.weight", 1, 0, &spec->encoder.feature_dim));
    spec->encoder.hidden = 0;
    if (cw_safetensors_find(file, "critic.encoder.fc.0.weight") != NULL) {
        CW_TRY(dimension(file, "critic.encoder.fc.0.weight", 2, 0, &spec->encoder.hidden));
    }
    CW_TRY(dimension(file, "critic.Q1.trunk.0.weight", 2, 0, &spec->critic.hidden));
    CW_TRY(dimension(file, "actor.trunk.0.weight", 2, 0, &spec->actor.hidden));
    CW_TRY(dimension(file, "actor.trunk.4.weight", 2, 0, &raw));
    if (raw % 2 != 0) {
        return cw_fail(CW_EFORMAT,
                       "tensor 'actor.trunk.4.weight' has %d rows; it must have two per "
                       "action dimension",
                       raw);
    }
    spec->action_dim = raw / 2;
    return CW_OK;
}

static cw_status spec_images(cw_update_input *in, const cw_settings *settings) {
    cw_agent_spec *spec = &in->spec;
    int64_t stack = settings->env.frame_stack;
    CW_TRY(cw_weights_metadata(in->file, "frame_stack", 1, SIZE_LIMIT, &stack));
    CW_TRY(cw_weights_metadata(in->file, "start_step", 0, CW_WEIGHTS_STEP_MAX, &in->start_step));
    char name[CW_UPDATE_NAME];
    int channels = 0;
    cw_update_input_name(name, in, 0, "obs");
    CW_TRY(dimension(in->file, name, 4, 0, &spec->update.batch_size));
    CW_TRY(dimension(in->file, name, 4, 1, &channels));
    CW_TRY(dimension(in->file, name, 4, 2, &spec->crop_height));
    CW_TRY(dimension(in->file, name, 4, 3, &spec->crop_width));
    if (channels % stack != 0) {
        return cw_fail(CW_EFORMAT,
                       "tensor '%s' has %d channels, which %lld frames cannot share "
                       "equally; metadata 'frame_stack' says how many frames there are",
                       name, channels, (long long)stack);
    }
    spec->frame_stack = (int)stack;
    spec->frame_channels = channels / (int)stack;
    return CW_OK;
}

static bool same_kind(const cw_tensor *have, const cw_tensor *want) {
    if (have->dtype != want->dtype || have->ndim != want->ndim) return false;
    for (int d = 0; d < want->ndim; d++) {
        if (have->shape[d] != want->shape[d]) return false;
    }
    return true;
}

cw_status cw_update_input_batch(const cw_update_input *in, int update,
                                void *data[CW_UPDATE_TENSORS]) {
    const cw_agent_spec *spec = &in->spec;
    int64_t shape[4] = {spec->update.batch_size, (int64_t)spec->frame_stack * spec->frame_channels,
                        spec->crop_height, spec->crop_width};
    cw_tensor image = cw_tensor_nd(CW_U8, NULL, 4, shape);
    cw_tensor actions = cw_tensor_2d(CW_F32, NULL, spec->update.batch_size, spec->action_dim);
    cw_tensor scalars = cw_tensor_1d(CW_F32, NULL, spec->update.batch_size);
    const cw_tensor *want[CW_UPDATE_TENSORS] = {&image,   &image,   &image,   &actions,
                                                &scalars, &scalars, &actions, &actions};
    for (int i = 0; i < CW_UPDATE_TENSORS; i++) {
        char name[CW_UPDATE_NAME];
        cw_update_input_name(name, in, update, batch_names[i]);
        const cw_tensor *have = cw_safetensors_find(in->file, name);
        if (have == NULL) return cw_fail(CW_EFORMAT, "tensor '%s' is missing", name);
        if (!same_kind(have, want[i])) {
            return cw_fail(CW_EFORMAT,
                           "tensor '%s' must be %s with %d dimensions for %d samples of %d actions "
                           "and stacks of %lld x %d x %d",
                           name, cw_dtype_name(want[i]->dtype), want[i]->ndim,
                           spec->update.batch_size, spec->action_dim, (long long)shape[1],
                           spec->crop_height, spec->crop_width);
        }
        data[i] = have->data;
    }
    return CW_OK;
}

/* The layout of an agent's parameters takes no memory for them. */
static cw_status check_parameters(const cw_update_input *in) {
    cw_layout *layout;
    CW_TRY(cw_alloc(&layout, 1, sizeof *layout, "the layout of the parameters"));
    cw_status status = cw_layout_init(layout, &in->spec);
    if (status == CW_OK) status = cw_weights_check(in->file, &layout->online);
    if (status == CW_OK) status = cw_weights_check(in->file, &layout->target);
    cw_free(layout);
    return status;
}

cw_status cw_update_input_read(cw_update_input *out, const cw_safetensors *file,
                               const cw_settings *settings) {
    cw_update_input in = {.file = file,
                          .spec = {.encoder = settings->encoder,
                                   .actor = settings->actor,
                                   .critic = settings->critic,
                                   .sac = settings->sac,
                                   .curl = settings->curl,
                                   .update = settings->update}};
    CW_TRY(count_updates(&in));
    CW_TRY(spec_networks(file, &in.spec));
    CW_TRY(spec_images(&in, settings));
    CW_TRY(check_parameters(&in));
    for (int i = 0; i < in.n_updates; i++) {
        void *data[CW_UPDATE_TENSORS];
        CW_TRY(cw_update_input_batch(&in, i, data));
    }
    *out = in;
    return CW_OK;
}

bool cw_update_input_is_batch(const cw_update_input *in, const char *name) {
    if (in->prefixed) {
        char *end;
        if (name[0] != 'u' || name[1] < '0' || name[1] > '9') return false;
        long update = strtol(name + 1, &end, 10);
        if (*end != '.' || update >= in->n_updates) return false;
        name = end + 1;
    }
    for (size_t k = 0; k < CW_UPDATE_TENSORS; k++) {
        if (strcmp(name, batch_names[k]) == 0) return true;
    }
    return false;
}
