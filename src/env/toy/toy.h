/* "toy": a bright dot on a square is to be moved to a target mark that is elsewhere in every
 * episode. Exact, instant, without MuJoCo or OpenGL: a task that a pixel agent must learn within
 * about a minute, for tests and first tries.
 *
 * The square is [0, 1] x [0, 1], y upwards. Two actions in [-1, 1] are the dot's velocity, 0.1 per
 * step at most in each direction; it stops at the edges. Reward 1 / (1 + (d / 0.2)^2) with the
 * distance d after the step. 50 control steps per episode, never ended early. Dot and target start
 * uniform in the square with a margin of 0.1.
 *
 * Mean returns over 1000 episodes, of 50 (tests/env/toy_test.c measures them):
 * straight to the target CW_TOY_OPTIMAL_RETURN, uniform random CW_TOY_RANDOM_RETURN, straight to
 * the middle and no further, the best that a blind policy can do, CW_TOY_BLIND_RETURN. */
#ifndef CW_ENV_TOY_TOY_H
#define CW_ENV_TOY_TOY_H

#include <curlew/env.h>

#define CW_TOY_STEPS       50
#define CW_TOY_OBSERVATION 4 /* dot x, y, target x, y */

#define CW_TOY_OPTIMAL_RETURN 48.5
#define CW_TOY_RANDOM_RETURN  11.6
#define CW_TOY_BLIND_RETURN   17.6

#define CW_TOY_DOT_RADIUS    0.08
#define CW_TOY_TARGET_RADIUS 0.12

/* The environment, with image_size 0 (it cannot render) or 8 to 4096 pixels. */
cw_status cw_toy_create(uint32_t seed, int image_size, cw_env *out);

bool cw_toy_is(const cw_env *env);

/* (CW_TOY_OBSERVATION) of an environment of which cw_toy_is holds. */
void cw_toy_observation(const cw_env *env, double *out);

#endif
