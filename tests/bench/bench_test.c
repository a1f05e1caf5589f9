/* What an update costs, in counts that no machine changes: passes through the encoder, allocations,
 * pixels gathered, bytes that the optimisers walk through. And what a run needs of memory. */
#include "test.h"

#include <curlew/bench.h>

#include <stdlib.h>
#include <string.h>

enum { B = 4, C = 9, SIDE = 20, F = 4, L = 4, D = 7, HIDDEN = 12, H = 10, A = 6, FLAT = 4 * 9 };

static void must(cw_status status) {
    if (status != CW_OK) fail_msg("%s", cw_last_error());
}

static void equal(double got, double want, double tolerance) {
    if (!(got >= want - tolerance && got <= want + tolerance)) {
        fail_msg("%.17g, expected %.17g", got, want);
    }
}

/* Four convolutions make 20 -> 9 -> 7 -> 5 -> 3. */
static cw_config *small_config(const char *profile) {
    static const char *const words[][2] = {{"env.image_size", "24"},   {"augment.crop_size", "20"},
                                           {"encoder.filters", "4"},   {"encoder.feature_dim", "7"},
                                           {"actor.hidden", "10"},     {"critic.hidden", "10"},
                                           {"update.batch_size", "4"}, {"run.threads", "1"}};
    cw_config *config;
    must(cw_config_create(&config));
    must(cw_config_profile(config, profile));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        must(cw_config_set(config, words[i][0], words[i][1]));
    }
    return config;
}

static double figure(const cw_bench_result *result, const char *name) {
    for (int i = 0; i < result->n_figures; i++) {
        if (strcmp(result->figure[i].name, name) == 0) return result->figure[i].value;
    }
    fail_msg("no figure \"%s\"", name);
    return 0;
}

static double mlp(double inputs, double outputs) {
    return (inputs + 1) * H + (H + 1) * H + (H + 1) * outputs;
}

/* Parameters of the parts. */
static double convs(void) {
    return (9 * C + 1) * F + (L - 1) * (9 * F + 1) * F;
}
static double head(double hidden) {
    double linear = hidden > 0 ? (FLAT + 1) * hidden + (hidden + 1) * D : (FLAT + 1) * D;
    return linear + 2 * D;
}
#define Q     mlp(D + A, 1)
#define TRUNK mlp(D, 2 * A)
#define W     ((double)D * D)
/* bytes a parameter: Adam reads and writes three floats and reads the gradient; an average reads
 * two and writes one */
#define ADAM 28.0
#define EMA  12.0

typedef struct expectation {
    const char *profile;
    double passes;
    double optimiser_bytes; /* an update; actor and targets are due in every second one */
} expectation;

static void updates_cost_what_they_should(void **state) {
    (void)state;
    double own = convs() + head(0), paper = convs() + head(HIDDEN);
    const expectation all[] = {
        /* next observation twice (online, target), critic 3, anchor 3, key 1 */
        {"authors", 9,
         ADAM * (own + 2 * Q + W + own) +
             0.5 * (ADAM * (head(0) + TRUNK + 1) + EMA * (2 * Q + own))},
        /* next observation 1, critic and anchor together 3, key 1 */
        {"paper", 5,
         ADAM * (W + paper + 2 * Q) + 0.5 * (ADAM * (TRUNK + 1) + EMA * 2 * Q) + EMA * paper},
        {"fast", 5,
         ADAM * (W + own + 2 * Q) + 0.5 * (ADAM * (TRUNK + 1) + EMA * 2 * Q) + EMA * own},
    };
    cw_bench_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cw_config *config = small_config(all[i].profile);
        if (strcmp(all[i].profile, "paper") == 0)
            must(cw_config_set(config, "encoder.hidden", "12"));
        cw_bench_options options = {.updates = 4};
        must(cw_bench(config, CW_BENCH_UPDATE, &options, result));
        cw_config_destroy(config);
        double pixels = 3.0 * B * C * SIDE * SIDE; /* anchor, next, positive: each once */
        print_message("%s: %g passes, %g allocations, %.0f bytes gathered, %.0f by optimisers\n",
                      all[i].profile, figure(result, "encoder passes"),
                      figure(result, "allocations"), 1e6 * figure(result, "gathered"),
                      1e6 * figure(result, "moved by optimisers"));
        equal(figure(result, "encoder passes"), all[i].passes, 1e-9);
        assert_true(figure(result, "allocations") == 0);
        equal(1e6 * figure(result, "gathered"), pixels * (1 + sizeof(float)), 1e-3);
        equal(1e6 * figure(result, "moved by optimisers"), all[i].optimiser_bytes, 1e-3);
    }
    free(result);
}

