/* The store: its folder, saving, and removing what is no longer needed. */
#include "train/checkpoint.h"

#include "base/crc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

cw_status cw_checkpoint_store_open(cw_checkpoint_store **out, const char *folder,
                                   int64_t segment_frames, int keep, const cw_log *log) {
    if (segment_frames < 1) {
        return cw_fail(CW_EINVAL, "checkpoint store: segment_frames is %lld; it must be 1 or more",
                       (long long)segment_frames);
    }
    if (keep < 1 || keep > CW_CHECKPOINT_MAX_KEEP) {
        return cw_fail(CW_EINVAL, "checkpoint store: keep is %d; it must be 1 to %d", keep,
                       CW_CHECKPOINT_MAX_KEEP);
    }
    size_t length = strlen(folder);
    if (length == 0 || length >= PATH_MAX - 64) { /* the longest name inside has 55 bytes */
        return cw_fail(CW_EINVAL, "checkpoint store: '%.80s' is not a usable folder name", folder);
    }
    cw_checkpoint_store *store;
    CW_TRY(cw_alloc(&store, 1, sizeof *store, "the checkpoint store"));
    cw_status status = cw_alloc(&store->buffer, CW_CHECKPOINT_BUFFER, 1, "the checkpoint store");
    if (status == CW_OK) {
        status = cw_alloc(&store->kept, (size_t)keep, sizeof *store->kept, "the checkpoint store");
    }
    if (status != CW_OK) {
        cw_free(store->buffer);
        cw_free(store);
        return status;
    }
    memcpy(store->folder, folder, length + 1);
    store->segment_frames = segment_frames;
    store->keep = keep;
    if (log != NULL) store->log = *log;
    *out = store;
    return CW_OK;
}

void cw_checkpoint_store_close(cw_checkpoint_store *store) {
    if (store == NULL) return;
    for (int k = 0; k < store->keep; k++) cw_manifest_clear(&store->kept[k]);
    cw_free(store->kept);
    cw_free(store->buffer);
    cw_free(store);
}

cw_status cw_checkpoint_file_sum(cw_checkpoint_store *store, const char *path, uint64_t max_bytes,
                                 cw_file_sum *out) {
    int fd = -1;
    uint64_t bytes = 0;
    CW_TRY(cw_file_open(path, &fd, &bytes));
    cw_file_sum sum = {0};
    cw_status status = CW_OK;
    if (bytes > max_bytes) {
        status = cw_fail(CW_EFORMAT, "%s has %llu bytes instead of %llu", path,
                         (unsigned long long)bytes, (unsigned long long)max_bytes);
    }
    while (sum.bytes < bytes && status == CW_OK) {
        uint64_t left = bytes - sum.bytes;
        size_t n = left < CW_CHECKPOINT_BUFFER ? (size_t)left : CW_CHECKPOINT_BUFFER;
        status = cw_file_read_at(fd, path, store->buffer, n, sum.bytes);
        sum.crc = cw_crc32c(sum.crc, store->buffer, n);
        sum.bytes += n;
    }
    close(fd);
    if (status == CW_OK) *out = sum;
    return status;
}

/* ---- removing ---- */

static bool generation_kept(const cw_checkpoint_store *store, uint64_t generation) {
    for (int k = 0; k < store->keep; k++) {
        if (generation != 0 && generation == store->kept[k].generation) return true;
    }
    return false;
}

static bool segment_kept(const cw_checkpoint_store *store, uint64_t generation, int64_t first) {
    for (int k = 0; k < store->keep; k++) {
        const cw_manifest *m = &store->kept[k];
        for (size_t i = 0; i < m->n_segments; i++) {
            if (m->segment[i].generation == generation && m->segment[i].first == first) return true;
        }
    }
    return false;
}

static bool name_is(const char *name, const char *want) {
    size_t n = strlen(want);
    return strncmp(name, want, n) == 0 && (name[n] == '\0' || strcmp(name + n, ".tmp") == 0);
}

