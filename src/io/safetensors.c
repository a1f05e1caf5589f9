#include "io/safetensors.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/safetensors_format.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "safetensors data are little-endian and are used in place");

#define DTYPES_READ "F32, F64, BF16, U8, I32 and I64"

typedef struct item {
    const char *name; /* a key of header */
    cw_tensor tensor;
    uint64_t begin, end; /* bytes from the start of the data */
    int order;           /* place in the header: a fixed order for zero-size tensors */
} item;

struct cw_safetensors {
    unsigned char *data; /* the file behind its header */
    unsigned char
        *realigned;       /* copies of the tensors whose place in data is not aligned, or NULL */
    json_t *header;       /* owns the names and the metadata */
    item *items;          /* (n_items), in the order of the data */
    const item **by_name; /* (n_items), in the order of the names */
    int n_items;
};

/* Counts what the JSON parser will have to allocate for, before it does: brackets and commas
 * outside of strings. A header of legal size but of nothing but "[]," would otherwise take some
 * gigabytes as a tree. */
static cw_status check_size_of_tree(const char *text, size_t n) {
    /* A tensor is one object and two arrays and has at most 3 + CW_MAX_DIMS + 1 commas; as many
     * again are left for the metadata and for tensors of too many dimensions, which are reported
     * by name. */
    const uint64_t most_containers = 3ull * CW_SAFETENSORS_TENSORS_MAX + 2;
    const uint64_t most_commas = 20ull * CW_SAFETENSORS_TENSORS_MAX;
    uint64_t containers = 0, commas = 0;
    bool in_string = false;
    if (n <= most_containers) return CW_OK; /* as nearly every header is */
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            containers++;
        } else if (c == ',') {
            commas++;
        }
    }
    if (containers > most_containers || commas > most_commas) {
        return cw_fail(CW_EFORMAT, "the header has more values than %d tensors need",
                       CW_SAFETENSORS_TENSORS_MAX);
    }
    return CW_OK;
}

static cw_status load_header(const char *text, size_t n, json_t **out) {
    if (n == 0 || text[0] != '{') {
        return cw_fail(CW_EFORMAT, "the header of %zu bytes does not begin with '{'", n);
    }
    CW_TRY(check_size_of_tree(text, n));
    json_error_t error;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (*out == NULL) {
        /* jansson has no text for what it lacks memory for. */
        if (error.text[0] == '\0') {
            return cw_fail(CW_ENOMEM, "out of memory: a header of %zu bytes", n);
        }
        return cw_fail(CW_EFORMAT, "header byte %d: %s", error.position, cw_show(error.text).text);
    }
    return CW_OK;
}

static cw_status check_metadata(json_t *metadata) {
    if (json_typeof(metadata) != JSON_OBJECT) {
        return cw_fail(CW_EFORMAT, CW_SAFETENSORS_METADATA " must be an object of strings");
    }
    for (void *at = json_object_iter(metadata); at != NULL;
         at = json_object_iter_next(metadata, at)) {
        json_t *value = json_object_iter_value(at);
        const char *key = json_object_iter_key(at);
        if (json_typeof(value) != JSON_STRING) {
            return cw_fail(CW_EFORMAT,
                           CW_SAFETENSORS_METADATA " key '%s' must have a string as value",
                           cw_show(key).text);
        }
    }
    return CW_OK;
}

static cw_status read_dtype(const char *name, json_t *value, cw_dtype *out) {
    if (json_typeof(value) != JSON_STRING) {
        return cw_fail(CW_EFORMAT, "tensor '%s': dtype must be a string", cw_show(name).text);
    }
    const char *text = json_string_value(value);
    for (int i = 0; i < CW_DTYPE_COUNT; i++) {
        if (strcmp(text, cw_safetensors_dtype_name((cw_dtype)i)) == 0) {
            *out = (cw_dtype)i;
            return CW_OK;
        }
    }
    return cw_fail(CW_EUNSUPPORTED, "tensor '%s': dtype '%s' is not one of " DTYPES_READ,
                   cw_show(name).text, cw_show(text).text);
}

