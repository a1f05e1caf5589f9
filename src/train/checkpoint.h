/* The checkpoint store: a run's state on disk so that a killed run goes on bit for bit.
 *
 * A folder holds numbered generations, the newest few of them:
 *   agent-<g>.safetensors          parameters and optimiser state
 *   state-<g>.bin                  named byte blobs: counters, environment, replay index
 *   frames/<g>-<first>.bin         replay frames first, first + 1, ..., in the order of their
 *                                  running numbers; written once, by the generation that saw them
 *                                  first, and shared by later ones until the ring has overwritten
 *                                  them all
 *   manifest-<g>                   text: size and CRC-32C of every file of the generation
 * Every file is written under a temporary name, synced and renamed, the manifest last: a generation
 * exists from the instant its manifest has its name, and no file that a manifest names is ever
 * written again. Older generations are removed after that. Killed at any instant, the folder holds
 * the previous generation or the new one, complete; leftovers are removed by the next save.
 *
 * One process writes (the run's lock file sees to that); others may load at the same time. */
#ifndef CW_TRAIN_CHECKPOINT_H
#define CW_TRAIN_CHECKPOINT_H

#include "base/log.h"
#include "io/safetensors.h"
#include "replay/replay.h"

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CW_CHECKPOINT_SEGMENT  4096 /* frames of a segment file at most */
#define CW_CHECKPOINT_NAME     48   /* bytes of a blob's name with its closing zero */
#define CW_CHECKPOINT_MAX_BLOB 32   /* blobs of a checkpoint */
#define CW_CHECKPOINT_MAX_KEEP 100  /* generations that a folder holds at most */

/* ---- the store ---- */
typedef struct cw_checkpoint_store cw_checkpoint_store;

/* `folder` need not exist yet; nothing is read or written. segment_frames: frames of one segment
 * file at most, 1 or more (CW_CHECKPOINT_SEGMENT). keep: the newest generations that stay, 1 to
 * CW_CHECKPOINT_MAX_KEEP. `log` (may be NULL; must outlive the store) hears of damaged generations
 * and of leftovers that could not be removed. A store is used by one thread at a time. */
cw_status cw_checkpoint_store_open(cw_checkpoint_store **out, const char *folder,
                                   int64_t segment_frames, int keep, const cw_log *log);
void cw_checkpoint_store_close(cw_checkpoint_store *store); /* NULL allowed */

/* ---- saving ---- */
typedef struct cw_checkpoint_blob {
    const char *name; /* 1 to CW_CHECKPOINT_NAME - 1 bytes, unique */
    const void *bytes;
    size_t n;
} cw_checkpoint_blob;

typedef struct cw_checkpoint_parts {
    const cw_safetensors_entry *entries;
    int n_entries;
    const cw_safetensors_meta *meta;
    int n_meta;
    const cw_checkpoint_blob *blobs;
    int n_blobs;
    const cw_replay_span
        *frames; /* the replay's; its index is a blob of the caller's. NULL: none */
} cw_checkpoint_parts;

typedef struct cw_checkpoint_stats {
    uint64_t generation;
    int64_t frames_written; /* frames that no earlier generation had on disk */
    uint64_t bytes_written; /* of all files */
} cw_checkpoint_stats;

/* Writes the next generation; on CW_OK it is on disk to stay (synced). Only frames that are not on
 * disk yet are written. On failure the earlier generations are untouched and saving may be tried
 * again. When the folder holds checkpoints, one of them must have been loaded with its frames
 * through this store first (CW_EINVAL otherwise), and the replay must be its continuation. `stats`
 * may be NULL. CW_EIO names the file; CW_ENOMEM. */
cw_status cw_checkpoint_save(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                             cw_checkpoint_stats *stats);

/* The first frame of a span that a save made now would read; span->end when it would read none. */
int64_t cw_checkpoint_first_unsaved(const cw_checkpoint_store *store, const cw_replay_span *frames);

/* Gives the newest generation's parameters and optimiser state a second name outside of the store,
 * atomically, in place of what had it: they stay when the generation goes. The same file under two
 * names where the file system can (no bytes are written), else a copy. CW_ENOTFOUND when nothing
 * was saved or loaded yet; CW_EIO. */
cw_status cw_checkpoint_publish(const cw_checkpoint_store *store, const char *path);

/* ---- loading ---- */
typedef struct cw_checkpoint cw_checkpoint;

/* The newest generation that is complete and undamaged. Every byte is checked before anything is
 * handed out (those of frames only when with_frames). A damaged generation is reported to the log
 * and the one before it taken. CW_ENOTFOUND: the folder holds no checkpoint; CW_EFORMAT: none of
 * those it holds is whole, and the message names the file at fault in the newest, CW_EIO when the
 * system would not read that one; CW_ENOMEM. */
cw_status cw_checkpoint_load(cw_checkpoint_store *store, bool with_frames, cw_checkpoint **out);
void cw_checkpoint_free(cw_checkpoint *checkpoint); /* NULL allowed */

uint64_t cw_checkpoint_generation(const cw_checkpoint *checkpoint);

/* Parameters and optimiser state; owned by the checkpoint. */
const cw_safetensors *cw_checkpoint_weights(const cw_checkpoint *checkpoint);

/* A blob by name and its size; CW_EFORMAT when the checkpoint has none of that name. The bytes are
 * aligned to 64 and owned by the checkpoint. */
cw_status cw_checkpoint_blob_find(const cw_checkpoint *checkpoint, const char *name,
                                  const void **bytes, size_t *n);

/* Fills every live frame of a replay whose index has been loaded (cw_replay_index_load).
 * CW_EINVAL when the checkpoint was loaded without frames; CW_EFORMAT when its frames are not the
 * replay's. */
cw_status cw_checkpoint_read_frames(const cw_checkpoint *checkpoint, cw_replay *replay);

#endif
