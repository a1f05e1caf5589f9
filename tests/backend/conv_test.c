/* Convolution stacks of the oneDNN backend against the reference in f64. */
#include "backend/onednn/conv.h"
#include "backend/support.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* {B, C, H, W, L, F, stride, train}, stack, extra pixels. */
static const conv_case cases[] = {
    {"real sizes, batch 2", {2, 9, 84, 84, 4, 32, 2, true}, 3, 16, 16},
    {"real sizes, batch 1, acting", {1, 9, 84, 84, 4, 32, 2, false}, 3, 16, 16},
    {"one layer, batch 128", {128, 9, 84, 84, 1, 32, 2, true}, 3, 16, 16},
    {"two layers, batch 10", {10, 9, 84, 84, 2, 32, 2, false}, 3, 0, 0},
    {"smallest", {1, 1, 3, 3, 1, 1, 1, true}, 1, 0, 0},
    {"one filter", {3, 4, 11, 9, 2, 1, 1, true}, 2, 1, 2},
    {"odd everything", {3, 5, 17, 13, 3, 7, 2, true}, 5, 3, 0},
    {"stride 3, wide", {2, 3, 20, 41, 2, 16, 3, true}, 1, 5, 7},
    {"17 filters", {2, 6, 15, 21, 3, 17, 1, true}, 2, 0, 4},
    {"48 filters, 16 channels", {3, 16, 12, 12, 2, 48, 1, true}, 4, 2, 2},
    {"33 channels", {2, 33, 9, 10, 2, 24, 1, true}, 11, 1, 1},
    {"8 filters, inference", {4, 12, 19, 19, 4, 8, 2, false}, 4, 4, 4},
    {"five layers", {5, 2, 25, 23, 5, 32, 2, true}, 2, 3, 3},
    {"odd batch, 40 filters", {7, 9, 21, 21, 2, 40, 2, true}, 3, 4, 4},
    {"4 filters", {10, 9, 20, 20, 4, 4, 2, true}, 3, 2, 2},
};
/* Layers by tiles. */
static const conv_case tiled[] = {
    {"16 filters, batch 1", {1, 3, 27, 19, 3, 16, 2, true}, 1, 1, 0},
    {"48 filters", {3, 6, 31, 29, 4, 48, 2, true}, 2, 0, 3},
    {"64 filters, batch 1", {1, 9, 23, 37, 3, 64, 2, true}, 3, 2, 2},
    {"six layers", {2, 9, 21, 24, 6, 32, 1, true}, 3, 1, 1},
    {"acting", {1, 9, 45, 41, 6, 32, 2, false}, 3, 0, 0},
    {"batch 37, several to a part", {37, 3, 15, 17, 3, 16, 1, true}, 1, 2, 2},
};
static const conv_case bf16[] = {
    {"bf16: real sizes", {2, 9, 84, 84, 4, 32, 2, true}, 3, 16, 16},
    {"bf16: acting", {1, 9, 84, 84, 4, 32, 2, false}, 3, 0, 0},
    {"bf16: 64 filters, batch 3", {3, 9, 33, 39, 3, 64, 2, true}, 3, 8, 8},
    {"bf16: odd everything", {3, 5, 17, 13, 3, 7, 2, true}, 5, 3, 0},
    {"bf16: 48 filters, one layer", {3, 6, 31, 29, 1, 48, 1, true}, 2, 0, 3},
};
enum { N_BF16 = sizeof bf16 / sizeof *bf16 };
enum { N_CASES = sizeof cases / sizeof *cases, N_TILED = sizeof tiled / sizeof *tiled };

static cw_backend *reference, *onednn;

static int set_up(void **state) {
    (void)state;
    return cw_backend_ref_create(&reference, CW_F64) != CW_OK ||
           cw_backend_onednn_create(&onednn, 2) != CW_OK;
}

static int tear_down(void **state) {
    (void)state;
    cw_backend_destroy(reference);
    cw_backend_destroy(onednn);
    return 0;
}

static void assert_equal_exactly(const char *name, const char *what, const cw_tensor *got,
                                 const cw_tensor *want) {
    for (int64_t i = 0; i < cw_tensor_count(want); i++) {
        if (cw_tensor_get(got, i) != cw_tensor_get(want, i)) {
            fail_msg("%s: %s[%ld] is %.9g, the reference says %.9g", name, what, (long)i,
                     cw_tensor_get(got, i), cw_tensor_get(want, i));
        }
    }
}

