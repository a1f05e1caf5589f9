/* Matrix products, elementwise ops, rows and optimisers of the oneDNN backend against the
 * reference in f64, on values that both hold exactly. u below is 2^-24, half a unit in the last
 * place of f32. */
#include "backend/onednn/product.h"
#include "backend/support.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double u = 0x1p-24;
static cw_backend *reference, *onednn;
static const cw_ops *ref, *ops;

static int set_up(void **state) {
    (void)state;
    if (cw_backend_ref_create(&reference, CW_F64) != CW_OK) return 1;
    if (cw_backend_onednn_create(&onednn, 2) != CW_OK) return 1;
    ref = reference->ops;
    ops = onednn->ops;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    cw_backend_destroy(reference);
    cw_backend_destroy(onednn);
    return 0;
}

/* got (f32) against want (f64), each element within relative * scale. */
static void assert_close(const char *what, const cw_tensor *got, const cw_tensor *want,
                         const cw_tensor *scale, double relative) {
    int64_t i;
    double ratio = worst_ratio(got, want, scale, relative, &i);
    printf("  %-34s %.3f of tolerance (%.1e relative)\n", what, ratio, relative);
    if (!(ratio <= 1)) {
        fail_msg("%s[%ld] is %.9g, the reference says %.9g", what, (long)i, cw_tensor_get(got, i),
                 cw_tensor_get(want, i));
    }
    check_guards();
}

/* Integers -1, 0, 1 in place of the reals: products then add without rounding. */
static void make_integers(cw_tensor *t) {
    for (int64_t i = 0; i < cw_tensor_count(t); i++) {
        cw_tensor_set(t, i, round(cw_tensor_get(t, i) * 1.4));
    }
}

static void assert_exact(const char *what, const cw_tensor *got, const cw_tensor *want) {
    for (int64_t i = 0; i < cw_tensor_count(want); i++) {
        if (cw_tensor_get(got, i) != cw_tensor_get(want, i)) {
            fail_msg("%s[%ld] is %.9g, the reference says %.9g", what, (long)i,
                     cw_tensor_get(got, i), cw_tensor_get(want, i));
        }
    }
    check_guards();
}

static void *copy_of(const cw_tensor *t) {
    void *copy = guarded(cw_tensor_bytes(t));
    memcpy(copy, t->data, cw_tensor_bytes(t));
    return copy;
}

/* B, M, N; the wide ones are the encoder's first linear layer behind 35x35 maps of 32 filters. */
static const int64_t linear_shapes[][3] = {
    {1, 1, 1},       {2, 1, 1},       {3, 7, 5},        {17, 33, 65},     {5, 129, 31},
    {1, 39200, 50},  {10, 39200, 50}, {128, 39200, 50}, {1, 39200, 1024}, {2, 39200, 1024},
    {128, 1024, 50}, {128, 56, 1024}, {128, 1024, 1},   {1, 56, 1024},    {130, 257, 63},
};

/* Scale of a product's rounding errors, from its value and the same product of squared factors:
 * the partial sums of n terms reach about |value| + 3 sqrt(sum of squared terms). n roundings of
 * at most u of that add like a random walk, uniform in +-u each: six standard deviations are
 * 6 / sqrt(3) sqrt(n) u, which PRODUCT_ERROR rounds up. */
static void product_scale(cw_tensor *squares, const cw_tensor *value) {
    for (int64_t i = 0; i < cw_tensor_count(value); i++) {
        double spread = sqrt(cw_tensor_get(squares, i));
        cw_tensor_set(squares, i, fabs(cw_tensor_get(value, i)) + 3 * spread);
    }
}
#define PRODUCT_ERROR(n) (4 * sqrt((double)(n)) * u)

static cw_tensor squares(const cw_tensor *from) {
    cw_tensor t = magnitudes(from);
    for (int64_t i = 0; i < cw_tensor_count(&t); i++) {
        cw_tensor_set(&t, i, pow(cw_tensor_get(&t, i), 2));
    }
    return t;
}

