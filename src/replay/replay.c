#include "replay/replay.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "replay/replay_internal.h"

#include <math.h>
#include <string.h>

#define MAX_CAPACITY INT32_MAX /* a transition is drawn with 32 bits */
#define MAX_SIDE     65535     /* pixels; keeps every product of shapes far from overflow */
#define MAX_STACK    255
#define MAX_BATCH    (1 << 24)

static cw_status desc_check(const cw_replay_desc *d) {
    const struct {
        const char *name;
        int64_t value, low, high;
    } rows[] = {
        {"capacity", d->capacity, 1, MAX_CAPACITY},
        {"episode_steps", d->episode_steps, 1, INT32_MAX},
        {"stack", d->stack, 1, MAX_STACK},
        {"action_dim", d->action_dim, 1, MAX_SIDE},
        {"frame.channels", d->frame.channels, 1, MAX_SIDE},
        {"frame.height", d->frame.height, 1, MAX_SIDE},
        {"frame.width", d->frame.width, 1, MAX_SIDE},
        {"batch_size", d->batch_size, 1, MAX_BATCH},
        {"crop_size", d->crop_size, 1,
         d->frame.height < d->frame.width ? d->frame.height : d->frame.width},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value < rows[i].low || rows[i].value > rows[i].high) {
            return cw_fail(CW_EINVAL, "replay: %s is %lld; it must be from %lld to %lld",
                           rows[i].name, (long long)rows[i].value, (long long)rows[i].low,
                           (long long)rows[i].high);
        }
    }
    return CW_OK;
}

/* The newest C transitions span C frames, plus an episode's end at most every episode_steps of
 * them, plus the newest frame; the oldest stack reaches K - 1 further back, and one slot is free
 * for lending. */
static int64_t slots_of(const cw_replay_desc *d) {
    int64_t ends = (d->capacity + d->episode_steps - 1) / d->episode_steps;
    return d->capacity + ends + 1 + (d->stack - 1) + 1;
}

static size_t frame_bytes_of(const cw_frame_spec *frame) {
    return cw_size_mul(cw_size_mul((size_t)frame->channels, (size_t)frame->height),
                       (size_t)frame->width);
}

static void carve(cw_replay *r, cw_arena *arena) {
    size_t slots = (size_t)slots_of(&r->desc);
    size_t A = (size_t)r->desc.action_dim;
    size_t B = (size_t)r->desc.batch_size;
    size_t K = (size_t)r->desc.stack;
    r->behind = cw_arena_take(arena, slots, sizeof *r->behind);
    r->has = cw_arena_take(arena, slots, sizeof *r->has);
    r->action = cw_arena_take(arena, cw_size_mul(slots, A), sizeof *r->action);
    r->reward = cw_arena_take(arena, slots, sizeof *r->reward);
    r->not_done = cw_arena_take(arena, slots, sizeof *r->not_done);
    r->live = cw_arena_take(arena, (size_t)r->desc.capacity, sizeof *r->live);
    r->draw = cw_arena_take(arena, 2 * B, sizeof *r->draw);
    r->obs_frames = cw_arena_take(arena, B * K, sizeof *r->obs_frames);
    r->next_frames = cw_arena_take(arena, B * K, sizeof *r->next_frames);
    r->offsets = cw_arena_take(arena, 6 * B, sizeof *r->offsets);
    r->batch_action = cw_arena_take(arena, B * A, sizeof *r->batch_action);
    r->batch_reward = cw_arena_take(arena, B, sizeof *r->batch_reward);
    r->batch_not_done = cw_arena_take(arena, B, sizeof *r->batch_not_done);
    r->noise_next = cw_arena_take(arena, B * A, sizeof *r->noise_next);
    r->noise_actor = cw_arena_take(arena, B * A, sizeof *r->noise_actor);
}