/* Layers by tiles. *direct: whether the first layer goes by the loop of our own; *units: whether
 * all of them go by matrix units. */
static int count_tiled(cw_backend *be, const conv_case *c, int *direct, bool *units) {
    cw_convnet *net;
    int n = 0;
    assert_int_equal(be->ops->convnet_create(be, &net, &c->desc), CW_OK);
    for (int i = 0; i < c->desc.n_layers; i++) {
        n += net->layer[i].tiles || net->layer[i].tiles_back;
    }
    *direct = net->layer[0].direct;
    *units = net->units != NULL;
    be->ops->convnet_destroy(net);
    return n;
}

static bool any_tiles(const conv_case *c) {
    int direct;
    bool units;
    return count_tiled(onednn, c, &direct, &units) > 0;
}

/* Integers below 2^24 add without rounding in any order: whatever kernel runs, features and
 * gradients are the reference's to the last bit. Layers by tiles multiply by fractions, so their
 * cases are test_reals_are_near's. */
static void test_integers_are_exact(void **state) {
    (void)state;
    int exact = 0;
    for (int i = 0; i < N_CASES; i++) {
        const conv_case *c = &cases[i];
        if (any_tiles(c)) continue;
        exact++;
        conv_data data = conv_data_new(c, CONV_EXACT, 11 + (uint64_t)i);
        conv_result want = conv_run(reference, c, &data);
        conv_result got = conv_run(onednn, c, &data);
        double most = largest(&want.features);
        if (c->desc.train) most = fmax(most, largest(&want.dparams));
        printf("%-28s largest integer %.0f\n", c->name, most);
        assert_true(most > 0 && most < 1 << 22);
        assert_equal_exactly(c->name, "features", &got.features, &want.features);
        if (c->desc.train) assert_equal_exactly(c->name, "dparams", &got.dparams, &want.dparams);
        test_release();
    }
    assert_true(exact >= N_CASES / 3);
}

/* A constant tensor of one number, as a scale. */
static cw_tensor constant(const cw_tensor *like, double value) {
    cw_tensor t = magnitudes(like);
    for (int64_t i = 0; i < cw_tensor_count(&t); i++) cw_tensor_set(&t, i, value);
    return t;
}

/* Rounding: L layers forward and as many back, each with sums of n = 9 max(C, F) products, whose
 * rounding errors add like a random walk: sqrt(n) 2^-24 of a typical element. Twice that of the
 * tensor's largest element leaves room for the unluckiest of many sums. The weight gradient's
 * sum is B * pixels long. */
static void check_near(const conv_case *all, int n_cases) {
    for (int i = 0; i < n_cases; i++) {
        const conv_case *c = &all[i];
        const cw_convnet_desc *d = &c->desc;
        conv_data data = conv_data_new(c, CONV_REAL, 101 + (uint64_t)i);
        conv_result want = conv_run(reference, c, &data);
        conv_result got = conv_run(onednn, c, &data);
        double n = 9.0 * (double)(d->channels > d->filters ? d->channels : d->filters);
        double forward = 2 * ldexp(1, -24) * sqrt(n) * d->n_layers;
        cw_tensor scale = constant(&want.features, largest(&want.features));
        int64_t place;
        double ratio = worst_ratio(&got.features, &want.features, &scale, forward, &place);
        printf("%-28s features %.3f of tolerance %.1e", c->name, ratio, forward);
        assert_true(ratio <= 1);
        if (d->train) {
            int64_t h, w;
            assert_int_equal(cw_convnet_side(d, 0, &h, &w), CW_OK);
            double back =
                2 * ldexp(1, -24) * (sqrt(n) * 2 * d->n_layers + sqrt((double)(d->batch * h * w)));
            scale = constant(&want.dparams, largest(&want.dparams));
            ratio = worst_ratio(&got.dparams, &want.dparams, &scale, back, &place);
            printf(", dparams %.3f of %.1e", ratio, back);
            assert_true(ratio <= 1);
        }
        printf("\n");
        test_release();
    }
}

static void test_reals_are_near(void **state) {
    (void)state;
    check_near(cases, N_CASES);
}

static void test_tiles_are_near(void **state) {
    (void)state;
    for (int i = 0; i < N_TILED; i++) {
        if (!any_tiles(&tiled[i])) fail_msg("%s: no layer goes by tiles", tiled[i].name);
    }
    check_near(tiled, N_TILED);
}

