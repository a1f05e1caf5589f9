#include "env/npz.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool npz_open(npz *out, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    out->n_bytes = (size_t)size;
    out->bytes = malloc(out->n_bytes);
    bool ok = out->bytes && fread(out->bytes, 1, out->n_bytes, file) == out->n_bytes;
    fclose(file);
    if (!ok) npz_close(out);
    return ok;
}

void npz_close(npz *archive) {
    free(archive->bytes);
    archive->bytes = NULL;
}

static size_t u16(const unsigned char *p) {
    return (size_t)p[0] | (size_t)p[1] << 8;
}

static size_t u32(const unsigned char *p) {
    return u16(p) | u16(p + 2) << 16;
}

/* The stored bytes of member `name`, found through the zip's central directory. */
static const unsigned char *find_member(const npz *archive, const char *name) {
    const unsigned char *b = archive->bytes;
    size_t end = archive->n_bytes - 22;
    while (end > 0 && memcmp(b + end, "PK\5\6", 4) != 0) end--;
    const unsigned char *entry = b + u32(b + end + 16);
    for (size_t i = 0; i < u16(b + end + 10); i++) {
        size_t name_size = u16(entry + 28);
        if (name_size == strlen(name) && memcmp(entry + 46, name, name_size) == 0) {
            if (u16(entry + 10) != 0) fail_msg("%s is compressed", name);
            const unsigned char *local = b + u32(entry + 42);
            return local + 30 + u16(local + 26) + u16(local + 28);
        }
        entry += 46 + name_size + u16(entry + 30) + u16(entry + 32);
    }
    fail_msg("the archive has no %s", name);
    return NULL;
}

npz_array npz_get(const npz *archive, const char *name) {
    char member[64], header[400];
    snprintf(member, sizeof member, "%s.npy", name);
    const unsigned char *p = find_member(archive, member);
    size_t size = u16(p + 8);
    snprintf(header, sizeof header, "%.*s", (int)size, (const char *)p + 10);
    npz_array a = {.n = 1, .rows = 1, .data = p + 10 + size};
    const char *type = strstr(header, "'descr': '"), *shape = strstr(header, "'shape': (");
    if (!type || !shape) fail_msg("%s has an unreadable header", name);
    sscanf(type + 10, "%7[^']", a.type);
    const char *at = shape + 10;
    for (int i = 0; *at != ')'; i++) {
        size_t dim = strtoul(at, (char **)&at, 10);
        a.n *= dim;
        if (i == 0) a.rows = dim;
        while (*at == ',' || *at == ' ') at++;
    }
    return a;
}

double *npz_doubles(const npz *archive, const char *name, size_t *n) {
    npz_array a = npz_get(archive, name);
    if (strcmp(a.type, "<f8") != 0) fail_msg("%s is of type %s", name, a.type);
    double *out = malloc(a.n * sizeof *out + 1);
    memcpy(out, a.data, a.n * sizeof *out);
    *n = a.n;
    return out;
}

int64_t npz_integer(const npz *archive, const char *name, size_t index) {
    npz_array a = npz_get(archive, name);
    int64_t value;
    if (strcmp(a.type, "<i8") != 0 || index >= a.n) fail_msg("%s[%zu] is no integer", name, index);
    memcpy(&value, a.data + 8 * index, 8);
    return value;
}
