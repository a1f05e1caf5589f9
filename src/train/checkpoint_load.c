/* Loading: the newest generation that is whole. */
#include "base/crc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/checkpoint_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A writer may remove the generations that a reader has just listed. */
#define LIST_ATTEMPTS 16

static cw_status sum_check(const char *path, cw_file_sum got, cw_file_sum want) {
    if (got.bytes != want.bytes) {
        return cw_fail(CW_EFORMAT, "%s has %llu bytes instead of %llu", path,
                       (unsigned long long)got.bytes, (unsigned long long)want.bytes);
    }
    if (got.crc != want.crc) {
        return cw_fail(CW_EFORMAT, "%s: its checksum does not match; it is damaged", path);
    }
    return CW_OK;
}

static cw_status manifest_read(const cw_checkpoint_store *store, uint64_t generation,
                               cw_manifest *out) {
    char path[PATH_MAX];
    unsigned char *text;
    size_t n;
    cw_checkpoint_path(path, store->folder, CW_FILE_MANIFEST, generation);
    CW_TRY(cw_file_read(path, CW_CHECKPOINT_MANIFEST_MAX, &text, &n));
    cw_status status = cw_manifest_parse(out, (const char *)text, n, generation);
    cw_free(text);
    return status == CW_OK ? CW_OK : cw_fail_in(status, "%s", path);
}

static cw_status agent_read(cw_checkpoint_store *store, cw_checkpoint *checkpoint) {
    const cw_manifest *m = &checkpoint->manifest;
    char path[PATH_MAX];
    cw_file_sum sum;
    cw_checkpoint_path(path, store->folder, CW_FILE_AGENT, m->generation);
    CW_TRY(cw_checkpoint_file_sum(store, path, m->agent.bytes, &sum));
    CW_TRY(sum_check(path, sum, m->agent));
    return cw_safetensors_open(&checkpoint->weights, path, m->agent.bytes);
}

static cw_status state_read(cw_checkpoint_store *store, cw_checkpoint *checkpoint) {
    const cw_manifest *m = &checkpoint->manifest;
    char path[PATH_MAX];
    size_t n;
    cw_checkpoint_path(path, store->folder, CW_FILE_STATE, m->generation);
    CW_TRY(cw_file_read(path, m->state.bytes, &checkpoint->state, &n));
    cw_file_sum sum = {.bytes = n, .crc = cw_crc32c(0, checkpoint->state, n)};
    CW_TRY(sum_check(path, sum, m->state));
    cw_status status = cw_state_check(checkpoint->state, n);
    return status == CW_OK ? CW_OK : cw_fail_in(status, "%s", path);
}

static cw_status frames_check(cw_checkpoint_store *store, const cw_manifest *m) {
    for (size_t i = 0; i < m->n_segments; i++) {
        const cw_segment *s = &m->segment[i];
        char path[PATH_MAX];
        cw_file_sum got;
        cw_file_sum want = {.bytes = (uint64_t)s->count * m->frame_bytes, .crc = s->crc};
        cw_checkpoint_segment_path(path, store->folder, s->generation, s->first);
        CW_TRY(cw_checkpoint_file_sum(store, path, want.bytes, &got));
        CW_TRY(sum_check(path, got, want));
    }
    return CW_OK;
}

static cw_status generation_read(cw_checkpoint_store *store, uint64_t generation, bool with_frames,
                                 cw_checkpoint **out) {
    cw_checkpoint *checkpoint;
    CW_TRY(cw_alloc(&checkpoint, 1, sizeof *checkpoint, "a checkpoint"));
    memcpy(checkpoint->folder, store->folder, sizeof store->folder);
    checkpoint->with_frames = with_frames;
    cw_status status = manifest_read(store, generation, &checkpoint->manifest);
    if (status == CW_OK) status = agent_read(store, checkpoint);
    if (status == CW_OK) status = state_read(store, checkpoint);
    if (status == CW_OK && with_frames) status = frames_check(store, &checkpoint->manifest);
    if (status != CW_OK) {
        cw_checkpoint_free(checkpoint);
        return status;
    }
    *out = checkpoint;
    return CW_OK;
}

