#include "train/update_job.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/resources.h"
#include "train/weights.h"

#define FILE_MAX_BYTES (UINT64_C(1) << 36)

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

cw_status cw_update_job_batch(cw_update_job *job, int i, cw_minibatch *out) {
    const cw_agent_spec *spec = &job->in.spec;
    size_t n_frames = (size_t)spec->update.batch_size * (size_t)spec->frame_stack;
    void *in[CW_UPDATE_TENSORS];
    CW_TRY(cw_update_input_batch(&job->in, i, in));
    *out = (cw_minibatch){
        .n = spec->update.batch_size,
        .action_dim = spec->action_dim,
        .obs = stack_view(spec, in[CW_UPDATE_OBS], job->frames, job->zeros),
        .next_obs = stack_view(spec, in[CW_UPDATE_NEXT_OBS], job->frames + n_frames, job->zeros),
        .pos = stack_view(spec, in[CW_UPDATE_POS], job->frames + 2 * n_frames, job->zeros),
        .action = in[CW_UPDATE_ACTION],
        .reward = in[CW_UPDATE_REWARD],
        .not_done = in[CW_UPDATE_NOT_DONE],
        .noise_next = in[CW_UPDATE_NOISE_NEXT],
        .noise_actor = in[CW_UPDATE_NOISE_ACTOR],
    };
    return CW_OK;
}

/* Every tensor of the file must be one that is understood: a misspelt name is an error, not a
 * parameter left at zero. */
static cw_status check_names(const cw_update_job *j) {
    for (int i = 0; i < cw_safetensors_count(j->file); i++) {
        const char *name = cw_safetensors_name(j->file, i);
        if (cw_update_input_is_batch(&j->in, name) || cw_weights_known(j->agent, name)) continue;
        return cw_fail(CW_EFORMAT,
                       "tensor '%s' is not part of this agent; docs/formats.md lists the names of "
                       "each setting",
                       name);
    }
    return CW_OK;
}

/* Memory is claimed as it is used: more than there is would end the process much later. */
static cw_status check_memory(const cw_update_job *j) {
    size_t needed = cw_agent_bytes(j->agent);
    uint64_t available = cw_memory_available();
    if (available == 0 || needed <= available) return CW_OK;
    return cw_fail(CW_ENOMEM, "the agent needs %.2f GB and %.2f GB are available",
                   (double)needed * 1e-9, (double)available * 1e-9);
}

static cw_status open_parts(cw_update_job *job, cw_backend *be, const cw_settings *settings) {
    CW_TRY(cw_update_input_read(&job->in, job->file, settings));
    CW_TRY(cw_agent_create(&job->agent, be, &job->in.spec));
    CW_TRY(check_memory(job));
    size_t batch = (size_t)job->in.spec.update.batch_size;
    size_t n_frames = cw_size_mul(batch, (size_t)job->in.spec.frame_stack);
    CW_TRY(cw_alloc(&job->frames, cw_size_mul(3, n_frames), sizeof *job->frames, "frame tables"));
    CW_TRY(cw_alloc(&job->zeros, batch, sizeof *job->zeros, "frame tables"));
    CW_TRY(check_names(job));
    return cw_weights_load(job->agent, job->file);
}

cw_status cw_update_job_open(cw_update_job **out, cw_backend *be, const cw_settings *settings,
                             const char *path) {
    cw_update_job *job;
    CW_TRY(cw_alloc(&job, 1, sizeof *job, "the update"));
    cw_status status = cw_safetensors_open(&job->file, path, FILE_MAX_BYTES);
    if (status == CW_OK) {
        status = open_parts(job, be, settings);
        if (status == CW_EFORMAT) status = cw_fail_in(status, "%s", path);
    }
    if (status != CW_OK) {
        cw_update_job_close(job);
        return status;
    }
    *out = job;
    return CW_OK;
}

void cw_update_job_close(cw_update_job *job) {
    if (job == NULL) return;
    cw_agent_destroy(job->agent);
    cw_free(job->zeros);
    cw_free(job->frames);
    cw_safetensors_close(job->file);
    cw_free(job);
}
