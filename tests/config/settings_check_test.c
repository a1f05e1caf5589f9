/* Rules between keys: each breaks with a message that names the way out, and the way out works. */
#include "config/config.h"
#include "test.h"

#include <curlew/status.h>

#include <string.h>

typedef struct pair {
    const char *key, *value;
} pair;

static const struct {
    pair breaks[4];
    const char *fragment;
    pair mends;
} cases[] = {
    {{{"env.image_size", "80"}},
     "augment.crop_size=84 is larger than env.image_size=80",
     {"augment.crop_size", "80"}},
    {{{"env.image_size", "84"}, {"augment.range", "exclusive"}},
     "augment.range=exclusive leaves no offset",
     {"augment.range", "full"}},
    {{{"augment.crop_size", "8"}},
     "encoder.layers=4: the maps vanish at layer 3 (augment.crop_size=8",
     {"encoder.layers", "2"}},
    {{{"augment.kind", "none"}, {"env.image_size", "8"}},
     "the maps vanish at layer 3 (env.image_size=8",
     {"encoder.layers", "2"}},
    {{{"augment.crop_size", "30"}, {"encoder.first_stride", "8"}},
     "the maps vanish at layer 3",
     {"encoder.first_stride", "2"}},
    {{{"encoder.beta1", "1"}}, "encoder.beta1=1: must be below 1", {"encoder.beta1", "0"}},
    {{{"encoder.beta2", "1"}}, "encoder.beta2=1", {"encoder.beta2", "0.5"}},
    {{{"actor.beta1", "1"}}, "actor.beta1=1", {"actor.beta1", "0.5"}},
    {{{"actor.beta2", "1"}}, "actor.beta2=1", {"actor.beta2", "0.5"}},
    {{{"critic.beta1", "1"}}, "critic.beta1=1", {"critic.beta1", "0.5"}},
    {{{"critic.beta2", "1"}}, "critic.beta2=1", {"critic.beta2", "0.5"}},
    {{{"sac.temperature_beta1", "1"}}, "sac.temperature_beta1=1", {"sac.temperature_beta1", "0.5"}},
    {{{"sac.temperature_beta2", "1"}}, "sac.temperature_beta2=1", {"sac.temperature_beta2", "0.5"}},
    {{{"actor.log_std_min", "2"}},
     "actor.log_std_min=2 must be below actor.log_std_max=2",
     {"actor.log_std_max", "3"}},
    {{{"curl.key_encoder", "critic_target"}},
     "set critic.target_encoder=own",
     {"critic.target_encoder", "own"}},
    {{{"curl.key_encoder", "critic_target"}}, "curl.key_encoder", {"curl.enabled", "false"}},
    {{{"curl.encoder_steps", "2"}},
     "curl.encoder_steps=2 needs update.order=sequential",
     {"update.order", "sequential"}},
    {{{"update.batch_size", "1"}}, "no negatives", {"curl.enabled", "false"}},
};

static void set(cw_settings *settings, pair p) {
    if (cw_settings_set(settings, p.key, p.value) != CW_OK) fail_msg("%s", cw_last_error());
}

static void every_rule_breaks_and_mends(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_settings s;
        cw_settings_default(&s);
        for (int k = 0; k < 4 && cases[i].breaks[k].key; k++) set(&s, cases[i].breaks[k]);
        cw_status status = cw_settings_check(&s);
        if (status != CW_EINVAL || !strstr(cw_last_error(), cases[i].fragment))
            fail_msg("case %zu: status %d, \"%s\" lacks \"%s\"", i, (int)status, cw_last_error(),
                     cases[i].fragment);
        set(&s, cases[i].mends);
        if (cw_settings_check(&s) != CW_OK) fail_msg("case %zu: %s", i, cw_last_error());
    }
}

/* The smallest picture that leaves one pixel passes; one pixel fewer does not. */
static void maps_may_shrink_to_one_pixel(void **state) {
    (void)state;
    cw_settings s;
    cw_settings_default(&s);
    s.augment.crop_size = 15; /* 15 -> 7 -> 5 -> 3 -> 1 */
    assert_int_equal(cw_settings_check(&s), CW_OK);
    s.augment.crop_size = 14; /* 14 -> 6 -> 4 -> 2 */
    assert_int_equal(cw_settings_check(&s), CW_EINVAL);
}

static void the_default_passes(void **state) {
    (void)state;
    cw_settings s;
    cw_settings_default(&s);
    if (cw_settings_check(&s) != CW_OK) fail_msg("%s", cw_last_error());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_breaks_and_mends),
        cmocka_unit_test(maps_may_shrink_to_one_pixel),
        cmocka_unit_test(the_default_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
