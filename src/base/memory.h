/* Memory: checked sizes, zeroed aligned blocks, and arenas that carve one block.
 *
 * Everything is allocated when an object is created; a training step allocates
 * nothing. Tests count allocations and make the N-th one fail. */
#ifndef CW_BASE_MEMORY_H
#define CW_BASE_MEMORY_H

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CW_ALIGN 64 /* bytes; one cache line, one 512-bit vector */

/* a * b and a + b; SIZE_MAX when the true result does not fit (an allocation of
 * SIZE_MAX bytes always fails, so a chain of these needs one check at its end). */
size_t cw_size_mul(size_t a, size_t b);
size_t cw_size_add(size_t a, size_t b);

/* A zeroed block of count * size bytes, aligned to CW_ALIGN, in *out.
 * `what` names it in the error message. CW_ENOMEM on failure. Any thread. */
cw_status cw_alloc(void *out, size_t count, size_t size, const char *what);

/* Frees a block of cw_alloc; NULL is allowed. */
void cw_free(void *block);

/* A copy of a string, freed with cw_free. */
cw_status cw_strdup(char **out, const char *text);

/* Counters over the whole process since its start, for tests and reports. */
typedef struct cw_memory_stats {
    uint64_t n_allocs;    /* successful calls of cw_alloc */
    uint64_t live_blocks; /* blocks not yet freed */
    uint64_t live_bytes;  /* bytes of those */
    uint64_t peak_bytes;  /* largest live_bytes so far */
} cw_memory_stats;
void cw_memory_stats_get(cw_memory_stats *out);

/* Test hook: the n-th allocation from now fails (n = 1: the next one); 0 = never. */
void cw_memory_fail_after(uint64_t n);

/* An arena hands out parts of one block. With base == NULL it only measures:
 * run the same carving code twice, first to learn `used`, then on real memory. */
typedef struct cw_arena {
    unsigned char *base; /* NULL while measuring */
    size_t size;         /* bytes at base */
    size_t used;         /* bytes handed out so far, SIZE_MAX once overflowed */
} cw_arena;

/* The next count * size bytes aligned to CW_ALIGN; NULL while measuring or when
 * the arena is full (which a correctly measured arena never is). */
void *cw_arena_take(cw_arena *arena, size_t count, size_t size);

#endif
