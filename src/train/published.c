/* Published scores of the DeepMind Control Suite from pixels. */
#include "train/published.h"

#include <curlew/results.h>

#include <stdio.h>
#include <string.h>

#define PAPER "Laskin, Srinivas, Abbeel 2020 (arXiv 2004.04136), table 1"

/* Means and standard deviations over 10 seeds; frames are simulator control steps. */
static const cw_published table[] = {
    {"cartpole-swingup", "CURL", 100000, 582, 146, 10, PAPER},
    {"cartpole-swingup", "CURL", 500000, 841, 45, 10, PAPER},
    {"finger-spin", "CURL", 100000, 767, 56, 10, PAPER},
    {"finger-spin", "CURL", 500000, 926, 45, 10, PAPER},
    {"reacher-easy", "CURL", 100000, 538, 233, 10, PAPER},
    {"reacher-easy", "CURL", 500000, 929, 44, 10, PAPER},
    {"cheetah-run", "CURL", 100000, 299, 48, 10, PAPER},
    {"cheetah-run", "CURL", 500000, 518, 28, 10, PAPER},
    {"walker-walk", "CURL", 100000, 403, 24, 10, PAPER},
    {"walker-walk", "CURL", 500000, 902, 43, 10, PAPER},
    {"ball_in_cup-catch", "CURL", 100000, 769, 43, 10, PAPER},
    {"ball_in_cup-catch", "CURL", 500000, 959, 27, 10, PAPER},
};

bool cw_published_get(const char *task, int i, cw_published *out) {
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        if (strcmp(table[k].task, task) != 0 || i-- > 0) continue;
        *out = table[k];
        return true;
    }
    return false;
}

int cw_published_levels(const char *task, double frames, cw_plot_level *levels,
                        char (*text)[CW_PUBLISHED_TEXT], int n_max) {
    cw_published score;
    int n = 0;
    for (int i = 0; n < n_max && cw_published_get(task, i, &score); i++) {
        /* Scores up to where the curves end, and at least the earliest. */
        if (n > 0 && (double)score.frames > 1.05 * frames) break;
        snprintf(text[n], CW_PUBLISHED_TEXT, "%s paper at %lldk frames: %.0f ± %.0f", score.method,
                 (long long)score.frames / 1000, score.mean, score.sd);
        levels[n] = (cw_plot_level){.label = text[n], .y = score.mean};
        n++;
    }
    return n;
}
