/* An agent's parameters and optimiser state as named tensors of a safetensors file
 * (docs/formats.md), both ways. */
#ifndef CW_TRAIN_WEIGHTS_H
#define CW_TRAIN_WEIGHTS_H

#include "algo/agent.h"
#include "io/safetensors.h"

#define CW_WEIGHTS_MAX      512
#define CW_WEIGHTS_NAME     128
#define CW_WEIGHTS_META_MAX 16
#define CW_WEIGHTS_STEP_MAX (INT64_C(1) << 60) /* updates; counting on cannot overflow */

/* Entries for a writer; the tensors are views into the agent. */
typedef struct cw_weights {
    int n;
    cw_safetensors_entry entry[CW_WEIGHTS_MAX];
    char name[CW_WEIGHTS_MAX][CW_WEIGHTS_NAME];
    int n_meta;
    cw_safetensors_meta meta[CW_WEIGHTS_META_MAX];
    char meta_key[CW_WEIGHTS_META_MAX][CW_WEIGHTS_NAME];
    char meta_value[CW_WEIGHTS_META_MAX][CW_WEIGHTS_NAME];
} cw_weights;

/* Adds every parameter and, with `moments`, each optimiser's state: tensors
 * adam.<optimiser>.m.<parameter> and .v., metadata adam.<optimiser>.t. An actor with its own head
 * also lists the tied convolutions under actor.encoder.convs.*, so that a PyTorch actor loads. */
cw_status cw_weights_collect(cw_weights *weights, cw_agent *agent, bool moments);

/* One more entry or metadata pair; CW_EINVAL when the table is full. */
cw_status cw_weights_add(cw_weights *weights, const char *name, const cw_tensor *tensor);
cw_status cw_weights_add_meta(cw_weights *weights, const char *key, const char *value);

/* Writes every parameter, without optimiser state, and the profile's name as metadata; atomic. */
cw_status cw_weights_write(const char *path, cw_agent *agent, const char *profile);

/* Whether `name` belongs to an agent's file: a parameter, an alias of one, or optimiser state. */
bool cw_weights_known(cw_agent *agent, const char *name);

/* Whether a file has every parameter of a table with its shape, as f32 or f64: what is asked before
 * an agent of sizes that a file names is made. CW_EFORMAT names the tensor. */
cw_status cw_weights_check(const cw_safetensors *file, const cw_param_table *table);

/* The whole number from min to max that is the metadata's value of `key`; *value stays as it is
 * when the file has no such key. CW_EFORMAT names the key. */
cw_status cw_weights_metadata(const cw_safetensors *file, const char *key, int64_t min, int64_t max,
                              int64_t *value);

/* Reads every parameter by name (f32 or f64 in the file), checks aliases for equality, and reads
 * optimiser state where the file has it (absent: zero). CW_EFORMAT names the tensor that is
 * missing or has another shape; the agent may then be partly written. */
cw_status cw_weights_load(cw_agent *agent, const cw_safetensors *file);

#endif