static cw_status read_shape(const char *name, json_t *value, cw_tensor *out) {
    if (json_typeof(value) != JSON_ARRAY) {
        return cw_fail(CW_EFORMAT, "tensor '%s': shape must be an array", cw_show(name).text);
    }
    size_t ndim = json_array_size(value);
    if (ndim > CW_MAX_DIMS) {
        return cw_fail(CW_EUNSUPPORTED, "tensor '%s': %zu dimensions; at most %d can be read",
                       cw_show(name).text, ndim, CW_MAX_DIMS);
    }
    out->ndim = (int)ndim;
    for (size_t i = 0; i < ndim; i++) {
        json_t *size = json_array_get(value, i);
        if (json_typeof(size) != JSON_INTEGER || json_integer_value(size) < 0) {
            return cw_fail(CW_EFORMAT, "tensor '%s': shape[%zu] must be an integer of 0 or more",
                           cw_show(name).text, i);
        }
        out->shape[i] = json_integer_value(size);
    }
    return CW_OK;
}

static cw_status read_offsets(json_t *value, uint64_t data_bytes, item *it) {
    uint64_t offsets[2];
    if (json_typeof(value) != JSON_ARRAY || json_array_size(value) != 2) {
        return cw_fail(CW_EFORMAT, "tensor '%s': data_offsets must be an array of 2 integers",
                       cw_show(it->name).text);
    }
    for (size_t i = 0; i < 2; i++) {
        json_t *offset = json_array_get(value, i);
        if (json_typeof(offset) != JSON_INTEGER || json_integer_value(offset) < 0) {
            return cw_fail(CW_EFORMAT,
                           "tensor '%s': data_offsets[%zu] must be an integer of 0 or more",
                           cw_show(it->name).text, i);
        }
        offsets[i] = (uint64_t)json_integer_value(offset);
    }
    if (offsets[0] > offsets[1] || offsets[1] > data_bytes) {
        return cw_fail(CW_EFORMAT,
                       "tensor '%s': data_offsets [%llu, %llu] do not lie in the %llu bytes of "
                       "data",
                       cw_show(it->name).text, (unsigned long long)offsets[0],
                       (unsigned long long)offsets[1], (unsigned long long)data_bytes);
    }
    it->begin = offsets[0];
    it->end = offsets[1];
    return CW_OK;
}

static cw_status read_item(json_t *value, uint64_t data_bytes, item *it) {
    if (json_typeof(value) != JSON_OBJECT) {
        return cw_fail(CW_EFORMAT, "tensor '%s' must be an object", cw_show(it->name).text);
    }
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    json_t *members[3];
    for (int i = 0; i < 3; i++) {
        members[i] = json_object_get(value, keys[i]);
        if (members[i] == NULL) {
            return cw_fail(CW_EFORMAT, "tensor '%s' has no %s", cw_show(it->name).text, keys[i]);
        }
    }
    if (json_object_size(value) != 3) {
        return cw_fail(CW_EFORMAT, "tensor '%s' has keys other than dtype, shape and data_offsets",
                       cw_show(it->name).text);
    }
    CW_TRY(read_dtype(it->name, members[0], &it->tensor.dtype));
    CW_TRY(read_shape(it->name, members[1], &it->tensor));
    CW_TRY(read_offsets(members[2], data_bytes, it));
    uint64_t bytes;
    if (!cw_safetensors_bytes(&it->tensor, &bytes)) {
        return cw_fail(CW_EFORMAT, "tensor '%s': the product of its shape is too large",
                       cw_show(it->name).text);
    }
    if (bytes != it->end - it->begin) {
        return cw_fail(CW_EFORMAT,
                       "tensor '%s': data_offsets span %llu bytes, but its shape and dtype need "
                       "%llu",
                       cw_show(it->name).text, (unsigned long long)(it->end - it->begin),
                       (unsigned long long)bytes);
    }
    return CW_OK;
}

static int compare_place(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->order - y->order;
}

