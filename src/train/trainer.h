/* Inside of a training run; for the files of this room only. */
#ifndef CW_TRAIN_TRAINER_H
#define CW_TRAIN_TRAINER_H

#include "algo/agent.h"
#include "base/log.h"
#include "io/csv.h"
#include "io/tfevents.h"
#include "replay/replay.h"
#include "train/evaluate.h"
#include "train/folder.h"
#include "train/timing.h"
#include "train/worker.h"

#include <curlew/run.h>

#include <stdio.h>

/* Sums over the updates since the last metrics row; counts differ where a loss is not part of
 * every update. */
typedef struct cw_metric_sum {
    double sum;
    int64_t n;
} cw_metric_sum;
typedef enum cw_metric {
    CW_METRIC_CRITIC_LOSS,
    CW_METRIC_ACTOR_LOSS,
    CW_METRIC_ALPHA_LOSS,
    CW_METRIC_CURL_LOSS,
    CW_METRIC_CURL_ACCURACY,
    CW_METRIC_ALPHA,
    CW_METRIC_ENTROPY,
    CW_METRIC_Q_MEAN,
    CW_METRIC_TARGET_MEAN,
    CW_METRIC_REWARD_MEAN,
    CW_N_METRICS
} cw_metric;

#define CW_EPISODE_WINDOW 100 /* newest episodes in TensorBoard's rollout means */

/* Everything of the loop that a resumed run needs, saved as it lies in memory (a checkpoint is for
 * the same machine type); parameters, replay and environment have their own parts. */
typedef struct cw_run_state {
    int64_t frames;      /* environment frames so far */
    int64_t agent_steps; /* policy calls so far */
    int64_t updates;
    int64_t episodes; /* finished ones */
    int64_t evaluations;
    int64_t next_eval;       /* frames at which to evaluate */
    int64_t next_checkpoint; /* frames */
    int64_t evaluated_at;    /* frames of the last evaluation, -1 = none */
    int64_t in_episode;      /* 1 while an episode is under way */
    int64_t episode_control_steps;
    double episode_return;       /* of the episode under way */
    double last_return;          /* of the last finished one, NaN = none */
    double last_eval, best_eval; /* NaN = none */
    int64_t best_at;             /* frames of the best evaluation, -1 = none */
    double wall_s;               /* seconds of training in all sessions */
    double time_s[CW_RUN_TIMES]; /* seconds by part, in all sessions (timing.h) */
    cw_metric_sum metric[CW_N_METRICS];
    uint64_t event_bytes;                    /* of the event file at the last checkpoint */
    double window_return[CW_EPISODE_WINDOW]; /* episode i in place i mod CW_EPISODE_WINDOW */
    double window_frames[CW_EPISODE_WINDOW]; /* its length, environment frames */
} cw_run_state;

/* Whether a saved state can be gone on from: counts that cannot overflow, no number that is
 * infinite. CW_EFORMAT names the field (run_state.c). */
cw_status cw_run_state_check(const cw_run_state *state);

typedef enum cw_run_phase {
    CW_RUN_SAMPLE, /* drawing minibatches */
    CW_RUN_UPDATE,
    CW_RUN_ACT,
    CW_RUN_WAIT, /* for the environment after the update was done */
    CW_RUN_EVAL,
    CW_RUN_CHECKPOINT,
    CW_RUN_PHASES
} cw_run_phase;

typedef struct cw_trainer {
    cw_settings settings;
    const cw_callbacks *callbacks; /* may be NULL */
    cw_env_create_fn create_env;
    void *env_user;
    int action_repeat;
    int lock_fd;
    bool resumed;
    FILE *log; /* log.txt */
    cw_backend *be;
    cw_agent *agent;
    cw_actor *actor;
    cw_agent_env env;
    bool env_live;
    cw_worker *worker;
    cw_replay *replay;
    cw_view view;
    const uint8_t **stack; /* (K) newest stack */
    cw_csv *metrics, *evals, *timing;
    cw_tfevents *events; /* NULL when tensorboard.enabled is false */
    double event_clock;  /* clock and frames at the last row of scalars, for time/fps */
    int64_t event_frames;
    cw_run_state state;
    struct cw_saving *save;        /* train/saving.h */
    double seconds[CW_RUN_PHASES]; /* of this session */
    int64_t session_updates, session_steps;
    double started;        /* clock at the session's start */
    double earlier_wall_s; /* seconds of earlier sessions, and by part */
    double earlier_time_s[CW_RUN_TIMES];
    cw_precision precision;   /* that this run computes in */
    char precision_line[160]; /* how it was found; empty unless by a probe */
    double reported;          /* clock of the last progress report */
    double rate_clock;        /* clock, frames and updates of the previous report, for the rates */
    int64_t rate_frames, rate_updates;
    double row[CW_N_METRICS];            /* the newest metrics row, NaN where it is empty */
    double returns[CW_PROGRESS_RETURNS]; /* newest episodes of this session, in order */
    int n_returns;
    int64_t phase_done, phase_total;    /* episodes of the evaluation under way */
    double frames_per_s, updates_per_s; /* smoothed; NaN = not known yet */
} cw_trainer;

