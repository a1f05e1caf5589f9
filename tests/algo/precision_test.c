/* What bf16 changes in a whole update: its losses and gradients in f32 and in bf16 against the same
 * update in double, in every profile, at a size where each kind of layer that bf16 has goes in it.
 *
 * Tolerance, derived in two steps.
 *
 * 1. How far one layer is off. Rounding a number to bf16 makes an error of variance 2^-16 / 6 of
 * its square (dense_test.c). A product has two rounded factors; by tiles the transforms amplify
 * their deviation by 4.8 (conv_test.c); maps that are stored in bf16 are rounded once more.
 *
 * 2. What an update makes of that. The same update in f32 is made RUNS times with random numbers of
 *    those deviations in the places where bf16 rounds: every convolution weight times 1 + noise
 * each time weights are packed (an output is then off by the deviation of its terms, and a ReLU
 * near its kink switches, forward and backward alike), the sums of weight gradients, and the
 * products of large linear layers. The spread of a result over the runs is the deviation that bf16
 * may have; DEVIATIONS of them are allowed.
 *
 * f32's layers by tiles of n channels have 15 + n/2 roundings of variance 2^-48 / 3 (tiles_test.c).
 * Noise of that size would drown in the rounding of the runs themselves: f32 is held to the spread
 * under OVER times as much. */
#include "algo/agent.h"
#include "backend/onednn/conv.h"
#include "base/error.h"
#include "base/rng.h"
#include "config/config.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 16, K = 3, A = 3, FRAME = 41, CROP = 37, RUNS = 16, MOST_TENSORS = 64 };
/* Linear layers that go in bf16 (backend/onednn/dense.c): inputs, and where tiles do products. */
enum { WIDE = 4096, MANY_PRODUCTS = 1 << 24 };
enum { N_LOSSES = 4 };
#define DEVIATIONS 3.0
#define OVER       16
#define ROUNDING   (0x1p-16 / 6) /* variance beside the square of what is rounded to bf16 */
#define AMPLIFIED  4.8           /* deviation through a layer by tiles */

static void must(cw_status status) {
    if (status != CW_OK) fail_msg("%s", cw_last_error());
}

static void *memory(size_t n, size_t size) {
    void *block;
    must(cw_alloc(&block, n, size, "a test"));
    return block;
}

/* ---------------------------------------------------------------- the case */

typedef struct precision_case {
    const char *profile;
    int batch;  /* at most B */
    int hidden; /* units of Qs, actor and, where it has some, head */
} precision_case;

static cw_agent_spec spec_of(const precision_case *c) {
    cw_settings s;
    cw_settings_default(&s);
    must(cw_profile_apply(&s, c->profile));
    cw_agent_spec spec = {.encoder = s.encoder,
                          .actor = s.actor,
                          .critic = s.critic,
                          .sac = s.sac,
                          .curl = s.curl,
                          .update = s.update,
                          .action_dim = A,
                          .frame_stack = K,
                          .frame_channels = 3,
                          .crop_height = CROP,
                          .crop_width = CROP};
    spec.update.batch_size = c->batch;
    spec.actor.hidden = spec.critic.hidden = c->hidden;
    if (spec.encoder.hidden > 0) spec.encoder.hidden = c->hidden;
    return spec;
}

static struct {
    uint8_t pixels[B][K + 1][3][FRAME][FRAME];
    const uint8_t *frames[2][B * K]; /* of observations and next ones */
    int32_t offset[4][B];
    float action[B * A], reward[B], not_done[B], noise[2][B * A];
    cw_minibatch batch;
} m;

