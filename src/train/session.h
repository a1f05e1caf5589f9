/* A run folder taken up again: its settings, environment and agent. */
#ifndef CW_TRAIN_SESSION_H
#define CW_TRAIN_SESSION_H

#include "train/trainer.h"

typedef struct cw_session {
    cw_settings settings;
    cw_task_factory factory;
    cw_backend *be;
    cw_agent *agent;
    cw_agent_env env;
    bool env_live;
    bool exact; /* f32 arithmetic, whatever the run's */
    cw_view view;
    cw_evaluator *evaluator; /* NULL in a session of cw_session_open_env */
} cw_session;

/* Settings, environment and an agent whose weights are still to be loaded. */
cw_status cw_session_open_env(cw_session **out, const char *run);
/* The same with the weights of `run`, a run folder (its newest checkpoint) or a file of weights in
 * one. With `exact` the arithmetic is f32, whatever the run's. */
cw_status cw_session_open(cw_session **out, const char *run, bool exact);
void cw_session_close(cw_session *s); /* NULL allowed */

#endif
