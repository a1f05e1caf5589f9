/* rollout and update: files in, files out. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Control steps from "0,100,200" into a malloc'ed list. False after reporting. */
static bool parse_steps(const char *text, int64_t **out, int *n) {
    size_t most = 1;
    for (const char *c = text; *c; c++) most += *c == ',';
    int64_t *steps = calloc(most, sizeof *steps);
    if (!steps) {
        cli_report(CLI_FAILED, "no memory for %zu frame numbers", most);
        return false;
    }
    *n = 0;
    for (const char *c = text;;) {
        size_t digits = strspn(c, "0123456789");
        errno = 0;
        intmax_t step = strtoimax(c, NULL, 10);
        if (digits == 0 || errno == ERANGE || (c[digits] != ',' && c[digits] != '\0')) {
            cli_report(CLI_USAGE, "--frames %s: must be control steps with commas: 0,100,200",
                       text);
            free(steps);
            return false;
        }
        steps[(*n)++] = (int64_t)step;
        if (c[digits] == '\0') break;
        c += digits + 1;
    }
    *out = steps;
    return true;
}

int cli_rollout(const cli_args *args) {
    const char *task = cli_task_name(cli_args_word(args, 0));
    const char *seed_text = task ? cli_args_required(args, "--seed") : NULL;
    const char *actions = seed_text ? cli_args_required(args, "--actions") : NULL;
    const char *out = actions ? cli_args_required(args, "--out") : NULL;
    const char *frames = cli_args_value(args, "--frames");
    const char *renderer = cli_args_value(args, "--renderer");
    int64_t seed, *steps = NULL;
    int n_steps = 0;
    if (!out || !cli_number("--seed", seed_text, 0, UINT32_MAX, &seed)) return CLI_USAGE;
    if (frames && !parse_steps(frames, &steps, &n_steps)) return CLI_USAGE;
    cw_status status = cw_rollout(task, (uint32_t)seed, actions, out, steps, n_steps,
                                  renderer ? renderer : "auto");
    free(steps);
    return cli_report_status(status);
}

int cli_update(const cli_args *args) {
    const char *in = cli_args_required(args, "--in");
    const char *out = in ? cli_args_required(args, "--out") : NULL;
    const char *backend = cli_args_value(args, "--backend");
    if (!out) return CLI_USAGE;
    cw_config *config = NULL;
    int code = cli_configure(args, &config);
    if (code != CLI_DONE) return code;
    cw_status status = cw_update_file(config, in, out, backend ? backend : "auto");
    cw_config_destroy(config);
    return cli_report_status(status);
}