/* Blocks of 3 x 3 pixels that drift from frame to frame. */
static void draw_frames(const cw_stream *stream) {
    enum { SIDE = FRAME / 3 + 4 };
    uint32_t cell[3 * SIDE * SIDE];
    for (int b = 0; b < B; b++) {
        cw_rng_integers(stream, (uint64_t)b, 256, cell, 3 * SIDE * SIDE);
        for (int i = 0; i < (K + 1) * 3 * FRAME * FRAME; i++) {
            int t = i / (3 * FRAME * FRAME), c = i / (FRAME * FRAME) % 3;
            int y = i / FRAME % FRAME, x = i % FRAME;
            m.pixels[b][t][c][y][x] =
                (uint8_t)cell[(c * SIDE + (y + 2 * t) / 3) * SIDE + (x + t) / 3];
        }
        for (int k = 0; k < K; k++) {
            m.frames[0][b * K + k] = &m.pixels[b][k][0][0][0];
            m.frames[1][b * K + k] = &m.pixels[b][k + 1][0][0][0];
        }
    }
}

static cw_image_batch view(int frames, int offset_y, int offset_x) {
    return (cw_image_batch){.n = B,
                            .stack = K,
                            .frame_channels = 3,
                            .frame_height = FRAME,
                            .frame_width = FRAME,
                            .frames = m.frames[frames],
                            .offset_y = m.offset[offset_y],
                            .offset_x = m.offset[offset_x]};
}

static int make_batch(void **state) {
    (void)state;
    cw_stream stream = {.seed = 5, .purpose = CW_RNG_TEST};
    draw_frames(&stream);
    for (int i = 0; i < 4 * B; i++) m.offset[i / B][i % B] = (i * 7 + i / B) % (FRAME - CROP + 1);
    cw_rng_normal(&stream, 100, m.noise[0], B * A);
    cw_rng_normal(&stream, 101, m.noise[1], B * A);
    cw_rng_normal(&stream, 102, m.action, B * A);
    for (int i = 0; i < B * A; i++) m.action[i] = tanhf(m.action[i]);
    for (int i = 0; i < B; i++) {
        m.reward[i] = 0.3f * (float)i;
        m.not_done[i] = 1;
    }
    m.batch = (cw_minibatch){.n = B,
                             .action_dim = A,
                             .obs = view(0, 0, 1),
                             .next_obs = view(1, 1, 2),
                             .pos = view(0, 2, 3),
                             .action = m.action,
                             .reward = m.reward,
                             .not_done = m.not_done,
                             .noise_next = m.noise[0],
                             .noise_actor = m.noise[1]};
    return 0;
}

static void set_batch(int64_t n) {
    m.batch.n = m.batch.obs.n = m.batch.next_obs.n = m.batch.pos.n = n;
}

/* Initial parameters but for the convolutions, which begin as 1 x 1 ones: every tap is drawn, the
 * same for an encoder and its targets. */
static cw_agent *make_origin(cw_backend *f32, const cw_agent_spec *spec) {
    cw_agent *agent;
    cw_stream stream = {.seed = 6, .purpose = CW_RNG_TEST};
    float *draw = memory(32 * 32 * 9, sizeof *draw);
    const char *name;
    cw_tensor value;
    must(cw_agent_create(&agent, f32, spec));
    must(cw_agent_init(agent, 7));
    for (int i = 0; cw_agent_param(agent, i, &name, &value); i++) {
        const char *convs = strstr(name, "convs.");
        int64_t n = cw_tensor_count(&value);
        if (convs != NULL && value.ndim == 4) {
            double scale = sqrt(2.0 / (9.0 * (double)value.shape[1]));
            cw_rng_normal(&stream, (uint64_t)convs[strlen("convs.")], draw, (size_t)n);
            for (int64_t k = 0; k < n; k++) cw_tensor_set(&value, k, scale * (double)draw[k]);
        }
    }
    cw_free(draw);
    return agent;
}

static void copy_parameters(cw_agent *to, const cw_agent *from) {
    const char *name;
    cw_tensor a, b;
    for (int i = 0; cw_agent_param(from, i, &name, &a); i++) {
        assert_true(cw_agent_param(to, i, &name, &b));
        for (int64_t k = 0; k < cw_tensor_count(&a); k++) {
            cw_tensor_set(&b, k, cw_tensor_get(&a, k));
        }
    }
}

/* ---------------------------------------------------------------- its results */

