/* What matrix products multiply, and their innermost loop. Included by kernels_body.h, once per
 * instruction set.
 *
 * With BF16_FACTORS both factors are rounded to bf16 and go by pairs through dot products that sum
 * in f32. */

/* What fits into the registers: of the matrix products tiles x two vectors of output channels, for
 * the weights' gradient input channels (a divisor of LANES) x two vectors of output channels. */
#define TILE_ROWS    (REGISTERS == 32 ? 12 : 6)
#define CHANNEL_ROWS (REGISTERS == 32 && LANES >= 8 ? 8 : 4)

/* What a product multiplies. PAIR factors, one after the other, go through one lane. */
#ifdef BF16_FACTORS
typedef uint16_t factor;
#define PAIR 2
#else
typedef float factor;
#define PAIR 1
#endif

static factor round_factor(float x) {
#ifdef BF16_FACTORS
    uint16_t rounded;
    to_bf16(&rounded, &x, 1);
    return rounded;
#else
    return x;
#endif
}

/* How a matrix of factors lies: the terms of a sum (channels) side by side; or PAIR terms (tiles)
 * side by side for each column. */
typedef enum tile_order { BY_CHANNEL, BY_TILE } tile_order;

/* Stores a vector of channels at tile_at's place; with BY_TILE the first tile of a pair before the
 * second. */
static inline __attribute__((always_inline)) void put_factors(factor *to, vec value,
                                                              tile_order order, bool second) {
#ifdef BF16_FACTORS
    __m256i rounded = (__m256i)_mm512_cvtneps_pbh((__m512)value);
    if (order == BY_CHANNEL) {
        _mm256_storeu_si256((__m256i *)to, rounded);
        return;
    }
    __m512i lanes = _mm512_cvtepu16_epi32(rounded);
    if (second) lanes = _mm512_or_si512(_mm512_loadu_si512(to), _mm512_slli_epi32(lanes, 16));
    _mm512_storeu_si512(to, lanes);
#else
    (void)order;
    (void)second;
    *(memory_vec *)to = value;
#endif
}

/* acc + w v: PAIR times LANES factors at `w`, PAIR factors at `v` for every lane. */
#ifdef BF16_FACTORS
typedef __m512i factors;
static inline __attribute__((always_inline)) vec multiply_add(vec acc, factors w, const factor *v) {
    int32_t pair;
    memcpy(&pair, v, sizeof pair);
    return (vec)_mm512_dpbf16_ps((__m512)acc, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
}
static inline __attribute__((always_inline)) factors load_factors(const factor *w) {
    return _mm512_loadu_si512(w);
}
#else
typedef vec factors;
static inline __attribute__((always_inline)) vec multiply_add(vec acc, factors w, const factor *v) {
    return acc + w * *v;
}
static inline __attribute__((always_inline)) factors load_factors(const factor *w) {
    return *(const memory_vec *)w;
}
#endif

/* acc += v (TILE_ROWS, channels) u (channels, cols vectors), channels [begin, end). */
static inline __attribute__((always_inline)) void
add_products(vec acc[TILE_ROWS][2], const factor *restrict v, int64_t channels,
             const factor *restrict u, int64_t u_step, int cols, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c += PAIR) {
        factors w[2];
        for (int b = 0; b < cols; b++) w[b] = load_factors(u + b * u_step + c * LANES);
        for (int r = 0; r < TILE_ROWS; r++) {
            const factor *at = v + r * channels + c;
            for (int b = 0; b < cols; b++) acc[r][b] = multiply_add(acc[r][b], w[b], at);
        }
    }
}

static inline __attribute__((always_inline)) void put_products(float *restrict m, int64_t m_row,
                                                               vec acc[TILE_ROWS][2], int cols) {
    for (int r = 0; r < TILE_ROWS; r++) {
        for (int b = 0; b < cols; b++) *(memory_vec *)(m + r * m_row + b * LANES) = acc[r][b];
    }
}

/* m (TILE_ROWS, cols vectors) = v (TILE_ROWS, channels) u (channels, cols vectors). */
static inline __attribute__((always_inline)) void
multiply_tiles(float *restrict m, int64_t m_row, const factor *restrict v, int64_t channels,
               const factor *restrict u, int64_t u_step, int cols) {
    vec acc[TILE_ROWS][2] = {{{0}}};
    add_products(acc, v, channels, u, u_step, cols, 0, channels);
    put_products(m, m_row, acc, cols);
}
