/* safetensors files: an 8-byte little-endian header length, a JSON header, then raw tensors.
 * Format: https://github.com/huggingface/safetensors ("Format"). The reader trusts nothing: the
 * header is capped, offsets must tile the data without holes or overlap, names are unique, and
 * dtype and shape products are checked without overflow, all of it before memory for the data is
 * asked for. */
#ifndef CW_IO_SAFETENSORS_H
#define CW_IO_SAFETENSORS_H

#include "tensor/tensor.h"

#include <curlew/status.h>

#include <stddef.h>
#include <stdint.h>

#define CW_SAFETENSORS_HEADER_MAX  100000000ull /* bytes, as in the reference implementation */
#define CW_SAFETENSORS_TENSORS_MAX 65536 /* bounds the memory that a hostile header can claim */

/* ---- reading: the data are one block; tensors are views into it ---- */
typedef struct cw_safetensors cw_safetensors;

/* Opens a file of at most max_bytes. CW_ENOTFOUND, CW_EFORMAT (naming the place), CW_EUNSUPPORTED
 * (a sound file with a dtype or a number of dimensions that cw_tensor lacks), CW_EIO, CW_ENOMEM.
 * An open file is only read: any number of threads may use it. */
cw_status cw_safetensors_open(cw_safetensors **out, const char *path, uint64_t max_bytes);
/* The same on n bytes in memory, which are copied; for fuzzing and tests. */
cw_status cw_safetensors_parse(cw_safetensors **out, const void *bytes, size_t n);
void cw_safetensors_close(cw_safetensors *file); /* NULL allowed */

int cw_safetensors_count(const cw_safetensors *file);
/* Name and view of tensor i in the order of the data; names and views live until close. Unaligned
 * data are copied on open, so views are aligned to their element size. */
const char *cw_safetensors_name(const cw_safetensors *file, int i);
const cw_tensor *cw_safetensors_tensor(const cw_safetensors *file, int i);
/* NULL when there is none of that name. */
const cw_tensor *cw_safetensors_find(const cw_safetensors *file, const char *name);
/* Value of a key of "__metadata__", NULL when absent. */
const char *cw_safetensors_metadata(const cw_safetensors *file, const char *key);

/* ---- writing: names first, then one atomic write ---- */
typedef struct cw_safetensors_entry {
    const char *name;
    cw_tensor tensor; /* data must stay valid until the write has returned */
} cw_safetensors_entry;

typedef struct cw_safetensors_meta {
    const char *key;
    const char *value;
} cw_safetensors_meta;

/* Writes atomically (temporary name, fsync, rename). Names and keys must be unique and valid UTF-8;
 * the tensors are laid out by falling element size, then in the given order, so all are aligned.
 * The same arguments make the same bytes. CW_EINVAL (naming the tensor), CW_EIO, CW_ENOMEM; on
 * failure a file of before is untouched. */
cw_status cw_safetensors_write(const char *path, const cw_safetensors_entry *entries, int n_entries,
                               const cw_safetensors_meta *meta, int n_meta);

#endif
