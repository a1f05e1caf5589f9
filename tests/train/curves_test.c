/* Learning curves and comparisons of run folders that are made up: what is grouped, where the
 * points lie, who counts, and what differs. */
#include "base/file.h"
#include "base/memory.h"
#include "config/config.h"
#include "io/support.h"
#include "test.h"

#include <curlew/results.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A run with these settings; rows of eval.csv are "frames score wall_s". Its path, one of eight. */
static const char *make_run(const char *name, const char *words, const double (*rows)[3], int n) {
    static char path[8][128];
    static int turn;
    char file[192], *out = path[turn++ % 8], copy[256];
    snprintf(out, sizeof path[0], "%s", scratch(name));
    assert_int_equal(cw_dir_make(out), CW_OK);
    cw_settings settings;
    cw_settings_default(&settings);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *save = NULL, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        if (strcmp(word, "profile") == 0) {
            assert_int_equal(cw_profile_apply(&settings, equals + 1), CW_OK);
        } else {
            assert_int_equal(cw_settings_set(&settings, word, equals + 1), CW_OK);
        }
    }
    char *text;
    size_t bytes;
    assert_int_equal(cw_settings_print(&settings, &text, &bytes), CW_OK);
    snprintf(file, sizeof file, "%s/config.ini", out);
    assert_int_equal(cw_file_write_atomic(file, text, bytes), CW_OK);
    cw_free(text);
    snprintf(file, sizeof file, "%s/eval.csv", out);
    FILE *csv = fopen(file, "we");
    assert_non_null(csv);
    fprintf(csv, "frames,return_mean,return_min,return_max,wall_s\n");
    for (int i = 0; i < n; i++) {
        fprintf(csv, "%.17g,%.17g,,,%.17g\n", rows[i][0], rows[i][1], rows[i][2]);
    }
    assert_int_equal(fclose(csv), 0);
    return out;
}

static cw_curves *curves_of(const char *const *runs, int n, cw_curves_options options) {
    cw_curves *curves;
    cw_status status = cw_curves_create(&curves, runs, n, &options);
    if (status != CW_OK) fail_msg("%s", cw_last_error());
    return curves;
}

static cw_curve_info get(const cw_curves *curves, int i) {
    cw_curve_info info;
    assert_true(cw_curves_get(curves, i, &info));
    return info;
}

#define CARTPOLE "env.task=cartpole-swingup env.action_repeat=8"

static const double whole[][3] = {{0, 10, 36}, {1000, 20, 360}, {2000, 50, 720}};
static const double coarse[][3] = {{0, 40, 72}, {2000, 60, 1440}};
static const double cut_short[][3] = {{0, 10, 36}, {1000, 30, 360}};

static void runs_of_other_seeds_are_one_curve(void **state) {
    (void)state;
    const char *runs[] = {make_run("a1", CARTPOLE " run.seed=1", whole, 3),
                          make_run("b1", CARTPOLE " run.seed=1 update.batch_size=64", whole, 3),
                          make_run("a2", CARTPOLE " run.seed=2 run.threads=1", coarse, 2),
                          make_run("c1", "profile=authors " CARTPOLE, whole, 3),
                          make_run("a3", CARTPOLE " run.seed=3 train.frames=777", cut_short, 2)};
    cw_curves *curves = curves_of(runs, 5, (cw_curves_options){0});
    cw_curve_info paper = get(curves, 0), small = get(curves, 1), authors = get(curves, 2), none;
    assert_false(cw_curves_get(curves, 3, &none));
    assert_string_equal(paper.label, "paper");
    assert_string_equal(paper.task, "cartpole-swingup");
    assert_int_equal(paper.n_runs, 3);
    assert_string_equal(paper.runs[2], runs[4]);
    assert_string_equal(small.label, "paper update.batch_size=64");
    assert_string_equal(authors.label, "authors");
    /* Where any of the three was evaluated; the coarse run is 50 half way; the short one ends. */
    assert_int_equal(paper.n_points, 3);
    static const double x[] = {0, 1000, 2000}, iqm[] = {20, (20 + 50 + 30) / 3.0, 55};
    static const int n_runs[] = {3, 3, 2};
    for (int i = 0; i < 3; i++) {
        assert_true(paper.points[i].x == x[i]);
        assert_true(fabs(paper.points[i].iqm - iqm[i]) < 1e-9);
        assert_int_equal(paper.points[i].n_runs, n_runs[i]);
        assert_true(paper.points[i].low <= iqm[i] && paper.points[i].high >= iqm[i]);
    }
    assert_true(isnan(small.points[0].low)); /* one run */
    cw_curves_destroy(curves);
}

