/* What loops for Intel's matrix units (AMX) share. Included only by files compiled for them.
 *
 * A tile register holds 16 rows of 64 bytes. A product c += a b takes a of 16 rows by 32 terms in
 * bf16, b of 16 pairs of terms by 16 columns (the two terms of a pair side by side), and c of 16
 * rows by 16 columns in f32. The loops use the eight registers as 0..3: c of 32 rows by 32
 * columns, row by row; 4, 5: a; 6, 7: b. */
#ifndef CW_BACKEND_ONEDNN_AMX_H
#define CW_BACKEND_ONEDNN_AMX_H

#include "backend/onednn/amx_tiles.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

/* All eight registers with 16 rows of 64 bytes. Constant memory: compilers take the instruction to
 * read 8 bytes of it and may leave out what is stored elsewhere before it. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_config = {.palette = 1,
                .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* Before the calling thread's first product, and after its last. */
AMX_INLINE void amx_begin(void) {
    tile_configure(&amx_config);
}

AMX_INLINE void amx_end(void) {
    tile_release();
}

/* c += a b over 32 terms. a: two tiles of rows a_step bytes apart; b: two, of rows b_step apart. */
AMX_INLINE void amx_step(const void *a_low, const void *a_high, size_t a_step, const void *b_low,
                         const void *b_high, size_t b_step) {
    tile_load(4, a_low, a_step);
    tile_load(5, a_high, a_step);
    tile_load(6, b_low, b_step);
    tile_load(7, b_high, b_step);
    tile_dot_bf16(0, 4, 6);
    tile_dot_bf16(1, 4, 7);
    tile_dot_bf16(2, 5, 6);
    tile_dot_bf16(3, 5, 7);
}

AMX_INLINE void amx_zero(void) {
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
}

/* c from and to rows of 32 floats, `step` bytes apart. */
AMX_INLINE void amx_load(const float *c, size_t step) {
    tile_load(0, c, step);
    tile_load(1, c + 16, step);
    tile_load(2, (const char *)c + 16 * step, step);
    tile_load(3, (const char *)(c + 16) + 16 * step, step);
}

AMX_INLINE void amx_store(float *c, size_t step) {
    tile_store(0, c, step);
    tile_store(1, c + 16, step);
    tile_store(2, (char *)c + 16 * step, step);
    tile_store(3, (char *)(c + 16) + 16 * step, step);
}

/* The first of 16 lanes: `n`, if there are so many. */
AMX_INLINE __mmask16 amx_lanes(int64_t n) {
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1U << n) - 1) : 0;
}

/* The same of 32. */
AMX_INLINE __mmask32 amx_lanes_32(int64_t n) {
    return n >= 32 ? ~UINT32_C(0) : n > 0 ? (UINT32_C(1) << n) - 1 : 0;
}

/* A transpose of 16 rows of 16 elements of 4 bytes, in two steps. First, of rows 4 a to 4 a + 3 for
 * every a: r[b], 128-bit part p, is then column 4 p + b of them. */
AMX_INLINE void amx_transpose_rows(__m512i r[4]) {
    __m512i low0 = _mm512_unpacklo_epi32(r[0], r[1]);
    __m512i high0 = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i low1 = _mm512_unpacklo_epi32(r[2], r[3]);
    __m512i high1 = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(low0, low1);
    r[1] = _mm512_unpackhi_epi64(low0, low1);
    r[2] = _mm512_unpacklo_epi64(high0, high1);
    r[3] = _mm512_unpackhi_epi64(high0, high1);
}

/* Second, of the r[b] of all four a, for every b: r[p] is then column 4 p + b of all rows. */
AMX_INLINE void amx_transpose_parts(__m512i r[4]) {
    __m512i even0 = _mm512_shuffle_i32x4(r[0], r[1], 0x88);
    __m512i odd0 = _mm512_shuffle_i32x4(r[0], r[1], 0xdd);
    __m512i even1 = _mm512_shuffle_i32x4(r[2], r[3], 0x88);
    __m512i odd1 = _mm512_shuffle_i32x4(r[2], r[3], 0xdd);
    r[0] = _mm512_shuffle_i32x4(even0, even1, 0x88);
    r[1] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
    r[2] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
    r[3] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
}

/* Rows of 16 elements of 4 bytes become columns. */
AMX_INLINE void amx_transpose(__m512i r[16]) {
#pragma GCC unroll 4
    for (int a = 0; a < 4; a++) amx_transpose_rows(r + (ptrdiff_t)4 * a);
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) {
        __m512i t[4] = {r[b], r[b + 4], r[b + 8], r[b + 12]};
        amx_transpose_parts(t);
        for (int p = 0; p < 4; p++) r[b + 4 * p] = t[p];
    }
}

#endif
