/* Stands in for the file of the same name: the tile registers are memory, and what the instructions
 * do is written out, for processors that have AVX-512 and no matrix units. Rounds as they do
 * (Intel's manual, TDPBF16PS): first and second terms of the pairs are summed apart, with fused
 * multiplications, and then added; but does not flush denormal numbers.
 *
 * A processor refuses tile instructions between release and configure; here they abort. */
#ifndef CW_TESTS_SIMULATED_AMX_TILES_H
#define CW_TESTS_SIMULATED_AMX_TILES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef union simulated_tile {
    uint8_t bytes[16][64];
    uint32_t pairs[16][16];
    float sums[16][16];
} simulated_tile;

static _Thread_local struct {
    bool configured;
    _Alignas(64) simulated_tile tile[8];
} simulated;

static inline simulated_tile *simulated_register(int r) {
    if (!simulated.configured) abort();
    return &simulated.tile[r];
}

static inline void tile_configure(const void *config) {
    (void)config; /* amx.h has one */
    memset(simulated.tile, 0, sizeof simulated.tile);
    simulated.configured = true;
}

static inline void tile_release(void) {
    simulated.configured = false;
}

static inline void tile_zero(int r) {
    memset(simulated_register(r), 0, sizeof(simulated_tile));
}

static inline void tile_load(int r, const void *from, size_t step) {
    simulated_tile *tile = simulated_register(r);
    for (size_t i = 0; i < 16; i++) memcpy(tile->bytes[i], (const char *)from + i * step, 64);
}

static inline void tile_store(int r, void *to, size_t step) {
    const simulated_tile *tile = simulated_register(r);
    for (size_t i = 0; i < 16; i++) memcpy((char *)to + i * step, tile->bytes[i], 64);
}

/* The first or second terms of 16 pairs, as f32. */
static inline __m512 simulated_firsts(__m512i pairs) {
    return (__m512)_mm512_slli_epi32(pairs, 16);
}

static inline __m512 simulated_seconds(__m512i pairs) {
    return (__m512)_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000));
}

static inline void tile_dot_bf16(int c, int a, int b) {
    simulated_tile *sums = simulated_register(c);
    const simulated_tile *left = simulated_register(a);
    const simulated_tile *right = simulated_register(b);
    for (int row = 0; row < 16; row++) {
        __m512 first = _mm512_setzero_ps();
        __m512 second = _mm512_setzero_ps();
        for (int k = 0; k < 16; k++) {
            __m512i x = _mm512_set1_epi32((int)left->pairs[row][k]);
            __m512i y = _mm512_loadu_si512(right->pairs[k]);
            first = _mm512_fmadd_ps(simulated_firsts(x), simulated_firsts(y), first);
            second = _mm512_fmadd_ps(simulated_seconds(x), simulated_seconds(y), second);
        }
        __m512 sum = _mm512_add_ps(_mm512_loadu_ps(sums->sums[row]), _mm512_add_ps(first, second));
        _mm512_storeu_ps(sums->sums[row], sum);
    }
}

#endif
