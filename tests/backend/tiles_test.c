/* Convolutions by Winograd's tiles, for every instruction set that this machine runs, against plain
 * sums in double.
 *
 * Tolerance: six standard deviations of what rounding does. Take every rounding as an independent
 * error, uniform in half a unit of what is rounded, variance u^2/3 of its square (u = 2^-24). What
 * passes through a transform or a sum is bounded by the squares of its terms, and squares go
 * through the transforms' matrices squared element by element:
 *   input transform   2 x 3 roundings of B2 x^2 B2'
 *   weights           1 (they are transformed in double)
 *   sum over n terms  n/2 of the sum of squares (partial sums grow towards it)
 *   output transform  2 x 4
 * together 15 + n/2 times the output transform of the sum of squares. Where the factors are rounded
 * to bf16, each product has two more, with u = 2^-8. */
#include "backend/support.h"
#include "backend/tables.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double points[5] = {0, 0.625, -0.625, 1.5, -1.5};

/* Matrices of F(4, 3) at the points and infinity, row-major; from the definition, not from the
 * kernels' sources. */
static double a_t[4][6], g_m[6][3], b_t[6][6];

/* b_t row: coefficients of prod (x - point) over the points except `without`. */
static void polynomial(double row[6], int without) {
    double p[7] = {1};
    int degree = 0;
    for (int l = 0; l < 5; l++) {
        if (l == without) continue;
        for (int i = ++degree; i >= 0; i--) p[i] = (i > 0 ? p[i - 1] : 0) - points[l] * p[i];
    }
    for (int i = 0; i < 6; i++) row[i] = p[i];
}

static int set_up(void **state) {
    (void)state;
    for (int j = 0; j < 5; j++) {
        double n = 1;
        for (int l = 0; l < 5; l++) n *= l == j ? 1 : points[j] - points[l];
        for (int i = 0; i < 4; i++) a_t[i][j] = pow(points[j], i);
        for (int i = 0; i < 3; i++) g_m[j][i] = pow(points[j], i) / n;
        polynomial(b_t[j], j);
    }
    a_t[3][5] = 1;
    g_m[5][2] = 1;
    polynomial(b_t[5], -1);
    return 0;
}

/* out (rows, rows) = m in m', m (rows, columns); with `square` by the elements' squares. */
static void both_sides(double *out, const double *m, const double *in, int rows, int columns,
                       bool transposed, bool square) {
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < rows; j++) {
            double sum = 0;
            for (int k = 0; k < columns; k++) {
                for (int l = 0; l < columns; l++) {
                    double p = transposed ? m[k * rows + i] : m[i * columns + k];
                    double q = transposed ? m[l * rows + j] : m[j * columns + l];
                    double value = square ? p * p * q * q : p * q;
                    sum += value * in[k * columns + l];
                }
            }
            out[i * rows + j] = sum;
        }
    }
}

/* One convolution of a minibatch: maps in f32 with channels in blocks of `lanes`. */
typedef struct tiles_case {
    const cw_kernels *k;
    int64_t batch;
    cw_winograd g;
    cw_tensor in, out, weight, bias, relu;
} tiles_case;

static double pixel(const tiles_case *c, const cw_tensor *map, int64_t channels, int64_t height,
                    int64_t width, int64_t n, int64_t channel, int64_t i, int64_t j) {
    int64_t lanes = c->k->lanes;
    if (i < 0 || j < 0 || i >= height || j >= width) return 0;
    return cw_tensor_get(
        map, (((n * channels / lanes + channel / lanes) * height + i) * width + j) * lanes +
                 channel % lanes);
}

static double input(const tiles_case *c, int64_t n, int64_t channel, int64_t i, int64_t j) {
    const cw_winograd *g = &c->g;
    return pixel(c, &c->in, g->in_c, g->in_h, g->in_w, n, channel, i - g->padding, j - g->padding);
}

/* Weight from input channel c to output channel f of the product that runs. */
static double weight(const tiles_case *t, int64_t f, int64_t c, int tap) {
    bool back = t->g.padding > 0;
    int64_t at = back ? (c * t->g.out_c + f) * 9 + 8 - tap : (f * t->g.in_c + c) * 9 + tap;
    return cw_tensor_get(&t->weight, at);
}

