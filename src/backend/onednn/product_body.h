/* Matrix products of packed factors, by tiles of TILE_ROWS rows and two vectors of columns that
 * stay in registers. Included by kernels_body.h, once per instruction set. */

#define PRODUCT_ROWS  TILE_ROWS
#define TERM_MULTIPLE PAIR

/* to[i] = from[i] */
static void put_line(factor *to, const float *from, int64_t n) {
#ifdef BF16_FACTORS
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        put_factors(to + i, *(const memory_vec *)(from + i), BY_CHANNEL, false);
    }
    to_bf16(to + i, from + i, (size_t)(n - i));
#else
    memcpy(to, from, (size_t)n * sizeof *to);
#endif
}

/* The vector of columns [0, columns) of row k at `from`, zero behind them. */
static inline vec take_columns(const float *from, int64_t columns) {
    if (columns >= LANES) return *(const memory_vec *)from;
    float some[LANES] = {0};
    if (columns > 0) memcpy(some, from, (size_t)columns * sizeof *some);
    return *(const memory_vec *)some;
}

/* Columns of one vector of PAIR rows, k by k in each lane. */
static inline void put_pair(factor *to, vec first, vec second) {
#ifdef BF16_FACTORS
    _mm512_storeu_si512(to, round_16_pairs((__m512)first, (__m512)second));
#else
    (void)second;
    *(memory_vec *)to = first;
#endif
}

/* Rows that lie side by side, terms k_step apart, as TILE_ROWS lines of `padded` terms. */
static void pack_across(factor *to, const float *from, int64_t k_step, int64_t rows, int64_t k,
                        int64_t padded) {
#ifdef BF16_FACTORS
    __mmask16 lanes = lanes_of_16(rows);
    for (int64_t begin = 0; begin < k; begin += 2 * LANES) {
        __m512i lines[LANES];
        for (int64_t i = 0; i < LANES; i++) {
            int64_t term = begin + PAIR * i;
            const float *at = from + term * k_step;
            __m512 first = _mm512_maskz_loadu_ps(term < k ? lanes : 0, at);
            __m512 second = _mm512_maskz_loadu_ps(term + 1 < k ? lanes : 0, at + k_step);
            lines[i] = round_16_pairs(first, second);
        }
        transpose_16(lines);
        __mmask32 terms = lanes_of_32(padded - begin);
        for (int64_t r = 0; r < TILE_ROWS; r++) {
            _mm512_mask_storeu_epi16(to + r * padded + begin, terms, lines[r]);
        }
    }
#else
    for (int64_t r = 0; r < TILE_ROWS; r++) {
        for (int64_t i = 0; i < padded; i++) {
            to[r * padded + i] = r < rows && i < k ? from[r + i * k_step] : 0;
        }
    }
#endif
}

static void pack_rows(void *to, const float *from, int64_t row_step, int64_t k_step, int64_t rows,
                      int64_t k) {
    factor *line = to;
    int64_t padded = (k + PAIR - 1) / PAIR * PAIR;
    if (k_step != 1) {
        pack_across(line, from, k_step, rows, k, padded);
        return;
    }
    for (int64_t r = 0; r < TILE_ROWS; r++, line += padded) {
        if (r < rows) put_line(line, from + r * row_step, k);
        int64_t filled = r < rows ? k : 0;
        memset(line + filled, 0, (size_t)(padded - filled) * sizeof *line);
    }
}

/* Columns that lie side by side, rows k_step apart. */
static void pack_side_by_side(factor *to, const float *from, int64_t k_step, int64_t columns,
                              int64_t k, int64_t padded) {
    for (int64_t i = 0; i < k; i += PAIR) {
        const float *row = from + i * k_step;
        for (int64_t c = 0; c < columns; c += LANES) {
            vec first = take_columns(row + c, columns - c);
            vec second = {0};
            if (PAIR == 2 && i + 1 < k) second = take_columns(row + k_step + c, columns - c);
            put_pair(to + c * padded + i * LANES, first, second);
        }
    }
}