/* Whether a name in the folder (in frames/ when `frames`) is a file of this store that no kept
 * generation needs; only manifests, or only others. A temporary file is never needed. */
static bool name_is_needless(const cw_checkpoint_store *store, const char *name, bool frames,
                             bool manifests) {
    uint64_t generation = 0;
    int64_t first = 0;
    char want[96] = "";
    bool kept;
    if (frames) {
        if (sscanf(name, "%" SCNu64 "-%" SCNd64, &generation, &first) != 2) return false;
        snprintf(want, sizeof want, "%" PRIu64 "-%" PRId64 ".bin", generation, first);
        kept = segment_kept(store, generation, first);
    } else if (sscanf(name, "manifest-%" SCNu64, &generation) == 1) {
        if (!manifests) return false;
        snprintf(want, sizeof want, "manifest-%" PRIu64, generation);
        kept = generation_kept(store, generation);
    } else {
        if (manifests) return false;
        if (sscanf(name, "agent-%" SCNu64, &generation) == 1) {
            snprintf(want, sizeof want, "agent-%" PRIu64 ".safetensors", generation);
        } else if (sscanf(name, "state-%" SCNu64, &generation) == 1) {
            snprintf(want, sizeof want, "state-%" PRIu64 ".bin", generation);
        } else {
            return false;
        }
        kept = generation_kept(store, generation);
    }
    if (!name_is(name, want)) return false;
    return !kept || strcmp(name, want) != 0;
}

static void file_remove(cw_checkpoint_store *store, const char *path) {
    bool bad = cw_file_fault_due() || (unlink(path) != 0 && errno != ENOENT);
    if (bad) {
        cw_log_write(&store->log, CW_LOG_WARN, "cannot remove %s: %s", path, strerror(errno));
    }
}

static void folder_sweep(cw_checkpoint_store *store, const char *folder, bool frames,
                         bool manifests) {
    DIR *dir = cw_file_fault_due() ? NULL : opendir(folder);
    if (dir == NULL) {
        cw_log_write(&store->log, CW_LOG_WARN, "cannot list %s: %s", folder, strerror(errno));
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[PATH_MAX];
        if (!name_is_needless(store, e->d_name, frames, manifests)) continue;
        (void)cw_path_join(path, sizeof path, folder, e->d_name); /* fits, as every path here */
        file_remove(store, path);
    }
    closedir(dir);
}

void cw_checkpoint_sweep(cw_checkpoint_store *store) {
    char frames[PATH_MAX];
    folder_sweep(store, store->folder, false, true);
    /* Until it is certain that the manifests are gone, their files stay. */
    if (cw_dir_sync(store->folder) != CW_OK) {
        cw_log_write(&store->log, CW_LOG_WARN, "%s", cw_last_error());
        return;
    }
    folder_sweep(store, store->folder, false, false);
    (void)cw_path_join(frames, sizeof frames, store->folder, "frames");
    folder_sweep(store, frames, true, false);
}

/* What a failed save has left; its manifest may have got its name before a sync failed. */
static void remove_attempt(cw_checkpoint_store *store, const cw_manifest *attempt) {
    char path[PATH_MAX];
    for (cw_checkpoint_file kind = CW_FILE_MANIFEST; kind <= CW_FILE_STATE; kind++) {
        cw_checkpoint_path(path, store->folder, kind, attempt->generation);
        file_remove(store, path);
    }
    for (size_t i = 0; i < attempt->n_segments; i++) {
        const cw_segment *s = &attempt->segment[i];
        if (s->generation != attempt->generation) continue;
        cw_checkpoint_segment_path(path, store->folder, s->generation, s->first);
        file_remove(store, path);
    }
}

/* ---- saving ---- */

static cw_status append(cw_file_writer *writer, cw_file_sum *sum, const void *bytes, size_t n) {
    sum->crc = cw_crc32c(sum->crc, bytes, n);
    sum->bytes += n;
    return cw_file_writer_append(writer, bytes, n);
}

