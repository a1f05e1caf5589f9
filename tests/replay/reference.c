#include "replay/reference.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

uint64_t ref_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void ref_init(ref_replay *ref, const cw_replay_desc *desc) {
    memset(ref, 0, sizeof *ref);
    ref->desc = *desc;
    int64_t ends = desc->capacity / desc->episode_steps;
    if (ends * desc->episode_steps < desc->capacity) ends++;
    ref->slots = desc->capacity + ends + desc->stack + 1;
    ref->frame_bytes = (size_t)(desc->frame.channels * desc->frame.height * desc->frame.width);
    assert_true(ref->frame_bytes <= REF_MAX_FRAME);
    assert_true(desc->stack <= REF_MAX_STACK && desc->action_dim <= REF_MAX_ACTION);
    ref->row = calloc(REF_MAX_TRANSITIONS, sizeof *ref->row);
    assert_non_null(ref->row);
}

void ref_free(ref_replay *ref) {
    free(ref->row);
}

int64_t ref_first_live(const ref_replay *ref) {
    int64_t first = ref->n > ref->desc.capacity ? ref->n - ref->desc.capacity : 0;
    while (first < ref->n && ref->row[first].oldest_frame <= ref->frames - ref->slots) first++;
    return first;
}

static void ref_commit(ref_replay *ref, const uint8_t *frame, const float *action, float not_done) {
    size_t bytes = ref->frame_bytes;
    size_t K = (size_t)ref->desc.stack;
    uint8_t before[sizeof ref->stack];
    memcpy(before, ref->stack, sizeof before);
    if (action == NULL) {
        for (size_t k = 0; k < K; k++) memcpy(ref->stack + k * bytes, frame, bytes);
        ref->episode_start = ref->frames;
    } else {
        memmove(ref->stack, ref->stack + bytes, (K - 1) * bytes);
        memcpy(ref->stack + (K - 1) * bytes, frame, bytes);
        assert_true(ref->n < REF_MAX_TRANSITIONS);
        ref_transition *row = &ref->row[ref->n];
        memcpy(row->obs, before, sizeof before);
        memcpy(row->next, ref->stack, sizeof before);
        memcpy(row->action, action, (size_t)ref->desc.action_dim * sizeof *action);
        row->reward = (float)ref->n;
        row->not_done = not_done;
        int64_t oldest = ref->frames - 1 - (ref->desc.stack - 1);
        row->oldest_frame = oldest > ref->episode_start ? oldest : ref->episode_start;
        ref->n++;
    }
    ref->frames++;
}

void ref_commit_both(ref_replay *ref, cw_replay *replay, const uint8_t *frame, const float *action,
                     float not_done, bool last) {
    uint8_t *slot = cw_replay_lend(replay);
    assert_ptr_equal(slot, cw_replay_lend(replay));
    /* Whoever renders may leave anything in the slot; no sample may show it. */
    memset(slot, 0xEE, ref->frame_bytes);
    if (cw_replay_count(replay) > 0) {
        cw_minibatch batch;
        assert_int_equal(cw_replay_sample(replay, &batch, 9, 0, (uint64_t)ref->frames), CW_OK);
        ref_check_minibatch(ref, &batch, NULL);
    }
    if (ref->frames > 0) ref_check_latest(ref, replay);
    memcpy(slot, frame, ref->frame_bytes);
    if (action == NULL) {
        assert_int_equal(cw_replay_commit_first(replay), CW_OK);
    } else {
        assert_int_equal(cw_replay_commit(replay, action, (double)ref->n, not_done, last), CW_OK);
    }
    ref_commit(ref, frame, action, not_done);
}

void ref_commit_random(ref_replay *ref, cw_replay *replay, uint64_t *random, bool first,
                       float not_done, bool last) {
    uint8_t frame[REF_MAX_FRAME];
    float action[REF_MAX_ACTION];
    for (size_t i = 0; i < ref->frame_bytes; i++) frame[i] = (uint8_t)(ref_random(random) % 0xE0);
    for (int i = 0; i < REF_MAX_ACTION; i++) {
        action[i] = (float)(ref_random(random) % 2001) / 1000.0f - 1.0f;
    }
    ref_commit_both(ref, replay, frame, first ? NULL : action, not_done, last);
}

static void check_stack(const ref_replay *ref, const uint8_t *const *frames, const uint8_t *want) {
    for (int k = 0; k < ref->desc.stack; k++) {
        assert_memory_equal(frames[k], want + (size_t)k * ref->frame_bytes, ref->frame_bytes);
    }
}

void ref_check_minibatch(const ref_replay *ref, const cw_minibatch *batch, int64_t *seen) {
    int64_t first = ref_first_live(ref);
    int64_t K = ref->desc.stack;
    int64_t A = ref->desc.action_dim;
    assert_int_equal(batch->n, ref->desc.batch_size);
    assert_int_equal(batch->action_dim, A);
    for (int64_t i = 0; i < batch->n; i++) {
        int64_t number = (int64_t)batch->reward[i];
        assert_in_range(number, first, ref->n - 1);
        const ref_transition *row = &ref->row[number];
        check_stack(ref, batch->obs.frames + i * K, row->obs);
        check_stack(ref, batch->pos.frames + i * K, row->obs);
        check_stack(ref, batch->next_obs.frames + i * K, row->next);
        assert_memory_equal(batch->action + i * A, row->action, (size_t)A * sizeof(float));
        assert_true(batch->not_done[i] == row->not_done);
        if (seen != NULL) seen[number - first]++;
    }
}

void ref_check_latest(const ref_replay *ref, const cw_replay *replay) {
    const uint8_t *frames[REF_MAX_STACK];
    assert_int_equal(cw_replay_latest_stack(replay, frames), CW_OK);
    check_stack(ref, frames, ref->stack);
}
