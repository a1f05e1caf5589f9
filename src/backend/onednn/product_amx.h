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

/* 32 terms side by side, rounded; as many of them as the two masks say, zeros for the others. */
AMX_INLINE __m512i take_terms(const float *from, __mmask16 first, __mmask16 second) {
    __m512 low = _mm512_maskz_loadu_ps(first, from);
    __m512 high = _mm512_maskz_loadu_ps(second, from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 pairs of terms, `step` floats from the first to the second of a pair. Only the first if
 * `single`. */
AMX_INLINE __m512i take_pairs(const float *from, int64_t step, __mmask16 lanes, bool single) {
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512 low = _mm512_maskz_loadu_ps(lanes, from);
    __m512 high = _mm512_maskz_loadu_ps(single ? 0 : lanes, from + step);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

AMX_INLINE void put_tile(factor *to, const __m512i tile[16]) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * 32, tile[i]);
}

/* A step of 16 rows or columns as `tile`: the terms of each side by side. */
AMX_INLINE void take_neighbours(__m512i tile[16], const float *from, int64_t step, int64_t count,
                                int64_t k) {
    __mmask16 first = amx_lanes(k);
    __mmask16 second = amx_lanes(k - 16);
    if (count >= 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) tile[i] = take_terms(from + i * step, first, second);
        return;
    }
    for (int i = 0; i < 16; i++) {
        tile[i] = i < count ? take_terms(from + i * step, first, second) : _mm512_setzero_si512();
    }
}

/* A step of 16 rows or columns as `tile`: by pairs of terms, (16 pairs, 16 columns, 2). */
AMX_INLINE void take_across(__m512i tile[16], const float *from, int64_t k_step, int64_t count,
                            int64_t k) {
    __mmask16 lanes = amx_lanes(count);
    if (k >= STEP) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) tile[i] = take_pairs(from + 2 * i * k_step, k_step, lanes, 0);
        return;
    }
    for (int i = 0; i < 16; i++) {
        tile[i] = 2 * i < k ? take_pairs(from + 2 * i * k_step, k_step, lanes, 2 * i + 1 == k)
                            : _mm512_setzero_si512();
    }
}

static void pack_rows(void *to, const float *from, int64_t row_step, int64_t k_step, int64_t rows,
                      int64_t k) {
    factor *at = to;
    for (int64_t i = 0; i < k; i += STEP) {
        for (int64_t r = 0; r < SIDE; r += 16, at += STEP_FACTORS / 2) {
            const float *corner = from + r * row_step + i * k_step;
            __m512i tile[16];
            if (k_step == 1) {
                take_neighbours(tile, corner, row_step, rows - r, k - i);
            } else {
                take_across(tile, corner, k_step, rows - r, k - i);
                amx_transpose(tile);
            }
            put_tile(at, tile);
        }
    }
}

/* Row by row of b, however many blocks: rows lie far from each other. */
static void pack_columns(void *to, const float *from, int64_t k_step, int64_t column_step,
                         int64_t columns, int64_t k) {
    int64_t block = (k + STEP - 1) / STEP * STEP_FACTORS;
    int64_t whole = (columns + SIDE - 1) / SIDE * SIDE;
    for (int64_t i = 0; i < k; i += STEP) {
        for (int64_t c = 0; c < whole; c += 16) {
            const float *corner = from + c * column_step + i * k_step;
            factor *at = (factor *)to + c / SIDE * block + i * SIDE + c % SIDE * STEP;
            __m512i tile[16];
            if (k_step == 1) {
                take_neighbours(tile, corner, column_step, columns - c, k - i);
                amx_transpose(tile);
            } else {
                take_across(tile, corner, k_step, columns - c, k - i);
            }
            put_tile(at, tile);
        }
    }
}

/* Rows of 32 floats at `tile` to c, or added to it. */
AMX_INLINE void put_rows(const cw_product_tile *t, const float *tile) {
    for (int64_t b = 0; b < SIDE; b += 16) {
        __mmask16 lanes = amx_lanes(t->columns - b);
        for (int64_t r = 0; r < t->rows && lanes != 0; r++) {
            float *at = t->c + r * t->row_step + b;
            __m512 value = _mm512_load_ps(tile + r * SIDE + b);
            if (t->add) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, at));
            _mm512_mask_storeu_ps(at, lanes, value);
        }
    }
}

/* The same where c lies column by column. */
AMX_INLINE void put_columns(const cw_product_tile *t, const float *tile) {
    for (int64_t part = 0; part < 4; part++) {
        int64_t row = part / 2 * 16;
        int64_t column = part % 2 * 16;
        __mmask16 lanes = amx_lanes(t->rows - row);
        __m512i lines[16];
        for (int i = 0; i < 16; i++) {
            lines[i] = _mm512_load_si512(tile + (row + i) * SIDE + column);
        }
        amx_transpose(lines);
        for (int64_t i = 0; i < 16 && column + i < t->columns && lanes != 0; i++) {
            float *at = t->c + row + (column + i) * t->column_step;
            __m512 value = _mm512_castsi512_ps(lines[i]);
            if (t->add) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, at));
            _mm512_mask_storeu_ps(at, lanes, value);
        }
    }
}

static void product_tile(const cw_product_tile *t) {
    size_t step = (size_t)t->row_step * sizeof(float);
    bool in_place = t->column_step == 1 && t->rows == SIDE && t->columns == SIDE;
    const factor *a = t->a;
    const factor *b = t->b;
    if (in_place && t->add) {
        amx_load(t->c, step);
    } else {
        amx_zero();
    }
    for (int64_t i = 0; i < t->k; i += STEP, a += STEP_FACTORS, b += STEP_FACTORS) {
        amx_step(a, a + STEP_FACTORS / 2, 64, b, b + STEP_FACTORS / 2, 64);
    }
    if (in_place) {
        amx_store(t->c, step);
        return;
    }
    alignas(64) float tile[SIDE * SIDE];
    amx_store(tile, SIDE * sizeof(float));
    if (t->column_step == 1) {
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
