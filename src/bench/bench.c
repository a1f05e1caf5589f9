#include "base/error.h"
#include "base/memory.h"
#include "bench/result.h"
#include "bench/synthetic.h"
#include "config/config.h"
#include "train/backend.h"
#include "train/config_api.h"
#include "train/machine.h"
#include "train/precision.h"
#include "train/trainer.h"

#include <string.h>

#define DEFAULT_SECONDS 3.0

cw_status cw_bench_backend(cw_backend **out, const cw_settings *settings) {
    cw_env_spec env = cw_synthetic_env(settings, 1); /* actions do not matter to convolutions */
    cw_agent_spec spec = cw_agent_spec_of(settings, &env);
    cw_convnet_desc convs = cw_agent_convs(&spec);
    cw_precision precision;
    CW_TRY(cw_precision_settle(&precision, settings, &convs, NULL, 0));
    return cw_backend_select(out, "auto", precision, settings->run.threads);
}

static cw_status measure(const cw_settings *settings, cw_bench_kind kind,
                         const cw_bench_options *options, cw_bench_result *result) {
    switch (kind) {
    case CW_BENCH_UPDATE:
        return cw_bench_update(settings, options, result);
    case CW_BENCH_ENV:
        return cw_bench_env(settings, options, result);
    case CW_BENCH_REPLAY:
        return cw_bench_replay(settings, options, result);
    case CW_BENCH_OPS:
        return cw_bench_ops(settings, options, result);
    }
    return cw_fail(CW_EINVAL, "benchmark %d does not exist", (int)kind);
}

cw_status cw_bench(const cw_config *config, cw_bench_kind kind, const cw_bench_options *options,
                   cw_bench_result *out) {
    cw_bench_options resolved = options != NULL ? *options : (cw_bench_options){0};
    if (resolved.seconds == 0) resolved.seconds = DEFAULT_SECONDS;
    if (!(resolved.seconds > 0 && resolved.seconds <= 3600)) {
        return cw_fail(CW_EINVAL,
                       "the time to measure is %g s; it must be above 0 and at most 3600",
                       resolved.seconds);
    }
    if (resolved.updates < 0) {
        return cw_fail(CW_EINVAL, "the number of updates is %d; it must be 0 or more",
                       resolved.updates);
    }
    cw_bench_result *result;
    CW_TRY(cw_alloc(&result, 1, sizeof *result, "the figures"));
    cw_machine_describe(result->machine, sizeof result->machine);
    cw_status status = cw_settings_check(&config->settings);
    if (status == CW_OK) status = measure(&config->settings, kind, &resolved, result);
    if (status == CW_OK) *out = *result;
    cw_free(result);
    return status;
}
