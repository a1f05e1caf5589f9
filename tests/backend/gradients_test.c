/* Every gradient of the reference in f64 against difference quotients of its own forward pass.
 * The scalar that is differentiated is the sum of c[i] * output[i] with random c = dy. */
#include "backend/support.h"
#include "finite_difference.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static cw_backend *be;

static int set_up(void **state) {
    (void)state;
    return cw_backend_ref_create(&be, CW_F64) != CW_OK;
}

static int tear_down(void **state) {
    (void)state;
    cw_backend_destroy(be);
    return 0;
}

/* Operands of one op; which are used depends on it. */
typedef struct op_run {
    cw_tensor y, x, w, b, stats, c;
    bool flag[2];
    double eps;
} op_run;

static double weighted(const cw_tensor *y, const cw_tensor *c) {
    double sum = 0;
    for (int64_t i = 0; i < cw_tensor_count(y); i++) {
        sum += cw_tensor_get(y, i) * cw_tensor_get(c, i);
    }
    return sum;
}

static void assert_gradient(fd_function f, op_run *run, const cw_tensor *x, const cw_tensor *dx,
                            const char *what) {
    double worst = fd_worst(f, run, x->data, dx->data, cw_tensor_count(x), what);
    assert_true(worst < FD_TOLERANCE);
    check_guards();
}

static double linear_value(void *context) {
    op_run *r = context;
    assert_int_equal(be->ops->linear_forward(be, &r->y, &r->x, &r->w, &r->b, r->flag[0]), CW_OK);
    return weighted(&r->y, &r->c);
}

static void test_linear(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1}, {3, 7, 5}, {4, 1, 6}, {5, 9, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint64_t seed = 41 + i;
        int64_t batch = shapes[i][0], m = shapes[i][1], n = shapes[i][2];
        for (int relu = 0; relu < 2; relu++) {
            op_run r = {.flag = {relu}};
            r.x = new_2d(CW_F64, batch, m, &seed);
            r.w = new_2d(CW_F64, n, m, &seed);
            r.b = new_1d(CW_F64, n, &seed);
            r.c = new_2d(CW_F64, batch, n, &seed);
            r.y = new_2d(CW_F64, batch, n, NULL);
            linear_value(&r);
            cw_tensor dy = converted(&r.c, CW_F64);
            cw_tensor dx = new_2d(CW_F64, batch, m, NULL);
            cw_tensor dw = new_2d(CW_F64, n, m, NULL);
            cw_tensor db = new_1d(CW_F64, n, NULL);
            if (relu) assert_int_equal(be->ops->relu_backward(be, &dy, &r.y), CW_OK);
            assert_int_equal(be->ops->linear_backward_data(be, &dx, &dy, &r.w), CW_OK);
            assert_int_equal(be->ops->linear_backward_weights(be, &dw, &db, &dy, &r.x), CW_OK);
            assert_gradient(linear_value, &r, &r.x, &dx, relu ? "linear+relu dx" : "linear dx");
            assert_gradient(linear_value, &r, &r.w, &dw, relu ? "linear+relu dw" : "linear dw");
            assert_gradient(linear_value, &r, &r.b, &db, relu ? "linear+relu db" : "linear db");
            test_release();
        }
    }
}

static double matmul_value(void *context) {
    op_run *r = context;
    assert_int_equal(be->ops->matmul(be, &r->y, &r->x, r->flag[0], &r->w, r->flag[1]), CW_OK);
    return weighted(&r->y, &r->c);
}

/* matmul against its own gradients in all four transpositions: with C = op(A) op(B),
 * d op(A) = dC op(B)' and d op(B) = op(A)' dC. */
static void test_matmul(void **state) {
    (void)state;
    enum { M = 3, N = 4, K = 5 };
    for (int flags = 0; flags < 4; flags++) {
        uint64_t seed = 60 + (uint64_t)flags;
        bool ta = flags & 1, tb = flags & 2;
        op_run r = {.flag = {ta, tb}};
        r.x = new_2d(CW_F64, ta ? K : M, ta ? M : K, &seed);
        r.w = new_2d(CW_F64, tb ? N : K, tb ? K : N, &seed);
        r.c = new_2d(CW_F64, M, N, &seed);
        r.y = new_2d(CW_F64, M, N, NULL);
        cw_tensor da = converted(&r.x, CW_F64);
        cw_tensor db = converted(&r.w, CW_F64);
        const cw_ops *ops = be->ops;
        if (ta) {
            assert_int_equal(ops->matmul(be, &da, &r.w, tb, &r.c, true), CW_OK);
        } else {
            assert_int_equal(ops->matmul(be, &da, &r.c, false, &r.w, !tb), CW_OK);
        }
        if (tb) {
            assert_int_equal(ops->matmul(be, &db, &r.c, true, &r.x, ta), CW_OK);
        } else {
            assert_int_equal(ops->matmul(be, &db, &r.x, !ta, &r.c, false), CW_OK);
        }
        assert_gradient(matmul_value, &r, &r.x, &da, "matmul a");
        assert_gradient(matmul_value, &r, &r.w, &db, "matmul b");
        test_release();
    }
}

