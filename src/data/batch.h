/* The types that cross rooms: what an environment step yields and what a learner reads. */
#ifndef CW_DATA_BATCH_H
#define CW_DATA_BATCH_H

#include "tensor/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Shape of the frames of an environment; frames are planar u8 (channels, height, width). */
typedef struct cw_frame_spec {
    int channels;
    int height; /* pixels */
    int width;  /* pixels */
} cw_frame_spec;

/* One agent step: `repeat` simulator control steps with the same action. */
typedef struct cw_timestep {
    double reward;   /* sum over the repeated control steps */
    double discount; /* 0 at a true terminal state, else 1 */
    bool last;       /* the episode is over (terminal or time limit) */
    int frames; /* control steps really simulated (fewer than the repeat at an episode's end) */
} cw_timestep;

/* A minibatch for one update. All memory belongs to the sampler (or the caller). */
typedef struct cw_minibatch {
    int64_t n;                /* B */
    int64_t action_dim;       /* A */
    cw_image_batch obs;       /* anchor crops; the RL loss reads them too */
    cw_image_batch next_obs;  /* crops of the next stacks */
    cw_image_batch pos;       /* second crops of the stacks of obs */
    const float *action;      /* (B, A), in [-1, 1] */
    const float *reward;      /* (B) */
    const float *not_done;    /* (B) 1 = bootstrap from next_obs, 0 = terminal */
    const float *noise_next;  /* (B, A) standard normal, policy noise of the TD target */
    const float *noise_actor; /* (B, A) standard normal, policy noise of the actor loss */
} cw_minibatch;

#endif
