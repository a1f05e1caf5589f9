/* Vectors of 16 elements of 4 bytes, or 32 of bf16. Included only by files compiled for AVX-512
 * with products of bf16. */
#ifndef CW_BACKEND_ONEDNN_AVX512_H
#define CW_BACKEND_ONEDNN_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VECTOR_INLINE static inline __attribute__((always_inline))

/* The first of 16 lanes: `n`, if there are so many. */
VECTOR_INLINE __mmask16 lanes_of_16(int64_t n) {
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1U << n) - 1) : 0;
}

/* The same of 32. */
VECTOR_INLINE __mmask32 lanes_of_32(int64_t n) {
    return n >= 32 ? ~UINT32_C(0) : n > 0 ? (UINT32_C(1) << n) - 1 : 0;
}

/* A transpose of 16 rows of 16 elements of 4 bytes, in two steps. First, of rows 4 a to 4 a + 3 for
 * every a: r[b], 128-bit part p, is then column 4 p + b of them. */
VECTOR_INLINE void transpose_16_rows(__m512i r[4]) {
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
VECTOR_INLINE void transpose_16_parts(__m512i r[4]) {
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
VECTOR_INLINE void transpose_16(__m512i r[16]) {
#pragma GCC unroll 4
    for (int a = 0; a < 4; a++) transpose_16_rows(r + (ptrdiff_t)4 * a);
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) {
        __m512i t[4] = {r[b], r[b + 4], r[b + 8], r[b + 12]};
        transpose_16_parts(t);
        for (int p = 0; p < 4; p++) r[b + 4 * p] = t[p];
    }
}

/* 32 terms side by side, rounded to bf16; as many of them as there are lanes, zeros for the others.
 */
VECTOR_INLINE __m512i round_32_terms(const float *from, __mmask32 lanes) {
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)lanes, from);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(lanes >> 16), from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 32 elements of bf16: the first 16 and the second 16 become the firsts and seconds of 16 pairs. */
VECTOR_INLINE __m512i pair_halves(__m512i halves) {
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, halves);
}

/* 16 pairs, rounded to bf16. */
VECTOR_INLINE __m512i round_16_pairs(__m512 firsts, __m512 seconds) {
    return pair_halves((__m512i)_mm512_cvtne2ps_pbh(seconds, firsts));
}

#endif
