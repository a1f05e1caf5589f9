/* Runs a fuzz target without libFuzzer: every file of a corpus, then inputs made from them by a
 * fixed sequence of random changes. Slower at finding new places, but any compiler builds it.
 *
 * usage: NAME_fuzz [-runs=N] FOLDER|FILE ... */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 4096
#define MAX_BYTES 8192

typedef struct input {
    uint8_t *bytes;
    size_t n;
} input;

static input corpus[MAX_FILES];
static int n_corpus;

static void add_file(const char *path) {
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL && n_corpus < MAX_FILES);
    input *in = &corpus[n_corpus++];
    in->bytes = malloc(MAX_BYTES);
    REQUIRE(in->bytes != NULL);
    in->n = fread(in->bytes, 1, MAX_BYTES, file);
    REQUIRE(in->n < MAX_BYTES);
    fclose(file);
}

/* In the order of the names: the same corpus gives the same inputs. */
static void add_folder(const char *path) {
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0) {
        add_file(path);
        return;
    }
    for (int i = 0; i < n; i++) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') add_file(file);
        free(names[i]);
    }
    free(names);
}

static uint64_t state = 1;

/* SplitMix64. */
static uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n) {
    return (size_t)(next() % n);
}

/* Puts `count` bytes at `at`, moving what follows. */
static size_t insert(uint8_t *bytes, size_t n, size_t at, const uint8_t *from, size_t count) {
    if (count > MAX_BYTES - n) count = MAX_BYTES - n;
    memmove(bytes + at + count, bytes + at, n - at);
    memmove(bytes + at, from, count);
    return n + count;
}

static size_t change(uint8_t *bytes, size_t n) {
    static const uint8_t special[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\n', ',', '-', '9', '{', '['};
    size_t at = n > 0 ? below(n) : 0;
    switch (below(n > 0 ? 7 : 1)) {
    case 0: {
        uint8_t one = (uint8_t)next();
        return insert(bytes, n, at, &one, 1);
    }
    case 1:
        bytes[at] ^= (uint8_t)(1 << below(8));
        return n;
    case 2:
        bytes[at] = special[below(sizeof special)];
        return n;
    case 3: { /* remove a part */
        size_t count = 1 + below(n - at < 16 ? n - at : 16);
        memmove(bytes + at, bytes + at + count, n - at - count);
        return n - count;
    }
    case 4: { /* a part of another input */
        const input *other = &corpus[below((size_t)n_corpus)];
        if (other->n == 0) return n;
        size_t from = below(other->n), count = 1 + below(other->n - from);
        return insert(bytes, n, at, other->bytes + from, count < 64 ? count : 64);
    }
    case 5: { /* a small step of a number */
        bytes[at] = (uint8_t)(bytes[at] + (next() % 2 ? 1 : -1));
        return n;
    }
    default:
        return at; /* cut off */
    }
}

int main(int argc, char **argv) {
    long runs = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = strtol(argv[i] + 6, NULL, 10);
        } else {
            add_folder(argv[i]);
        }
    }
    REQUIRE(n_corpus > 0);
    for (int i = 0; i < n_corpus; i++) LLVMFuzzerTestOneInput(corpus[i].bytes, corpus[i].n);
    static uint8_t bytes[MAX_BYTES];
    for (long i = 0; i < runs; i++) {
        const input *from = &corpus[below((size_t)n_corpus)];
        size_t n = from->n;
        memcpy(bytes, from->bytes, n);
        for (size_t k = 1 + below(4); k > 0; k--) n = change(bytes, n);
        /* A block of its own: a sanitizer sees a read past its end. */
        uint8_t *exact = malloc(n > 0 ? n : 1);
        REQUIRE(exact != NULL);
        memcpy(exact, bytes, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    printf("%d files and %ld inputs made from them\n", n_corpus, runs);
    for (int i = 0; i < n_corpus; i++) free(corpus[i].bytes);
    return 0;
}
