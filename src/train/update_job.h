/* The input of `curlew update` (docs/formats.md) ready to run: an agent with the file's weights,
 * and its minibatches. */
#ifndef CW_TRAIN_UPDATE_JOB_H
#define CW_TRAIN_UPDATE_JOB_H

#include "train/update_input.h"

typedef struct cw_update_job {
    cw_safetensors *file;
    cw_update_input in;
    cw_agent *agent;
    const uint8_t **frames; /* (3, B, K) frame pointers of one minibatch */
    int32_t *zeros;         /* (B) crop offsets */
} cw_update_job;

/* Opens `path` and loads its weights into an agent on `be`, which must outlive the job. Every
 * tensor of the file must be one that is understood: CW_EFORMAT names the file and what is missing,
 * misshapen or unknown; CW_ENOMEM also when the machine has less memory than the agent needs. */
cw_status cw_update_job_open(cw_update_job **out, cw_backend *be, const cw_settings *settings,
                             const char *path);
void cw_update_job_close(cw_update_job *job); /* NULL allowed */

/* Minibatch i; it points into the job and is valid until the next call. */
cw_status cw_update_job_batch(cw_update_job *job, int i, cw_minibatch *out);

#endif
