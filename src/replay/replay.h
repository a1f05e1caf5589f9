/* Replay that stores each rendered frame once.
 *
 * A ring of slots, one frame each. Frames carry running numbers 0, 1, 2, ... in the order of their
 * commits; frame f lies in slot f mod slots. A frame also carries the transition that starts there,
 * unless its episode ends there. The stack of a frame is the frame and the K-1 before it, the
 * episode's first frame repeated where the episode has fewer: a stack can cross neither an
 * episode start nor an overwritten slot. Environments render straight into lent slots.
 *
 * Threads: one thread (the learner's) makes every call. Only the bytes of a lent slot may be
 * written by another thread, between lend and commit; the caller orders that thread's writes before
 * the commit (joining it or taking a lock does). No transition that can be sampled refers to the
 * slot which is, or will be, lent next, so sampling and reading minibatches goes on meanwhile. */
#ifndef CW_REPLAY_REPLAY_H
#define CW_REPLAY_REPLAY_H

#include "data/batch.h"

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cw_replay cw_replay;

typedef struct cw_replay_desc {
    /* Only the newest `capacity` transitions can be sampled. Slots are laid out so that this many
     * fit when episodes have episode_steps agent steps or more; the ends of shorter episodes take
     * slots from transitions. */
    int64_t capacity;
    int episode_steps; /* agent steps of a full episode */
    int stack;         /* K */
    int action_dim;    /* A */
    cw_frame_spec frame;
    /* sampling */
    int batch_size;      /* B */
    int crop_size;       /* H = W of a crop, at most the frame's height and width */
    bool random_crop;    /* false: centre crop, offset (side - crop_size) / 2 rounded down */
    bool exclusive_crop; /* the last offset is never drawn (the released code's range) */
    bool include_latest; /* sample 0 is always the newest transition */
} cw_replay_desc;

/* Bytes that cw_replay_create will allocate; SIZE_MAX when `desc` is out of range or the number
 * cannot be represented. Nearly all are frames, which the kernel provides as they are written. */
size_t cw_replay_bytes(const cw_replay_desc *desc);

/* CW_EINVAL names the field that is out of range; CW_ENOMEM. */
cw_status cw_replay_create(cw_replay **out, const cw_replay_desc *desc);
void cw_replay_destroy(cw_replay *replay); /* NULL allowed */

/* The slot that the next frame goes to: (channels, height, width) bytes, valid until the next
 * commit. Lending again before a commit gives the same slot. */
uint8_t *cw_replay_lend(cw_replay *replay);

/* The lent slot holds the first frame of an episode. An episode that is still open is cut there:
 * its newest frame starts no transition. CW_EINVAL when no slot is lent. */
cw_status cw_replay_commit_first(cw_replay *replay);

/* The lent slot holds the frame that follows `action` (A). not_done: 1 = bootstrap, 0 = terminal.
 * `last` ends the episode: the next commit must be commit_first. CW_EINVAL when no slot is lent or
 * no episode is open; CW_EDIVERGED when the action or reward is not finite or not_done is not in
 * [0, 1]. On failure nothing changes and the slot stays lent. */
cw_status cw_replay_commit(cw_replay *replay, const float *action, double reward, float not_done,
                           bool last);

int64_t cw_replay_count(const cw_replay *replay);  /* transitions that can be sampled */
int64_t cw_replay_frames(const cw_replay *replay); /* frames ever committed */

/* Frames of the newest stack, oldest first: K pointers, valid until two more commits. CW_EINVAL
 * before the first commit. */
cw_status cw_replay_latest_stack(const cw_replay *replay, const uint8_t **frames);

/* Draws minibatch number `counter` of the run: transitions, crop offsets and policy noise come
 * from the Philox streams of (seed, shard) for CW_RNG_SAMPLE, CW_RNG_CROP_* and CW_RNG_NOISE_*,
 * so the same call on the same contents gives the same minibatch. Uniform with replacement over
 * the transitions. Anchor, next observation and positive have independent offsets, one per sample
 * for all its frames.
 *
 * The minibatch points into the replay's own workspace and the frame ring. It is valid until the
 * next sample or commit. CW_EINVAL when the replay is empty. */
cw_status cw_replay_sample(cw_replay *replay, cw_minibatch *out, uint64_t seed, uint32_t shard,
                           uint64_t counter);

/* ---- for checkpoints ----
 * The state is one blob without frames (actions, rewards, episode bounds, cursor) and the frames
 * [cw_replay_oldest_frame, cw_replay_frames). Neither depends on whether a slot is lent. */

/* Size of the blob; the same for the replay's whole life, so one buffer serves every save. */
size_t cw_replay_index_bytes(const cw_replay *replay);
void cw_replay_index_save(const cw_replay *replay, void *out); /* cw_replay_index_bytes */

/* Replaces the replay's contents by the blob's; afterwards the caller fills every live frame
 * through cw_replay_frame_for_load. The blob is not trusted: CW_EFORMAT names what is wrong, and
 * then nothing has changed. The blob's slots, stack, action and frame shape must be this replay's;
 * the sampling fields may differ. */
cw_status cw_replay_index_load(cw_replay *replay, const void *bytes, size_t n);

/* Running number of the oldest frame that anything may refer to; equals cw_replay_frames when
 * there is none. */
int64_t cw_replay_oldest_frame(const cw_replay *replay);
size_t cw_replay_frame_bytes(const cw_replay *replay); /* channels * height * width */

/* The frames that a replay holds now, for a reader on another thread: frame n in [oldest, end)
 * stays as it is until the replay lends a slot while its oldest frame is beyond n. */
typedef struct cw_replay_span {
    const uint8_t *ring; /* (n_slots, frame_bytes), the replay's */
    int64_t n_slots;
    size_t frame_bytes;
    int64_t oldest, end; /* running numbers */
} cw_replay_span;
cw_replay_span cw_replay_span_of(const cw_replay *replay);
const uint8_t *cw_replay_span_frame(const cw_replay_span *span, int64_t number);

/* A frame by its running number; NULL when it is not in [oldest, frames). */
const uint8_t *cw_replay_frame(const cw_replay *replay, int64_t number);
uint8_t *cw_replay_frame_for_load(cw_replay *replay, int64_t number);

#endif
