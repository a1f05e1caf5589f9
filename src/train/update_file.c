/* `curlew update`: agent updates from a file. docs/formats.md describes both files. */
#include "algo/agent.h"
#include "base/error.h"
#include "base/memory.h"
#include "io/safetensors.h"
#include "train/backend.h"
#include "train/config_api.h"
#include "train/update_input.h"
#include "train/weights.h"

#include <math.h>
#include <string.h>

#define FILE_MAX_BYTES (UINT64_C(1) << 36)
#define N_LOSSES       8

typedef struct job {
    cw_update_input in;
    cw_agent *agent;
    double losses[CW_UPDATE_MAX][N_LOSSES];
} job;

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
    const cw_agent_spec *spec = &j->in.spec;
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
    for (int i = 0; i < j->in.n_updates && status == CW_OK; i++) {
        void *in[CW_UPDATE_TENSORS];
        status = cw_update_input_batch(&j->in, i, in);
        if (status != CW_OK) break;
        cw_minibatch batch = {
            .n = spec->update.batch_size,
            .action_dim = spec->action_dim,
            .obs = stack_view(spec, in[CW_UPDATE_OBS], frames, zeros),
            .next_obs = stack_view(spec, in[CW_UPDATE_NEXT_OBS], frames + n_frames, zeros),
            .pos = stack_view(spec, in[CW_UPDATE_POS], frames + 2 * n_frames, zeros),
            .action = in[CW_UPDATE_ACTION],
            .reward = in[CW_UPDATE_REWARD],
            .not_done = in[CW_UPDATE_NOT_DONE],
            .noise_next = in[CW_UPDATE_NOISE_NEXT],
            .noise_actor = in[CW_UPDATE_NOISE_ACTOR],
        };
        cw_update_stats stats;
        status = cw_agent_update(j->agent, &batch, j->in.start_step + i, &stats);
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
    char(*loss_names)[CW_UPDATE_NAME] = NULL;
    size_t most = CW_WEIGHTS_MAX + (size_t)j->in.n_updates * N_LOSSES;
    cw_status status = cw_weights_collect(weights, j->agent, true);
    if (status == CW_OK) status = cw_alloc(&entries, most, sizeof *entries, "the table of tensors");
    if (status == CW_OK)
        status = cw_alloc(&loss_names, most, CW_UPDATE_NAME, "the table of tensors");
    if (status == CW_OK) {
        for (int i = 0; i < j->in.n_updates; i++) {
            for (int k = 0; k < N_LOSSES; k++) {
                if (isnan(j->losses[i][k])) continue; /* this update had no such loss */
                cw_update_input_name(loss_names[n_entries], &j->in, i, names[k]);
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

/* Every tensor of the file must be one that is understood: a misspelt name is an error, not a
 * parameter left at zero. */
static cw_status check_names(const job *j) {
    for (int i = 0; i < cw_safetensors_count(j->in.file); i++) {
        const char *name = cw_safetensors_name(j->in.file, i);
        if (cw_update_input_is_batch(&j->in, name) || cw_weights_known(j->agent, name)) continue;
        return cw_fail(CW_EFORMAT,
                       "tensor '%s' is not part of this agent; docs/formats.md lists the names of "
                       "each setting",
                       name);
    }
    return CW_OK;
}

/* Memory is claimed as it is used: more than there is would end the process much later. */
static cw_status check_memory(const job *j) {
    size_t needed = cw_agent_bytes(j->agent);
    uint64_t available = cw_memory_available();
    if (available == 0 || needed <= available) return CW_OK;
    return cw_fail(CW_ENOMEM, "the agent needs %.2f GB and %.2f GB are available",
                   (double)needed * 1e-9, (double)available * 1e-9);
}

static cw_status run_job(job *j, cw_backend *be, const cw_safetensors *in,
                         const cw_settings *settings, const char *out_path) {
    CW_TRY(cw_update_input_read(&j->in, in, settings));
    CW_TRY(cw_agent_create(&j->agent, be, &j->in.spec));
    cw_status status = check_memory(j);
    if (status == CW_OK) status = check_names(j);
    if (status == CW_OK) status = cw_weights_load(j->agent, in);
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
            status = run_job(j, be, in, settings, out_path);
            if (status == CW_EFORMAT) status = cw_fail_in(status, "%s", in_path);
            cw_free(j);
        }
        cw_safetensors_close(in);
    }
    cw_backend_destroy(be);
    return status;
}
