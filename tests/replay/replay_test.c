#include "base/memory.h"
#include "replay/reference.h"
#include "replay/replay.h"
#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const cw_replay_desc small = {
    .capacity = 40,
    .episode_steps = 10,
    .stack = 3,
    .action_dim = 2,
    .frame = {.channels = 2, .height = 5, .width = 6},
    .batch_size = 16,
    .crop_size = 4,
    .random_crop = true,
};

static cw_replay *create(const cw_replay_desc *desc) {
    cw_replay *replay = NULL;
    assert_int_equal(cw_replay_create(&replay, desc), CW_OK);
    return replay;
}

/* Fills with full episodes until `transitions` have been stored. */
static void fill(ref_replay *ref, cw_replay *replay, int64_t transitions) {
    uint64_t random = 1;
    int step = 0;
    while (ref->n < transitions) {
        bool last = step == ref->desc.episode_steps;
        ref_commit_random(ref, replay, &random, step == 0, 1.0f, last);
        step = last ? 0 : step + 1;
    }
}

/* ---- storing ---- */

/* Many samples: with at most 60 transitions the chance of missing one is below 60 e^-50. */
static void check_every_transition(const ref_replay *ref, cw_replay *replay, uint64_t counter) {
    int64_t live = ref->n - ref_first_live(ref);
    assert_int_equal(cw_replay_count(replay), live);
    assert_int_equal(cw_replay_frames(replay), ref->frames);
    if (live == 0) return;
    int64_t seen[64] = {0};
    assert_in_range(live, 1, 64);
    int64_t draws = 0;
    while (draws < 50 * live) {
        cw_minibatch batch;
        assert_int_equal(cw_replay_sample(replay, &batch, 5, 0, counter++), CW_OK);
        ref_check_minibatch(ref, &batch, seen);
        draws += batch.n;
    }
    for (int64_t i = 0; i < live; i++) assert_true(seen[i] > 0);
}

/* Random episode lengths with terminals, truncations and abandoned episodes. */
static void run_against_reference(const cw_replay_desc *desc, uint64_t random, int64_t frames) {
    cw_replay *replay = create(desc);
    ref_replay ref;
    ref_init(&ref, desc);
    int step = 0;
    int length = 0;
    while (ref.frames < frames) {
        if (step == 0) {
            bool full = ref_random(&random) % 3 == 0;
            length = full ? desc->episode_steps
                          : 1 + (int)(ref_random(&random) % (uint64_t)desc->episode_steps);
        }
        bool last = step == length;
        bool abandoned = !last && ref_random(&random) % 50 == 0;
        float not_done = last && ref_random(&random) % 2 == 0 ? 0.0f : 1.0f;
        ref_commit_random(&ref, replay, &random, step == 0, not_done, last);
        ref_check_latest(&ref, replay);
        if (ref_random(&random) % 4 == 0) {
            check_every_transition(&ref, replay, (uint64_t)ref.frames * 1000);
        }
        step = last || abandoned ? 0 : step + 1;
    }
    ref_free(&ref);
    cw_replay_destroy(replay);
}

