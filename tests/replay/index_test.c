#include "base/crc.h"
#include "replay/reference.h"
#include "replay/replay.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the fields of a blob lie (src/replay/replay_index.c). */
enum { AT_VERSION = 8, AT_CRC = 12, AT_SLOTS = 16, AT_CAPACITY = 24, AT_COMMITTED = 32 };
enum { AT_LIVE = 40, AT_STACK = 48, AT_ACTION_DIM = 52, AT_WIDTH = 64, AT_OPEN = 68 };
enum { HEADER = 72 };

static const cw_replay_desc small = {
    .capacity = 23,
    .episode_steps = 6,
    .stack = 3,
    .action_dim = 2,
    .frame = {.channels = 1, .height = 3, .width = 4},
    .batch_size = 32,
    .crop_size = 2,
    .random_crop = true,
};

static cw_replay *create(const cw_replay_desc *desc) {
    cw_replay *replay = NULL;
    assert_int_equal(cw_replay_create(&replay, desc), CW_OK);
    return replay;
}

/* Random episodes; `step` carries the place in the episode over calls. */
static void go_on(ref_replay *ref, cw_replay *replay, uint64_t *random, int *step, int frames) {
    for (int i = 0; i < frames; i++) {
        bool last = *step > 0 && (*step == ref->desc.episode_steps || ref_random(random) % 6 == 0);
        ref_commit_random(ref, replay, random, *step == 0, last ? 0.0f : 1.0f, last);
        *step = last ? 0 : *step + 1;
    }
}

static unsigned char *save(const cw_replay *replay, size_t *n) {
    *n = cw_replay_index_bytes(replay);
    unsigned char *blob = malloc(*n);
    assert_non_null(blob);
    cw_replay_index_save(replay, blob);
    return blob;
}

static void copy_frames(cw_replay *to, const cw_replay *from) {
    assert_int_equal(cw_replay_frames(to), cw_replay_frames(from));
    int64_t oldest = cw_replay_oldest_frame(from);
    assert_int_equal(cw_replay_oldest_frame(to), oldest);
    assert_null(cw_replay_frame(from, oldest - 1));
    assert_null(cw_replay_frame(from, cw_replay_frames(from)));
    for (int64_t f = oldest; f < cw_replay_frames(from); f++) {
        memcpy(cw_replay_frame_for_load(to, f), cw_replay_frame(from, f),
               cw_replay_frame_bytes(from));
    }
}

static void check_same_sample(cw_replay *one, cw_replay *two, uint64_t counter) {
    assert_int_equal(cw_replay_count(one), cw_replay_count(two));
    if (cw_replay_count(one) == 0) return;
    cw_minibatch a, b;
    assert_int_equal(cw_replay_sample(one, &a, 8, 0, counter), CW_OK);
    assert_int_equal(cw_replay_sample(two, &b, 8, 0, counter), CW_OK);
    size_t n = (size_t)a.n;
    assert_memory_equal(a.action, b.action, n * (size_t)a.action_dim * sizeof(float));
    assert_memory_equal(a.reward, b.reward, n * sizeof(float));
    assert_memory_equal(a.not_done, b.not_done, n * sizeof(float));
    assert_memory_equal(a.obs.offset_y, b.obs.offset_y, n * sizeof(int32_t));
    for (size_t i = 0; i < n * (size_t)a.obs.stack; i++) {
        assert_memory_equal(a.obs.frames[i], b.obs.frames[i], cw_replay_frame_bytes(one));
        assert_memory_equal(a.next_obs.frames[i], b.next_obs.frames[i], cw_replay_frame_bytes(one));
    }
}

