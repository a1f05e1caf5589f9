/* Evaluation: whole episodes with the deterministic policy on an environment of its own. */
#ifndef CW_TRAIN_EVALUATE_H
#define CW_TRAIN_EVALUATE_H

#include "algo/agent.h"
#include "env/agent_env.h"

#include <stdbool.h>

/* How stacks are presented to a policy. */
typedef struct cw_view {
    int stack; /* K */
    cw_frame_spec frame;
    int crop; /* side of the centre crop */
} cw_view;

typedef struct cw_evaluator cw_evaluator;

/* Takes no ownership; the environment starts a new episode at each call of cw_evaluator_film. */
cw_status cw_evaluator_create(cw_evaluator **out, cw_agent *agent, cw_agent_env *env,
                              const cw_view *view);
void cw_evaluator_destroy(cw_evaluator *evaluator); /* NULL allowed */

/* How an episode is filmed. */
typedef struct cw_film {
    const char *path; /* replaced when it exists */
    int scale;        /* pixels of the video for each of a frame, 1 or more */
    bool overlay;     /* return, action and value on the picture */
    int64_t frame;    /* 0: the whole episode; else its frame-th frame alone, as PNG, from 1 */
} cw_film;
#define CW_FILM_SCALE 4

/* Plays one episode with tanh(mean) actions on the centre crop and writes it as MP4, which appears
 * when all of it is there; its undiscounted return. should_stop (may be NULL) ends it with
 * CW_EINTERRUPTED. CW_EINVAL when the episode ends before film->frame. */
cw_status cw_evaluator_film(cw_evaluator *evaluator, const cw_film *film, double *episode_return,
                            bool (*should_stop)(void *user), void *user);

/* Where the environments of an evaluation come from. */
typedef struct cw_eval_source {
    cw_env_create_fn create;
    void *user;
    uint32_t seed; /* the same for all of them */
    int image_size;
    int action_repeat;
    int lanes; /* environments that run beside each other, at most four are made; a core each */
} cw_eval_source;

/* Called between steps with the number of episodes played; true ends the evaluation. */
typedef bool (*cw_eval_between)(void *user, int done);

/* Plays n episodes on environments of its own, several side by side, the policy in this thread and
 * each environment in one of its own; returns (n) and *frames, environment frames of all of them.
 * Episode i starts where one environment would
 * start after i resets, and actions are chosen one at a time: the returns are those of playing the
 * episodes one after another (when steps draw nothing from the environment's generator).
 * CW_EINTERRUPTED when `between` (may be NULL) said so. */
cw_status cw_evaluate_episodes(cw_agent *agent, const cw_eval_source *source, const cw_view *view,
                               int n, double *returns, int64_t *frames, cw_eval_between between,
                               void *user);

/* The view of one stack for a policy: centre crop. offset must outlive the batch. */
cw_image_batch cw_view_batch(const cw_view *view, const uint8_t *const *frames,
                             const int32_t *offset);
int32_t cw_view_offset(const cw_view *view);

#endif
