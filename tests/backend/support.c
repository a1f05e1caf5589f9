#include "backend/support.h"

#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, GARBAGE = 0xFF, MAX_BLOCKS = 4096 };

static struct {
    unsigned char *start;
    size_t bytes;
} blocks[MAX_BLOCKS];
static int n_blocks;

uint64_t next_below(uint64_t *state, uint64_t n) {
    /* splitmix64 */
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return ((z ^ z >> 31) >> 32) % n;
}

double next_real(uint64_t *state) {
    return ((double)next_below(state, 1 << 24) - (1 << 23)) / (1 << 23);
}

void *guarded(size_t bytes) {
    assert_true(n_blocks < MAX_BLOCKS);
    size_t total = (bytes + GUARD + CW_ALIGN - 1) / CW_ALIGN * CW_ALIGN;
    unsigned char *start = aligned_alloc(CW_ALIGN, total);
    assert_non_null(start);
    /* NaN in every format: what was never written must not even be multiplied by 0. */
    memset(start, GARBAGE, total);
    blocks[n_blocks].start = start;
    blocks[n_blocks++].bytes = bytes;
    return start;
}

void check_guards(void) {
    for (int i = 0; i < n_blocks; i++) {
        for (size_t k = 0; k < GUARD / 2; k++) {
            if (blocks[i].start[blocks[i].bytes + k] != GARBAGE) {
                fail_msg("byte %zu past a block of %zu was written", k, blocks[i].bytes);
            }
        }
    }
}

void test_release(void) {
    check_guards();
    for (int i = 0; i < n_blocks; i++) free(blocks[i].start);
    n_blocks = 0;
}

static cw_tensor new_tensor(cw_dtype dtype, int ndim, const int64_t *shape, uint64_t *state) {
    cw_tensor t = cw_tensor_nd(dtype, NULL, ndim, shape);
    t.data = guarded(cw_tensor_bytes(&t));
    for (int64_t i = 0; state != NULL && i < cw_tensor_count(&t); i++) {
        cw_tensor_set(&t, i, next_real(state));
    }
    return t;
}

cw_tensor new_2d(cw_dtype dtype, int64_t rows, int64_t columns, uint64_t *state) {
    int64_t shape[2] = {rows, columns};
    return new_tensor(dtype, 2, shape, state);
}

cw_tensor new_1d(cw_dtype dtype, int64_t n, uint64_t *state) {
    return new_tensor(dtype, 1, &n, state);
}

