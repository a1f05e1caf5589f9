/* The replay's insides, shared by replay.c and replay_index.c only. */
#ifndef CW_REPLAY_REPLAY_INTERNAL_H
#define CW_REPLAY_REPLAY_INTERNAL_H

#include "replay/replay.h"

struct cw_replay {
    cw_replay_desc desc;
    int64_t n_slots;
    size_t frame_bytes;
    uint8_t *frames; /* (n_slots, channels, height, width), a block of its own */
    void *rows;      /* the block that holds every array below */

    /* per slot */
    int32_t *behind;   /* (n_slots) frames of its stack before it: min(age in episode, K - 1) */
    uint8_t *has;      /* (n_slots) 1: a transition starts here, the next slot holds its end */
    float *action;     /* (n_slots, A) of that transition */
    float *reward;     /* (n_slots) */
    float *not_done;   /* (n_slots) */
    int64_t committed; /* frames ever committed; the next frame's number */
    bool lent;
    bool open; /* the newest frame's episode goes on */

    /* transitions that can be sampled: a FIFO of the frame numbers where they start */
    int64_t *live; /* (capacity) ring */
    int64_t live_first;
    int64_t live_count;

    /* workspace of one minibatch */
    uint32_t *draw;              /* (2B) */
    const uint8_t **obs_frames;  /* (B, K) */
    const uint8_t **next_frames; /* (B, K) */
    int32_t *offsets;            /* (3 views, 2 axes, B) */
    float *batch_action;         /* (B, A) */
    float *batch_reward;         /* (B) */
    float *batch_not_done;       /* (B) */
    float *noise_next;           /* (B, A) */
    float *noise_actor;          /* (B, A) */
};

/* Enters the transition that starts at frame `number` into the FIFO, dropping the oldest one
 * when it is full. */
void cw_replay_live_push(cw_replay *replay, int64_t number);

/* Drops the transitions whose stacks reach back before the oldest frame. */
void cw_replay_live_evict(cw_replay *replay);

#endif
