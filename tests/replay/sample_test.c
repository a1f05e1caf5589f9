/* Which transitions, crops and noise a minibatch has. */
#include "base/rng.h"
#include "replay/reference.h"
#include "replay/replay.h"
#include "test.h"

#include <math.h>

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

/* Chi-square statistic of counts against a uniform expectation. */
static double chi_square(const int64_t *seen, size_t cells, double draws) {
    double expected = draws / (double)cells;
    double sum = 0;
    for (size_t i = 0; i < cells; i++) {
        double off = (double)seen[i] - expected;
        sum += off * off / expected;
    }
    return sum;
}

static void test_sampling_is_uniform(void **state) {
    (void)state;
    cw_replay_desc desc = small;
    desc.batch_size = 1000;
    cw_replay *replay = create(&desc);
    ref_replay ref;
    ref_init(&ref, &desc);
    fill(&ref, replay, 133);
    int64_t seen[40] = {0};
    for (uint64_t counter = 0; counter < 80; counter++) {
        cw_minibatch batch;
        assert_int_equal(cw_replay_sample(replay, &batch, 11, 0, counter), CW_OK);
        ref_check_minibatch(&ref, &batch, seen);
    }
    double statistic = chi_square(seen, 40, 80000);
    print_message("transitions: chi-square %.1f, 39 degrees of freedom\n", statistic);
    assert_true(statistic < 72.1); /* exceeded once in a thousand seeds */
    assert_true(statistic > 15.6); /* a shuffle without replacement would be far too even */
    ref_free(&ref);
    cw_replay_destroy(replay);
}

/* Draws many crops and returns how often each (y, x) of each view and each pair (anchor y,
 * positive y) came, out of bounds asserted. */
typedef struct crop_counts {
    int64_t at[3][8][8];
    int64_t anchor_positive[8][8];
    int64_t anchor_next[8][8];
    int64_t y_x[8][8];
    int64_t draws;
} crop_counts;

static crop_counts count_crops(const cw_replay_desc *desc) {
    crop_counts counts = {0};
    cw_replay *replay = create(desc);
    const float action[2] = {0};
    for (int i = 0; i < 3; i++) {
        cw_replay_lend(replay);
        assert_int_equal(i == 0 ? cw_replay_commit_first(replay)
                                : cw_replay_commit(replay, action, 0, 1, false),
                         CW_OK);
    }
    for (uint64_t counter = 0; counter < 40; counter++) {
        cw_minibatch batch;
        assert_int_equal(cw_replay_sample(replay, &batch, 2, 0, counter), CW_OK);
        const cw_image_batch *views[3] = {&batch.obs, &batch.next_obs, &batch.pos};
        for (int64_t i = 0; i < batch.n; i++) {
            for (int v = 0; v < 3; v++) {
                assert_in_range(views[v]->offset_y[i], 0, 7);
                assert_in_range(views[v]->offset_x[i], 0, 7);
                counts.at[v][views[v]->offset_y[i]][views[v]->offset_x[i]]++;
            }
            counts.anchor_positive[batch.obs.offset_y[i]][batch.pos.offset_y[i]]++;
            counts.anchor_next[batch.obs.offset_x[i]][batch.next_obs.offset_x[i]]++;
            counts.draws++;
        }
    }
    cw_replay_destroy(replay);
    return counts;
}

/* Exactly the offsets [0, ny) x [0, nx) are drawn, and evenly. */
static void check_crops(const crop_counts *counts, int ny, int nx) {
    /* chi-square, exceeded once in a thousand: 11, 3 and 14 degrees of freedom are used here */
    for (int v = 0; v < 3; v++) {
        double sum = 0;
        double expected = (double)counts->draws / (ny * nx);
        for (int y = 0; y < 8; y++) {
            for (int x = 0; x < 8; x++) {
                if (y >= ny || x >= nx) {
                    assert_int_equal(counts->at[v][y][x], 0);
                    continue;
                }
                assert_true(counts->at[v][y][x] > 0);
                double off = (double)counts->at[v][y][x] - expected;
                sum += off * off / expected;
            }
        }
        int freedom = ny * nx - 1;
        assert_true(sum < freedom + 3.1 * sqrt(2.0 * freedom) + 8);
    }
}

