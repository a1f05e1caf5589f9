/* Running things: train, evaluate, record, roll out, update from a file. What the command does, a
 * host program can do with these calls. */
#ifndef CURLEW_RUN_H
#define CURLEW_RUN_H

#include <curlew/env.h>
#include <curlew/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

/* ---- configuration ---- */
typedef struct cw_config cw_config;

/* Every key at the default of profile `paper`. */
cw_status cw_config_create(cw_config **out);
void cw_config_destroy(cw_config *config); /* NULL allowed */
/* Applies a built-in profile ("paper", "authors", "fast", "tiny") over the current values. */
cw_status cw_config_profile(cw_config *config, const char *name);
/* Applies an INI file, all or nothing. */
cw_status cw_config_load(cw_config *config, const char *path);
/* Sets "section.key"; an unknown key or bad value is refused and named. */
cw_status cw_config_set(cw_config *config, const char *key, const char *value);
/* A key's value as text. */
cw_status cw_config_get(const cw_config *config, const char *key, char *out, size_t out_bytes);

/* Documentation of key number i (0-based); false when there is none. Strings are static. */
typedef struct cw_key_info {
    const char *name;
    const char *type;    /* "integer", "real", "boolean", "choice", "text" */
    const char *initial; /* default */
    const char *meaning;
    const char *source;
    char range[256]; /* "0 to 1", "a | b", or "" */
} cw_key_info;
bool cw_key_info_get(int i, cw_key_info *out);

/* Name of built-in profile i; NULL when there is none. */
const char *cw_profile_name(int i);

/* Task number i; false when there is none. */
typedef struct cw_task_info {
    const char *name;
    int action_repeat;
    const char *summary;
} cw_task_info;
bool cw_task_info_get(int i, cw_task_info *out);

/* ---- progress ---- */
#define CW_PROGRESS_RETURNS 64
#define CW_PROGRESS_PARTS   16

/* A part of the work and the seconds that all sessions have spent on it. */
typedef struct cw_part_time {
    const char *name; /* static */
    double seconds;
} cw_part_time;

/* Where a run stands. Complete in itself: a copy stays valid. */
typedef struct cw_progress {
    const char *phase; /* "collect", "train", "evaluate", "checkpoint", "record", "done"; static */
    int64_t phase_done, phase_total; /* episodes of an evaluation; 0 of 0 in other phases */
    int64_t frames, frames_total;    /* environment frames */
    int64_t agent_steps;
    int64_t updates;
    int64_t episodes;
    double updates_per_s; /* NaN before the first update */
    double frames_per_s;
    double wall_s;                       /* seconds of training in all sessions */
    double seconds_left;                 /* estimate, NaN when unknown */
    double last_return;                  /* newest training episode, NaN when none */
    double best_eval;                    /* best mean evaluation return, NaN when none */
    double last_eval;                    /* newest mean evaluation return, NaN when none */
    double returns[CW_PROGRESS_RETURNS]; /* newest training episodes of this session, in order */
    int n_returns;
    /* Means over the updates of the newest row of metrics.csv, NaN when there is none. */
    double critic_loss, actor_loss;
    double curl_loss;                      /* nats */
    double curl_accuracy;                  /* 0 to 1 */
    double alpha;                          /* entropy temperature */
    double entropy;                        /* nats */
    int64_t replay_count, replay_capacity; /* transitions that can be sampled, and at most */
    int64_t resident_bytes;                /* of the process, 0 when unknown */
    cw_part_time parts[CW_PROGRESS_PARTS]; /* what the loop's time went into; no overlap */
    int n_parts;
} cw_progress;

typedef struct cw_callbacks {
    void *user;
    void (*line)(void *user, const char *text);                /* messages; NULL: dropped */
    void (*progress)(void *user, const cw_progress *progress); /* about every second; NULL: none */
    bool (*should_stop)(void *user); /* true: checkpoint and return CW_EINTERRUPTED */
} cw_callbacks;

/* The end of a run. */
#define CW_RESULT_PATH 1100
typedef struct cw_run_result {
    int64_t frames;
    double eval_return;                /* mean of the last evaluation */
    double best_return;                /* of the best evaluation */
    char curve_path[CW_RESULT_PATH];   /* learning-curve picture */
    char video_path[CW_RESULT_PATH];   /* "" if none */
    char weights_path[CW_RESULT_PATH]; /* safetensors */
} cw_run_result;

/* Trains the configured task in the run folder `run.out`, going on when it holds a checkpoint.
 * Blocks until done, stopped or failed. */
cw_status cw_train(const cw_config *config, const cw_callbacks *callbacks, cw_run_result *out);

/* The same on a host's environment instead of a built-in task. */
cw_status cw_train_env(const cw_config *config, cw_env_create_fn create, void *env_user,
                       const cw_callbacks *callbacks, cw_run_result *out);

/* Bytes that training with this configuration takes when everything is filled, and what the machine
 * has available now, no more than the process' control groups leave (0: unknown). Nothing is
 * written. CW_ENOMEM when it does not fit by itself. */
cw_status cw_train_memory(const cw_config *config, int64_t *need_bytes, int64_t *available_bytes);

/* Cores that this process may use, at least 1: what run.threads = 0 takes. Those that it is bound
 * to, no more than its control groups' share of processor time (containers, job managers). Any
 * thread. */
int cw_train_cores(void);

/* Evaluates the policy of a run folder over `episodes`; mean, and each return when returns != NULL.
 */
cw_status cw_evaluate(const char *run, int episodes, const cw_callbacks *callbacks, double *mean,
                      double *returns);

#define CW_RECORD_SCALE_MAX 20

typedef struct cw_record_options {
    int scale;    /* pixels of the video for each of a frame, 1 to CW_RECORD_SCALE_MAX; 0: 4 */
    bool overlay; /* return so far, value and action drawn over the top of the picture */
    bool replace; /* an existing file may be replaced */
    /* 0: the whole episode as MP4. N: its N-th frame alone (1 is the first), as PNG. */
    int64_t frame;
} cw_record_options;

/* Records one evaluation episode of a run as MP4, or of the weights in a .safetensors file of its
 * folder; its return. out NULL: <run>/video/record.mp4, or record.png; options NULL: all zero. An
 * existing file is CW_EIO unless options->replace; a file of another ending, or a frame that the
 * episode does not have, is CW_EINVAL. */
cw_status cw_record(const char *run, const char *out, const cw_record_options *options,
                    const cw_callbacks *callbacks, double *episode_return);

/* Replays an action file on a task: actions in; rewards, observations, qpos, qvel and frames out
 * (docs/formats.md). frame_steps: control steps at which to render. */
cw_status cw_rollout(const char *task, uint32_t seed, const char *actions_path,
                     const char *out_path, const int64_t *frame_steps, int n_frame_steps,
                     const char *renderer);

/* Agent updates from a file: parameters, minibatches and noise in; losses and parameters out
 * (docs/formats.md). `backend` is "auto", "ref" or "ref64". */
cw_status cw_update_file(const cw_config *config, const char *in_path, const char *out_path,
                         const char *backend);

/* What this machine offers and lacks, line by line through callbacks->line. CW_OK when a default
 * run would work, CW_EUNSUPPORTED otherwise. */
cw_status cw_doctor(const cw_callbacks *callbacks);

const char *cw_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
