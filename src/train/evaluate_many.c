/* Many episodes side by side: while the policy chooses one environment's action, the others
 * simulate and draw in threads of their own. */
#include "base/error.h"
#include "base/memory.h"
#include "train/evaluate.h"
#include "train/worker.h"

#include <math.h>

enum { MOST_LANES = 4 }; /* more would wait for each other: software GL draws two frames at once */

/* One environment and the episode that it is in. */
typedef struct lane {
    cw_agent_env env;
    bool env_live;
    cw_worker *worker;
    uint8_t *frames; /* (K) frames, used in turn */
    int episode;     /* number of the one under way */
    bool playing;    /* something was started and has to be waited for */
    int64_t t;       /* agent steps begun in this episode */
    double sum;      /* rewards so far */
} lane;

typedef struct many {
    const cw_eval_source *source;
    cw_view view;
    size_t frame_bytes;
    cw_actor *actor;
    const uint8_t **stack; /* (K) oldest first */
    int n_lanes;
    lane lane[MOST_LANES];
    int n; /* episodes wanted */
    int done;
    double *returns;
    int64_t frames; /* environment frames so far */
} many;

static uint8_t *frame_at(const many *m, const lane *l, int64_t t) {
    return l->frames + (size_t)(t % m->view.stack) * m->frame_bytes;
}

static cw_status open_lane(many *m, lane *l) {
    const cw_eval_source *source = m->source;
    cw_env bare;
    CW_TRY(source->create(source->user, source->seed, source->image_size, &bare));
    cw_status status = cw_agent_env_init(&l->env, &bare, source->action_repeat);
    if (status != CW_OK) {
        bare.vtable->destroy(bare.self);
        return status;
    }
    l->env_live = true;
    CW_TRY(cw_alloc(&l->frames, (size_t)m->view.stack, m->frame_bytes, "evaluation frames"));
    return cw_worker_create(&l->worker, &l->env);
}

static void close_lane(lane *l) {
    cw_worker_destroy(l->worker);
    if (l->env_live) cw_agent_env_deinit(&l->env);
    cw_free(l->frames);
}

/* Begins episode number `episode` after passing over `skip` others, whose initial states the
 * environment draws from the same generator. */
static cw_status begin_episode(many *m, lane *l, int episode, int skip) {
    const cw_env *env = &l->env.env;
    for (int i = 0; i < skip; i++) CW_TRY(env->vtable->reset(env->self));
    l->episode = episode;
    l->t = 0;
    l->sum = 0;
    l->playing = true;
    cw_worker_start_reset(l->worker, frame_at(m, l, 0));
    return CW_OK;
}

static cw_status act(many *m, lane *l) {
    float action[CW_MAX_ACTION_DIM];
    int32_t offset = cw_view_offset(&m->view);
    for (int k = 0; k < m->view.stack; k++) {
        int64_t age = l->t - (m->view.stack - 1 - k);
        m->stack[k] = frame_at(m, l, age > 0 ? age : 0);
    }
    cw_image_batch images = cw_view_batch(&m->view, m->stack, &offset);
    CW_TRY(cw_actor_act(m->actor, &images, NULL, action));
    l->t++;
    cw_worker_start_step(l->worker, action, frame_at(m, l, l->t));
    return CW_OK;
}

/* Takes what the lane's thread has finished and gives it the next thing to do. */
static cw_status advance(many *m, lane *l) {
    cw_timestep step = {.last = false};
    cw_status status = cw_worker_wait(l->worker, &step);
    if (status != CW_OK) {
        return cw_fail_in(status, "agent step %lld of an evaluation",
                          (long long)(l->t > 0 ? l->t - 1 : 0));
    }
    if (l->t > 0) { /* it was a step, not the reset */
        if (!isfinite(step.reward)) {
            return cw_fail(CW_EDIVERGED, "agent step %lld of an evaluation: the reward is %g",
                           (long long)l->t - 1, step.reward);
        }
        l->sum += step.reward;
        m->frames += step.frames;
        if (step.last) {
            m->returns[l->episode] = l->sum;
            m->done++;
            l->playing = false;
            int next = l->episode + m->n_lanes;
            return next < m->n ? begin_episode(m, l, next, m->n_lanes - 1) : CW_OK;
        }
    }
    return act(m, l);
}

static cw_status play(many *m, cw_eval_between between, void *user) {
    for (int i = 0; i < m->n_lanes; i++) CW_TRY(begin_episode(m, &m->lane[i], i, i));
    while (m->done < m->n) {
        if (between != NULL && between(user, m->done)) {
            return cw_fail(CW_EINTERRUPTED, "stopped during an evaluation");
        }
        for (int i = 0; i < m->n_lanes; i++) {
            if (m->lane[i].playing) CW_TRY(advance(m, &m->lane[i]));
        }
    }
    return CW_OK;
}

static cw_status open_many(many *m, cw_agent *agent) {
    const cw_frame_spec *frame = &m->view.frame;
    m->frame_bytes = (size_t)frame->channels * (size_t)frame->height * (size_t)frame->width;
    CW_TRY(cw_actor_create(&m->actor, agent, 1));
    CW_TRY(cw_alloc(&m->stack, (size_t)m->view.stack, sizeof *m->stack, "evaluation frames"));
    for (int i = 0; i < m->n_lanes; i++) CW_TRY(open_lane(m, &m->lane[i]));
    return CW_OK;
}

cw_status cw_evaluate_episodes(cw_agent *agent, const cw_eval_source *source, const cw_view *view,
                               int n, double *returns, int64_t *frames, cw_eval_between between,
                               void *user) {
    many m = {.source = source, .view = *view, .n = n, .returns = returns};
    m.n_lanes = source->lanes < MOST_LANES ? source->lanes : MOST_LANES;
    if (m.n_lanes > n) m.n_lanes = n;
    if (m.n_lanes < 1) m.n_lanes = 1;
    cw_status status = open_many(&m, agent);
    if (status == CW_OK) status = play(&m, between, user);
    if (status == CW_OK) *frames = m.frames;
    for (int i = 0; i < MOST_LANES; i++) close_lane(&m.lane[i]);
    cw_free(m.stack);
    cw_actor_destroy(m.actor);
    return status;
}