static void test_crop_offsets(void **state) {
    (void)state;
    cw_replay_desc desc = small; /* frames of 5 x 6, crops of 4 */
    desc.batch_size = 500;
    crop_counts counts = count_crops(&desc);
    check_crops(&counts, 2, 3);
    desc.exclusive_crop = true;
    counts = count_crops(&desc);
    check_crops(&counts, 1, 2);
    desc.crop_size = 5; /* no room along y: offset 0 in either range */
    counts = count_crops(&desc);
    check_crops(&counts, 1, 1);
    desc.exclusive_crop = false;
    counts = count_crops(&desc);
    check_crops(&counts, 1, 2);

    desc = small;
    desc.batch_size = 500;
    desc.frame = (cw_frame_spec){.channels = 1, .height = 9, .width = 9};
    desc.crop_size = 4;
    desc.random_crop = false;
    counts = count_crops(&desc);
    for (int v = 0; v < 3; v++) assert_int_equal(counts.at[v][2][2], counts.draws);
}

/* Every pair of offsets comes equally often: the views' crops are independent. */
static void check_pairs(const int64_t pairs[8][8], int64_t draws) {
    double expected = (double)draws / 36;
    double sum = 0;
    for (int a = 0; a < 6; a++) {
        for (int b = 0; b < 6; b++) {
            double off = (double)pairs[a][b] - expected;
            sum += off * off / expected;
        }
    }
    print_message("pairs of offsets: chi-square %.1f, 35 degrees of freedom\n", sum);
    assert_true(sum < 66.7); /* exceeded once in a thousand */
}

static void test_views_are_cropped_independently(void **state) {
    (void)state;
    cw_replay_desc desc = small;
    desc.batch_size = 500;
    desc.frame = (cw_frame_spec){.channels = 1, .height = 9, .width = 9};
    crop_counts counts = count_crops(&desc);
    check_pairs(counts.anchor_positive, counts.draws);
    check_pairs(counts.anchor_next, counts.draws);
    for (int v = 0; v < 3; v++) check_pairs(counts.at[v], counts.draws);
}

static void test_centre_crop_of_published_frames_is_eight(void **state) {
    (void)state;
    cw_replay_desc desc = small;
    desc.frame = (cw_frame_spec){.channels = 3, .height = 100, .width = 100};
    desc.crop_size = 84;
    desc.random_crop = false;
    cw_replay *replay = create(&desc);
    const float action[2] = {0};
    cw_replay_lend(replay);
    assert_int_equal(cw_replay_commit_first(replay), CW_OK);
    cw_replay_lend(replay);
    assert_int_equal(cw_replay_commit(replay, action, 0, 1, true), CW_OK);
    cw_minibatch batch;
    assert_int_equal(cw_replay_sample(replay, &batch, 1, 0, 0), CW_OK);
    for (int64_t i = 0; i < batch.n; i++) {
        assert_int_equal(batch.obs.offset_y[i], 8);
        assert_int_equal(batch.pos.offset_x[i], 8);
    }
    cw_replay_destroy(replay);
}

static void test_latest_is_included_on_demand(void **state) {
    (void)state;
    for (int include = 0; include < 2; include++) {
        cw_replay_desc desc = small;
        desc.include_latest = include == 1;
        cw_replay *replay = create(&desc);
        ref_replay ref;
        ref_init(&ref, &desc);
        fill(&ref, replay, 77);
        int newest = 0;
        for (uint64_t counter = 0; counter < 50; counter++) {
            cw_minibatch batch;
            assert_int_equal(cw_replay_sample(replay, &batch, 4, 0, counter), CW_OK);
            ref_check_minibatch(&ref, &batch, NULL);
            newest += (int64_t)batch.reward[0] == ref.n - 1;
        }
        if (include == 1) {
            assert_int_equal(newest, 50);
        } else {
            assert_in_range(newest, 0, 10);
        }
        ref_free(&ref);
        cw_replay_destroy(replay);
    }
}