/* What is wrong with the newest generation; an empty text: nothing. */
typedef struct load_fault {
    cw_status status;
    char text[768];
} load_fault;

/* Goes down the list to the first whole generation, list[*at]. CW_ENOTFOUND: none is whole. */
static cw_status newest_whole(cw_checkpoint_store *store, const uint64_t *list, size_t n,
                              bool with_frames, cw_checkpoint **out, size_t *at,
                              load_fault *fault) {
    fault->text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        *at = i;
        cw_status status = generation_read(store, list[i], with_frames, out);
        if (status == CW_OK || status == CW_ENOMEM) return status;
        if (fault->text[0] != '\0') continue;
        fault->status = status;
        snprintf(fault->text, sizeof fault->text, "%s", cw_last_error());
    }
    return CW_ENOTFOUND;
}

static cw_status manifest_copy(cw_manifest *out, const cw_manifest *from) {
    cw_manifest copy = *from;
    copy.segment = NULL;
    if (from->n_segments > 0) {
        size_t bytes = from->n_segments * sizeof *from->segment;
        CW_TRY(cw_alloc(&copy.segment, bytes, 1, "a checkpoint's segments"));
        memcpy(copy.segment, from->segment, bytes);
    }
    *out = copy;
    return CW_OK;
}

/* Reads the manifests of the generations that stay with the one in kept[0]: from a list of those
 * before it, the newest first. */
static cw_status keep_earlier(cw_checkpoint_store *store, const uint64_t *list, size_t n) {
    int k = 1;
    for (size_t i = 0; i < n && k < store->keep; i++) {
        cw_status status = manifest_read(store, list[i], &store->kept[k]);
        if (status == CW_ENOMEM) return status;
        k += status == CW_OK;
    }
    return CW_OK;
}

/* list[at] was loaded: it and those before it stay, as many as the store keeps. */
static cw_status keep_loaded(cw_checkpoint_store *store, const uint64_t *list, size_t n, size_t at,
                             const cw_manifest *loaded) {
    for (int k = 0; k < store->keep; k++) cw_manifest_clear(&store->kept[k]);
    CW_TRY(manifest_copy(&store->kept[0], loaded));
    cw_status status = keep_earlier(store, list + at + 1, n - at - 1);
    if (status != CW_OK) { /* a save would be refused now */
        for (int k = 0; k < store->keep; k++) cw_manifest_clear(&store->kept[k]);
        return status;
    }
    if (list[0] > store->highest) store->highest = list[0];
    return CW_OK;
}

/* The newest whole generation of a list that has one or more. */
static cw_status load_listed(cw_checkpoint_store *store, const uint64_t *list, size_t n,
                             bool with_frames, cw_checkpoint **out, load_fault *fault) {
    size_t at = 0;
    cw_checkpoint *checkpoint = NULL;
    CW_TRY(newest_whole(store, list, n, with_frames, &checkpoint, &at, fault));
    if (with_frames) {
        cw_status status = keep_loaded(store, list, n, at, &checkpoint->manifest);
        if (status != CW_OK) {
            cw_checkpoint_free(checkpoint);
            return status;
        }
    }
    if (fault->text[0] != '\0') {
        cw_log_write(&store->log, CW_LOG_WARN,
                     "checkpoint %llu cannot be used: %s; going back to checkpoint %llu",
                     (unsigned long long)list[0], fault->text, (unsigned long long)list[at]);
    }
    *out = checkpoint;
    return CW_OK;
}

