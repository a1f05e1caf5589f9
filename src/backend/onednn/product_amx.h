/* Matrix products of packed factors by matrix units, by tiles of 32 rows and 32 columns. Included
 * by kernels_body.h in place of product_body.h.
 *
 * Terms go by steps of 32. A step of a block of rows is (32 rows, 32 terms); of a block of columns
 * (2, 16 pairs of terms, 16 columns, 2): two register tiles each, one after the other. */
#include "backend/onednn/amx.h"

#include <stdalign.h>

enum { SIDE = 32, STEP = 32, STEP_FACTORS = SIDE * STEP };

#define PRODUCT_ROWS  SIDE
#define TERM_MULTIPLE STEP

/* Matrices are f32, or bf16 already: `bf16`, which the compiler knows wherever it is passed on. */
VECTOR_INLINE const void *element(const void *from, int64_t i, bool bf16) {
    return (const char *)from + i * (bf16 ? 2 : 4);
}

/* 32 terms side by side; as many of them as there are lanes, zeros for the others. */
VECTOR_INLINE __m512i take_terms(const void *from, __mmask32 lanes, bool bf16) {
    if (bf16) return _mm512_maskz_loadu_epi16(lanes, from);
    return round_32_terms(from, lanes);
}

/* 16 pairs of terms, `step` elements from the first to the second of a pair. Only the first if
 * `single`. */
VECTOR_INLINE __m512i take_pairs(const void *from, int64_t step, __mmask16 lanes, bool single,
                                 bool bf16) {
    const void *next = single ? from : element(from, step, bf16);
    __mmask16 second = single ? 0 : lanes;
    if (bf16) {
        __m512i low = _mm512_castsi256_si512(_mm256_maskz_loadu_epi16(lanes, from));
        return pair_halves(_mm512_inserti64x4(low, _mm256_maskz_loadu_epi16(second, next), 1));
    }
    return round_16_pairs(_mm512_maskz_loadu_ps(lanes, from), _mm512_maskz_loadu_ps(second, next));
}

VECTOR_INLINE void put_tile(factor *to, const __m512i tile[16]) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * 32, tile[i]);
}

/* A step of 16 rows or columns as `tile`: the terms of each side by side. */
VECTOR_INLINE void take_neighbours(__m512i tile[16], const void *from, int64_t step, int64_t count,
                                   int64_t k, bool bf16) {
    __mmask32 lanes = lanes_of_32(k);
    if (count >= 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            tile[i] = take_terms(element(from, i * step, bf16), lanes, bf16);
        }
        return;
    }
    for (int i = 0; i < 16; i++) {
        tile[i] = i < count ? take_terms(element(from, i * step, bf16), lanes, bf16)
                            : _mm512_setzero_si512();
    }
}

/* A step of 16 rows or columns as `tile`: by pairs of terms, (16 pairs, 16 columns, 2). */
VECTOR_INLINE void take_across(__m512i tile[16], const void *from, int64_t k_step, int64_t count,
                               int64_t k, bool bf16) {
    __mmask16 lanes = lanes_of_16(count);
    if (k >= STEP) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            tile[i] = take_pairs(element(from, 2 * i * k_step, bf16), k_step, lanes, false, bf16);
        }
        return;
    }
    for (int i = 0; i < 16; i++) {
        tile[i] = 2 * i < k ? take_pairs(element(from, 2 * i * k_step, bf16), k_step, lanes,
                                         2 * i + 1 == k, bf16)
                            : _mm512_setzero_si512();
    }
}

VECTOR_INLINE void pack_any_rows(factor *at, const void *from, int64_t row_step, int64_t k_step,
                                 int64_t rows, int64_t k, bool bf16) {
    for (int64_t i = 0; i < k; i += STEP) {
        for (int64_t r = 0; r < SIDE; r += 16, at += STEP_FACTORS / 2) {
            const void *corner = element(from, r * row_step + i * k_step, bf16);
            __m512i tile[16];
            if (k_step == 1) {
                take_neighbours(tile, corner, row_step, rows - r, k - i, bf16);
            } else {
                take_across(tile, corner, k_step, rows - r, k - i, bf16);
                transpose_16(tile);
            }
            put_tile(at, tile);
        }
    }
}

