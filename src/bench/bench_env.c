/* The configured task: a simulated step, a drawn frame, an agent step, and what the agent adds to
 * it: one action of the policy. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "bench/result.h"
#include "env/agent_env.h"
#include "env/suite.h"
#include "train/trainer.h"

#include <stdio.h>

typedef struct env_bench {
    const cw_settings *settings;
    double budget_s; /* of one measurement */
    int action_repeat;
    cw_agent_env env;
    bool env_live;
    cw_backend *be;
    cw_agent *agent;
    cw_actor *actor;
    uint8_t *frames; /* (K) frames of the newest stack, oldest first */
    const uint8_t **stack;
    cw_view view;
} env_bench;

static cw_status open_bench(env_bench *b, cw_bench_result *out) {
    const cw_settings *s = b->settings;
    cw_task_factory factory;
    cw_env bare;
    double from = cw_clock_s();
    CW_TRY(cw_task_factory_init(&factory, s, &b->action_repeat));
    CW_TRY(cw_task_factory_create(&factory, (uint32_t)s->run.seed, s->env.image_size, &bare));
    cw_status status = cw_agent_env_init(&b->env, &bare, b->action_repeat);
    if (status != CW_OK) {
        bare.vtable->destroy(bare.self);
        return status;
    }
    b->env_live = true;
    cw_bench_figure_add(out, "start of the environment", 1e3 * (cw_clock_s() - from), "ms");
    from = cw_clock_s();
    const cw_env_spec *spec = &b->env.env.spec;
    CW_TRY(cw_bench_backend(&b->be, s));
    cw_agent_spec agent = cw_agent_spec_of(s, spec);
    CW_TRY(cw_agent_create(&b->agent, b->be, &agent));
    CW_TRY(cw_agent_init(b->agent, s->run.seed));
    CW_TRY(cw_actor_create(&b->actor, b->agent, 1));
    cw_bench_figure_add(out, "start of the agent", 1e3 * (cw_clock_s() - from), "ms");
    b->view = cw_view_of(s, spec);
    size_t stack = (size_t)b->view.stack;
    size_t bytes = (size_t)spec->frame_channels * (size_t)spec->frame_height;
    CW_TRY(cw_alloc(&b->frames, cw_size_mul(stack, bytes), (size_t)spec->frame_width, "frames"));
    CW_TRY(cw_alloc(&b->stack, stack, sizeof *b->stack, "frames"));
    for (size_t i = 0; i < stack; i++)
        b->stack[i] = b->frames + i * bytes * (size_t)spec->frame_width;
    return cw_agent_env_reset(&b->env, b->frames);
}

static void close_bench(env_bench *b) {
    cw_free(b->stack);
    cw_free(b->frames);
    cw_actor_destroy(b->actor);
    cw_agent_destroy(b->agent);
    cw_backend_destroy(b->be);
    if (b->env_live) cw_agent_env_deinit(&b->env);
}

static void random_action(const env_bench *b, int64_t t, float *action) {
    double uniform[CW_MAX_ACTION_DIM];
    int n = b->env.env.spec.action_dim;
    cw_stream stream = {.seed = b->settings->run.seed, .purpose = CW_RNG_RANDOM_ACTION};
    cw_rng_uniform(&stream, (uint64_t)t, -1.0, 1.0, uniform, (size_t)n);
    for (int i = 0; i < n; i++) action[i] = (float)uniform[i];
}

/* One control step, in the middle of the bounds. */
static cw_status simulate(env_bench *b, int64_t t) {
    const cw_env_spec *spec = &b->env.env.spec;
    double action[CW_MAX_ACTION_DIM];
    (void)t;
    for (int i = 0; i < spec->action_dim; i++) {
        action[i] = 0.5 * (spec->action_min[i] + spec->action_max[i]);
    }
    cw_env_step step;
    CW_TRY(b->env.env.vtable->step(b->env.env.self, action, &step));
    return step.last ? b->env.env.vtable->reset(b->env.env.self) : CW_OK;
}

static cw_status draw(env_bench *b, int64_t t) {
    (void)t;
    return b->env.env.vtable->render(b->env.env.self, b->frames);
}

static cw_status agent_step(env_bench *b, int64_t t) {
    float action[CW_MAX_ACTION_DIM];
    cw_timestep step;
    random_action(b, t, action);
    CW_TRY(cw_agent_env_step(&b->env, action, &step, b->frames));
    return step.last ? cw_agent_env_reset(&b->env, b->frames) : CW_OK;
}

static cw_status act(env_bench *b, int64_t t) {
    float action[CW_MAX_ACTION_DIM];
    (void)t;
    int32_t offset = cw_view_offset(&b->view);
    cw_image_batch images = cw_view_batch(&b->view, b->stack, &offset);
    return cw_actor_act(b->actor, &images, NULL, action);
}

static cw_status measure(env_bench *b, const char *name, cw_status (*call)(env_bench *, int64_t),
                         cw_bench_result *out) {
    cw_samples samples = {0};
    CW_TRY(call(b, 0));
    double begin = cw_clock_s();
    for (int64_t t = 1; t < 4 || cw_clock_s() - begin < b->budget_s; t++) {
        double from = cw_clock_s();
        CW_TRY(call(b, t));
        cw_samples_add(&samples, cw_clock_s() - from);
    }
    cw_bench_row *row = cw_bench_add(out, "env", name);
    if (row == NULL) return CW_OK;
    row->seconds = cw_samples_median(&samples);
    row->best = cw_samples_best(&samples);
    return CW_OK;
}

static cw_status run(env_bench *b, cw_bench_result *out) {
    CW_TRY(open_bench(b, out));
    CW_TRY(measure(b, "control step", simulate, out));
    CW_TRY(cw_agent_env_reset(&b->env, b->frames));
    CW_TRY(measure(b, "agent step with its frame", agent_step, out));
    double step = out->row[out->n_rows - 1].seconds;
    CW_TRY(measure(b, "frame alone", draw, out));
    CW_TRY(measure(b, "one action of the policy", act, out));
    cw_bench_figure_add(out, "environment alone", b->action_repeat / step, "frames/s");
    char renderer[160];
    CW_TRY(cw_env_renderer_describe(&b->env.env, renderer, sizeof renderer));
    char kernels[80];
    CW_TRY(cw_backend_describe(b->be, kernels, sizeof kernels));
    snprintf(out->backend, sizeof out->backend, "%s; %s", renderer, kernels);
    snprintf(out->title, sizeof out->title, "env: %s, %dx%d pixels, action repeat %d",
             b->settings->env.task, b->view.frame.width, b->view.frame.height, b->action_repeat);
    return CW_OK;
}

cw_status cw_bench_env(const cw_settings *settings, const cw_bench_options *options,
                       cw_bench_result *out) {
    env_bench *b;
    CW_TRY(cw_alloc(&b, 1, sizeof *b, "a benchmark"));
    b->settings = settings;
    b->budget_s = options->seconds / 3;
    cw_status status = run(b, out);
    close_bench(b);
    cw_free(b);
    return status;
}
