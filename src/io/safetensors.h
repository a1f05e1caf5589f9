/* safetensors files: an 8-byte little-endian header length, a JSON header, then raw tensors.
 * Format: https://github.com/huggingface/safetensors ("Format"). The reader trusts nothing: the
 * header is capped, offsets must tile the data without holes or overlap, names are unique, and
 * dtype and shape products are checked without overflow before anything is allocated. */
#ifndef CW_IO_SAFETENSORS_H
#define CW_IO_SAFETENSORS_H

#include "tensor/tensor.h"

#include <curlew/status.h>

#include <stddef.h>
#include <stdint.h>

#define CW_SAFETENSORS_HEADER_MAX 100000000ull /* bytes, as in the reference implementation */

/* ---- reading: the whole file is one block; tensors are views into it ---- */
typedef struct cw_safetensors cw_safetensors;

/* Opens a file of at most max_bytes. CW_ENOTFOUND, CW_EFORMAT (naming the place), CW_EIO,
 * CW_ENOMEM. */
cw_status cw_safetensors_open(cw_safetensors **out, const char *path, uint64_t max_bytes);
/* The same on bytes in memory, which are copied; for fuzzing and tests. */
cw_status cw_safetensors_parse(cw_safetensors **out, const void *bytes, size_t n);
void cw_safetensors_close(cw_safetensors *file); /* NULL allowed */

int cw_safetensors_count(const cw_safetensors *file);
/* Name and view of tensor i in the order of the data; views live until close. Unaligned data
 * are copied on open, so views are aligned to their element size. */
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

/* Writes atomically (temporary name, fsync, rename). Names must be unique; tensors may be NULL-free
 * in any order and are laid out by falling element size, then in the given order. */
cw_status cw_safetensors_write(const char *path, const cw_safetensors_entry *entries, int n_entries,
                               const cw_safetensors_meta *meta, int n_meta);

#endif
