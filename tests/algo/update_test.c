/* What the goldens do not show: refusals, repeatability, memory. */
#include "algo/agent.h"
#include "base/memory.h"
#include "base/rng.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { B = 4, K = 3, S = 14, A = 2, FRAME = 3 * S * S };

static cw_agent_spec spec(void) {
    return (cw_agent_spec){
        .encoder = {.layers = 2,
                    .filters = 3,
                    .first_stride = 2,
                    .hidden = 6,
                    .feature_dim = 5,
                    .tanh = true,
                    .lr = 1e-3,
                    .beta1 = 0.9,
                    .beta2 = 0.999},
        .actor = {.hidden = 7,
                  .log_std_min = -10,
                  .log_std_max = 2,
                  .lr = 1e-3,
                  .beta1 = 0.9,
                  .beta2 = 0.999,
                  .update_every = 2},
        .critic = {.hidden = 7,
                   .lr = 1e-3,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .tau = 0.01,
                   .encoder_tau = 0.05,
                   .target_every = 2},
        .sac = {.discount = 0.99,
                .init_temperature = 0.1,
                .temperature_lr = 1e-4,
                .temperature_beta1 = 0.5,
                .temperature_beta2 = 0.999,
                .auto_target_entropy = true},
        .curl = {.enabled = true,
                 .temperature = 1,
                 .key_tau = 0.05,
                 .key_every = 1,
                 .encoder_steps = 1},
        .update = {.batch_size = B},
        .action_dim = A,
        .frame_stack = K,
        .frame_channels = 3,
        .crop_height = S,
        .crop_width = S,
    };
}

/* A minibatch of noise. */
static struct {
    uint8_t pixels[3 * B * K * FRAME];
    const uint8_t *frames[3][B * K];
    int32_t zeros[B];
    float action[B * A], reward[B], not_done[B], noise[2][B * A];
    cw_minibatch batch;
} m;

static void make_batch(void) {
    cw_stream stream = {.seed = 9, .purpose = CW_RNG_TEST};
    uint32_t word[4] = {0};
    for (size_t i = 0; i < sizeof m.pixels; i++) {
        if (i % 4 == 0) cw_rng_block(&stream, i, 0, word);
        m.pixels[i] = (uint8_t)word[i % 4];
    }
    cw_image_batch view[3];
    for (int v = 0; v < 3; v++) {
        for (int i = 0; i < B * K; i++) m.frames[v][i] = m.pixels + (v * B * K + i) * FRAME;
        view[v] = (cw_image_batch){.n = B,
                                   .stack = K,
                                   .frame_channels = 3,
                                   .frame_height = S,
                                   .frame_width = S,
                                   .frames = m.frames[v],
                                   .offset_y = m.zeros,
                                   .offset_x = m.zeros};
    }
    cw_rng_normal(&stream, 1000001, m.noise[0], B * A);
    cw_rng_normal(&stream, 1000002, m.noise[1], B * A);
    for (int i = 0; i < B * A; i++) m.action[i] = tanhf(m.noise[1][i]);
    for (int i = 0; i < B; i++) {
        m.reward[i] = 0.1f * (float)i;
        m.not_done[i] = 1;
    }
    m.batch = (cw_minibatch){.n = B,
                             .action_dim = A,
                             .obs = view[0],
                             .next_obs = view[1],
                             .pos = view[2],
                             .action = m.action,
                             .reward = m.reward,
                             .not_done = m.not_done,
                             .noise_next = m.noise[0],
                             .noise_actor = m.noise[1]};
}

static cw_backend *be;

static int open_backend(void **state) {
    (void)state;
    make_batch();
    return cw_backend_ref_create(&be, CW_F32) == CW_OK ? 0 : -1;
}

static int close_backend(void **state) {
    (void)state;
    cw_backend_destroy(be);
    return 0;
}

static cw_agent *make_agent(uint64_t seed) {
    cw_agent *agent;
    cw_agent_spec s = spec();
    assert_int_equal(cw_agent_create(&agent, be, &s), CW_OK);
    assert_int_equal(cw_agent_init(agent, seed), CW_OK);
    return agent;
}

static void updates_allocate_nothing_and_repeat_bit_for_bit(void **state) {
    (void)state;
    cw_agent *a = make_agent(1), *b = make_agent(1), *other = make_agent(2);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    for (int step = 0; step < 5; step++) {
        cw_update_stats sa, sb, so;
        assert_int_equal(cw_agent_update(a, &m.batch, step, &sa), CW_OK);
        assert_int_equal(cw_agent_update(b, &m.batch, step, &sb), CW_OK);
        assert_int_equal(cw_agent_update(other, &m.batch, step, &so), CW_OK);
        assert_true(sa.critic_loss == sb.critic_loss && sa.curl_loss == sb.curl_loss);
        assert_true(sa.critic_loss != so.critic_loss);
        assert_int_equal(isnan(sa.actor_loss), step % 2);
    }
    cw_memory_stats_get(&after);
    assert_int_equal(after.n_allocs, before.n_allocs);
    const char *name;
    cw_tensor ta, tb, to;
    for (int i = 0; cw_agent_param(a, i, &name, &ta); i++) {
        assert_true(cw_agent_param(b, i, &name, &tb));
        assert_true(cw_agent_param(other, i, &name, &to));
        assert_memory_equal(ta.data, tb.data, cw_tensor_bytes(&ta));
        bool differs = memcmp(ta.data, to.data, cw_tensor_bytes(&ta)) != 0;
        assert_true(differs || cw_tensor_count(&ta) == 1); /* log_alpha may agree */
    }
    cw_agent_destroy(a);
    cw_agent_destroy(b);
    cw_agent_destroy(other);
}

