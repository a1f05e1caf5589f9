/* Saving a run beside its training; for train.c, save.c and resume.c. A save copies what the next
 * update would change (parameters, optimiser state, counters, environment, the replay's index);
 * frames are read where they lie. A thread then writes the checkpoint (train/checkpoint.h). */
#ifndef CW_TRAIN_SAVING_H
#define CW_TRAIN_SAVING_H

#include "train/checkpoint.h"
#include "train/trainer.h"
#include "train/weights.h"

#include <pthread.h>
#include <stdatomic.h>

#define CW_SAVING_TEXT 2048

struct cw_saving {
    cw_checkpoint_store *store;

    /* ---- the copy; the thread reads it while it runs ---- */
    cw_weights *weights; /* table of tensors, whose data lie in `values` */
    unsigned char *values;
    size_t values_bytes;
    cw_run_state state;
    void *env; /* the environment's state */
    size_t env_bytes, env_used;
    void *index; /* the replay's index */
    size_t index_bytes;
    cw_replay_span frames;
    uint8_t *example; /* (K, channels, height, width): the newest stack */
    size_t example_bytes;
    float action[CW_MAX_ACTION_DIM]; /* the policy's mean action on it */
    size_t example_used;             /* 0 before the first frame */
    char about[CW_SAVING_TEXT];      /* version, processor, kernels, renderer; one a line */
    char *config;                    /* the resolved configuration as INI text */
    size_t config_bytes;
    bool publish; /* this one is the best so far */

    /* ---- the thread ---- */
    pthread_t thread;
    bool running;
    atomic_bool done;
    const cw_trainer *trainer;     /* for its logs and folder */
    int64_t first_needed;          /* oldest frame that the thread still reads */
    cw_checkpoint_stats stats;     /* results from here on */
    double seconds, core_seconds;  /* of writing: by the clock, and of a processor core */
    double held_s;                 /* of training, for the copy */
    cw_status status;              /* with its message: */
    char error[1024];              /* */
    char warnings[CW_SAVING_TEXT]; /* lines of the store's log */
};

/* Names of the blobs of a run's checkpoint (docs/formats.md). */
#define CW_BLOB_STATE          "state"
#define CW_BLOB_ENV            "env"
#define CW_BLOB_REPLAY         "replay"
#define CW_BLOB_ABOUT          "about"
#define CW_BLOB_CONFIG         "config"
#define CW_BLOB_EXAMPLE_INPUT  "example_input"
#define CW_BLOB_EXAMPLE_OUTPUT "example_output"

/* What writes and reads here: curlew's version, machine, kernels and threads, renderer. */
void cw_run_about(const cw_backend *be, const cw_env *env, char *out, size_t out_bytes);

/* Tells the warnings of the store's log, and forgets them. */
void cw_saving_tell_warnings(cw_trainer *trainer);

/* Name of the best parameters in the run folder. */
cw_status cw_run_best_path(const char *run, char out[CW_PATH]);

#endif
