/* Examples to check an exported model with: stacks of one episode, actions and features. */
#include "base/error.h"
#include "base/memory.h"
#include "io/safetensors.h"
#include "train/export.h"

#include <string.h>

#define EXAMPLES_MAX 32

typedef struct examples {
    cw_session *session;
    cw_actor *actor;
    int64_t n, every; /* examples so far; agent steps from one to the next */
    size_t frame_bytes;
    uint8_t *frames;       /* (K + 1) newest frames, used in turn */
    const uint8_t **stack; /* (K) oldest first */
    uint8_t *observations; /* (EXAMPLES_MAX, K, frame) */
    float *actions;        /* (EXAMPLES_MAX, A), in the task's bounds */
    float *features;       /* (EXAMPLES_MAX, D) */
} examples;

static cw_status allocate(examples *e) {
    const cw_view *view = &e->session->view;
    const cw_agent_spec *spec = cw_agent_get_spec(e->session->agent);
    size_t stack = (size_t)view->stack;
    e->frame_bytes =
        (size_t)view->frame.channels * (size_t)view->frame.height * (size_t)view->frame.width;
    CW_TRY(cw_alloc(&e->frames, stack + 1, e->frame_bytes, "examples"));
    CW_TRY(cw_alloc(&e->stack, stack, sizeof *e->stack, "examples"));
    CW_TRY(cw_alloc(&e->observations, EXAMPLES_MAX * stack, e->frame_bytes, "examples"));
    CW_TRY(
        cw_alloc(&e->actions, EXAMPLES_MAX * (size_t)spec->action_dim, sizeof(float), "examples"));
    CW_TRY(cw_alloc(&e->features, EXAMPLES_MAX * (size_t)spec->encoder.feature_dim, sizeof(float),
                    "examples"));
    return cw_actor_create(&e->actor, e->session->agent, 1);
}

/* The buffer of the t-th frame of the episode. */
static uint8_t *frame_at(const examples *e, int64_t t) {
    return e->frames + (size_t)(t % (e->session->view.stack + 1)) * e->frame_bytes;
}

static cw_status keep(examples *e, const float *action) {
    const cw_agent_spec *spec = cw_agent_get_spec(e->session->agent);
    size_t stack = (size_t)e->session->view.stack;
    double scaled[CW_MAX_ACTION_DIM];
    for (size_t k = 0; k < stack; k++) {
        memcpy(e->observations + ((size_t)e->n * stack + k) * e->frame_bytes, e->stack[k],
               e->frame_bytes);
    }
    CW_TRY(cw_agent_env_bounds(&e->session->env, action, scaled));
    for (int i = 0; i < spec->action_dim; i++) {
        e->actions[e->n * spec->action_dim + i] = (float)scaled[i];
    }
    e->n++;
    return CW_OK;
}

static cw_status play(examples *e) {
    cw_session *s = e->session;
    int32_t offset = cw_view_offset(&s->view);
    int64_t steps = cw_agent_env_episode_steps(&s->env);
    e->every = steps > EXAMPLES_MAX ? steps / EXAMPLES_MAX : 1;
    cw_timestep step = {.last = false};
    CW_TRY(cw_agent_env_reset(&s->env, frame_at(e, 0)));
    for (int64_t t = 0; !step.last && e->n < EXAMPLES_MAX; t++) {
        for (int k = 0; k < s->view.stack; k++) {
            int64_t age = t - (s->view.stack - 1 - k);
            e->stack[k] = frame_at(e, age > 0 ? age : 0);
        }
        float action[CW_MAX_ACTION_DIM];
        cw_image_batch images = cw_view_batch(&s->view, e->stack, &offset);
        float value, *z = e->features + e->n * cw_agent_get_spec(s->agent)->encoder.feature_dim;
        CW_TRY(cw_actor_look(e->actor, &images, z, action, &value));
        if (t % e->every == 0) CW_TRY(keep(e, action));
        CW_TRY(cw_agent_env_step(&s->env, action, &step, frame_at(e, t + 1)));
    }
    return CW_OK;
}

static cw_status write_file(const examples *e, const char *path) {
    const cw_view *view = &e->session->view;
    const cw_agent_spec *spec = cw_agent_get_spec(e->session->agent);
    const int64_t shape[4] = {e->n, (int64_t)view->stack * view->frame.channels, view->frame.height,
                              view->frame.width};
    const cw_safetensors_entry entries[] = {
        {"observation", cw_tensor_nd(CW_U8, e->observations, 4, shape)},
        {"action", cw_tensor_2d(CW_F32, e->actions, e->n, spec->action_dim)},
        {"features", cw_tensor_2d(CW_F32, e->features, e->n, spec->encoder.feature_dim)},
    };
    const cw_safetensors_meta meta[] = {{"task", e->session->settings.env.task}};
    return cw_safetensors_write(path, entries, 3, meta, 1);
}

cw_status cw_export_examples(const char *path, cw_session *session) {
    examples e = {.session = session};
    cw_status status = allocate(&e);
    if (status == CW_OK) status = play(&e);
    if (status == CW_OK) status = write_file(&e, path);
    cw_actor_destroy(e.actor);
    cw_free(e.features);
    cw_free(e.actions);
    cw_free(e.observations);
    cw_free(e.stack);
    cw_free(e.frames);
    return status;
}