cw_status cw_checkpoint_load(cw_checkpoint_store *store, bool with_frames, cw_checkpoint **out) {
    load_fault fault = {.status = CW_OK};
    uint64_t newest = 0;
    for (int attempt = 0; attempt < LIST_ATTEMPTS; attempt++) {
        uint64_t *list;
        size_t n;
        CW_TRY(cw_checkpoint_list(store->folder, &list, &n));
        if (n == 0) return cw_fail(CW_ENOTFOUND, "%s holds no checkpoint", store->folder);
        bool changed = list[0] != newest; /* since the last attempt */
        newest = list[0];
        cw_status status = changed ? load_listed(store, list, n, with_frames, out, &fault) : CW_OK;
        cw_free(list);
        if (!changed) break;
        if (status != CW_ENOTFOUND) return status;
    }
    /* Missing files are damage: a folder of checkpoints is never taken for an empty one. */
    return cw_fail(fault.status == CW_EIO ? CW_EIO : CW_EFORMAT,
                   "no checkpoint in %s is whole; the newest: %s", store->folder, fault.text);
}

void cw_checkpoint_free(cw_checkpoint *checkpoint) {
    if (checkpoint == NULL) return;
    cw_manifest_clear(&checkpoint->manifest);
    cw_safetensors_close(checkpoint->weights);
    cw_free(checkpoint->state);
    cw_free(checkpoint);
}

uint64_t cw_checkpoint_generation(const cw_checkpoint *checkpoint) {
    return checkpoint->manifest.generation;
}

const cw_safetensors *cw_checkpoint_weights(const cw_checkpoint *checkpoint) {
    return checkpoint->weights;
}

cw_status cw_checkpoint_blob_find(const cw_checkpoint *checkpoint, const char *name,
                                  const void **bytes, size_t *n) {
    const cw_state_head *head = (const cw_state_head *)checkpoint->state;
    for (uint32_t i = 0; i < head->n_blobs; i++) {
        if (strcmp(head->row[i].name, name) != 0) continue;
        *bytes = checkpoint->state + head->row[i].offset;
        *n = (size_t)head->row[i].n;
        return CW_OK;
    }
    return cw_fail(CW_EFORMAT, "checkpoint %llu in %s has no state named '%s'",
                   (unsigned long long)checkpoint->manifest.generation, checkpoint->folder, name);
}

static cw_status segment_read(const cw_checkpoint *checkpoint, const cw_segment *segment,
                              cw_replay *replay) {
    char path[PATH_MAX];
    cw_checkpoint_segment_path(path, checkpoint->folder, segment->generation, segment->first);
    int fd = -1;
    uint64_t file_bytes = 0;
    CW_TRY(cw_file_open(path, &fd, &file_bytes));
    size_t bytes = cw_replay_frame_bytes(replay);
    cw_status status = CW_OK;
    for (int64_t i = 0; i < segment->count && status == CW_OK; i++) {
        int64_t number = segment->first + i;
        if (number < checkpoint->manifest.oldest) continue; /* overwritten since it was written */
        status = cw_file_read_at(fd, path, cw_replay_frame_for_load(replay, number), bytes,
                                 (uint64_t)i * bytes);
    }
    close(fd);
    return status;
}

cw_status cw_checkpoint_read_frames(const cw_checkpoint *checkpoint, cw_replay *replay) {
    const cw_manifest *m = &checkpoint->manifest;
    if (!checkpoint->with_frames) {
        return cw_fail(CW_EINVAL, "checkpoint %llu was loaded without frames",
                       (unsigned long long)m->generation);
    }
    if (m->oldest != cw_replay_oldest_frame(replay) || m->end != cw_replay_frames(replay) ||
        (m->end > 0 && m->frame_bytes != cw_replay_frame_bytes(replay))) {
        return cw_fail(CW_EFORMAT,
                       "checkpoint %llu has frames %lld to %lld of %llu bytes; the replay's index "
                       "wants %lld to %lld of %zu",
                       (unsigned long long)m->generation, (long long)m->oldest, (long long)m->end,
                       (unsigned long long)m->frame_bytes,
                       (long long)cw_replay_oldest_frame(replay),
                       (long long)cw_replay_frames(replay), cw_replay_frame_bytes(replay));
    }
    for (size_t i = 0; i < m->n_segments; i++) {
        CW_TRY(segment_read(checkpoint, &m->segment[i], replay));
    }
    return CW_OK;
}
