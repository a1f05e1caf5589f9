/* Using a finished or running run folder: evaluation and recording of its policy. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/backend.h"
#include "train/trainer.h"

#include <string.h>

#define VIDEO_SCALE 4
#define VIDEO_FPS   25.0

/* Evaluations after training draw other initial states than those during it. */
#define SESSION_EVAL_INDEX INT64_C(1000000)

typedef struct session {
    cw_settings settings;
    cw_task_factory factory;
    cw_backend *be;
    cw_agent *agent;
    cw_agent_env env;
    bool env_live;
    cw_view view;
    cw_evaluator *evaluator;
} session;

/* What stands for a run on the command line: its folder, or a file of weights in it. */
static cw_status locate(const char *run, char folder[CW_PATH], bool *is_file) {
    size_t n = strlen(run);
    const char *suffix = ".safetensors";
    *is_file = n > strlen(suffix) && strcmp(run + n - strlen(suffix), suffix) == 0;
    const char *slash = *is_file ? strrchr(run, '/') : NULL;
    if (*is_file) n = slash == NULL ? 0 : (size_t)(slash - run);
    if (n >= CW_PATH) return cw_fail(CW_EINVAL, "the path %.80s... is too long", run);
    if (*is_file && slash == NULL) {
        run = ".";
        n = 1;
    }
    snprintf(folder, CW_PATH, "%.*s", (int)n, run);
    return CW_OK;
}

static cw_status open_parts(session *s, const char *where) {
    int action_repeat;
    bool is_file;
    char run[CW_PATH];
    CW_TRY(locate(where, run, &is_file));
    CW_TRY(cw_folder_settings(run, &s->settings));
    CW_TRY(cw_task_factory_init(&s->factory, &s->settings, &action_repeat));
    cw_env bare;
    uint32_t seed = cw_eval_seed(s->settings.run.seed, SESSION_EVAL_INDEX);
    CW_TRY(cw_task_factory_create(&s->factory, seed, s->settings.env.image_size, &bare));
    cw_status status = cw_agent_env_init(&s->env, &bare, action_repeat);
    if (status != CW_OK) {
        bare.vtable->destroy(bare.self);
        return status;
    }
    s->env_live = true;
    s->view = cw_view_of(&s->settings, &s->env.env.spec);
    CW_TRY(cw_backend_select(&s->be, "auto", s->settings.run.precision, s->settings.run.threads));
    cw_agent_spec spec = cw_agent_spec_of(&s->settings, &s->env.env.spec);
    CW_TRY(cw_agent_create(&s->agent, s->be, &spec));
    CW_TRY(is_file ? cw_file_load_agent(where, s->agent) : cw_run_load_agent(run, s->agent));
    return cw_evaluator_create(&s->evaluator, s->agent, &s->env, &s->view);
}

static void close_session(session *s) {
    cw_evaluator_destroy(s->evaluator);
    cw_agent_destroy(s->agent);
    cw_backend_destroy(s->be);
    if (s->env_live) cw_agent_env_deinit(&s->env);
    cw_free(s);
}

static cw_status open_session(session **out, const char *run) {
    CW_TRY(cw_alloc(out, 1, sizeof **out, "a session"));
    cw_status status = open_parts(*out, run);
    if (status != CW_OK) close_session(*out);
    return status;
}

static bool should_stop(void *context) {
    const cw_callbacks *callbacks = context;
    return callbacks->should_stop(callbacks->user);
}

static cw_status play(session *s, const cw_callbacks *callbacks, cw_video *video, double *out) {
    bool stoppable = callbacks != NULL && callbacks->should_stop != NULL;
    cw_callbacks copy = stoppable ? *callbacks : (cw_callbacks){0};
    return cw_evaluator_episode(s->evaluator, out, video, stoppable ? should_stop : NULL, &copy);
}

cw_status cw_evaluate(const char *run, int episodes, const cw_callbacks *callbacks, double *mean,
                      double *returns) {
    if (episodes < 1) {
        return cw_fail(CW_EINVAL, "the number of episodes is %d; it must be 1 or more", episodes);
    }
    session *s;
    CW_TRY(open_session(&s, run));
    cw_status status = CW_OK;
    double sum = 0;
    for (int i = 0; i < episodes && status == CW_OK; i++) {
        double episode_return = 0;
        status = play(s, callbacks, NULL, &episode_return);
        sum += episode_return;
        if (returns != NULL) returns[i] = episode_return;
    }
    if (status == CW_OK) *mean = sum / episodes;
    close_session(s);
    return status;
}

static cw_status record(session *s, const char *path, const cw_callbacks *callbacks,
                        double *episode_return) {
    cw_video *video;
    const cw_frame_spec *frame = &s->view.frame;
    CW_TRY(cw_video_open(&video, path, frame->width, frame->height, VIDEO_SCALE, VIDEO_FPS));
    cw_status status = play(s, callbacks, video, episode_return);
    if (status == CW_OK) return cw_video_close(video);
    cw_video_abort(video);
    return status;
}

cw_status cw_record(const char *run, const char *out, const cw_callbacks *callbacks,
                    double *episode_return) {
    char folder[CW_PATH], path[CW_PATH];
    session *s;
    CW_TRY(open_session(&s, run));
    cw_status status = CW_OK;
    if (out == NULL) {
        bool is_file;
        status = locate(run, path, &is_file);
        if (status == CW_OK) status = cw_folder_path(folder, path, "video");
        if (status == CW_OK) status = cw_dir_make(folder);
        if (status == CW_OK) status = cw_folder_path(path, folder, "record.mp4");
        out = path;
    }
    if (status == CW_OK) status = record(s, out, callbacks, episode_return);
    close_session(s);
    return status;
}
