#include "train/evaluate.h"

#include "base/error.h"
#include "base/memory.h"
#include "io/picture.h"
#include "io/video.h"

#include <math.h>

#define VIDEO_FPS 25.0

struct cw_evaluator {
    cw_actor *actor;
    cw_agent_env *env;
    cw_view view;
    size_t frame_bytes;
    uint8_t *frames;       /* (K) frames, used in turn */
    const uint8_t **stack; /* (K) oldest first */
    float action[CW_MAX_ACTION_DIM];
    float *z; /* (D) */
};

int32_t cw_view_offset(const cw_view *view) {
    return (view->frame.height - view->crop) / 2;
}

cw_image_batch cw_view_batch(const cw_view *view, const uint8_t *const *frames,
                             const int32_t *offset) {
    return (cw_image_batch){.n = 1,
                            .stack = view->stack,
                            .frame_channels = view->frame.channels,
                            .frame_height = view->frame.height,
                            .frame_width = view->frame.width,
                            .frames = frames,
                            .offset_y = offset,
                            .offset_x = offset};
}

cw_status cw_evaluator_create(cw_evaluator **out, cw_agent *agent, cw_agent_env *env,
                              const cw_view *view) {
    cw_evaluator *evaluator;
    CW_TRY(cw_alloc(&evaluator, 1, sizeof *evaluator, "an evaluator"));
    evaluator->env = env;
    evaluator->view = *view;
    evaluator->frame_bytes =
        (size_t)view->frame.channels * (size_t)view->frame.height * (size_t)view->frame.width;
    size_t stack = (size_t)view->stack;
    cw_status status = cw_alloc(&evaluator->frames, stack, evaluator->frame_bytes, "an evaluator");
    if (status == CW_OK) {
        status = cw_alloc(&evaluator->stack, stack, sizeof *evaluator->stack, "an evaluator");
    }
    if (status == CW_OK) {
        status = cw_alloc(&evaluator->z, (size_t)cw_agent_get_spec(agent)->encoder.feature_dim,
                          sizeof *evaluator->z, "an evaluator");
    }
    if (status == CW_OK) status = cw_actor_create(&evaluator->actor, agent, 1);
    if (status != CW_OK) {
        cw_evaluator_destroy(evaluator);
        return status;
    }
    *out = evaluator;
    return CW_OK;
}

void cw_evaluator_destroy(cw_evaluator *evaluator) {
    if (evaluator == NULL) return;
    cw_actor_destroy(evaluator->actor);
    cw_free(evaluator->z);
    cw_free(evaluator->stack);
    cw_free(evaluator->frames);
    cw_free(evaluator);
}

/* The buffer of the t-th frame of an episode. */
static uint8_t *frame_at(cw_evaluator *e, int64_t t) {
    return e->frames + (size_t)(t % e->view.stack) * e->frame_bytes;
}

/* Shows frame t (from 0) of an episode: to the video, or as a picture when it is the one wanted. */
static cw_status show(cw_evaluator *e, const cw_film *film, cw_video *video, int64_t t,
                      const cw_image_batch *images, double so_far) {
    if (film->frame > 0 && t + 1 != film->frame) return CW_OK;
    const uint8_t *frame = frame_at(e, t);
    float value, action[CW_MAX_ACTION_DIM];
    cw_overlay overlay = {
        .episode_return = so_far, .action = action, .n_actions = e->env->env.spec.action_dim};
    if (film->overlay) {
        CW_TRY(cw_actor_look(e->actor, images, e->z, action, &value));
        overlay.value = (double)value;
    }
    const cw_overlay *drawn = film->overlay ? &overlay : NULL;
    if (film->frame == 0) return cw_video_frame(video, frame, drawn);
    return cw_picture_write(film->path, frame, e->view.frame.width, e->view.frame.height,
                            film->scale, drawn);
}

/* One episode, to `video` (NULL when film->frame asks for a picture alone). */
static cw_status play(cw_evaluator *e, const cw_film *film, cw_video *video, double *episode_return,
                      bool (*should_stop)(void *user), void *user) {
    int32_t offset = cw_view_offset(&e->view);
    double sum = 0;
    cw_timestep step = {.last = false};
    CW_TRY(cw_agent_env_reset(e->env, frame_at(e, 0)));
    int64_t t = 0;
    for (; !step.last; t++) {
        if (should_stop != NULL && should_stop(user)) {
            return cw_fail(CW_EINTERRUPTED, "stopped during an evaluation");
        }
        for (int k = 0; k < e->view.stack; k++) {
            int64_t age = t - (e->view.stack - 1 - k);
            e->stack[k] = frame_at(e, age > 0 ? age : 0);
        }
        cw_image_batch images = cw_view_batch(&e->view, e->stack, &offset);
        CW_TRY(show(e, film, video, t, &images, sum));
        CW_TRY(cw_actor_act(e->actor, &images, NULL, e->action));
        cw_status status = cw_agent_env_step(e->env, e->action, &step, frame_at(e, t + 1));
        if (status != CW_OK) {
            return cw_fail_in(status, "agent step %lld of an evaluation", (long long)t);
        }
        if (!isfinite(step.reward)) {
            return cw_fail(CW_EDIVERGED, "agent step %lld of an evaluation: the reward is %g",
                           (long long)t, step.reward);
        }
        sum += step.reward;
    }
    if (film->frame > t) {
        return cw_fail(CW_EINVAL, "frame %lld of an episode of %lld frames", (long long)film->frame,
                       (long long)t);
    }
    *episode_return = sum;
    return CW_OK;
}

cw_status cw_evaluator_film(cw_evaluator *evaluator, const cw_film *film, double *episode_return,
                            bool (*should_stop)(void *user), void *user) {
    if (film->frame > 0) return play(evaluator, film, NULL, episode_return, should_stop, user);
    cw_video *video;
    const cw_frame_spec *frame = &evaluator->view.frame;
    CW_TRY(cw_video_open(&video, film->path, frame->width, frame->height, film->scale, VIDEO_FPS));
    cw_status status = play(evaluator, film, video, episode_return, should_stop, user);
    if (status == CW_OK) return cw_video_close(video);
    cw_video_abort(video);
    return status;
}
