/* The kernels of the configured networks, each alone: convolutions as a stack, the products of the
 * heads and Qs, the walks over flat parameters. */
#include "base/error.h"
#include "bench/alone.h"
#include "bench/result.h"
#include "bench/synthetic.h"
#include "train/trainer.h"

#include <stdio.h>

enum { ACTION_DIM = 6, PEAK_SIDE = 1024 };

typedef struct ops_bench {
    cw_backend *be;
    double budget_s; /* of one kernel */
} ops_bench;

static cw_status add(const ops_bench *b, const cw_call *call, cw_bench_result *out) {
    char name[64];
    cw_call_name(call, name, sizeof name);
    cw_bench_row *row = cw_bench_add(out, "kernel", name);
    if (row == NULL) return CW_OK;
    CW_TRY(cw_call_alone(b->be, call, b->budget_s, &row->alone));
    row->flops = cw_call_flops(call);
    row->bytes = cw_call_bytes(call, b->be->dtype);
    double rate = row->flops / row->alone;
    if (rate > out->peak_flops) out->peak_flops = rate;
    return CW_OK;
}

static cw_status add_linear(const ops_bench *b, int64_t rows, int64_t inputs, int64_t outputs,
                            cw_bench_result *out) {
    cw_call call = {.kind = CW_CALL_LINEAR_FORWARD,
                    .rows = rows,
                    .inputs = inputs,
                    .outputs = outputs,
                    .bias = true,
                    .relu = true};
    for (int kind = CW_CALL_LINEAR_FORWARD; kind <= CW_CALL_LINEAR_WEIGHTS; kind++) {
        call.kind = (cw_call_kind)kind;
        CW_TRY(add(b, &call, out));
    }
    return CW_OK;
}

static cw_status run(const ops_bench *b, const cw_settings *s, cw_bench_result *out) {
    cw_env_spec env = cw_synthetic_env(s, ACTION_DIM);
    cw_agent_spec spec = cw_agent_spec_of(s, &env);
    cw_call conv = {.conv = {.batch = s->update.batch_size,
                             .channels = (int64_t)spec.frame_stack * spec.frame_channels,
                             .height = spec.crop_height,
                             .width = spec.crop_width,
                             .n_layers = spec.encoder.layers,
                             .filters = spec.encoder.filters,
                             .first_stride = spec.encoder.first_stride,
                             .train = true}};
    for (int kind = CW_CALL_CONV_INPUT; kind <= CW_CALL_CONV_BACKWARD; kind++) {
        conv.kind = (cw_call_kind)kind;
        CW_TRY(add(b, &conv, out));
    }
    int64_t batch = s->update.batch_size, flat = cw_convnet_features(&conv.conv);
    int64_t first = spec.encoder.hidden > 0 ? spec.encoder.hidden : spec.encoder.feature_dim;
    CW_TRY(add_linear(b, batch, flat, first, out));
    CW_TRY(add_linear(b, batch, spec.critic.hidden, spec.critic.hidden, out));
    cw_call square = {
        .kind = CW_CALL_MATMUL, .rows = PEAK_SIDE, .inputs = PEAK_SIDE, .outputs = PEAK_SIDE};
    CW_TRY(add(b, &square, out));
    cw_call walk = {.kind = CW_CALL_ADAM, .rows = 1, .inputs = flat * first, .outputs = 1};
    CW_TRY(add(b, &walk, out));
    walk.kind = CW_CALL_EMA;
    CW_TRY(add(b, &walk, out));
    CW_TRY(cw_backend_describe(b->be, out->backend, sizeof out->backend));
    snprintf(out->title, sizeof out->title, "ops: profile %s, minibatch %lld, the fastest calls",
             s->run.profile, (long long)batch);
    return CW_OK;
}

cw_status cw_bench_ops(const cw_settings *settings, const cw_bench_options *options,
                       cw_bench_result *out) {
    cw_backend *be;
    CW_TRY(cw_bench_backend(&be, settings));
    ops_bench b = {.be = be, .budget_s = 0.1 * options->seconds};
    cw_status status = run(&b, settings, out);
    cw_backend_destroy(be);
    return status;
}