static int compare_name(const void *a, const void *b) {
    const item *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* The tensors, in the order of the data, must cover every byte of them once. */
static cw_status check_tiling(const cw_safetensors *file, uint64_t data_bytes) {
    uint64_t at = 0;
    for (int i = 0; i < file->n_items; i++) {
        const item *it = &file->items[i];
        if (it->begin < at) {
            return cw_fail(CW_EFORMAT, "tensor '%s' begins at byte %llu, inside of tensor '%s'",
                           cw_show(it->name).text, (unsigned long long)it->begin,
                           cw_show(file->items[i - 1].name).text);
        }
        if (it->begin > at) {
            return cw_fail(CW_EFORMAT, "bytes %llu to %llu before tensor '%s' belong to no tensor",
                           (unsigned long long)at, (unsigned long long)it->begin,
                           cw_show(it->name).text);
        }
        at = it->end;
    }
    if (at != data_bytes) {
        return cw_fail(CW_EFORMAT, "bytes %llu to %llu at the end belong to no tensor",
                       (unsigned long long)at, (unsigned long long)data_bytes);
    }
    return CW_OK;
}

/* Points the tensors into the data, or into one block of copies where they lie unaligned. */
static cw_status place_tensors(cw_safetensors *file) {
    for (int pass = 0; pass < 2; pass++) {
        size_t used = 0;
        for (int i = 0; i < file->n_items; i++) {
            item *it = &file->items[i];
            unsigned char *at = file->data + it->begin;
            size_t bytes = (size_t)(it->end - it->begin);
            if (bytes == 0) {
                at = file->data; /* aligned, and never read */
            } else if ((uintptr_t)at % cw_dtype_bytes(it->tensor.dtype) != 0) {
                if (pass == 1) {
                    memcpy(file->realigned + used, at, bytes);
                    at = file->realigned + used;
                }
                used = cw_size_add(used, cw_size_mul(cw_size_add(bytes, 7) / 8, 8));
            }
            it->tensor.data = at;
        }
        if (used == 0) return CW_OK;
        if (pass == 0) CW_TRY(cw_alloc(&file->realigned, used, 1, "unaligned tensors"));
    }
    return CW_OK;
}

/* The tensors that the header names, checked against a file of data_bytes bytes behind it. */
static cw_status read_items(cw_safetensors *file, uint64_t data_bytes) {
    size_t n_keys = json_object_size(file->header);
    if (n_keys > CW_SAFETENSORS_TENSORS_MAX) {
        return cw_fail(CW_EFORMAT, "the header names %zu tensors; at most %d can be read", n_keys,
                       CW_SAFETENSORS_TENSORS_MAX);
    }
    CW_TRY(cw_alloc(&file->items, n_keys, sizeof *file->items, "a table of tensors"));
    CW_TRY(cw_alloc(&file->by_name, n_keys, sizeof *file->by_name, "an index of tensors"));
    for (void *at = json_object_iter(file->header); at != NULL;
         at = json_object_iter_next(file->header, at)) {
        const char *key = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at);
        if (strcmp(key, CW_SAFETENSORS_METADATA) == 0) {
            CW_TRY(check_metadata(value));
            continue;
        }
        item *it = &file->items[file->n_items];
        it->name = key;
        it->order = file->n_items;
        CW_TRY(read_item(value, data_bytes, it));
        file->n_items++;
    }
    qsort(file->items, (size_t)file->n_items, sizeof *file->items, compare_place);
    CW_TRY(check_tiling(file, data_bytes));
    for (int i = 0; i < file->n_items; i++) file->by_name[i] = &file->items[i];
    qsort(file->by_name, (size_t)file->n_items, sizeof(const item *), compare_name);
    return CW_OK;
}

/* Where the bytes come from: an open file, or memory. */
typedef struct source {
    const char *path; /* NULL: memory */
    int fd;
    const unsigned char *memory;
    uint64_t bytes;
} source;

static cw_status source_read(const source *from, void *out, uint64_t n, uint64_t at) {
    if (from->path != NULL) return cw_file_read_at(from->fd, from->path, out, (size_t)n, at);
    if (n > 0) memcpy(out, from->memory + at, (size_t)n);
    return CW_OK;
}

