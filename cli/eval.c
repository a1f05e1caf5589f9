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

/* Where cw_record wrote: `out`, or in the run folder, which is `run` or, when that is a file of
 * weights, the folder of it. malloc'ed; NULL without memory. */
static char *recorded_path(const char *run, const char *out, bool picture) {
    static const char weights[] = ".safetensors", name[] = "video/record.mp4";
    size_t n = strlen(run), m = sizeof weights - 1;
    bool is_file = n > m && strcmp(run + n - m, weights) == 0;
    const char *end = is_file ? strrchr(run, '/') : run + n;
    size_t room = n + sizeof name + 1 + (out ? strlen(out) : 0);
    char *path = malloc(room);
    if (!path) return NULL;
    if (out)
        snprintf(path, room, "%s", out);
    else
        snprintf(path, room, "%.*s%svideo/record.%s", end ? (int)(end - run) : 0, run,
                 end ? "/" : "", picture ? "png" : "mp4");
    return path;
}

static int print_recorded(const char *run, const char *path, double episode_return, bool json) {
    if (!path) return cli_report(CLI_FAILED, "no memory for a path");
    if (!json) {
        printf("return %.3f: %s\n", episode_return, path);
        return CLI_DONE;
    }
    cli_json out;
    cli_json_open(&out, stdout);
    cli_json_object(&out, NULL);
    cli_json_text(&out, "run", run);
    cli_json_real(&out, "return", episode_return);
    cli_json_text(&out, "file", path);
    cli_json_end(&out);
    return CLI_DONE;
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
    bool json = cli_args_flag(args, "--json");
    double episode_return = 0;
    cli_screen screen;
    cli_signals_catch();
    cli_screen_open(&screen, json || cli_args_flag(args, "--quiet"));
    cw_callbacks callbacks = cli_screen_callbacks(&screen);
    cw_status status = cw_record(run, out, &options, &callbacks, &episode_return);
    cli_screen_close(&screen);
    if (status != CW_OK) return cli_report_status(status);
    if (screen.quiet && !json) return CLI_DONE;
    char *path = recorded_path(run, out, frame != NULL);
    int code = print_recorded(run, path, episode_return, json);
    free(path);
    return code;
}
