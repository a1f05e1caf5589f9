#include "cli.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Sets env.task from the command's word, or takes what a file or setting gave. */
static int choose_task(const cli_args *args, cw_config *config) {
    char task[256];
    const char *word = cli_args_word(args, 0);
    cw_status status = cw_config_get(config, "env.task", task, sizeof task);
    if (status != CW_OK) return cli_report_status(status);
    if (!word && task[0] == '\0')
        return cli_report(CLI_USAGE, "train needs a TASK; `curlew list tasks` shows them all");
    const char *name = cli_task_name(word ? word : task);
    if (!name) return CLI_USAGE;
    return cli_report_status(cw_config_set(config, "env.task", name));
}

/* Sets run.out to runs/TASK-PROFILE-seedN when nobody chose a folder. */
static int choose_folder(cw_config *config) {
    char out[1024], task[256], profile[256], seed[32], chosen[1024];
    cw_status status = cw_config_get(config, "run.out", out, sizeof out);
    if (status == CW_OK) status = cw_config_get(config, "env.task", task, sizeof task);
    if (status == CW_OK) status = cw_config_get(config, "run.profile", profile, sizeof profile);
    if (status == CW_OK) status = cw_config_get(config, "run.seed", seed, sizeof seed);
    if (status != CW_OK) return cli_report_status(status);
    if (out[0] != '\0') return CLI_DONE;
    snprintf(chosen, sizeof chosen, "runs/%s-%s-seed%s", task, profile, seed);
    return cli_report_status(cw_config_set(config, "run.out", chosen));
}

static void print_result(const cw_run_result *result) {
    printf("score:   %.1f at %" PRId64 " frames\n", result->eval_return, result->frames);
    printf("best:    %.1f\n", result->best_return);
    printf("curve:   %s\n", result->curve_path);
    if (result->video_path[0]) printf("video:   %s\n", result->video_path);
    printf("weights: %s\n", result->weights_path);
}

/* What the panel says about the run as a whole. */
static cw_status describe(const cw_config *config, cli_panel *panel) {
    cw_status status = cw_config_get(config, "env.task", panel->task, sizeof panel->task);
    if (status == CW_OK)
        status = cw_config_get(config, "run.profile", panel->profile, sizeof panel->profile);
    if (status == CW_OK)
        status = cw_config_get(config, "run.seed", panel->seed, sizeof panel->seed);
    if (status == CW_OK) status = cw_config_get(config, "run.out", panel->run, sizeof panel->run);
    return status;
}

static void print_json(const char *run, const cw_run_result *result) {
    cli_json json;
    cli_json_open(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "run", run);
    cli_json_integer(&json, "frames", result->frames);
    cli_json_real(&json, "return_mean", result->eval_return);
    cli_json_real(&json, "return_best", result->best_return);
    cli_json_text(&json, "curve", result->curve_path);
    cli_json_text(&json, "video", result->video_path[0] ? result->video_path : NULL);
    cli_json_text(&json, "weights", result->weights_path);
    cli_json_end(&json);
}

static int train(const cli_args *args, cw_config *config) {
    int code = choose_task(args, config);
    if (code == CLI_DONE) code = choose_folder(config);
    if (code != CLI_DONE) return code;
    bool json = cli_args_flag(args, "--json"), quiet = json || cli_args_flag(args, "--quiet");
    cli_panel panel;
    cli_screen screen;
    cw_run_result result;
    memset(&result, 0, sizeof result);
    code = cli_report_status(describe(config, &panel));
    if (code != CLI_DONE) return code;
    cli_signals_catch();
    cli_screen_open(&screen, quiet);
    if (!cli_args_flag(args, "--plain")) cli_screen_panel(&screen, &panel);
    cw_callbacks callbacks = cli_screen_callbacks(&screen);
    cw_status status = cw_train(config, &callbacks, &result);
    cli_screen_close(&screen);
    if (status != CW_OK) return cli_report_status(status);
    if (json)
        print_json(panel.run, &result);
    else if (!quiet)
        print_result(&result);
    return CLI_DONE;
}

int cli_train(const cli_args *args) {
    cw_config *config = NULL;
    int code = cli_configure(args, &config);
    if (code != CLI_DONE) return code;
    code = train(args, config);
    cw_config_destroy(config);
    return code;
}
