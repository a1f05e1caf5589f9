#include "base/file.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct cw_file_writer {
    int fd;
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

static atomic_int_fast64_t fault_countdown; /* 0 or less: no failure to come */

void cw_file_fault_after(uint64_t n) {
    atomic_store(&fault_countdown, (int_fast64_t)n);
}

bool cw_file_fault_due(void) {
    if (atomic_load(&fault_countdown) <= 0) return false;
    if (atomic_fetch_sub(&fault_countdown, 1) != 1) return false;
    errno = EIO;
    return true;
}

cw_status cw_file_open(const char *path, int *fd, uint64_t *bytes) {
    /* Without O_NONBLOCK, opening a pipe waits for its writer. */
    int opened = cw_file_fault_due() ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) {
        return cw_fail(errno == ENOENT ? CW_ENOTFOUND : CW_EIO, "%s: %s", path, strerror(errno));
    }
    struct stat info = {0};
    cw_status status = CW_OK;
    if (cw_file_fault_due() || fstat(opened, &info) != 0) {
        status = cw_fail(CW_EIO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = cw_fail(CW_EIO, "%s is not a regular file", path);
    }
    if (status != CW_OK) {
        close(opened);
        return status;
    }
    *fd = opened;
    *bytes = (uint64_t)info.st_size;
    return CW_OK;
}

cw_status cw_file_read_at(int fd, const char *path, void *out, size_t n, uint64_t at) {
    unsigned char *to = out;
    while (n > 0) {
        ssize_t got = cw_file_fault_due() ? -1 : pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cw_fail(CW_EIO, "%s: %s", path, strerror(errno));
        if (got == 0) return cw_fail(CW_EIO, "%s became shorter while it was read", path);
        to += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return CW_OK;
}

static cw_status read_open(int fd, const char *path, uint64_t size, uint64_t max_bytes,
                           unsigned char **out) {
    if (size > max_bytes) {
        return cw_fail(CW_EFORMAT, "%s has %llu bytes; at most %llu are allowed here", path,
                       (unsigned long long)size, (unsigned long long)max_bytes);
    }
    unsigned char *bytes;
    CW_TRY(cw_alloc(&bytes, cw_size_add((size_t)size, 1), 1, path));
    cw_status status = cw_file_read_at(fd, path, bytes, (size_t)size, 0);
    if (status != CW_OK) {
        cw_free(bytes);
        return status;
    }
    *out = bytes;
    return CW_OK;
}

cw_status cw_file_read(const char *path, uint64_t max_bytes, unsigned char **out, size_t *n_bytes) {
    int fd = -1;
    uint64_t size = 0;
    CW_TRY(cw_file_open(path, &fd, &size));
    cw_status status = read_open(fd, path, size, max_bytes, out);
    close(fd);
    if (status == CW_OK) *n_bytes = (size_t)size;
    return status;
}

/* A new file: what a killed process left there, or a link or pipe that somebody put there, is
 * replaced and not written to. */
static int make_temporary(const char *path) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = cw_file_fault_due() ? -1 : open(path, flags, 0644);
    if (fd >= 0 || errno != EEXIST || unlink(path) != 0) return fd;
    return open(path, flags, 0644);
}

cw_status cw_file_writer_open(cw_file_writer **out, const char *path) {
    cw_file_writer *writer;
    CW_TRY(cw_alloc(&writer, 1, sizeof *writer, "a file writer"));
    int n = snprintf(writer->temporary, sizeof writer->temporary, "%s.tmp", path);
    if ((size_t)n >= sizeof writer->temporary) {
        cw_free(writer);
        return cw_fail(CW_EINVAL, "the path %.40s... is too long", path);
    }
    memcpy(writer->path, path, strlen(path) + 1);
    writer->fd = make_temporary(writer->temporary);
    if (writer->fd < 0) {
        cw_status status = cw_fail(CW_EIO, "cannot write %s: %s", path, strerror(errno));
        cw_free(writer);
        return status;
    }
    *out = writer;
    return CW_OK;
}