/* Bytes of the frame block and of the block of rows. */
static void measure(const cw_replay_desc *desc, size_t *frames, size_t *rows) {
    cw_replay probe = {.desc = *desc};
    cw_arena arena = {0};
    carve(&probe, &arena);
    *rows = arena.used;
    *frames = cw_size_mul((size_t)slots_of(desc), frame_bytes_of(&desc->frame));
}

size_t cw_replay_bytes(const cw_replay_desc *desc) {
    if (desc_check(desc) != CW_OK) return SIZE_MAX;
    size_t frames, rows;
    measure(desc, &frames, &rows);
    return cw_size_add(cw_size_add(frames, rows), sizeof(cw_replay));
}

cw_status cw_replay_create(cw_replay **out, const cw_replay_desc *desc) {
    CW_TRY(desc_check(desc));
    size_t frames, rows;
    measure(desc, &frames, &rows);
    cw_replay *r;
    CW_TRY(cw_alloc(&r, 1, sizeof *r, "the replay"));
    r->desc = *desc;
    r->n_slots = slots_of(desc);
    r->frame_bytes = frame_bytes_of(&desc->frame);
    cw_status status = cw_alloc(&r->frames, frames, 1, "the replay's frames (replay.capacity)");
    if (status == CW_OK) status = cw_alloc(&r->rows, rows, 1, "the replay's index");
    if (status != CW_OK) {
        cw_replay_destroy(r);
        return status;
    }
    cw_arena arena = {.base = r->rows, .size = rows};
    carve(r, &arena);
    *out = r;
    return CW_OK;
}

void cw_replay_destroy(cw_replay *replay) {
    if (replay == NULL) return;
    cw_free(replay->frames);
    cw_free(replay->rows);
    cw_free(replay);
}

static int64_t slot_of(const cw_replay *r, int64_t number) {
    return number % r->n_slots;
}

static uint8_t *frame_at(const cw_replay *r, int64_t number) {
    return r->frames + (size_t)slot_of(r, number) * r->frame_bytes;
}

/* ---- storing ---- */

void cw_replay_live_push(cw_replay *replay, int64_t number) {
    int64_t capacity = replay->desc.capacity;
    if (replay->live_count == capacity) {
        replay->live_first = (replay->live_first + 1) % capacity;
        replay->live_count--;
    }
    replay->live[(replay->live_first + replay->live_count) % capacity] = number;
    replay->live_count++;
}

void cw_replay_live_evict(cw_replay *replay) {
    int64_t oldest = cw_replay_oldest_frame(replay);
    while (replay->live_count > 0) {
        int64_t number = replay->live[replay->live_first];
        if (number - replay->behind[slot_of(replay, number)] >= oldest) break;
        replay->live_first = (replay->live_first + 1) % replay->desc.capacity;
        replay->live_count--;
    }
}

uint8_t *cw_replay_lend(cw_replay *replay) {
    replay->lent = true;
    return frame_at(replay, replay->committed);
}

/* The lent frame, `behind` frames of whose stack lie before it, joins the ring. */
static void frame_enter(cw_replay *r, int32_t behind, bool open) {
    int64_t slot = slot_of(r, r->committed);
    r->behind[slot] = behind;
    r->has[slot] = 0;
    r->committed++;
    r->lent = false;
    r->open = open;
    cw_replay_live_evict(r);
}

cw_status cw_replay_commit_first(cw_replay *replay) {
    if (!replay->lent) return cw_fail(CW_EINVAL, "replay: commit_first needs a lent slot");
    frame_enter(replay, 0, true);
    return CW_OK;
}

