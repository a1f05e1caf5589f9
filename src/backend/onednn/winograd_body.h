/* 3x3 convolutions with stride 1 as F(4x4, 3x3) of Winograd (Lavin & Gray 2016, "Fast algorithms
 * for convolutional neural networks"): a tile of 4x4 outputs costs 36 products per pair of channels
 * instead of 144. Included by kernels_body.h, once per instruction set.
 *
 *   outputs = A' [ (G g G') * (B' d B) ] A      d: 6x6 inputs, g: 3x3 weight, *: elementwise
 *
 * at the points 0, +-5/8, +-3/2 and infinity. Rounding errors depend on the points: with these they
 * are about half of those at 0, +-1, +-2 (tests/backend/conv_test.c bounds them), and every
 * constant of A and B is exact. The elementwise products of many tiles are one matrix product over
 * channels for each of the 36 places.
 *
 * With BF16_FACTORS both factors of those products are rounded to bf16 and go by pairs through dot
 * products that sum in f32; maps, transforms and sums stay f32. A rounding error of a factor grows
 * by the same transforms: the outputs are off by about four times what rounding maps and weights
 * themselves would give (tests/backend/tiles_test.c). */
#define P   0.625F
#define Q   1.5F
#define PP  (P * P)
#define QQ  (Q * Q)
#define PPP (P * P * P)
#define QQQ (Q * Q * Q)

_Static_assert(CW_STRIP % TILE_ROWS == 0, "strips are multiplied by whole blocks of tiles");

static factor *tile_at(factor *v, int64_t tile, int64_t channels, int64_t channel,
                       tile_order order) {
    if (order == BY_CHANNEL) return v + tile * channels + channel;
    return v + (tile / PAIR * channels + channel) * PAIR;
}

/* Row and column of a tile's first output. */
typedef struct tile_place {
    int64_t row, column;
} tile_place;

static inline __attribute__((always_inline)) tile_place first_tile(const cw_winograd *g,
                                                                   int64_t tile) {
    return (tile_place){tile / g->tiles_w * 4, tile % g->tiles_w * 4};
}

static inline __attribute__((always_inline)) void next_tile(const cw_winograd *g, tile_place *at) {
    at->column += 4;
    if (at->column < 4 * g->tiles_w) return;
    at->column = 0;
    at->row += 4;
}

/* Tiles of the strip from tile `first` on; the last may have fewer than the others, and what would
 * follow it has none. */
static inline __attribute__((always_inline)) int64_t strip_tiles(const cw_winograd *g,
                                                                 int64_t first) {
    int64_t rest = g->tiles_h * g->tiles_w - first;
    if (rest < 0) return 0;
    return rest < CW_STRIP ? rest : CW_STRIP;
}

/* The side x side pixels from (row, column) of a map of `height` x `width`, zero outside of it: a
 * pointer into the map, or, at its edge, a copy in `edge`. *row_step: floats from row to row. */
static const float *take_pixels(const float *map, int64_t height, int64_t width, int64_t row,
                                int64_t column, int64_t side, float *edge, int64_t *row_step) {
    if (row >= 0 && column >= 0 && row + side <= height && column + side <= width) {
        *row_step = width * LANES;
        return map + (row * width + column) * LANES;
    }
    *row_step = side * LANES;
    int64_t left = column < 0 ? -column : 0;
    int64_t right = width - column < side ? width - column : side;
    float *to = edge;
    for (int64_t i = row; i < row + side; i++, to += side * LANES) {
        bool inside = i >= 0 && i < height;
        const float *from = map + (i * width + column) * LANES;
#pragma GCC unroll 6
        for (int64_t j = 0; j < side; j++) {
            vec pixel = {0};
            if (inside && j >= left && j < right) pixel = *(const memory_vec *)(from + j * LANES);
            *(memory_vec *)(to + j * LANES) = pixel;
        }
    }
    return edge;
}

