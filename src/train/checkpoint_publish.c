/* A second name for a checkpoint's parameters. */
#include "base/error.h"
#include "base/file.h"
#include "train/checkpoint_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static cw_status copy_bytes(const cw_checkpoint_store *store, const char *from, int fd,
                            cw_file_writer *writer) {
    for (;;) {
        ssize_t got = cw_file_fault_due() ? -1 : read(fd, store->buffer, CW_CHECKPOINT_BUFFER);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cw_fail(CW_EIO, "%s: %s", from, strerror(errno));
        if (got == 0) return CW_OK;
        CW_TRY(cw_file_writer_append(writer, store->buffer, (size_t)got));
    }
}

static cw_status copy_file(const cw_checkpoint_store *store, const char *from, const char *to) {
    int fd = cw_file_fault_due() ? -1 : open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cw_fail(CW_EIO, "%s: %s", from, strerror(errno));
    cw_file_writer *writer;
    cw_status status = cw_file_writer_open(&writer, to);
    if (status == CW_OK) {
        status = copy_bytes(store, from, fd, writer);
        if (status == CW_OK) {
            status = cw_file_writer_commit(writer);
        } else {
            cw_file_writer_abort(writer);
        }
    }
    close(fd);
    return status;
}

cw_status cw_checkpoint_publish(const cw_checkpoint_store *store, const char *path) {
    char from[PATH_MAX], temporary[PATH_MAX];
    uint64_t generation = store->kept[0].generation;
    if (generation == 0)
        return cw_fail(CW_ENOTFOUND, "no checkpoint in %s is in use", store->folder);
    CW_TRY(cw_checkpoint_path(from, store->folder, CW_FILE_AGENT, generation));
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
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
