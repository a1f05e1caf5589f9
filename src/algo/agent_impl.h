/* Inside of an agent; for the files of this room only. */
#ifndef CW_ALGO_AGENT_IMPL_H
#define CW_ALGO_AGENT_IMPL_H

#include "algo/agent.h"
#include "algo/contrast.h"
#include "algo/layout.h"
#include "nn/policy.h"

#define CW_MAX_OPTIMISERS 4

typedef struct cw_optimiser {
    const char *name;
    cw_range range; /* of the online vector */
    double lr, beta1, beta2;
    int64_t t; /* steps made */
    void *m;   /* first moments, range.count elements */
    void *v;   /* second moments */
} cw_optimiser;

/* Values of one pass, by what they are computed from. */
typedef struct cw_workspace {
    /* convolutions */
    void *acts_obs;      /* anchor view, kept for the backward pass */
    void *acts_contrast; /* single-frame anchors beside the full stacks (joint order only) */
    void *acts_other;    /* next observations and positives: forward only */
    void *packed_train, *packed_infer;
    void *scratch;
    cw_tensor features_obs;      /* (B, F*P*P); this and the next three as feature_dtype says */
    cw_tensor features_contrast; /* (B, F*P*P) single-frame anchors */
    cw_tensor features_other;    /* (B, F*P*P) */
    cw_tensor dfeatures;         /* (B, F*P*P) */
    /* heads */
    cw_head_acts obs;        /* query head on features_obs */
    cw_head_acts contrast;   /* query head on features_contrast */
    cw_head_acts other;      /* any head, forward only */
    cw_head_acts actor;      /* the actor's own head on features_obs */
    cw_head_acts actor_next; /* the actor's own head on the next observations */
    cw_tensor head_unused;   /* (2 D) */
    cw_tensor dz;            /* (B, D) gradient of the TD loss at the query features */
    cw_tensor dz_contrast;   /* (B, D) gradient of the contrastive loss at the anchors */
    cw_tensor dz_actor;      /* (B, D) gradient of the actor loss at its own features */
    /* Qs and policy */
    cw_mlp_acts q[2]; /* online or target */
    cw_mlp_acts trunk;
    cw_tensor q_input;     /* (B, D+A) features and action */
    cw_tensor dq_input[2]; /* (B, D+A) */
    cw_tensor dq[2];       /* (B, 1) */
    cw_tensor y;           /* (B) TD targets */
    cw_tensor action;      /* (B, A) */
    cw_tensor log_prob;    /* (B) */
    cw_tensor daction;     /* (B, A) */
    cw_tensor draw;        /* (B, 2A) */
    cw_contrast infonce;
    const uint8_t **single_frames; /* (B, K) frame pointers of single-frame stacks */
} cw_workspace;

struct cw_agent {
    cw_backend *be;
    cw_agent_spec spec;
    cw_layout layout;
    void *value;  /* online parameters */
    void *grad;   /* their gradients */
    void *extra;  /* gradients of a second encoder pass; NULL unless needed */
    void *target; /* target and key encoder parameters */
    cw_online values, grads, extras;
    cw_target targets;
    int n_optimisers;
    cw_optimiser optimiser[CW_MAX_OPTIMISERS];
    cw_optimiser *critic_opt, *curl_opt, *actor_opt, *alpha_opt; /* curl_opt may be NULL */
    cw_convnet *train_net; /* forward and backward, B stacks */
    cw_convnet *infer_net; /* forward only, B stacks */
    cw_workspace w;
    void *block; /* everything above that is memory */
    size_t bytes;
    int64_t step; /* of the update in progress, for messages */
    double seconds[CW_PHASE_COUNT];
};

/* Element type of the features of `n` stacks between convolutions and heads. */
cw_dtype cw_agent_feature_dtype(const cw_agent *agent, int64_t n);

#endif