static void hours_have_even_steps(void **state) {
    (void)state;
    const char *runs[] = {make_run("h1", CARTPOLE " run.seed=1", whole, 3),
                          make_run("h2", CARTPOLE " run.seed=2", coarse, 2)};
    cw_curves *curves = curves_of(runs, 2, (cw_curves_options){.hours = true});
    cw_curve_info info = get(curves, 0);
    /* three steps from 36 s to 1440 s; in the middle (738 s) only the slower run counts */
    assert_int_equal(info.n_points, 3);
    assert_true(info.points[0].x == 36.0 / 3600 && info.points[0].n_runs == 1);
    assert_true(fabs(info.points[1].x - 738.0 / 3600) < 1e-12 && info.points[1].n_runs == 1);
    assert_true(fabs(info.points[1].iqm - (40 + 20 * (738.0 - 72) / (1440 - 72))) < 1e-9);
    assert_true(info.points[2].x == 1440.0 / 3600 && info.points[2].iqm == 60);
    cw_curves_destroy(curves);
}

static void tasks_are_strata(void **state) {
    (void)state;
    static const double low[][3] = {{0, 100, 1}}, high[][3] = {{0, 900, 1}};
    const char *runs[] = {
        make_run("s1", CARTPOLE " run.seed=1", low, 1),
        make_run("s2", "env.task=walker-walk env.action_repeat=2 run.seed=1", high, 1),
        make_run("s3", CARTPOLE " run.seed=2", low, 1),
        make_run("s4", "env.task=walker-walk env.action_repeat=2 run.seed=2", high, 1)};
    cw_curves *curves = curves_of(runs, 4, (cw_curves_options){.over_tasks = true});
    cw_curve_info info = get(curves, 0);
    assert_string_equal(info.task, "");
    assert_string_equal(info.label, "paper"); /* the published action repeat is no difference */
    assert_int_equal(info.n_runs, 4);
    /* Drawn within tasks, every sample is the same; drawn over all of them, it would not be. */
    assert_true(info.points[0].iqm == 500 && info.points[0].low == 500 &&
                info.points[0].high == 500);
    cw_curves_destroy(curves);
    curves = curves_of(runs, 4, (cw_curves_options){0});
    assert_string_equal(get(curves, 1).task, "walker-walk");
    cw_curves_destroy(curves);
}

static void comparisons_are_at_equal_frames(void **state) {
    (void)state;
    static const double other[][3] = {{500, 0, 1}, {1500, 100, 2}, {9000, 100, 9}};
    const char *a = make_run("k1", CARTPOLE, whole, 3);
    const char *b = make_run("k2", CARTPOLE " sac.discount=0.5 run.seed=9", other, 3);
    cw_comparison *c;
    cw_key_difference key;
    cw_score_pair score;
    assert_int_equal(cw_comparison_create(&c, a, b), CW_OK);
    assert_true(cw_comparison_key(c, 0, &key));
    assert_string_equal(key.key, "run.seed");
    assert_true(cw_comparison_key(c, 1, &key));
    assert_string_equal(key.key, "sac.discount");
    assert_string_equal(key.b, "0.5");
    assert_false(cw_comparison_key(c, 2, &key));
    static const double wanted[][3] = {
        {500, 15, 0}, {1000, 20, 50}, {1500, 35, 100}, {2000, 50, 100}};
    for (int i = 0; i < 4; i++) {
        assert_true(cw_comparison_score(c, i, &score));
        assert_true(score.frames == wanted[i][0] && score.a == wanted[i][1] &&
                    score.b == wanted[i][2]);
    }
    assert_false(cw_comparison_score(c, 4, &score));
    assert_true(isnan(cw_comparison_run(c, 0)->frames_per_s)); /* no timing.csv */
    assert_true(cw_comparison_run(c, 0)->best_eval == 50);
    cw_comparison_destroy(c);
}

static void published_scores_are_those_of_the_paper(void **state) {
    (void)state;
    cw_published score;
    assert_true(cw_published_get("cheetah-run", 1, &score));
    assert_true(score.frames == 500000 && score.mean == 518 && score.sd == 28);
    assert_false(cw_published_get("cheetah-run", 2, &score));
    assert_false(cw_published_get("toy", 0, &score));
}

static void memory_may_fail(void **state) {
    (void)state;
    const char *runs[] = {make_run("m1", CARTPOLE " run.seed=1", whole, 3),
                          make_run("m2", CARTPOLE " run.seed=2", coarse, 2)};
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    cw_status status = CW_ENOMEM;
    int n = 0;
    for (; status == CW_ENOMEM; n++) {
        cw_curves *curves;
        cw_memory_fail_after((uint64_t)n + 1);
        status = cw_curves_create(&curves, runs, 2, &(cw_curves_options){0});
        cw_memory_fail_after(0);
        if (status == CW_OK) cw_curves_destroy(curves);
        cw_memory_stats_get(&after);
        assert_int_equal(after.live_blocks, before.live_blocks);
    }
    assert_int_equal(status, CW_OK);
    assert_true(n > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_other_seeds_are_one_curve),
        cmocka_unit_test(hours_have_even_steps),
        cmocka_unit_test(tasks_are_strata),
        cmocka_unit_test(comparisons_are_at_equal_frames),
        cmocka_unit_test(published_scores_are_those_of_the_paper),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
