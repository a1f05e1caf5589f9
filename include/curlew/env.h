/* The environment interface: five functions that a host program can fill for its own world.
 * One environment is used by one thread at a time; different environments are independent. */
#ifndef CURLEW_ENV_H
#define CURLEW_ENV_H

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

#define CW_MAX_ACTION_DIM 64

/* What an environment is; fixed for its life. */
typedef struct cw_env_spec {
    int action_dim;                       /* A, 1..CW_MAX_ACTION_DIM */
    double action_min[CW_MAX_ACTION_DIM]; /* bounds of each control */
    double action_max[CW_MAX_ACTION_DIM];
    int step_limit;     /* control steps per episode, > 0 */
    int frame_channels; /* 3 for RGB */
    int frame_height;   /* pixels */
    int frame_width;    /* pixels */
    size_t state_bytes; /* upper bound of what `save` writes; 0 = cannot be saved */
} cw_env_spec;

/* Outcome of one control step. */
typedef struct cw_env_step {
    double reward;
    double discount; /* 0 at a true terminal state, else 1; stays 1 at a time limit */
    bool last;       /* the episode is over; only `reset` may follow */
} cw_env_step;

/* The five functions. `self` is the environment's own data. They return CW_OK or a failure
 * (recorded with cw_env_fail); after a failure the environment is not used again. */
typedef struct cw_env_vtable {
    /* Starts an episode, drawing its initial state from the environment's own generator. */
    cw_status (*reset)(void *self);
    /* One control step with action (A), in the bounds of the spec. */
    cw_status (*step)(void *self, const double *action, cw_env_step *out);
    /* Draws the current state into frame (channels, height, width), planar u8, top row first. */
    cw_status (*render)(void *self, uint8_t *frame);
    /* Saves (load = false) or restores (load = true) everything that future steps, resets and
     * frames depend on; *n_bytes is the buffer's size in, the bytes used out. May be NULL. */
    cw_status (*state)(void *self, void *buffer, size_t *n_bytes, bool load);
    /* Frees self. */
    void (*destroy)(void *self);
} cw_env_vtable;

typedef struct cw_env {
    const cw_env_vtable *vtable;
    void *self;
    cw_env_spec spec;
} cw_env;

/* Creates an environment seeded with `seed`, rendering image_size x image_size pixels. */
typedef cw_status (*cw_env_create_fn)(void *user, uint32_t seed, int image_size, cw_env *out);

/* Records a message for cw_last_error() and returns CW_EENV; for hosts' environments. */
cw_status cw_env_fail(const char *message);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