/* One line to the host and to log.txt. */
void cw_trainer_line(cw_trainer *trainer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cw_trainer_progress(cw_trainer *trainer, const char *phase, bool now);
bool cw_trainer_should_stop(void *trainer);

/* Seconds of training in all sessions. */
double cw_trainer_wall_s(const cw_trainer *trainer);
/* The same by part. Only while no environment step is under way. */
void cw_trainer_times(const cw_trainer *trainer, double out[CW_RUN_TIMES]);

/* checkpoints (save.c, resume.c) */
/* Memory for the copies that a save makes, and the store; cw_trainer_saving_bytes of them. */
cw_status cw_trainer_open_saving(cw_trainer *trainer);
void cw_trainer_close_saving(cw_trainer *trainer);
size_t cw_trainer_saving_bytes(const cw_trainer *trainer);
/* Copies the run's state and starts writing it; waits for an earlier save first. A save's failure
 * is returned by the next of these three calls. */
cw_status cw_trainer_save(cw_trainer *trainer);
/* Before a slot of the replay is lent: waits when the save under way still reads it. */
cw_status cw_trainer_tend_save(cw_trainer *trainer);
cw_status cw_trainer_wait_for_save(cw_trainer *trainer);
bool cw_trainer_is_saving(const cw_trainer *trainer);
/* Restores the last complete checkpoint; *found = false when the folder has none yet. */
cw_status cw_trainer_restore(cw_trainer *trainer, bool *found);
/* Parameters of the last checkpoint of a run folder, or of a file of weights, into an agent; and
 * the replay of that checkpoint into `replay` unless NULL. CW_ENOTFOUND: no checkpoint yet. */
cw_status cw_run_load_agent(const char *run, cw_agent *agent, cw_replay *replay);
cw_status cw_file_load_agent(const char *path, cw_agent *agent);

/* what a run takes, said before it starts (needs.c) */
typedef struct cw_run_needs {
    int64_t transitions;  /* that the replay will hold at most */
    double replay_bytes;  /* of memory, with all of them in it */
    double learner_bytes; /* of memory: networks, what they work on, a checkpoint's copy */
    double disk_bytes;    /* of the run folder's checkpoints at their largest */
} cw_run_needs;
/* The learner must have been created; what saving needs is in it once saving has been opened. */
void cw_trainer_needs(const cw_trainer *trainer, cw_run_needs *out);
/* CW_ENOMEM, with a replay.capacity that would fit, when memory is too small. */
cw_status cw_trainer_check_memory(const cw_trainer *trainer);
/* A line about memory, one about the disk; a warning when the disk is too small. */
void cw_trainer_say_needs(cw_trainer *trainer);

/* evaluation and what a run leaves behind (report.c) */
cw_status cw_trainer_evaluate(cw_trainer *trainer);
cw_status cw_trainer_finish(cw_trainer *trainer, cw_run_result *out);

/* logs (metrics.c) */
cw_status cw_trainer_open_logs(cw_trainer *trainer);
/* Sees to it that every row so far survives a power cut; called by the thread that saves, beside
 * rows being added. */
cw_status cw_trainer_sync_logs(const cw_trainer *trainer);
void cw_trainer_count_update(cw_trainer *trainer, const cw_update_stats *stats);
void cw_trainer_count_episode(cw_trainer *trainer, double episode_return);
cw_status cw_trainer_log_metrics(cw_trainer *trainer); /* and cw_trainer_log_timing */
cw_status cw_trainer_log_timing(cw_trainer *trainer);
cw_status cw_trainer_log_eval(cw_trainer *trainer, const double *returns, int n);

/* TensorBoard (tensorboard.c); nothing happens where it is switched off. */
cw_status cw_trainer_open_events(cw_trainer *trainer);
cw_status cw_trainer_log_events(cw_trainer *trainer); /* scalars of trainer->row */
/* Scalars of an evaluation, then histograms and images where they are due; episode_frames is the
 * mean length of its episodes. */
cw_status cw_trainer_log_eval_events(cw_trainer *trainer, double mean_return,
                                     double episode_frames);
/* Images of a minibatch and its scores (B, B; data NULL: none) and of the first layer (pictures.c).
 */
cw_status cw_trainer_log_pictures(cw_trainer *trainer, const cw_minibatch *batch,
                                  const cw_tensor *scores, double wall_time);

/* An agent spec from settings and an environment's spec. */
cw_agent_spec cw_agent_spec_of(const cw_settings *settings, const cw_env_spec *env);
cw_replay_desc cw_replay_desc_of(const cw_settings *settings, const cw_agent_env *env);
cw_view cw_view_of(const cw_settings *settings, const cw_env_spec *env);

/* Creates environments of a built-in task. */
typedef struct cw_task_factory {
    const struct cw_task *task;
    int camera;
    cw_renderer renderer;
} cw_task_factory;
cw_status cw_task_factory_init(cw_task_factory *factory, const cw_settings *settings,
                               int *action_repeat);
cw_status cw_task_factory_create(void *context, uint32_t seed, int image_size, cw_env *out);

/* Seed of evaluation environment number `index` of a run. */
uint32_t cw_eval_seed(uint64_t run_seed, int64_t index);

#endif
