/* Insides of the checkpoint store; for checkpoint*.c only. */
#ifndef CW_TRAIN_CHECKPOINT_INTERNAL_H
#define CW_TRAIN_CHECKPOINT_INTERNAL_H

#include "train/checkpoint.h"

#include <limits.h>

#define CW_CHECKPOINT_BUFFER       ((size_t)1 << 18) /* bytes read at once while checking */
#define CW_CHECKPOINT_MANIFEST_MAX ((uint64_t)1 << 24)
/* Saving stops here; the name of a forged file must not make the numbers start again at 0. */
#define CW_CHECKPOINT_GENERATION_MAX ((uint64_t)1 << 62)

/* Size and checksum of a file. */
typedef struct cw_file_sum {
    uint64_t bytes;
    uint32_t crc; /* CRC-32C */
} cw_file_sum;

/* Frames [first, first + count) in frames/<generation>-<first>.bin. */
typedef struct cw_segment {
    uint64_t generation;
    int64_t first;
    int64_t count;
    uint32_t crc;
} cw_segment;

/* What a manifest says. The segments adjoin and cover [oldest, end). */
typedef struct cw_manifest {
    uint64_t generation; /* 1 or more; 0 in an unused struct */
    cw_file_sum agent, state;
    uint64_t frame_bytes;
    int64_t oldest, end; /* running numbers of the replay's live frames */
    size_t n_segments;
    cw_segment *segment; /* (n_segments) cw_alloc */
} cw_manifest;

void cw_manifest_clear(cw_manifest *manifest);

/* The manifest as text, in a cw_alloc block. */
cw_status cw_manifest_render(const cw_manifest *manifest, char **out, size_t *n);

/* Parses n bytes followed by a zero byte. CW_EFORMAT unless they are, byte for byte, what
 * cw_manifest_render writes for a manifest of that generation; then *out is unchanged. */
cw_status cw_manifest_parse(cw_manifest *out, const char *text, size_t n, uint64_t generation);

/* ---- names ----
 * The folder is a store's, whose length was checked when it was opened: every path fits. */
typedef enum cw_checkpoint_file {
    CW_FILE_MANIFEST,
    CW_FILE_AGENT,
    CW_FILE_STATE
} cw_checkpoint_file;

void cw_checkpoint_path(char out[PATH_MAX], const char *folder, cw_checkpoint_file kind,
                        uint64_t generation);
void cw_checkpoint_segment_path(char out[PATH_MAX], const char *folder, uint64_t generation,
                                int64_t first);

/* Numbers of the manifests in a folder, the newest first, in a cw_alloc block; no folder has none.
 * CW_EIO, CW_ENOMEM. */
cw_status cw_checkpoint_list(const char *folder, uint64_t **out, size_t *n);

/* ---- the state file: a table of named blobs ---- */
#define CW_STATE_ALIGN 64

typedef struct cw_state_row {
    char name[CW_CHECKPOINT_NAME];
    uint64_t offset; /* bytes from the start of the file, a multiple of CW_STATE_ALIGN */
    uint64_t n;      /* bytes */
} cw_state_row;

typedef struct cw_state_head {
    char magic[8];
    uint32_t version;
    uint32_t n_blobs;
    cw_state_row row[CW_CHECKPOINT_MAX_BLOB]; /* unused rows are zero */
} cw_state_head;

/* Lays blobs out behind the head; *bytes is the file's size. CW_EINVAL names a bad blob. */
cw_status cw_state_layout(cw_state_head *out, const cw_checkpoint_blob *blobs, int n,
                          uint64_t *bytes);

/* Checks the head of a state file of `bytes` bytes. */
cw_status cw_state_check(const void *file, uint64_t bytes);

/* ---- the store ---- */
struct cw_checkpoint_store {
    char folder[PATH_MAX];
    int64_t segment_frames;
    cw_log log;
    int keep;
    uint64_t highest;  /* largest generation number ever met or tried */
    cw_manifest *kept; /* (keep) generations that must stay, newest first; unused ones are zero */
    unsigned char *buffer;
};

struct cw_checkpoint {
    char folder[PATH_MAX];
    bool with_frames;
    cw_manifest manifest;
    cw_safetensors *weights;
    unsigned char *state; /* the whole state file */
};

/* Removes what no kept generation needs: manifests first, so that none ever names a missing file.
 * What cannot be removed is told to the log and left for the next time. */
void cw_checkpoint_sweep(cw_checkpoint_store *store);

/* Size and checksum of a file, read through the store's buffer. CW_EFORMAT when it has more than
 * max_bytes, before they are read; CW_EIO, CW_ENOTFOUND. */
cw_status cw_checkpoint_file_sum(cw_checkpoint_store *store, const char *path, uint64_t max_bytes,
                                 cw_file_sum *out);

#endif
