/* What loops for Intel's matrix units (AMX) share. Included only by files compiled for them.
 *
 * A tile register holds 16 rows of 64 bytes. A product c += a b takes a of 16 rows by 32 terms in
 * bf16, b of 16 pairs of terms by 16 columns (the two terms of a pair side by side), and c of 16
 * rows by 16 columns in f32. The loops use the eight registers as 0..3: c of 32 rows by 32
 * columns, row by row; 4, 5: a; 6, 7: b. */
#ifndef CW_BACKEND_ONEDNN_AMX_H
#define CW_BACKEND_ONEDNN_AMX_H

#include <immintrin.h>
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
    _tile_loadconfig(&amx_config);
}

AMX_INLINE void amx_end(void) {
    _tile_release();
}

/* c += a b over 32 terms. a: two tiles of rows a_step bytes apart; b: two, of rows b_step apart. */
AMX_INLINE void amx_step(const void *a_low, const void *a_high, size_t a_step, const void *b_low,
                         const void *b_high, size_t b_step) {
    _tile_loadd(4, a_low, a_step);
    _tile_loadd(5, a_high, a_step);
    _tile_loadd(6, b_low, b_step);
    _tile_loadd(7, b_high, b_step);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

AMX_INLINE void amx_zero(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* c from and to rows of 32 floats, `step` bytes apart. */
AMX_INLINE void amx_load(const float *c, size_t step) {
    _tile_loadd(0, c, step);
    _tile_loadd(1, c + 16, step);
    _tile_loadd(2, (const char *)c + 16 * step, step);
    _tile_loadd(3, (const char *)(c + 16) + 16 * step, step);
}

AMX_INLINE void amx_store(float *c, size_t step) {
    _tile_stored(0, c, step);
    _tile_stored(1, c + 16, step);
    _tile_stored(2, (char *)c + 16 * step, step);
    _tile_stored(3, (char *)(c + 16) + 16 * step, step);
}

/* The first of 16 lanes: `n`, if there are so many. */
AMX_INLINE __mmask16 amx_lanes(int64_t n) {
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1U << n) - 1) : 0;
}

/* Rows of 16 elements of 4 bytes become columns. */
AMX_INLINE void amx_transpose(__m512i r[16]) {
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4 a + b], 128-bit part p: column 4 p + b of rows 4 a to 4 a + 3. */
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) {
        t[b] = _mm512_shuffle_i32x4(r[b], r[b + 4], 0x88);
        t[b + 4] = _mm512_shuffle_i32x4(r[b], r[b + 4], 0xdd);
        t[b + 8] = _mm512_shuffle_i32x4(r[b + 8], r[b + 12], 0x88);
        t[b + 12] = _mm512_shuffle_i32x4(r[b + 8], r[b + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) {
        r[b] = _mm512_shuffle_i32x4(t[b], t[b + 8], 0x88);
        r[b + 8] = _mm512_shuffle_i32x4(t[b], t[b + 8], 0xdd);
        r[b + 4] = _mm512_shuffle_i32x4(t[b + 4], t[b + 12], 0x88);
        r[b + 12] = _mm512_shuffle_i32x4(t[b + 4], t[b + 12], 0xdd);
    }
}

#endif
