/* Replay that stores each rendered frame once.
 *
 * A ring of time steps: slot i holds one frame and, unless it is the last of its episode, the
 * transition that starts there. The stack of a slot is its frame and the K-1 before it, the
 * episode's first frame repeated where the episode has fewer: a stack can cross neither an
 * episode start nor an overwritten slot. Environments render straight into lent slots. */
#ifndef CW_REPLAY_REPLAY_H
#define CW_REPLAY_REPLAY_H

#include "base/rng.h"
#include "data/batch.h"

#include <curlew/status.h>

#include <stddef.h>

typedef struct cw_replay cw_replay;

typedef struct cw_replay_desc {
    int64_t capacity;  /* transitions that can be sampled when full (episodes of episode_steps) */
    int episode_steps; /* agent steps of a full episode, for the slots that episode ends need */
    int stack;         /* K */
    int action_dim;    /* A */
    cw_frame_spec frame;
    /* sampling */
    int batch_size;      /* B */
    int crop_size;       /* H = W */
    bool random_crop;    /* false: centre crop */
    bool exclusive_crop; /* the last offset is never drawn (the released code's range) */
    bool include_latest; /* sample 0 is always the newest transition */
} cw_replay_desc;

/* Bytes that cw_replay_create will allocate; SIZE_MAX when it cannot be represented. */
size_t cw_replay_bytes(const cw_replay_desc *desc);

cw_status cw_replay_create(cw_replay **out, const cw_replay_desc *desc);
void cw_replay_destroy(cw_replay *replay); /* NULL allowed */

/* The slot that the next frame goes to. Overwrites the oldest slot once the ring is full (its
 * transitions can no longer be sampled from this call on). Valid until the next commit. The caller
 * may fill it from another thread while minibatches are being sampled and read. */
uint8_t *cw_replay_lend(cw_replay *replay);

/* The lent slot holds the first frame of an episode. */
void cw_replay_commit_first(cw_replay *replay);

/* The lent slot holds the frame that follows `action` (A). not_done: 0 when terminal. `last` ends
 * the episode: the next commit must be commit_first. */
void cw_replay_commit(cw_replay *replay, const float *action, double reward, float not_done,
                      bool last);

int64_t cw_replay_count(const cw_replay *replay);  /* transitions that can be sampled */
int64_t cw_replay_frames(const cw_replay *replay); /* frames ever committed */

/* Frames of the newest stack, oldest first: K pointers, valid until two more commits. */
cw_status cw_replay_latest_stack(const cw_replay *replay, const uint8_t **frames);

/* Draws minibatch number `counter` of the run: indices, crop offsets and policy noise come from
 * Philox streams of (seed, shard), so the same call gives the same minibatch. Uniform with
 * replacement over the transitions. The minibatch points into the replay's own workspace and the
 * frame ring; it is valid until the next call. CW_EINVAL when the replay is empty. */
cw_status cw_replay_sample(cw_replay *replay, cw_minibatch *out, uint64_t seed, uint32_t shard,
                           uint64_t counter);

/* For checkpoints: everything but the frames as one blob (indices, actions, rewards, cursor), and
 * the frames by their running number [0, cw_replay_frames). A frame number still in the ring
 * has a slot, NULL otherwise. */
size_t cw_replay_index_bytes(const cw_replay *replay);
void cw_replay_index_save(const cw_replay *replay, void *out);
cw_status cw_replay_index_load(cw_replay *replay, const void *bytes, size_t n);
int64_t
cw_replay_oldest_frame(const cw_replay *replay); /* running number of the oldest live frame */
const uint8_t *cw_replay_frame(const cw_replay *replay, int64_t number);
uint8_t *cw_replay_frame_for_load(cw_replay *replay, int64_t number);

#endif
