/* One update: whole, by phase, by kernel; and how far it is from its kernels alone. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "bench/alone.h"
#include "bench/result.h"
#include "bench/synthetic.h"
#include "train/trainer.h"
#include "train/update_job.h"

#include <stdio.h>

enum { ACTION_DIM = 6, TRANSITIONS = 2000, PEAK_SIDE = 1024, MOST_PERIOD = 100 };

typedef struct update_bench {
    const cw_settings *settings;
    cw_backend *be;
    cw_recorder recorder;
    cw_update_job *job; /* from a file; or: */
    cw_agent *own;
    cw_replay *replay;
    cw_agent *agent; /* the job's or the own one */
    int period;      /* updates after which the order of steps repeats */
    int64_t step;
    /* of the measured updates */
    int64_t updates;
    uint64_t allocations;
    cw_samples whole, sample, phase[CW_PHASE_COUNT]; /* seconds of one update */
} update_bench;

/* The first number of updates that all three divide, at most MOST_PERIOD; each is 1 or more. */
static int common_period(int a, int b, int c) {
    int n = 1;
    while (n < MOST_PERIOD && (n % a != 0 || n % b != 0 || n % c != 0)) n++;
    return n;
}

static cw_status open_bench(update_bench *b, const char *in) {
    const cw_settings *s = b->settings;
    CW_TRY(cw_bench_backend(&b->be, s));
    cw_recorder_init(&b->recorder, b->be);
    if (in != NULL) {
        CW_TRY(cw_update_job_open(&b->job, &b->recorder.be, s, in));
        b->agent = b->job->agent;
        b->step = b->job->in.start_step;
    } else {
        cw_env_spec env = cw_synthetic_env(s, ACTION_DIM);
        cw_agent_spec spec = cw_agent_spec_of(s, &env);
        cw_agent_env world = {.env = {.spec = env}, .action_repeat = 1}; /* shapes only */
        cw_replay_desc desc = cw_replay_desc_of(s, &world);
        desc.capacity = TRANSITIONS;
        CW_TRY(cw_agent_create(&b->own, &b->recorder.be, &spec));
        CW_TRY(cw_agent_init(b->own, s->run.seed));
        CW_TRY(cw_synthetic_replay(&b->replay, &desc, NULL));
        b->agent = b->own;
    }
    const cw_agent_spec *spec = cw_agent_get_spec(b->agent);
    b->period =
        common_period(spec->actor.update_every, spec->critic.target_every, spec->curl.key_every);
    return CW_OK;
}

static void close_bench(update_bench *b) {
    cw_update_job_close(b->job);
    cw_agent_destroy(b->own);
    cw_replay_destroy(b->replay);
    cw_backend_destroy(b->be);
}

static cw_status next_batch(update_bench *b, cw_minibatch *out) {
    if (b->job != NULL) {
        return cw_update_job_batch(b->job, (int)(b->step % b->job->in.n_updates), out);
    }
    return cw_replay_sample(b->replay, out, b->settings->run.seed, 0, (uint64_t)b->step);
}

/* One period of updates; its times become one entry of every list of samples. */
static cw_status one_period(update_bench *b) {
    double before[CW_PHASE_COUNT], after[CW_PHASE_COUNT], n = b->period;
    cw_memory_stats memory_before, memory_after;
    double sampling = 0, updating = 0;
    cw_agent_times(b->agent, before);
    cw_memory_stats_get(&memory_before);
    for (int i = 0; i < b->period; i++) {
        cw_minibatch batch;
        cw_update_stats stats;
        double from = cw_clock_s();
        CW_TRY(next_batch(b, &batch));
        double sampled = cw_clock_s();
        CW_TRY(cw_agent_update(b->agent, &batch, b->step, &stats));
        updating += cw_clock_s() - sampled;
        sampling += sampled - from;
        b->step++;
    }
    cw_memory_stats_get(&memory_after);
    cw_agent_times(b->agent, after);
    b->allocations += memory_after.n_allocs - memory_before.n_allocs;
    b->updates += b->period;
    cw_samples_add(&b->whole, updating / n);
    cw_samples_add(&b->sample, sampling / n);
    for (int i = 0; i < CW_PHASE_COUNT; i++) {
        cw_samples_add(&b->phase[i], (after[i] - before[i]) / n);
    }
    return CW_OK;
}

static cw_status run_updates(update_bench *b, const cw_bench_options *options) {
    update_bench warm = *b; /* the first updates meet cold caches and prepare their products */
    CW_TRY(one_period(&warm));
    b->step = warm.step;
    cw_recorder_reset(&b->recorder);
    double begin = cw_clock_s();
    do {
        CW_TRY(one_period(b));
    } while (options->updates > 0 ? b->updates < options->updates
                                  : cw_clock_s() - begin < options->seconds);
    if (b->recorder.lost > 0) {
        return cw_fail(CW_EUNSUPPORTED, "bench update: an update makes more than %d kinds of calls",
                       CW_RECORDER_CALLS);
    }
    return CW_OK;
}

/* ---------------------------------------------------------------- what comes out */

static void add_samples(cw_bench_result *out, const char *group, const char *name,
                        const cw_samples *samples, double flops) {
    cw_bench_row *row = cw_bench_add(out, group, name);
    if (row == NULL) return;
    row->seconds = cw_samples_median(samples);
    row->best = cw_samples_best(samples);
    row->flops = flops;
}

