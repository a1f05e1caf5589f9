#include "test.h"
#include "train/trainer.h"

#include <curlew/status.h>

#include <math.h>
#include <string.h>

static cw_run_state sound(void) {
    cw_run_state state = {.frames = 4000,
                          .evaluated_at = -1,
                          .best_at = -1,
                          .last_return = NAN,
                          .last_eval = NAN,
                          .best_eval = NAN};
    return state;
}

static void refuse(const cw_run_state *state, const char *part) {
    assert_int_equal(cw_run_state_check(state), CW_EFORMAT);
    if (strstr(cw_last_error(), part) == NULL) fail_msg("no '%s' in: %s", part, cw_last_error());
}

static void sound_states_pass(void **unused) {
    (void)unused;
    cw_run_state state = sound();
    assert_int_equal(cw_run_state_check(&state), CW_OK);
    memset(&state, 0, sizeof state);
    assert_int_equal(cw_run_state_check(&state), CW_OK);
}

static void every_count_is_checked(void **unused) {
    (void)unused;
    static const struct {
        size_t at;
        int64_t above;
        const char *name;
    } rows[] = {
        {offsetof(cw_run_state, frames), INT64_MAX, "frames"},
        {offsetof(cw_run_state, agent_steps), INT64_MAX, "agent steps"},
        {offsetof(cw_run_state, updates), INT64_MAX, "updates"},
        {offsetof(cw_run_state, episodes), INT64_MAX, "episodes"},
        {offsetof(cw_run_state, evaluations), INT64_MAX, "evaluations"},
        {offsetof(cw_run_state, next_eval), INT64_MAX, "next evaluation"},
        {offsetof(cw_run_state, next_checkpoint), INT64_MAX, "next checkpoint"},
        {offsetof(cw_run_state, evaluated_at), INT64_MAX, "last evaluation"},
        {offsetof(cw_run_state, best_at), INT64_MAX, "best evaluation"},
        {offsetof(cw_run_state, in_episode), 2, "episode under way"},
        {offsetof(cw_run_state, episode_control_steps), INT64_C(1) << 31, "steps of the episode"},
        {offsetof(cw_run_state, metric[CW_N_METRICS - 1].n), INT64_MAX, "metric 9 has"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cw_run_state state = sound();
        const int64_t values[] = {-2, rows[i].above};
        for (int k = 0; k < 2; k++) {
            memcpy((char *)&state + rows[i].at, &values[k], sizeof values[k]);
            refuse(&state, rows[i].name);
        }
    }
}

static void nothing_is_infinite(void **unused) {
    (void)unused;
    static const size_t at[] = {
        offsetof(cw_run_state, episode_return), offsetof(cw_run_state, wall_s),
        offsetof(cw_run_state, last_return),    offsetof(cw_run_state, last_eval),
        offsetof(cw_run_state, best_eval),      offsetof(cw_run_state, metric[3].sum),
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        cw_run_state state = sound();
        double value = -INFINITY;
        memcpy((char *)&state + at[i], &value, sizeof value);
        refuse(&state, "infinite");
        if (i > 1) continue;
        value = NAN; /* these are never absent */
        memcpy((char *)&state + at[i], &value, sizeof value);
        refuse(&state, "infinite");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_states_pass),
        cmocka_unit_test(every_count_is_checked),
        cmocka_unit_test(nothing_is_infinite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
