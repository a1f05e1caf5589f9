/* Using a finished or running run folder: evaluation and recording of its policy. */
#include "train/session.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/backend.h"
#include "train/precision.h"
#include "train/run_data.h"

#include <string.h>

/* Evaluations after training draw other initial states than those during it. */
#define SESSION_EVAL_INDEX INT64_C(1000000)

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

/* All but the weights and what needs them. */
static cw_status open_world(cw_session *s, const char *run) {
    int action_repeat;
    CW_TRY(cw_folder_settings(run, &s->settings));
    if (s->exact) s->settings.run.precision = CW_PRECISION_F32;
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
    cw_precision precision; /* the run's: its folder knows */
    CW_TRY(cw_precision_settle(&precision, &s->settings, NULL, NULL, 0));
    CW_TRY(cw_backend_select(&s->be, "auto", precision, s->settings.run.threads));
    cw_agent_spec spec = cw_agent_spec_of(&s->settings, &s->env.env.spec);
    return cw_agent_create(&s->agent, s->be, &spec);
}

static cw_status open_parts(cw_session *s, const char *where) {
    bool is_file;
    char run[CW_PATH];
    CW_TRY(locate(where, run, &is_file));
    CW_TRY(open_world(s, run));
    CW_TRY(is_file ? cw_file_load_agent(where, s->agent) : cw_run_load_agent(run, s->agent, NULL));
    return cw_evaluator_create(&s->evaluator, s->agent, &s->env, &s->view);
}

void cw_session_close(cw_session *s) {
    if (s == NULL) return;
    cw_evaluator_destroy(s->evaluator);
    cw_agent_destroy(s->agent);
    cw_backend_destroy(s->be);
    if (s->env_live) cw_agent_env_deinit(&s->env);
    cw_free(s);
}

/* A session by one of the two functions above. */
static cw_status open_session(cw_session **out, const char *run, bool exact,
                              cw_status (*open)(cw_session *s, const char *run)) {
    cw_session *s;
    CW_TRY(cw_alloc(&s, 1, sizeof *s, "a session"));
    s->exact = exact;
    cw_status status = open(s, run);
    if (status != CW_OK) {
        cw_session_close(s);
        return status;
    }
    *out = s;
    return CW_OK;
}

cw_status cw_session_open_env(cw_session **out, const char *run) {
    return open_session(out, run, false, open_world);
}

cw_status cw_session_open(cw_session **out, const char *run, bool exact) {
    return open_session(out, run, exact, open_parts);
}

static bool should_stop(void *context) {
    const cw_callbacks *callbacks = context;
    return callbacks->should_stop(callbacks->user);
}

typedef bool (*stop_fn)(void *user);

/* The host's question whether to stop, for an evaluator; NULL when there is none. */
static stop_fn stop_of(const cw_callbacks *callbacks, cw_callbacks *copy) {
    *copy = callbacks != NULL ? *callbacks : (cw_callbacks){0};
    return copy->should_stop != NULL ? should_stop : NULL;
}

static bool between_episodes(void *context, int done) {
    const cw_callbacks *callbacks = context;
    (void)done;
    return callbacks->should_stop != NULL && should_stop(context);
}

cw_status cw_evaluate(const char *run, int episodes, const cw_callbacks *callbacks, double *mean,
                      double *returns) {
    if (episodes < 1) {
        return cw_fail(CW_EINVAL, "the number of episodes is %d; it must be 1 or more", episodes);
    }
    cw_session *s;
    CW_TRY(cw_session_open(&s, run, false));
    cw_callbacks copy = callbacks != NULL ? *callbacks : (cw_callbacks){0};
    cw_eval_source source = {.create = cw_task_factory_create,
                             .user = &s->factory,
                             .seed = cw_eval_seed(s->settings.run.seed, SESSION_EVAL_INDEX),
                             .image_size = s->settings.env.image_size,
                             .action_repeat = s->env.action_repeat,
                             .lanes = s->be->threads};
    double *all = NULL, sum = 0;
    int64_t frames;
    cw_status status = cw_alloc(&all, (size_t)episodes, sizeof *all, "evaluation returns");
    if (status == CW_OK) {
        status = cw_evaluate_episodes(s->agent, &source, &s->view, episodes, all, &frames,
                                      between_episodes, &copy);
    }
    for (int i = 0; i < episodes && status == CW_OK; i++) {
        sum += all[i];
        if (returns != NULL) returns[i] = all[i];
    }
    if (status == CW_OK) *mean = sum / episodes;
    cw_free(all);
    cw_session_close(s);
    return status;
}

/* A file in <run>/video; makes the folder. */
static cw_status usual_path(char out[CW_PATH], const char *run, const char *name) {
    char folder[CW_PATH], video[CW_PATH];
    bool is_file;
    CW_TRY(locate(run, folder, &is_file));
    CW_TRY(cw_folder_path(video, folder, "video"));
    CW_TRY(cw_dir_make(video));
    return cw_folder_path(out, video, name);
}

static cw_status check_ending(const char *path, bool picture) {
    const char *ending = picture ? ".png" : ".mp4";
    size_t n = strlen(path), m = strlen(ending);
    if (n >= m && strcmp(path + n - m, ending) == 0) return CW_OK;
    return cw_fail(CW_EINVAL, "%s: %s must end in %s", path,
                   picture ? "the picture of one frame" : "a video", ending);
}

cw_status cw_record(const char *run, const char *out, const cw_record_options *options,
                    const cw_callbacks *callbacks, double *episode_return) {
    char path[CW_PATH];
    cw_session *s;
    static const cw_record_options usual = {0};
    if (options == NULL) options = &usual;
    if (options->scale < 0 || options->scale > CW_RECORD_SCALE_MAX) {
        return cw_fail(CW_EINVAL, "a video enlarged %d times; it must be 1 to %d", options->scale,
                       CW_RECORD_SCALE_MAX);
    }
    if (options->frame < 0) {
        return cw_fail(CW_EINVAL, "frame %lld; the first is 1", (long long)options->frame);
    }
    const char *usual_name = options->frame > 0 ? "record.png" : "record.mp4";
    if (out != NULL) CW_TRY(check_ending(out, options->frame > 0));
    CW_TRY(cw_target_check(out, options->replace));
    CW_TRY(cw_session_open(&s, run, false));
    cw_status status = out == NULL ? usual_path(path, run, usual_name) : CW_OK;
    if (out == NULL) out = path;
    if (status == CW_OK) status = cw_target_check(out, options->replace);
    if (status == CW_OK) {
        cw_callbacks copy;
        stop_fn stop = stop_of(callbacks, &copy);
        const cw_film film = {.path = out,
                              .scale = options->scale > 0 ? options->scale : CW_FILM_SCALE,
                              .overlay = options->overlay,
                              .frame = options->frame};
        status = cw_evaluator_film(s->evaluator, &film, episode_return, stop, &copy);
    }
    cw_session_close(s);
    return status;
}
