/* Single operations and their gradients against PyTorch (make_ops_golden.py), on every backend. */
#include "golden/judge.h"
#include "nn/policy.h"
#include "ops/ops.h"
#include "test.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCKS 256

/* The settings that make_ops_golden.py uses. */
#define CONV_HEIGHT   13
#define CONV_WIDTH    14
#define CONV_FILTERS  4
#define CONV_LAYERS   3
#define CONV_STRIDE   2
#define LAYERNORM_EPS 1e-5
#define L2NORM_EPS    1e-12
#define EMA_TAU       0.05
#define ADAM_STEPS    5

typedef struct bench {
    golden golden;
    cw_backend *be;
    void *block[MAX_BLOCKS];
    int n_blocks;
    bool judged[GOLDEN_MAX_TENSORS];
    verdict worst;
    int beyond;
} bench;

static void must(cw_status status) {
    if (status != CW_OK) fail_msg("%s", cw_last_error());
}

static void *block(bench *b, size_t bytes) {
    assert_true(b->n_blocks < MAX_BLOCKS);
    void *p = NULL;
    must(cw_alloc(&p, bytes, 1, "a test block"));
    return b->block[b->n_blocks++] = p;
}

static const cw_tensor *stored(const bench *b, const char *prefix, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const cw_tensor *tensor = cw_safetensors_find(b->golden.file, full);
    if (tensor == NULL) fail_msg("%s: not in the golden", full);
    return tensor;
}

/* A tensor of the backend's dtype with the shape of `like`. */
static cw_tensor make_like(bench *b, const cw_tensor *like) {
    cw_tensor out = cw_tensor_nd(b->be->dtype, NULL, like->ndim, like->shape);
    out.data = block(b, cw_tensor_bytes(&out));
    return out;
}

/* An input in the backend's dtype. */
static cw_tensor take(bench *b, const char *name) {
    const cw_tensor *from = stored(b, "in.", name);
    cw_tensor out = make_like(b, from);
    for (int64_t i = 0; i < cw_tensor_count(from); i++) {
        cw_tensor_set(&out, i, cw_tensor_get(from, i));
    }
    return out;
}

/* Room for an output. */
static cw_tensor make(bench *b, const char *name) {
    return make_like(b, stored(b, "out.", name));
}

static void judge(bench *b, const char *name, const cw_tensor *got) {
    char full[64];
    snprintf(full, sizeof full, "out.%s", name);
    for (int i = 0; i < b->golden.n; i++) {
        if (strcmp(b->golden.name[i], full) != 0) continue;
        double epsilon = b->be->dtype == CW_F64 ? DBL_EPSILON : FLT_EPSILON;
        verdict v = golden_judge(&b->golden, i, got, epsilon);
        if (v.used > b->worst.used) b->worst = v;
        b->beyond += v.used > 1;
        b->judged[i] = true;
        return;
    }
    fail_msg("%s: not in the golden", full);
}

static void judge_number(bench *b, const char *name, double value) {
    cw_tensor scalar = cw_tensor_nd(CW_F64, &value, 0, NULL);
    judge(b, name, &scalar);
}

/* ---- the operations ---- */

static cw_image_batch images(bench *b) {
    const cw_tensor *frames = stored(b, "in.", "conv.frames");
    const int32_t *offset = stored(b, "in.", "conv.offset")->data;
    int64_t n = frames->shape[0], stack = frames->shape[1];
    size_t size = (size_t)(frames->shape[2] * frames->shape[3] * frames->shape[4]);
    const uint8_t **pointer = block(b, (size_t)(n * stack) * sizeof *pointer);
    int32_t *y = block(b, (size_t)n * sizeof *y), *x = block(b, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n * stack; i++) {
        pointer[i] = (const uint8_t *)frames->data + (size_t)i * size;
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = offset[2 * i];
        x[i] = offset[2 * i + 1];
    }
    return (cw_image_batch){.n = n,
                            .stack = stack,
                            .frame_channels = frames->shape[2],
                            .frame_height = frames->shape[3],
                            .frame_width = frames->shape[4],
                            .frames = pointer,
                            .offset_y = y,
                            .offset_x = x};
}

static void convolutions(bench *b) {
    const cw_ops *ops = b->be->ops;
    cw_image_batch batch = images(b);
    cw_convnet_desc desc = {.batch = batch.n,
                            .channels = batch.stack * batch.frame_channels,
                            .height = CONV_HEIGHT,
                            .width = CONV_WIDTH,
                            .n_layers = CONV_LAYERS,
                            .filters = CONV_FILTERS,
                            .first_stride = CONV_STRIDE,
                            .train = true};
    cw_convnet *net;
    must(ops->convnet_create(b->be, &net, &desc));
    cw_convnet_bytes bytes;
    ops->convnet_bytes(net, &bytes);
    void *acts = block(b, bytes.acts), *packed = block(b, bytes.packed);
    void *scratch = block(b, bytes.scratch);
    cw_tensor params = take(b, "conv.params"), dfeatures = take(b, "conv.dfeatures");
    cw_tensor features = make(b, "conv.features"), dparams = make(b, "conv.dparams");
    assert_int_equal(cw_convnet_param_count(&desc), cw_tensor_count(&params));
    must(ops->convnet_pack(net, packed, params.data));
    must(ops->convnet_input(net, acts, &batch));
    must(ops->convnet_forward(net, &features, acts, packed, scratch));
    judge(b, "conv.features", &features);
    must(ops->convnet_backward(net, dparams.data, acts, packed, &features, &dfeatures, scratch));
    judge(b, "conv.dparams", &dparams);
    if (ops->convnet_input_gradient != NULL) {
        cw_tensor dinput = make(b, "conv.dinput");
        must(ops->convnet_input_gradient(net, &dinput, acts, packed, scratch));
        judge(b, "conv.dinput", &dinput);
    }
    ops->convnet_destroy(net);
}