/* Losses, then gradients: Adam's first moments after one update from zero. */
typedef struct result {
    int n;
    char name[MOST_TENSORS][48];
    int64_t begin[MOST_TENSORS + 1]; /* in value */
    double *value;                   /* owned */
} result;

static void add(result *r, const char *name, const cw_tensor *value) {
    assert_true(r->n < MOST_TENSORS);
    int64_t at = r->begin[r->n];
    snprintf(r->name[r->n++], sizeof *r->name, "%s", name);
    r->begin[r->n] = at + cw_tensor_count(value);
    for (int64_t k = at; k < r->begin[r->n]; k++) r->value[k] = cw_tensor_get(value, k - at);
}

static size_t count_gradients(const cw_agent *agent) {
    size_t n = 0;
    const char *name;
    cw_tensor mean, square;
    for (int o = 0; o < cw_agent_optimisers(agent); o++) {
        for (int i = 0; cw_agent_moment(agent, o, i, &name, &mean, &square); i++) {
            n += (size_t)cw_tensor_count(&mean);
        }
    }
    return n;
}

/* One update of an agent as `origin` on a backend; the caller frees result.value. */
static result run(cw_backend *be, const cw_agent *origin) {
    static const char *const names[N_LOSSES] = {"critic loss", "actor loss", "temperature loss",
                                                "contrastive loss"};
    cw_agent *agent;
    cw_update_stats stats;
    must(cw_agent_create(&agent, be, cw_agent_get_spec(origin)));
    copy_parameters(agent, origin);
    must(cw_agent_update(agent, &m.batch, 0, &stats));
    result r = {.value = memory(N_LOSSES + count_gradients(agent), sizeof *r.value)};
    double losses[N_LOSSES] = {stats.critic_loss, stats.actor_loss, stats.alpha_loss,
                               stats.curl_loss};
    for (int i = 0; i < N_LOSSES; i++) {
        cw_tensor loss = cw_tensor_1d(CW_F64, &losses[i], 1);
        add(&r, names[i], &loss);
    }
    const char *name;
    cw_tensor mean, square;
    for (int o = 0; o < cw_agent_optimisers(agent); o++) {
        for (int i = 0; cw_agent_moment(agent, o, i, &name, &mean, &square); i++) {
            add(&r, name, &mean);
        }
    }
    cw_agent_destroy(agent);
    return r;
}

static double mean_square(const result *a, const result *b, int tensor) {
    double sum = 0;
    for (int64_t k = a->begin[tensor]; k < a->begin[tensor + 1]; k++) {
        double d = a->value[k] - (b != NULL ? b->value[k] : 0);
        sum += d * d;
    }
    return sum / (double)(a->begin[tensor + 1] - a->begin[tensor]);
}

/* ---------------------------------------------------------------- noise in bf16's places */

static struct {
    cw_backend be; /* the f32 backend with other ops */
    cw_ops ops;
    const cw_ops *inner;
    cw_convnet_desc desc;
    uint64_t state; /* of the stream */
    bool products;  /* large ones go in bf16 whatever their inputs */
    bool tiles;     /* convolutions go by tiles; else their maps are bf16 */
    /* deviation of a convolution layer, of the first one, of a large linear layer */
    double layer, first, linear;
    float *params; /* perturbed */
} noise;

/* The next number of a stream, mean 0 and variance 1. */
static double next(void) {
    noise.state = noise.state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(noise.state >> 40) * 0x1p-24 - 0.5) * sqrt(12);
}

/* x += deviation * (its root mean square, or each element itself) * noise */
static void disturb(float *x, size_t n, double deviation, bool each) {
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    double scale = deviation * sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        double by = each ? deviation * (double)x[i] : scale;
        x[i] += (float)(by * next());
    }
}

/* Every layer's weights in a flat vector of parameters. */
static void disturb_layers(float *params, bool each) {
    int64_t channels = noise.desc.channels;
    for (int i = 0; i < noise.desc.n_layers; i++) {
        int64_t n = noise.desc.filters * channels * 9;
        disturb(params, (size_t)n, i == 0 ? noise.first : noise.layer, each);
        params += n + noise.desc.filters;
        channels = noise.desc.filters;
    }
}