static cw_status finish(cw_file_writer *writer, cw_status status) {
    if (status == CW_OK) return cw_file_writer_commit(writer);
    cw_file_writer_abort(writer);
    return status;
}

/* Decides which segments the next generation has: those of the newest one that are still needed,
 * and new ones for the frames that it lacks. */
static cw_status plan_segments(const cw_checkpoint_store *store, const cw_replay_span *frames,
                               cw_manifest *next) {
    if (frames == NULL) return CW_OK;
    const cw_manifest *last = &store->kept[0];
    next->frame_bytes = frames->frame_bytes;
    next->oldest = frames->oldest;
    next->end = frames->end;
    if (last->n_segments > 0 && (next->end < last->end || next->oldest < last->oldest ||
                                 next->frame_bytes != last->frame_bytes)) {
        return cw_fail(CW_EINVAL,
                       "checkpoint: the replay holds frames %lld to %lld, the last checkpoint %lld "
                       "to %lld; the replay must be its continuation",
                       (long long)next->oldest, (long long)next->end, (long long)last->oldest,
                       (long long)last->end);
    }
    size_t skipped = 0;
    while (skipped < last->n_segments &&
           last->segment[skipped].first + last->segment[skipped].count <= next->oldest) {
        skipped++;
    }
    size_t shared = last->n_segments - skipped;
    int64_t at = shared > 0 ? last->end : next->oldest;
    int64_t fresh = (next->end - at + store->segment_frames - 1) / store->segment_frames;
    if (shared + (size_t)fresh == 0) return CW_OK;
    CW_TRY(cw_alloc(&next->segment, shared + (size_t)fresh, sizeof *next->segment,
                    "a checkpoint's segments"));
    for (size_t i = 0; i < shared; i++) next->segment[i] = last->segment[skipped + i];
    next->n_segments = shared;
    while (at < next->end) {
        int64_t left = next->end - at;
        next->segment[next->n_segments++] = (cw_segment){
            .generation = next->generation,
            .first = at,
            .count = left < store->segment_frames ? left : store->segment_frames,
        };
        at += next->segment[next->n_segments - 1].count;
    }
    return CW_OK;
}

int64_t cw_checkpoint_first_unsaved(const cw_checkpoint_store *store,
                                    const cw_replay_span *frames) {
    const cw_manifest *last = &store->kept[0];
    return last->n_segments > 0 && last->end > frames->oldest ? last->end : frames->oldest;
}

static cw_status write_segment(const cw_checkpoint_store *store, const cw_replay_span *frames,
                               cw_segment *segment, uint64_t *bytes) {
    char path[PATH_MAX];
    cw_checkpoint_segment_path(path, store->folder, segment->generation, segment->first);
    cw_file_writer *writer;
    CW_TRY(cw_file_writer_open(&writer, path));
    cw_file_sum sum = {0};
    cw_status status = CW_OK;
    for (int64_t i = 0; i < segment->count && status == CW_OK; i++) {
        const uint8_t *frame = cw_replay_span_frame(frames, segment->first + i);
        status = append(writer, &sum, frame, frames->frame_bytes);
    }
    segment->crc = sum.crc;
    *bytes += sum.bytes;
    return finish(writer, status);
}

static cw_status write_state(const cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                             cw_manifest *next) {
    static const unsigned char zeros[CW_STATE_ALIGN];
    cw_state_head head;
    uint64_t bytes;
    char path[PATH_MAX];
    CW_TRY(cw_state_layout(&head, parts->blobs, parts->n_blobs, &bytes));
    cw_checkpoint_path(path, store->folder, CW_FILE_STATE, next->generation);
    cw_file_writer *writer;
    CW_TRY(cw_file_writer_open(&writer, path));
    cw_status status = append(writer, &next->state, &head, sizeof head);
    for (int i = 0; i < parts->n_blobs && status == CW_OK; i++) {
        size_t gap = (size_t)(head.row[i].offset - next->state.bytes);
        status = append(writer, &next->state, zeros, gap);
        if (status != CW_OK) break;
        status = append(writer, &next->state, parts->blobs[i].bytes, parts->blobs[i].n);
    }
    return finish(writer, status);
}

