/* A make-believe training run whose whole state follows from its step number, so that what a
 * checkpoint gives back can be compared with a run that was never interrupted. */
#ifndef TEST_TRAIN_CHECKPOINT_RUN_H
#define TEST_TRAIN_CHECKPOINT_RUN_H

#include "train/checkpoint.h"

#include <limits.h>

#define RUN_WEIGHTS 24

typedef struct fake_run {
    cw_replay *replay;
    int64_t step; /* frames committed */
    int64_t n_saved;
    float weights[RUN_WEIGHTS];
    unsigned char *index; /* buffer for the replay's index */
} fake_run;

void run_open(fake_run *run);
void run_close(fake_run *run);
void run_advance(fake_run *run, int64_t steps);

cw_status run_save(fake_run *run, cw_checkpoint_store *store, cw_checkpoint_stats *stats);

/* Loads into a run just opened. */
cw_status run_load(fake_run *run, cw_checkpoint_store *store);

/* Asserts that the run is in every byte what a fresh one would be after as many steps. */
void run_check(const fake_run *run);

/* A new empty folder of its own under $TMPDIR, else in memory (/dev/shm) where that is possible:
 * thousands of small files are made. And its removal with all contents. */
void folder_make(char out[PATH_MAX]);
void folder_remove(const char *folder);

/* Names in a folder that begin with `prefix`, sorted, each followed by a blank. */
void folder_list(const char *folder, const char *prefix, char *out, size_t out_bytes);

/* Asserts that frames/ holds exactly the segments that the manifests name, and that each manifest
 * has its files and nothing else lies there. */
void folder_check_clean(const char *folder);

/* Opens a store with segments of at most 4 frames. */
cw_checkpoint_store *store_open(const char *folder, const cw_log *log);

/* A log sink that keeps the last line. */
typedef struct last_line {
    char text[2048];
    int n;
} last_line;
void last_line_write(void *user, cw_log_level level, const char *line);

#endif