/* out = B' d */
static inline __attribute__((always_inline)) void input_line(vec out[6], const vec d[6]) {
    vec even_p = d[4] - QQ * d[2];
    vec odd_p = d[3] - QQ * d[1];
    vec even_q = d[4] - PP * d[2];
    vec odd_q = d[3] - PP * d[1];
    out[0] = d[4] - (PP + QQ) * d[2] + PP * QQ * d[0];
    out[1] = even_p + P * odd_p;
    out[2] = even_p - P * odd_p;
    out[3] = even_q + Q * odd_q;
    out[4] = even_q - Q * odd_q;
    out[5] = d[5] - (PP + QQ) * d[3] + PP * QQ * d[1];
}

/* out = A' m */
static inline __attribute__((always_inline)) void output_line(vec out[4], const vec m[6]) {
    vec even_p = m[1] + m[2];
    vec odd_p = m[1] - m[2];
    vec even_q = m[3] + m[4];
    vec odd_q = m[3] - m[4];
    out[0] = m[0] + even_p + even_q;
    out[1] = P * odd_p + Q * odd_q;
    out[2] = PP * even_p + QQ * even_q;
    out[3] = PPP * odd_p + QQQ * odd_q + m[5];
}

/* out = A d */
static inline __attribute__((always_inline)) void gradient_line(vec out[6], const vec d[4]) {
    vec even_p = d[0] + PP * d[2];
    vec odd_p = d[1] + PP * d[3];
    vec even_q = d[0] + QQ * d[2];
    vec odd_q = d[1] + QQ * d[3];
    out[0] = d[0];
    out[1] = even_p + P * odd_p;
    out[2] = even_p - P * odd_p;
    out[3] = even_q + Q * odd_q;
    out[4] = even_q - Q * odd_q;
    out[5] = d[3];
}

/* Rows [begin, end) of B' d B. What they do not need of input_line falls away when this is
 * compiled. */
static inline __attribute__((always_inline)) void
transform_input_rows(factor *v, int64_t step, tile_order order, bool second, const float *x,
                     int64_t row_step, int begin, int end) {
    vec between[6][6];
    for (int j = 0; j < 6; j++) {
        vec d[6];
        vec out[6];
        for (int i = 0; i < 6; i++) d[i] = *(const memory_vec *)(x + i * row_step + j * LANES);
        input_line(out, d);
        for (int i = begin; i < end; i++) between[i][j] = out[i];
    }
    for (int i = begin; i < end; i++) {
        vec out[6];
        input_line(out, between[i]);
        for (int j = 0; j < 6; j++) put_factors(v + (i * 6 + j) * step, out[j], order, second);
    }
}

/* v[place] = (B' d B)[place] for the 36 places, `step` floats apart. As many rows at a time as
 * registers hold between the two products; 1 and 2 share terms, and so do 3 and 4. */
static inline __attribute__((always_inline)) void transform_input(factor *v, int64_t step,
                                                                  tile_order order, bool second,
                                                                  const float *x,
                                                                  int64_t row_step) {
#if REGISTERS == 32
    transform_input_rows(v, step, order, second, x, row_step, 0, 3);
    transform_input_rows(v, step, order, second, x, row_step, 3, 6);
#else
    transform_input_rows(v, step, order, second, x, row_step, 0, 1);
    transform_input_rows(v, step, order, second, x, row_step, 1, 3);
    transform_input_rows(v, step, order, second, x, row_step, 3, 5);
    transform_input_rows(v, step, order, second, x, row_step, 5, 6);
#endif
}

/* v[place] = (A dy A')[place]; adds the sum of dy to `sums`. */
static inline __attribute__((always_inline)) void transform_gradient(factor *v, int64_t step,
                                                                     bool second, float *sums,
                                                                     const float *dy,
                                                                     int64_t row_step) {
    vec half[6][4];
    vec sum = {0};
    for (int j = 0; j < 4; j++) {
        vec d[4];
        vec out[6];
        for (int i = 0; i < 4; i++) d[i] = *(const memory_vec *)(dy + i * row_step + j * LANES);
        sum += d[0] + d[1] + (d[2] + d[3]);
        gradient_line(out, d);
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < 6; i++) {
        vec out[6];
        gradient_line(out, half[i]);
        for (int j = 0; j < 6; j++) put_factors(v + (i * 6 + j) * step, out[j], BY_TILE, second);
    }
    *(memory_vec *)sums += sum;
}