static cw_status read_header(cw_safetensors *file, const source *from, uint64_t *header_bytes) {
    if (from->bytes < 8) {
        return cw_fail(CW_EFORMAT, "%llu bytes are too few: 8 bytes of header length come first",
                       (unsigned long long)from->bytes);
    }
    uint64_t n = 0;
    CW_TRY(source_read(from, &n, 8, 0));
    if (n > CW_SAFETENSORS_HEADER_MAX) {
        return cw_fail(CW_EFORMAT, "the header length is %llu; at most %llu bytes are allowed",
                       (unsigned long long)n, CW_SAFETENSORS_HEADER_MAX);
    }
    if (n > from->bytes - 8) {
        return cw_fail(CW_EFORMAT, "the header of %llu bytes goes beyond the end at byte %llu",
                       (unsigned long long)n, (unsigned long long)from->bytes);
    }
    char *text;
    CW_TRY(cw_alloc(&text, (size_t)n, 1, "the header of a safetensors file"));
    cw_status status = source_read(from, text, n, 8);
    if (status == CW_OK) status = load_header(text, (size_t)n, &file->header);
    cw_free(text);
    *header_bytes = n;
    return status;
}

/* The header is read and checked against the size of the file before memory for the data is
 * asked for. */
static cw_status read_parts(cw_safetensors *file, const source *from) {
    uint64_t header_bytes = 0;
    CW_TRY(read_header(file, from, &header_bytes));
    uint64_t data_bytes = from->bytes - 8 - header_bytes;
    CW_TRY(read_items(file, data_bytes));
    CW_TRY(cw_alloc(&file->data, (size_t)data_bytes, 1, "the tensors of a safetensors file"));
    CW_TRY(source_read(from, file->data, data_bytes, 8 + header_bytes));
    return place_tensors(file);
}

static cw_status open_source(cw_safetensors **out, const source *from) {
    cw_safetensors *file;
    CW_TRY(cw_alloc(&file, 1, sizeof *file, "a safetensors reader"));
    cw_status status = read_parts(file, from);
    if (status != CW_OK) {
        cw_safetensors_close(file);
        return status;
    }
    *out = file;
    return CW_OK;
}

cw_status cw_safetensors_open(cw_safetensors **out, const char *path, uint64_t max_bytes) {
    source from = {.path = path};
    CW_TRY(cw_file_open(path, &from.fd, &from.bytes));
    cw_status status;
    if (from.bytes > max_bytes) {
        status = cw_fail(CW_EFORMAT, "%s has %llu bytes; at most %llu are allowed here", path,
                         (unsigned long long)from.bytes, (unsigned long long)max_bytes);
    } else {
        status = open_source(out, &from);
        if (status != CW_OK && status != CW_EIO) cw_fail_in(status, "%s", path);
    }
    close(from.fd);
    return status;
}

cw_status cw_safetensors_parse(cw_safetensors **out, const void *bytes, size_t n) {
    const source from = {.memory = bytes, .bytes = n};
    return open_source(out, &from);
}

void cw_safetensors_close(cw_safetensors *file) {
    if (file == NULL) return;
    json_decref(file->header);
    cw_free(file->by_name);
    cw_free(file->items);
    cw_free(file->realigned);
    cw_free(file->data);
    cw_free(file);
}

int cw_safetensors_count(const cw_safetensors *file) {
    return file->n_items;
}

const char *cw_safetensors_name(const cw_safetensors *file, int i) {
    return file->items[i].name;
}

const cw_tensor *cw_safetensors_tensor(const cw_safetensors *file, int i) {
    return &file->items[i].tensor;
}

const cw_tensor *cw_safetensors_find(const cw_safetensors *file, const char *name) {
    const item wanted = {.name = name}, *key = &wanted;
    const item **found =
        bsearch(&key, file->by_name, (size_t)file->n_items, sizeof *file->by_name, compare_name);
    return found == NULL ? NULL : &(*found)->tensor;
}

const char *cw_safetensors_metadata(const cw_safetensors *file, const char *key) {
    return json_string_value(
        json_object_get(json_object_get(file->header, CW_SAFETENSORS_METADATA), key));
}
