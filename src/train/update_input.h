/* What a file for `curlew update` holds (docs/formats.md), checked from its header's names and
 * shapes before memory for an agent is asked for. For update_file.c and its fuzzer. */
#ifndef CW_TRAIN_UPDATE_INPUT_H
#define CW_TRAIN_UPDATE_INPUT_H

#include "algo/agent.h"
#include "config/settings.h"
#include "io/safetensors.h"

#include <stdbool.h>

#define CW_UPDATE_MAX  10000 /* updates of one file */
#define CW_UPDATE_NAME 48    /* bytes of the name of a minibatch tensor */

/* The tensors of one minibatch. */
typedef enum cw_update_tensor {
    CW_UPDATE_OBS, /* u8 (B, K * channels, H, W), as the next two */
    CW_UPDATE_NEXT_OBS,
    CW_UPDATE_POS,
    CW_UPDATE_ACTION,      /* f32 (B, A) */
    CW_UPDATE_REWARD,      /* f32 (B) */
    CW_UPDATE_NOT_DONE,    /* f32 (B) */
    CW_UPDATE_NOISE_NEXT,  /* f32 (B, A) */
    CW_UPDATE_NOISE_ACTOR, /* f32 (B, A) */
    CW_UPDATE_TENSORS
} cw_update_tensor;

typedef struct cw_update_input {
    const cw_safetensors *file; /* not owned */
    bool prefixed;              /* names of update 3 begin with "u3." */
    int n_updates;              /* 1 to CW_UPDATE_MAX */
    int64_t start_step;         /* number of the first update */
    cw_agent_spec spec;
} cw_update_input;

/* Settings give the algorithm, the file's shapes give the sizes. On CW_OK every parameter of that
 * agent and every minibatch of every update is there with its dtype and shape. CW_EFORMAT names
 * the tensor or the metadata at fault, CW_EINVAL the setting that cannot be; CW_ENOMEM. */
cw_status cw_update_input_read(cw_update_input *out, const cw_safetensors *file,
                               const cw_settings *settings);

/* Data of the tensors of one minibatch; views into the file. */
cw_status cw_update_input_batch(const cw_update_input *in, int update,
                                void *data[CW_UPDATE_TENSORS]);

/* Name in this file of a tensor of one update. */
void cw_update_input_name(char out[CW_UPDATE_NAME], const cw_update_input *in, int update,
                          const char *name);

/* Whether `name` is a minibatch tensor of one of the updates. */
bool cw_update_input_is_batch(const cw_update_input *in, const char *name);

#endif