cw_status cw_replay_commit(cw_replay *replay, const float *action, double reward, float not_done,
                           bool last) {
    if (!replay->lent) return cw_fail(CW_EINVAL, "replay: commit needs a lent slot");
    if (!replay->open) {
        return cw_fail(CW_EINVAL, "replay: no episode is open; commit its first frame first");
    }
    int A = replay->desc.action_dim;
    for (int i = 0; i < A; i++) {
        if (!isfinite(action[i])) {
            return cw_fail(CW_EDIVERGED, "replay: action %d is %g; it must be finite", i,
                           (double)action[i]);
        }
    }
    if (!isfinite((float)reward)) {
        return cw_fail(CW_EDIVERGED, "replay: the reward is %g; it must be a finite f32", reward);
    }
    if (!(not_done >= 0 && not_done <= 1)) {
        return cw_fail(CW_EDIVERGED, "replay: not_done is %g; it must be from 0 to 1",
                       (double)not_done);
    }
    int64_t start = replay->committed - 1;
    int64_t slot = slot_of(replay, start);
    memcpy(replay->action + slot * A, action, (size_t)A * sizeof *action);
    replay->reward[slot] = (float)reward;
    replay->not_done[slot] = not_done;
    replay->has[slot] = 1;
    int32_t behind = replay->behind[slot] + 1;
    if (behind > replay->desc.stack - 1) behind = replay->desc.stack - 1;
    cw_replay_live_push(replay, start);
    frame_enter(replay, behind, !last);
    return CW_OK;
}

int64_t cw_replay_count(const cw_replay *replay) {
    return replay->live_count;
}

int64_t cw_replay_frames(const cw_replay *replay) {
    return replay->committed;
}

int64_t cw_replay_oldest_frame(const cw_replay *replay) {
    /* One slot is always free for the next frame. */
    int64_t held = replay->n_slots - 1;
    return replay->committed > held ? replay->committed - held : 0;
}

size_t cw_replay_frame_bytes(const cw_replay *replay) {
    return replay->frame_bytes;
}

cw_replay_span cw_replay_span_of(const cw_replay *replay) {
    return (cw_replay_span){.ring = replay->frames,
                            .n_slots = replay->n_slots,
                            .frame_bytes = replay->frame_bytes,
                            .oldest = cw_replay_oldest_frame(replay),
                            .end = replay->committed};
}

const uint8_t *cw_replay_span_frame(const cw_replay_span *span, int64_t number) {
    return span->ring + (size_t)(number % span->n_slots) * span->frame_bytes;
}

const uint8_t *cw_replay_frame(const cw_replay *replay, int64_t number) {
    if (number < cw_replay_oldest_frame(replay) || number >= replay->committed) return NULL;
    return frame_at(replay, number);
}

uint8_t *cw_replay_frame_for_load(cw_replay *replay, int64_t number) {
    return (uint8_t *)cw_replay_frame(replay, number);
}

/* ---- reading ---- */

/* K pointers to the stack of frame `number`, oldest first. */
static void stack_of(const cw_replay *r, int64_t number, const uint8_t **out) {
    int K = r->desc.stack;
    int32_t behind = r->behind[slot_of(r, number)];
    for (int k = 0; k < K; k++) {
        int back = K - 1 - k;
        out[k] = frame_at(r, number - (back < behind ? back : behind));
    }
}

cw_status cw_replay_latest_stack(const cw_replay *replay, const uint8_t **frames) {
    if (replay->committed == 0) return cw_fail(CW_EINVAL, "replay: it holds no frame yet");
    stack_of(replay, replay->committed - 1, frames);
    return CW_OK;
}

/* Offsets of one view: sample i takes words 2i (y) and 2i + 1 (x) of the stream, so a sample's
 * crop does not depend on the batch size. */
static void draw_offsets(cw_replay *r, cw_stream stream, cw_purpose purpose, uint64_t counter,
                         int32_t *y, int32_t *x) {
    const cw_replay_desc *d = &r->desc;
    int room_y = d->frame.height - d->crop_size;
    int room_x = d->frame.width - d->crop_size;
    if (!d->random_crop) {
        for (int i = 0; i < d->batch_size; i++) {
            y[i] = room_y / 2;
            x[i] = room_x / 2;
        }
        return;
    }
    int bound_y = d->exclusive_crop && room_y > 0 ? room_y : room_y + 1;
    int bound_x = d->exclusive_crop && room_x > 0 ? room_x : room_x + 1;
    stream.purpose = purpose;
    size_t n = 2 * (size_t)d->batch_size;
    cw_rng_integers(&stream, counter, (uint32_t)bound_y, r->draw, n);
    for (int i = 0; i < d->batch_size; i++) y[i] = (int32_t)r->draw[2 * i];
    if (bound_x != bound_y) cw_rng_integers(&stream, counter, (uint32_t)bound_x, r->draw, n);
    for (int i = 0; i < d->batch_size; i++) x[i] = (int32_t)r->draw[2 * i + 1];
}