static inline void transform_output(vec y[4][4], const float *m, int64_t step) {
    vec half[4][6];
    for (int j = 0; j < 6; j++) {
        vec d[6];
        vec out[4];
        for (int i = 0; i < 6; i++) d[i] = *(const memory_vec *)(m + (i * 6 + j) * step);
        output_line(out, d);
        for (int i = 0; i < 4; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < 4; i++) output_line(y[i], half[i]);
}

/* Tiles of a strip, place after place, `step` factors apart. */
static inline __attribute__((always_inline)) void load_strip(factor *v, int64_t step,
                                                             tile_order order, const float *map,
                                                             const cw_winograd *g, int64_t first,
                                                             int64_t count) {
    float edge[36 * LANES];
    int64_t plane = g->in_h * g->in_w;
    tile_place at = first_tile(g, first);
    for (int64_t t = 0; t < count; t++, next_tile(g, &at)) {
        for (int64_t c = 0; c < g->in_c; c += LANES) {
            int64_t row_step;
            const float *x = take_pixels(map + c * plane, g->in_h, g->in_w, at.row - g->padding,
                                         at.column - g->padding, 6, edge, &row_step);
            factor *to = tile_at(v, t, g->in_c, c, order);
            if (order == BY_TILE && t % PAIR > 0) {
                transform_input(to, step, order, true, x, row_step);
            } else {
                transform_input(to, step, order, false, x, row_step);
            }
        }
    }
    if (order == BY_TILE) return;
    /* The matrix products go by whole blocks of tiles. */
    size_t rest = (size_t)((TILE_ROWS - count % TILE_ROWS) % TILE_ROWS * g->in_c);
    for (int k = 0; k < 36 && rest > 0; k++) {
        memset(v + k * step + count * g->in_c, 0, rest * sizeof(factor));
    }
}

/* Adds the strip's bias gradient to `sums`. */
static inline __attribute__((always_inline)) void
load_gradient_strip(factor *v, int64_t step, float *sums, const float *map, const cw_winograd *g,
                    int64_t first, int64_t count) {
    float edge[16 * LANES];
    int64_t plane = g->out_h * g->out_w;
    tile_place at = first_tile(g, first);
    for (int64_t t = 0; t < count; t++, next_tile(g, &at)) {
        for (int64_t f = 0; f < g->out_c; f += LANES) {
            int64_t row_step;
            const float *dy = take_pixels(map + f * plane, g->out_h, g->out_w, at.row, at.column, 4,
                                          edge, &row_step);
            factor *to = tile_at(v, t, g->out_c, f, BY_TILE);
            if (t % PAIR > 0) {
                transform_gradient(to, step, true, sums + f, dy, row_step);
            } else {
                transform_gradient(to, step, false, sums + f, dy, row_step);
            }
        }
    }
}

/* The first rows x columns outputs of a tile, at `map`. Forward: ReLU(y + bias), the bias (LANES)
 * at `other`; else the gradient of a ReLU whose output lies at `other` as the tile does at `map`.
 */
static inline __attribute__((always_inline)) void store_tile(float *map, int64_t row_step,
                                                             const float *m, int64_t step,
                                                             bool forward, const float *other,
                                                             int64_t rows, int64_t columns) {
    vec y[4][4];
    transform_output(y, m, step);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            int64_t pixel = i * row_step + j * LANES;
            vec value = y[i][j];
            vec_bits keep;
            if (forward) {
                value += *(const memory_vec *)other;
                keep = ~(value < 0.0F);
            } else {
                keep = *(const memory_vec *)(other + pixel) > 0.0F;
            }
            *(memory_vec *)(map + pixel) = (vec)((vec_bits)value & keep);
        }
    }
}

