/* `curlew update`: agent updates from a file. docs/formats.md describes both files. */
#include "base/error.h"
#include "base/memory.h"
#include "train/backend.h"
#include "train/config_api.h"
#include "train/update_job.h"
#include "train/weights.h"

#include <math.h>
#include <string.h>

#define N_LOSSES 8

static cw_status run_updates(cw_update_job *j, double (*losses)[N_LOSSES]) {
    for (int i = 0; i < j->in.n_updates; i++) {
        cw_minibatch batch;
        CW_TRY(cw_update_job_batch(j, i, &batch));
        cw_update_stats stats;
        CW_TRY(cw_agent_update(j->agent, &batch, j->in.start_step + i, &stats));
        const double values[N_LOSSES] = {stats.critic_loss, stats.actor_loss,    stats.alpha_loss,
                                         stats.curl_loss,   stats.curl_accuracy, stats.alpha,
                                         stats.entropy,     stats.target_mean};
        memcpy(losses[i], values, sizeof values);
    }
    return CW_OK;
}

static cw_status write_result(const cw_update_job *j, double (*losses)[N_LOSSES],
                              const char *path) {
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
                if (isnan(losses[i][k])) continue; /* this update had no such loss */
                cw_update_input_name(loss_names[n_entries], &j->in, i, names[k]);
                entries[n_entries] =
                    (cw_safetensors_entry){.name = loss_names[n_entries],
                                           .tensor = cw_tensor_nd(CW_F64, &losses[i][k], 0, NULL)};
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

static cw_status run_job(cw_update_job *job, const char *out_path) {
    double(*losses)[N_LOSSES];
    CW_TRY(cw_alloc(&losses, (size_t)job->in.n_updates, sizeof *losses, "the losses"));
    cw_status status = run_updates(job, losses);
    if (status == CW_OK) status = write_result(job, losses, out_path);
    cw_free(losses);
    return status;
}

cw_status cw_update_file(const cw_config *config, const char *in_path, const char *out_path,
                         const char *backend) {
    const cw_settings *settings = &config->settings;
    cw_backend *be;
    CW_TRY(cw_backend_select(&be, backend, settings->run.precision, settings->run.threads));
    cw_update_job *job;
    cw_status status = cw_update_job_open(&job, be, settings, in_path);
    if (status == CW_OK) {
        status = run_job(job, out_path);
        cw_update_job_close(job);
    }
    cw_backend_destroy(be);
    return status;
}
