/* What loops for Intel's matrix units (AMX) share. Included only by files compiled for them.
 *
 * A tile register holds 16 rows of 64 bytes. A product c += a b takes a of 16 rows by 32 terms in
 * bf16, b of 16 pairs of terms by 16 columns (the two terms of a pair side by side), and c of 16
 * rows by 16 columns in f32. The loops use the eight registers as 0..3: c of 32 rows by 32
 * columns, row by row; 4, 5: a; 6, 7: b. */
#ifndef CW_BACKEND_ONEDNN_AMX_H
#define CW_BACKEND_ONEDNN_AMX_H

#include "backend/onednn/amx_tiles.h"
#include "backend/onednn/avx512.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

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
VECTOR_INLINE void amx_begin(void) {
    tile_configure(&amx_config);
}

VECTOR_INLINE void amx_end(void) {
    tile_release();
}

/* c += a b over 32 terms. a: two tiles of rows a_step bytes apart; b: two, of rows b_step apart. */
VECTOR_INLINE void amx_step(const void *a_low, const void *a_high, size_t a_step, const void *b_low,
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

VECTOR_INLINE void amx_zero(void) {
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
}

/* c from and to rows of 32 floats, `step` bytes apart. */
VECTOR_INLINE void amx_load(const float *c, size_t step) {
    tile_load(0, c, step);
    tile_load(1, c + 16, step);
    tile_load(2, (const char *)c + 16 * step, step);
    tile_load(3, (const char *)(c + 16) + 16 * step, step);
}

VECTOR_INLINE void amx_store(float *c, size_t step) {
    tile_store(0, c, step);
    tile_store(1, c + 16, step);
    tile_store(2, (char *)c + 16 * step, step);
    tile_store(3, (char *)(c + 16) + 16 * step, step);
}

#endif