/* LANES columns that lie one after the other, each as k neighbours. */
#ifdef BF16_FACTORS
static void pack_one_by_one(factor *to, const float *from, int64_t column_step, int64_t columns,
                            int64_t k) {
    for (int64_t begin = 0; begin < k; begin += 2 * LANES) {
        __mmask32 lanes = lanes_of_32(k - begin);
        __m512i line[LANES];
        for (int64_t c = 0; c < LANES; c++) {
            const float *column = from + c * column_step + begin;
            line[c] = c < columns ? round_32_terms(column, lanes) : _mm512_setzero_si512();
        }
        transpose_16(line);
        for (int64_t i = 0; i < LANES && begin + i * PAIR < k; i++) {
            _mm512_storeu_si512(to + (begin + i * PAIR) * LANES, line[i]);
        }
    }
}
#else
static void pack_one_by_one(factor *to, const float *from, int64_t column_step, int64_t columns,
                            int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        for (int64_t c = 0; c < LANES; c++) {
            to[i * LANES + c] = c < columns ? from[c * column_step + i] : 0;
        }
    }
}
#endif

static void pack_columns(void *to, const float *from, int64_t k_step, int64_t column_step,
                         int64_t columns, int64_t k) {
    int64_t padded = (k + PAIR - 1) / PAIR * PAIR;
    int64_t whole = (columns + 2 * LANES - 1) / (2 * LANES) * 2 * LANES;
    factor *block = to;
    if (column_step == 1) pack_side_by_side(block, from, k_step, columns, k, padded);
    int64_t packed = column_step == 1 ? (columns + LANES - 1) / LANES * LANES : 0;
    for (int64_t c = packed; c < whole; c += LANES) {
        pack_one_by_one(block + c * padded, from + c * column_step, column_step, columns - c, k);
    }
}

/* Where c's rows lie side by side and the tile is whole. */
static void put_lines(const cw_product_tile *t, float tile[TILE_ROWS][2 * LANES]) {
    for (int64_t r = 0; r < t->rows; r++) {
        for (int b = 0; b < 2; b++) {
            vec value = *(const memory_vec *)&tile[r][b * LANES];
            memory_vec *at = (memory_vec *)((float *)t->c + r * t->row_step + b * LANES);
            if (t->add) value += *at;
            *at = value;
        }
    }
}

static void put_elements(const cw_product_tile *t, float tile[TILE_ROWS][2 * LANES]) {
    for (int64_t i = 0; i < t->columns; i++) {
        for (int64_t r = 0; r < t->rows; r++) {
            float *at = (float *)t->c + r * t->row_step + i * t->column_step;
            *at = t->add ? *at + tile[r][i] : tile[r][i];
        }
    }
}

/* Terms between two requests to memory. */
#define FETCH_TERMS 64

static void product_tile(const cw_product_tile *t) {
    float tile[TILE_ROWS][2 * LANES];
    int64_t padded = (t->k + PAIR - 1) / PAIR * PAIR;
    vec acc[TILE_ROWS][2] = {{{0}}};
    cw_fetch soon = t->soon;
    int64_t lines = cw_fetch_share(&soon, (padded + FETCH_TERMS - 1) / FETCH_TERMS);
    for (int64_t k = 0; k < padded; k += FETCH_TERMS) {
        int64_t end = k + FETCH_TERMS < padded ? k + FETCH_TERMS : padded;
        cw_fetch_next(&soon, lines);
        add_products(acc, t->a, padded, t->b, padded * LANES, 2, k, end);
    }
    put_products(tile[0], 2 * LANES, acc, 2);
    if (t->column_step == 1 && t->columns == 2 * LANES) {
        put_lines(t, tile);
    } else {
        put_elements(t, tile);
    }
}

static void begin_products(void) {
}

static void end_products(void) {
}