/* One linear layer's three products: exact on integers, near on reals. */
static void check_linear(const int64_t shape[3], bool relu, bool integers) {
    int64_t batch = shape[0], m = shape[1], n = shape[2];
    uint64_t seed = 1000 + (uint64_t)(batch + m + n);
    cw_tensor x = new_2d(CW_F64, batch, m, &seed), w = new_2d(CW_F64, n, m, &seed);
    cw_tensor b = new_1d(CW_F64, n, &seed), dy = new_2d(CW_F64, batch, n, &seed);
    if (integers) {
        make_integers(&x);
        make_integers(&w);
        make_integers(&b);
        make_integers(&dy);
    }
    cw_tensor x32 = converted(&x, CW_F32), w32 = converted(&w, CW_F32);
    cw_tensor b32 = converted(&b, CW_F32), dy32 = converted(&dy, CW_F32);
    cw_tensor y = new_2d(CW_F64, batch, n, NULL), y32 = new_2d(CW_F32, batch, n, NULL);
    cw_tensor dx = new_2d(CW_F64, batch, m, NULL), dx32 = new_2d(CW_F32, batch, m, NULL);
    cw_tensor dw = new_2d(CW_F64, n, m, NULL), dw32 = new_2d(CW_F32, n, m, NULL);
    cw_tensor db = new_1d(CW_F64, n, NULL), db32 = new_1d(CW_F32, n, NULL);
    const cw_tensor *bias = relu || n > 1 ? &b : NULL;
    const cw_tensor *bias32 = bias != NULL ? &b32 : NULL;
    assert_int_equal(ref->linear_forward(reference, &y, &x, &w, bias, relu), CW_OK);
    assert_int_equal(ref->linear_backward_data(reference, &dx, &dy, &w), CW_OK);
    assert_int_equal(ref->linear_backward_weights(reference, &dw, &db, &dy, &x), CW_OK);
    assert_int_equal(ops->linear_forward(onednn, &y32, &x32, &w32, bias32, relu), CW_OK);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    void *first = copy_of(&y32);
    assert_int_equal(ops->linear_forward(onednn, &y32, &x32, &w32, bias32, relu), CW_OK);
    assert_memory_equal(first, y32.data, cw_tensor_bytes(&y32));
    for (int i = 0; i < 2; i++) {
        void *dx_before = copy_of(&dx32), *dw_before = copy_of(&dw32), *db_before = copy_of(&db32);
        assert_int_equal(ops->linear_backward_data(onednn, &dx32, &dy32, &w32), CW_OK);
        assert_int_equal(ops->linear_backward_weights(onednn, &dw32, &db32, &dy32, &x32), CW_OK);
        if (i == 0) continue;
        assert_memory_equal(dx_before, dx32.data, cw_tensor_bytes(&dx32));
        assert_memory_equal(dw_before, dw32.data, cw_tensor_bytes(&dw32));
        assert_memory_equal(db_before, db32.data, cw_tensor_bytes(&db32));
    }
    cw_memory_stats_get(&after);
    assert_int_equal(before.n_allocs, after.n_allocs);
    if (integers) {
        assert_exact("linear y", &y32, &y);
        assert_exact("linear dx", &dx32, &dx);
        assert_exact("linear dw", &dw32, &dw);
        assert_exact("linear db", &db32, &db);
    } else {
        cw_tensor xx = squares(&x), ww = squares(&w), bb = squares(&b), dd = squares(&dy);
        cw_tensor s = new_2d(CW_F64, batch, n, NULL), sb = new_1d(CW_F64, n, NULL);
        ref->linear_forward(reference, &s, &xx, &ww, &bb, false);
        product_scale(&s, &y);
        assert_close("linear y", &y32, &y, &s, PRODUCT_ERROR(m + 1));
        s = new_2d(CW_F64, batch, m, NULL);
        ref->linear_backward_data(reference, &s, &dd, &ww);
        product_scale(&s, &dx);
        assert_close("linear dx", &dx32, &dx, &s, PRODUCT_ERROR(n));
        s = new_2d(CW_F64, n, m, NULL);
        ref->linear_backward_weights(reference, &s, &sb, &dd, &xx);
        product_scale(&s, &dw);
        product_scale(&sb, &db);
        assert_close("linear dw", &dw32, &dw, &s, PRODUCT_ERROR(batch));
        assert_close("linear db", &db32, &db, &sb, PRODUCT_ERROR(batch));
    }
    test_release();
}

static void test_linear(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof linear_shapes / sizeof *linear_shapes; i++) {
        const int64_t *s = linear_shapes[i];
        /* The reference takes seconds for the largest; there the exact check stands alone. */
        bool large = s[0] * s[1] * s[2] > 20000000;
        if (!large) check_linear(s, false, false);
        if (!large) check_linear(s, true, false);
        check_linear(s, i % 2 == 0, true);
    }
}

/* got against want: exact, or within six standard deviations of rounding both factors to bf16. A
 * rounding is uniform in half a unit of eight bits: at most 2^-8 of the value, and with mantissas
 * anywhere in [1, 2) a deviation of 2^-8 / sqrt(6). Two of them: 2^-8 / sqrt(3) of each term. */
