#include "train/timing.h"

static const char *const columns[CW_TIMING_COLUMNS] = {
    "frames",         "agent_steps",     "updates",      "wall_s",       "sample_s",     "input_s",
    "conv_forward_s", "conv_backward_s", "heads_s",      "losses_s",     "optimisers_s", "act_s",
    "wait_s",         "evaluation_s",    "checkpoint_s", "environment_s"};

const char *const *cw_timing_columns(void) {
    return columns;
}

const char *cw_run_time_name(cw_run_time part) {
    static const char *const names[CW_RUN_TIMES] = {
        [CW_TIME_SAMPLE] = "drawing minibatches",
        [CW_TIME_ACT] = "choosing actions",
        [CW_TIME_WAIT] = "waiting for the environment",
        [CW_TIME_EVALUATION] = "evaluation",
        [CW_TIME_CHECKPOINT] = "checkpoints",
        [CW_TIME_ENVIRONMENT] = "environment (own thread)"};
    if (part >= CW_TIME_UPDATE && part < CW_TIME_ACT) {
        return cw_agent_phase_name((cw_agent_phase)(part - CW_TIME_UPDATE));
    }
    return names[part];
}