static void gather(cw_replay *r, cw_stream stream, uint64_t counter) {
    const cw_replay_desc *d = &r->desc;
    size_t A = (size_t)d->action_dim;
    stream.purpose = CW_RNG_SAMPLE;
    cw_rng_integers(&stream, counter, (uint32_t)r->live_count, r->draw, (size_t)d->batch_size);
    if (d->include_latest) r->draw[0] = (uint32_t)(r->live_count - 1);
    for (int i = 0; i < d->batch_size; i++) {
        int64_t number = r->live[(r->live_first + r->draw[i]) % d->capacity];
        int64_t slot = slot_of(r, number);
        stack_of(r, number, r->obs_frames + (size_t)i * (size_t)d->stack);
        stack_of(r, number + 1, r->next_frames + (size_t)i * (size_t)d->stack);
        memcpy(r->batch_action + (size_t)i * A, r->action + (size_t)slot * A, A * sizeof(float));
        r->batch_reward[i] = r->reward[slot];
        r->batch_not_done[i] = r->not_done[slot];
    }
}

static cw_image_batch view_of(const cw_replay *r, const uint8_t *const *frames, int view) {
    const cw_replay_desc *d = &r->desc;
    const int32_t *y = r->offsets + (size_t)(2 * view) * (size_t)d->batch_size;
    return (cw_image_batch){
        .n = d->batch_size,
        .stack = d->stack,
        .frame_channels = d->frame.channels,
        .frame_height = d->frame.height,
        .frame_width = d->frame.width,
        .frames = frames,
        .offset_y = y,
        .offset_x = y + d->batch_size,
    };
}

cw_status cw_replay_sample(cw_replay *replay, cw_minibatch *out, uint64_t seed, uint32_t shard,
                           uint64_t counter) {
    if (replay->live_count == 0) {
        return cw_fail(CW_EINVAL, "replay: there is no transition to sample yet");
    }
    const cw_replay_desc *d = &replay->desc;
    cw_stream stream = {.seed = seed, .shard = shard};
    size_t B = (size_t)d->batch_size;
    size_t noise = B * (size_t)d->action_dim;
    gather(replay, stream, counter);

    static const cw_purpose crop[3] = {CW_RNG_CROP_ANCHOR, CW_RNG_CROP_NEXT, CW_RNG_CROP_POSITIVE};
    for (size_t view = 0; view < 3; view++) {
        int32_t *y = replay->offsets + 2 * view * B;
        draw_offsets(replay, stream, crop[view], counter, y, y + B);
    }
    stream.purpose = CW_RNG_NOISE_NEXT;
    cw_rng_normal(&stream, counter, replay->noise_next, noise);
    stream.purpose = CW_RNG_NOISE_ACTOR;
    cw_rng_normal(&stream, counter, replay->noise_actor, noise);

    *out = (cw_minibatch){
        .n = d->batch_size,
        .action_dim = d->action_dim,
        .obs = view_of(replay, replay->obs_frames, 0),
        .next_obs = view_of(replay, replay->next_frames, 1),
        .pos = view_of(replay, replay->obs_frames, 2),
        .action = replay->batch_action,
        .reward = replay->batch_reward,
        .not_done = replay->batch_not_done,
        .noise_next = replay->noise_next,
        .noise_actor = replay->noise_actor,
    };
    return CW_OK;
}
