/* `curlew rollout`: replays an action file on a task. docs/formats.md describes both files. */
#include "train/rollout.h"

#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"
#include "env/suite.h"

#include <curlew/run.h>

#include <math.h>
#include <stdio.h>

#define FILE_MAX_BYTES (UINT64_C(1) << 34)

/* Everything that one rollout writes. */
typedef struct rollout {
    cw_env env;
    const cw_tensor *actions; /* f64 (T, A) */
    int64_t steps;            /* T, or fewer when the episode ends sooner */
    int n_obs, nq, nv, side;
    double *rewards; /* (T) */
    double *obs;     /* (T+1, n_obs) */
    double *qpos;    /* (T+1, nq) */
    double *qvel;    /* (T+1, nv) */
    uint8_t *frames; /* (N, side, side, 3) RGB, top row first */
    uint8_t *planar; /* (3, side, side) */
    const int64_t *frame_steps;
    int n_frames;
} rollout;

#define ROLLOUT_SIDE 100 /* pixels, as the recorded references */

static cw_status parse_renderer(const char *text, cw_renderer *out) {
    cw_settings settings;
    cw_settings_default(&settings);
    CW_TRY(cw_settings_set(&settings, "env.renderer", text));
    *out = settings.env.renderer;
    return CW_OK;
}

cw_status cw_rollout_actions(const cw_safetensors *file, const cw_env_spec *spec,
                             const cw_tensor **out) {
    const cw_tensor *a = cw_safetensors_find(file, "actions");
    int dim = spec->action_dim;
    if (a == NULL) return cw_fail(CW_EFORMAT, "tensor 'actions' is missing");
    if (a->dtype != CW_F64 || a->ndim != 2 || a->shape[1] != dim) {
        return cw_fail(CW_EFORMAT, "tensor 'actions' must be f64 of shape (steps, %d)", dim);
    }
    if (a->shape[0] > spec->step_limit) {
        return cw_fail(CW_EFORMAT, "tensor 'actions' has %lld steps; an episode has at most %d",
                       (long long)a->shape[0], spec->step_limit);
    }
    for (int64_t i = 0; i < a->shape[0] * dim; i++) {
        if (!isfinite(((const double *)a->data)[i])) {
            return cw_fail(CW_EFORMAT, "tensor 'actions': [%lld, %lld] is not a finite number",
                           (long long)(i / dim), (long long)(i % dim));
        }
    }
    *out = a;
    return CW_OK;
}

static cw_status check_input(rollout *r, const cw_safetensors *in) {
    CW_TRY(cw_rollout_actions(in, &r->env.spec, &r->actions));
    r->steps = r->actions->shape[0];
    for (int i = 0; i < r->n_frames; i++) {
        if (r->frame_steps[i] < 0 || r->frame_steps[i] > r->steps) {
            return cw_fail(CW_EINVAL, "--frames: step %lld is not in 0 to %lld",
                           (long long)r->frame_steps[i], (long long)r->steps);
        }
    }
    return CW_OK;
}

static cw_status allocate(rollout *r) {
    size_t rows = (size_t)r->steps + 1, side = (size_t)r->side;
    CW_TRY(cw_env_observation_size(&r->env, &r->n_obs));
    /* A task without physics has no generalised coordinates: empty tensors. */
    cw_status status = cw_env_state_sizes(&r->env, &r->nq, &r->nv);
    if (status == CW_EUNSUPPORTED) r->nq = r->nv = 0;
    if (status != CW_OK && status != CW_EUNSUPPORTED) return status;
    CW_TRY(cw_alloc(&r->rewards, rows, sizeof(double), "rewards"));
    CW_TRY(cw_alloc(&r->obs, cw_size_mul(rows, (size_t)r->n_obs), sizeof(double), "observations"));
    CW_TRY(cw_alloc(&r->qpos, cw_size_mul(rows, (size_t)r->nq), sizeof(double), "qpos"));
    CW_TRY(cw_alloc(&r->qvel, cw_size_mul(rows, (size_t)r->nv), sizeof(double), "qvel"));
    CW_TRY(cw_alloc(&r->planar, 3, side * side, "a frame"));
    return cw_alloc(&r->frames, (size_t)r->n_frames, 3 * side * side, "frames");
}

