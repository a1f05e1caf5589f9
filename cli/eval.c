/* eval and record: what a run's policy does now. */
#include "cli.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPISODES_DEFAULT "10" /* as the paper evaluates */
#define EPISODES_MAX     10000
#define FRAME_MAX        1000000

static void print_json(const char *run, double mean, const double *returns, int n) {
    cli_json json;
    cli_json_open(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "run", run);
    cli_json_integer(&json, "episodes", n);
    cli_json_real(&json, "return_mean", mean);
    cli_json_array(&json, "returns");
    for (int i = 0; i < n; i++) cli_json_real(&json, NULL, returns[i]);
    cli_json_end(&json);
    cli_json_end(&json);
}

int cli_eval(const cli_args *args) {
    const char *text = cli_args_value(args, "--episodes"), *run = cli_args_word(args, 0);
    bool json = cli_args_flag(args, "--json");
    int64_t episodes;
    if (!cli_number("--episodes", text ? text : EPISODES_DEFAULT, 1, EPISODES_MAX, &episodes))
        return CLI_USAGE;
    double *returns = calloc((size_t)episodes, sizeof *returns);
    if (!returns) return cli_report(CLI_FAILED, "no memory for %d returns", (int)episodes);
    double mean = 0;
    cli_screen screen;
    cli_signals_catch();
    cli_screen_open(&screen, json || cli_args_flag(args, "--quiet"));
    cw_callbacks callbacks = cli_screen_callbacks(&screen);
    cw_status status = cw_evaluate(run, (int)episodes, &callbacks, &mean, returns);
    cli_screen_close(&screen);
    if (status == CW_OK && json) {
        print_json(run, mean, returns, (int)episodes);
    } else if (status == CW_OK) {
        if (!screen.quiet)
            for (int i = 0; i < episodes; i++) printf("episode %d: %.3f\n", i + 1, returns[i]);
        printf("mean return %.3f over %d episode%s\n", mean, (int)episodes,
               episodes == 1 ? "" : "s");
    }
    free(returns);
    return cli_report_status(status);
}

/* Where cw_record writes by itself: in the run folder, which is `run` or, when that is a file of
 * weights, the folder of it. */
static void print_usual_path(const char *run, const char *ending) {
    static const char weights[] = ".safetensors";
    size_t n = strlen(run), m = sizeof weights - 1;
    bool is_file = n > m && strcmp(run + n - m, weights) == 0;
    const char *end = is_file ? strrchr(run, '/') : run + n;
    if (end) printf("%.*s/", (int)(end - run), run);
    printf("video/record.%s\n", ending);
}

int cli_record(const cli_args *args) {
    const char *run = cli_args_word(args, 0), *out = cli_args_value(args, "--out");
    cw_record_options options = {.overlay = cli_args_flag(args, "--overlay"),
                                 .replace = cli_args_flag(args, "--force")};
    const char *scale = cli_args_value(args, "--scale");
    int64_t enlarged = 0;
    if (scale && !cli_number("--scale", scale, 1, CW_RECORD_SCALE_MAX, &enlarged)) return CLI_USAGE;
    options.scale = (int)enlarged;
    const char *frame = cli_args_value(args, "--frame");
    if (frame && !cli_number("--frame", frame, 1, FRAME_MAX, &options.frame)) return CLI_USAGE;
    double episode_return = 0;
    cli_screen screen;
    cli_signals_catch();
    cli_screen_open(&screen, cli_args_flag(args, "--quiet"));
    cw_callbacks callbacks = cli_screen_callbacks(&screen);
    cw_status status = cw_record(run, out, &options, &callbacks, &episode_return);
    cli_screen_close(&screen);
    if (status != CW_OK) return cli_report_status(status);
    printf("return %.3f: ", episode_return);
    if (out)
        puts(out);
    else
        print_usual_path(run, frame ? "png" : "mp4");
    return CLI_DONE;
}