static void assert_same_bits(const cw_tensor *a, const cw_tensor *b) {
    assert_memory_equal(a->data, b->data, cw_tensor_bytes(a));
}

/* Per parameter tensor, its largest element. */
static cw_tensor layer_scales(const conv_case *c, const cw_tensor *dparams) {
    cw_tensor scale = magnitudes(dparams);
    const cw_convnet_desc *d = &c->desc;
    int64_t begin = 0;
    for (int i = 0; i < 2 * d->n_layers; i++) {
        int64_t taps = 9 * (i < 2 ? d->channels : d->filters);
        int64_t end = begin + d->filters * (i % 2 == 0 ? taps : 1);
        double most = 0;
        for (int64_t k = begin; k < end; k++) most = fmax(most, cw_tensor_get(&scale, k));
        for (int64_t k = begin; k < end; k++) cw_tensor_set(&scale, k, most);
        begin = end;
    }
    return scale;
}

/* Variance that one convnet's layers add to a typical element, relative to its square.
 *
 * A sum keeps its terms' relative deviation; each of a term's two factors was rounded, deviation
 * 2^-8 / sqrt(6) (dense_test.c), and by matrix units so is the output: together 2^-8 / sqrt(2) per
 * layer. By tiles the output stays f32, and the deviation of the factors grows by the transforms:
 * for independent pixels and weights of mean 0 the squares of a row of outputs grow by sum_i A_ki^2
 * |B_i|^2 |G_i|^2 / 3, both ways together by 4.8^2 on average (pixels of one sign, as they are
 * behind a ReLU, suffer less). The first layer's pixels are exact, so that only its weights were
 * rounded. */
static double bf16_variance(cw_backend *be, const conv_case *c) {
    int direct;
    bool units;
    int tiles = count_tiled(be, c, &direct, &units);
    if (units) return ldexp(1, -16) * c->desc.n_layers / 2;
    return ldexp(1, -16) * (tiles * 4.8 * 4.8 / 3 + direct / 6.0);
}

/* Layers add like a random walk. Six deviations of a typical element are about two of the largest;
 * beside it f32's roundings, as in check_near. Backward passes 2L layers; it is judged where
 * filters are always on or always off, since a ReLU that switches changes gradients by more than
 * roundings. */
static void test_bf16_is_near(void **state) {
    (void)state;
    cw_backend *be = NULL;
    if (!cw_backend_onednn_has_bf16()) skip();
    assert_int_equal(cw_backend_onednn_bf16_create(&be, 2), CW_OK);
    for (int i = 0; i < 2 * N_BF16; i++) {
        const conv_case *c = &bf16[i / 2];
        bool kinks = i % 2 == 0;
        conv_data data = conv_data_new(c, kinks ? CONV_REAL : CONV_NO_KINK, 31 + (uint64_t)i);
        conv_result want = conv_run(reference, c, &data);
        conv_result got = conv_run(be, c, &data);
        conv_result again = conv_run(be, c, &data);
        assert_same_bits(&got.features, &again.features);
        double terms = 9.0 * (double)(c->desc.channels + c->desc.filters);
        double forward = 2 * (sqrt(bf16_variance(be, c)) +
                              ldexp(1, -24) * sqrt(terms) * (double)c->desc.n_layers);
        cw_tensor scale = constant(&want.features, largest(&want.features));
        int64_t place;
        double ratio = worst_ratio(&got.features, &want.features, &scale, forward, &place);
        printf("%-28s features %.3f of tolerance %.1e", c->name, ratio, forward);
        assert_true(ratio <= 1);
        if (c->desc.train) {
            assert_same_bits(&got.dparams, &again.dparams);
            double pixels = (double)(c->desc.batch * c->desc.height * c->desc.width);
            double back = forward * sqrt(2) + 2 * ldexp(1, -24) * sqrt(pixels);
            scale = layer_scales(c, &want.dparams);
            ratio = worst_ratio(&got.dparams, &want.dparams, &scale, back, &place);
            if (!kinks) printf(", dparams %.3f of %.1e", ratio, back);
            assert_true(kinks || ratio <= 1);
        }
        printf("\n");
        test_release();
    }
    cw_backend_destroy(be);
}

