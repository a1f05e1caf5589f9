#include "base/memory.h"

#include "base/error.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Every block starts with its size, one alignment unit before the bytes handed out. */
typedef struct block_head {
    void *start; /* what calloc returned */
    size_t bytes;
} block_head;

static atomic_uint_fast64_t n_allocs, live_blocks, live_bytes, peak_bytes, fail_countdown;

size_t cw_size_mul(size_t a, size_t b) {
    size_t out;
    return __builtin_mul_overflow(a, b, &out) ? SIZE_MAX : out;
}

size_t cw_size_add(size_t a, size_t b) {
    size_t out;
    return __builtin_add_overflow(a, b, &out) ? SIZE_MAX : out;
}

static bool must_fail(void) {
    uint_fast64_t left = atomic_load(&fail_countdown);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) return left == 1;
    }
    return false;
}

/* The whole large pages of a block, if it has several, become such where Linux has some: loops over
 * megabytes wait for the addresses of small ones as long as for memory. */
static void ask_for_large_pages(void *start, size_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)start + bytes) / page * page;
    if (bytes >= 2 * page && end > first) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)start;
    (void)bytes;
#endif
}

cw_status cw_alloc(void *out, size_t count, size_t size, const char *what) {
    size_t bytes = cw_size_mul(count, size);
    size_t total = cw_size_add(bytes, 2 * CW_ALIGN);
    /* calloc, not aligned_alloc: the kernel's fresh pages are already zero, so a replay of
     * gigabytes costs memory only as frames arrive. */
    void *start = total == SIZE_MAX || must_fail() ? NULL : calloc(1, total);
    if (start == NULL) {
        return cw_fail(CW_ENOMEM, "out of memory: %s needs %zu bytes", what, bytes);
    }
    ask_for_large_pages(start, total);
    uintptr_t at = ((uintptr_t)start + sizeof(block_head) + CW_ALIGN - 1) / CW_ALIGN * CW_ALIGN;
    block_head *head = (block_head *)(at - sizeof(block_head));
    head->start = start;
    head->bytes = bytes;
    atomic_fetch_add(&n_allocs, 1);
    atomic_fetch_add(&live_blocks, 1);
    uint_fast64_t live = atomic_fetch_add(&live_bytes, bytes) + bytes;
    uint_fast64_t peak = atomic_load(&peak_bytes);
    while (live > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, live)) {
    }
    *(void **)out = (void *)at;
    return CW_OK;
}

void cw_free(void *block) {
    if (block == NULL) return;
    block_head *head = (block_head *)((uintptr_t)block - sizeof(block_head));
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, head->bytes);
    free(head->start);
}

cw_status cw_strdup(char **out, const char *text) {
    size_t n = strlen(text) + 1;
    CW_TRY(cw_alloc(out, n, 1, "a copy of a text"));
    memcpy(*out, text, n);
    return CW_OK;
}

void cw_memory_stats_get(cw_memory_stats *out) {
    out->n_allocs = atomic_load(&n_allocs);
    out->live_blocks = atomic_load(&live_blocks);
    out->live_bytes = atomic_load(&live_bytes);
    out->peak_bytes = atomic_load(&peak_bytes);
}

void cw_memory_fail_after(uint64_t n) {
    atomic_store(&fail_countdown, n);
}

void *cw_arena_take(cw_arena *arena, size_t count, size_t size) {
    size_t bytes = cw_size_mul(count, size);
    size_t rounded = cw_size_mul(cw_size_add(bytes, CW_ALIGN - 1) / CW_ALIGN, CW_ALIGN);
    size_t begin = arena->used;
    arena->used = cw_size_add(begin, bytes == SIZE_MAX ? SIZE_MAX : rounded);
    if (arena->base == NULL || arena->used > arena->size) return NULL;
    return arena->base + begin;
}