/* Whether a call is a convolution or a matrix product, and not only a walk through memory. */
static bool is_kernel(const cw_call *call) {
    return cw_call_flops(call) > 0;
}

/* The rows of the kernels, and the seconds of an update that its products would take alone. */
static cw_status kernel_rows(update_bench *b, const cw_bench_options *options, cw_bench_result *out,
                             double *sum) {
    *sum = 0;
    for (int i = 0; i < b->recorder.n; i++) {
        const cw_call *call = &b->recorder.call[i];
        if (call->calls == 0) continue;
        char name[64];
        cw_call_name(call, name, sizeof name);
        cw_bench_row *row = cw_bench_add(out, "kernel", name);
        if (row == NULL) break;
        row->count = (double)call->calls / (double)b->updates;
        row->seconds = call->seconds / (double)call->calls;
        row->flops = cw_call_flops(call);
        row->bytes = cw_call_bytes(call, b->be->dtype);
        if (!options->kernels) continue;
        CW_TRY(cw_call_alone(b->be, call, 0.1 * options->seconds, &row->alone));
        if (is_kernel(call)) *sum += row->count * row->alone;
        double rate = row->flops / row->alone;
        if (rate > out->peak_flops) out->peak_flops = rate;
    }
    return CW_OK;
}

/* A square product too large for caches and large enough to hide every overhead. */
static cw_status peak_product(cw_backend *be, double budget_s, cw_bench_result *out) {
    cw_call square = {
        .kind = CW_CALL_MATMUL, .rows = PEAK_SIDE, .inputs = PEAK_SIDE, .outputs = PEAK_SIDE};
    double seconds;
    CW_TRY(cw_call_alone(be, &square, budget_s, &seconds));
    double rate = cw_call_flops(&square) / seconds;
    cw_bench_figure_add(out, "matrix product 1024^3", rate * 1e-9, "GFLOP/s");
    if (rate > out->peak_flops) out->peak_flops = rate;
    return CW_OK;
}

static void count_figures(const update_bench *b, cw_bench_result *out) {
    double n = (double)b->updates, passes = 0, gathered = 0, moved = 0;
    for (int i = 0; i < b->recorder.n; i++) {
        const cw_call *call = &b->recorder.call[i];
        double calls = (double)call->calls / n;
        if (call->kind == CW_CALL_CONV_FORWARD) passes += calls;
        if (call->kind == CW_CALL_CONV_BACKWARD) passes += 2 * calls;
        double bytes = calls * cw_call_bytes(call, b->be->dtype);
        if (call->kind == CW_CALL_CONV_INPUT) gathered += bytes;
        if (call->kind == CW_CALL_ADAM || call->kind == CW_CALL_EMA) moved += bytes;
    }
    cw_bench_figure_add(out, "encoder passes", passes, "");
    cw_bench_figure_add(out, "allocations", (double)b->allocations / n, "");
    cw_bench_figure_add(out, "gathered", gathered * 1e-6, "MB");
    cw_bench_figure_add(out, "moved by optimisers", moved * 1e-6, "MB");
}

static cw_status fill_result(update_bench *b, const cw_bench_options *options,
                             cw_bench_result *out) {
    const cw_agent_spec *spec = cw_agent_get_spec(b->agent);
    CW_TRY(cw_backend_describe(b->be, out->backend, sizeof out->backend));
    snprintf(out->title, sizeof out->title,
             "update: profile %s, minibatch %d of %dx%dx%d, %lld updates timed",
             b->settings->run.profile, spec->update.batch_size,
             spec->frame_stack * spec->frame_channels, spec->crop_height, spec->crop_width,
             (long long)b->updates);
    double flops = 0;
    for (int i = 0; i < b->recorder.n; i++) {
        const cw_call *call = &b->recorder.call[i];
        flops += (double)call->calls / (double)b->updates * cw_call_flops(call);
    }
    add_samples(out, "update", "one update", &b->whole, flops);
    for (int i = 0; i < CW_PHASE_COUNT; i++) {
        add_samples(out, "phase", cw_agent_phase_name((cw_agent_phase)i), &b->phase[i], 0);
    }
    if (b->replay != NULL) add_samples(out, "phase", "sample (outside)", &b->sample, 0);
    double alone;
    CW_TRY(kernel_rows(b, options, out, &alone));
    count_figures(b, out);
    if (options->kernels) {
        CW_TRY(peak_product(b->be, 0.1 * options->seconds, out));
        cw_bench_figure_add(out, "kernels alone", alone * 1e3, "ms");
        cw_bench_figure_add(out, "update / kernels alone", cw_samples_median(&b->whole) / alone,
                            "x");
    }
    return CW_OK;
}

cw_status cw_bench_update(const cw_settings *settings, const cw_bench_options *options,
                          cw_bench_result *out) {
    update_bench *b;
    CW_TRY(cw_alloc(&b, 1, sizeof *b, "a benchmark"));
    b->settings = settings;
    cw_status status = open_bench(b, options->in);
    if (status == CW_OK) status = run_updates(b, options);
    if (status == CW_OK) status = fill_result(b, options, out);
    close_bench(b);
    cw_free(b);
    return status;
}