static void assert_bf16(const char *what, const cw_tensor *got, const cw_tensor *want,
                        cw_tensor *squared, bool exact) {
    if (exact) {
        assert_exact(what, got, want);
        return;
    }
    for (int64_t i = 0; i < cw_tensor_count(squared); i++) {
        cw_tensor_set(squared, i, sqrt(cw_tensor_get(squared, i)));
    }
    assert_close(what, got, want, squared, 6 / sqrt(3) * 0x1p-8);
}

/* The three products of a wide layer on a backend in bf16; integers -1, 0, 1 are exact there too.
 * Another run of the same gives the same bits and allocates nothing. */
static void check_wide(cw_backend *be, const int64_t shape[3], bool integers) {
    int64_t batch = shape[0], m = shape[1], n = shape[2];
    uint64_t seed = 7;
    cw_tensor x = new_2d(CW_F64, batch, m, &seed), w = new_2d(CW_F64, n, m, &seed);
    cw_tensor b = new_1d(CW_F64, n, &seed), dy = new_2d(CW_F64, batch, n, &seed);
    cw_tensor *values[] = {&x, &w, &b, &dy};
    for (int i = 0; integers && i < 4; i++) make_integers(values[i]);
    cw_tensor x32 = converted(&x, CW_F32), w32 = converted(&w, CW_F32);
    cw_tensor b32 = converted(&b, CW_F32), dy32 = converted(&dy, CW_F32);
    cw_tensor y = new_2d(CW_F64, batch, n, NULL), y32 = new_2d(CW_F32, batch, n, NULL);
    cw_tensor dx = new_2d(CW_F64, batch, m, NULL), dx32 = new_2d(CW_F32, batch, m, NULL);
    cw_tensor dw = new_2d(CW_F64, n, m, NULL), dw32 = new_2d(CW_F32, n, m, NULL);
    const cw_tensor *got[] = {&y32, &dx32, &dw32};
    void *first[3];
    cw_memory_stats before, after;
    for (int round = 0; round < 2; round++) {
        cw_memory_stats_get(&before);
        assert_int_equal(be->ops->linear_forward(be, &y32, &x32, &w32, &b32, false), CW_OK);
        assert_int_equal(be->ops->linear_backward_data(be, &dx32, &dy32, &w32), CW_OK);
        assert_int_equal(be->ops->linear_backward_weights(be, &dw32, NULL, &dy32, &x32), CW_OK);
        cw_memory_stats_get(&after);
        for (int i = 0; i < 3; i++) {
            if (round == 0) first[i] = copy_of(got[i]);
            assert_memory_equal(first[i], got[i]->data, cw_tensor_bytes(got[i]));
        }
    }
    assert_int_equal(before.n_allocs, after.n_allocs);
    ref->linear_forward(reference, &y, &x, &w, &b, false);
    ref->linear_backward_data(reference, &dx, &dy, &w);
    ref->linear_backward_weights(reference, &dw, NULL, &dy, &x);
    cw_tensor xx = squares(&x), ww = squares(&w), dd = squares(&dy);
    cw_tensor s = new_2d(CW_F64, batch, n, NULL);
    ref->linear_forward(reference, &s, &xx, &ww, NULL, false);
    assert_bf16("wide y", &y32, &y, &s, integers);
    s = new_2d(CW_F64, batch, m, NULL);
    ref->linear_backward_data(reference, &s, &dd, &ww);
    assert_bf16("wide dx", &dx32, &dx, &s, integers);
    s = new_2d(CW_F64, n, m, NULL);
    ref->linear_backward_weights(reference, &s, NULL, &dd, &xx);
    assert_bf16("wide dw", &dw32, &dw, &s, integers);
    test_release();
}

/* x that is bf16 already gives the bits that the same numbers give in f32, and dx is rounded once.
 */
static void check_features(cw_backend *be, const int64_t shape[3]) {
    int64_t batch = shape[0], m = shape[1], n = shape[2];
    uint64_t seed = 8;
    cw_tensor x32 = new_2d(CW_F32, batch, m, &seed), x16 = converted(&x32, CW_BF16);
    x32 = converted(&x16, CW_F32);
    cw_tensor w = new_2d(CW_F32, n, m, &seed), b = new_1d(CW_F32, n, &seed);
    cw_tensor dy = new_2d(CW_F32, batch, n, &seed);
    const cw_tensor *x[2] = {&x32, &x16};
    cw_tensor y[2], dx[2], dw[2];
    for (int i = 0; i < 2; i++) {
        y[i] = new_2d(CW_F32, batch, n, NULL);
        dw[i] = new_2d(CW_F32, n, m, NULL);
        dx[i] = new_2d(x[i]->dtype, batch, m, NULL);
        assert_int_equal(be->ops->linear_forward(be, &y[i], x[i], &w, &b, true), CW_OK);
        assert_int_equal(be->ops->linear_backward_data(be, &dx[i], &dy, &w), CW_OK);
        assert_int_equal(be->ops->linear_backward_weights(be, &dw[i], NULL, &dy, x[i]), CW_OK);
    }
    assert_memory_equal(y[0].data, y[1].data, cw_tensor_bytes(&y[0]));
    assert_memory_equal(dw[0].data, dw[1].data, cw_tensor_bytes(&dw[0]));
    dx[0] = converted(&dx[0], CW_BF16);
    assert_memory_equal(dx[0].data, dx[1].data, cw_tensor_bytes(&dx[0]));
    check_guards();
    test_release();
}

