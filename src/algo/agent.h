/* A CURL agent: SAC with twin Qs on top of an encoder that is also trained by a contrastive loss.
 * Sources: Laskin, Srinivas, Abbeel 2020 (CURL); Haarnoja et al. 2018 (SAC). docs/algorithm.md
 * explains every step and which setting chooses it. Letters as in ops/ops.h. */
#ifndef CW_ALGO_AGENT_H
#define CW_ALGO_AGENT_H

#include "config/settings.h"
#include "data/batch.h"
#include "ops/ops.h"
#include "tensor/params.h"

#include <curlew/status.h>

/* Everything that fixes an agent's shapes and its update. */
typedef struct cw_agent_spec {
    cw_encoder_settings encoder;
    cw_actor_settings actor;
    cw_critic_settings critic;
    cw_sac_settings sac;
    cw_curl_settings curl;
    cw_update_settings update; /* batch_size is B */
    int action_dim;            /* A */
    int frame_stack;           /* K */
    int frame_channels;        /* channels of one frame; C = K * frame_channels */
    int crop_height;           /* H */
    int crop_width;            /* W */
} cw_agent_spec;

/* One update's figures; NaN where the update had no such part. Losses are means over B. */
typedef struct cw_update_stats {
    double critic_loss;   /* both Qs' squared TD errors, summed */
    double actor_loss;    /* alpha log pi - min Q */
    double alpha_loss;    /* temperature loss */
    double curl_loss;     /* InfoNCE, nats; ln B = chance */
    double curl_accuracy; /* share of anchors whose own key scores highest */
    double alpha;         /* temperature before its step */
    double entropy;       /* -log pi, nats */
    double q_mean;        /* mean of both Qs on the replayed actions */
    double target_mean;   /* mean TD target */
    double reward_mean;   /* mean reward of the minibatch */
} cw_update_stats;

/* Seconds spent in each part of the updates so far. */
typedef enum cw_agent_phase {
    CW_PHASE_INPUT, /* gather, crop, scale */
    CW_PHASE_CONV_FORWARD,
    CW_PHASE_CONV_BACKWARD,
    CW_PHASE_HEAD,      /* linear layers, LayerNorm, tanh of the encoders, both directions */
    CW_PHASE_LOSS,      /* Qs, policy, contrastive logits, both directions */
    CW_PHASE_OPTIMISER, /* Adam, momentum averages */
    CW_PHASE_COUNT
} cw_agent_phase;
const char *cw_agent_phase_name(cw_agent_phase phase);

/* The convolutions of an agent's encoder for one minibatch. */
cw_convnet_desc cw_agent_convs(const cw_agent_spec *spec);

typedef struct cw_agent cw_agent;

/* Makes an agent with all its memory; parameters are zero until cw_agent_init or a load. The
 * backend must outlive it. An agent is used by one thread at a time. CW_EINVAL names the setting.
 */
cw_status cw_agent_create(cw_agent **out, cw_backend *be, const cw_agent_spec *spec);
void cw_agent_destroy(cw_agent *agent); /* NULL allowed */

/* Bytes of the agent's own blocks. */
size_t cw_agent_bytes(const cw_agent *agent);
const cw_agent_spec *cw_agent_get_spec(const cw_agent *agent);

/* Initial parameters from the Philox stream (seed, CW_RNG_INIT): linear layers orthogonal, gain 1;
 * convolutions delta-orthogonal, gain sqrt 2; biases 0; LayerNorm 1 and 0; W uniform in [0, 1);
 * targets and key encoder equal to their sources. Source: curl_sac.py of the released code. */
cw_status cw_agent_init(cw_agent *agent, uint64_t seed);

/* One update number `step` (from 0) on a minibatch of B samples: docs/algorithm.md has the order.
 * Nothing is allocated. A loss or gradient that is not finite gives CW_EDIVERGED, naming it and the
 * step; the parameters are then not to be trusted. */
cw_status cw_agent_update(cw_agent *agent, const cw_minibatch *batch, int64_t step,
                          cw_update_stats *out);

/* What the contrastive loss sees in a minibatch. */
typedef struct cw_contrast_view {
    cw_tensor features; /* (B, D) of the anchors */
    cw_tensor scores; /* (B, B) of anchors (rows) and keys (columns); data NULL and the figures NaN
                         without curl.enabled */
    double loss;      /* InfoNCE, nats */
    double accuracy;  /* share of anchors whose own key scores highest */
} cw_contrast_view;

/* The tensors belong to the agent and are valid until the next call. Changes nothing that an update
 * depends on. */
cw_status cw_agent_contrast(cw_agent *agent, const cw_minibatch *batch, cw_contrast_view *out);

/* Accumulated seconds by phase. */
void cw_agent_times(const cw_agent *agent, double out[CW_PHASE_COUNT]);

/* ---- access to state by name, for files ---- */
/* Parameter number i: trained ones first, then targets and key encoder; false when there is none.
 * The view may be written. */
bool cw_agent_param(const cw_agent *agent, int i, const char **name, cw_tensor *value);
/* Number of Adam optimisers; name ("critic", "curl", "actor", "alpha"), steps made so far. */
int cw_agent_optimisers(const cw_agent *agent);
const char *cw_agent_optimiser_name(const cw_agent *agent, int optimiser);
int64_t *cw_agent_optimiser_steps(cw_agent *agent, int optimiser);
/* Parameter i of an optimiser: its name and first and second moments. */
bool cw_agent_moment(const cw_agent *agent, int optimiser, int i, const char **name, cw_tensor *m,
                     cw_tensor *v);

/* ---- acting ---- */
typedef struct cw_actor cw_actor;

/* Acts for n stacks at a time with the agent's current parameters. The agent must outlive it; used
 * by the agent's thread. */
cw_status cw_actor_create(cw_actor **out, cw_agent *agent, int64_t n);
void cw_actor_destroy(cw_actor *actor); /* NULL allowed */
size_t cw_actor_bytes(const cw_actor *actor);

/* action (n, A) in [-1, 1]: sampled with noise (n, A), or tanh(mean) when noise is NULL.
 * CW_EDIVERGED when an action is not finite, as with parameters that are not. */
cw_status cw_actor_act(cw_actor *actor, const cw_image_batch *images, const float *noise,
                       float *action);

/* What the agent makes of n stacks: query features z (n, D), the mean action (n, A), and the
 * smaller of both Qs for that action, value (n). */
cw_status cw_actor_look(cw_actor *actor, const cw_image_batch *images, float *z, float *action,
                        float *value);

#endif