static void test_resumed_replay_goes_on_bit_for_bit(void **state) {
    (void)state;
    for (int frames = 0; frames < 120; frames += 1 + frames / 9) {
        cw_replay *one = create(&small);
        cw_replay *two = create(&small);
        ref_replay ref;
        ref_init(&ref, &small);
        uint64_t random = 70 + (uint64_t)frames;
        int step = 0;
        go_on(&ref, one, &random, &step, frames);
        if (frames % 2 == 1) cw_replay_lend(one); /* saving in the middle of a step is allowed */
        size_t n;
        unsigned char *blob = save(one, &n);
        assert_int_equal(cw_replay_index_load(two, blob, n), CW_OK);
        copy_frames(two, one);
        size_t n_again;
        unsigned char *again = save(two, &n_again);
        assert_int_equal(n, n_again);
        assert_memory_equal(blob, again, n);
        for (uint64_t counter = 0; counter < 60; counter++) {
            check_same_sample(one, two, counter);
            uint64_t random_two = random;
            int step_two = step;
            ref_replay before = ref; /* rows are shared, both write the same ones */
            go_on(&ref, one, &random, &step, 1);
            go_on(&before, two, &random_two, &step_two, 1);
        }
        free(blob);
        free(again);
        ref_free(&ref);
        cw_replay_destroy(one);
        cw_replay_destroy(two);
    }
}

/* A replay with some contents, its blob, and another one to load into. */
typedef struct fixture {
    cw_replay *source, *target;
    unsigned char *blob, *kept; /* kept: what the target held before */
    size_t n, n_kept;
    int64_t frames_held;
} fixture;

static fixture fixture_make(int frames) {
    fixture f = {.source = create(&small), .target = create(&small)};
    ref_replay ref;
    ref_init(&ref, &small);
    uint64_t random = 5;
    int step = 0;
    go_on(&ref, f.source, &random, &step, frames);
    ref_free(&ref);
    ref_init(&ref, &small);
    step = 0;
    go_on(&ref, f.target, &random, &step, 9);
    ref_free(&ref);
    f.blob = save(f.source, &f.n);
    f.kept = save(f.target, &f.n_kept);
    f.frames_held = cw_replay_frames(f.source) - cw_replay_oldest_frame(f.source);
    return f;
}

static void fixture_free(fixture *f) {
    free(f->blob);
    free(f->kept);
    cw_replay_destroy(f->source);
    cw_replay_destroy(f->target);
}

static void check_refused(fixture *f, const void *bytes, size_t n, const char *why) {
    assert_int_equal(cw_replay_index_load(f->target, bytes, n), CW_EFORMAT);
    if (strstr(cw_last_error(), why) == NULL) fail_msg("'%s' lacks '%s'", cw_last_error(), why);
    size_t n_now;
    unsigned char *now = save(f->target, &n_now);
    assert_int_equal(n_now, f->n_kept);
    assert_memory_equal(now, f->kept, n_now);
    free(now);
}

static void seal(unsigned char *blob, size_t n) {
    uint32_t crc = cw_crc32c(0, blob + AT_SLOTS, n - AT_SLOTS);
    memcpy(blob + AT_CRC, &crc, sizeof crc);
}