static void test_large_in_bf16(void **state) {
    (void)state;
    cw_backend *be = NULL;
    cw_status status = cw_backend_onednn_bf16_create(&be, 2);
    if (!cw_backend_onednn_has_bf16()) {
        assert_int_equal(status, CW_EUNSUPPORTED);
        assert_null(be);
        skip();
    }
    assert_int_equal(status, CW_OK);
    /* Small ones stay f32; these have 2^24 products and more. */
    static const int64_t shapes[][3] = {{128, 4096, 33}, {17, 4099, 257}, {3, 39200, 150}};
    for (int i = 0; i < 6; i++) check_wide(be, shapes[i / 2], i % 2 == 0);
    if (cw_tiled_product_bf16(be->state)) { /* more rows than outputs, and fewer */
        check_features(be, (int64_t[]){128, 4096, 33});
        check_features(be, (int64_t[]){17, 4099, 257});
    }
    cw_backend_destroy(be);
}

/* More shapes than are kept prepared: the oldest make room and come back. */
static void test_many_shapes(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int64_t n = 1; n <= CW_PRODUCT_CACHE + 3; n++) {
            check_linear((int64_t[]){3, 5, n}, false, true);
        }
    }
}

static void test_matmul(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1},     {3, 4, 5},     {128, 128, 50},
                                        {128, 50, 50}, {50, 50, 128}, {65, 1, 33}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int flags = 0; flags < 4; flags++) {
            uint64_t seed = 7 * i + (uint64_t)flags;
            int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
            bool ta = flags & 1, tb = flags & 2;
            cw_tensor a = new_2d(CW_F64, ta ? k : m, ta ? m : k, &seed);
            cw_tensor b = new_2d(CW_F64, tb ? n : k, tb ? k : n, &seed);
            cw_tensor c = new_2d(CW_F64, m, n, NULL), c32 = new_2d(CW_F32, m, n, NULL);
            cw_tensor a32 = converted(&a, CW_F32), b32 = converted(&b, CW_F32);
            assert_int_equal(ref->matmul(reference, &c, &a, ta, &b, tb), CW_OK);
            assert_int_equal(ops->matmul(onednn, &c32, &a32, ta, &b32, tb), CW_OK);
            cw_tensor aa = squares(&a), bb = squares(&b), s = new_2d(CW_F64, m, n, NULL);
            ref->matmul(reference, &s, &aa, ta, &bb, tb);
            product_scale(&s, &c);
            assert_close("matmul", &c32, &c, &s, PRODUCT_ERROR(k));
            test_release();
        }
    }
}

/* Lengths around the vector and chunk sizes. */
static const int64_t lengths[] = {1, 15, 17, 255, 257, CW_CHUNK, 5 * CW_CHUNK + 3, 100003};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