static tiles_case make_case(const cw_kernels *k, int64_t batch, int64_t in_c, int64_t out_c,
                            int64_t out_h, int64_t out_w, bool back, uint64_t *seed) {
    tiles_case c = {.k = k, .batch = batch};
    c.g = (cw_winograd){.in_c = in_c, .out_c = out_c};
    c.g.out_h = out_h;
    c.g.out_w = out_w;
    c.g.padding = back ? 2 : 0;
    c.g.in_h = out_h + (back ? -2 : 2);
    c.g.in_w = out_w + (back ? -2 : 2);
    c.g.tiles_h = (out_h + 3) / 4;
    c.g.tiles_w = (out_w + 3) / 4;
    c.in = new_1d(CW_F32, batch * in_c * c.g.in_h * c.g.in_w, seed);
    c.out = new_1d(CW_F32, batch * out_c * out_h * out_w, seed);
    c.relu = new_1d(CW_F32, batch * out_c * out_h * out_w, seed);
    c.weight = new_1d(CW_F32, in_c * out_c * 9, seed);
    c.bias = new_1d(CW_F32, out_c, seed);
    return c;
}

/* `out_bytes`: of an element of the second set of places, sums (f32) or factors. */
static float *strip_scratch(const tiles_case *c, size_t out_bytes) {
    size_t bytes = 36 * ((size_t)(CW_STRIP * c->g.in_c) * c->k->factor_bytes +
                         (size_t)(CW_STRIP * c->g.out_c) * out_bytes +
                         2 * sizeof(float) * (size_t)c->k->lanes);
    assert_true(bytes <= cw_winograd_scratch(&c->g) * sizeof(float));
    return guarded(bytes);
}

/* Six deviations, where a sum of squares suffers that many roundings in f32. */
static double tolerance(const cw_kernels *k, double roundings, double squares) {
    double variance = roundings * ldexp(1, -48);
    if (k->factor_bytes == 2) variance += 2 * ldexp(1, -16);
    return 6 * sqrt(variance / 3 * squares);
}

/* A sample of a map, one with `each` elements. */
static float *sample_of(const cw_tensor *map, int64_t each, int64_t n) {
    return (float *)map->data + n * each;
}

static int64_t inputs(const cw_winograd *g) {
    return g->in_c * g->in_h * g->in_w;
}

static int64_t outputs(const cw_winograd *g) {
    return g->out_c * g->out_h * g->out_w;
}

/* squares[c * 36 + place]: B2 x^2 B2' of a tile. */
static void input_squares(double *squares, const tiles_case *c, int64_t n, int64_t row,
                          int64_t column) {
    for (int64_t ch = 0; ch < c->g.in_c; ch++) {
        double x[36];
        for (int i = 0; i < 36; i++) {
            double value = input(c, n, ch, row + i / 6, column + i % 6);
            x[i] = value * value;
        }
        both_sides(squares + ch * 36, &b_t[0][0], x, 6, 6, false, true);
    }
}

/* weights[(f * in_c + c) * 36 + place]: squares of G g G'. */
static double *weight_squares(const tiles_case *c) {
    const cw_winograd *g = &c->g;
    double *squares = guarded((size_t)(g->in_c * g->out_c * 36) * sizeof *squares);
    for (int64_t i = 0; i < g->in_c * g->out_c; i++) {
        double taps[9];
        for (int k = 0; k < 9; k++) taps[k] = weight(c, i / g->in_c, i % g->in_c, k);
        both_sides(squares + i * 36, &g_m[0][0], taps, 6, 3, false, false);
        for (int k = 0; k < 36; k++) squares[i * 36 + k] *= squares[i * 36 + k];
    }
    return squares;
}

static double direct(const tiles_case *c, int64_t n, int64_t f, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t ch = 0; ch < c->g.in_c; ch++) {
        for (int k = 0; k < 9; k++) {
            sum += input(c, n, ch, i + k / 3, j + k % 3) * weight(c, f, ch, k);
        }
    }
    return sum;
}

