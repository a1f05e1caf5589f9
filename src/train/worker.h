/* The thread that steps the training environment while the learner updates. The action was chosen
 * before the update and the transition enters the replay after it, so the overlap changes no
 * number. */
#ifndef CW_TRAIN_WORKER_H
#define CW_TRAIN_WORKER_H

#include "env/agent_env.h"

typedef struct cw_worker cw_worker;

/* Starts the thread; env must outlive the worker and is used by it alone between start and wait. */
cw_status cw_worker_create(cw_worker **out, cw_agent_env *env);
void cw_worker_destroy(cw_worker *worker); /* waits for the thread; NULL allowed */

/* Begins an episode, or one agent step with `action` (copied), drawing into `frame`. */
void cw_worker_start_reset(cw_worker *worker, uint8_t *frame);
void cw_worker_start_step(cw_worker *worker, const float *action, uint8_t *frame);

/* Waits for what was started; *out is filled after a step. Failures of the environment are
 * recorded for the calling thread. */
cw_status cw_worker_wait(cw_worker *worker, cw_timestep *out);

/* Seconds spent in the environment so far; only while nothing is under way. */
double cw_worker_seconds(const cw_worker *worker);

#endif