cw_status cw_file_writer_append(cw_file_writer *writer, const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    while (n > 0) {
        ssize_t wrote = cw_file_fault_due() ? -1 : write(writer->fd, at, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            return cw_fail(CW_EIO, "cannot write %s: %s", writer->path, strerror(errno));
        }
        at += wrote;
        n -= (size_t)wrote;
    }
    return CW_OK;
}

/* The folder part of a path, with its slash; "." when it has none. */
static void folder_of(const char *path, char *out, size_t out_bytes) {
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 0 : (int)(slash + 1 - path);
    snprintf(out, out_bytes, "%.*s", n > 0 ? n : 1, n > 0 ? path : ".");
}

cw_status cw_dir_sync(const char *path) {
    int fd = cw_file_fault_due() ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return cw_fail(CW_EIO, "cannot open folder %s: %s", path, strerror(errno));
    /* Some file systems cannot sync a folder and say EINVAL; there is nothing more to do there. */
    bool bad = fsync(fd) != 0 && errno != EINVAL;
    int error = errno;
    close(fd);
    return bad ? cw_fail(CW_EIO, "cannot sync folder %s: %s", path, strerror(error)) : CW_OK;
}

cw_status cw_file_writer_commit(cw_file_writer *writer) {
    char folder[PATH_MAX];
    folder_of(writer->path, folder, sizeof folder);
    cw_status status = CW_OK;
    if (cw_file_fault_due() || fsync(writer->fd) != 0) {
        status = cw_fail(CW_EIO, "cannot sync %s: %s", writer->path, strerror(errno));
    }
    if (close(writer->fd) != 0 && status == CW_OK) {
        status = cw_fail(CW_EIO, "cannot write %s: %s", writer->path, strerror(errno));
    }
    if (status == CW_OK && (cw_file_fault_due() || rename(writer->temporary, writer->path) != 0)) {
        status = cw_fail(CW_EIO, "cannot rename to %s: %s", writer->path, strerror(errno));
    }
    if (status != CW_OK) {
        unlink(writer->temporary);
    } else {
        status = cw_dir_sync(folder);
    }
    cw_free(writer);
    return status;
}

void cw_file_writer_abort(cw_file_writer *writer) {
    if (writer == NULL) return;
    close(writer->fd);
    unlink(writer->temporary);
    cw_free(writer);
}

cw_status cw_file_write_atomic(const char *path, const void *bytes, size_t n) {
    cw_file_writer *writer;
    CW_TRY(cw_file_writer_open(&writer, path));
    cw_status status = cw_file_writer_append(writer, bytes, n);
    if (status != CW_OK) {
        cw_file_writer_abort(writer);
        return status;
    }
    return cw_file_writer_commit(writer);
}

cw_status cw_dir_make(const char *path) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return cw_fail(CW_EINVAL, "not a usable folder name: '%.80s'", path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return cw_fail(CW_EIO, "cannot make folder %s: %s", part, strerror(errno));
        }
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return cw_fail(CW_EIO, "%s is not a folder", path);
    }
    return CW_OK;
}

bool cw_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

cw_status cw_path_join(char *out, size_t out_bytes, const char *folder, const char *name) {
    int n = snprintf(out, out_bytes, "%s/%s", folder, name);
    if ((size_t)n >= out_bytes) {
        return cw_fail(CW_EINVAL, "the path %.80s/%s is too long", folder, name);
    }
    return CW_OK;
}

cw_status cw_dir_lock(const char *folder, int *out_fd) {
    char path[PATH_MAX];
    CW_TRY(cw_path_join(path, sizeof path, folder, ".lock"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0) return cw_fail(CW_EIO, "cannot write %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return cw_fail(CW_EBUSY, "another process is using the run folder %s", folder);
    }
    *out_fd = fd;
    return CW_OK;
}

void cw_dir_unlock(int fd) {
    if (fd >= 0) close(fd);
}