/* Largest share of the tolerance that an output uses. */
static double judge_outputs(const tiles_case *c) {
    const cw_winograd *g = &c->g;
    double *w2 = weight_squares(c);
    double *x2 = guarded((size_t)(g->in_c * 36) * sizeof *x2);
    double roundings = 15 + 0.5 * (double)g->in_c;
    double worst = 0;
    for (int64_t t = 0; t < c->batch * g->tiles_h * g->tiles_w; t++) {
        int64_t n = t / (g->tiles_h * g->tiles_w);
        int64_t row = t / g->tiles_w % g->tiles_h * 4;
        int64_t column = t % g->tiles_w * 4;
        input_squares(x2, c, n, row, column);
        for (int64_t f = 0; f < g->out_c; f++) {
            double sums[36] = {0};
            double squares[16];
            for (int64_t ch = 0; ch < g->in_c; ch++) {
                for (int k = 0; k < 36; k++) {
                    sums[k] += w2[(f * g->in_c + ch) * 36 + k] * x2[ch * 36 + k];
                }
            }
            both_sides(squares, &a_t[0][0], sums, 4, 6, false, true);
            for (int p = 0; p < 16; p++) {
                int64_t i = row + p / 4;
                int64_t j = column + p % 4;
                if (i >= g->out_h || j >= g->out_w) continue;
                double want = direct(c, n, f, i, j);
                if (g->padding == 0) {
                    want = fmax(0, want + cw_tensor_get(&c->bias, f));
                } else if (pixel(c, &c->relu, g->out_c, g->out_h, g->out_w, n, f, i, j) <= 0) {
                    want = 0;
                }
                double got = pixel(c, &c->out, g->out_c, g->out_h, g->out_w, n, f, i, j);
                double error = fabs(got - want);
                double allowed = tolerance(c->k, roundings, squares[p]);
                if (!(error / allowed <= worst)) worst = error / allowed;
            }
        }
    }
    return worst;
}

static void run_outputs(tiles_case *c) {
    const cw_winograd *g = &c->g;
    bool back = g->padding > 0;
    void *u = guarded((size_t)(36 * g->in_c * g->out_c) * c->k->factor_bytes);
    float *scratch = strip_scratch(c, sizeof(float));
    c->k->winograd_pack(u, c->weight.data, g, back, 0, g->in_c / 2);
    c->k->winograd_pack(u, c->weight.data, g, back, g->in_c / 2, g->in_c);
    for (int64_t n = 0; n < c->batch; n++) {
        c->k->winograd_apply(sample_of(&c->out, outputs(g), n), sample_of(&c->in, inputs(g), n), u,
                             back ? NULL : c->bias.data,
                             back ? sample_of(&c->relu, outputs(g), n) : NULL, g, scratch);
    }
}

/* {batch, channels in and out in blocks of the instruction set, output height and width}. 32
 * channels, which have code of their own, come with each; so do maps of more than one strip. */