/* Elementwise ops round a handful of times: 4u of the terms' magnitudes. */
static void check_elementwise(int64_t n, uint64_t seed) {
    cw_tensor x = new_1d(CW_F64, n, &seed), dy = new_1d(CW_F64, n, &seed);
    for (int64_t i = 0; i < n; i += 5) cw_tensor_set(&x, i, 0);
    for (int64_t i = 1; i < n; i += 7) cw_tensor_set(&x, i, (float)(12 * cw_tensor_get(&x, i)));
    cw_tensor x32 = converted(&x, CW_F32);
    cw_tensor mx = magnitudes(&x), mdy = magnitudes(&dy);
    cw_tensor y = new_1d(CW_F64, n, NULL), y32 = new_1d(CW_F32, n, NULL);

    ref->tanh_forward(reference, &y, &x);
    assert_int_equal(ops->tanh_forward(onednn, &y32, &x32), CW_OK);
    cw_tensor scale = magnitudes(&y);
    assert_close("tanh", &y32, &y, &scale, 4 * u);
    cw_tensor t = converted(&y32, CW_F64), dx = new_1d(CW_F64, n, NULL);
    cw_tensor dx32 = converted(&dy, CW_F32);
    ref->tanh_backward(reference, &dx, &dy, &t);
    assert_int_equal(ops->tanh_backward(onednn, &dx32, &dx32, &y32), CW_OK); /* dx is dy */
    assert_close("tanh backward, in place", &dx32, &dx, &mdy, 4 * u);
    cw_tensor in_place = converted(&x, CW_F32);
    assert_int_equal(ops->tanh_forward(onednn, &in_place, &in_place), CW_OK);
    assert_memory_equal(in_place.data, y32.data, cw_tensor_bytes(&y32));

    cw_tensor g = converted(&dy, CW_F64), g32 = converted(&dy, CW_F32);
    ref->relu_backward(reference, &g, &x);
    assert_int_equal(ops->relu_backward(onednn, &g32, &x32), CW_OK);
    assert_exact("relu backward", &g32, &g);

    cw_tensor sum = converted(&dy, CW_F64), sum32 = converted(&dy, CW_F32);
    ref->add(reference, &sum, &x);
    assert_int_equal(ops->add(onednn, &sum32, &x32), CW_OK);
    ref->add(reference, &mx, &mdy);
    assert_close("add", &sum32, &sum, &mx, u);

    cw_tensor target = converted(&dy, CW_F64), target32 = converted(&dy, CW_F32);
    ref->ema(reference, target.data, x.data, (size_t)n, 0.05);
    assert_int_equal(ops->ema(onednn, target32.data, x32.data, (size_t)n, 0.05), CW_OK);
    assert_close("ema", &target32, &target, &mx, 4 * u);
    test_release();
}

static void test_elementwise(void **state) {
    (void)state;
    cw_onednn *backend = onednn->state;
    const cw_kernels *all[3], *best = backend->kernels;
    int n = cw_kernels_all(all);
    for (int k = 0; k < n; k++) {
        backend->kernels = all[k];
        for (size_t i = 0; i < N_LENGTHS; i++) {
            printf("%s, n = %ld\n", all[k]->isa, (long)lengths[i]);
            check_elementwise(lengths[i], 500 + i);
        }
    }
    backend->kernels = best;
}

/* m and v round three times; the change of p rounds eight times, and every subtraction from p
 * once more. */
static void check_adam(int64_t n, const cw_adam *adam, uint64_t seed) {
    cw_tensor p = new_1d(CW_F64, n, &seed), m = new_1d(CW_F64, n, &seed);
    cw_tensor v = new_1d(CW_F64, n, &seed), g = new_1d(CW_F64, n, &seed);
    for (int64_t i = 0; i < n; i++) {
        double root = cw_tensor_get(&v, i);
        cw_tensor_set(&v, i, (float)(root * root));
    }
    for (int64_t i = 0; i < n; i += 3) { /* a weight that has never had a gradient */
        cw_tensor_set(&m, i, 0);
        cw_tensor_set(&v, i, 0);
        if (i % 2 == 0) cw_tensor_set(&g, i, 0);
    }
    cw_tensor p32 = converted(&p, CW_F32), m32 = converted(&m, CW_F32);
    cw_tensor v32 = converted(&v, CW_F32), g32 = converted(&g, CW_F32);
    cw_tensor mm = magnitudes(&m), mg = magnitudes(&g), old = converted(&p, CW_F64);
    ref->ema(reference, mm.data, mg.data, (size_t)n, 1 - adam->beta1);
    assert_int_equal(ref->adam(reference, p.data, m.data, v.data, g.data, (size_t)n, adam), CW_OK);
    assert_int_equal(ops->adam(onednn, p32.data, m32.data, v32.data, g32.data, (size_t)n, adam),
                     CW_OK);
    assert_close("adam m", &m32, &m, &mm, 4 * u);
    cw_tensor scale = magnitudes(&v);
    assert_close("adam v", &v32, &v, &scale, 4 * u);
    for (int64_t i = 0; i < n; i++) {
        double moment = fabs(cw_tensor_get(&m, i));
        double cancelled = moment > 0 ? cw_tensor_get(&mm, i) / moment : 1;
        double change = fabs(cw_tensor_get(&p, i) - cw_tensor_get(&old, i));
        double size = fabs(cw_tensor_get(&old, i)) + change;
        cw_tensor_set(&scale, i, change * (8 + 4 * cancelled) + adam->repeat * size + 1e-30);
    }
    assert_close("adam p", &p32, &p, &scale, u);
    test_release();
}