static inline __attribute__((always_inline)) void
store_strip(float *map, const float *m, int64_t step, const float *bias, const float *relu,
            const cw_winograd *g, int64_t first, int64_t count) {
    int64_t plane = g->out_h * g->out_w;
    int64_t row_step = g->out_w * LANES;
    tile_place at = first_tile(g, first);
    for (int64_t t = 0; t < count; t++, next_tile(g, &at)) {
        int64_t rows = g->out_h - at.row;
        int64_t columns = g->out_w - at.column;
        for (int64_t f = 0; f < g->out_c; f += LANES) {
            int64_t corner = f * plane + at.row * row_step + at.column * LANES;
            const float *from = m + t * g->out_c + f;
            bool forward = bias != NULL;
            const float *other = forward ? bias + f : relu + corner;
            if (rows < 4 || columns < 4) {
                store_tile(map + corner, row_step, from, step, forward, other, rows < 4 ? rows : 4,
                           columns < 4 ? columns : 4);
            } else if (forward) {
                store_tile(map + corner, row_step, from, step, true, other, 4, 4);
            } else {
                store_tile(map + corner, row_step, from, step, false, other, 4, 4);
            }
        }
    }
}

/* du (CHANNEL_ROWS, cols vectors) += v' (CHANNEL_ROWS, tiles) d (tiles, cols vectors). */
static inline __attribute__((always_inline)) void
add_outer_products(float *restrict du, int64_t du_step, const factor *restrict v, int64_t v_row,
                   const factor *restrict d, int64_t d_row, int64_t tiles, int cols) {
    vec acc[CHANNEL_ROWS][2] = {{{0}}};
    for (int64_t t = 0; t < tiles; t += PAIR) {
        factors dy[2];
        for (int b = 0; b < cols; b++) dy[b] = load_factors(d + t * d_row + b * LANES * PAIR);
        for (int r = 0; r < CHANNEL_ROWS; r++) {
            const factor *at = v + t * v_row + r * PAIR;
            for (int b = 0; b < cols; b++) acc[r][b] = multiply_add(acc[r][b], dy[b], at);
        }
    }
    for (int r = 0; r < CHANNEL_ROWS; r++) {
        for (int b = 0; b < cols; b++) {
            *(memory_vec *)(du + b * du_step + r * LANES) += acc[r][b];
        }
    }
}

/* Channels x height x width. */
typedef struct map_shape {
    int64_t channels, height, width;
} map_shape;

/* Asks for the 4x4 pixels from (row, column) on. A tile's between two of the 36 matrix products
 * hides how slow memory is. */
static inline __attribute__((always_inline)) void
prefetch_pixels(const float *map, map_shape s, int64_t row, int64_t column, bool to_write) {
    int64_t rows = s.height - row < 4 ? s.height - row : 4;
    for (int64_t c = 0; c < s.channels; c += LANES) {
        const float *corner = map + (c * s.height + row * LANES) * s.width + column * LANES;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < 4 * LANES; j += 16) {
                const float *line = corner + i * s.width * LANES + j;
                if (to_write) {
                    __builtin_prefetch(line, 1, 2);
                } else {
                    __builtin_prefetch(line, 0, 2);
                }
            }
        }
    }
}

static inline __attribute__((always_inline)) void
apply_tiles(float *out, const float *in, const void *u, const float *bias, const float *relu,
            const cw_winograd *g, float *scratch) {
    map_shape input = {g->in_c, g->in_h, g->in_w};
    map_shape output = {g->out_c, g->out_h, g->out_w};
    int64_t shift = 2 - g->padding; /* from a tile's first output to the middle of its inputs */
    int64_t v_step = CW_STRIP * g->in_c + LANES * PAIR;
    int64_t m_step = CW_STRIP * g->out_c + LANES;
    int64_t u_step = g->in_c * LANES;
    factor *v = (factor *)scratch;
    float *m = scratch + 36 * v_step / PAIR;
    for (int64_t first = 0; first < g->tiles_h * g->tiles_w; first += CW_STRIP) {
        int64_t count = strip_tiles(g, first);
        int64_t next = strip_tiles(g, first + count);
        tile_place at = first_tile(g, first);
        tile_place soon = first_tile(g, first + count);
        load_strip(v, v_step, BY_CHANNEL, in, g, first, count);
        for (int k = 0; k < 36; k++) {
            if (k < count) {
                prefetch_pixels(out, output, at.row, at.column, true);
                if (relu != NULL) prefetch_pixels(relu, output, at.row, at.column, false);
                next_tile(g, &at);
            }
            if (k < next) {
                prefetch_pixels(in, input, soon.row + shift, soon.column + shift, false);
                next_tile(g, &soon);
            }
            const factor *vk = v + k * v_step;
            const factor *uk = (const factor *)u + k * g->out_c * g->in_c;
            for (int64_t t = 0; t < count; t += TILE_ROWS) {
                for (int64_t f = 0; f < g->out_c; f += 2 * LANES) {
                    float *to = m + k * m_step + t * g->out_c + f;
                    const factor *from = uk + f * g->in_c;
                    if (g->out_c - f > LANES) {
                        multiply_tiles(to, g->out_c, vk + t * g->in_c, g->in_c, from, u_step, 2);
                    } else {
                        multiply_tiles(to, g->out_c, vk + t * g->in_c, g->in_c, from, u_step, 1);
                    }
                }
            }
        }
        store_strip(out, m, m_step, bias, relu, g, first, count);
    }
}

