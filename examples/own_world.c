/* Training curlew's agent on a world of your own.
 *
 * The world is five functions and a description (include/curlew/env.h). This one is a dot on a
 * line: the action is its velocity, the reward says how near it is to the middle. Build it with
 *     cmake --build build --target own_world && build/examples/own_world /tmp/own_world
 */
#include <curlew/run.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 40, SIDE = 32 };

typedef struct world {
    double place; /* -1..1 */
    int step;
    unsigned long long random; /* state of its generator */
    int side;                  /* pixels */
} world;

static double draw(world *w) {
    w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
    return (double)(w->random >> 11) * 0x1.0p-53;
}

static cw_status world_reset(void *self) {
    world *w = self;
    w->place = 2 * draw(w) - 1;
    w->step = 0;
    return CW_OK;
}

static cw_status world_step(void *self, const double *action, cw_env_step *out) {
    world *w = self;
    w->place = fmax(-1, fmin(1, w->place + 0.1 * action[0]));
    w->step++;
    out->reward = 1 - fabs(w->place);
    out->discount = 1; /* a time limit is no end of the world */
    out->last = w->step == LIMIT;
    return CW_OK;
}

/* A white column three pixels wide on black. */
static cw_status world_render(void *self, uint8_t *frame) {
    world *w = self;
    int side = w->side, centre = (int)lround((w->place + 1) / 2 * (side - 1));
    memset(frame, 0, (size_t)(3 * side * side));
    for (int row = 0; row < 3 * side; row++) {
        for (int x = centre - 1; x <= centre + 1; x++) {
            if (x >= 0 && x < side) frame[row * side + x] = 255;
        }
    }
    return CW_OK;
}

static cw_status world_state(void *self, void *buffer, size_t *n_bytes, bool load) {
    if (*n_bytes < sizeof(world)) return cw_env_fail("the saved world is too short");
    memcpy(load ? self : buffer, load ? buffer : self, sizeof(world));
    *n_bytes = sizeof(world);
    return CW_OK;
}

static cw_status world_create(void *user, uint32_t seed, int image_size, cw_env *out) {
    static const cw_env_vtable vtable = {world_reset, world_step, world_render, world_state, free};
    (void)user;
    world *w = calloc(1, sizeof *w);
    if (w == NULL) return cw_env_fail("no memory for the world");
    w->random = seed;
    w->side = image_size;
    *out = (cw_env){.vtable = &vtable, .self = w};
    out->spec = (cw_env_spec){.action_dim = 1,
                              .action_min = {-1},
                              .action_max = {1},
                              .step_limit = LIMIT,
                              .frame_channels = 3,
                              .frame_height = image_size,
                              .frame_width = image_size,
                              .state_bytes = sizeof(world)};
    return CW_OK;
}

static void print_line(void *user, const char *text) {
    (void)user;
    puts(text);
}

int main(int argc, char **argv) {
    static const char *const settings[][2] = {
        {"env.task", "own-world"},   {"env.image_size", "32"},    {"augment.crop_size", "28"},
        {"encoder.filters", "16"},   {"encoder.hidden", "0"},     {"actor.hidden", "64"},
        {"critic.hidden", "64"},     {"update.batch_size", "32"}, {"train.frames", "2000"},
        {"train.seed_steps", "200"}, {"train.eval_every", "500"}, {"train.eval_episodes", "5"},
        {"replay.capacity", "5000"},
    };
    const cw_callbacks callbacks = {.line = print_line};
    cw_config *config;
    cw_run_result result;
    cw_status status = cw_config_create(&config);
    for (size_t i = 0; status == CW_OK && i < sizeof settings / sizeof *settings; i++) {
        status = cw_config_set(config, settings[i][0], settings[i][1]);
    }
    if (status == CW_OK) {
        status = cw_config_set(config, "run.out", argc > 1 ? argv[1] : "runs/own_world");
    }
    if (status == CW_OK) status = cw_train_env(config, world_create, NULL, &callbacks, &result);
    if (status == CW_OK) {
        printf("mean return %.1f of at most %d\n", result.eval_return, LIMIT);
    } else {
        fprintf(stderr, "own_world: %s\n", cw_last_error());
    }
    cw_config_destroy(config);
    return status == CW_OK ? 0 : 1;
}
