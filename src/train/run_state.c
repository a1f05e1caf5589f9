/* The counters of a run as they come from a checkpoint, which may have been forged. */
#include "base/error.h"
#include "train/trainer.h"

#include <limits.h>
#include <math.h>

#define COUNT_MAX (INT64_C(1) << 60) /* counting on from there cannot overflow */

static cw_status check_counts(const cw_run_state *s) {
    const struct {
        const char *name;
        int64_t value, min, max;
    } rows[] = {
        {"frames", s->frames, 0, COUNT_MAX},
        {"agent steps", s->agent_steps, 0, COUNT_MAX},
        {"updates", s->updates, 0, COUNT_MAX},
        {"episodes", s->episodes, 0, COUNT_MAX},
        {"evaluations", s->evaluations, 0, COUNT_MAX},
        {"next evaluation", s->next_eval, 0, COUNT_MAX},
        {"next checkpoint", s->next_checkpoint, 0, COUNT_MAX},
        {"last evaluation", s->evaluated_at, -1, COUNT_MAX},
        {"best evaluation", s->best_at, -1, COUNT_MAX},
        {"episode under way", s->in_episode, 0, 1},
        {"steps of the episode", s->episode_control_steps, 0, INT_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value >= rows[i].min && rows[i].value <= rows[i].max) continue;
        return cw_fail(CW_EFORMAT, "the checkpoint's counters: %s is %lld; it must be %lld to %lld",
                       rows[i].name, (long long)rows[i].value, (long long)rows[i].min,
                       (long long)rows[i].max);
    }
    for (int i = 0; i < CW_N_METRICS; i++) {
        if (s->metric[i].n < 0 || s->metric[i].n > COUNT_MAX) {
            return cw_fail(CW_EFORMAT, "the checkpoint's counters: metric %d has %lld values", i,
                           (long long)s->metric[i].n);
        }
    }
    return CW_OK;
}

/* NaN stands for a value that there is not yet. */
static cw_status check_reals(const cw_run_state *s) {
    if (!isfinite(s->episode_return) || !isfinite(s->wall_s)) {
        return cw_fail(CW_EFORMAT,
                       "the checkpoint's counters: return or seconds are infinite or no number");
    }
    if (isinf(s->last_return) || isinf(s->last_eval) || isinf(s->best_eval)) {
        return cw_fail(CW_EFORMAT, "the checkpoint's counters: a return is infinite");
    }
    for (int i = 0; i < CW_N_METRICS; i++) {
        if (isinf(s->metric[i].sum)) {
            return cw_fail(CW_EFORMAT, "the checkpoint's counters: metric %d is infinite", i);
        }
    }
    return CW_OK;
}

cw_status cw_run_state_check(const cw_run_state *state) {
    CW_TRY(check_counts(state));
    return check_reals(state);
}
