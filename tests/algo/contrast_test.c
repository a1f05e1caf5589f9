#include "algo/contrast.h"
#include "base/rng.h"
#include "finite_difference.h"
#include "test.h"

#include <string.h>

enum { B = 6, D = 5 };

typedef struct fixture {
    cw_backend *be;
    double z[B * D], keys[B * D], w[D * D], dz[B * D], dw[D * D];
    cw_tensor tz, tkeys, tw, tdz, tdw;
    unsigned char memory[1 << 16] __attribute__((aligned(64)));
    cw_contrast work;
    cw_curl_settings curl;
    cw_xent_stats stats;
} fixture;

static fixture f;

static void fill(double *x, int n, uint64_t counter) {
    cw_stream stream = {.seed = 3, .purpose = CW_RNG_TEST};
    cw_rng_uniform(&stream, counter, -1.0, 1.0, x, (size_t)n);
}

static void make(cw_curl_score score, double temperature) {
    memset(&f, 0, sizeof f);
    assert_int_equal(cw_backend_ref_create(&f.be, CW_F64), CW_OK);
    fill(f.z, B * D, 0);
    fill(f.keys, B * D, 1);
    fill(f.w, D * D, 2);
    f.tz = cw_tensor_2d(CW_F64, f.z, B, D);
    f.tkeys = cw_tensor_2d(CW_F64, f.keys, B, D);
    f.tw = cw_tensor_2d(CW_F64, f.w, D, D);
    f.tdz = cw_tensor_2d(CW_F64, f.dz, B, D);
    f.tdw = cw_tensor_2d(CW_F64, f.dw, D, D);
    cw_arena arena = {.base = f.memory, .size = sizeof f.memory};
    cw_contrast_carve(&f.work, &arena, CW_F64, B, D);
    assert_true(arena.used <= arena.size);
    f.curl = (cw_curl_settings){.enabled = true, .score = score, .temperature = temperature};
}

static double loss(void *context) {
    (void)context;
    assert_int_equal(
        cw_contrast_loss(f.be, &f.stats, &f.tdz, &f.tdw, &f.work, &f.tz, &f.tkeys, &f.tw, &f.curl),
        CW_OK);
    return f.stats.loss;
}

static void check_gradients(cw_curl_score score, double temperature) {
    make(score, temperature);
    loss(NULL);
    double dz[B * D], dw[D * D];
    memcpy(dz, f.dz, sizeof dz);
    memcpy(dw, f.dw, sizeof dw);
    assert_true(fd_worst(loss, NULL, f.z, dz, B * D, "InfoNCE by queries") < FD_TOLERANCE);
    if (score == CW_SCORE_BILINEAR) {
        assert_true(fd_worst(loss, NULL, f.w, dw, D * D, "InfoNCE by W") < FD_TOLERANCE);
    }
    cw_backend_destroy(f.be);
}

static void bilinear_gradients(void **state) {
    (void)state;
    check_gradients(CW_SCORE_BILINEAR, 1.0);
    check_gradients(CW_SCORE_BILINEAR, 0.3);
}

static void cosine_gradients(void **state) {
    (void)state;
    check_gradients(CW_SCORE_COSINE, 1.0);
    check_gradients(CW_SCORE_COSINE, 0.2);
}

/* Queries equal to their keys with W a large multiple of the unit matrix, keys far apart: the
 * loss vanishes. All keys equal: every logit of a row is the same, and the loss is ln B. */
static void extremes(void **state) {
    (void)state;
    make(CW_SCORE_BILINEAR, 1.0);
    for (int i = 0; i < B; i++) {
        for (int k = 0; k < D; k++) f.keys[i * D + k] = f.keys[k];
    }
    assert_near(loss(NULL), log(B), 1e-12);

    memset(f.w, 0, sizeof f.w);
    for (int k = 0; k < D; k++) f.w[k * D + k] = 1e4;
    fill(f.keys, B * D, 1);
    for (int i = 0; i < B; i++) { /* unit length, so that an own key always scores highest */
        double norm = 0;
        for (int k = 0; k < D; k++) norm += f.keys[i * D + k] * f.keys[i * D + k];
        for (int k = 0; k < D; k++) f.keys[i * D + k] /= sqrt(norm);
    }
    memcpy(f.z, f.keys, sizeof f.z);
    assert_near(loss(NULL), 0.0, 1e-12);
    assert_near(f.stats.accuracy, 1.0, 0);
    cw_backend_destroy(f.be);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bilinear_gradients),
        cmocka_unit_test(cosine_gradients),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