static cw_status write_agent(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                             cw_manifest *next) {
    char path[PATH_MAX];
    cw_checkpoint_path(path, store->folder, CW_FILE_AGENT, next->generation);
    CW_TRY(
        cw_safetensors_write(path, parts->entries, parts->n_entries, parts->meta, parts->n_meta));
    return cw_checkpoint_file_sum(store, path, UINT64_MAX, &next->agent);
}

static cw_status write_manifest(const cw_checkpoint_store *store, const cw_manifest *next,
                                uint64_t *bytes) {
    char path[PATH_MAX];
    cw_checkpoint_path(path, store->folder, CW_FILE_MANIFEST, next->generation);
    char *text;
    size_t n;
    CW_TRY(cw_manifest_render(next, &text, &n));
    cw_status status =
        n <= CW_CHECKPOINT_MANIFEST_MAX
            ? cw_file_write_atomic(path, text, n)
            : cw_fail(CW_EINVAL, "%s would have %zu bytes; longer segments are needed", path, n);
    cw_free(text);
    *bytes += n;
    return status;
}

/* Makes the folders and sees that their names survive a power cut. */
static cw_status make_folders(const cw_checkpoint_store *store) {
    char path[PATH_MAX];
    (void)cw_path_join(path, sizeof path, store->folder, "frames");
    if (cw_file_exists(path)) return CW_OK;
    CW_TRY(cw_dir_make(path));
    CW_TRY(cw_dir_sync(store->folder));
    (void)cw_path_join(path, sizeof path, store->folder, "..");
    return cw_dir_sync(path);
}

static cw_status write_generation(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                                  cw_manifest *next, cw_checkpoint_stats *stats) {
    CW_TRY(make_folders(store));
    CW_TRY(plan_segments(store, parts->frames, next));
    for (size_t i = 0; i < next->n_segments; i++) {
        cw_segment *segment = &next->segment[i];
        if (segment->generation != next->generation) continue;
        CW_TRY(write_segment(store, parts->frames, segment, &stats->bytes_written));
        stats->frames_written += segment->count;
    }
    CW_TRY(write_agent(store, parts, next));
    CW_TRY(write_state(store, parts, next));
    stats->bytes_written += next->agent.bytes + next->state.bytes;
    return write_manifest(store, next, &stats->bytes_written);
}

cw_status cw_checkpoint_save(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                             cw_checkpoint_stats *stats) {
    if (store->kept[0].generation == 0) {
        uint64_t *list;
        size_t n;
        CW_TRY(cw_checkpoint_list(store->folder, &list, &n));
        uint64_t newest = n > 0 ? list[0] : 0;
        cw_free(list);
        if (newest != 0) {
            return cw_fail(CW_EINVAL,
                           "%s holds checkpoint %llu, which has not been loaded with its frames; "
                           "load it or remove the folder before saving",
                           store->folder, (unsigned long long)newest);
        }
    }
    if (store->highest >= CW_CHECKPOINT_GENERATION_MAX) {
        return cw_fail(CW_EINVAL, "%s holds a checkpoint of the highest number there can be, %llu",
                       store->folder, (unsigned long long)store->highest);
    }
    /* A number is never used twice, so no file that a manifest may name is written again. */
    cw_manifest next = {.generation = ++store->highest};
    cw_checkpoint_stats written = {.generation = next.generation};
    cw_status status = write_generation(store, parts, &next, &written);
    if (status != CW_OK) {
        remove_attempt(store, &next);
        cw_manifest_clear(&next);
        return status;
    }
    cw_manifest_clear(&store->kept[store->keep - 1]);
    memmove(store->kept + 1, store->kept, (size_t)(store->keep - 1) * sizeof *store->kept);
    store->kept[0] = next;
    cw_checkpoint_sweep(store);
    if (stats != NULL) *stats = written;
    return CW_OK;
}