static void test_adam(void **state) {
    (void)state;
    static const cw_adam rows[] = {
        {1e-3, 0.9, 0.999, 1e-8, 1, 1},
        {1e-3, 0.9, 0.999, 1e-8, 2, 2},
        {1e-4, 0.5, 0.999, 1e-8, 1000, 1},
        {1e-1, 0.0, 0.9, 1e-3, 100000, 3},
    };
    cw_onednn *backend = onednn->state;
    const cw_kernels *all[3], *best = backend->kernels;
    int n = cw_kernels_all(all);
    for (int k = 0; k < n; k++) {
        backend->kernels = all[k];
        for (size_t i = 0; i < N_LENGTHS; i++) {
            printf("%s, n = %ld\n", all[k]->isa, (long)lengths[i]);
            check_adam(lengths[i], &rows[i % 4], 600 + i);
        }
    }
    backend->kernels = best;
    cw_adam bad = rows[0];
    bad.t = 0;
    for (int i = 0; i < 2; i++) {
        cw_backend *be = i == 0 ? reference : onednn;
        assert_int_equal(be->ops->adam(be, NULL, NULL, NULL, NULL, 0, &bad), CW_EINVAL);
    }
}

/* Sums run in double, so outputs are within a few roundings of f32 of the largest element. */
static void check_rows(int64_t batch, int64_t d, uint64_t seed) {
    cw_tensor x = new_2d(CW_F64, batch, d, &seed), dy = new_2d(CW_F64, batch, d, &seed);
    cw_tensor gamma = new_1d(CW_F64, d, &seed), beta = new_1d(CW_F64, d, &seed);
    for (int64_t i = 0; i < d; i++) cw_tensor_set(&x, i, (float)(1000 + cw_tensor_get(&x, i)));
    cw_tensor x32 = converted(&x, CW_F32), dy32 = converted(&dy, CW_F32);
    cw_tensor gamma32 = converted(&gamma, CW_F32), beta32 = converted(&beta, CW_F32);
    cw_tensor y = new_2d(CW_F64, batch, d, NULL), y32 = new_2d(CW_F32, batch, d, NULL);
    cw_tensor stats = new_2d(CW_F64, batch, 2, NULL), stats32 = new_2d(CW_F32, batch, 2, NULL);
    const double eps = 1e-5;
    ref->layernorm_forward(reference, &y, &stats, &x, &gamma, &beta, eps);
    assert_int_equal(ops->layernorm_forward(onednn, &y32, &stats32, &x32, &gamma32, &beta32, eps),
                     CW_OK);
    cw_tensor scale = magnitudes(&y), mb = magnitudes(&beta);
    for (int64_t i = 0; i < batch * d; i++) {
        /* y = n gamma + beta: |n gamma| is at most |y| + |beta|. */
        cw_tensor_set(&scale, i, cw_tensor_get(&scale, i) + 2 * cw_tensor_get(&mb, i % d));
    }
    assert_close("layernorm", &y32, &y, &scale, 3 * u);
    scale = magnitudes(&stats);
    assert_close("layernorm stats", &stats32, &stats, &scale, u);

    cw_tensor given = converted(&stats32, CW_F64);
    cw_tensor dx = new_2d(CW_F64, batch, d, NULL), dx32 = new_2d(CW_F32, batch, d, NULL);
    cw_tensor dg = new_1d(CW_F64, d, NULL), dg32 = new_1d(CW_F32, d, NULL);
    cw_tensor db = new_1d(CW_F64, d, NULL), db32 = new_1d(CW_F32, d, NULL);
    ref->layernorm_backward(reference, &dx, &dg, &db, &dy, &x, &given, &gamma);
    assert_int_equal(
        ops->layernorm_backward(onednn, &dx32, &dg32, &db32, &dy32, &x32, &stats32, &gamma32),
        CW_OK);
    scale = magnitudes(&dx);
    assert_close("layernorm dx", &dx32, &dx, &scale, 2 * u);
    scale = magnitudes(&dg);
    assert_close("layernorm dgamma", &dg32, &dg, &scale, 2 * u);
    scale = magnitudes(&db);
    assert_close("layernorm dbeta", &db32, &db, &scale, 2 * u);

    cw_tensor norm = new_1d(CW_F64, batch, NULL), norm32 = new_1d(CW_F32, batch, NULL);
    double floor = batch > 1 ? 1e-12 : 1e6; /* with one row: the branch below eps */
    ref->l2norm_forward(reference, &y, &norm, &x, floor);
    assert_int_equal(ops->l2norm_forward(onednn, &y32, &norm32, &x32, floor), CW_OK);
    scale = magnitudes(&y);
    assert_close("l2norm", &y32, &y, &scale, 2 * u);
    scale = magnitudes(&norm);
    assert_close("l2norm length", &norm32, &norm, &scale, u);
    cw_tensor unit = converted(&y32, CW_F64), length = converted(&norm32, CW_F64);
    ref->l2norm_backward(reference, &dx, &dy, &unit, &length, floor);
    assert_int_equal(ops->l2norm_backward(onednn, &dx32, &dy32, &y32, &norm32, floor), CW_OK);
    scale = magnitudes(&dx);
    assert_close("l2norm dx", &dx32, &dx, &scale, 2 * u);
    test_release();
}