static void test_same_call_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        conv_data data = conv_data_new(&cases[i], CONV_REAL, 7 + (uint64_t)i);
        conv_result a = conv_run(onednn, &cases[i], &data);
        conv_result b = conv_run(onednn, &cases[i], &data);
        assert_same_bits(&a.features, &b.features);
        if (cases[i].desc.train) assert_same_bits(&a.dparams, &b.dparams);
        test_release();
    }
}

/* Up to four threads sum the same parts of a minibatch in the same order. */
static void test_few_threads_same_bits(void **state) {
    (void)state;
    static const int counts[] = {1, 3, 4};
    for (int i = 0; i < N_TILED; i++) {
        conv_data data = conv_data_new(&tiled[i], CONV_REAL, 7 + (uint64_t)i);
        conv_result want = conv_run(onednn, &tiled[i], &data);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            cw_backend *be;
            assert_int_equal(cw_backend_onednn_create(&be, counts[k]), CW_OK);
            conv_result got = conv_run(be, &tiled[i], &data);
            assert_same_bits(&got.features, &want.features);
            if (tiled[i].desc.train) assert_same_bits(&got.dparams, &want.dparams);
            cw_backend_destroy(be);
        }
        test_release();
    }
}

/* The input stays in acts: a second forward with other weights reads the same crops. */
static void test_input_survives_forward(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        const conv_case *c = &cases[i];
        const cw_ops *ops = onednn->ops;
        conv_data data = conv_data_new(c, CONV_REAL, 23);
        conv_data other = conv_data_new(c, CONV_REAL, 24);
        conv_data mixed = other;
        mixed.images = data.images;
        conv_result want = conv_run(onednn, c, &mixed);
        cw_convnet *net;
        assert_int_equal(ops->convnet_create(onednn, &net, &c->desc), CW_OK);
        cw_convnet_bytes bytes;
        ops->convnet_bytes(net, &bytes);
        void *acts = guarded(bytes.acts);
        void *packed = guarded(bytes.packed);
        void *scratch = guarded(bytes.scratch);
        cw_tensor features = new_2d(CW_F32, c->desc.batch, cw_convnet_features(&c->desc), NULL);
        cw_tensor params = converted(&data.params, CW_F32);
        assert_int_equal(ops->convnet_input(net, acts, &data.images), CW_OK);
        assert_int_equal(ops->convnet_pack(net, packed, params.data), CW_OK);
        assert_int_equal(ops->convnet_forward(net, &features, acts, packed, scratch), CW_OK);
        params = converted(&other.params, CW_F32);
        assert_int_equal(ops->convnet_pack(net, packed, params.data), CW_OK);
        assert_int_equal(ops->convnet_forward(net, &features, acts, packed, scratch), CW_OK);
        assert_same_bits(&features, &want.features);
        ops->convnet_destroy(net);
        test_release();
    }
}

/* The weight-gradient loop of every instruction set that this machine runs, against sums in
 * double; the output's blocks are as wide as the set's registers. */
static void test_weight_kernels(void **state) {
    (void)state;
    const cw_kernels *all[3];
    int n = cw_kernels_all(all);
    for (int i = 0; i < n; i++) {
        int64_t lanes = all[i]->lanes;
        for (int64_t block = 1; block <= 16; block *= 4) {
            cw_conv_shape s = {.c = 5, .h = 13, .w = 11, .x_block = block, .stride = 2};
            s.f = lanes * 3;
            s.oh = (s.h - 3) / 2 + 1;
            s.ow = (s.w - 3) / 2 + 1;
            int64_t padded = (s.c + block - 1) / block * block;
            uint64_t seed = 5;
            cw_tensor x = new_1d(CW_F32, padded * s.h * s.w, &seed);
            cw_tensor dy = new_1d(CW_F32, s.f * s.oh * s.ow, &seed);
            cw_tensor sums = new_1d(CW_F32, s.f * s.c * 9, &seed);
            cw_tensor bias = new_1d(CW_F32, s.f, &seed);
            cw_tensor old = converted(&sums, CW_F64);
            all[i]->conv_weights(sums.data, bias.data, x.data, dy.data, &s);
            check_guards();
            double worst = 0;
            for (int64_t k = 0; k < s.f * s.c * 9; k++) {
                int64_t f = k / (s.c * 9 * lanes) * lanes + k % lanes;
                int64_t tap = k / lanes % 9;
                int64_t c = k / lanes / 9 % s.c;
                double sum = cw_tensor_get(&old, k);
                for (int64_t p = 0; p < s.oh * s.ow; p++) {
                    int64_t row = p / s.ow * 2 + tap / 3;
                    int64_t column = p % s.ow * 2 + tap % 3;
                    int64_t pixel = (c / block * s.h * s.w + row * s.w + column) * block;
                    int64_t out = (f / lanes * s.oh * s.ow + p) * lanes + f % lanes;
                    sum += cw_tensor_get(&x, pixel + c % block) * cw_tensor_get(&dy, out);
                }
                worst = fmax(worst, fabs(sum - cw_tensor_get(&sums, k)));
            }
            /* 30 products of at most 1 with sums of at most 31, each rounded. */
            double tolerance = 31 * 31 * ldexp(1, -24);
            printf("%-8s block %2ld: %.2e of %.2e\n", all[i]->isa, (long)block, worst, tolerance);
            assert_true(worst <= tolerance);
            test_release();
        }
    }
}

