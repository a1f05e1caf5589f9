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
    cw_view view;
    cw_evaluator *evaluator; /* NULL in a session of cw_session_open_env */
} cw_session;

/* Settings, environment and an agent whose weights are still to be loaded. */
cw_status cw_session_open_env(cw_session **out, const char *run);
void cw_session_close(cw_session *s); /* NULL allowed */

#endif
