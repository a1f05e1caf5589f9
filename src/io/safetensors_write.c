#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/safetensors.h"
#include "io/safetensors_format.h"

#include <jansson.h>
#include <string.h>

typedef struct item {
    const char *name; /* the caller's */
    cw_tensor tensor;
    uint64_t begin, end; /* bytes from the start of the data */
} item;

/* Puts value, which it takes over, under a key that must be new and valid UTF-8. */
static cw_status put(json_t *object, const char *what, const char *key, json_t *value) {
    if (value == NULL) return cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    cw_status status = CW_OK;
    if (json_object_get(object, key) != NULL) {
        status = cw_fail(CW_EINVAL, "%s '%s' is given twice", what, cw_show(key).text);
    } else if (json_object_set_nocheck(object, key, value) != 0) {
        status = cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    }
    json_decref(value);
    return status;
}

/* json_string() says NULL both for bad UTF-8 and for want of memory; only the first is the
 * caller's fault. */
static cw_status check_text(const char *what, const char *text) {
    if (text == NULL) return cw_fail(CW_EINVAL, "%s must not be NULL", what);
    json_t *checked = json_string(text);
    json_t *unchecked = checked == NULL ? json_string_nocheck(text) : NULL;
    cw_status status = CW_OK;
    if (unchecked != NULL) {
        status = cw_fail(CW_EINVAL, "%s '%s' is not valid UTF-8", what, cw_show(text).text);
    } else if (checked == NULL) {
        status = cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    }
    json_decref(checked);
    json_decref(unchecked);
    return status;
}

static cw_status put_metadata(json_t *header, const cw_safetensors_meta *meta, int n_meta) {
    if (n_meta == 0) return CW_OK;
    json_t *metadata = json_object();
    CW_TRY(put(header, "the key", CW_SAFETENSORS_METADATA, metadata)); /* header keeps it alive */
    for (int i = 0; i < n_meta; i++) {
        CW_TRY(check_text("a metadata key", meta[i].key));
        CW_TRY(check_text("a metadata value", meta[i].value));
        CW_TRY(put(metadata, "the metadata key", meta[i].key, json_string_nocheck(meta[i].value)));
    }
    return CW_OK;
}

static cw_status put_item(json_t *header, const item *it) {
    json_t *object = json_object();
    CW_TRY(put(header, "the tensor", it->name, object));
    CW_TRY(
        put(object, "the key", "dtype", json_string(cw_safetensors_dtype_name(it->tensor.dtype))));
    json_t *shape = json_array(), *offsets = json_array();
    cw_status status = put(object, "the key", "shape", shape);
    if (status != CW_OK) {
        json_decref(offsets);
        return status;
    }
    CW_TRY(put(object, "the key", "data_offsets", offsets));
    bool full = true;
    for (int i = 0; i < it->tensor.ndim; i++) {
        full &= json_array_append_new(shape, json_integer(it->tensor.shape[i])) == 0;
    }
    full &= json_array_append_new(offsets, json_integer((json_int_t)it->begin)) == 0;
    full &= json_array_append_new(offsets, json_integer((json_int_t)it->end)) == 0;
    return full ? CW_OK : cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
}

static cw_status check_entry(const cw_safetensors_entry *entry, uint64_t *bytes) {
    const cw_tensor *tensor = &entry->tensor;
    CW_TRY(check_text("a tensor's name", entry->name));
    cw_shown name = cw_show(entry->name);
    if (strcmp(entry->name, CW_SAFETENSORS_METADATA) == 0) {
        return cw_fail(CW_EINVAL, "a tensor cannot have the name " CW_SAFETENSORS_METADATA);
    }
    if ((unsigned)tensor->dtype >= CW_DTYPE_COUNT) {
        return cw_fail(CW_EINVAL, "tensor '%s': %d is not a dtype", name.text, (int)tensor->dtype);
    }
    if (tensor->ndim < 0 || tensor->ndim > CW_MAX_DIMS) {
        return cw_fail(CW_EINVAL, "tensor '%s': %d dimensions; 0 to %d are allowed", name.text,
                       tensor->ndim, CW_MAX_DIMS);
    }
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->shape[i] < 0) {
            return cw_fail(CW_EINVAL, "tensor '%s': shape[%d] is %lld; it must be 0 or more",
                           name.text, i, (long long)tensor->shape[i]);
        }
    }
    if (!cw_safetensors_bytes(tensor, bytes)) {
        return cw_fail(CW_EINVAL, "tensor '%s': the product of its shape is too large", name.text);
    }
    if (*bytes > 0 && tensor->data == NULL) {
        return cw_fail(CW_EINVAL, "tensor '%s': data is NULL", name.text);
    }
    return CW_OK;
}

