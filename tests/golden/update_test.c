/* Whole updates against PyTorch: every case of make_golden.py through cw_update_file, on every
 * backend. */
#include "golden/judge.h"
#include "io/safetensors.h"
#include "test.h"

#include <curlew/run.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const cases[] = {
    "authors",
    "paper",
    "authors_one",
    "paper_one",
    "paper_no_curl",
    "paper_key_query",
    "paper_cosine",
    "paper_detach",
    "paper_single_frame",
    "authors_no_curl",
    "authors_detach_single",
    "joint_own_all",
    "sequential_momentum",
    "joint_everything",
    "sequential_query",
};
static const char *const backends[] = {"ref64", "ref", "auto"};

#define N_CASES    (sizeof cases / sizeof *cases)
#define N_BACKENDS (sizeof backends / sizeof *backends)

/* One update from zero Adam state in bf16: the first moments are the gradients. So few filters go
 * in bf16 only where whole maps do; tests/algo/precision_test.c has layers that go in it anywhere.
 */
static const char *const bf16_cases[] = {"authors_one", "paper_one"};
#define N_BF16       (sizeof bf16_cases / sizeof *bf16_cases)
#define BF16_EPSILON 0x1p-7

typedef struct update_case {
    const char *name;
    const char *backend;
    bool bf16; /* run.precision; only gradients and losses are judged */
} update_case;

static void must(cw_status status) {
    if (status != CW_OK) fail_msg("%s", cw_last_error());
}

static cw_safetensors *open_file(const char *path) {
    cw_safetensors *file;
    must(cw_safetensors_open(&file, path, GOLDEN_MAX_BYTES));
    return file;
}

/* The settings that the case's metadata name. */
static cw_config *make_config(const cw_safetensors *in) {
    const char *profile = cw_safetensors_metadata(in, "profile");
    const char *text = cw_safetensors_metadata(in, "config");
    assert_non_null(profile);
    assert_non_null(text);
    cw_config *config;
    must(cw_config_create(&config));
    must(cw_config_profile(config, profile));
    char *words = strdup(text);
    assert_non_null(words);
    char *rest = NULL;
    for (char *key = strtok_r(words, " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(key, '=');
        assert_non_null(value);
        *value = '\0';
        must(cw_config_set(config, key, value + 1));
    }
    free(words);
    return config;
}

/* Gradients and losses: what rounding reaches in proportion. Adam's first step is lr times a
 * gradient's sign, and the sign of a small gradient may turn. */
static bool is_gradient_or_loss(const char *name) {
    return (strncmp(name, "adam.", 5) == 0 && strstr(name, ".m.") != NULL) ||
           strstr(name, "_loss") != NULL;
}

static verdict judge(const cw_safetensors *out, const golden *want, double epsilon, bool bf16) {
    verdict worst = {.used = -1};
    int beyond = 0;
    for (int i = 0; i < want->n; i++) {
        if (bf16 && !is_gradient_or_loss(want->name[i])) continue;
        const cw_tensor *got = cw_safetensors_find(out, want->name[i]);
        if (got == NULL) fail_msg("%s: not in the output", want->name[i]);
        verdict v = golden_judge(want, i, got, epsilon);
        if (v.used > worst.used) worst = v;
        beyond += v.used > 1;
    }
    if (beyond > 0) fail_msg("%d of %d tensors are off", beyond, want->n);
    return worst;
}

/* An output that nobody expects would be an output that nobody checks. */
static void check_no_extra(const cw_safetensors *out, const cw_safetensors *want) {
    for (int i = 0; i < cw_safetensors_count(out); i++) {
        const char *name = cw_safetensors_name(out, i);
        if (cw_safetensors_find(want, name) != NULL) continue;
        const char *last = strrchr(name, '.');
        last = last == NULL ? name : last + 1;
        bool figure = strcmp(last, "entropy") == 0 || strcmp(last, "target_mean") == 0;
        bool second_moment = strncmp(name, "adam.", 5) == 0 && strstr(name, ".v.") != NULL;
        if (!figure && !second_moment) fail_msg("%s: unexpected in the output", name);
    }
}

static void check_steps(const cw_safetensors *out, const cw_safetensors *want) {
    static const char *const keys[] = {"adam.critic.t", "adam.curl.t", "adam.actor.t",
                                       "adam.alpha.t"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *have = cw_safetensors_metadata(out, keys[i]);
        const char *expected = cw_safetensors_metadata(want, keys[i]);
        assert_true((have == NULL) == (expected == NULL));
        if (have != NULL) assert_string_equal(have, expected);
    }
}

static void update_matches_pytorch(void **state) {
    const update_case *c = *state;
    char in_path[1024], want_path[1024], out_path[1024];
    snprintf(in_path, sizeof in_path, CW_TEST_DATA "/golden/%s.safetensors", c->name);
    snprintf(want_path, sizeof want_path, CW_TEST_DATA "/golden/%s.expect.safetensors", c->name);
    snprintf(out_path, sizeof out_path, "golden_%s_%s.safetensors", c->name, c->backend);

    cw_safetensors *in = open_file(in_path);
    cw_config *config = make_config(in);
    if (c->bf16) must(cw_config_set(config, "run.precision", "bf16"));
    cw_safetensors_close(in);
    cw_status status = cw_update_file(config, in_path, out_path, c->backend);
    cw_config_destroy(config);
    if (c->bf16 && status == CW_EUNSUPPORTED) skip(); /* below AVX-512 */
    must(status);

    cw_safetensors *out = open_file(out_path);
    golden want;
    golden_open(&want, want_path, "");
    check_steps(out, want.file);
    check_no_extra(out, want.file);
    bool f64 = strcmp(c->backend, "ref64") == 0;
    double epsilon = c->bf16 ? BF16_EPSILON : f64 ? DBL_EPSILON : FLT_EPSILON;
    verdict worst = judge(out, &want, epsilon, c->bf16);
    print_message("%-22s %-5s %4.0f%% of the tolerance; worst: %s, %.1e relative\n", c->name,
                  c->bf16 ? "bf16" : c->backend, 100 * worst.used, worst.name, worst.relative);
    golden_close(&want);
    cw_safetensors_close(out);
    remove(out_path);
}

int main(void) {
    enum { N_TESTS = N_CASES * N_BACKENDS + N_BF16 };
    static update_case variants[N_TESTS];
    static char names[N_TESTS][64];
    struct CMUnitTest tests[N_TESTS];
    size_t n = 0;
    for (size_t b = 0; b < N_BACKENDS; b++) {
        for (size_t c = 0; c < N_CASES; c++) {
            variants[n++] = (update_case){.name = cases[c], .backend = backends[b]};
        }
    }
    for (size_t c = 0; c < N_BF16; c++) {
        variants[n++] = (update_case){.name = bf16_cases[c], .backend = "auto", .bf16 = true};
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%s on %s%s", variants[i].name, variants[i].backend,
                 variants[i].bf16 ? " in bf16" : "");
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = update_matches_pytorch, .initial_state = &variants[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