static double tanh_value(void *context) {
    op_run *r = context;
    assert_int_equal(be->ops->tanh_forward(be, &r->y, &r->x), CW_OK);
    return weighted(&r->y, &r->c);
}

static void test_tanh(void **state) {
    (void)state;
    uint64_t seed = 70;
    op_run r = {.x = new_2d(CW_F64, 3, 5, &seed), .c = new_2d(CW_F64, 3, 5, &seed)};
    r.y = new_2d(CW_F64, 3, 5, NULL);
    tanh_value(&r);
    cw_tensor dx = new_2d(CW_F64, 3, 5, NULL);
    assert_int_equal(be->ops->tanh_backward(be, &dx, &r.c, &r.y), CW_OK);
    assert_gradient(tanh_value, &r, &r.x, &dx, "tanh dx");
    test_release();
}

static double layernorm_value(void *context) {
    op_run *r = context;
    assert_int_equal(be->ops->layernorm_forward(be, &r->y, &r->stats, &r->x, &r->w, &r->b, r->eps),
                     CW_OK);
    return weighted(&r->y, &r->c);
}

static void test_layernorm(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 2}, {4, 50}, {3, 7}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint64_t seed = 80 + i;
        int64_t batch = shapes[i][0], d = shapes[i][1];
        op_run r = {.eps = 1e-2};
        r.x = new_2d(CW_F64, batch, d, &seed);
        r.c = new_2d(CW_F64, batch, d, &seed);
        r.y = new_2d(CW_F64, batch, d, NULL);
        r.w = new_1d(CW_F64, d, &seed);
        r.b = new_1d(CW_F64, d, &seed);
        r.stats = new_2d(CW_F64, batch, 2, NULL);
        layernorm_value(&r);
        cw_tensor dx = new_2d(CW_F64, batch, d, NULL);
        cw_tensor dgamma = new_1d(CW_F64, d, NULL);
        cw_tensor dbeta = new_1d(CW_F64, d, NULL);
        assert_int_equal(
            be->ops->layernorm_backward(be, &dx, &dgamma, &dbeta, &r.c, &r.x, &r.stats, &r.w),
            CW_OK);
        assert_gradient(layernorm_value, &r, &r.x, &dx, "layernorm dx");
        assert_gradient(layernorm_value, &r, &r.w, &dgamma, "layernorm dgamma");
        assert_gradient(layernorm_value, &r, &r.b, &dbeta, "layernorm dbeta");
        test_release();
    }
}

static double l2norm_value(void *context) {
    op_run *r = context;
    assert_int_equal(be->ops->l2norm_forward(be, &r->y, &r->stats, &r->x, r->eps), CW_OK);
    return weighted(&r->y, &r->c);
}

/* The second eps is above every row's length: there y = x / eps. */
static void test_l2norm(void **state) {
    (void)state;
    static const double eps[] = {1e-12, 10};
    for (size_t i = 0; i < 2; i++) {
        uint64_t seed = 90 + i;
        op_run r = {.eps = eps[i]};
        r.x = new_2d(CW_F64, 3, 6, &seed);
        r.c = new_2d(CW_F64, 3, 6, &seed);
        r.y = new_2d(CW_F64, 3, 6, NULL);
        r.stats = new_1d(CW_F64, 3, NULL);
        l2norm_value(&r);
        cw_tensor dx = new_2d(CW_F64, 3, 6, NULL);
        assert_int_equal(be->ops->l2norm_backward(be, &dx, &r.c, &r.y, &r.stats, r.eps), CW_OK);
        assert_gradient(l2norm_value, &r, &r.x, &dx, "l2norm dx");
        test_release();
    }
}

static double xent_value(void *context) {
    op_run *r = context;
    cw_xent_stats stats;
    assert_int_equal(be->ops->softmax_xent(be, &stats, NULL, &r->x), CW_OK);
    return stats.loss;
}

static void test_softmax_xent(void **state) {
    (void)state;
    for (int64_t n = 1; n <= 7; n += 3) {
        uint64_t seed = 95;
        op_run r = {.x = new_2d(CW_F64, n, n, &seed)};
        cw_tensor dlogits = new_2d(CW_F64, n, n, NULL);
        cw_xent_stats stats;
        assert_int_equal(be->ops->softmax_xent(be, &stats, &dlogits, &r.x), CW_OK);
        assert_gradient(xent_value, &r, &r.x, &dlogits, "softmax_xent dlogits");
        test_release();
    }
}

/* {B, C, H, W, L, F, stride, train}, stack, extra pixels. */
static const conv_case cases[] = {
    {"smallest", {1, 1, 3, 3, 1, 1, 1, true}, 1, 0, 0},
    {"one layer, stride 2", {2, 3, 8, 7, 1, 2, 2, true}, 3, 1, 0},
    {"one layer, stride 3", {2, 2, 10, 13, 1, 3, 3, true}, 1, 0, 2},
    {"two layers, one filter", {2, 4, 7, 9, 2, 1, 1, true}, 2, 1, 1},
    {"three layers", {1, 5, 13, 11, 3, 3, 2, true}, 5, 0, 0},
    {"four layers", {2, 3, 20, 19, 4, 4, 2, true}, 1, 3, 3},
    {"five layers, stride 3", {1, 1, 35, 33, 5, 2, 3, true}, 1, 0, 0},
};

