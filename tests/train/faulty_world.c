#include "train/faulty_world.h"

#include "base/crc.h"
#include "base/file.h"
#include "base/memory.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 10, SIDE = 12 };

typedef struct world {
    double place; /* -1 to 1 */
    int step;
    unsigned long long random;
    world_plan *plan;
} world;

/* Whether this call of a kind is the one that goes wrong. */
static bool due(world *w, world_fault fault) {
    return w->plan->fault == fault && ++w->plan->calls == w->plan->at;
}

static cw_status world_reset(void *self) {
    world *w = self;
    if (due(w, WORLD_RESET_FAILS)) return cw_env_fail("the world does not begin");
    w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
    w->place = (double)(w->random >> 11) * 0x1.0p-52 - 1;
    w->step = 0;
    return CW_OK;
}

static cw_status world_step(void *self, const double *action, cw_env_step *out) {
    world *w = self;
    if (due(w, WORLD_STEP_FAILS)) return cw_env_fail("the world stands still");
    w->place = fmax(-1, fmin(1, w->place + 0.2 * action[0]));
    out->reward = 1 - fabs(w->place);
    if (due(w, WORLD_REWARD_NAN)) out->reward = NAN;
    if (due(w, WORLD_REWARD_INFINITE)) out->reward = INFINITY;
    out->discount = due(w, WORLD_DISCOUNT_NAN) ? NAN : 1;
    out->last = ++w->step == LIMIT;
    return CW_OK;
}

static cw_status world_render(void *self, uint8_t *frame) {
    world *w = self;
    if (due(w, WORLD_RENDER_FAILS)) return cw_env_fail("the picture is lost");
    memset(frame, 0, SIDE * SIDE);
    frame[(SIDE + 1) * (int)lround((w->place + 1) / 2 * (SIDE - 1))] = 255;
    return CW_OK;
}

static cw_status world_state(void *self, void *buffer, size_t *n_bytes, bool load) {
    world *w = self;
    if (!load && due(w, WORLD_SAVE_FAILS)) return cw_env_fail("the world cannot be written down");
    if (*n_bytes < offsetof(world, plan)) return cw_env_fail("the saved world is too short");
    *n_bytes = offsetof(world, plan);
    memcpy(load ? self : buffer, load ? buffer : self, *n_bytes);
    return CW_OK;
}

cw_status world_create(void *user, uint32_t seed, int image_size, cw_env *out) {
    static const cw_env_vtable vtable = {world_reset, world_step, world_render, world_state, free};
    static const cw_env_vtable unsavable = {world_reset, world_step, world_render, NULL, free};
    world *w = calloc(1, sizeof *w);
    if (w == NULL) return cw_env_fail("no memory for the world");
    w->random = seed;
    w->plan = user;
    *out = (cw_env){.vtable = w->plan->unsavable ? &unsavable : &vtable, .self = w};
    out->spec = (cw_env_spec){.action_dim = 1,
                              .action_min = {-1},
                              .action_max = {1},
                              .step_limit = LIMIT,
                              .frame_channels = 1,
                              .frame_height = image_size,
                              .frame_width = image_size,
                              .state_bytes = sizeof(world)};
    return CW_OK;
}

typedef struct sink {
    char *text;
    size_t bytes;
} sink;

static void keep_line(void *user, const char *text) {
    sink *s = user;
    if (s->text == NULL) return;
    size_t used = strlen(s->text);
    snprintf(s->text + used, s->bytes - used, "%s\n", text);
}

static cw_status configure(cw_config *config, const char *folder, const world_plan *plan) {
    static const char *const settings[][2] = {
        {"env.task", "faulty"},
        {"env.image_size", "12"},
        {"augment.crop_size", "10"},
        {"encoder.layers", "1"},
        {"encoder.filters", "2"},
        {"encoder.hidden", "0"},
        {"encoder.feature_dim", "4"},
        {"actor.hidden", "8"},
        {"critic.hidden", "8"},
        {"update.batch_size", "4"},
        {"train.frames", "60"},
        {"train.seed_steps", "25"},
        {"train.eval_every", "40"},
        {"train.eval_episodes", "1"},
        {"train.checkpoint_every", "20"},
        {"train.log_every", "5"},
        {"train.video", "false"},
        {"replay.capacity", "100"},
        {"run.threads", "1"},
    };
    cw_status status = cw_config_set(config, "run.out", folder);
    for (size_t i = 0; status == CW_OK && i < sizeof settings / sizeof *settings; i++) {
        status = cw_config_set(config, settings[i][0], settings[i][1]);
    }
    for (int i = 0; status == CW_OK && i < WORLD_SETTINGS && plan->settings[i][0] != NULL; i++) {
        status = cw_config_set(config, plan->settings[i][0], plan->settings[i][1]);
    }
    return status;
}

cw_status world_train(const char *folder, world_plan *plan, char *lines, size_t bytes) {
    sink s = {.text = lines, .bytes = bytes};
    if (lines != NULL) lines[0] = '\0';
    const cw_callbacks callbacks = {.user = &s, .line = keep_line};
    cw_config *config;
    cw_status status = cw_config_create(&config);
    if (status != CW_OK) return status;
    status = configure(config, folder, plan);
    if (status == CW_OK) status = cw_train_env(config, world_create, plan, &callbacks, NULL);
    cw_config_destroy(config);
    return status;
}

/* Adds the first n columns of every row. */
static uint32_t crc_columns(uint32_t crc, const char *text, size_t bytes, int n) {
    int column = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n') column = 0;
        if (column < n) crc = cw_crc32c(crc, text + i, 1);
        if (text[i] == ',') column++;
    }
    return crc;
}

unsigned world_fingerprint(const char *folder) {
    static const struct {
        const char *name;
        int columns; /* 0: every byte */
    } files[] = {
        {"weights.safetensors", 0}, {"best.safetensors", 0}, {"metrics.csv", 15}, {"eval.csv", 8}};
    uint32_t crc = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        unsigned char *bytes;
        size_t n;
        assert_int_equal(cw_path_join(path, sizeof path, folder, files[i].name), CW_OK);
        if (cw_file_read(path, 1 << 24, &bytes, &n) != CW_OK) fail_msg("%s", cw_last_error());
        crc = files[i].columns == 0 ? cw_crc32c(crc, bytes, n)
                                    : crc_columns(crc, (const char *)bytes, n, files[i].columns);
        cw_free(bytes);
    }
    return crc;
}