/* The nearest bf16 of a finite number; ties to even. */
static uint16_t nearest_bf16(double value) {
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static double bf16_value(const cw_tensor *t, int64_t i) {
    uint32_t bits = (uint32_t)((const uint16_t *)t->data)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

cw_tensor converted(const cw_tensor *from, cw_dtype dtype) {
    cw_tensor t = new_tensor(dtype, from->ndim, from->shape, NULL);
    if (dtype == CW_BF16) {
        uint16_t *to = t.data;
        for (int64_t i = 0; i < cw_tensor_count(&t); i++) {
            to[i] = nearest_bf16(cw_tensor_get(from, i));
        }
        return t;
    }
    for (int64_t i = 0; i < cw_tensor_count(&t); i++) {
        bool rounded = from->dtype == CW_BF16;
        cw_tensor_set(&t, i, rounded ? bf16_value(from, i) : cw_tensor_get(from, i));
    }
    return t;
}

cw_tensor magnitudes(const cw_tensor *from) {
    cw_tensor t = converted(from, CW_F64);
    for (int64_t i = 0; i < cw_tensor_count(&t); i++) {
        cw_tensor_set(&t, i, fabs(cw_tensor_get(&t, i)));
    }
    return t;
}

static void fill_params(const conv_case *c, conv_style style, cw_tensor *params, uint64_t *state) {
    int64_t at = 0;
    for (int layer = 0; layer < c->desc.n_layers; layer++) {
        int64_t fan_in = 9 * (layer == 0 ? c->desc.channels : c->desc.filters);
        for (int64_t i = 0; i < c->desc.filters * fan_in; i++) {
            double w = (float)(next_real(state) * 1.7 / sqrt((double)fan_in));
            if (style == CONV_EXACT) w = (double)next_below(state, 3) - 1;
            if (style == CONV_SMALL) w = 0;
            cw_tensor_set(params, at++, w);
        }
        for (int64_t i = 0; style == CONV_SMALL && i < 4 * c->desc.filters; i++) {
            int64_t place = i / 4 * fan_in + (int64_t)next_below(state, (uint64_t)fan_in);
            double sign = next_below(state, 3) == 0 ? -1 : 1;
            cw_tensor_set(params, at - c->desc.filters * fan_in + place,
                          layer == 0 ? 255 * sign : sign);
        }
        for (int64_t f = 0; f < c->desc.filters; f++) {
            double bias = next_real(state) * 0.25;
            if (style == CONV_EXACT) bias = f == 0 ? 9 : (double)next_below(state, 5) - 2;
            if (style == CONV_SMALL) bias = (double)next_below(state, 2);
            if (style == CONV_NO_KINK) bias = f % 3 == 2 ? -1e6 : pow(10, layer + 2);
            cw_tensor_set(params, at++, bias);
        }
    }
}

static void fill_images(const conv_case *c, conv_style style, conv_data *data, uint64_t *state) {
    const cw_convnet_desc *d = &c->desc;
    cw_image_batch *im = &data->images;
    *im = (cw_image_batch){.n = d->batch, .stack = c->stack};
    im->frame_channels = d->channels / c->stack;
    im->frame_height = d->height + c->extra_h;
    im->frame_width = d->width + c->extra_w;
    size_t frame = (size_t)(im->frame_channels * im->frame_height * im->frame_width);
    size_t n = (size_t)(d->batch * c->stack);
    data->n_frames_bytes = n * frame;
    data->frames = guarded(n * frame);
    for (size_t i = 0; i < n * frame; i++) {
        uint64_t value = next_below(state, 256);
        if (style == CONV_EXACT) value = value % 2 * 255;
        if (style == CONV_SMALL) value %= 4;
        data->frames[i] = (uint8_t)value;
    }
    const uint8_t **pointers = guarded(n * sizeof *pointers);
    for (size_t i = 0; i < n; i++) pointers[i] = data->frames + i * frame;
    int32_t *y = guarded((size_t)d->batch * sizeof *y);
    int32_t *x = guarded((size_t)d->batch * sizeof *x);
    for (int64_t b = 0; b < d->batch; b++) {
        y[b] = (int32_t)next_below(state, (uint64_t)c->extra_h + 1);
        x[b] = (int32_t)next_below(state, (uint64_t)c->extra_w + 1);
    }
    im->frames = pointers;
    im->offset_y = y;
    im->offset_x = x;
}

conv_data conv_data_new(const conv_case *c, conv_style style, uint64_t seed) {
    conv_data data;
    data.params = new_1d(CW_F64, cw_convnet_param_count(&c->desc), NULL);
    fill_params(c, style, &data.params, &seed);
    data.dfeatures = new_2d(CW_F64, c->desc.batch, cw_convnet_features(&c->desc), &seed);
    bool integers = style == CONV_EXACT || style == CONV_SMALL;
    for (int64_t i = 0; integers && i < cw_tensor_count(&data.dfeatures); i++) {
        cw_tensor_set(&data.dfeatures, i, (double)next_below(&seed, 3) - 1);
    }
    fill_images(c, style, &data, &seed);
    return data;
}

conv_result conv_run(cw_backend *be, const conv_case *c, const conv_data *data) {
    return conv_run_features(be, c, data, be->dtype);
}

conv_result conv_run_features(cw_backend *be, const conv_case *c, const conv_data *data,
                              cw_dtype features) {
    const cw_ops *ops = be->ops;
    const cw_convnet_desc *d = &c->desc;
    cw_convnet *net;
    if (ops->convnet_create(be, &net, d) != CW_OK) fail_msg("%s: %s", c->name, cw_last_error());
    cw_convnet_bytes bytes;
    ops->convnet_bytes(net, &bytes);
    void *acts = guarded(bytes.acts);
    void *packed = guarded(bytes.packed);
    void *scratch = guarded(bytes.scratch);
    cw_tensor params = converted(&data->params, be->dtype);
    conv_result out = {.features = new_2d(features, d->batch, cw_convnet_features(d), NULL)};
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    assert_int_equal(ops->convnet_pack(net, packed, params.data), CW_OK);
    assert_int_equal(ops->convnet_input(net, acts, &data->images), CW_OK);
    assert_int_equal(ops->convnet_forward(net, &out.features, acts, packed, scratch), CW_OK);
    cw_memory_stats_get(&after);
    assert_int_equal(before.n_allocs, after.n_allocs);
    if (d->train) {
        cw_tensor dfeatures = converted(&data->dfeatures, features);
        out.dparams = new_1d(be->dtype, cw_convnet_param_count(d), NULL);
        assert_int_equal(ops->convnet_backward(net, out.dparams.data, acts, packed, &out.features,
                                               &dfeatures, scratch),
                         CW_OK);
        if (ops->convnet_input_gradient != NULL) {
            int64_t shape[4] = {d->batch, d->channels, d->height, d->width};
            out.dinput = new_tensor(be->dtype, 4, shape, NULL);
            assert_int_equal(ops->convnet_input_gradient(net, &out.dinput, acts, packed, scratch),
                             CW_OK);
        }
        cw_memory_stats_get(&after);
        assert_int_equal(before.n_allocs, after.n_allocs);
    }
    ops->convnet_destroy(net);
    check_guards();
    return out;
}

double worst_ratio(const cw_tensor *got, const cw_tensor *want, const cw_tensor *scale,
                   double relative, int64_t *place) {
    double worst = 0;
    *place = 0;
    for (int64_t i = 0; i < cw_tensor_count(want); i++) {
        double error = fabs(cw_tensor_get(got, i) - cw_tensor_get(want, i));
        double ratio = error == 0 ? 0 : error / (relative * cw_tensor_get(scale, i));
        if (isnan(ratio)) ratio = INFINITY;
        if (ratio > worst) {
            worst = ratio;
            *place = i;
        }
    }
    return worst;
}

double largest(const cw_tensor *tensor) {
    double most = 0;
    for (int64_t i = 0; i < cw_tensor_count(tensor); i++) {
        double value = fabs(cw_tensor_get(tensor, i));
        if (!(value <= most)) most = value;
    }
    return most;
}
