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

/* Takes no ownership; the environment starts a new episode at each call of cw_evaluator_episode. */
cw_status cw_evaluator_create(cw_evaluator **out, cw_agent *agent, cw_agent_env *env,
                              const cw_view *view);
void cw_evaluator_destroy(cw_evaluator *evaluator); /* NULL allowed */

/* Plays one episode with tanh(mean) actions on the centre crop; its undiscounted return.
 * should_stop (may be NULL) ends it with CW_EINTERRUPTED. */
cw_status cw_evaluator_episode(cw_evaluator *evaluator, double *episode_return,
                               bool (*should_stop)(void *user), void *user);

/* How an episode is filmed. */
typedef struct cw_film {
    const char *path; /* .mp4, replaced when it exists */
    int scale;        /* pixels of the video for each of a frame, 1 or more */
    bool overlay;     /* return, action and value on the picture */
} cw_film;
#define CW_FILM_SCALE 4

/* The same, with the episode as MP4. The file appears when all of it is there. */
cw_status cw_evaluator_film(cw_evaluator *evaluator, const cw_film *film, double *episode_return,
                            bool (*should_stop)(void *user), void *user);

/* Environment frames of all whole episodes so far. */
int64_t cw_evaluator_frames(const cw_evaluator *evaluator);

/* The view of one stack for a policy: centre crop. offset must outlive the batch. */
cw_image_batch cw_view_batch(const cw_view *view, const uint8_t *const *frames,
                             const int32_t *offset);
int32_t cw_view_offset(const cw_view *view);

#endif