static cw_status noisy_pack(cw_convnet *net, void *packed, const void *params) {
    size_t n = (size_t)cw_convnet_param_count(&noise.desc);
    memcpy(noise.params, params, n * sizeof *noise.params);
    disturb_layers(noise.params, true);
    return noise.inner->convnet_pack(net, packed, noise.params);
}

static cw_status noisy_convs_backward(cw_convnet *net, void *dparams, void *acts,
                                      const void *packed, const cw_tensor *features,
                                      cw_tensor *dfeatures, void *scratch) {
    CW_TRY(noise.inner->convnet_backward(net, dparams, acts, packed, features, dfeatures, scratch));
    disturb_layers(dparams, false);
    return CW_OK;
}

/* A result of a linear layer with weights w (outputs, inputs) and as many samples. */
static void disturb_product(const cw_tensor *out, const cw_tensor *w, int64_t samples) {
    bool large = noise.products && samples * cw_tensor_count(w) >= MANY_PRODUCTS;
    if (w->shape[1] < WIDE && !large) return;
    disturb(out->data, (size_t)cw_tensor_count(out), noise.linear, false);
}

static cw_status noisy_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x, const cw_tensor *w,
                               const cw_tensor *b, bool relu) {
    CW_TRY(noise.inner->linear_forward(be, y, x, w, b, false));
    disturb_product(y, w, x->shape[0]);
    for (int64_t i = 0; relu && i < cw_tensor_count(y); i++) {
        cw_tensor_set(y, i, fmax(0, cw_tensor_get(y, i)));
    }
    return CW_OK;
}

static cw_status noisy_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                            const cw_tensor *w) {
    CW_TRY(noise.inner->linear_backward_data(be, dx, dy, w));
    disturb_product(dx, w, dx->shape[0]);
    return CW_OK;
}

static cw_status noisy_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db, const cw_tensor *dy,
                               const cw_tensor *x) {
    CW_TRY(noise.inner->linear_backward_weights(be, dw, db, dy, x));
    disturb_product(dw, dw, x->shape[0]);
    return CW_OK;
}

/* Noise in f32 where `bf16` rounds. */
static void open_noise(const cw_backend *f32, cw_backend *bf16, const cw_agent_spec *spec) {
    const cw_onednn *rounding = bf16->state;
    noise.inner = f32->ops;
    noise.ops = *f32->ops;
    noise.ops.convnet_pack = noisy_pack;
    noise.ops.convnet_backward = noisy_convs_backward;
    noise.ops.linear_forward = noisy_forward;
    noise.ops.linear_backward_data = noisy_data;
    noise.ops.linear_backward_weights = noisy_weights;
    noise.be = *f32;
    noise.be.ops = &noise.ops;
    noise.desc = cw_agent_convs(spec);
    noise.params = memory((size_t)cw_convnet_param_count(&noise.desc), sizeof(float));
    noise.products = rounding->kernels->factor_bytes == 2;
    cw_convnet *net;
    must(bf16->ops->convnet_create(bf16, &net, &noise.desc));
    noise.tiles = net->units == NULL && rounding->map_type == dnnl_f32;
    bf16->ops->convnet_destroy(net);
    noise.state = 8;
}

/* Deviations of bf16, or OVER times those of f32. */
static void set_noise(bool bf16) {
    noise.linear = sqrt(2 * ROUNDING);
    noise.first = sqrt(3 * ROUNDING);
    noise.layer = noise.tiles ? AMPLIFIED * noise.linear : noise.first;
    if (bf16) return;
    double roundings = 15 + 0.5 * (double)noise.desc.filters;
    noise.layer = OVER * AMPLIFIED * sqrt(roundings * 0x1p-48 / 3);
    noise.first = noise.linear = noise.layer;
}