/* Channels of the usual nets, known to the compiler: addresses without arithmetic. */
static cw_winograd known_channels(const cw_winograd *g) {
    cw_winograd known = *g;
    known.in_c = 32;
    known.out_c = 32;
    return known;
}

static bool are_known(const cw_winograd *g) {
    return g->in_c == 32 && g->out_c == 32;
}

static void winograd_apply(float *out, const float *in, const void *u, const float *bias,
                           const float *relu, const cw_winograd *g, float *scratch) {
    if (are_known(g)) {
        cw_winograd known = known_channels(g);
        apply_tiles(out, in, u, bias, relu, &known, scratch);
    } else {
        apply_tiles(out, in, u, bias, relu, g, scratch);
    }
}

static inline __attribute__((always_inline)) void
add_tiles_gradient(float *du, float *dbias, const float *x, const float *dy, const cw_winograd *g,
                   float *scratch) {
    map_shape input = {g->in_c, g->in_h, g->in_w};
    map_shape output = {g->out_c, g->out_h, g->out_w};
    int64_t v_step = CW_STRIP * g->in_c + LANES * PAIR;
    int64_t d_step = CW_STRIP * g->out_c + LANES * PAIR;
    int64_t du_step = g->in_c * LANES;
    factor *v = (factor *)scratch;
    factor *d = v + 36 * v_step;
    for (int64_t first = 0; first < g->tiles_h * g->tiles_w; first += CW_STRIP) {
        int64_t count = strip_tiles(g, first);
        int64_t next = strip_tiles(g, first + count);
        tile_place soon = first_tile(g, first + count);
        load_strip(v, v_step, BY_TILE, x, g, first, count);
        load_gradient_strip(d, d_step, dbias, dy, g, first, count);
        for (int k = 0; k < 36; k++) {
            if (k < next) {
                prefetch_pixels(x, input, soon.row + 2, soon.column + 2, false);
                prefetch_pixels(dy, output, soon.row, soon.column, false);
                next_tile(g, &soon);
            }
            for (int64_t f = 0; f < g->out_c; f += 2 * LANES) {
                for (int64_t c = 0; c < g->in_c; c += CHANNEL_ROWS) {
                    float *to = du + k * g->out_c * g->in_c + f * g->in_c + c * LANES;
                    const factor *vk = v + k * v_step + c * PAIR;
                    const factor *dk = d + k * d_step + f * PAIR;
                    if (g->out_c - f > LANES) {
                        add_outer_products(to, du_step, vk, g->in_c, dk, g->out_c, count, 2);
                    } else {
                        add_outer_products(to, du_step, vk, g->in_c, dk, g->out_c, count, 1);
                    }
                }
            }
        }
    }
}

static void winograd_gradient(float *du, float *dbias, const float *x, const float *dy,
                              const cw_winograd *g, float *scratch) {
    if (are_known(g)) {
        cw_winograd known = known_channels(g);
        add_tiles_gradient(du, dbias, x, dy, &known, scratch);
    } else {
        add_tiles_gradient(du, dbias, x, dy, g, scratch);
    }
}

typedef double wide __attribute__((vector_size(LANES * 8)));