/* Everything that a minibatch says, as one number. */
static uint64_t digest(const cw_minibatch *b, size_t frame_bytes) {
    uint64_t hash = 1469598103934665603u;
#define MIX(pointer, bytes)                                                                        \
    for (size_t mix_i = 0; mix_i < (size_t)(bytes); mix_i++)                                       \
    hash = (hash ^ ((const unsigned char *)(pointer))[mix_i]) * 1099511628211u
    const cw_image_batch *views[3] = {&b->obs, &b->next_obs, &b->pos};
    for (int v = 0; v < 3; v++) {
        for (int64_t i = 0; i < b->n * b->obs.stack; i++) MIX(views[v]->frames[i], frame_bytes);
        MIX(views[v]->offset_y, b->n * 4);
        MIX(views[v]->offset_x, b->n * 4);
    }
    MIX(b->action, b->n * b->action_dim * 4);
    MIX(b->reward, b->n * 4);
    MIX(b->not_done, b->n * 4);
    MIX(b->noise_next, b->n * b->action_dim * 4);
    MIX(b->noise_actor, b->n * b->action_dim * 4);
#undef MIX
    return hash;
}

static void test_same_call_gives_same_minibatch(void **state) {
    (void)state;
    cw_replay *one = create(&small);
    cw_replay *two = create(&small);
    ref_replay ref_one, ref_two;
    ref_init(&ref_one, &small);
    ref_init(&ref_two, &small);
    fill(&ref_one, one, 90);
    fill(&ref_two, two, 90);
    const struct {
        uint64_t seed;
        uint32_t shard;
        uint64_t counter;
    } keys[] = {{1, 0, 0}, {2, 0, 0}, {1, 1, 0}, {1, 0, 1}, {1, 0, (uint64_t)1 << 32}};
    uint64_t seen[5];
    for (size_t i = 0; i < 5; i++) {
        cw_minibatch batch;
        assert_int_equal(
            cw_replay_sample(one, &batch, keys[i].seed, keys[i].shard, keys[i].counter), CW_OK);
        seen[i] = digest(&batch, ref_one.frame_bytes);
        for (size_t j = 0; j < i; j++) assert_true(seen[i] != seen[j]);
    }
    for (size_t i = 5; i-- > 0;) { /* in another order, from the other replay */
        cw_minibatch batch;
        assert_int_equal(
            cw_replay_sample(two, &batch, keys[i].seed, keys[i].shard, keys[i].counter), CW_OK);
        assert_true(seen[i] == digest(&batch, ref_one.frame_bytes));
    }
    ref_free(&ref_one);
    ref_free(&ref_two);
    cw_replay_destroy(one);
    cw_replay_destroy(two);
}

static void test_streams_are_the_documented_ones(void **state) {
    (void)state;
    cw_replay *replay = create(&small);
    ref_replay ref;
    ref_init(&ref, &small);
    fill(&ref, replay, 25); /* no wrap yet: transition i has number i */
    cw_minibatch batch;
    assert_int_equal(cw_replay_sample(replay, &batch, 21, 3, 17), CW_OK);
    cw_stream stream = {.seed = 21, .shard = 3};
    uint32_t draw[32];
    stream.purpose = CW_RNG_SAMPLE;
    cw_rng_integers(&stream, 17, 25, draw, 16);
    for (int i = 0; i < 16; i++) assert_int_equal((int)batch.reward[i], draw[i]);
    stream.purpose = CW_RNG_CROP_POSITIVE;
    cw_rng_integers(&stream, 17, 2, draw, 32); /* 5 - 4 + 1 rows */
    for (int i = 0; i < 16; i++) assert_int_equal(batch.pos.offset_y[i], draw[2 * i]);
    cw_rng_integers(&stream, 17, 3, draw, 32); /* 6 - 4 + 1 columns */
    for (int i = 0; i < 16; i++) assert_int_equal(batch.pos.offset_x[i], draw[2 * i + 1]);
    float noise[32];
    stream.purpose = CW_RNG_NOISE_NEXT;
    cw_rng_normal(&stream, 17, noise, 32);
    assert_memory_equal(noise, batch.noise_next, sizeof noise);
    stream.purpose = CW_RNG_NOISE_ACTOR;
    cw_rng_normal(&stream, 17, noise, 32);
    assert_memory_equal(noise, batch.noise_actor, sizeof noise);
    ref_free(&ref);
    cw_replay_destroy(replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampling_is_uniform),
        cmocka_unit_test(test_crop_offsets),
        cmocka_unit_test(test_views_are_cropped_independently),
        cmocka_unit_test(test_centre_crop_of_published_frames_is_eight),
        cmocka_unit_test(test_latest_is_included_on_demand),
        cmocka_unit_test(test_same_call_gives_same_minibatch),
        cmocka_unit_test(test_streams_are_the_documented_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
