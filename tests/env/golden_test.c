/* Every task against golden.txt, which this program wrote when parity_test.c had shown the build to
 * equal dm_control in every bit. Checksums of whole trajectories and frames where the machine
 * computes as that one did; a few values, with tolerances, everywhere.
 *
 * `env_golden_test --write FILE` writes it anew; another argument picks tests by a pattern of their
 * names. */
#include "base/crc.h"
#include "env/dmcontrol/dm_env.h"
#include "env/support.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS   100
#define SHOWN   10 /* steps whose reward and observation stand in the file */
#define IMAGE   84
#define BYTES   (3 * IMAGE * IMAGE)
#define N_FRAME 2 /* at the start and at the end */

typedef struct golden {
    char name[64];
    uint32_t numbers;         /* CRC-32C of rewards, observations, qpos and qvel */
    uint32_t frames[N_FRAME]; /* CRC-32C of the pixels */
    double brightness[N_FRAME];
    double reward[SHOWN]; /* of the first steps */
    double sum[SHOWN];    /* of the observation after them */
} golden;

/* One trajectory with random actions, then the start of a second episode. */
static golden measure(const char *name) {
    static uint8_t frame[BYTES];
    golden g = {0};
    snprintf(g.name, sizeof g.name, "%s", name);
    cw_env env = make_env(name, 777, IMAGE);
    cw_mt19937 actions;
    cw_mt19937_seed(&actions, 778);
    int nq, nv, n_obs;
    double row[256], action[CW_MAX_ACTION_DIM];
    assert_int_equal(cw_env_state_sizes(&env, &nq, &nv), CW_OK);
    assert_int_equal(cw_env_observation_size(&env, &n_obs), CW_OK);
    for (int t = 0; t <= STEPS + 1; t++) {
        row[0] = 0.0;
        if (t == 0 || t == STEPS + 1) {
            reset_env(&env);
        } else {
            random_action(&env, &actions, action);
            row[0] = step_env(&env, action).reward;
        }
        assert_int_equal(cw_env_observation(&env, row + 1), CW_OK);
        double *q = row + 1 + n_obs;
        assert_int_equal(cw_env_qpos_qvel(&env, q, q + nq), CW_OK);
        size_t n = (size_t)(1 + n_obs + nq + nv);
        g.numbers = cw_crc32c(g.numbers, row, n * sizeof *row);
        if (t >= 1 && t <= SHOWN) {
            g.reward[t - 1] = row[0];
            for (int i = 0; i < n_obs; i++) g.sum[t - 1] += row[1 + i];
        }
        if (t != 0 && t != STEPS) continue;
        assert_int_equal(env.vtable->render(env.self, frame), CW_OK);
        int k = t == STEPS;
        g.frames[k] = cw_crc32c(0, frame, BYTES);
        for (int i = 0; i < BYTES; i++) g.brightness[k] += frame[i] / (double)BYTES;
    }
    destroy_env(&env);
    return g;
}

static void print_golden(FILE *file, const golden *g) {
    fprintf(file, "%s %08x %08x %08x %.17g %.17g\n", g->name, g->numbers, g->frames[0],
            g->frames[1], g->brightness[0], g->brightness[1]);
    for (int t = 0; t < SHOWN; t++) fprintf(file, " %.17g %.17g\n", g->reward[t], g->sum[t]);
}

static bool scan_golden(FILE *file, golden *g) {
    if (fscanf(file, "%63s %x %x %x %lf %lf", g->name, &g->numbers, &g->frames[0], &g->frames[1],
               &g->brightness[0], &g->brightness[1]) != 6)
        return false;
    for (int t = 0; t < SHOWN; t++)
        if (fscanf(file, "%lf %lf", &g->reward[t], &g->sum[t]) != 2) return false;
    return true;
}

static bool exact_pixels(void) {
    char text[256];
    cw_env env = make_env("pendulum-swingup", 0, 8);
    assert_int_equal(cw_env_renderer_describe(&env, text, sizeof text), CW_OK);
    print_message("renderer: %s\n", text);
    bool exact = pixels_are_exact(&env);
    destroy_env(&env);
    return exact;
}

static golden table[64];
static int n_golden;
static bool numbers_exact, pixels_exact;

static void test_task(void **state) {
    const golden *want = *state;
    golden got = measure(want->name);
    for (int t = 0; t < SHOWN; t++) {
        if (!(fabs(got.reward[t] - want->reward[t]) <= 1e-8))
            fail_msg("reward %d is %.17g, not %.17g", t, got.reward[t], want->reward[t]);
        if (!(fabs(got.sum[t] - want->sum[t]) <= 1e-6 * (1.0 + fabs(want->sum[t]))))
            fail_msg("observation %d adds up to %.17g, not %.17g", t, got.sum[t], want->sum[t]);
    }
    for (int k = 0; k < N_FRAME; k++)
        if (!(fabs(got.brightness[k] - want->brightness[k]) <= 1.0))
            fail_msg("frame %d: mean %.3f, not %.3f", k, got.brightness[k], want->brightness[k]);
    if (numbers_exact && got.numbers != want->numbers)
        fail_msg("the trajectory's checksum is %08x, not %08x", got.numbers, want->numbers);
    for (int k = 0; k < N_FRAME; k++)
        if (pixels_exact && got.frames[k] != want->frames[k])
            fail_msg("frame %d's checksum is %08x, not %08x", k, got.frames[k], want->frames[k]);
}

static void test_complete(void **state) {
    (void)state;
    int n;
    cw_tasks(&n);
    assert_int_equal(n_golden, n - 1); /* all but toy */
}

static int write_file(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return 1;
    int n;
    const cw_task *tasks = cw_tasks(&n);
    for (int i = 0; i < n; i++) {
        if (strcmp(tasks[i].name, "toy") == 0) continue;
        golden g = measure(tasks[i].name);
        print_golden(file, &g);
    }
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--write") == 0) return write_file(argv[2]);
    if (argc == 2) cmocka_set_test_filter(argv[1]);
    FILE *file = fopen(CW_TEST_DATA "/env/golden.txt", "r");
    if (!file) return 1;
    static struct CMUnitTest tests[65];
    while (n_golden < 64 && scan_golden(file, &table[n_golden])) {
        tests[n_golden] = (struct CMUnitTest){.name = table[n_golden].name,
                                              .test_func = test_task,
                                              .initial_state = &table[n_golden]};
        n_golden++;
    }
    fclose(file);
    tests[n_golden] = (struct CMUnitTest)cmocka_unit_test(test_complete);
    numbers_exact = numbers_are_exact();
    pixels_exact = exact_pixels();
    return _cmocka_run_group_tests("golden", tests, (size_t)n_golden + 1, NULL, NULL);
}
