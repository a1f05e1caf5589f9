/* A full replay beside an agent: what storing and sampling cost, and whether the memory of a whole
 * run is what was foretold. Made-up frames fill it in seconds; a run takes hours. */
#include "base/clock.h"
#include "base/error.h"
#include "base/resources.h"
#include "bench/result.h"
#include "bench/synthetic.h"
#include "train/trainer.h"

#include <stdio.h>

enum { ACTION_DIM = 6 };

typedef struct replay_bench {
    const cw_settings *settings;
    double budget_s; /* of one measurement */
    cw_backend *be;
    cw_agent *agent;
    cw_actor *actor;
    cw_replay *replay;
    double base; /* bytes resident before anything was made: the program itself */
} replay_bench;

static void add(cw_bench_result *out, const char *name, double seconds, double best, double bytes) {
    cw_bench_row *row = cw_bench_add(out, "replay", name);
    if (row == NULL) return;
    row->seconds = seconds;
    row->best = best;
    row->bytes = bytes;
}

static cw_status time_sampling(replay_bench *b, const cw_replay_desc *desc, cw_bench_result *out) {
    cw_samples samples = {0};
    double begin = cw_clock_s();
    for (uint64_t t = 0; t < 4 || cw_clock_s() - begin < b->budget_s; t++) {
        cw_minibatch batch;
        double from = cw_clock_s();
        CW_TRY(cw_replay_sample(b->replay, &batch, b->settings->run.seed, 0, t));
        cw_samples_add(&samples, cw_clock_s() - from);
    }
    char name[64];
    snprintf(name, sizeof name, "draw a minibatch of %d", desc->batch_size);
    add(out, name, cw_samples_median(&samples), cw_samples_best(&samples), 0);
    return CW_OK;
}

/* Updates on minibatches from all over the replay, as a run makes them. */
static cw_status time_updates(replay_bench *b, cw_bench_result *out) {
    cw_samples samples = {0};
    double begin = cw_clock_s();
    for (int64_t t = 0; t < 4 || cw_clock_s() - begin < b->budget_s; t++) {
        cw_minibatch batch;
        cw_update_stats stats;
        double from = cw_clock_s();
        CW_TRY(cw_replay_sample(b->replay, &batch, b->settings->run.seed, 0, (uint64_t)t));
        CW_TRY(cw_agent_update(b->agent, &batch, t, &stats));
        cw_samples_add(&samples, cw_clock_s() - from);
    }
    add(out, "draw and update", cw_samples_median(&samples), cw_samples_best(&samples), 0);
    return CW_OK;
}

static void add_memory(cw_bench_result *out, const char *name, double foretold, double measured) {
    cw_bench_row *row = cw_bench_add(out, "memory", name);
    if (row == NULL) return;
    row->bytes = foretold;
    row->measured = measured;
}

static cw_status run(replay_bench *b, cw_bench_result *out) {
    const cw_settings *s = b->settings;
    cw_env_spec env = cw_synthetic_env(s, ACTION_DIM);
    cw_agent_spec spec = cw_agent_spec_of(s, &env);
    cw_agent_env world = {.env = {.spec = env}, .action_repeat = 1}; /* shapes only */
    cw_replay_desc desc = cw_replay_desc_of(s, &world);
    cw_bench_forget_peak();
    b->base = cw_bench_resident_memory();
    CW_TRY(cw_bench_backend(&b->be, s));
    CW_TRY(cw_agent_create(&b->agent, b->be, &spec));
    CW_TRY(cw_agent_init(b->agent, s->run.seed));
    CW_TRY(cw_actor_create(&b->actor, b->agent, 1));
    double frames = (double)cw_replay_bytes(&desc);
    double agent = (double)(cw_agent_bytes(b->agent) + cw_actor_bytes(b->actor));
    double available = (double)cw_memory_available();
    if (available > 0 && frames > 0.95 * available) {
        return cw_fail(CW_ENOMEM, "the replay needs %.2f GB and %.2f GB are available",
                       frames * 1e-9, available * 1e-9);
    }
    double commit;
    CW_TRY(cw_synthetic_replay(&b->replay, &desc, &commit));
    add(out, "store a frame", commit, commit,
        2.0 * desc.frame.channels * desc.frame.height * desc.frame.width);
    CW_TRY(time_sampling(b, &desc, out));
    CW_TRY(time_updates(b, out));
    double peak = cw_bench_peak_memory() - b->base;
    add_memory(out, "frames and their index", frames, 0);
    add_memory(out, "parameters and activations", agent, 0);
    add_memory(out, "whole run, beyond the program itself", frames + agent, peak);
    cw_bench_figure_add(out, "peak memory / foretold", peak / (frames + agent), "x");
    CW_TRY(cw_backend_describe(b->be, out->backend, sizeof out->backend));
    snprintf(out->title, sizeof out->title,
             "replay: profile %s, %lld transitions, %dx%d frames, minibatch %d", s->run.profile,
             (long long)desc.capacity, desc.frame.width, desc.frame.height, desc.batch_size);
    return CW_OK;
}

cw_status cw_bench_replay(const cw_settings *settings, const cw_bench_options *options,
                          cw_bench_result *out) {
    replay_bench b = {.settings = settings, .budget_s = options->seconds / 3};
    cw_status status = run(&b, out);
    cw_replay_destroy(b.replay);
    cw_actor_destroy(b.actor);
    cw_agent_destroy(b.agent);
    cw_backend_destroy(b.be);
    return status;
}