static void test_rows(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 1}, {1, 50}, {2, 3}, {128, 50}, {33, 127}, {512, 50}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        printf("rows B=%ld D=%ld\n", (long)shapes[i][0], (long)shapes[i][1]);
        check_rows(shapes[i][0], shapes[i][1], 700 + i);
    }
}

/* expf errs by about 2u, its argument by u times the row's range. */
static void check_xent(int64_t n, double range, uint64_t seed) {
    cw_tensor logits = new_2d(CW_F64, n, n, &seed);
    for (int64_t i = 0; i < n * n; i++) {
        cw_tensor_set(&logits, i, (float)(cw_tensor_get(&logits, i) * range / 2));
    }
    for (int64_t i = 0; i < n; i += 3) cw_tensor_set(&logits, i * n + i, range / 2);
    cw_tensor logits32 = converted(&logits, CW_F32);
    cw_tensor d = new_2d(CW_F64, n, n, NULL), d32 = new_2d(CW_F32, n, n, NULL);
    cw_xent_stats want, got, loss_only;
    assert_int_equal(ref->softmax_xent(reference, &want, &d, &logits), CW_OK);
    assert_int_equal(ops->softmax_xent(onednn, &got, &d32, &logits32), CW_OK);
    assert_int_equal(ops->softmax_xent(onednn, &loss_only, NULL, &logits32), CW_OK);
    double relative = (8 + 2 * range) * u;
    cw_tensor scale = magnitudes(&d);
    /* The reference's softmax - 1 has no digits below 2^-53. */
    for (int64_t i = 0; i < n * n; i++) {
        cw_tensor_set(&scale, i, cw_tensor_get(&scale, i) + 0x1p-53 / relative);
    }
    printf("softmax_xent n=%ld range=%g: loss %.9g (reference %.9g), accuracy %g\n", (long)n, range,
           got.loss, want.loss, got.accuracy);
    assert_close("softmax_xent dlogits", &d32, &d, &scale, relative);
    assert_true(fabs(got.loss - want.loss) <= relative * (1 + want.loss));
    assert_true(got.loss == loss_only.loss || fabs(got.loss - loss_only.loss) < 1e-6);
    assert_true(got.accuracy == want.accuracy && want.accuracy >= 0.3);
    test_release();
}

static void test_softmax_xent(void **state) {
    (void)state;
    check_xent(1, 1, 1);
    check_xent(2, 3, 2);
    check_xent(7, 20, 3);
    check_xent(128, 5, 4);
    check_xent(128, 1000, 5);
    check_xent(512, 30, 6);
    /* Equal logits everywhere: ln n, and no row is right. */
    cw_tensor same = new_2d(CW_F32, 4, 4, NULL);
    for (int64_t i = 0; i < 16; i++) cw_tensor_set(&same, i, 0.5);
    cw_xent_stats stats;
    assert_int_equal(ops->softmax_xent(onednn, &stats, NULL, &same), CW_OK);
    assert_true(fabs(stats.loss - log(4)) < 1e-6 && stats.accuracy == 0);
    test_release();
}

