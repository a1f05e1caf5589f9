/* A host's world that fails on request, and whole runs of training on it; for tests of failures in
 * the middle of a run. */
#ifndef TEST_TRAIN_FAULTY_WORLD_H
#define TEST_TRAIN_FAULTY_WORLD_H

#include <curlew/run.h>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define WORLD_SETTINGS 4

typedef enum world_fault {
    WORLD_SOUND,
    WORLD_REWARD_NAN,
    WORLD_REWARD_INFINITE,
    WORLD_DISCOUNT_NAN,
    WORLD_STEP_FAILS,
    WORLD_RESET_FAILS,
    WORLD_RENDER_FAILS,
    WORLD_SAVE_FAILS
} world_fault;

/* What goes wrong, and at which call of its kind, counted over all environments of a run, from 1.
 */
typedef struct world_plan {
    world_fault fault;
    long at, calls;
    bool unsavable;                          /* the world has no `state` */
    const char *settings[WORLD_SETTINGS][2]; /* keys and values besides the usual ones */
} world_plan;

/* Makes a world; `user` is its plan. A cw_env_create_fn. */
cw_status world_create(void *user, uint32_t seed, int image_size, cw_env *out);

/* A run of 60 frames in a folder with a checkpoint every 20 and evaluations at 0, 40 and 60;
 * `lines` (may be NULL) receives what the run says, as far as there is room. */
cw_status world_train(const char *folder, world_plan *plan, char *lines, size_t bytes);

/* CRC-32C over everything that the run's results are: weights, best weights, metrics and
 * evaluations without their times. */
unsigned world_fingerprint(const char *folder);

#endif