/* Fills items (n) in the order of the file: falling element size keeps every tensor aligned. */
static cw_status lay_out(item *items, const cw_safetensors_entry *entries, int n) {
    static const size_t element_sizes[] = {8, 4, 2, 1};
    uint64_t bytes;
    for (int i = 0; i < n; i++) CW_TRY(check_entry(&entries[i], &bytes));
    uint64_t at = 0;
    int n_items = 0;
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < n; i++) {
            if (cw_dtype_bytes(entries[i].tensor.dtype) != element_sizes[k]) continue;
            item *it = &items[n_items++];
            it->name = entries[i].name;
            it->tensor = entries[i].tensor;
            it->begin = at;
            CW_TRY(check_entry(&entries[i], &bytes));
            if (bytes > (uint64_t)INT64_MAX - at) {
                return cw_fail(CW_EINVAL, "the tensors are larger than a file can be");
            }
            it->end = at += bytes;
        }
    }
    return CW_OK;
}

/* The header length and the header, padded with spaces to a multiple of 8 bytes, in a cw_alloc
 * block. */
static cw_status write_header(json_t *header, unsigned char **out, size_t *n_bytes) {
    size_t bytes = json_dumpb(header, NULL, 0, JSON_COMPACT);
    if (bytes == 0) return cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    uint64_t padded = (bytes + 7) / 8 * 8;
    if (padded > CW_SAFETENSORS_HEADER_MAX) {
        return cw_fail(CW_EINVAL, "names and metadata need a header of %llu bytes; at most %llu",
                       (unsigned long long)padded, CW_SAFETENSORS_HEADER_MAX);
    }
    unsigned char *block;
    CW_TRY(cw_alloc(&block, (size_t)padded + 8, 1, "the header of a safetensors file"));
    memcpy(block, &padded, 8);
    memset(block + 8, ' ', (size_t)padded);
    if (json_dumpb(header, (char *)block + 8, bytes, JSON_COMPACT) != bytes) {
        cw_free(block);
        return cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    }
    *out = block;
    *n_bytes = (size_t)padded + 8;
    return CW_OK;
}

static cw_status build_header(const item *items, int n, const cw_safetensors_meta *meta, int n_meta,
                              unsigned char **out, size_t *n_bytes) {
    json_t *header = json_object();
    if (header == NULL) {
        return cw_fail(CW_ENOMEM, "out of memory: the header of a safetensors file");
    }
    cw_status status = put_metadata(header, meta, n_meta);
    for (int i = 0; i < n && status == CW_OK; i++) status = put_item(header, &items[i]);
    if (status == CW_OK) status = write_header(header, out, n_bytes);
    json_decref(header);
    return status;
}

static cw_status write_file(const char *path, const unsigned char *header, size_t header_bytes,
                            const item *items, int n) {
    cw_file_writer *writer;
    CW_TRY(cw_file_writer_open(&writer, path));
    cw_status status = cw_file_writer_append(writer, header, header_bytes);
    for (int i = 0; i < n && status == CW_OK; i++) {
        status = cw_file_writer_append(writer, items[i].tensor.data,
                                       (size_t)(items[i].end - items[i].begin));
    }
    if (status != CW_OK) {
        cw_file_writer_abort(writer);
        return status;
    }
    return cw_file_writer_commit(writer);
}

cw_status cw_safetensors_write(const char *path, const cw_safetensors_entry *entries, int n_entries,
                               const cw_safetensors_meta *meta, int n_meta) {
    if (n_entries < 0 || n_meta < 0 || n_entries >= CW_SAFETENSORS_TENSORS_MAX ||
        n_meta >= CW_SAFETENSORS_TENSORS_MAX) {
        return cw_fail(CW_EINVAL,
                       "%s: %d tensors and %d metadata; each must be 0 or more and below %d", path,
                       n_entries, n_meta, CW_SAFETENSORS_TENSORS_MAX);
    }
    item *items;
    CW_TRY(cw_alloc(&items, (size_t)n_entries, sizeof *items, "a table of tensors"));
    unsigned char *header = NULL;
    size_t header_bytes = 0;
    cw_status status = lay_out(items, entries, n_entries);
    if (status == CW_OK) {
        status = build_header(items, n_entries, meta, n_meta, &header, &header_bytes);
    }
    if (status != CW_OK) {
        cw_fail_in(status, "%s", path);
    } else {
        status = write_file(path, header, header_bytes, items, n_entries);
    }
    cw_free(header);
    cw_free(items);
    return status;
}
