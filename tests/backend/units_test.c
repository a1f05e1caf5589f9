/* Convnets on matrix units against the reference in f64, where the processor has such units. Maps
 * of small integers, which bf16 holds and which add without rounding in any order: every feature
 * and gradient must be the reference's to the last bit. How far real numbers are off is
 * conv_test's. */
#include "backend/onednn/conv.h"
#include "backend/support.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* {B, C, H, W, L, F, stride, train}, stack, extra pixels. */
static const conv_case cases[] = {
    {"real sizes", {5, 9, 84, 84, 3, 32, 2, true}, 3, 16, 16},
    {"acting", {1, 9, 84, 84, 3, 32, 2, false}, 3, 16, 16},
    {"two layers, acting", {3, 9, 50, 61, 2, 32, 2, false}, 3, 0, 1},
    {"one layer", {3, 9, 40, 43, 1, 32, 2, true}, 3, 1, 0},
    {"one layer, acting", {2, 1, 21, 37, 1, 64, 1, false}, 1, 2, 2},
    {"64 filters", {3, 6, 41, 57, 3, 64, 2, true}, 2, 3, 1},
    {"96 filters, stride 1", {2, 3, 20, 24, 2, 96, 1, true}, 1, 0, 2},
    {"17 channels, stride 3", {4, 17, 60, 75, 3, 32, 3, true}, 17, 1, 1},
    {"16 channels", {2, 16, 19, 21, 2, 32, 1, true}, 4, 0, 0},
    {"10 channels", {2, 10, 23, 20, 2, 32, 1, true}, 10, 1, 3},
    {"33 channels", {2, 33, 24, 25, 2, 32, 1, true}, 11, 1, 1},
    {"lines of 16", {2, 12, 21, 18, 3, 32, 1, true}, 4, 0, 0},
    {"narrow at last", {2, 4, 23, 33, 3, 32, 2, true}, 4, 2, 0},
    {"low", {3, 9, 7, 90, 3, 32, 1, true}, 3, 2, 0},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static cw_backend *reference;

static int set_up(void **state) {
    (void)state;
    return cw_backend_ref_create(&reference, CW_F64) != CW_OK;
}

static int tear_down(void **state) {
    (void)state;
    cw_backend_destroy(reference);
    return 0;
}

/* A bf16 backend that has matrix units; NULL where there are none. */
static cw_backend *make_backend(int threads) {
    if (!cw_backend_onednn_has_bf16()) return NULL;
    cw_backend *be;
    assert_int_equal(cw_backend_onednn_bf16_create(&be, threads), CW_OK);
    if (((const cw_onednn *)be->state)->units != NULL) return be;
    cw_backend_destroy(be);
    return NULL;
}

static bool on_units(cw_backend *be, const cw_convnet_desc *desc) {
    cw_convnet *net;
    assert_int_equal(be->ops->convnet_create(be, &net, desc), CW_OK);
    bool units = net->units != NULL;
    be->ops->convnet_destroy(net);
    return units;
}

/* got[i] * scale must be want[i] * scale, rounded to an integer: the reference divides by 255. Both
 * may be off by what f32 and f64 round a quotient of such a size. */
static void check_integers(const char *name, const char *what, const cw_tensor *got,
                           const cw_tensor *want, int64_t begin, int64_t end, double scale) {
    for (int64_t i = begin; i < end; i++) {
        double exact = nearbyint(cw_tensor_get(want, i) * scale);
        double off = fabs(cw_tensor_get(got, i) * scale - exact);
        if (!(off <= fabs(exact) * ldexp(1, -23))) {
            fail_msg("%s: %s[%ld] is %.9g, the reference says %.9g", name, what, (long)i,
                     cw_tensor_get(got, i), cw_tensor_get(want, i));
        }
    }
}

/* Backends on 1, 2 and 3 threads; false where there are no matrix units. */
enum { N_BACKENDS = 3 };
static bool make_backends(cw_backend *be[N_BACKENDS]) {
    for (int i = 0; i < N_BACKENDS; i++) {
        be[i] = make_backend(i + 1);
        if (be[i] == NULL) return false;
    }
    return true;
}

static void destroy_backends(cw_backend *be[N_BACKENDS]) {
    for (int i = 0; i < N_BACKENDS; i++) cw_backend_destroy(be[i]);
}

static void check_case(cw_backend *be, const conv_case *c, const conv_data *data,
                       const conv_result *want) {
    const cw_convnet_desc *d = &c->desc;
    conv_result got = conv_run(be, c, data);
    check_integers(c->name, "features", &got.features, &want->features, 0,
                   cw_tensor_count(&want->features), 1);
    if (!d->train) return;
    int64_t weights = d->filters * d->channels * 9;
    check_integers(c->name, "the first weight's gradient", &got.dparams, &want->dparams, 0, weights,
                   255);
    check_integers(c->name, "dparams", &got.dparams, &want->dparams, weights,
                   cw_tensor_count(&want->dparams), 1);
}

static void test_integers_are_exact(void **state) {
    (void)state;
    cw_backend *be[N_BACKENDS];
    if (!make_backends(be)) skip();
    for (int i = 0; i < N_CASES; i++) {
        const conv_case *c = &cases[i];
        conv_data data = conv_data_new(c, CONV_SMALL, 40 + (uint64_t)i);
        conv_result want = conv_run(reference, c, &data);
        assert_true(largest(&want.features) > 0 && largest(&want.features) <= 256);
        if (c->desc.train) assert_true(largest(&want.dparams) < 1 << 24);
        for (int b = 0; b < N_BACKENDS; b++) {
            assert_true(on_units(be[b], &c->desc));
            check_case(be[b], c, &data, &want);
        }
        test_release();
    }
    destroy_backends(be);
}

static void same_bits(const cw_tensor *a, const cw_tensor *b) {
    assert_memory_equal(a->data, b->data, cw_tensor_bytes(a));
}

/* Features in bf16 are those in f32, rounded; and the gradients are the same bits, since a gradient
 * to features in f32 is rounded when it is taken. So they are on so few threads, whichever of them
 * had time for which part. */
static void test_same_bits(void **state) {
    (void)state;
    cw_backend *be[N_BACKENDS];
    if (!make_backends(be)) skip();
    for (int i = 0; i < N_CASES; i++) {
        const conv_case *c = &cases[i];
        conv_data data = conv_data_new(c, CONV_REAL, 70 + (uint64_t)i);
        conv_result first = conv_run(be[0], c, &data);
        cw_tensor rounded = converted(&first.features, CW_BF16);
        for (int b = 0; b < N_BACKENDS; b++) {
            conv_result wide = conv_run(be[b], c, &data);
            conv_result narrow = conv_run_features(be[b], c, &data, CW_BF16);
            same_bits(&first.features, &wide.features);
            same_bits(&rounded, &narrow.features);
            if (!c->desc.train) continue;
            same_bits(&first.dparams, &wide.dparams);
            same_bits(&first.dparams, &narrow.dparams);
        }
        test_release();
    }
    destroy_backends(be);
}

/* Where a convnet and the linear layer behind it both round, what is between them may be bf16. */
static void test_feature_dtype(void **state) {
    (void)state;
    cw_backend *be = make_backend(2);
    if (be == NULL) skip();
    cw_dtype (*dtype)(const cw_backend *, const cw_convnet_desc *, int64_t) =
        be->ops->feature_dtype;
    cw_convnet_desc d = {128, 9, 84, 84, 4, 32, 2, true};
    assert_int_equal(dtype(be, &d, 50), CW_BF16);
    assert_int_equal(dtype(be, &d, 1024), CW_BF16);
    assert_int_equal(dtype(be, &d, 1025), CW_F32); /* the gradient is summed in two pieces */
    assert_int_equal(dtype(be, &d, 3), CW_F32);    /* a layer too small for tiles */
    d.batch = 1;
    assert_int_equal(dtype(be, &d, 1024), CW_F32);
    d.batch = 128;
    d.filters = 48;
    assert_int_equal(dtype(be, &d, 50), CW_F32);
    assert_int_equal(reference->ops->feature_dtype(reference, &d, 50), CW_F64);
    cw_backend_destroy(be);
}

/* What the units do not take goes by other kernels. */
static void test_what_does_not_fit(void **state) {
    (void)state;
    cw_backend *be = make_backend(2);
    if (be == NULL) skip();
    const cw_convnet_desc narrow = {2, 9, 30, 17, 2, 32, 1, true};
    const cw_convnet_desc filters = {2, 9, 30, 30, 2, 48, 1, true};
    assert_false(on_units(be, &narrow));
    assert_false(on_units(be, &filters));
    cw_backend_destroy(be);
}

/* A NaN in a weight reaches the features: nothing between hides it. */
static void test_nan_is_seen(void **state) {
    (void)state;
    cw_backend *be = make_backend(2);
    if (be == NULL) skip();
    for (int sign = -1; sign <= 1; sign += 2) {
        conv_data data = conv_data_new(&cases[0], CONV_SMALL, 9);
        for (int64_t k = 0; k < 9; k++) cw_tensor_set(&data.params, k, copysign(NAN, sign));
        conv_result got = conv_run(be, &cases[0], &data);
        int64_t n = 0;
        for (int64_t i = 0; i < cw_tensor_count(&got.features); i++) {
            n += isnan(cw_tensor_get(&got.features, i));
        }
        assert_true(n > 0);
        test_release();
    }
    cw_backend_destroy(be);
}

static void test_out_of_memory(void **state) {
    (void)state;
    cw_backend *be = make_backend(2);
    if (be == NULL) skip();
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (uint64_t n = 1; n <= 7; n++) {
        cw_convnet *net = NULL;
        cw_memory_fail_after(n);
        assert_int_equal(be->ops->convnet_create(be, &net, &cases[0].desc), CW_ENOMEM);
        cw_memory_fail_after(0);
        assert_null(net);
    }
    cw_memory_stats_get(&after);
    assert_int_equal(before.live_blocks, after.live_blocks);
    cw_backend_destroy(be);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_exact), cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_feature_dtype),      cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_nan_is_seen),        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