/* Row by row of b, however many blocks: rows lie far from each other. */
VECTOR_INLINE void pack_any_columns(factor *to, const void *from, int64_t k_step,
                                    int64_t column_step, int64_t columns, int64_t k, bool bf16) {
    int64_t block = (k + STEP - 1) / STEP * STEP_FACTORS;
    int64_t whole = (columns + SIDE - 1) / SIDE * SIDE;
    for (int64_t i = 0; i < k; i += STEP) {
        for (int64_t c = 0; c < whole; c += 16) {
            const void *corner = element(from, c * column_step + i * k_step, bf16);
            __m512i tile[16];
            if (k_step == 1) {
                take_neighbours(tile, corner, column_step, columns - c, k - i, bf16);
                transpose_16(tile);
            } else {
                take_across(tile, corner, k_step, columns - c, k - i, bf16);
            }
            put_tile(to + c / SIDE * block + i * SIDE + c % SIDE * STEP, tile);
        }
    }
}

static void pack_rows(void *to, const float *from, int64_t row_step, int64_t k_step, int64_t rows,
                      int64_t k) {
    pack_any_rows(to, from, row_step, k_step, rows, k, false);
}

static void pack_columns(void *to, const float *from, int64_t k_step, int64_t column_step,
                         int64_t columns, int64_t k) {
    pack_any_columns(to, from, k_step, column_step, columns, k, false);
}

static void pack_bf16_rows(void *to, const uint16_t *from, int64_t row_step, int64_t k_step,
                           int64_t rows, int64_t k) {
    pack_any_rows(to, from, row_step, k_step, rows, k, true);
}

static void pack_bf16_columns(void *to, const uint16_t *from, int64_t k_step, int64_t column_step,
                              int64_t columns, int64_t k) {
    pack_any_columns(to, from, k_step, column_step, columns, k, true);
}

/* Rows of 32 floats at `tile` to c, or added to it. */
VECTOR_INLINE void put_rows(const cw_product_tile *t, const float *tile) {
    for (int64_t b = 0; b < SIDE; b += 16) {
        __mmask16 lanes = lanes_of_16(t->columns - b);
        for (int64_t r = 0; r < t->rows && lanes != 0; r++) {
            float *at = (float *)t->c + r * t->row_step + b;
            __m512 value = _mm512_load_ps(tile + r * SIDE + b);
            if (t->add) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, at));
            _mm512_mask_storeu_ps(at, lanes, value);
        }
    }
}

/* The same where c lies column by column. */
VECTOR_INLINE void put_columns(const cw_product_tile *t, const float *tile) {
    for (int64_t part = 0; part < 4; part++) {
        int64_t row = part / 2 * 16;
        int64_t column = part % 2 * 16;
        __mmask16 lanes = lanes_of_16(t->rows - row);
        __m512i lines[16];
        for (int i = 0; i < 16; i++) {
            lines[i] = _mm512_load_si512(tile + (row + i) * SIDE + column);
        }
        transpose_16(lines);
        for (int64_t i = 0; i < 16 && column + i < t->columns && lanes != 0; i++) {
            float *at = (float *)t->c + row + (column + i) * t->column_step;
            __m512 value = _mm512_castsi512_ps(lines[i]);
            if (t->add) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, at));
            _mm512_mask_storeu_ps(at, lanes, value);
        }
    }
}

/* Rows of 32 floats at `tile` to c, rounded. */
VECTOR_INLINE void put_rounded(const cw_product_tile *t, const float *tile) {
    __mmask32 lanes = lanes_of_32(t->columns);
    for (int64_t r = 0; r < t->rows; r++) {
        __m512 low = _mm512_load_ps(tile + r * SIDE);
        __m512 high = _mm512_load_ps(tile + r * SIDE + 16);
        _mm512_mask_storeu_epi16((uint16_t *)t->c + r * t->row_step, lanes,
                                 (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

static void product_tile(const cw_product_tile *t) {
    size_t step = (size_t)t->row_step * sizeof(float);
    bool in_place = t->column_step == 1 && t->rows == SIDE && t->columns == SIDE && !t->bf16;
    const factor *a = t->a;
    const factor *b = t->b;
    if (in_place && t->add) {
        amx_load(t->c, step);
    } else {
        amx_zero();
    }
    cw_fetch soon = t->soon;
    int64_t lines = cw_fetch_share(&soon, (t->k + STEP - 1) / STEP);
    for (int64_t i = 0; i < t->k; i += STEP, a += STEP_FACTORS, b += STEP_FACTORS) {
        cw_fetch_next(&soon, lines);
        amx_step(a, a + STEP_FACTORS / 2, 64, b, b + STEP_FACTORS / 2, 64);
    }
    if (in_place) {
        amx_store(t->c, step);
        return;
    }
    alignas(64) float tile[SIDE * SIDE];
    amx_store(tile, SIDE * sizeof(float));
    if (t->bf16) {
        put_rounded(t, tile);
    } else if (t->column_step == 1) {
        put_rows(t, tile);
    } else {
        put_columns(t, tile);
    }
}

static void begin_products(void) {
    amx_begin();
}

static void end_products(void) {
    amx_end();
}
