#include "bench/synthetic.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { STEP_LIMIT = 1000 };

cw_env_spec cw_synthetic_env(const cw_settings *settings, int action_dim) {
    cw_env_spec spec = {.action_dim = action_dim,
                        .step_limit = STEP_LIMIT,
                        .frame_channels = 3,
                        .frame_height = settings->env.image_size,
                        .frame_width = settings->env.image_size};
    for (int i = 0; i < action_dim; i++) {
        spec.action_min[i] = -1;
        spec.action_max[i] = 1;
    }
    return spec;
}

/* Noise of two frames' length; frame t begins at a place of its own in it. */
static cw_status noise(uint8_t **out, size_t frame_bytes) {
    size_t n = cw_size_mul(2, frame_bytes);
    CW_TRY(cw_alloc(out, n, 1, "made-up frames"));
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        (*out)[i] = (uint8_t)(state >> 24);
    }
    return CW_OK;
}

static cw_status fill(cw_replay *replay, const cw_replay_desc *desc, const uint8_t *pixels,
                      double *commit_s) {
    size_t bytes = cw_replay_frame_bytes(replay);
    float action[CW_MAX_ACTION_DIM] = {0};
    int64_t committed = 0;
    double begin = cw_clock_s();
    for (int64_t t = 0; cw_replay_count(replay) < desc->capacity; t++) {
        memcpy(cw_replay_lend(replay), pixels + (size_t)(t * 7919) % bytes, bytes);
        int64_t step = t % ((int64_t)desc->episode_steps + 1);
        for (int i = 0; i < desc->action_dim; i++) {
            action[i] = (float)((t * (i + 3)) % 201 - 100) / 100.0f;
        }
        CW_TRY(step == 0 ? cw_replay_commit_first(replay)
                         : cw_replay_commit(replay, action, (double)(t % 5) * 0.2, 1.0f,
                                            step == desc->episode_steps));
        committed++;
    }
    if (commit_s != NULL) *commit_s = (cw_clock_s() - begin) / (double)committed;
    return CW_OK;
}

cw_status cw_synthetic_replay(cw_replay **out, const cw_replay_desc *desc, double *commit_s) {
    cw_replay *replay;
    uint8_t *pixels = NULL;
    CW_TRY(cw_replay_create(&replay, desc));
    cw_status status = noise(&pixels, cw_replay_frame_bytes(replay));
    if (status == CW_OK) status = fill(replay, desc, pixels, commit_s);
    cw_free(pixels);
    if (status != CW_OK) {
        cw_replay_destroy(replay);
        return status;
    }
    *out = replay;
    return CW_OK;
}
