/* Reads numpy archives whose members are stored uncompressed, for tests. */
#ifndef CW_TESTS_ENV_NPZ_H
#define CW_TESTS_ENV_NPZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct npz {
    unsigned char *bytes; /* the whole file */
    size_t n_bytes;
} npz;

/* One array of an archive; data points into it, without alignment. */
typedef struct npz_array {
    char type[8]; /* "<f8", "|u1", "<i8" */
    size_t n;     /* elements */
    size_t rows;  /* first dimension, 1 for a scalar */
    const unsigned char *data;
} npz_array;

bool npz_open(npz *out, const char *path);
void npz_close(npz *archive);

/* Fails the running test when the array is not there. */
npz_array npz_get(const npz *archive, const char *name);

/* A "<f8" array as a new block that the caller frees with free(); *n its elements. */
double *npz_doubles(const npz *archive, const char *name, size_t *n);

int64_t npz_integer(const npz *archive, const char *name, size_t index);

#endif
