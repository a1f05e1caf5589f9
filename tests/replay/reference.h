/* A naive replay to compare with: every transition keeps copies of its two whole stacks. Small,
 * slow and written apart from src/replay. */
#ifndef TEST_REPLAY_REFERENCE_H
#define TEST_REPLAY_REFERENCE_H

#include "replay/replay.h"

#include <stdbool.h>
#include <stdint.h>

#define REF_MAX_STACK       4
#define REF_MAX_FRAME       96
#define REF_MAX_ACTION      3
#define REF_MAX_TRANSITIONS 20000

typedef struct ref_transition {
    int64_t oldest_frame; /* running number of the oldest frame in its stacks */
    uint8_t obs[REF_MAX_STACK * REF_MAX_FRAME];
    uint8_t next[REF_MAX_STACK * REF_MAX_FRAME];
    float action[REF_MAX_ACTION];
    float reward; /* the transition's number: unique, exact in f32 */
    float not_done;
} ref_transition;

typedef struct ref_replay {
    cw_replay_desc desc;
    int64_t slots; /* frames that fit, one of them being free for lending */
    size_t frame_bytes;
    uint8_t stack[REF_MAX_STACK * REF_MAX_FRAME]; /* the newest */
    int64_t episode_start;                        /* running number of its first frame */
    int64_t frames;
    int64_t n; /* transitions ever */
    ref_transition *row;
} ref_replay;

/* A splitmix64 step: the tests' own source of arbitrary numbers. */
uint64_t ref_random(uint64_t *state);

void ref_init(ref_replay *ref, const cw_replay_desc *desc);
void ref_free(ref_replay *ref);

/* Number of the oldest transition that can be sampled; those up to ref->n - 1 can be, too. */
int64_t ref_first_live(const ref_replay *ref);

/* The same frame into both: lends, scribbles, samples, fills, commits. With action NULL it is an
 * episode's first. The reward is the transition's number. */
void ref_commit_both(ref_replay *ref, cw_replay *replay, const uint8_t *frame, const float *action,
                     float not_done, bool last);

/* A random frame and, when `first` is false, a random action into both. */
void ref_commit_random(ref_replay *ref, cw_replay *replay, uint64_t *random, bool first,
                       float not_done, bool last);

/* Asserts that every sample of the minibatch is a live transition with the right contents;
 * seen[number - first live] counts the draws when not NULL. */
void ref_check_minibatch(const ref_replay *ref, const cw_minibatch *batch, int64_t *seen);

/* Asserts the newest stack. */
void ref_check_latest(const ref_replay *ref, const cw_replay *replay);

#endif