/* Stores the state after control step t (0: at reset), and its frame where one is wanted. */
static cw_status record_step(rollout *r, int64_t t) {
    CW_TRY(cw_env_observation(&r->env, r->obs + t * r->n_obs));
    if (r->nq > 0) CW_TRY(cw_env_qpos_qvel(&r->env, r->qpos + t * r->nq, r->qvel + t * r->nv));
    size_t pixels = (size_t)r->side * (size_t)r->side;
    for (int i = 0; i < r->n_frames; i++) {
        if (r->frame_steps[i] != t) continue;
        CW_TRY(r->env.vtable->render(r->env.self, r->planar));
        uint8_t *out = r->frames + (size_t)i * 3 * pixels;
        for (size_t p = 0; p < pixels; p++) {
            for (size_t c = 0; c < 3; c++) out[3 * p + c] = r->planar[c * pixels + p];
        }
    }
    return CW_OK;
}

static cw_status play(rollout *r) {
    const double *action = r->actions->data;
    CW_TRY(r->env.vtable->reset(r->env.self));
    CW_TRY(record_step(r, 0));
    for (int64_t t = 0; t < r->steps; t++) {
        cw_env_step step;
        CW_TRY(r->env.vtable->step(r->env.self, action + t * r->env.spec.action_dim, &step));
        r->rewards[t] = step.reward;
        CW_TRY(record_step(r, t + 1));
    }
    return CW_OK;
}

static cw_status write_result(const rollout *r, const char *path, const char *task, uint32_t seed) {
    int64_t frames[4] = {r->n_frames, r->side, r->side, 3};
    char seed_text[16];
    snprintf(seed_text, sizeof seed_text, "%u", seed);
    const cw_safetensors_entry entries[] = {
        {"rewards", cw_tensor_1d(CW_F64, r->rewards, r->steps)},
        {"observations", cw_tensor_2d(CW_F64, r->obs, r->steps + 1, r->n_obs)},
        {"qpos", cw_tensor_2d(CW_F64, r->qpos, r->steps + 1, r->nq)},
        {"qvel", cw_tensor_2d(CW_F64, r->qvel, r->steps + 1, r->nv)},
        {"frames", cw_tensor_nd(CW_U8, r->frames, 4, frames)},
    };
    const cw_safetensors_meta meta[] = {{"task", task}, {"seed", seed_text}};
    return cw_safetensors_write(path, entries, r->n_frames > 0 ? 5 : 4, meta, 2);
}

cw_status cw_rollout(const char *task_name, uint32_t seed, const char *actions_path,
                     const char *out_path, const int64_t *frame_steps, int n_frame_steps,
                     const char *renderer) {
    const cw_task *task;
    CW_TRY(cw_task_find(task_name, &task));
    cw_env_options options = {
        .seed = seed, .image_size = n_frame_steps > 0 ? ROLLOUT_SIDE : 0, .camera = -1};
    CW_TRY(parse_renderer(renderer != NULL ? renderer : "auto", &options.renderer));
    rollout r = {.side = ROLLOUT_SIDE, .frame_steps = frame_steps, .n_frames = n_frame_steps};
    cw_safetensors *in;
    CW_TRY(cw_safetensors_open(&in, actions_path, FILE_MAX_BYTES));
    cw_status status = cw_env_create(task, &options, &r.env);
    if (status == CW_OK) {
        status = check_input(&r, in);
        if (status == CW_EFORMAT) status = cw_fail_in(status, "%s", actions_path);
        if (status == CW_OK) status = allocate(&r);
        if (status == CW_OK) status = play(&r);
        if (status == CW_OK) status = write_result(&r, out_path, task->name, seed);
        r.env.vtable->destroy(r.env.self);
    }
    cw_free(r.frames);
    cw_free(r.planar);
    cw_free(r.qvel);
    cw_free(r.qpos);
    cw_free(r.obs);
    cw_free(r.rewards);
    cw_safetensors_close(in);
    return status;
}