static const int64_t shapes[][5] = {{1, 1, 1, 3, 3},   {1, 2, 2, 4, 4}, {2, 1, 3, 5, 7},
                                    {3, 2, 1, 9, 6},   {1, 4, 4, 6, 5}, {2, 2, 4, 12, 3},
                                    {1, 3, 3, 11, 13}, {1, 8, 8, 5, 6}, {2, 2, 1, 21, 27}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void test_outputs(void **state) {
    (void)state;
    const cw_kernels *all[MOST_TABLES];
    int n = all_tables(all);
    for (int i = 0; i < n * N_SHAPES * 2; i++) {
        const cw_kernels *k = all[i / (2 * N_SHAPES)];
        const int64_t *s = shapes[i / 2 % N_SHAPES];
        uint64_t seed = 40 + (uint64_t)i;
        tiles_case c =
            make_case(k, s[0], s[1] * k->lanes, s[2] * k->lanes, s[3], s[4], i % 2 == 1, &seed);
        run_outputs(&c);
        double used = judge_outputs(&c);
        printf("%-11s %-13s %ldx%ldx%ldx%ld from %ld: %.2f of the tolerance\n", k->isa,
               i % 2 == 1 ? "backward data" : "forward", (long)s[0], (long)c.g.out_c, (long)s[3],
               (long)s[4], (long)c.g.in_c, used);
        assert_true(used <= 1);
        test_release();
    }
}

/* squares[(channel) * 36 + place] summed products over all tiles are the gradient's. */
static double judge_gradient(const tiles_case *c, const cw_tensor *got) {
    const cw_winograd *g = &c->g;
    int64_t tiles = c->batch * g->tiles_h * g->tiles_w;
    double roundings = 15 + 0.5 * (double)tiles;
    double *x2 = guarded((size_t)(g->in_c * 36) * sizeof *x2);
    double *sums = guarded((size_t)(g->in_c * g->out_c * 36) * sizeof *sums);
    memset(sums, 0, (size_t)(g->in_c * g->out_c * 36) * sizeof *sums);
    for (int64_t t = 0; t < tiles; t++) {
        int64_t n = t / (g->tiles_h * g->tiles_w);
        int64_t row = t / g->tiles_w % g->tiles_h * 4;
        int64_t column = t % g->tiles_w * 4;
        input_squares(x2, c, n, row, column);
        for (int64_t f = 0; f < g->out_c; f++) {
            double dy[16], d2[36];
            for (int p = 0; p < 16; p++) {
                double value = pixel(c, &c->relu, g->out_c, g->out_h, g->out_w, n, f, row + p / 4,
                                     column + p % 4);
                dy[p] = value * value;
            }
            both_sides(d2, &a_t[0][0], dy, 6, 4, true, true);
            for (int64_t ch = 0; ch < g->in_c; ch++) {
                for (int k = 0; k < 36; k++) {
                    sums[(f * g->in_c + ch) * 36 + k] += x2[ch * 36 + k] * d2[k];
                }
            }
        }
    }
    double worst = 0;
    for (int64_t i = 0; i < g->out_c * g->in_c; i++) {
        double squares[9];
        both_sides(squares, &g_m[0][0], sums + i * 36, 3, 6, true, true);
        for (int k = 0; k < 9; k++) {
            double want = 0;
            for (int64_t p = 0; p < c->batch * g->out_h * g->out_w; p++) {
                int64_t n = p / (g->out_h * g->out_w);
                int64_t y = p / g->out_w % g->out_h;
                int64_t x = p % g->out_w;
                want += input(c, n, i % g->in_c, y + k / 3, x + k % 3) *
                        pixel(c, &c->relu, g->out_c, g->out_h, g->out_w, n, i / g->in_c, y, x);
            }
            double error = fabs(cw_tensor_get(got, i * 9 + k) - want);
            double allowed = tolerance(c->k, roundings, squares[k]);
            if (!(error / allowed <= worst)) worst = error / allowed;
        }
    }
    return worst;
}

/* The bias gradient is a plain sum of n terms: six sigmas of n/2 roundings of n squares. */
static void check_bias(const tiles_case *c, const float *dbias) {
    const cw_winograd *g = &c->g;
    double n = (double)(c->batch * g->out_h * g->out_w);
    for (int64_t f = 0; f < g->out_c; f++) {
        double want = 0, squares = 0;
        for (int64_t p = 0; p < c->batch * g->out_h * g->out_w; p++) {
            double value =
                pixel(c, &c->relu, g->out_c, g->out_h, g->out_w, p / (g->out_h * g->out_w), f,
                      p / g->out_w % g->out_h, p % g->out_w);
            want += value;
            squares += value * value;
        }
        double allowed = 6 * ldexp(1, -24) * sqrt((n / 2 + 1) / 3 * squares);
        assert_true(fabs((double)dbias[f] - want) <= allowed);
    }
}

/* The gradient from two parts of the minibatch, as two threads make it. `relu` stands in for dy. */
static void test_gradient(void **state) {
    (void)state;
    const cw_kernels *all[MOST_TABLES];
    int n = all_tables(all);
    for (int i = 0; i < n * N_SHAPES; i++) {
        const cw_kernels *k = all[i / N_SHAPES];
        const int64_t *s = shapes[i % N_SHAPES];
        uint64_t seed = 90 + (uint64_t)i;
        tiles_case c =
            make_case(k, s[0], s[1] * k->lanes, s[2] * k->lanes, s[3], s[4], false, &seed);
        const cw_winograd *g = &c.g;
        size_t count = (size_t)(36 * g->in_c * g->out_c);
        float *sums = guarded(2 * count * sizeof *sums);
        float *dbias = guarded((size_t)g->out_c * sizeof *dbias);
        float *scratch = strip_scratch(&c, k->factor_bytes);
        cw_tensor dweight = new_1d(CW_F32, g->out_c * g->in_c * 9, NULL);
        memset(sums, 0, 2 * count * sizeof *sums);
        memset(dbias, 0, (size_t)g->out_c * sizeof *dbias);
        for (int64_t b = 0; b < c.batch; b++) {
            k->winograd_gradient(sums + (size_t)(b % 2) * count, dbias,
                                 sample_of(&c.in, inputs(g), b), sample_of(&c.relu, outputs(g), b),
                                 g, scratch);
        }
        k->winograd_collect(dweight.data, sums, count, 2, g, 0, g->in_c / 2);
        k->winograd_collect(dweight.data, sums, count, 2, g, g->in_c / 2, g->in_c);
        double used = judge_gradient(&c, &dweight);
        check_bias(&c, dbias);
        printf("%-11s weights %ldx%ldx%ldx%ld from %ld: %.2f of the tolerance\n", k->isa,
               (long)s[0], (long)g->out_c, (long)s[3], (long)s[4], (long)g->in_c, used);
        assert_true(used <= 1);
        test_release();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_outputs),
                                       cmocka_unit_test(test_gradient)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
