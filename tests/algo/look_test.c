/* What an actor shows of an agent: the action it would take, the features the critic sees, and the
 * smaller Q of that action. */
#include "algo/agent.h"
#include "base/rng.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { B = 3, K = 2, S = 14, A = 2, D = 5, FRAME = 3 * S * S };

static uint8_t pixels[B * K * FRAME];
static const uint8_t *frames[B * K];
static const int32_t zeros[B];
static cw_backend *be;
static cw_agent *agent;
static cw_actor *actor;
static cw_image_batch images;

static void make(cw_actor_encoder encoder) {
    const cw_agent_spec spec = {
        .encoder = {.layers = 2, .filters = 3, .first_stride = 2, .feature_dim = D},
        .actor = {.hidden = 7, .encoder = encoder, .log_std_min = -10, .log_std_max = 2},
        .critic = {.hidden = 7},
        .curl = {.enabled = true, .temperature = 1},
        .update = {.batch_size = B},
        .action_dim = A,
        .frame_stack = K,
        .frame_channels = 3,
        .crop_height = S,
        .crop_width = S};
    const cw_stream stream = {.seed = 4, .purpose = CW_RNG_TEST};
    uint32_t word[4] = {0};
    for (size_t i = 0; i < sizeof pixels; i++) {
        if (i % 4 == 0) cw_rng_block(&stream, i, 0, word);
        pixels[i] = (uint8_t)word[i % 4];
    }
    for (size_t i = 0; i < B * K; i++) frames[i] = pixels + i * FRAME;
    images = (cw_image_batch){.n = B,
                              .stack = K,
                              .frame_channels = 3,
                              .frame_height = S,
                              .frame_width = S,
                              .frames = frames,
                              .offset_y = zeros,
                              .offset_x = zeros};
    assert_int_equal(cw_backend_ref_create(&be, CW_F32), CW_OK);
    assert_int_equal(cw_agent_create(&agent, be, &spec), CW_OK);
    assert_int_equal(cw_agent_init(agent, 3), CW_OK);
    assert_int_equal(cw_actor_create(&actor, agent, B), CW_OK);
}

static void destroy(void) {
    cw_actor_destroy(actor);
    cw_agent_destroy(agent);
    cw_backend_destroy(be);
}

/* Fills a parameter of the agent. */
static void fill(const char *name, double value) {
    const char *found;
    cw_tensor tensor;
    for (int i = 0; cw_agent_param(agent, i, &found, &tensor); i++) {
        if (strcmp(found, name) != 0) continue;
        for (int64_t k = 0; k < cw_tensor_count(&tensor); k++) cw_tensor_set(&tensor, k, value);
        return;
    }
    fail_msg("no parameter %s", name);
}

static void check(cw_actor_encoder encoder) {
    float z[B * D], action[B * A], value[B], alone[B * A];
    make(encoder);
    assert_int_equal(cw_actor_look(actor, &images, z, action, value), CW_OK);
    assert_int_equal(cw_actor_act(actor, &images, NULL, alone), CW_OK);
    assert_memory_equal(action, alone, sizeof action);
    for (int b = 0; b < B; b++) { /* LayerNorm's output: mean 0, mean square 1 */
        double sum = 0, squares = 0;
        for (int d = 0; d < D; d++) {
            sum += (double)z[b * D + d];
            squares += (double)z[b * D + d] * (double)z[b * D + d];
        }
        assert_true(fabs(sum) < 1e-4 && fabs(squares / D - 1) < 1e-2);
    }
    /* Qs that are one number each: the smaller one is shown, whichever it is. */
    fill("critic.Q1.trunk.4.weight", 0);
    fill("critic.Q2.trunk.4.weight", 0);
    fill("critic.Q1.trunk.4.bias", 3);
    fill("critic.Q2.trunk.4.bias", -2);
    assert_int_equal(cw_actor_look(actor, &images, z, action, value), CW_OK);
    for (int b = 0; b < B; b++) assert_true(value[b] == -2.0F);
    fill("critic.Q1.trunk.4.bias", -5);
    assert_int_equal(cw_actor_look(actor, &images, z, action, value), CW_OK);
    for (int b = 0; b < B; b++) assert_true(value[b] == -5.0F);
    /* The features are the query encoder's, not those of the actor's own head. */
    fill("critic.encoder.ln.weight", 0);
    fill("critic.encoder.ln.bias", 7);
    assert_int_equal(cw_actor_look(actor, &images, z, action, value), CW_OK);
    for (int i = 0; i < B * D; i++) assert_true(z[i] == 7.0F);
    destroy();
}

static void shared_encoder(void **state) {
    (void)state;
    check(CW_ACTOR_SHARED);
}

static void own_head(void **state) {
    (void)state;
    check(CW_ACTOR_OWN_HEAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shared_encoder),
                                       cmocka_unit_test(own_head)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
