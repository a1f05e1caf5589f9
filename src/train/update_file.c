/* `curlew update`: agent updates from a file. docs/formats.md describes both files. */
#include "algo/agent.h"
#include "base/error.h"
#include "base/memory.h"
#include "io/safetensors.h"
#include "train/backend.h"
#include "train/config_api.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (UINT64_C(1) << 36)
#define MAX_UPDATES    10000
#define N_LOSSES       8

/* The tensors of one minibatch in the file. */
enum { OBS, NEXT_OBS, POS, ACTION, REWARD, NOT_DONE, NOISE_NEXT, NOISE_ACTOR, N_TENSORS };

static const char *const batch_names[N_TENSORS] = {
    "obs", "next_obs", "pos", "action", "reward", "not_done", "noise_next", "noise_actor"};

/* "u3." or "" in front of update 3's names. */
typedef struct job {
    const cw_safetensors *in;
    bool prefixed;
    int n_updates;
    int64_t start_step;
    cw_agent_spec spec;
    cw_agent *agent;
    double losses[MAX_UPDATES][N_LOSSES];
} job;

static void batch_name(char out[48], const job *j, int update, const char *name) {
    if (j->prefixed) {
        snprintf(out, 48, "u%d.%s", update, name);
    } else {
        snprintf(out, 48, "%s", name);
    }
}

static cw_status count_updates(job *j) {
    j->prefixed = cw_safetensors_find(j->in, "obs") == NULL;
    if (!j->prefixed) {
        j->n_updates = 1;
        return CW_OK;
    }
    char name[48];
    while (j->n_updates < MAX_UPDATES) {
        batch_name(name, j, j->n_updates, "obs");
        if (cw_safetensors_find(j->in, name) == NULL) break;
        j->n_updates++;
    }
    if (j->n_updates == 0) {
        return cw_fail(CW_EFORMAT, "no minibatch: neither 'obs' nor 'u0.obs' is there");
    }
    return CW_OK;
}

static cw_status metadata_int(const cw_safetensors *in, const char *key, int64_t min,
                              int64_t *value) {
    const char *text = cw_safetensors_metadata(in, key);
    if (text == NULL) return CW_OK;
    char *end;
    long long got = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || got < min) {
        return cw_fail(CW_EFORMAT,
                       "metadata '%s' is '%s'; it must be a whole number of %lld or more", key,
                       text, (long long)min);
    }
    *value = got;
    return CW_OK;
}

/* Dimension `dim` of a tensor that must have `ndim` dimensions. */
static cw_status dimension(const cw_safetensors *in, const char *name, int ndim, int dim,
                           int *out) {
    const cw_tensor *tensor = cw_safetensors_find(in, name);
    if (tensor == NULL) return cw_fail(CW_EFORMAT, "tensor '%s' is missing", name);
    if (tensor->ndim != ndim || tensor->shape[dim] < 1 || tensor->shape[dim] > INT32_MAX) {
        return cw_fail(CW_EFORMAT, "tensor '%s' must have %d dimensions of 1 or more", name, ndim);
    }
    *out = (int)tensor->shape[dim];
    return CW_OK;
}

static cw_status spec_networks(const cw_safetensors *in, cw_agent_spec *spec) {
    char name[64];
    int raw = 0;
    spec->encoder.layers = 0;
    for (;;) {
        snprintf(name, sizeof name, "critic.encoder.convs.%d.weight", spec->encoder.layers);
        if (cw_safetensors_find(in, name) == NULL) break;
        spec->encoder.layers++;
    }
    CW_TRY(dimension(in, "critic.encoder.convs.0.weight", 4, 0, &spec->encoder.filters));
    CW_TRY(dimension(in, "critic.encoder.ln.weight", 1, 0, &spec->encoder.feature_dim));
    spec->encoder.hidden = 0;
    if (cw_safetensors_find(in, "critic.encoder.fc.0.weight") != NULL) {
        CW_TRY(dimension(in, "critic.encoder.fc.0.weight", 2, 0, &spec->encoder.hidden));
    }
    CW_TRY(dimension(in, "critic.Q1.trunk.0.weight", 2, 0, &spec->critic.hidden));
    CW_TRY(dimension(in, "actor.trunk.0.weight", 2, 0, &spec->actor.hidden));
    CW_TRY(dimension(in, "actor.trunk.4.weight", 2, 0, &raw));
    if (raw % 2 != 0) {
        return cw_fail(CW_EFORMAT,
                       "tensor 'actor.trunk.4.weight' has %d rows; it must have two per "
                       "action dimension",
                       raw);
    }
    spec->action_dim = raw / 2;
    return CW_OK;
}