static void dense(bench *b) {
    const cw_ops *ops = b->be->ops;
    cw_tensor x = take(b, "linear.x"), w = take(b, "linear.w"), bias = take(b, "linear.b");
    cw_tensor dy = take(b, "linear.dy"), y = make(b, "linear.y"), dx = make(b, "linear.dx");
    cw_tensor dw = make(b, "linear.dw"), db = make(b, "linear.db");
    must(ops->linear_forward(b->be, &y, &x, &w, &bias, false));
    judge(b, "linear.y", &y);
    must(ops->linear_forward(b->be, &y, &x, &w, &bias, true));
    judge(b, "linear.y_relu", &y);
    must(ops->linear_backward_data(b->be, &dx, &dy, &w));
    judge(b, "linear.dx", &dx);
    must(ops->linear_backward_weights(b->be, &dw, &db, &dy, &x));
    judge(b, "linear.dw", &dw);
    judge(b, "linear.db", &db);
}

static cw_tensor transposed(bench *b, const cw_tensor *a) {
    cw_tensor out = make_like(b, a);
    out.shape[0] = a->shape[1];
    out.shape[1] = a->shape[0];
    for (int64_t i = 0; i < a->shape[0]; i++) {
        for (int64_t k = 0; k < a->shape[1]; k++) {
            cw_tensor_set(&out, k * a->shape[0] + i, cw_tensor_get(a, i * a->shape[1] + k));
        }
    }
    return out;
}

/* The same product from each of the four storage orders. */
static void products(bench *b) {
    cw_tensor left = take(b, "matmul.a"), right = take(b, "matmul.b"), c = make(b, "matmul.c");
    cw_tensor left_t = transposed(b, &left), right_t = transposed(b, &right);
    for (int i = 0; i < 4; i++) {
        bool ta = (i & 1) != 0, tb = (i & 2) != 0;
        memset(c.data, 0xff, cw_tensor_bytes(&c));
        must(b->be->ops->matmul(b->be, &c, ta ? &left_t : &left, ta, tb ? &right_t : &right, tb));
        judge(b, "matmul.c", &c);
    }
}

static void elementwise(bench *b) {
    const cw_ops *ops = b->be->ops;
    cw_tensor relu_y = take(b, "relu.y"), relu_dy = take(b, "relu.dy");
    must(ops->relu_backward(b->be, &relu_dy, &relu_y));
    judge(b, "relu.dx", &relu_dy);
    cw_tensor x = take(b, "tanh.x"), dy = take(b, "tanh.dy"), y = make(b, "tanh.y");
    cw_tensor dx = make(b, "tanh.dx");
    must(ops->tanh_forward(b->be, &y, &x));
    judge(b, "tanh.y", &y);
    must(ops->tanh_backward(b->be, &dx, &dy, &y));
    judge(b, "tanh.dx", &dx);
    cw_tensor sum = take(b, "add.y"), term = take(b, "add.x");
    must(ops->add(b->be, &sum, &term));
    judge(b, "add.y", &sum);
}

static void normalisations(bench *b) {
    const cw_ops *ops = b->be->ops;
    cw_tensor x = take(b, "layernorm.x"), dy = take(b, "layernorm.dy");
    cw_tensor gamma = take(b, "layernorm.gamma"), beta = take(b, "layernorm.beta");
    cw_tensor y = make(b, "layernorm.y"), dx = make(b, "layernorm.dx");
    cw_tensor dgamma = make(b, "layernorm.dgamma"), dbeta = make(b, "layernorm.dbeta");
    cw_tensor stats = cw_tensor_2d(b->be->dtype, NULL, x.shape[0], 2);
    stats.data = block(b, cw_tensor_bytes(&stats));
    must(ops->layernorm_forward(b->be, &y, &stats, &x, &gamma, &beta, LAYERNORM_EPS));
    judge(b, "layernorm.y", &y);
    must(ops->layernorm_backward(b->be, &dx, &dgamma, &dbeta, &dy, &x, &stats, &gamma));
    judge(b, "layernorm.dx", &dx);
    judge(b, "layernorm.dgamma", &dgamma);
    judge(b, "layernorm.dbeta", &dbeta);

    cw_tensor v = take(b, "l2norm.x"), dunit = take(b, "l2norm.dy");
    cw_tensor unit = make(b, "l2norm.y"), norm = make(b, "l2norm.norm"), dv = make(b, "l2norm.dx");
    must(ops->l2norm_forward(b->be, &unit, &norm, &v, L2NORM_EPS));
    judge(b, "l2norm.y", &unit);
    judge(b, "l2norm.norm", &norm);
    must(ops->l2norm_backward(b->be, &dv, &dunit, &unit, &norm, L2NORM_EPS));
    judge(b, "l2norm.dx", &dv);
}