static void test_equals_naive_replay(void **state) {
    (void)state;
    const struct {
        int capacity, episode_steps, stack;
    } cases[] = {{1, 1, 1},   {1, 3, 4},   {2, 5, 3},  {7, 3, 3},
                 {13, 13, 2}, {40, 10, 3}, {60, 7, 4}, {5, 20, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_replay_desc desc = small;
        desc.capacity = cases[i].capacity;
        desc.episode_steps = cases[i].episode_steps;
        desc.stack = cases[i].stack;
        desc.batch_size = 64;
        run_against_reference(&desc, 100 + i, 1500);
    }
}

/* With full episodes the replay holds exactly `capacity` transitions at every moment once full. */
static void test_holds_its_capacity(void **state) {
    (void)state;
    for (int capacity = 1; capacity < 30; capacity++) {
        for (int steps = 1; steps < 8; steps++) {
            cw_replay_desc desc = small;
            desc.capacity = capacity;
            desc.episode_steps = steps;
            cw_replay *replay = create(&desc);
            const float action[2] = {0};
            int64_t stored = 0;
            for (int step = 0; stored < 4 * capacity + 20; step++) {
                cw_replay_lend(replay);
                int at = step % (steps + 1);
                if (at == 0) {
                    assert_int_equal(cw_replay_commit_first(replay), CW_OK);
                } else {
                    assert_int_equal(cw_replay_commit(replay, action, 0, 1, at == steps), CW_OK);
                    stored++;
                }
                assert_int_equal(cw_replay_count(replay), stored < capacity ? stored : capacity);
                cw_replay_lend(replay);
                assert_int_equal(cw_replay_count(replay), stored < capacity ? stored : capacity);
            }
            cw_replay_destroy(replay);
        }
    }
}

static void test_latest_stack_outlives_two_commits(void **state) {
    (void)state;
    cw_replay_desc desc = small;
    desc.capacity = 1;
    desc.episode_steps = 100;
    cw_replay *replay = create(&desc);
    ref_replay ref;
    ref_init(&ref, &desc);
    uint64_t random = 3;
    for (int step = 0; step < 30; step++) {
        const uint8_t *frames[3];
        uint8_t copy[3][REF_MAX_FRAME];
        if (step > 0) {
            assert_int_equal(cw_replay_latest_stack(replay, frames), CW_OK);
            for (int k = 0; k < 3; k++) memcpy(copy[k], frames[k], ref.frame_bytes);
        }
        ref_commit_random(&ref, replay, &random, step == 0, 1, false);
        memset(cw_replay_lend(replay), 0xEE, ref.frame_bytes);
        for (int k = 0; k < 3 && step > 0; k++) {
            assert_memory_equal(copy[k], frames[k], ref.frame_bytes);
        }
    }
    ref_free(&ref);
    cw_replay_destroy(replay);
}

static void test_misuse_is_refused_and_changes_nothing(void **state) {
    (void)state;
    cw_replay *replay = create(&small);
    const uint8_t *frames[3];
    cw_minibatch batch;
    float action[2] = {0.5f, -0.5f};
    assert_int_equal(cw_replay_sample(replay, &batch, 1, 0, 0), CW_EINVAL);
    assert_int_equal(cw_replay_latest_stack(replay, frames), CW_EINVAL);
    assert_int_equal(cw_replay_commit_first(replay), CW_EINVAL);
    cw_replay_lend(replay);
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, false), CW_EINVAL);
    assert_int_equal(cw_replay_commit_first(replay), CW_OK);
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, false), CW_EINVAL);
    cw_replay_lend(replay);
    assert_int_equal(cw_replay_commit(replay, action, (double)NAN, 1, false), CW_EDIVERGED);
    assert_int_equal(cw_replay_commit(replay, action, 1e300, 1, false), CW_EDIVERGED);
    assert_int_equal(cw_replay_commit(replay, action, 0, NAN, false), CW_EDIVERGED);
    assert_int_equal(cw_replay_commit(replay, action, 0, 1.5f, false), CW_EDIVERGED);
    action[1] = INFINITY;
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, false), CW_EDIVERGED);
    assert_int_equal(cw_replay_frames(replay), 1);
    assert_int_equal(cw_replay_count(replay), 0);
    action[1] = 1;
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, true), CW_OK);
    cw_replay_lend(replay);
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, false), CW_EINVAL);
    assert_int_equal(cw_replay_count(replay), 1);
    cw_replay_destroy(replay);
}

