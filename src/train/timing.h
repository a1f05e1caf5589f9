/* timing.csv: where the seconds of a run went, in all sessions, one row beside each metrics row. */
#ifndef CW_TRAIN_TIMING_H
#define CW_TRAIN_TIMING_H

#include "algo/agent.h"

#define CW_TIMING_NAME "timing.csv"

/* Parts of a run. All but the last come one after another, so that they add up to the run's
 * seconds but for small things between them. */
typedef enum cw_run_time {
    CW_TIME_SAMPLE,                                /* drawing minibatches */
    CW_TIME_UPDATE,                                /* the first of cw_agent_phase */
    CW_TIME_ACT = CW_TIME_UPDATE + CW_PHASE_COUNT, /* choosing actions */
    CW_TIME_WAIT, /* for the environment after the update was done */
    CW_TIME_EVALUATION,
    CW_TIME_CHECKPOINT,
    CW_TIME_ENVIRONMENT, /* in the environment's own thread, beside the others */
    CW_RUN_TIMES
} cw_run_time;

/* frames, agent_steps, updates, wall_s, then the parts. */
#define CW_TIMING_FIRST   4
#define CW_TIMING_COLUMNS (CW_TIMING_FIRST + CW_RUN_TIMES)
const char *const *cw_timing_columns(void);

/* "convolutions forward", for people. */
const char *cw_run_time_name(cw_run_time part);

#endif
