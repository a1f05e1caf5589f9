/* The built-in profiles: what each sets, and that the order of applying them leaves no trace. */
#include "config/config.h"
#include "test.h"

#include <curlew/status.h>

#include <string.h>

static void apply(cw_settings *settings, const char *name) {
    if (cw_profile_apply(settings, name) != CW_OK) fail_msg("%s", cw_last_error());
}

static void paper_is_the_default(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    apply(&a, "paper");
    assert_memory_equal(&a, &b, sizeof a);
    assert_string_equal(cw_profile_names()[0], "paper");
    assert_string_equal(a.run.profile, "paper");
}

static void defaults_are_the_published_numbers(void **state) {
    (void)state;
    cw_settings s;
    cw_settings_default(&s);
    assert_int_equal(s.env.frame_stack, 3);
    assert_int_equal(s.env.image_size, 100);
    assert_int_equal(s.augment.crop_size, 84);
    assert_int_equal(s.encoder.layers, 4);
    assert_int_equal(s.encoder.filters, 32);
    assert_int_equal(s.encoder.first_stride, 2);
    assert_int_equal(s.encoder.hidden, 1024);
    assert_int_equal(s.encoder.feature_dim, 50);
    assert_true(s.encoder.tanh);
    assert_true(s.encoder.lr == 1e-3 && s.actor.lr == 1e-3 && s.critic.lr == 1e-3);
    assert_true(s.encoder.beta1 == 0.9 && s.encoder.beta2 == 0.999);
    assert_true(s.actor.beta1 == 0.9 && s.actor.beta2 == 0.999);
    assert_true(s.critic.beta1 == 0.9 && s.critic.beta2 == 0.999);
    assert_true(s.sac.temperature_lr == 1e-4 && s.sac.temperature_beta1 == 0.5);
    assert_true(s.sac.temperature_beta2 == 0.999 && s.sac.init_temperature == 0.1);
    assert_true(s.sac.discount == 0.99 && s.sac.auto_target_entropy);
    assert_true(s.critic.tau == 0.01 && s.critic.encoder_tau == 0.05 && s.curl.key_tau == 0.05);
    assert_true(s.actor.log_std_min == -10 && s.actor.log_std_max == 2);
    assert_true(s.curl.enabled && s.curl.score == CW_SCORE_BILINEAR && s.curl.temperature == 1);
    assert_int_equal(s.actor.update_every, 2);
    assert_int_equal(s.critic.target_every, 2);
    assert_int_equal(s.curl.key_every, 1);
    assert_int_equal(s.curl.encoder_steps, 1);
    assert_int_equal(s.update.batch_size, 128);
    assert_int_equal(s.replay.capacity, 100000);
    assert_int_equal(s.train.frames, 100000);
    assert_int_equal(s.train.seed_steps, 1000);
    assert_int_equal(s.train.eval_episodes, 10);
}

static void authors_differs_in_these_keys_only(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    apply(&a, "authors");
    strcpy(b.run.profile, "authors");
    b.augment.range = CW_CROP_EXCLUSIVE;
    b.encoder.hidden = 0;
    b.encoder.tanh = false;
    b.actor.encoder = CW_ACTOR_OWN_HEAD;
    b.critic.target_encoder = CW_TARGET_OWN;
    b.curl.key_encoder = CW_KEY_CRITIC_TARGET;
    b.curl.encoder_steps = 2;
    b.update.order = CW_ORDER_SEQUENTIAL;
    assert_memory_equal(&a, &b, sizeof a);
}

static void fast_differs_in_these_keys_only(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    apply(&a, "fast");
    strcpy(b.run.profile, "fast");
    b.encoder.hidden = 0;
    assert_memory_equal(&a, &b, sizeof a);
}

static void every_profile_passes_the_rules_and_undoes_the_others(void **state) {
    (void)state;
    const char *const *names = cw_profile_names();
    int n = 0;
    for (; names[n]; n++) {
        cw_settings alone;
        cw_settings_default(&alone);
        apply(&alone, names[n]);
        if (cw_settings_check(&alone) != CW_OK) fail_msg("%s: %s", names[n], cw_last_error());
        for (int k = 0; names[k]; k++) {
            cw_settings after;
            cw_settings_default(&after);
            apply(&after, names[k]);
            apply(&after, names[n]);
            assert_memory_equal(&after, &alone, sizeof alone);
        }
    }
    assert_int_equal(n, 4);
}

static void a_profile_leaves_the_run_alone(void **state) {
    (void)state;
    cw_settings s;
    cw_settings_default(&s);
    s.run.seed = 42;
    strcpy(s.env.task, "toy");
    strcpy(s.run.out, "here");
    s.train.video = false;
    apply(&s, "tiny");
    assert_int_equal(s.run.seed, 42);
    assert_string_equal(s.env.task, "toy");
    assert_string_equal(s.run.out, "here");
    assert_false(s.train.video);
}

static void unknown_profiles_name_the_nearest(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    assert_int_equal(cw_profile_apply(&a, "papier"), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "did you mean paper?"));
    assert_int_equal(cw_profile_apply(&a, "q"), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "curlew list profiles"));
    assert_memory_equal(&a, &b, sizeof a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paper_is_the_default),
        cmocka_unit_test(defaults_are_the_published_numbers),
        cmocka_unit_test(authors_differs_in_these_keys_only),
        cmocka_unit_test(fast_differs_in_these_keys_only),
        cmocka_unit_test(every_profile_passes_the_rules_and_undoes_the_others),
        cmocka_unit_test(a_profile_leaves_the_run_alone),
        cmocka_unit_test(unknown_profiles_name_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