static void test_every_flipped_bit_is_found(void **state) {
    (void)state;
    fixture f = fixture_make(60);
    for (size_t bit = 0; bit < 8 * f.n; bit++) {
        f.blob[bit / 8] ^= (unsigned char)(1u << (bit % 8));
        check_refused(&f, f.blob, f.n, "replay index");
        f.blob[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    }
    assert_int_equal(cw_replay_index_load(f.target, f.blob, f.n), CW_OK);
    fixture_free(&f);
}

static void test_every_other_length_is_refused(void **state) {
    (void)state;
    fixture f = fixture_make(60);
    for (size_t n = 0; n < f.n; n++) {
        unsigned char *part = malloc(n + 1); /* its own block, so that a sanitizer sees overruns */
        assert_non_null(part);
        memcpy(part, f.blob, n);
        if (n >= HEADER) seal(part, n);
        check_refused(&f, part, n, "bytes");
        free(part);
    }
    unsigned char *longer = calloc(1, f.n + 1);
    assert_non_null(longer);
    memcpy(longer, f.blob, f.n);
    seal(longer, f.n + 1);
    check_refused(&f, longer, f.n + 1, "bytes");
    free(longer);
    fixture_free(&f);
}

/* Writes `value` over the field, mends the checksum, and expects a refusal that says `why`. */
static void refuse_field(fixture *f, size_t at, const void *value, size_t n, const char *why) {
    unsigned char kept[8];
    memcpy(kept, f->blob + at, n);
    memcpy(f->blob + at, value, n);
    seal(f->blob, f->n);
    check_refused(f, f->blob, f->n, why);
    memcpy(f->blob + at, kept, n);
    seal(f->blob, f->n);
}

static void test_header_fields_are_checked(void **state) {
    (void)state;
    fixture f = fixture_make(61);
#define REFUSE(at, type, number, why)                                                              \
    do {                                                                                           \
        type value = number;                                                                       \
        refuse_field(&f, at, &value, sizeof value, why);                                           \
    } while (0)
    REFUSE(0, char, 'X', "CWREPLAY");
    REFUSE(AT_VERSION, uint32_t, 2, "version 2");
    REFUSE(AT_SLOTS, int64_t, 1000, "slots");
    REFUSE(AT_CAPACITY, int64_t, 22, "capacity");
    REFUSE(AT_COMMITTED, int64_t, -1, "make no sense");
    REFUSE(AT_COMMITTED, int64_t, INT64_MAX, "make no sense");
    REFUSE(AT_COMMITTED, int64_t, 0, "past the newest frame");
    REFUSE(AT_COMMITTED, int64_t, 3, "row");
    /* As if the oldest frame were the run's first, which begins an episode; this one does not. */
    assert_true(f.blob[HEADER] != 0);
    assert_int_equal(cw_replay_index_bytes(f.source), cw_replay_index_bytes(f.target));
    REFUSE(AT_COMMITTED, int64_t, f.frames_held, "row");
    REFUSE(AT_LIVE, int64_t, 1, "counts");
    REFUSE(AT_LIVE, int64_t, 1000, "counts");
    REFUSE(AT_STACK, int32_t, 4, "stack");
    REFUSE(AT_ACTION_DIM, int32_t, 1000000, "action_dim");
    REFUSE(AT_WIDTH, int32_t, 5, "width");
    REFUSE(AT_OPEN, int32_t, 2, "make no sense");
    REFUSE(AT_OPEN, int32_t, -1, "make no sense");
    assert_int_equal(cw_replay_index_load(f.target, f.blob, f.n), CW_OK);
    fixture_free(&f);

    f = fixture_make(0);
    REFUSE(AT_OPEN, int32_t, 1, "make no sense");
    fixture_free(&f);
}

static void test_every_row_is_checked(void **state) {
    (void)state;
    fixture f = fixture_make(60);
    size_t n = (size_t)f.frames_held;
    size_t reward = HEADER + 4 * n;
    size_t not_done = reward + 4 * n;
    size_t action = not_done + 4 * n;
    size_t has = action + 8 * n;
    for (size_t i = 0; i < n; i++) {
        for (int32_t behind = -1; behind < 5; behind++) {
            int32_t now;
            memcpy(&now, f.blob + HEADER + 4 * i, 4);
            /* The oldest frame may lie anywhere in its episode: only the range is known. */
            if (now == behind || (i == 0 && behind >= 0 && behind < 3)) continue;
            refuse_field(&f, HEADER + 4 * i, &behind, 4, "row");
        }
        REFUSE(reward + 4 * i, float, NAN, "row");
        REFUSE(not_done + 4 * i, float, 1.25f, "row");
        REFUSE(not_done + 4 * i, float, -1, "row");
        REFUSE(action + 8 * i, float, INFINITY, "row");
        REFUSE(action + 8 * i + 4, float, NAN, "row");
        REFUSE(has + i, uint8_t, 2, "row");
        if (f.blob[has + i] == 0) {
            REFUSE(has + i, uint8_t, 1, "row");
        } else {
            REFUSE(has + i, uint8_t, 0, "row");
        }
    }
    fixture_free(&f);

    /* A ring that is not full yet: its other rows are zero in every byte. */
    f = fixture_make(12);
    size_t rows = (f.n - HEADER) / 21; /* bytes of a row with two actions */
    assert_int_equal(rows * 21 + HEADER, f.n);
    has = HEADER + 20 * rows;
    for (size_t i = 12; i < rows; i++) {
        REFUSE(HEADER + 4 * i, int32_t, 1, "past the newest frame");
        REFUSE(HEADER + 4 * rows + 4 * i, float, 1, "past the newest frame");
        REFUSE(HEADER + 8 * rows + 4 * i, float, 1, "past the newest frame");
        REFUSE(HEADER + 12 * rows + 8 * i + 4, float, 1, "past the newest frame");
        REFUSE(has + i, uint8_t, 1, "past the newest frame");
    }
    assert_int_equal(cw_replay_index_load(f.target, f.blob, f.n), CW_OK);
    fixture_free(&f);
#undef REFUSE
}

/* Arbitrary damage under a right checksum: refused, or a replay in working order. */
static void test_arbitrary_bytes_do_no_harm(void **state) {
    (void)state;
    fixture f = fixture_make(60);
    uint64_t random = 12;
    unsigned char *bytes = malloc(f.n);
    assert_non_null(bytes);
    int accepted = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(bytes, f.blob, f.n);
        int edits = 1 + (int)(ref_random(&random) % 3);
        for (int i = 0; i < edits; i++) {
            size_t at = AT_SLOTS + ref_random(&random) % (f.n - AT_SLOTS);
            bytes[at] = (unsigned char)(ref_random(&random) % 4);
        }
        seal(bytes, f.n);
        if (cw_replay_index_load(f.target, bytes, f.n) != CW_OK) continue;
        accepted++;
        cw_minibatch batch;
        const uint8_t *stack[3];
        assert_int_equal(cw_replay_latest_stack(f.target, stack), CW_OK);
        assert_int_equal(cw_replay_sample(f.target, &batch, 1, 0, (uint64_t)round), CW_OK);
        const uint8_t *free_slot = cw_replay_lend(f.target);
        uint8_t sum = stack[0][0];
        for (int64_t i = 0; i < batch.n * 3; i++) {
            assert_true(batch.obs.frames[i] != free_slot && batch.next_obs.frames[i] != free_slot);
            sum = (uint8_t)(sum + batch.obs.frames[i][11] + batch.next_obs.frames[i][11]);
        }
        (void)sum;
    }
    print_message("%d of 20000 damaged blobs were still sound\n", accepted);
    assert_true(accepted > 0 && accepted < 20000);
    free(bytes);
    fixture_free(&f);
}

