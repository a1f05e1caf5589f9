#include "env/toy/toy.h"

#include "base/error.h"
#include "base/memory.h"
#include "env/mt19937.h"
#include "env/toy/toy_draw.h"

#include <string.h>

#define MIN_IMAGE 8 /* pixels; below, the dot is lost */
#define MAX_IMAGE 4096
#define SPEED     0.1 /* per step */
#define WIDTH     0.2 /* distance at which the reward is one half */
#define MARGIN    0.1

/* Plain data: saving is copying. */
typedef struct toy_state {
    char magic[8];
    cw_mt19937 rng;
    double dot[2], target[2]; /* x, y */
    int32_t started;          /* 1 after the first reset */
    int32_t steps;            /* since the last reset */
} toy_state;

typedef struct toy_env {
    toy_state state;
    int image_size; /* pixels; 0: never renders */
} toy_env;

static const char magic[8] = "CWTOY 1";

static cw_status toy_reset(void *self) {
    toy_state *s = &((toy_env *)self)->state;
    for (int i = 0; i < 2; i++) s->dot[i] = cw_mt19937_uniform(&s->rng, MARGIN, 1.0 - MARGIN);
    for (int i = 0; i < 2; i++) s->target[i] = cw_mt19937_uniform(&s->rng, MARGIN, 1.0 - MARGIN);
    s->started = 1;
    s->steps = 0;
    return CW_OK;
}

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static cw_status toy_step(void *self, const double *action, cw_env_step *out) {
    toy_state *s = &((toy_env *)self)->state;
    if (!s->started || s->steps >= CW_TOY_STEPS)
        return cw_fail(CW_EINVAL, "toy: step %s; call reset",
                       s->started ? "after the episode's last one" : "before the first reset");
    double d2 = 0.0;
    for (int i = 0; i < 2; i++) {
        if (!(action[i] == action[i])) return cw_fail(CW_EENV, "toy: action %d is not a number", i);
        s->dot[i] = clamp(s->dot[i] + SPEED * clamp(action[i], -1.0, 1.0), 0.0, 1.0);
        d2 += (s->dot[i] - s->target[i]) * (s->dot[i] - s->target[i]);
    }
    s->steps++;
    out->reward = 1.0 / (1.0 + d2 / (WIDTH * WIDTH));
    out->discount = 1.0;
    out->last = s->steps == CW_TOY_STEPS;
    return CW_OK;
}

static cw_status toy_render(void *self, uint8_t *frame) {
    const toy_env *env = self;
    const toy_state *s = &env->state;
    if (env->image_size == 0)
        return cw_fail(CW_EINVAL, "toy was created with image_size 0 and cannot render");
    const cw_toy_disc discs[] = {
        {s->target[0], s->target[1], CW_TOY_TARGET_RADIUS, 0.0, {200, 50, 50}},
        {s->dot[0], s->dot[1], CW_TOY_DOT_RADIUS, 0.0, {240, 240, 120}},
    };
    cw_toy_draw(discs, 2, env->image_size, frame);
    return CW_OK;
}

/* Whether a state from outside can be gone on from. */
static bool is_sound(const toy_state *s) {
    for (int i = 0; i < 2; i++) {
        if (!(s->dot[i] >= 0.0 && s->dot[i] <= 1.0)) return false;
        if (!(s->target[i] >= 0.0 && s->target[i] <= 1.0)) return false;
    }
    return cw_mt19937_sound(&s->rng) && (s->started == 0 || s->started == 1) && s->steps >= 0 &&
           s->steps <= CW_TOY_STEPS;
}

static cw_status toy_load(toy_state *s, const void *buffer, size_t n_bytes) {
    toy_state loaded;
    if (n_bytes < sizeof loaded || memcmp(buffer, magic, sizeof magic) != 0)
        return cw_fail(CW_EFORMAT, "the saved state is not one of toy by this version");
    memcpy(&loaded, buffer, sizeof loaded);
    if (!is_sound(&loaded)) return cw_fail(CW_EFORMAT, "the saved state of toy makes no sense");
    *s = loaded;
    return CW_OK;
}

static cw_status toy_save_load(void *self, void *buffer, size_t *n_bytes, bool load) {
    toy_state *s = &((toy_env *)self)->state;
    if (load) {
        CW_TRY(toy_load(s, buffer, *n_bytes));
        *n_bytes = sizeof *s;
        return CW_OK;
    }
    if (*n_bytes < sizeof *s)
        return cw_fail(CW_EINVAL, "the state of toy needs %zu bytes; the buffer has %zu", sizeof *s,
                       *n_bytes);
    memcpy(buffer, s, sizeof *s);
    *n_bytes = sizeof *s;
    return CW_OK;
}

static void toy_destroy(void *self) {
    cw_free(self);
}

static const cw_env_vtable vtable = {toy_reset, toy_step, toy_render, toy_save_load, toy_destroy};

cw_status cw_toy_create(uint32_t seed, int image_size, cw_env *out) {
    if (image_size != 0 && (image_size < MIN_IMAGE || image_size > MAX_IMAGE))
        return cw_fail(CW_EINVAL, "image_size is %d; toy draws 0 (no images) or %d to %d pixels",
                       image_size, MIN_IMAGE, MAX_IMAGE);
    toy_env *env;
    CW_TRY(cw_alloc(&env, 1, sizeof *env, "toy environment"));
    memcpy(env->state.magic, magic, sizeof magic);
    cw_mt19937_seed(&env->state.rng, seed);
    env->image_size = image_size;
    out->vtable = &vtable;
    out->self = env;
    out->spec = (cw_env_spec){.action_dim = 2,
                              .action_min = {-1.0, -1.0},
                              .action_max = {1.0, 1.0},
                              .step_limit = CW_TOY_STEPS,
                              .frame_channels = 3,
                              .frame_height = image_size,
                              .frame_width = image_size,
                              .state_bytes = sizeof env->state};
    return CW_OK;
}

bool cw_toy_is(const cw_env *env) {
    return env->vtable == &vtable;
}

void cw_toy_observation(const cw_env *env, double *out) {
    const toy_state *s = &((const toy_env *)env->self)->state;
    for (int i = 0; i < 2; i++) {
        out[i] = s->dot[i];
        out[2 + i] = s->target[i];
    }
}