/* spread[i]: root mean square of what noise changes in tensor i. */
static void measure_spread(double spread[MOST_TENSORS], const result *want, const cw_agent *origin,
                           bool bf16) {
    set_noise(bf16);
    memset(spread, 0, MOST_TENSORS * sizeof *spread);
    for (int k = 0; k < RUNS; k++) {
        result r = run(&noise.be, origin);
        assert_int_equal(r.n, want->n);
        for (int i = 0; i < r.n; i++) spread[i] += mean_square(&r, want, i) / RUNS;
        cw_free(r.value);
    }
    for (int i = 0; i < want->n; i++) spread[i] = sqrt(spread[i]);
}

/* ---------------------------------------------------------------- the test */

/* Prints and judges every tensor of `got`; returns how many are beyond their tolerance. */
static int judge(const result *got, const result *want, const double spread[MOST_TENSORS],
                 const char *what) {
    int beyond = 0;
    printf("%s: root mean square error beside the tensor's own, and what is allowed\n", what);
    for (int i = 0; i < want->n; i++) {
        double size = sqrt(mean_square(want, NULL, i));
        double error = sqrt(mean_square(got, want, i));
        double allowed = DEVIATIONS * spread[i];
        printf("  %-34s %10.1e of %10.1e%s\n", want->name[i], error / size, allowed / size,
               error <= allowed ? "" : ": too much");
        beyond += !(error <= allowed);
    }
    return beyond;
}

/* Gradients of convolutions that are too good for bf16: its layers did not go in it. */
static int count_too_good(const result *bf16, const result *f32, const result *want,
                          const double spread[MOST_TENSORS]) {
    int n = 0, convs = 0;
    for (int i = 0; i < want->n; i++) {
        if (strstr(want->name[i], "convs.") == NULL) continue;
        double error = sqrt(mean_square(bf16, want, i));
        convs++;
        n += !(error > 0.2 * spread[i] && error > 10 * sqrt(mean_square(f32, want, i)));
    }
    assert_true(convs >= 8);
    return n;
}

static void a_whole_update_is_near(void **state) {
    const precision_case *c = *state;
    cw_backend *be[3];
    result r[3]; /* double, f32, bf16 */
    double spread[MOST_TENSORS];
    char what[64];
    if (!cw_backend_onednn_has_bf16()) skip();
    must(cw_backend_ref_create(&be[0], CW_F64));
    must(cw_backend_onednn_create(&be[1], 2));
    must(cw_backend_onednn_bf16_create(&be[2], 2));
    cw_agent_spec spec = spec_of(c);
    set_batch(c->batch);
    open_noise(be[1], be[2], &spec);
    assert_true(cw_convnet_features(&noise.desc) >= WIDE);
    assert_true(c->batch < B || c->batch * c->hidden * c->hidden >= MANY_PRODUCTS);
    cw_agent *origin = make_origin(be[1], &spec);
    for (int i = 0; i < 3; i++) r[i] = run(be[i], origin);
    int beyond = 0;
    for (int i = 1; i < 3; i++) {
        measure_spread(spread, &r[0], origin, i == 2);
        snprintf(what, sizeof what, "%s in %s", c->profile, i == 1 ? "f32" : "bf16");
        beyond += judge(&r[i], &r[0], spread, what);
    }
    if (beyond > 0) fail_msg("%d errors are larger than allowed", beyond);
    int too_good = count_too_good(&r[2], &r[1], &r[0], spread);
    if (too_good > 0) fail_msg("%d gradients of convolutions are too good for bf16", too_good);
    cw_agent_destroy(origin);
    for (int i = 0; i < 3; i++) {
        cw_free(r[i].value);
        cw_backend_destroy(be[i]);
    }
    cw_free(noise.params);
}

int main(void) {
    static precision_case cases[] = {{"authors", 4, 128}, {"paper", 4, 128}, {"fast", B, 1024}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_whole_update_is_near, &cases[0]),
        cmocka_unit_test_prestate(a_whole_update_is_near, &cases[1]),
        cmocka_unit_test_prestate(a_whole_update_is_near, &cases[2]),
    };
    return cmocka_run_group_tests(tests, make_batch, NULL);
}