static void test_refusals(void **state) {
    (void)state;
    cw_backend *backends[2] = {reference, onednn};
    conv_case c = {"refused", {2, 4, 9, 9, 2, 8, 1, false}, 2, 2, 2};
    for (int i = 0; i < 2; i++) {
        const cw_ops *ops = backends[i]->ops;
        cw_convnet *net = NULL;
        cw_convnet_desc bad = c.desc;
        bad.n_layers = 5;
        assert_int_equal(ops->convnet_create(backends[i], &net, &bad), CW_EINVAL);
        bad = c.desc;
        bad.filters = 0;
        assert_int_equal(ops->convnet_create(backends[i], &net, &bad), CW_EINVAL);
        assert_null(net);
        assert_int_equal(ops->convnet_create(backends[i], &net, &c.desc), CW_OK);
        conv_data data = conv_data_new(&c, CONV_REAL, 3);
        cw_convnet_bytes bytes;
        ops->convnet_bytes(net, &bytes);
        void *acts = guarded(bytes.acts);
        int32_t outside[2] = {0, 3};
        cw_image_batch images = data.images;
        images.offset_y = outside;
        assert_int_equal(ops->convnet_input(net, acts, &images), CW_EINVAL);
        assert_non_null(strstr(cw_last_error(), "sample 1"));
        images = data.images;
        images.n = 1;
        assert_int_equal(ops->convnet_input(net, acts, &images), CW_EINVAL);
        images = data.images;
        images.stack = 1;
        assert_int_equal(ops->convnet_input(net, acts, &images), CW_EINVAL);
        images = data.images;
        images.frame_height = 8;
        assert_int_equal(ops->convnet_input(net, acts, &images), CW_EINVAL);
        cw_tensor features = new_2d(backends[i]->dtype, 2, 7, NULL);
        assert_int_equal(ops->convnet_forward(net, &features, acts, NULL, NULL), CW_EINVAL);
        assert_int_equal(ops->convnet_backward(net, NULL, acts, NULL, &features, &features, NULL),
                         CW_EINVAL);
        ops->convnet_destroy(net);
        test_release();
    }
}

/* Creation with the n-th allocation failing gives CW_ENOMEM and leaves nothing behind. */
static void test_out_of_memory(void **state) {
    (void)state;
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (uint64_t n = 1; n <= 2; n++) {
        cw_backend *be = NULL;
        cw_memory_fail_after(n);
        assert_int_equal(cw_backend_onednn_create(&be, 2), CW_ENOMEM);
        cw_memory_fail_after(0);
        assert_null(be);
    }
    cw_convnet *net = NULL;
    cw_memory_fail_after(1);
    assert_int_equal(onednn->ops->convnet_create(onednn, &net, &cases[0].desc), CW_ENOMEM);
    cw_memory_fail_after(0);
    assert_null(net);
    cw_memory_stats_get(&after);
    assert_int_equal(before.live_blocks, after.live_blocks);
}

/* usage: conv_test [TEST]: one test instead of all. */
int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_reals_are_near),
        cmocka_unit_test(test_tiles_are_near),
        cmocka_unit_test(test_bf16_is_near),
        cmocka_unit_test(test_same_call_same_bits),
        cmocka_unit_test(test_few_threads_same_bits),
        cmocka_unit_test(test_input_survives_forward),
        cmocka_unit_test(test_weight_kernels),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
