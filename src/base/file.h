/* Files: read whole with a cap, write atomically, folders and locks. */
#ifndef CW_BASE_FILE_H
#define CW_BASE_FILE_H

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Opens a regular file for reading; *bytes is its size. Never waits for another process: a folder,
 * a pipe or a device is CW_EIO, missing is CW_ENOTFOUND. The caller closes *fd. */
cw_status cw_file_open(const char *path, int *fd, uint64_t *bytes);

/* Reads n bytes from byte `at` on. CW_EIO names `path`, also when the file ends before. */
cw_status cw_file_read_at(int fd, const char *path, void *out, size_t n, uint64_t at);

/* Reads a whole file into a cw_alloc block (freed with cw_free). A file of more than
 * max_bytes is CW_EFORMAT before anything is allocated; else as cw_file_open. A zero byte follows
 * the contents (not counted); what is appended meanwhile is left out. */
cw_status cw_file_read(const char *path, uint64_t max_bytes, unsigned char **out, size_t *n_bytes);

/* An atomic write: open a temporary neighbour of `path`, append, then commit (flush, fsync,
 * rename over `path`, fsync of the folder) or abort (remove the temporary). Until commit
 * has returned CW_OK the old file is what a reader sees. */
typedef struct cw_file_writer cw_file_writer;
cw_status cw_file_writer_open(cw_file_writer **out, const char *path);
cw_status cw_file_writer_append(cw_file_writer *writer, const void *bytes, size_t n);
cw_status cw_file_writer_commit(cw_file_writer *writer); /* frees the writer, also on failure */
void cw_file_writer_abort(cw_file_writer *writer);       /* frees the writer; NULL allowed */

/* The whole of a small file in one atomic write. */
cw_status cw_file_write_atomic(const char *path, const void *bytes, size_t n);

/* Makes `path` and its missing parents. CW_EIO names the folder that failed. */
cw_status cw_dir_make(const char *path);

bool cw_file_exists(const char *path);

/* "a/b" from its parts into a caller's buffer; CW_EINVAL when it does not fit. */
cw_status cw_path_join(char *out, size_t out_bytes, const char *folder, const char *name);

/* Test hook: the n-th file operation from now (an open, write, sync, rename or removal made by this
 * file) fails with an I/O error; 0 = never. Rooms that write by themselves call
 * cw_file_fault_due() before each operation. */
void cw_file_fault_after(uint64_t n);
bool cw_file_fault_due(void);

/* fsync of a folder, so that names made or renamed in it survive a power cut. */
cw_status cw_dir_sync(const char *path);

/* Takes an exclusive lock on folder/.lock for this process; CW_EBUSY when another has it.
 * The lock goes with the process, however it ends. */
cw_status cw_dir_lock(const char *folder, int *out_fd);
void cw_dir_unlock(int fd);

#endif