static void test_sampling_fields_may_change_on_resume(void **state) {
    (void)state;
    fixture f = fixture_make(60);
    cw_replay_desc other = small;
    other.batch_size = 7;
    other.crop_size = 3;
    other.random_crop = false;
    cw_replay *replay = create(&other);
    assert_int_equal(cw_replay_index_load(replay, f.blob, f.n), CW_OK);
    assert_int_equal(cw_replay_count(replay), cw_replay_count(f.source));
    cw_replay_destroy(replay);
    fixture_free(&f);
}

static void test_crc_check_value(void **state) {
    (void)state;
    /* The published check value of CRC-32C, and RFC 3720 B.4: 32 bytes of zeros and of ones. */
    assert_int_equal(cw_crc32c(0, "123456789", 9), 0xE3069283u);
    unsigned char bytes[32] = {0};
    assert_int_equal(cw_crc32c(0, bytes, 32), 0x8A9136AAu);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(cw_crc32c(0, bytes, 32), 0x62A8AB43u);
    for (size_t cut = 0; cut <= 32; cut++) {
        uint32_t first = cw_crc32c(0, bytes, cut);
        assert_int_equal(cw_crc32c(first, bytes + cut, 32 - cut), 0x62A8AB43u);
        assert_int_equal(cw_crc32c_plain(first, bytes + cut, 32 - cut), 0x62A8AB43u);
    }
    assert_int_equal(cw_crc32c_plain(0, "123456789", 9), 0xE3069283u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed_replay_goes_on_bit_for_bit),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_every_other_length_is_refused),
        cmocka_unit_test(test_header_fields_are_checked),
        cmocka_unit_test(test_every_row_is_checked),
        cmocka_unit_test(test_arbitrary_bytes_do_no_harm),
        cmocka_unit_test(test_sampling_fields_may_change_on_resume),
        cmocka_unit_test(test_crc_check_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