/* Settings give the algorithm, the file's shapes give the sizes. */
static cw_status make_spec(job *j, const cw_settings *settings) {
    cw_agent_spec *spec = &j->spec;
    *spec = (cw_agent_spec){.encoder = settings->encoder,
                            .actor = settings->actor,
                            .critic = settings->critic,
                            .sac = settings->sac,
                            .curl = settings->curl,
                            .update = settings->update};
    CW_TRY(spec_networks(j->in, spec));
    int64_t stack = settings->env.frame_stack;
    CW_TRY(metadata_int(j->in, "frame_stack", 1, &stack));
    CW_TRY(metadata_int(j->in, "start_step", 0, &j->start_step));
    char name[48];
    int channels = 0;
    batch_name(name, j, 0, "obs");
    CW_TRY(dimension(j->in, name, 4, 0, &spec->update.batch_size));
    CW_TRY(dimension(j->in, name, 4, 1, &channels));
    CW_TRY(dimension(j->in, name, 4, 2, &spec->crop_height));
    CW_TRY(dimension(j->in, name, 4, 3, &spec->crop_width));
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

/* Data of the tensors of one minibatch, each checked for dtype and shape. */
static cw_status find_batch(const job *j, int update, void *data[N_TENSORS]) {
    const cw_agent_spec *spec = &j->spec;
    int64_t shape[4] = {spec->update.batch_size, (int64_t)spec->frame_stack * spec->frame_channels,
                        spec->crop_height, spec->crop_width};
    cw_tensor image = cw_tensor_nd(CW_U8, NULL, 4, shape);
    cw_tensor actions = cw_tensor_2d(CW_F32, NULL, spec->update.batch_size, spec->action_dim);
    cw_tensor scalars = cw_tensor_1d(CW_F32, NULL, spec->update.batch_size);
    const cw_tensor *want[N_TENSORS] = {&image,   &image,   &image,   &actions,
                                        &scalars, &scalars, &actions, &actions};
    for (int i = 0; i < N_TENSORS; i++) {
        char name[48];
        batch_name(name, j, update, batch_names[i]);
        const cw_tensor *have = cw_safetensors_find(j->in, name);
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

/* A view of (B, C, H, W) stacks as B x K frames without crop. */
static cw_image_batch stack_view(const cw_agent_spec *spec, const uint8_t *stacks,
                                 const uint8_t **frames, const int32_t *zeros) {
    size_t frame =
        (size_t)spec->frame_channels * (size_t)spec->crop_height * (size_t)spec->crop_width;
    int64_t n = (int64_t)spec->update.batch_size * spec->frame_stack;
    for (int64_t i = 0; i < n; i++) {
        frames[i] = stacks + (size_t)i * frame;
    }
    return (cw_image_batch){.n = spec->update.batch_size,
                            .stack = spec->frame_stack,
                            .frame_channels = spec->frame_channels,
                            .frame_height = spec->crop_height,
                            .frame_width = spec->crop_width,
                            .frames = frames,
                            .offset_y = zeros,
                            .offset_x = zeros};
}

static cw_status run_updates(job *j) {
    const cw_agent_spec *spec = &j->spec;
    size_t n_frames = (size_t)spec->update.batch_size * (size_t)spec->frame_stack;
    const uint8_t **frames;
    int32_t *zeros;
    CW_TRY(cw_alloc(&frames, 3 * n_frames, sizeof *frames, "frame tables"));
    cw_status status =
        cw_alloc(&zeros, (size_t)spec->update.batch_size, sizeof *zeros, "frame tables");
    if (status != CW_OK) {
        cw_free(frames);
        return status;
    }
    for (int i = 0; i < j->n_updates && status == CW_OK; i++) {
        void *in[N_TENSORS];
        status = find_batch(j, i, in);
        if (status != CW_OK) break;
        cw_minibatch batch = {
            .n = spec->update.batch_size,
            .action_dim = spec->action_dim,
            .obs = stack_view(spec, in[OBS], frames, zeros),
            .next_obs = stack_view(spec, in[NEXT_OBS], frames + n_frames, zeros),
            .pos = stack_view(spec, in[POS], frames + 2 * n_frames, zeros),
            .action = in[ACTION],
            .reward = in[REWARD],
            .not_done = in[NOT_DONE],
            .noise_next = in[NOISE_NEXT],
            .noise_actor = in[NOISE_ACTOR],
        };
        cw_update_stats stats;
        status = cw_agent_update(j->agent, &batch, j->start_step + i, &stats);
        if (status != CW_OK) break;
        const double losses[N_LOSSES] = {stats.critic_loss, stats.actor_loss,    stats.alpha_loss,
                                         stats.curl_loss,   stats.curl_accuracy, stats.alpha,
                                         stats.entropy,     stats.target_mean};
        memcpy(j->losses[i], losses, sizeof losses);
    }
    cw_free(zeros);
    cw_free(frames);
    return status;
}

static cw_status write_result(job *j, const char *path) {
    static const char *const names[N_LOSSES] = {"critic_loss", "actor_loss",    "alpha_loss",
                                                "curl_loss",   "curl_accuracy", "alpha",
                                                "entropy",     "target_mean"};
    cw_weights *weights;
    CW_TRY(cw_alloc(&weights, 1, sizeof *weights, "the table of tensors"));
    int n_entries = 0;
    cw_safetensors_entry *entries = NULL;
    char(*loss_names)[48] = NULL;
    size_t most = CW_WEIGHTS_MAX + (size_t)j->n_updates * N_LOSSES;
    cw_status status = cw_weights_collect(weights, j->agent, true);
    if (status == CW_OK) status = cw_alloc(&entries, most, sizeof *entries, "the table of tensors");
    if (status == CW_OK) status = cw_alloc(&loss_names, most, 48, "the table of tensors");
    if (status == CW_OK) {
        for (int i = 0; i < j->n_updates; i++) {
            for (int k = 0; k < N_LOSSES; k++) {
                if (isnan(j->losses[i][k])) continue; /* this update had no such loss */
                batch_name(loss_names[n_entries], j, i, names[k]);
                entries[n_entries] = (cw_safetensors_entry){
                    .name = loss_names[n_entries],
                    .tensor = cw_tensor_nd(CW_F64, &j->losses[i][k], 0, NULL)};
                n_entries++;
            }
        }
        memcpy(entries + n_entries, weights->entry, (size_t)weights->n * sizeof *entries);
        n_entries += weights->n;
        status = cw_safetensors_write(path, entries, n_entries, weights->meta, weights->n_meta);
    }
    cw_free(loss_names);
    cw_free(entries);
    cw_free(weights);
    return status;
}

/* Whether `name` is a minibatch tensor of one of the updates. */
static bool is_batch_tensor(const job *j, const char *name) {
    if (j->prefixed) {
        char *end;
        if (name[0] != 'u' || name[1] < '0' || name[1] > '9') return false;
        long update = strtol(name + 1, &end, 10);
        if (*end != '.' || update >= j->n_updates) return false;
        name = end + 1;
    }
    for (size_t k = 0; k < sizeof batch_names / sizeof *batch_names; k++) {
        if (strcmp(name, batch_names[k]) == 0) return true;
    }
    return false;
}

/* Every tensor of the file must be one that is understood: a misspelt name is an error, not a
 * parameter left at zero. */
static cw_status check_names(const job *j) {
    for (int i = 0; i < cw_safetensors_count(j->in); i++) {
        const char *name = cw_safetensors_name(j->in, i);
        if (is_batch_tensor(j, name) || cw_weights_known(j->agent, name)) continue;
        return cw_fail(CW_EFORMAT,
                       "tensor '%s' is not part of this agent; docs/formats.md lists the names of "
                       "each setting",
                       name);
    }
    return CW_OK;
}

static cw_status run_job(job *j, cw_backend *be, const cw_settings *settings,
                         const char *out_path) {
    CW_TRY(count_updates(j));
    CW_TRY(make_spec(j, settings));
    CW_TRY(cw_agent_create(&j->agent, be, &j->spec));
    cw_status status = check_names(j);
    if (status == CW_OK) status = cw_weights_load(j->agent, j->in);
    if (status == CW_OK) status = run_updates(j);
    if (status == CW_OK) status = write_result(j, out_path);
    cw_agent_destroy(j->agent);
    return status;
}

cw_status cw_update_file(const cw_config *config, const char *in_path, const char *out_path,
                         const char *backend) {
    const cw_settings *settings = &config->settings;
    cw_backend *be;
    CW_TRY(cw_backend_select(&be, backend, settings->run.precision, settings->run.threads));
    cw_safetensors *in;
    cw_status status = cw_safetensors_open(&in, in_path, FILE_MAX_BYTES);
    if (status == CW_OK) {
        job *j;
        status = cw_alloc(&j, 1, sizeof *j, "the update");
        if (status == CW_OK) {
            j->in = in;
            status = run_job(j, be, settings, out_path);
            if (status == CW_EFORMAT) status = cw_fail_in(status, "%s", in_path);
            cw_free(j);
        }
        cw_safetensors_close(in);
    }
    cw_backend_destroy(be);
    return status;
}