static void test_bad_descriptions_are_refused(void **state) {
    (void)state;
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        cw_replay_desc desc = small;                                                               \
        desc.field = value;                                                                        \
        cw_replay *replay = NULL;                                                                  \
        assert_int_equal(cw_replay_create(&replay, &desc), CW_EINVAL);                             \
        assert_non_null(strstr(cw_last_error(), #field));                                          \
        assert_null(replay);                                                                       \
        assert_true(cw_replay_bytes(&desc) == SIZE_MAX);                                           \
    } while (0)
    REFUSED(capacity, 0);
    REFUSED(capacity, (int64_t)1 << 40);
    REFUSED(episode_steps, 0);
    REFUSED(stack, 0);
    REFUSED(action_dim, -1);
    REFUSED(frame.channels, 0);
    REFUSED(frame.height, 100000);
    REFUSED(frame.width, 0);
    REFUSED(batch_size, 0);
    REFUSED(crop_size, 6);
    REFUSED(crop_size, 0);
#undef REFUSED
}

/* ---- memory ---- */

static void test_published_replay_takes_three_gigabytes(void **state) {
    (void)state;
    cw_replay_desc desc = {
        .capacity = 100000,
        .episode_steps = 125,
        .stack = 3,
        .action_dim = 1,
        .frame = {.channels = 3, .height = 100, .width = 100},
        .batch_size = 512,
        .crop_size = 84,
        .random_crop = true,
    };
    size_t bytes = cw_replay_bytes(&desc);
    print_message("100k transitions of 3x3x100x100: %.3f GB\n", (double)bytes * 1e-9);
    assert_in_range(bytes, 3000000000u, 3060000000u);
}

static void test_bytes_are_what_create_allocates(void **state) {
    (void)state;
    cw_memory_stats before, during, after;
    cw_memory_stats_get(&before);
    cw_replay *replay = create(&small);
    cw_memory_stats_get(&during);
    assert_int_equal(during.live_bytes - before.live_bytes, cw_replay_bytes(&small));
    /* Nothing is allocated per step. */
    ref_replay ref;
    ref_init(&ref, &small);
    fill(&ref, replay, 200);
    cw_memory_stats_get(&after);
    assert_int_equal(after.n_allocs, during.n_allocs);
    ref_free(&ref);
    cw_replay_destroy(replay);
    cw_memory_stats_get(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    cw_status status = CW_ENOMEM;
    uint64_t n = 0;
    while (status == CW_ENOMEM) {
        cw_replay *replay = NULL;
        cw_memory_fail_after(++n);
        status = cw_replay_create(&replay, &small);
        cw_memory_fail_after(0);
        assert_true((status == CW_OK) == (replay != NULL));
        cw_replay_destroy(replay);
        cw_memory_stats_get(&after);
        assert_int_equal(after.live_blocks, before.live_blocks);
    }
    assert_int_equal(status, CW_OK);
    assert_true(n > 1);
}

/* ---- threads ---- */

typedef struct writer_job {
    uint8_t *slot;
    size_t n;
    uint8_t value;
} writer_job;

static void *write_slot(void *context) {
    writer_job *job = context;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < job->n; i++) job->slot[i] = (uint8_t)(job->value + round);
    }
    return NULL;
}

/* Under a thread sanitizer this also proves that no sampled frame is ever the one being written. */
static void test_lent_slot_is_filled_while_sampling(void **state) {
    (void)state;
    cw_replay_desc desc = small;
    desc.capacity = 6;
    desc.episode_steps = 4;
    cw_replay *replay = create(&desc);
    size_t bytes = cw_replay_frame_bytes(replay);
    const float action[2] = {0};
    for (int step = 0; step < 200; step++) {
        writer_job job = {.slot = cw_replay_lend(replay), .n = bytes, .value = (uint8_t)step};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_slot, &job), 0);
        if (cw_replay_count(replay) > 0) {
            cw_minibatch batch;
            assert_int_equal(cw_replay_sample(replay, &batch, 1, 0, (uint64_t)step), CW_OK);
            for (int64_t i = 0; i < batch.n * 3; i++) {
                const uint8_t *frame = batch.next_obs.frames[i];
                for (size_t b = 1; b < bytes; b++) assert_int_equal(frame[b], frame[0]);
                assert_true(frame != job.slot && batch.obs.frames[i] != job.slot);
            }
        }
        pthread_join(thread, NULL);
        int at = step % 5;
        assert_int_equal(at == 0 ? cw_replay_commit_first(replay)
                                 : cw_replay_commit(replay, action, 0, 1, at == 4),
                         CW_OK);
    }
    cw_replay_destroy(replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_naive_replay),
        cmocka_unit_test(test_holds_its_capacity),
        cmocka_unit_test(test_latest_stack_outlives_two_commits),
        cmocka_unit_test(test_misuse_is_refused_and_changes_nothing),
        cmocka_unit_test(test_bad_descriptions_are_refused),
        cmocka_unit_test(test_published_replay_takes_three_gigabytes),
        cmocka_unit_test(test_bytes_are_what_create_allocates),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_lent_slot_is_filled_while_sampling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