static void a_loss_that_is_not_finite_is_named(void **state) {
    (void)state;
    cw_agent *agent = make_agent(1);
    cw_update_stats stats;
    cw_minibatch bad = m.batch;
    float reward[B] = {0, INFINITY, 0, 0};
    bad.reward = reward;
    assert_int_equal(cw_agent_update(agent, &bad, 17, &stats), CW_EDIVERGED);
    assert_non_null(strstr(cw_last_error(), "update 17"));
    assert_non_null(strstr(cw_last_error(), "TD target"));
    cw_agent_destroy(agent);
}

/* Finite losses whose gradient overflows: Q is about 1e24, its squared error 1e48 in double, and
 * the gradient at the layer below 1e24 times the weight. */
static void a_gradient_that_is_not_finite_is_named(void **state) {
    (void)state;
    cw_agent *agent = make_agent(1);
    cw_update_stats stats;
    const char *name;
    cw_tensor value;
    for (int i = 0; cw_agent_param(agent, i, &name, &value); i++) {
        if (strcmp(name, "critic.Q1.trunk.4.weight") != 0) continue;
        for (int64_t k = 0; k < cw_tensor_count(&value); k++) cw_tensor_set(&value, k, 1e24);
    }
    assert_int_equal(cw_agent_update(agent, &m.batch, 17, &stats), CW_EDIVERGED);
    assert_non_null(strstr(cw_last_error(), "update 17: the gradient of critic."));
    cw_agent_destroy(agent);
}

static void a_minibatch_of_another_size_is_refused(void **state) {
    (void)state;
    cw_agent *agent = make_agent(1);
    cw_update_stats stats;
    cw_minibatch bad = m.batch;
    bad.n = B + 1;
    assert_int_equal(cw_agent_update(agent, &bad, 0, &stats), CW_EINVAL);
    bad = m.batch;
    bad.action_dim = A + 1;
    assert_int_equal(cw_agent_update(agent, &bad, 0, &stats), CW_EINVAL);
    cw_agent_destroy(agent);
}

static void impossible_specs_are_refused(void **state) {
    (void)state;
    cw_agent *agent;
    cw_agent_spec bad = spec();
    bad.encoder.layers = 8;
    assert_int_equal(cw_agent_create(&agent, be, &bad), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "encoder.layers"));
    bad = spec();
    bad.curl.key_encoder = CW_KEY_CRITIC_TARGET;
    assert_int_equal(cw_agent_create(&agent, be, &bad), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "critic.target_encoder"));
    bad = spec();
    bad.update.batch_size = 1;
    assert_int_equal(cw_agent_create(&agent, be, &bad), CW_EINVAL);
    bad = spec();
    bad.action_dim = 0;
    assert_int_equal(cw_agent_create(&agent, be, &bad), CW_EINVAL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    cw_agent_spec s = spec();
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    cw_status status = CW_ENOMEM;
    int n = 0;
    for (; status != CW_OK; n++) {
        cw_agent *agent;
        cw_memory_fail_after((uint64_t)n + 1);
        status = cw_agent_create(&agent, be, &s);
        cw_memory_fail_after(0);
        assert_true(status == CW_OK || status == CW_ENOMEM);
        if (status == CW_OK) cw_agent_destroy(agent);
    }
    cw_memory_stats_get(&after);
    assert_true(n > 2);
    assert_int_equal(after.live_blocks, before.live_blocks);
}

/* Acting one stack at a time and several at a time give the same actions. */
static void actors_of_any_width_agree(void **state) {
    (void)state;
    cw_agent *agent = make_agent(3);
    cw_actor *one, *all;
    assert_int_equal(cw_actor_create(&one, agent, 1), CW_OK);
    assert_int_equal(cw_actor_create(&all, agent, B), CW_OK);
    float together[B * A], alone[A];
    assert_int_equal(cw_actor_act(all, &m.batch.obs, m.noise[0], together), CW_OK);
    for (int i = 0; i < B; i++) {
        cw_image_batch single = m.batch.obs;
        single.n = 1;
        single.frames += i * K;
        assert_int_equal(cw_actor_act(one, &single, m.noise[0] + i * A, alone), CW_OK);
        assert_memory_equal(alone, together + i * A, sizeof alone);
    }
    assert_int_equal(cw_actor_act(one, &m.batch.obs, NULL, together), CW_EINVAL);
    cw_actor_destroy(one);
    cw_actor_destroy(all);
    cw_agent_destroy(agent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_allocate_nothing_and_repeat_bit_for_bit),
        cmocka_unit_test(a_loss_that_is_not_finite_is_named),
        cmocka_unit_test(a_gradient_that_is_not_finite_is_named),
        cmocka_unit_test(a_minibatch_of_another_size_is_refused),
        cmocka_unit_test(impossible_specs_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(actors_of_any_width_agree),
    };
    return cmocka_run_group_tests(tests, open_backend, close_backend);
}