/* The limit that a run is refused by is the memory that it takes. */
static void a_run_takes_the_memory_foretold(void **state) {
    (void)state;
#ifdef CW_TEST_INSTRUMENTED
    skip(); /* what watches the program takes memory, too */
#endif
    cw_config *config;
    must(cw_config_create(&config));
    must(cw_config_profile(config, "fast"));
    must(cw_config_set(config, "replay.capacity", "4000"));
    must(cw_config_set(config, "update.batch_size", "8"));
    cw_bench_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    cw_bench_options options = {.seconds = 0.01};
    must(cw_bench(config, CW_BENCH_REPLAY, &options, result));
    cw_config_destroy(config);
    double ratio = figure(result, "peak memory / foretold");
    print_message("peak memory: %.3f times what was foretold\n", ratio);
    assert_true(ratio > 0.5 && ratio <= 1.15);
    free(result);
}

/* Initial weights of wide layers take many kinds of calls, which are not an update's. */
static void calls_of_initialisation_do_not_count(void **state) {
    (void)state;
    cw_config *config = small_config("fast");
    must(cw_config_set(config, "actor.hidden", "1100"));
    cw_bench_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    cw_bench_options options = {.updates = 2};
    must(cw_bench(config, CW_BENCH_UPDATE, &options, result));
    cw_config_destroy(config);
    equal(figure(result, "encoder passes"), 5, 1e-9);
    free(result);
}

static void every_benchmark_gives_figures(void **state) {
    (void)state;
    cw_config *config = small_config("fast");
    must(cw_config_set(config, "env.task", "toy"));
    must(cw_config_set(config, "replay.capacity", "100"));
    cw_bench_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    for (int kind = CW_BENCH_UPDATE; kind <= CW_BENCH_OPS; kind++) {
        cw_bench_options options = {.updates = 2, .kernels = true, .seconds = 0.05};
        must(cw_bench(config, (cw_bench_kind)kind, &options, result));
        assert_true(result->n_rows > 2 && result->n_rows < CW_BENCH_ROWS);
        assert_true(strlen(result->title) > 0 && strlen(result->machine) > 0);
        assert_true(strlen(result->backend) > 0);
        for (int i = 0; i < result->n_rows; i++) {
            const cw_bench_row *row = &result->row[i];
            if (row->seconds + row->alone + row->bytes > 0) continue;
            if (strncmp(row->group, "phase", 5) == 0) continue; /* may round to no time at all */
            fail_msg("%s: %s: no figure", row->group, row->name);
        }
    }
    assert_true(result->peak_flops > 0);
    free(result);
    cw_config_destroy(config);
}

static void bad_options_are_named(void **state) {
    (void)state;
    cw_config *config = small_config("fast");
    static cw_bench_result result, before;
    cw_bench_options none = {.in = "no/such/file"}, negative = {.updates = -1},
                     never = {.seconds = -1};
    assert_int_equal(cw_bench(config, CW_BENCH_UPDATE, &none, &result), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "no/such/file"));
    assert_int_equal(cw_bench(config, CW_BENCH_UPDATE, &negative, &result), CW_EINVAL);
    assert_int_equal(cw_bench(config, CW_BENCH_UPDATE, &never, &result), CW_EINVAL);
    assert_int_equal(cw_bench(config, (cw_bench_kind)9, NULL, &result), CW_EINVAL);
    assert_memory_equal(&result, &before, sizeof result);
    cw_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_cost_what_they_should),
        cmocka_unit_test(a_run_takes_the_memory_foretold),
        cmocka_unit_test(calls_of_initialisation_do_not_count),
        cmocka_unit_test(every_benchmark_gives_figures),
        cmocka_unit_test(bad_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