static double conv_value(const conv_case *c, const conv_data *data) {
    conv_case forward = *c;
    forward.desc.train = false;
    conv_result result = conv_run(be, &forward, data);
    return weighted(&result.features, &data->dfeatures);
}

/* The first of seed, seed + 100, ... with which some feature is not 0. */
static uint64_t lively_seed(const conv_case *c, uint64_t seed) {
    for (;; seed += 100) {
        conv_data data = conv_data_new(c, CONV_REAL, seed);
        conv_result run = conv_run(be, c, &data);
        double most = largest(&run.features);
        test_release();
        if (most > 0) return seed;
    }
}

/* As a function of one weight the features are linear between kinks of the ReLUs, so a difference
 * quotient has no truncation error: what is left is the rounding of two values of size `size`,
 * summed over n terms, divided by h. Where the quotients to the left and right differ, a kink
 * lies between and says nothing; with h = 1e-6 that is rare. */
static void test_convnet_params(void **state) {
    (void)state;
    const double h = 1e-6;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const conv_case *c = &cases[i];
        uint64_t seed = lively_seed(c, 200 + i);
        conv_data data = conv_data_new(c, CONV_REAL, seed);
        conv_result run = conv_run(be, c, &data);
        int64_t n = cw_tensor_count(&run.features);
        double size = largest(&run.features) * sqrt((double)n);
        double tolerance = 64 * ldexp(1, -53) * size / h;
        int64_t count = cw_tensor_count(&data.params);
        double *p = data.params.data;
        double *kept = malloc((size_t)count * sizeof *kept);
        assert_non_null(kept);
        for (int64_t k = 0; k < count; k++) kept[k] = cw_tensor_get(&run.dparams, k);
        test_release();
        data = conv_data_new(c, CONV_REAL, seed);
        p = data.params.data;
        double worst = 0;
        int64_t kinks = 0;
        for (int64_t k = 0; k < count; k++) {
            double old = p[k];
            double middle = conv_value(c, &data);
            p[k] = old + h;
            double high = conv_value(c, &data);
            p[k] = old - h;
            double low = conv_value(c, &data);
            p[k] = old;
            if (fabs((high - middle) - (middle - low)) > tolerance * h) {
                kinks++;
            } else {
                worst = fmax(worst, fabs((high - low) / (2 * h) - kept[k]));
            }
            test_release();
            data = conv_data_new(c, CONV_REAL, seed);
            p = data.params.data;
        }
        printf("  %-24s %4ld params, %ld at kinks, worst error %.1e (tolerance %.1e)\n", c->name,
               (long)count, (long)kinks, worst, tolerance);
        free(kept);
        assert_true(size > 0 && worst <= tolerance && kinks * 20 <= count);
        test_release();
    }
}

/* The gradient to raw pixels. Every filter is always on or always off here, so that a whole step
 * of a pixel crosses no kink and the quotient is exact but for rounding. */
static void test_convnet_pixels(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const conv_case *c = &cases[i];
        const cw_convnet_desc *d = &c->desc;
        double worst = 0, tolerance = 1;
        int64_t count = d->batch * d->channels * d->height * d->width;
        for (int64_t k = 0; k<count; k += count> 300 ? 7 : 1) {
            conv_data data = conv_data_new(c, CONV_NO_KINK, 300 + i);
            conv_result run = conv_run(be, c, &data);
            double size = largest(&run.features) * sqrt((double)cw_tensor_count(&run.features));
            tolerance = 64 * ldexp(1, -53) * size;
            int64_t w = k % d->width, row = k / d->width % d->height;
            int64_t channel = k / d->width / d->height % d->channels;
            int64_t b = k / d->width / d->height / d->channels;
            const cw_image_batch *im = &data.images;
            size_t frame = (size_t)(b * c->stack + channel / im->frame_channels);
            size_t plane =
                frame * (size_t)im->frame_channels + (size_t)(channel % im->frame_channels);
            size_t at = (plane * (size_t)im->frame_height + (size_t)(row + im->offset_y[b])) *
                            (size_t)im->frame_width +
                        (size_t)(w + im->offset_x[b]);
            double step = data.frames[at] < 255 ? 1 : -1;
            double before = conv_value(c, &data);
            data.frames[at] = (uint8_t)(data.frames[at] + step);
            double after = conv_value(c, &data);
            double gradient = cw_tensor_get(&run.dinput, k);
            worst = fmax(worst, fabs((after - before) / step - gradient));
            test_release();
        }
        printf("  %-24s %4ld pixels, worst error %.1e (tolerance %.1e)\n", c->name, (long)count,
               worst, tolerance);
        assert_true(worst <= tolerance);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),         cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_tanh),           cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_l2norm),         cmocka_unit_test(test_softmax_xent),
        cmocka_unit_test(test_convnet_params), cmocka_unit_test(test_convnet_pixels),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
