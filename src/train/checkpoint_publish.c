/* A second name for a checkpoint's parameters. */
#include "base/error.h"
#include "base/file.h"
#include "train/checkpoint_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static cw_status copy_bytes(const cw_checkpoint_store *store, const char *from, int fd,
                            uint64_t bytes, cw_file_writer *writer) {
    for (uint64_t at = 0; at < bytes;) {
        uint64_t left = bytes - at;
        size_t n = left < CW_CHECKPOINT_BUFFER ? (size_t)left : CW_CHECKPOINT_BUFFER;
        CW_TRY(cw_file_read_at(fd, from, store->buffer, n, at));
        CW_TRY(cw_file_writer_append(writer, store->buffer, n));
        at += n;
    }
    return CW_OK;
}

static cw_status copy_open(const cw_checkpoint_store *store, const char *from, int fd,
                           uint64_t bytes, const char *to) {
    cw_file_writer *writer;
    CW_TRY(cw_file_writer_open(&writer, to));
    cw_status status = copy_bytes(store, from, fd, bytes, writer);
    if (status == CW_OK) return cw_file_writer_commit(writer);
    cw_file_writer_abort(writer);
    return status;
}

static cw_status copy_file(const cw_checkpoint_store *store, const char *from, const char *to) {
    int fd = -1;
    uint64_t bytes = 0;
    CW_TRY(cw_file_open(from, &fd, &bytes));
    cw_status status = copy_open(store, from, fd, bytes, to);
    close(fd);
    return status;
}

cw_status cw_checkpoint_publish(const cw_checkpoint_store *store, const char *path) {
    char from[PATH_MAX], temporary[PATH_MAX];
    uint64_t generation = store->kept[0].generation;
    if (generation == 0)
        return cw_fail(CW_ENOTFOUND, "no checkpoint in %s is in use", store->folder);
    cw_checkpoint_path(from, store->folder, CW_FILE_AGENT, generation);
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if ((size_t)n >= sizeof temporary) {
        return cw_fail(CW_EINVAL, "the path %.40s... is too long", path);
    }
    /* What a killed process left. A rename between two names of one file would do nothing. */
    (void)unlink(temporary);
    if (cw_file_fault_due() || link(from, temporary) != 0) return copy_file(store, from, path);
    if (cw_file_fault_due() || rename(temporary, path) != 0) {
        cw_status status = cw_fail(CW_EIO, "cannot rename to %s: %s", path, strerror(errno));
        (void)unlink(temporary);
        return status;
    }
    (void)unlink(temporary); /* still there when `path` was the same file already */
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    return cw_dir_sync(folder);
}