static const double over_zero = 1 / ((double)PP * QQ);
static const double over_p = 1 / (2 * (double)PP * (PP - QQ));
static const double over_q = 1 / (2 * (double)QQ * (QQ - PP));

/* out = G g */
static inline void weight_line(wide out[6], const wide g[3]) {
    wide even_p = (g[0] + PP * g[2]) * over_p;
    wide odd_p = g[1] * (P * over_p);
    wide even_q = (g[0] + QQ * g[2]) * over_q;
    wide odd_q = g[1] * (Q * over_q);
    out[0] = g[0] * over_zero;
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = g[2];
}

/* out = G' u */
static inline void weight_gradient_line(wide out[3], const wide u[6]) {
    wide even_p = (u[1] + u[2]) * over_p;
    wide odd_p = (u[1] - u[2]) * (P * over_p);
    wide even_q = (u[3] + u[4]) * over_q;
    wide odd_q = (u[3] - u[4]) * (Q * over_q);
    out[0] = u[0] * over_zero + even_p + even_q;
    out[1] = odd_p + odd_q;
    out[2] = PP * even_p + QQ * even_q + u[5];
}

/* LANES factors for input channel c, PAIR channels side by side. */
static inline __attribute__((always_inline)) void put_weights(factor *u, int64_t c, vec value) {
    factor whole[LANES];
    put_factors(whole, value, BY_CHANNEL, false);
    factor *to = u + c / PAIR * LANES * PAIR + c % PAIR;
    for (int lane = 0; lane < LANES; lane++) to[(ptrdiff_t)lane * PAIR] = whole[lane];
}

static void winograd_pack(void *u, const float *weight, const cw_winograd *g, bool backward,
                          int64_t begin, int64_t end) {
    int64_t in_step = backward ? g->out_c * 9 : 9;
    int64_t out_step = backward ? 9 : g->in_c * 9;
    for (int64_t c = begin; c < end; c++) {
        for (int64_t f = 0; f < g->out_c; f += LANES) {
            wide w[3][3];
            wide half[3][6];
            for (int k = 0; k < 9; k++) {
                int tap = backward ? 8 - k : k;
                for (int lane = 0; lane < LANES; lane++) {
                    w[k / 3][k % 3][lane] = weight[c * in_step + (f + lane) * out_step + tap];
                }
            }
            for (int i = 0; i < 3; i++) weight_line(half[i], w[i]);
            for (int j = 0; j < 6; j++) {
                wide column[3] = {half[0][j], half[1][j], half[2][j]};
                wide out[6];
                weight_line(out, column);
                for (int i = 0; i < 6; i++) {
                    factor *to = (factor *)u + (i * 6 + j) * g->in_c * g->out_c + f * g->in_c;
                    put_weights(to, c, __builtin_convertvector(out[i], vec));
                }
            }
        }
    }
}

static void winograd_collect(float *dweight, const float *sums, size_t set, int sets,
                             const cw_winograd *g, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
        for (int64_t f = 0; f < g->out_c; f += LANES) {
            wide half[3][6];
            for (int j = 0; j < 6; j++) {
                wide column[6];
                wide out[3];
                for (int i = 0; i < 6; i++) {
                    const float *from =
                        sums + (i * 6 + j) * g->in_c * g->out_c + f * g->in_c + c * LANES;
                    column[i] = (wide){0};
                    for (int n = 0; n < sets; n++) {
                        column[i] += __builtin_convertvector(
                            *(const memory_vec *)(from + (size_t)n * set), wide);
                    }
                }
                weight_gradient_line(out, column);
                for (int i = 0; i < 3; i++) half[i][j] = out[i];
            }
            for (int i = 0; i < 3; i++) {
                wide out[3];
                weight_gradient_line(out, half[i]);
                for (int j = 0; j < 3; j++) {
                    for (int lane = 0; lane < LANES; lane++) {
                        dweight[((f + lane) * g->in_c + c) * 9 + i * 3 + j] = (float)out[j][lane];
                    }
                }
            }
        }
    }
}

#undef P
#undef Q
#undef PP
#undef QQ
#undef PPP
#undef QQQ