/* Elementwise ops and rows do not depend on the number of threads, bit for bit. */
static void test_threads_change_nothing(void **state) {
    (void)state;
    cw_backend *be[2] = {onednn, NULL};
    assert_int_equal(cw_backend_onednn_create(&be[1], 1), CW_OK);
    enum { N = 200 };
    void *results[2][6];
    cw_xent_stats stats[2];
    for (int i = 0; i < 2; i++) {
        uint64_t seed = 9;
        cw_tensor x = new_2d(CW_F32, N, N, &seed), y = new_2d(CW_F32, N, N, &seed);
        cw_tensor m = new_2d(CW_F32, N, N, &seed), v = new_2d(CW_F32, N, N, &seed);
        cw_tensor gamma = new_1d(CW_F32, N, &seed), beta = new_1d(CW_F32, N, &seed);
        cw_tensor rows = new_2d(CW_F32, N, 2, NULL), d = new_2d(CW_F32, N, N, NULL);
        cw_adam adam = {1e-3, 0.9, 0.999, 1e-8, 3, 1};
        assert_int_equal(ops->relu_backward(be[i], &v, &v), CW_OK);
        assert_int_equal(ops->adam(be[i], y.data, m.data, v.data, x.data, N * N, &adam), CW_OK);
        assert_int_equal(ops->layernorm_forward(be[i], &x, &rows, &y, &gamma, &beta, 1e-5), CW_OK);
        cw_tensor dgamma = new_1d(CW_F32, N, NULL), dbeta = new_1d(CW_F32, N, NULL);
        assert_int_equal(ops->layernorm_backward(be[i], &d, &dgamma, &dbeta, &x, &y, &rows, &gamma),
                         CW_OK);
        assert_int_equal(ops->add(be[i], &x, &d), CW_OK);
        results[i][0] = y.data;
        results[i][1] = m.data;
        results[i][2] = v.data;
        results[i][3] = x.data;
        results[i][4] = rows.data;
        assert_int_equal(ops->softmax_xent(be[i], &stats[i], &d, &x), CW_OK);
        results[i][5] = d.data;
    }
    for (int k = 0; k < 6; k++) {
        assert_memory_equal(results[0][k], results[1][k], k == 4 ? N * 8 : N * N * 4);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
    cw_backend_destroy(be[1]);
    test_release();
}

static void test_refusals(void **state) {
    (void)state;
    cw_backend *backends[2] = {reference, onednn};
    for (int i = 0; i < 2; i++) {
        cw_backend *be = backends[i];
        cw_tensor a = new_2d(be->dtype, 3, 4, NULL), b = new_2d(be->dtype, 5, 4, NULL);
        cw_tensor y = new_2d(be->dtype, 3, 5, NULL), wrong = new_2d(be->dtype, 5, 3, NULL);
        cw_tensor flat = new_1d(be->dtype, 12, NULL);
        cw_tensor other = new_2d(be->dtype == CW_F32 ? CW_F64 : CW_F32, 3, 5, NULL);
        const cw_ops *o = be->ops;
        assert_int_equal(o->linear_forward(be, &wrong, &a, &b, NULL, false), CW_EINVAL);
        assert_non_null(strstr(cw_last_error(), "linear_forward: the output is (5, 3)"));
        assert_int_equal(o->linear_forward(be, &other, &a, &b, NULL, false), CW_EINVAL);
        assert_int_equal(o->linear_forward(be, &y, &flat, &b, NULL, false), CW_EINVAL);
        assert_int_equal(o->linear_forward(be, &y, &a, &b, &flat, false), CW_EINVAL);
        assert_int_equal(o->linear_backward_data(be, &a, &wrong, &b), CW_EINVAL);
        assert_int_equal(o->linear_backward_weights(be, &a, NULL, &y, &a), CW_EINVAL);
        cw_tensor rounded = new_2d(CW_BF16, 3, 4, NULL); /* too small a layer for it */
        assert_int_equal(o->linear_forward(be, &y, &rounded, &b, NULL, false), CW_EINVAL);
        assert_int_equal(o->linear_backward_data(be, &rounded, &y, &b), CW_EINVAL);
        assert_int_equal(o->linear_backward_weights(be, &b, NULL, &y, &rounded), CW_EINVAL);
        assert_int_equal(o->matmul(be, &y, &a, true, &b, true), CW_EINVAL);
        assert_int_equal(o->add(be, &y, &a), CW_EINVAL);
        assert_int_equal(o->relu_backward(be, &y, &a), CW_EINVAL);
        assert_int_equal(o->tanh_forward(be, &y, &a), CW_EINVAL);
        assert_int_equal(o->tanh_backward(be, &a, &y, &a), CW_EINVAL);
        assert_int_equal(o->layernorm_forward(be, &a, &flat, &a, &flat, &flat, 1), CW_EINVAL);
        assert_int_equal(o->l2norm_forward(be, &y, &flat, &a, 1), CW_EINVAL);
        cw_xent_stats stats;
        assert_int_equal(o->softmax_xent(be, &stats, NULL, &a), CW_EINVAL);
        a.data = NULL;
        assert_int_equal(o->add(be, &a, &a), CW_EINVAL);
    }
    test_release();
}

static void test_describe(void **state) {
    (void)state;
    char text[80] = "";
    assert_int_equal(cw_backend_describe(onednn, text, sizeof text), CW_OK);
    printf("%s\n", text);
    assert_memory_equal(text, "oneDNN ", 7);
    assert_non_null(strstr(text, ", f32, 2 threads"));
    assert_null(strstr(text, "another"));
    assert_int_equal(cw_backend_describe(reference, text, sizeof text), CW_OK);
    assert_string_equal(text, "reference loops, f64, 1 thread");
    assert_int_equal(cw_backend_describe(reference, text, 4), CW_OK);
    assert_string_equal(text, "ref");
    assert_int_equal(cw_backend_describe(reference, text, 0), CW_EINVAL);
    cw_backend *none = NULL;
    assert_int_equal(cw_backend_ref_create(&none, CW_BF16), CW_EINVAL);
    cw_backend_destroy(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_many_shapes),
        cmocka_unit_test(test_large_in_bf16),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_softmax_xent),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