static void cross_entropy(bench *b) {
    cw_tensor logits = take(b, "xent.logits"), dlogits = make(b, "xent.dlogits");
    cw_xent_stats stats;
    must(b->be->ops->softmax_xent(b->be, &stats, &dlogits, &logits));
    judge_number(b, "xent.loss", stats.loss);
    judge_number(b, "xent.accuracy", stats.accuracy);
    judge(b, "xent.dlogits", &dlogits);
}

static void adam(bench *b, const char *name, int repeat) {
    cw_tensor param = take(b, "adam.param"), grads = take(b, "adam.grads");
    size_t n = (size_t)cw_tensor_count(&param), bytes = cw_tensor_bytes(&param);
    cw_tensor m = make_like(b, &param), v = make_like(b, &param);
    for (int step = 0; step < ADAM_STEPS; step++) {
        const cw_adam settings = {
            .lr = 2e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .t = step + 1, .repeat = repeat};
        const void *grad = (const char *)grads.data + (size_t)step * bytes;
        must(b->be->ops->adam(b->be, param.data, m.data, v.data, grad, n, &settings));
    }
    char full[32];
    snprintf(full, sizeof full, "%s.param", name);
    judge(b, full, &param);
    snprintf(full, sizeof full, "%s.m", name);
    judge(b, full, &m);
    snprintf(full, sizeof full, "%s.v", name);
    judge(b, full, &v);
}

static void momentum(bench *b) {
    cw_tensor target = take(b, "ema.target"), source = take(b, "ema.source");
    must(b->be->ops->ema(b->be, target.data, source.data, (size_t)cw_tensor_count(&target),
                         EMA_TAU));
    judge(b, "ema.target", &target);
}

static void policy(bench *b) {
    const cw_policy_bounds bounds = {.log_std_min = -10, .log_std_max = 2};
    cw_tensor raw = take(b, "policy.raw"), daction = take(b, "policy.daction");
    cw_tensor action = make(b, "policy.action"), log_prob = make(b, "policy.log_prob");
    cw_tensor draw = make(b, "policy.draw");
    const cw_tensor *noise = stored(b, "in.", "policy.noise");
    double dlog_prob = cw_tensor_get(stored(b, "in.", "policy.dlog_prob"), 0);
    assert_int_equal(noise->dtype, CW_F32);
    cw_policy_forward(&action, &log_prob, &raw, noise->data, &bounds);
    judge(b, "policy.action", &action);
    judge(b, "policy.log_prob", &log_prob);
    cw_policy_backward(&draw, &daction, dlog_prob, &raw, noise->data, &bounds);
    judge(b, "policy.draw", &draw);
}

static void run(const char *label, cw_backend *be) {
    static bench b;
    b = (bench){.be = be, .worst = {.used = -1}};
    golden_open(&b.golden, CW_TEST_DATA "/golden/ops.safetensors", "out.");
    convolutions(&b);
    dense(&b);
    products(&b);
    elementwise(&b);
    normalisations(&b);
    cross_entropy(&b);
    adam(&b, "adam", 1);
    adam(&b, "adam_twice", 2);
    momentum(&b);
    policy(&b);
    for (int i = 0; i < b.golden.n; i++) {
        bool optional = strcmp(b.golden.name[i], "out.conv.dinput") == 0;
        if (!b.judged[i] && !optional) fail_msg("%s: never judged", b.golden.name[i]);
    }
    print_message("%-6s %4.0f%% of the tolerance; worst: %s, %.1e relative\n", label,
                  100 * b.worst.used, b.worst.name, b.worst.relative);
    if (b.beyond > 0) fail_msg("%d results are off", b.beyond);
    for (int i = 0; i < b.n_blocks; i++) cw_free(b.block[i]);
    golden_close(&b.golden);
    cw_backend_destroy(be);
}

static void ref64_matches_pytorch(void **state) {
    (void)state;
    cw_backend *be;
    must(cw_backend_ref_create(&be, CW_F64));
    run("ref64", be);
}

static void ref_matches_pytorch(void **state) {
    (void)state;
    cw_backend *be;
    must(cw_backend_ref_create(&be, CW_F32));
    run("ref", be);
}

static void onednn_matches_pytorch(void **state) {
    (void)state;
    cw_backend *be;
    must(cw_backend_onednn_create(&be, 0));
    run("onednn", be);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref64_matches_pytorch),
        cmocka_unit_test(ref_matches_pytorch),
        cmocka_unit_test(onednn_matches_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
