/* export: a run's policy for other programs. */
#include "cli.h"

#include <curlew/export.h>

#include <stdio.h>

int cli_export(const cli_args *args) {
    const cw_export what = {.onnx = cli_args_value(args, "--onnx"),
                            .encoder = cli_args_flag(args, "--encoder"),
                            .weights = cli_args_value(args, "--weights"),
                            .examples = cli_args_value(args, "--examples"),
                            .force = cli_args_flag(args, "--force")};
    if (!what.onnx && !what.weights && !what.examples)
        return cli_report(CLI_USAGE, "export needs --onnx, --weights or --examples; see `curlew "
                                     "help export`");
    if (what.encoder && !what.onnx) return cli_report(CLI_USAGE, "--encoder goes with --onnx FILE");
    cw_status status = cw_run_export(cli_args_word(args, 0), &what);
    if (status != CW_OK) return cli_report_status(status);
    if (what.onnx) printf("%s: %s\n", what.encoder ? "encoder" : "policy", what.onnx);
    if (what.weights) printf("weights: %s\n", what.weights);
    if (what.examples) printf("examples: %s\n", what.examples);
    return CLI_DONE;
}
