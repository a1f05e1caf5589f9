/* A replay's index: changes to a good one, under a right checksum unless the first byte is odd,
 * cut by the second. What is accepted can be sampled from, appended to and saved again. */
#include "base/crc.h"
#include "fuzz.h"
#include "replay/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CRC_AT 12 /* behind magic and version; it covers all that follows */
#define FRAMES 11

static const cw_replay_desc desc = {
    .capacity = 6,
    .episode_steps = 4,
    .stack = 3,
    .action_dim = 1,
    .frame = {.channels = 1, .height = 2, .width = 2},
    .batch_size = 2,
    .crop_size = 2,
};

static void commit(cw_replay *replay, int64_t at) {
    float action = 0.5f;
    memset(cw_replay_lend(replay), (int)(at & 0xff), 4);
    cw_status status = cw_replay_commit(replay, &action, 1.0, 1.0f, at % 5 == 4);
    if (status != CW_OK) status = cw_replay_commit_first(replay); /* no episode is open */
    REQUIRE(status == CW_OK);
}

static cw_replay *make(void) {
    cw_replay *replay;
    REQUIRE(cw_replay_create(&replay, &desc) == CW_OK);
    return replay;
}

static volatile uint8_t sink; /* a sanitizer sees what is read */

static void use(cw_replay *replay) {
    const uint8_t *stack[3];
    int64_t end = cw_replay_frames(replay);
    for (int64_t f = cw_replay_oldest_frame(replay); f < end; f++) {
        memset(cw_replay_frame_for_load(replay, f), 7, 4);
    }
    for (int i = 0; i < 9; i++) {
        cw_minibatch batch;
        if (cw_replay_count(replay) > 0) {
            REQUIRE(cw_replay_sample(replay, &batch, 1, 0, (uint64_t)i) == CW_OK);
            for (int k = 0; k < 6; k++) sink = batch.obs.frames[k][3];
            REQUIRE(isfinite(batch.reward[0]) && isfinite(batch.action[0]));
        }
        if (cw_replay_frames(replay) > 0) {
            REQUIRE(cw_replay_latest_stack(replay, stack) == CW_OK);
            for (int k = 0; k < 3; k++) sink = stack[k][3];
        }
        commit(replay, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static uint8_t *good, *blob, *again;
    static size_t n_blob;
    if (good == NULL) {
        cw_replay *replay = make();
        for (int64_t i = 0; i < FRAMES; i++) commit(replay, i);
        n_blob = cw_replay_index_bytes(replay);
        good = malloc(n_blob), blob = malloc(n_blob), again = malloc(n_blob);
        REQUIRE(good != NULL && blob != NULL && again != NULL);
        cw_replay_index_save(replay, good);
        cw_replay_destroy(replay);
    }
    if (n < 2) return 0;
    memcpy(blob, good, n_blob);
    fuzz_patch(blob, n_blob, bytes + 2, n - 2);
    size_t size = bytes[1] < n_blob ? n_blob - bytes[1] : 0;
    if (bytes[0] % 2 == 0 && size > CRC_AT + 4) {
        uint32_t crc = cw_crc32c(0, blob + CRC_AT + 4, size - CRC_AT - 4);
        memcpy(blob + CRC_AT, &crc, 4);
    }
    cw_replay *replay = make();
    cw_status status = cw_replay_index_load(replay, blob, size);
    if (status != CW_OK) {
        fuzz_require_message(status);
        REQUIRE(cw_replay_frames(replay) == 0 && cw_replay_count(replay) == 0);
    } else {
        cw_replay *copy = make();
        cw_replay_index_save(replay, again);
        REQUIRE(cw_replay_index_load(copy, again, n_blob) == CW_OK);
        REQUIRE(cw_replay_count(copy) == cw_replay_count(replay));
        cw_replay_destroy(copy);
        use(replay);
    }
    cw_replay_destroy(replay);
    return 0;
}
